/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/compiler.h"

#include "compile/compile_backend.h"
#include "compile/compile_endpoints.h"
#include "compile/compile_filters.h"
#include "compile/compile_host.h"
#include "compile/compile_listener.h"
#include "compile/compile_paths.h"
#include "compile/compile_reach.h"
#include "compile/compile_tally.h"

uint32_t compiler_take_slot(struct compiler_pool *p) { return p->free_n ? p->free[--p->free_n] : p->next++; }

void compiler_give_slot(struct compiler_pool *p, uint32_t slot) {
    assert(slot < p->next);
    COMPILER_ROOM(p->free, p->free_n, p->free_cap);
    p->free[p->free_n++] = slot;
}

void *compiler_room(void *v, uint32_t n, uint32_t *cap, size_t size) {
    if (n < *cap) return v;
    *cap = *cap ? *cap * 2 : 2;
    return base_realloc(v, *cap * size);
}

static void add_dead(struct compiler_deads *d, enum compiler_death how, void *p) {
    COMPILER_ROOM(d->v, d->n, d->cap);
    d->v[d->n++] = (struct compiler_dead){how, p};
}

void compiler_die(struct compiler *c, enum compiler_death how, void *piece) {
    if (piece) add_dead(&c->dying, how, piece);
}

static void dead_block(void *c, void *block) { compiler_die(c, DEATH_BLOCK, block); }

struct names_edit compiler_edit(struct compiler *c) {
    return (struct names_edit){c->generation, dead_block, c};
}

void compiler_array_set(struct compiler *c, struct compiler_array *a, uint32_t slot, const void *piece) {
    uint32_t at = slot / SPINE_CHUNK;
    while (a->n <= at) {
        COMPILER_ROOM(a->chunks, a->n, a->cap);
        a->chunks[a->n] = base_zalloc(sizeof **a->chunks);
        a->chunks[a->n++]->born = c->generation;
    }
    struct spine_chunk *chunk = a->chunks[at];
    if (chunk->born != c->generation) {
        a->chunks[at] = base_alloc(sizeof *chunk);
        *a->chunks[at] = *chunk;
        a->chunks[at]->born = c->generation;
        compiler_die(c, DEATH_BLOCK, chunk);
    }
    a->chunks[at]->v[slot % SPINE_CHUNK] = piece;
}

void compiler_free_rule(struct compiler *c, struct table_rule *r) {
    compile_filters_release(c, r->filters, r->filters_n);
    for (uint32_t i = 0; i < r->targets_n; i++) {
        compile_filters_release(c, r->targets[i].filters, r->targets[i].filters_n);
        if (r->targets[i].backend) compile_backend_release(c, r->targets[i].backend);
    }
    compile_tally_release(c, r);
    compiler_give_slot(&c->rule_slots, r->slot);
    free(r);
}

static void forget(struct compiler *c, struct table_certificate *t) {
    COMPILER_ROOM(c->forgotten, c->forgotten_n, c->forgotten_cap);
    c->forgotten[c->forgotten_n++] = t->id;
    compile_listener_free_certificate(t);
}

static void dispose(struct compiler *c, struct compiler_deads *d) {
    for (uint32_t i = 0; i < d->n; i++) {
        void *p = d->v[i].p;
        switch (d->v[i].how) {
        case DEATH_BLOCK: free(p); break;
        case DEATH_RULE: add_dead(&c->retired, DEATH_RULE, p); break;
        case DEATH_BACKEND: compile_backend_release(c, p); break;
        case DEATH_PATHS: compile_paths_free(c, p); break;
        case DEATH_REACH: compile_reach_release(c, p); break;
        case DEATH_ENDPOINTS: compile_endpoints_free(c, p); break;
        case DEATH_CERTIFICATE: forget(c, p); break;
        }
    }
    free(d->v);
    *d = (struct compiler_deads){0};
}

