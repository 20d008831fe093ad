/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kube_backoff.h"

#include "base/num.h"

uint64_t kube_backoff_next(struct kube_backoff *b, struct rng *r) {
    uint64_t wait = b->failures < 32 ? b->min_us << b->failures : b->max_us;
    if (b->failures < 32) b->failures++;
    wait = num_min(wait, b->max_us);
    uint64_t half = num_min(wait / 2, UINT32_MAX - 1);
    return wait - half + rng_below(r, (uint32_t)half + 1);
}
