/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/base.h"

/* Things of one size that come and go, of one thread. What is given back is kept for the next, with whatever it holds (a codec, an arena,
 * a timer), so that after warm-up nothing is asked of the system. Under ASan nothing is kept, so that a use after the end is seen. */
struct pool {
    size_t bytes;
    uint32_t keep_max; /* kept for reuse; what comes back beyond is freed */
    uint32_t kept, lent;
    uint64_t misses; /* times the system was asked */
    void *first;
    void (*fini)(void *item); /* before an item's memory goes; NULL: nothing to do */
};
void pool_init(struct pool *p, size_t bytes, uint32_t keep_max, void (*fini)(void *item));
/* Everything must have been given back. */
void pool_fini(struct pool *p);
/* What is kept goes back to the system. */
void pool_trim(struct pool *p);
/* fresh: all zero, never used; otherwise as it was given back, but for its first pointer. */
void *pool_take(struct pool *p, bool *ret_fresh);
void pool_give(struct pool *p, void *item);
