/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/base.h"

/* Things of one size that come and go, of one thread. What is given back is kept for the next, with whatever it holds (a codec, an arena,
 * a timer), so that after warm-up nothing is asked of the system; what has not been needed for a while goes back to it. Under ASan nothing is
 * kept, so that a use after the end is seen. */
struct pool {
    size_t bytes;
    uint32_t keep_max;        /* kept for reuse; what comes back beyond is freed */
    uint32_t room;            /* how many more may be kept now */
    uint32_t room_max;        /* the most of that in this while: pool_shrink() */
    uint32_t all;             /* made and not freed */
    uint64_t misses;          /* times the system was asked */
    void *first;              /* each is chained by its first bytes */
    void (*fini)(void *item); /* before an item's memory goes; NULL: nothing to do */
};
void pool_init(struct pool *p, size_t bytes, uint32_t keep_max, void (*fini)(void *item));
/* Keeps so many from now on, whatever the build. None has been taken yet. */
void pool_keep(struct pool *p, uint32_t keep_max);
/* Everything must have been given back. */
void pool_fini(struct pool *p);
/* What is kept goes back to the system. */
void pool_trim(struct pool *p);
/* Some of what was kept and not needed since the last call that gave nothing goes back to the system, a few at a time; how many bytes (what
 * the items hold besides is not counted). 0: what is kept was needed, and a new while begins. */
size_t pool_shrink(struct pool *p);
/* How many wait for their next use. */
static inline uint32_t pool_kept(const struct pool *p) { return p->keep_max - p->room; }
/* How many are in use. */
static inline uint32_t pool_lent(const struct pool *p) { return p->all - pool_kept(p); }
__attribute__((noinline, cold)) void *pool_make(struct pool *p);
/* fresh: all zero, never used; otherwise as it was given back, but for its first pointer. */
static inline void *pool_take(struct pool *p, bool *ret_fresh) {
    void **item = p->first;
    *ret_fresh = !item;
    if (!item) return pool_make(p);
    if (++p->room > p->room_max) p->room_max = p->room;
    p->first = *item;
    *item = NULL;
    return item;
}
void pool_give(struct pool *p, void *item);
