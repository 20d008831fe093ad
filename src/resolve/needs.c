/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/needs.h"

#include "api/route.h"
#include "api/xbackend.h"
#include "resolve/backends.h"
#include "resolve/grants.h"
#include "resolve/resolver.h"

static int by_port(const void *a, const void *b) {
    const struct need_port *x = a, *y = b;
    if (x->port != y->port) return x->port < y->port ? -1 : 1;
    return x->udp - y->udp;
}

static void list_ports(const struct gateway_state *g, struct arena *a, struct need_gateway *ret) {
    struct need_port *v = arena_array(a, struct need_port, g->listeners_n);
    uint32_t n = 0, kept = 0;
    for (uint32_t i = 0; i < g->listeners_n; i++) {
        const struct listener_state *l = g->listeners[i];
        if (l->protocol && !l->accepted.reason && !l->conflict.reason)
            v[n++] = (struct need_port){l->port, l->protocol == PLAN_UDP};
    }
    if (n) qsort(v, n, sizeof *v, by_port);
    for (uint32_t i = 0; i < n; i++)
        if (!i || by_port(&v[i], &v[kept - 1]) != 0) v[kept++] = v[i];
    ret->ports = v, ret->ports_n = kept;
}

static void list_addresses(const struct gateway_state *g, struct arena *a, struct need_gateway *ret) {
    struct need_address *v = arena_array(a, struct need_address, g->wishes_n);
    for (uint32_t i = 0; i < g->wishes_n; i++)
        v[i] = (struct need_address){g->wishes[i].index, arena_str(a, g->wishes[i].value),
                                     arena_str(a, g->wishes[i].routability)};
    ret->addresses = v, ret->addresses_n = g->wishes_n;
}

struct need_gateway *needs_gateways(const struct resolver *r, struct arena *a, size_t *ret_n) {
    size_t n, kept = 0;
    struct map_entry *all = map_sorted(&r->gateways, &n);
    struct need_gateway *v = arena_array(a, struct need_gateway, n);
    for (size_t i = 0; i < n; i++) {
        const struct gateway_state *g = all[i].value;
        if (!g->arena) continue;
        struct need_gateway *one = &v[kept++];
        *one = (struct need_gateway){.ns = arena_str(a, g->ns),
                                     .name = arena_str(a, g->name),
                                     .accepted = !g->accepted.reason && (g->wishes_n || !g->asked_n),
                                     .service = g->service};
        list_ports(g, a, one);
        list_addresses(g, a, one);
    }
    free(all);
    *ret_n = kept;
    return v;
}

/* Is the object one that we judge? */
static bool is_ours(const struct resolver *r, const struct object *o) {
    char space[RESOLVER_STATE_KEY_BYTES_MAX];
    str ns = o->meta.ns, name = o->meta.name, key = resolver_state_key(space, o->kind, ns, name);
    if (!key.p) return false;
    str plain = str_from(key, 1);
    if (route_is(o->kind)) {
        const struct route_state *s = index_get(&r->routes, key);
        return s && s->status_n;
    }
    if (o->kind == KIND_GATEWAY) {
        const struct gateway_state *g = map_get(&r->gateways, plain);
        return g && g->arena;
    }
    if (o->kind == KIND_LISTENER_SET) {
        const struct set_state *s = map_get(&r->sets, plain);
        return s && !s->allowed.reason;
    }
    if (o->kind == KIND_GATEWAY_CLASS) return map_get(&r->classes, name);
    const struct policy_state *s = map_get(&r->policies, key);
    return s && s->status;
}

struct search {
    const struct resolver *r;
    struct pass pass; /* for grants: store and scratch alone */
};

static bool is_needed(void *arg, const struct store_target *t, const struct object *from) {
    struct search *s = arg;
    bool asks = route_is(from->kind) || from->kind == KIND_GATEWAY || from->kind == KIND_LISTENER_SET ||
                from->kind == KIND_XTELEMETRY_POLICY;
    if (t->kind == KIND_SERVICE && !asks) return false; /* a policy alone needs no endpoints */
    if (!is_ours(s->r, from)) return false;
    if (t->kind != KIND_SECRET || str_eq(from->meta.ns, t->ns)) return true;
    bool may = grants_allow(&s->pass, from->kind, from->meta.ns, S("Secret"), t->ns, t->name);
    arena_reset(s->pass.scratch);
    return may;
}

static int need_order(const void *x, const void *y) {
    const struct need_object *a = x, *b = y;
    int by_ns = str_cmp(a->ns, b->ns);
    return by_ns ? by_ns : str_cmp(a->name, b->name);
}

/* Collectors that settings name, which no object refers to, among the n Services; in order again. There is room for them. */
static size_t add_collectors(const struct resolver *r, struct arena *a, struct need_object *v, size_t n) {
    size_t all = n;
    map_each (e, &r->gateways) {
        const struct gateway_state *g = e->value;
        if (!g->collector || g->collector->kind != KIND_SERVICE) continue;
        struct need_object one = {KIND_SERVICE, backends_ns(g->collector), backends_name(g->collector)};
        if (n && bsearch(&one, v, n, sizeof *v, need_order)) continue;
        bool known = false;
        for (size_t i = n; i < all && !known; i++) known = need_order(&one, &v[i]) == 0;
        if (known) continue;
        one.ns = arena_str(a, one.ns), one.name = arena_str(a, one.name);
        v[all++] = one;
    }
    if (all > n) qsort(v, all, sizeof *v, need_order);
    return all;
}

