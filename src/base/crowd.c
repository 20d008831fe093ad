/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crowd.h"

#include <stdatomic.h>

#include "base/hash.h"

/* The least of an address's two places is what is told: both have to be shared to tell too many. */
enum { ROWS = 2, PLACES = 1 << 16 };

struct crowd {
    uint64_t seed;
    uint32_t all_max;
    uint32_t kept;                         /* for each thread */
    uint32_t shared_max;                   /* besides, for all */
    _Atomic uint32_t shared;               /* of these */
    _Atomic uint32_t places[ROWS][PLACES]; /* memory that is never touched costs none */
};

struct crowd *crowd_new(uint32_t all_max, uint32_t threads, uint64_t seed) {
    struct crowd *c = base_zalloc(sizeof *c);
    uint32_t even = all_max / 4 / threads;
    c->seed = seed;
    c->all_max = all_max;
    c->kept = even || all_max < threads ? even : 1;
    c->shared_max = all_max - c->kept * threads;
    return c;
}

void crowd_free(struct crowd *c) { free(c); }

bool crowd_is_full(const struct crowd *c, uint64_t own) {
    return own >= c->kept && atomic_load_explicit(&c->shared, memory_order_relaxed) >= c->shared_max;
}

void crowd_enter(struct crowd *c, uint64_t own) {
    if (own >= c->kept) atomic_fetch_add_explicit(&c->shared, 1, memory_order_relaxed);
}

void crowd_leave(struct crowd *c, uint64_t own) {
    if (own < c->kept) return;
    uint32_t before = atomic_fetch_sub_explicit(&c->shared, 1, memory_order_relaxed);
    assert(before > 0);
}

static void find(const struct crowd *c, const struct ip *ip, uint32_t at[ROWS]) {
    uint64_t h = hash_bytes(ip->bytes, ip->family == 6 ? 8 : 4, c->seed + ip->family);
    at[0] = (uint32_t)(h % PLACES), at[1] = (uint32_t)((h >> 32) % PLACES);
}

static uint32_t least(const struct crowd *c, const uint32_t at[ROWS]) {
    uint32_t a = atomic_load_explicit(&c->places[0][at[0]], memory_order_relaxed);
    uint32_t b = atomic_load_explicit(&c->places[1][at[1]], memory_order_relaxed);
    return a < b ? a : b;
}

bool crowd_enter_address(struct crowd *c, const struct ip *ip, uint32_t most) {
    uint32_t at[ROWS];
    find(c, ip, at);
    if (least(c, at) >= (most ? most : c->all_max - c->all_max / 2)) return false;
    for (int i = 0; i < ROWS; i++) atomic_fetch_add_explicit(&c->places[i][at[i]], 1, memory_order_relaxed);
    return true;
}

void crowd_leave_address(struct crowd *c, const struct ip *ip) {
    uint32_t at[ROWS];
    find(c, ip, at);
    for (int i = 0; i < ROWS; i++) {
        uint32_t before = atomic_fetch_sub_explicit(&c->places[i][at[i]], 1, memory_order_relaxed);
        assert(before > 0);
    }
}

uint32_t crowd_of_address(const struct crowd *c, const struct ip *ip) {
    uint32_t at[ROWS];
    find(c, ip, at);
    return least(c, at);
}
