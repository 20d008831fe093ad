/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/compile_backend.h"

#include "compile/compile_reach.h"

static struct compiler_backend *of(const struct table_backend *b) {
    return container_of((struct table_backend *)b, struct compiler_backend, b);
}

const struct table_backend *compile_backend_hold(struct compiler *c, str key) {
    struct compiler_backend *s = map_get(&c->backends, key);
    if (!s) {
        s = base_zalloc(sizeof *s + key.n);
        memcpy(s->name, key.p, key.n);
        s->b = (struct table_backend){
            .slot = compiler_take_slot(&c->backend_slots), .id = ++c->ids, .name = {s->name, key.n}};
        map_put(&c->backends, s->b.name, s);
    }
    s->b.holds++;
    return &s->b;
}

void compile_backend_release(struct compiler *c, const struct table_backend *b) {
    struct compiler_backend *s = of(b);
    assert(s->b.holds);
    if (--s->b.holds) return;
    assert(!s->endpoints);
    map_take(&c->backends, s->b.name);
    compiler_give_slot(&c->backend_slots, s->b.slot);
    free(s);
}

static void show_endpoints(struct compiler *c, struct compiler_backend *s, struct table_endpoints *e) {
    compiler_die(c, DEATH_BLOCK, (void *)s->endpoints);
    s->endpoints = e;
    compiler_array_set(c, &c->endpoint_array, s->b.slot, e);
    COMPILER_ROOM(c->touched, c->touched_n, c->touched_cap);
    c->touched[c->touched_n++] = s->b.slot;
}

/* The endpoints show how they are reached: another way makes them anew. */
static void change_reach(struct compiler *c, struct compiler_backend *s, const struct plan_piece *plan) {
    const struct table_reach *before = s->reach;
    s->reach = plan ? compile_reach_hold(c, plan_open(c->scratch, plan)) : NULL;
    arena_reset(c->scratch);
    if (s->reach != before && s->endpoints) {
        size_t n = sizeof *s->endpoints + s->endpoints->n * sizeof s->endpoints->v[0];
        struct table_endpoints *e = base_alloc(n);
        memcpy(e, s->endpoints, n);
        e->version = ++c->ids;
        e->reach = s->reach;
        show_endpoints(c, s, e);
        c->work->endpoints++;
    }
    if (before) compiler_die(c, DEATH_REACH, (void *)before);
}

/* The plan's own hold goes when no table shows the backend any more, so that its slot is not taken again before all workers know. */
void compile_backend_change(struct compiler *c, const struct plan_change *change) {
    str key = change->after ? change->after->key : change->before->key;
    struct compiler_backend *s = map_get(&c->backends, key);
    if (change->after && (!s || !s->in_plan)) {
        s = of(compile_backend_hold(c, key));
        s->in_plan = true;
    }
    if (s && s->in_plan) change_reach(c, s, change->after);
    if (!change->after && s && s->in_plan) {
        s->in_plan = false;
        compiler_die(c, DEATH_BACKEND, &s->b);
    }
}

/* An address that is none can not be dialled: left out. */
static struct table_endpoints *make_endpoints(struct compiler *c, const struct table_reach *reach,
                                              const struct plan_endpoints *plan) {
    struct table_endpoints *e = base_zalloc(sizeof *e + plan->endpoints.n * sizeof e->v[0]);
    e->version = ++c->ids;
    e->reach = reach;
    for (uint32_t i = 0; i < plan->endpoints.n; i++) {
        const struct plan_endpoint *p = &plan->endpoints.p[i];
        if (p->port < 1 || p->port > 65535 || ip_parse(p->address, &e->v[e->n].ip) != OK) continue;
        e->v[e->n++].port = (uint16_t)p->port;
    }
    c->work->endpoints++;
    return e;
}

void compile_backend_change_endpoints(struct compiler *c, const struct plan_change *change) {
    str key = change->after ? change->after->key : change->before->key;
    struct compiler_backend *s = map_get(&c->backends, key);
    if (!change->after && (!s || !s->has_endpoints)) return;
    if (!s || !s->has_endpoints) {
        s = of(compile_backend_hold(c, key));
        s->has_endpoints = true;
    }
    struct table_endpoints *e =
        change->after ? make_endpoints(c, s->reach, plan_open(c->scratch, change->after)) : NULL;
    arena_reset(c->scratch);
    show_endpoints(c, s, e);
    if (change->after) return;
    s->has_endpoints = false;
    compiler_die(c, DEATH_BACKEND, &s->b);
}

void compile_backend_free_all(struct compiler *c) {
    map_each (e, &c->backends) {
        struct compiler_backend *s = e->value;
        free((void *)s->endpoints);
        free(s);
    }
    map_fini(&c->backends);
}
