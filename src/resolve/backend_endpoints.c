/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/backend_endpoints.h"

#include "api/core.h"

static int by_place(const void *a, const void *b) {
    const struct backend_endpoint *x = a, *y = b;
    int order = x->ip.family - y->ip.family;
    if (!order) order = memcmp(x->ip.bytes, y->ip.bytes, sizeof x->ip.bytes);
    return order ? order : (x->port > y->port) - (x->port < y->port);
}

static bool is(struct opt_bool v, bool unset) { return v.set ? v.v : unset; }

static void add(struct backend_endpoints *all, const struct ip *ip, int64_t port, bool ending) {
    if (all->n == all->cap) {
        all->cap = all->cap ? all->cap * 2 : 16;
        all->p = base_realloc(all->p, all->cap * sizeof *all->p);
    }
    all->p[all->n++] = (struct backend_endpoint){*ip, port, ending};
}

void backend_endpoints_add(struct backend_endpoints *all, const struct ip *ip, int64_t port) {
    add(all, ip, port, false);
}

void backend_endpoints_add_slice(struct backend_endpoints *all, const struct endpoint_slice *s,
                                 int64_t port) {
    if (str_eq(s->address_type, S("FQDN"))) return;
    for (uint32_t i = 0; i < s->endpoints.n; i++) {
        const struct endpoint *e = &s->endpoints.p[i];
        const struct endpoint_conditions *c = &e->conditions;
        bool ready = is(c->ready, true), ending = is(c->terminating, false) && is(c->serving, true);
        if (!ready && !ending) continue;
        for (uint32_t k = 0; k < e->addresses.n; k++) {
            struct ip ip;
            if (ip_parse(e->addresses.p[k], &ip) == OK) add(all, &ip, port, !ready);
        }
    }
}

/* Those that end are left out while others are ready. */
static void choose(struct backend_endpoints *all) {
    uint32_t ready = 0;
    for (uint32_t i = 0; i < all->n; i++)
        if (!all->p[i].ending) all->p[ready++] = all->p[i];
    if (ready) all->n = ready;
}

void backend_endpoints_write(struct pass *p, str key, struct backend_endpoints *all) {
    choose(all);
    if (all->n) qsort(all->p, all->n, sizeof *all->p, by_place);
    struct plan_endpoints piece = {.piece = {.kind = PLAN_ENDPOINTS, .key = key}};
    piece.endpoints.p = arena_array(p->scratch, struct plan_endpoint, all->n);
    struct buf b;
    buf_init(&b, 64);
    for (uint32_t i = 0; i < all->n; i++) {
        if (i && by_place(&all->p[i - 1], &all->p[i]) == 0) continue;
        buf_clear(&b);
        ip_print(&b, &all->p[i].ip);
        piece.endpoints.p[piece.endpoints.n++] =
            (struct plan_endpoint){arena_str(p->scratch, buf_str(&b)), all->p[i].port};
    }
    buf_fini(&b);
    plan_set(p->plan, PLAN_ENDPOINTS, key, plan_pack(&piece), p->delta);
    free(all->p);
    *all = (struct backend_endpoints){0};
}
