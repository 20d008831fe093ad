/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <sys/types.h>

#include "base/buf.h"

/* Where lines of the access log go: a descriptor, a file, a unix socket. What the sink does not take waits up to a bound, lines past that
 * are dropped and counted; so are those that a reader will never see. Owner: the thread of access_writer.h. */
enum access_sink {
    ACCESS_SINK_FD,       /* standard output: whose reader has gone, there is no other */
    ACCESS_SINK_FILE,     /* opened anew when it was renamed or removed */
    ACCESS_SINK_STREAM,   /* a unix socket, connected to anew when its reader went */
    ACCESS_SINK_DATAGRAM, /* the same, a datagram a line */
};
struct access_log {
    enum access_sink sink;
    const char *path; /* FILE, sockets: the caller's */
    int fd;           /* -1: none now */
    bool own;         /* fd was opened here and is closed here */
    bool dead;        /* FD: the reader has gone: every line is dropped */
    bool is_socket, must_poll;
    bool torn; /* the last line that went is not whole */
    int why;   /* errno of the last failure that was told of; 0: it takes lines */
    dev_t device;
    ino_t inode;
    struct buf waiting;
    uint64_t dropped; /* lines */
};
enum { ACCESS_LOG_WAITING_MAX = 1 << 20 };
/* fd stays the caller's and keeps its flags (it may be shared with other processes): a terminal or a pipe is opened anew. */
void access_log_init(struct access_log *l, int fd);
/* to: "-" standard output, "unix:PATH", or the path of a file, which is made when there is none. A socket may come later. ERR_IO: errno. */
err access_log_open(struct access_log *l, const char *to);
void access_log_fini(struct access_log *l); /* writes what can be written at once; the rest is dropped */
/* Whole lines, each with its newline. Never blocks (but as long as a disk does, when fd is a file). */
void access_log_add(struct access_log *l, str lines);
/* Writes what waits, as far as the sink takes it; true: nothing waits any more. */
bool access_log_flush(struct access_log *l);
/* Once a second or so: a file that was renamed or removed is opened anew, a socket that ended connected to. */
void access_log_mend(struct access_log *l);
/* Opens it anew, whatever it is. */
void access_log_reopen(struct access_log *l);
