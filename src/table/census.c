/* SPDX-License-Identifier: Apache-2.0 */
#include "table/census.h"

void census_init(struct census *c) { *c = (struct census){.arena = arena_new()}; }

void census_fini(struct census *c) {
    arena_free(c->arena);
    free(c->v);
    *c = (struct census){0};
}

struct census_endpoint *census_add(struct census *c) {
    if (c->n == CENSUS_MAX) {
        c->left_out++;
        return NULL;
    }
    if (c->n == c->cap) c->v = base_realloc(c->v, (c->cap = c->cap ? c->cap * 2 : 64) * sizeof *c->v);
    c->v[c->n] = (struct census_endpoint){0};
    return &c->v[c->n++];
}
