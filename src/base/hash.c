/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

static uint64_t load(const unsigned char *p, size_t n) {
    uint64_t v = 0;
    memcpy(&v, p, n);
    return v;
}

uint64_t hash_bytes(const void *bytes, size_t n, uint64_t seed) {
    const unsigned char *p = bytes;
    uint64_t h = hash_join(seed, n);
    for (; n > 8; p += 8, n -= 8) h = hash_join(h, load(p, 8));
    return hash_join(h, n ? load(p, n) : 0);
}