struct need_object *needs_objects(const struct resolver *r, const struct store *s, struct arena *a,
                                  size_t *ret_n) {
    static const enum api_kind kinds[] = {KIND_SERVICE, KIND_SECRET, KIND_CONFIG_MAP,
                                          KIND_CLUSTER_TRUST_BUNDLE};
    OWNED(arena) scratch = arena_new();
    struct search search = {.r = r, .pass = {.store = s, .scratch = scratch}};
    struct store_target *found[COUNT_OF(kinds)];
    size_t found_n[COUNT_OF(kinds)], n = 0;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        found[i] = store_targets(s, a, kinds[i], is_needed, &search, &found_n[i]);
        n += found_n[i];
    }
    struct need_object *v = arena_array(a, struct need_object, n + r->gateways.n), *at = v;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        for (size_t k = 0; k < found_n[i]; k++)
            *at++ = (struct need_object){found[i][k].kind, found[i][k].ns, found[i][k].name};
        if (kinds[i] == KIND_SERVICE) at = v + add_collectors(r, a, v, found_n[i]);
    }
    *ret_n = (size_t)(at - v);
    return v;
}

/* NULL: the plan has none such, or it can not be used. */
static const struct plan_backend *open_backend(const struct backend_state *b, const struct plan *p,
                                               struct arena *a) {
    if (b->kind != KIND_XBACKEND) return NULL;
    const struct plan_piece *piece = plan_get(p, PLAN_BACKEND, (str){b->key, b->key_n});
    const struct plan_backend *open = piece ? plan_open(a, piece) : NULL;
    return open && !open->refused.n ? open : NULL;
}

static int by_object(const void *a, const void *b) {
    const struct need_selector *x = a, *y = b;
    int order = str_cmp(x->ns, y->ns);
    return order ? order : str_cmp(x->name, y->name);
}

static void fill_selector(struct arena *a, const struct xbackend *x, struct need_selector *ret) {
    const struct str_map *labels = &x->spec.endpoint_selector->match_labels;
    struct str_pair *pairs = arena_array(a, struct str_pair, labels->n);
    for (uint32_t i = 0; i < labels->n; i++)
        pairs[i] = (struct str_pair){arena_str(a, labels->p[i].key), arena_str(a, labels->p[i].value)};
    *ret = (struct need_selector){.ns = arena_str(a, x->obj.meta.ns),
                                  .name = arena_str(a, x->obj.meta.name),
                                  .uid = arena_str(a, x->obj.meta.uid),
                                  .port = (uint16_t)x->spec.port.number.v,
                                  .labels = pairs,
                                  .labels_n = labels->n};
}

struct need_selector *needs_selectors(const struct resolver *r, const struct store *s, const struct plan *p,
                                      struct arena *a, size_t *ret_n) {
    OWNED(arena) scratch = arena_new();
    size_t n = 0, kept = 0;
    map_each (e, &r->backends) n += ((struct backend_state *)e->value)->kind == KIND_XBACKEND;
    struct need_selector *v = arena_array(a, struct need_selector, n);
    n = 0;
    map_each (e, &r->backends) {
        const struct backend_state *b = e->value;
        const struct xbackend *x =
            open_backend(b, p, scratch)
                ? (const void *)store_get(s, scratch, KIND_XBACKEND, backends_ns(b), backends_name(b))
                : NULL;
        if (x && x->spec.endpoint_selector) fill_selector(a, x, &v[n++]);
        arena_reset(scratch);
    }
    if (n) qsort(v, n, sizeof *v, by_object);
    for (size_t i = 0; i < n; i++) /* one that routes of several kinds name has several backends */
        if (!kept || by_object(&v[i], &v[kept - 1]) != 0) v[kept++] = v[i];
    *ret_n = kept;
    return v;
}

static int by_name(const void *a, const void *b) { return str_cmp(*(const str *)a, *(const str *)b); }

str *needs_names(const struct resolver *r, const struct plan *p, struct arena *a, size_t *ret_n) {
    OWNED(arena) scratch = arena_new();
    size_t n = 0, kept = 0;
    map_each (e, &r->backends) n += ((struct backend_state *)e->value)->kind == KIND_XBACKEND;
    str *v = arena_array(a, str, n);
    n = 0;
    map_each (e, &r->backends) {
        const struct plan_backend *b = open_backend(e->value, p, scratch);
        if (b && b->external.n) v[n++] = arena_str(a, b->external);
        arena_reset(scratch);
    }
    if (n) qsort(v, n, sizeof *v, by_name);
    for (size_t i = 0; i < n; i++)
        if (!kept || !str_eq(v[i], v[kept - 1])) v[kept++] = v[i];
    *ret_n = kept;
    return v;
}
