/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "io/timer.h"

/* Readiness of many descriptors by epoll. A descriptor is registered once, edge-triggered for both directions, and never again: the
 * owner keeps `readable`/`writable` in mind and clears them when a call gives EAGAIN or less than asked. */
enum { LOOP_IN = 1, LOOP_OUT = 4, LOOP_ERR = 8, LOOP_HUP = 16, LOOP_RDHUP = 0x2000 };
struct loop_fd {
    int fd; /* -1: not registered */
    void (*on_ready)(struct loop_fd *f, uint32_t events);
};
struct loop {
    int epoll;
    uint32_t events_max; /* taken a turn */
    uint64_t now_us;     /* monotonic, read once a turn */
    struct timers timers;
    bool stopped;
    void *taken; /* events of this turn, loop.c's */
    int taken_n, taken_at;
};
void loop_init(struct loop *l);
void loop_fini(struct loop *l);
/* In a child, whose copy would be the parent's as well: nothing is registered any more, here alone. */
void loop_forked(struct loop *l);
/* Registers for both directions, edge-triggered. fd must not block. */
err loop_add(struct loop *l, struct loop_fd *f, int fd);
/* Registers for reading, level-triggered: listening sockets, mailboxes, pipes. */
err loop_add_level(struct loop *l, struct loop_fd *f, int fd);
/* Level-triggered, for the events asked for (LOOP_IN, LOOP_OUT; 0: none), which loop_want() changes: what a library that reads as much as it
 * likes needs. */
err loop_add_wanted(struct loop *l, struct loop_fd *f, int fd, uint32_t events);
void loop_want(struct loop *l, struct loop_fd *f, uint32_t events);
/* No further event for f, not even one already taken this turn; the descriptor stays open (closing it is the caller's). */
void loop_remove(struct loop *l, struct loop_fd *f);
/* The same and closes the descriptor, which spares the kernel one call. */
void loop_close(struct loop *l, struct loop_fd *f);
/* Waits for events (or the next timer), calls each, then fires due timers. wait: false polls only. */
void loop_turn(struct loop *l, bool wait);
/* Turns until loop_stop(). after_turn (may be NULL) runs at the end of each. */
void loop_run(struct loop *l, void (*after_turn)(void *arg), void *arg);
/* Whose event is being looked at; NULL: none. */
struct loop_fd *loop_current(const struct loop *l);
static inline void loop_stop(struct loop *l) { l->stopped = true; }
