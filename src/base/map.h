/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/str.h"

/* From a key of bytes to a pointer. The key's bytes stay the caller's and must live as long as the entry.
 * Open addressing, at most 7/8 full, tombstone-free (backward shift). */
struct map_entry {
    str key;
    void *value; /* NULL: the slot is free; a map holds no NULL */
    uint64_t hash;
};
struct map {
    struct map_entry *slots;
    size_t n, cap; /* cap: 0 or a power of two */
};
static inline void map_init(struct map *m) { *m = (struct map){0}; }
void map_fini(struct map *m);
/* NULL when the key is not there. */
void *map_get(const struct map *m, str key);
/* Sets and returns the value before, or NULL. The new key's bytes replace the old ones. */
void *map_put(struct map *m, str key, void *value);
/* Removes and returns the value, or NULL. */
void *map_take(struct map *m, str key);
/* Visits each in no useful order; nothing may be added or removed meanwhile. */
#define map_each(it, m)                                                                                      \
    for (struct map_entry *it = (m)->slots; it && it < (m)->slots + (m)->cap; it++)                          \
        if (it->value)
/* The entries ordered by key, in a block to free(); *ret_n of them. NULL when empty. */
struct map_entry *map_sorted(const struct map *m, size_t *ret_n);
