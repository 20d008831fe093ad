/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include "base/hash.h"

void map_fini(struct map *m) {
    free(m->slots);
    *m = (struct map){0};
}

/* The slot of the key, or the free one where it would go. cap > 0. */
static struct map_entry *find(const struct map *m, str key, uint64_t hash) {
    for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        struct map_entry *e = &m->slots[i];
        if (!e->value || (e->hash == hash && str_eq(e->key, key))) return e;
    }
}

void *map_get(const struct map *m, str key) { return m->n ? find(m, key, hash_str(key))->value : NULL; }

static void grow(struct map *m) {
    struct map bigger = {.n = m->n, .cap = m->cap ? m->cap * 2 : 8};
    bigger.slots = base_zalloc(bigger.cap * sizeof *bigger.slots);
    map_each (e, m) *find(&bigger, e->key, e->hash) = *e;
    free(m->slots);
    *m = bigger;
}

void *map_put(struct map *m, str key, void *value) {
    assert(value);
    if ((m->n + 1) * 8 > m->cap * 7) grow(m);
    uint64_t hash = hash_str(key);
    struct map_entry *e = find(m, key, hash);
    void *before = e->value;
    m->n += !before;
    *e = (struct map_entry){.key = key, .value = value, .hash = hash};
    return before;
}

void *map_take(struct map *m, str key) {
    if (!m->n) return NULL;
    struct map_entry *e = find(m, key, hash_str(key));
    void *value = e->value;
    if (!value) return NULL;
    m->n--;
    size_t hole = (size_t)(e - m->slots), mask = m->cap - 1;
    for (size_t i = (hole + 1) & mask; m->slots[i].value; i = (i + 1) & mask) {
        size_t home = m->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) { /* may move back to the hole */
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole] = (struct map_entry){0};
    return value;
}

static int by_key(const void *a, const void *b) {
    const struct map_entry *x = a, *y = b;
    return str_cmp(x->key, y->key);
}

struct map_entry *map_sorted(const struct map *m, size_t *ret_n) {
    *ret_n = m->n;
    if (!m->n) return NULL;
    struct map_entry *all = base_alloc(m->n * sizeof *all);
    size_t n = 0;
    map_each (e, m) all[n++] = *e;
    qsort(all, n, sizeof *all, by_key);
    return all;
}
