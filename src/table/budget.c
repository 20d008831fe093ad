/* SPDX-License-Identifier: Apache-2.0 */
#include "table/budget.h"

/* `taken` is one word, so that a new interval begins in one step: the number of the interval, then how many were taken in it. */
enum { TAKEN_BITS = 24 };
#define TAKEN_MAX ((UINT64_C(1) << TAKEN_BITS) - 1)

const struct budget *budget_new(uint32_t percent, uint64_t interval_us, uint32_t at_least_n,
                                uint64_t at_least_us) {
    struct whole {
        struct budget b;
        atomic_ullong taken;
    } *w = base_zalloc(sizeof *w);
    assert(interval_us && at_least_us && at_least_n < TAKEN_MAX);
    w->b = (struct budget){percent, at_least_n, interval_us, at_least_us, &w->taken};
    return &w->b;
}

/* What is older than the interval is forgotten. */
static void advance(struct budget_window *w, const struct budget *b, uint64_t now_us) {
    uint64_t bucket_us = (b->interval_us + BUDGET_BUCKETS - 1) / BUDGET_BUCKETS;
    if (w->bucket_us != bucket_us) *w = (struct budget_window){.bucket_us = bucket_us};
    uint64_t now = now_us / bucket_us;
    uint64_t steps = now > w->bucket ? now - w->bucket : 0;
    w->bucket += steps;
    for (uint64_t i = 0; i < steps && i < BUDGET_BUCKETS; i++) {
        uint64_t at = (w->bucket - i) % BUDGET_BUCKETS;
        w->requests_n -= w->requests[at], w->retries_n -= w->retries[at];
        w->requests[at] = w->retries[at] = 0;
    }
}

void budget_count(struct budget_window *w, const struct budget *b, uint64_t now_us) {
    advance(w, b, now_us);
    if (w->requests_n == UINT32_MAX) return;
    w->requests[w->bucket % BUDGET_BUCKETS]++;
    w->requests_n++;
}

/* One more of those that there may be in any case; counts one that is within its share as well. */
static bool take_any_case(const struct budget *b, uint64_t now_us, bool within) {
    uint64_t interval = (now_us / b->at_least_us) << TAKEN_BITS;
    unsigned long long before = atomic_load_explicit(b->taken, memory_order_relaxed), after;
    do {
        uint64_t n = (before & ~TAKEN_MAX) == interval ? before & TAKEN_MAX : 0;
        if (n >= b->at_least_n && !within) return false;
        after = interval | (n < TAKEN_MAX ? n + 1 : n);
    } while (!atomic_compare_exchange_weak_explicit(b->taken, &before, after, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

bool budget_take(struct budget_window *w, const struct budget *b, uint64_t now_us) {
    advance(w, b, now_us);
    bool within = ((uint64_t)w->retries_n + 1) * 100 <= ((uint64_t)w->requests_n + 1) * b->percent;
    if (!take_any_case(b, now_us, within)) return false;
    w->retries[w->bucket % BUDGET_BUCKETS]++;
    w->retries_n++;
    return true;
}
