/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdatomic.h>

#include "base/base.h"

/* A counter with one writer: relaxed loads and stores, no read-modify-write; readers sum over the writers. */
typedef struct stats_counter {
    _Atomic uint64_t v;
} stats_counter;
static inline void stats_add(stats_counter *c, uint64_t n) {
    atomic_store_explicit(&c->v, atomic_load_explicit(&c->v, memory_order_relaxed) + n, memory_order_relaxed);
}
static inline void stats_sub(stats_counter *c, uint64_t n) { stats_add(c, 0 - n); }
static inline void stats_set(stats_counter *c, uint64_t n) {
    atomic_store_explicit(&c->v, n, memory_order_relaxed);
}
static inline uint64_t stats_get(const stats_counter *c) {
    return atomic_load_explicit(&c->v, memory_order_relaxed);
}
