/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pool.h"

#if defined(__SANITIZE_ADDRESS__)
enum { KEEPS = false };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
enum { KEEPS = false };
#else
enum { KEEPS = true };
#endif
#else
enum { KEEPS = true };
#endif
enum { SHRINK_ITEMS = 256 }; /* at once: some ten microseconds */

void pool_init(struct pool *p, size_t bytes, uint32_t keep_max, void (*fini)(void *item)) {
    assert(bytes >= sizeof(void *));
    *p = (struct pool){.bytes = bytes, .fini = fini};
    pool_keep(p, KEEPS ? keep_max : 0);
}

void pool_keep(struct pool *p, uint32_t keep_max) {
    assert(!p->all);
    p->keep_max = p->room = p->room_max = keep_max;
}

void *pool_make(struct pool *p) {
    p->misses++;
    p->all++;
    return base_zalloc(p->bytes);
}

static void drop(struct pool *p, void *item) {
    p->all--;
    if (p->fini) p->fini(item);
    free(item);
}

void pool_give(struct pool *p, void *item) {
    if (!p->room) {
        drop(p, item);
        return;
    }
    p->room--;
    *(void **)item = p->first;
    p->first = item;
}

static void drop_first(struct pool *p) {
    bool fresh;
    drop(p, pool_take(p, &fresh));
}

void pool_trim(struct pool *p) {
    while (p->first) drop_first(p);
}

/* As many as were kept when the fewest were have not been used. */
size_t pool_shrink(struct pool *p) {
    uint32_t unused = p->keep_max - p->room_max, n = unused < SHRINK_ITEMS ? unused : SHRINK_ITEMS;
    for (uint32_t i = 0; i < n; i++) drop_first(p);
    p->room_max = n ? p->keep_max - (unused - n) : p->room;
    return n * p->bytes;
}

void pool_fini(struct pool *p) {
    pool_trim(p);
    assert(!p->all);
}
