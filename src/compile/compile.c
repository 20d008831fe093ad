/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/compile.h"

#include "compile/compile_backend.h"
#include "compile/compile_host.h"
#include "compile/compile_listener.h"
#include "compile/compile_route.h"

static bool carries_listener(const struct plan_listener *l) { return l->protocol <= PLAN_HTTPS; }

/* HTTP and HTTPS listeners with their HTTPRoutes. A route that asks for more is not carried in part: what is left of it would let through
 * what it is there to change. */
bool compile_carries(const struct plan_piece *p) {
    if (p->kind == PLAN_LISTENER) return carries_listener(container_of(p, const struct plan_listener, piece));
    if (p->kind != PLAN_ROUTE) return true;
    return container_of(p, const struct plan_route, piece)->kind == PLAN_ROUTE_HTTP;
}

/* Of routes compile_route_change() asks, which opens them. */
static struct plan_piece *carried(struct plan_piece *p) {
    return p && (p->kind == PLAN_ROUTE || compile_carries(p)) ? p : NULL;
}

/* A piece that turns into one that is not carried is gone for the table. */
static void each_change(struct compiler *c, const struct plan_delta *d, enum plan_kind kind,
                        void (*apply)(struct compiler *c, const struct plan_change *change)) {
    for (uint32_t i = 0; i < d->n; i++)
        if (d->p[i].kind == kind) {
            struct plan_change one = {kind, carried(d->p[i].before), carried(d->p[i].after)};
            if (one.before || one.after) apply(c, &one);
        }
}

static struct spine_array put_array(struct spine_chunk ***at, const struct compiler_array *a) {
    struct spine_array array = {*at, a->n};
    if (a->n) memcpy(*at, a->chunks, a->n * sizeof *a->chunks);
    *at += a->n;
    return array;
}

static struct spine *make_spine(const struct compiler *c, uint64_t revision, uint32_t workers) {
    size_t chunks = (size_t)c->port_array.n + c->host_array.n + c->endpoint_array.n;
    struct spine *s = base_zalloc(sizeof *s + chunks * sizeof(void *) + c->touched_n * sizeof *c->touched);
    struct spine_chunk **at = (struct spine_chunk **)(void *)(s + 1);
    uint32_t *touched = (uint32_t *)(void *)(at + chunks);
    s->table.revision = revision;
    s->table.generation = c->generation;
    s->table.clients_version = c->clients_version;
    atomic_init(&s->table.workers, workers);
    s->table.rule_slots = c->rule_slots.next;
    s->table.backend_slots = c->backend_slots.next;
    s->table.port_slots = (uint32_t)c->ports.n;
    s->table.system_trust = c->system_trust > 0;
    s->table.budgets = c->budgets > 0;
    s->table.checks = c->checks > 0;
    s->sockets = c->sockets;
    s->ports = put_array(&at, &c->port_array);
    s->hosts = put_array(&at, &c->host_array);
    s->endpoints = put_array(&at, &c->endpoint_array);
    if (c->touched_n) memcpy(touched, c->touched, c->touched_n * sizeof *touched);
    s->table.touched = touched;
    s->table.touched_n = c->touched_n;
    return s;
}

/* Backends before rules, which name them; listeners before routes, which are attached to them; hosts when all routes are known. */
struct table *compile_apply(struct compiler *c, const struct plan *p, const struct plan_delta *d,
                            uint32_t workers, struct compile_work *ret_work) {
    struct compile_work work = {0};
    c->work = &work;
    c->plan = p;
    c->generation++;
    c->touched_n = 0;
    each_change(c, d, PLAN_BACKEND, compile_backend_change);
    each_change(c, d, PLAN_ENDPOINTS, compile_backend_change_endpoints);
    each_change(c, d, PLAN_CERTIFICATE, compile_listener_change_certificate);
    each_change(c, d, PLAN_LISTENER, compile_listener_change);
    each_change(c, d, PLAN_ROUTE, compile_route_change);
    for (uint32_t i = 0; i < c->dirty_hosts_n; i++) compile_host_build(c, c->dirty_hosts[i]);
    c->dirty_hosts_n = 0;
    compile_route_end_gone(c);
    compile_listener_build_ports(c);
    compiler_settle(c);
    struct spine *s = make_spine(c, p->revision, workers);
    compiler_add_generation(c, s);
    c->work = NULL;
    c->plan = NULL;
    *ret_work = work;
    return &s->table;
}

void compile_home(struct compiler *c, struct table *t) { compiler_home(c, t); }

struct compile_grave *compile_retired(struct compiler *c) {
    uint32_t n = c->retired.n;
    if (!n && !c->forgotten_n) return NULL;
    struct compiler_grave *g = base_zalloc(sizeof *g + n * sizeof g->slots[0]);
    g->rules = base_alloc(n * sizeof *g->rules);
    for (uint32_t i = 0; i < n; i++) {
        g->rules[i] = c->retired.v[i].p;
        g->slots[i] = g->rules[i]->slot;
    }
    g->grave.n = n;
    g->grave.rule_slots = g->slots;
    g->grave.certificates_n = c->forgotten_n;
    g->grave.certificates = TAKE(c->forgotten);
    c->forgotten_n = c->forgotten_cap = 0;
    g->before = c->graves;
    c->graves = g;
    c->retired.n = 0;
    return &g->grave;
}

void compile_buried(struct compiler *c, struct compile_grave *grave) {
    struct compiler_grave *g = container_of(grave, struct compiler_grave, grave), **at = &c->graves;
    while (*at != g) at = &(*at)->before;
    *at = g->before;
    for (uint32_t i = 0; i < grave->n; i++) compiler_free_rule(c, g->rules[i]);
    compiler_free_grave(g);
}
