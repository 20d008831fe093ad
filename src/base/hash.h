/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/str.h"

/* 64 bits, good in every bit, the same in every run. Not against an adversary: keys of tables come from
 * configuration. */
uint64_t hash_bytes(const void *p, size_t n, uint64_t seed);
static inline uint64_t hash_str(str s) { return hash_bytes(s.p, s.n, 0); }
/* Joins a value to a hash; the order matters. */
static inline uint64_t hash_join(uint64_t h, uint64_t v) {
    __uint128_t m = (__uint128_t)(h ^ 0x9E3779B97F4A7C15u) * (v ^ 0xD6E8FEB86659FD93u);
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}
