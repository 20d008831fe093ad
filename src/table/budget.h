/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdatomic.h>

#include "base/base.h"

/* How many of a backend's requests may be retries, so that those who try again do not bring down what is about to come up.
 *                                                                                              [GW RetryConstraint]
 * The share is of what one worker sent in the last interval: each sees enough of the traffic to know its share. How many there may be in any
 * case is for all workers together, or a backend of little traffic would have a fraction of it by chance: that count, `taken`, is the one thing
 * in a table that workers write. A retry costs one atomic, a request none. */
struct budget {
    uint32_t percent, at_least_n;
    uint64_t interval_us, at_least_us;
    atomic_ullong *taken; /* retries of the present at_least_us, and which one that is; in the same block */
};
/* To free(). */
const struct budget *budget_new(uint32_t percent, uint64_t interval_us, uint32_t at_least_n,
                                uint64_t at_least_us);

/* What one worker sent to one backend in the last interval, by tenths of it. All zero: nothing. */
enum { BUDGET_BUCKETS = 10 };
struct budget_window { /* owner: worker */
    uint64_t bucket;   /* the number of the newest, from the clock's start */
    uint64_t bucket_us;
    uint32_t requests_n, retries_n; /* sums */
    uint32_t requests[BUDGET_BUCKETS], retries[BUDGET_BUCKETS];
};
/* A request goes out, be it a retry or not. */
void budget_count(struct budget_window *w, const struct budget *b, uint64_t now_us);
/* May there be one more retry? Then it counts as one. */
bool budget_take(struct budget_window *w, const struct budget *b, uint64_t now_us);
