/* SPDX-License-Identifier: Apache-2.0 */
#include "io/timer.h"

void timer_set(struct timers *ts, struct timer *t, uint64_t due_us) {
    t->due_us = due_us;
    if (!t->item.place || due_us < t->item.key) heap_set(&ts->heap, &t->item, due_us);
}

void timer_forget(struct timers *ts, struct timer *t) {
    t->due_us = UINT64_MAX;
    heap_remove(&ts->heap, &t->item);
}

void timer_run(struct timers *ts, uint64_t now_us) {
    for (struct heap_item *it; (it = heap_first(&ts->heap)) && it->key <= now_us;) {
        struct timer *t = container_of(it, struct timer, item);
        if (t->due_us > now_us && t->due_us != UINT64_MAX) { /* it was moved later meanwhile */
            heap_set(&ts->heap, it, t->due_us);
            continue;
        }
        heap_remove(&ts->heap, it);
        if (t->due_us == UINT64_MAX) continue;
        t->due_us = UINT64_MAX;
        t->on_due(t, now_us);
    }
}

uint64_t timer_next(const struct timers *ts) {
    const struct heap_item *it = heap_first(&ts->heap);
    return it ? it->key : UINT64_MAX;
}
