/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/hash.h"

/* Small pseudo-random numbers for choices that need no secrecy (weights, jitter). Seeded by the owner; one
 * writer. */
struct rng {
    uint64_t state;
};
static inline uint64_t rng_next(struct rng *r) {
    return hash_join(r->state += 0x9E3779B97F4A7C15u, 0x2545F4914F6CDD1Du);
}
/* 0 <= result < below; below > 0. */
static inline uint32_t rng_below(struct rng *r, uint32_t below) {
    return (uint32_t)((rng_next(r) >> 32) * below >> 32);
}
