/* SPDX-License-Identifier: Apache-2.0 */
#include "base/index.h"

#include "base/hash.h"

enum { CAP_FIRST = 8 };

void index_fini(struct index *x) {
    free(x->values);
    free(x->hashes);
    *x = (struct index){.key = x->key};
}

/* The slot of the key, or the free one where it would go. cap > 0. */
static uint32_t find(const struct index *x, str key, uint32_t hash) {
    for (uint32_t i = hash & (x->cap - 1);; i = (i + 1) & (x->cap - 1)) {
        if (!x->values[i] || (x->hashes[i] == hash && str_eq(x->key(x->values[i]), key))) return i;
    }
}

static uint32_t hash_of(str key) { return (uint32_t)hash_str(key); }

void *index_get(const struct index *x, str key) {
    return x->n ? x->values[find(x, key, hash_of(key))] : NULL;
}

static void grow(struct index *x) {
    struct index bigger = {.key = x->key, .n = x->n, .cap = x->cap ? x->cap * 2 : CAP_FIRST};
    assert(bigger.cap);
    bigger.values = base_zalloc(bigger.cap * sizeof *bigger.values);
    bigger.hashes = base_alloc(bigger.cap * sizeof *bigger.hashes);
    for (uint32_t i = 0; i < x->cap; i++) {
        if (!x->values[i]) continue;
        uint32_t to = x->hashes[i] & (bigger.cap - 1);
        while (bigger.values[to]) to = (to + 1) & (bigger.cap - 1);
        bigger.values[to] = x->values[i];
        bigger.hashes[to] = x->hashes[i];
    }
    index_fini(x);
    *x = bigger;
}

void *index_put(struct index *x, void *value) {
    assert(value);
    if (((uint64_t)x->n + 1) * 8 > (uint64_t)x->cap * 7) grow(x);
    str key = x->key(value);
    uint32_t hash = hash_of(key), at = find(x, key, hash);
    void *before = x->values[at];
    x->n += !before;
    x->values[at] = value;
    x->hashes[at] = hash;
    return before;
}

void *index_take(struct index *x, str key) {
    if (!x->n) return NULL;
    uint32_t hole = find(x, key, hash_of(key)), mask = x->cap - 1;
    void *value = x->values[hole];
    if (!value) return NULL;
    x->n--;
    for (uint32_t i = (hole + 1) & mask; x->values[i]; i = (i + 1) & mask) {
        uint32_t home = x->hashes[i] & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) { /* may move back to the hole */
            x->values[hole] = x->values[i];
            x->hashes[hole] = x->hashes[i];
            hole = i;
        }
    }
    x->values[hole] = NULL;
    return value;
}

static int by_key(const void *a, const void *b, void *index) {
    const struct index *x = index;
    return str_cmp(x->key(*(void *const *)a), x->key(*(void *const *)b));
}

void **index_sorted(const struct index *x) {
    if (!x->n) return NULL;
    void **all = base_alloc(x->n * sizeof *all);
    uint32_t n = 0;
    for (uint32_t i = 0; i < x->cap; i++)
        if (x->values[i]) all[n++] = x->values[i];
    qsort_r(all, n, sizeof *all, by_key, (void *)(uintptr_t)x);
    return all;
}
