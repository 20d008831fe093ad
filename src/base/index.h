/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/str.h"

/* A map whose keys lie in its values: 12 bytes a slot where struct map has 32, for what there may be 100,000 of. Open addressing, at most
 * 7/8 full, tombstone-free (backward shift). */
struct index {
    str (*key)(const void *value);
    void **values; /* NULL: the slot is free */
    uint32_t *hashes;
    uint32_t n, cap; /* cap: 0 or a power of two */
};
void index_fini(struct index *x);
/* NULL when the key is not there. */
void *index_get(const struct index *x, str key);
/* Sets and returns the value before of the same key, or NULL. */
void *index_put(struct index *x, void *value);
/* Removes and returns the value, or NULL. */
void *index_take(struct index *x, str key);
/* Visits each in no useful order; nothing may be added or removed meanwhile. */
#define index_each(type, it, x)                                                                              \
    for (uint32_t it##_at_ = 0; it##_at_ < (x)->cap; it##_at_++)                                             \
        for (type *it = (x)->values[it##_at_]; it; it = NULL)
/* The values ordered by key, in a block to free(); x->n of them. NULL when empty. */
void **index_sorted(const struct index *x);