/* Tables come home in any order, but what died with one may be shown by those before it. */
static void free_oldest(struct compiler *c) {
    while (c->oldest && c->oldest->home) {
        struct compiler_generation *g = c->oldest;
        c->oldest = g->next;
        if (!c->oldest) c->newest = NULL;
        dispose(c, &g->deads);
        free(g->spine);
        free(g);
    }
}

void compiler_settle(struct compiler *c) {
    if (!c->newest) {
        dispose(c, &c->dying);
        return;
    }
    assert(!c->newest->deads.n);
    c->newest->deads = c->dying;
    c->dying = (struct compiler_deads){0};
}

void compiler_add_generation(struct compiler *c, struct spine *s) {
    struct compiler_generation *g = base_alloc(sizeof *g);
    *g = (struct compiler_generation){.spine = s};
    if (c->newest)
        c->newest->next = g;
    else
        c->oldest = g;
    c->newest = g;
}

void compiler_home(struct compiler *c, struct table *t) {
    struct compiler_generation *g = c->oldest;
    while (g && &g->spine->table != t) g = g->next;
    assert(g && !g->home);
    g->home = true;
    free_oldest(c);
}

static str key_of_route(const void *route) { return ((const struct compiler_route *)route)->piece->key; }
static str key_of_backend(const void *backend) { return ((const struct compiler_backend *)backend)->b.name; }
static str key_of_health(const void *health) {
    const struct compiler_health *h = health;
    return (str){h->key, sizeof h->key};
}

struct compiler *compiler_new(void) {
    struct compiler *c = base_zalloc(sizeof *c);
    c->scratch = arena_new();
    c->routes.key = key_of_route;
    c->backends.key = key_of_backend;
    c->healths.key = key_of_health;
    return c;
}

static void free_array(struct compiler_array *a) {
    for (uint32_t i = 0; i < a->n; i++) free(a->chunks[i]);
    free(a->chunks);
}

void compiler_stamp(struct compiler *c) {
    if (++c->stamp) return;
    index_each (struct compiler_route, r, &c->routes) r->stamp = 0;
    c->stamp = 1;
}

static void free_routes(struct compiler *c) {
    index_each (struct compiler_route, r, &c->routes) {
        struct table_rule **rules = compiler_route_rules(r);
        for (uint32_t i = 0; i < r->rules_n; i++) compiler_free_rule(c, rules[i]);
        plan_release(r->piece);
        if (r->is_apart) free(r->many);
        free(r);
    }
    index_fini(&c->routes);
}

static void free_gates(struct compiler *c) {
    map_each (e, &c->listeners) {
        struct compiler_listener *l = e->value;
        if (l->gate) compiler_free_rule(c, TAKE(l->gate));
    }
}

void compiler_free_grave(struct compiler_grave *g) {
    free((uint64_t *)g->grave.certificates);
    free(g->rules);
    free(g);
}

static void free_retired(struct compiler *c) {
    for (uint32_t i = 0; i < c->retired.n; i++) compiler_free_rule(c, c->retired.v[i].p);
    free(c->retired.v);
    free(c->forgotten);
    while (c->graves) {
        struct compiler_grave *g = c->graves;
        c->graves = g->before;
        for (uint32_t i = 0; i < g->grave.n; i++) compiler_free_rule(c, g->rules[i]);
        compiler_free_grave(g);
    }
}

void compiler_free(struct compiler *c) {
    if (!c) return;
    assert(!c->oldest); /* a table is not home */
    free_retired(c);
    free_routes(c);
    free_gates(c);
    compile_backend_free_all(c);
    compile_reach_free_all(c);
    compile_listener_free_all(c);
    assert(!c->expressions.n);
    map_fini(&c->expressions);
    compile_tally_free_all(c);
    free_array(&c->port_array);
    free_array(&c->host_array);
    free_array(&c->endpoint_array);
    free(c->sockets);
    free(c->rule_slots.free);
    free(c->backend_slots.free);
    free(c->host_slots.free);
    free(c->dirty_hosts);
    free(c->dirty_ports);
    free(c->gone_routes);
    free(c->touched);
    arena_free(c->scratch);
    free(c);
}
