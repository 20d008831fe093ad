/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/rng.h"

/* How long to wait before the next try: it doubles from min to max, and of each the upper half is by chance, so that many who
 * lost the server together do not come back together. */
struct kube_backoff {
    uint64_t min_us, max_us;
    unsigned failures; /* in a row */
};
uint64_t kube_backoff_next(struct kube_backoff *b, struct rng *r);
static inline void kube_backoff_reset(struct kube_backoff *b) { b->failures = 0; }
