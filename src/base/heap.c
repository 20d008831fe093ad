/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"

void heap_fini(struct heap *h) {
    free(h->items);
    *h = (struct heap){0};
}

static void put(struct heap *h, uint32_t i, struct heap_item *it) {
    h->items[i] = it;
    it->place = i + 1;
}

static void sift_up(struct heap *h, uint32_t i, struct heap_item *it) {
    while (i > 0) {
        uint32_t parent = (i - 1) / 4;
        if (h->items[parent]->key <= it->key) break;
        put(h, i, h->items[parent]);
        i = parent;
    }
    put(h, i, it);
}

static void sift_down(struct heap *h, uint32_t i, struct heap_item *it) {
    for (;;) {
        uint32_t first = i * 4 + 1, least = i;
        uint64_t key = it->key;
        for (uint32_t c = first; c < first + 4 && c < h->n; c++)
            if (h->items[c]->key < key) least = c, key = h->items[c]->key;
        if (least == i) break;
        put(h, i, h->items[least]);
        i = least;
    }
    put(h, i, it);
}

void heap_set(struct heap *h, struct heap_item *it, uint64_t key) {
    if (it->place) {
        uint64_t before = it->key;
        it->key = key;
        if (key < before)
            sift_up(h, it->place - 1, it);
        else
            sift_down(h, it->place - 1, it);
        return;
    }
    if (h->n == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 64;
        h->items = base_realloc(h->items, h->cap * sizeof(struct heap_item *));
    }
    it->key = key;
    sift_up(h, h->n++, it);
}

void heap_remove(struct heap *h, struct heap_item *it) {
    if (!it->place) return;
    uint32_t i = it->place - 1;
    it->place = 0;
    struct heap_item *last = h->items[--h->n];
    if (last == it) return;
    if (i > 0 && h->items[(i - 1) / 4]->key > last->key)
        sift_up(h, i, last);
    else
        sift_down(h, i, last);
}
