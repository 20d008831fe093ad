/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/ip.h"

/* What the supervisor and serving processes say to each other over a socket pair, and one supervisor to the next: fixed structs, of one
 * machine. A binary that speaks another version is not taken over: what follows may change with the number alone. */
enum { WORDS_VERSION = 2, WORDS_SOCKETS_MAX = 1024 };
/* Environment of a serving process that another binary's supervisor has started, and of a binary that goes on as supervisor. */
#define WORDS_SERVING "POSTERN_SERVING"
#define WORDS_GOES_ON "POSTERN_GOES_ON"

enum words_op {
    WORDS_OPEN,  /* sockets for n workers at least; answered with all that there are */
    WORDS_HUSH,  /* no further connection begins there; those that have begun are still to be taken */
    WORDS_CLOSE, /* the listener is gone, and its queues are empty */
    WORDS_READY, /* not answered: it serves, and asked for all that it needs */
    WORDS_LEFT,  /* not answered: it has handed over, and lets nobody in any more who asks for pages */
};
enum words_use { WORDS_TRAFFIC, WORDS_ADMIN }; /* sockets of one use are never handed out for the other */
struct words_ask {
    enum words_op op;
    enum words_use use;
    uint16_t port;
    uint32_t n;
    struct ip ip;
};
/* One or, when there are more descriptors than a message takes, several. */
struct words_reply {
    int error;        /* errno; 0: done */
    uint32_t n, left; /* descriptors in this message, and after it */
};
/* What a serving process is given at its start. */
struct words_start {
    uint32_t version;
    int supervisor; /* descriptor of its end of the socket pair */
    int keepsake;   /* secrets that outlive it: a memory file; -1: it has them */
    int log;        /* where standard error goes once it is ready; -1: where it goes already */
    int last_good; /* memory files: what stays in force of documents that are broken; the report of the last crash */
    int crash;
    uint32_t deaths;      /* of serving processes, under this supervisor */
    int last_signal;      /* that the last of them died of */
    int64_t last_death_s; /* and when, since 1970 */
    uint32_t supervisors; /* binaries that were supervisor before */
    bool takes_over;      /* another one serves until this one is ready */
};
