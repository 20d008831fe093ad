/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/heap.h"

/* Deadlines of one thread. Setting one that moves later costs a store: the heap is only touched when a deadline gets earlier, and
 * one that comes up too soon is put back. So a deadline per request costs nothing per request. */
struct timer {
    struct heap_item item; /* key: when the heap looks at it */
    uint64_t due_us;       /* when it is really due; UINT64_MAX: never */
    void (*on_due)(struct timer *t, uint64_t now_us);
};
struct timers {
    struct heap heap;
};
static inline void timer_init(struct timer *t, void (*on_due)(struct timer *, uint64_t)) {
    *t = (struct timer){.due_us = UINT64_MAX, .on_due = on_due};
}
void timer_set(struct timers *ts, struct timer *t, uint64_t due_us);
/* Not due any more; the heap may still hold it until timer_forget. */
static inline void timer_clear(struct timer *t) { t->due_us = UINT64_MAX; }
/* Off the heap: before the memory of t goes. */
void timer_forget(struct timers *ts, struct timer *t);
/* Fires what is due. */
void timer_run(struct timers *ts, uint64_t now_us);
/* When to look next; UINT64_MAX: no timer. May be early, never late. */
uint64_t timer_next(const struct timers *ts);
