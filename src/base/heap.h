/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/base.h"

/* The earliest of many deadlines: an intrusive 4-ary heap. An item knows its place, so that it can be moved
 * or removed. */
struct heap_item {
    uint64_t key;
    uint32_t place; /* 0: not on the heap; else 1 + index */
};
struct heap {
    struct heap_item **items;
    uint32_t n, cap;
};
void heap_fini(struct heap *h);
/* Adds the item, or moves it when it is there already. */
void heap_set(struct heap *h, struct heap_item *it, uint64_t key);
/* Removes it; nothing happens when it is not there. */
void heap_remove(struct heap *h, struct heap_item *it);
static inline struct heap_item *heap_first(const struct heap *h) { return h->n ? h->items[0] : NULL; }
