/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "control/inherited.h"
#include "control/words.h"

/* The listening sockets that the supervisor holds, by address and port. There is one for each worker that ever asked, and none of them is closed
 * while the listener is there: closing one of a SO_REUSEPORT group resets what is queued on it. Fewer workers take from several each. */
struct held {
    struct held *next;
    struct ip ip;
    uint16_t port;
    enum words_use use;
    bool given;        /* by a service manager, whose it stays: neither hushed nor closed for good */
    bool hushed;       /* no connection begins there */
    uint32_t asked_by; /* the number of the newest serving process that asked */
    uint32_t n;
    int fds[];
};
struct held_all {
    struct held *first;
    struct inherited inherited;
};
/* The sockets of a listener, n at least, made or as they are. NULL: errno tells why they can not be had. */
const struct held *held_open(struct held_all *a, const struct words_ask *w, uint32_t asked_by);
/* No connection begins there any more. What a service manager has opened goes on taking them, for whoever comes next. */
void held_hush(struct held_all *a, const struct words_ask *w, uint32_t asked_by);
void held_close(struct held_all *a, const struct words_ask *w, uint32_t asked_by);
/* Those that no process from this number on has asked for. */
void held_close_unasked(struct held_all *a, uint32_t since);
/* In another process, where they are not needed: closes its descriptors. Frees the rest. */
void held_fini(struct held_all *a);
