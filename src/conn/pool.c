/* SPDX-License-Identifier: Apache-2.0 */
#include "conn/pool.h"

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

/* A kept item is chained by its first bytes. */
struct kept {
    void *next;
};

void pool_init(struct pool *p, size_t bytes, uint32_t keep_max, void (*fini)(void *item)) {
    assert(bytes >= sizeof(struct kept));
    *p = (struct pool){.bytes = bytes, .keep_max = keep_max, .fini = fini};
}

static void drop(struct pool *p, void *item) {
    if (p->fini) p->fini(item);
    free(item);
}

void pool_trim(struct pool *p) {
    while (p->first) {
        struct kept *k = p->first;
        p->first = k->next;
        k->next = NULL;
        drop(p, k);
    }
    p->kept = 0;
}

void pool_fini(struct pool *p) {
    assert(p->lent == 0);
    pool_trim(p);
}

void *pool_take(struct pool *p, bool *ret_fresh) {
    p->lent++;
    struct kept *k = p->first;
    *ret_fresh = !k;
    if (!k) {
        p->misses++;
        return base_zalloc(p->bytes);
    }
    p->first = k->next;
    p->kept--;
    k->next = NULL;
    return k;
}

void pool_give(struct pool *p, void *item) {
    assert(p->lent > 0);
    p->lent--;
    if (!KEEPS || p->kept >= p->keep_max) {
        drop(p, item);
        return;
    }
    struct kept *k = item;
    k->next = p->first;
    p->first = k;
    p->kept++;
}
