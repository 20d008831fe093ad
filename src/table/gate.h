/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdatomic.h>

#include "base/base.h"

/* How many connections a backend has, and how many requests wait for one: of all workers together. Counted when a connection is made or ends,
 * not by request. */
struct gate_state {
    _Atomic uint32_t conns, waiting;
};
/* One more, unless there are that many. */
static inline bool gate_enter(_Atomic uint32_t *n, uint32_t most) {
    uint32_t now = atomic_load_explicit(n, memory_order_relaxed);
    do
        if (now >= most) return false;
    while (
        !atomic_compare_exchange_weak_explicit(n, &now, now + 1, memory_order_relaxed, memory_order_relaxed));
    return true;
}
static inline void gate_leave(_Atomic uint32_t *n, uint32_t less) {
    if (less) atomic_fetch_sub_explicit(n, less, memory_order_relaxed);
}
static inline uint32_t gate_count(const _Atomic uint32_t *n) {
    return atomic_load_explicit(n, memory_order_relaxed);
}
