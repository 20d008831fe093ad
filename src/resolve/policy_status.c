/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/policy_status.h"

#include "api/xtelemetry_policy.h"
#include "resolve/backends.h"
#include "resolve/gateways.h"
#include "resolve/routes.h"
#include "resolve/sets.h"
#include "resolve/telemetry.h"

int policy_status_order(const struct object *x, const struct object *y) {
    int64_t age = x->meta.created_s ? x->meta.created_s : INT64_MAX,
            other = y->meta.created_s ? y->meta.created_s : INT64_MAX;
    if (age != other) return age < other ? -1 : 1;
    int order = str_cmp(x->meta.ns, y->meta.ns);
    return order ? order : str_cmp(x->meta.name, y->meta.name);
}

static int by_name(const void *a, const void *b) {
    const struct ancestor *x = a, *y = b;
    int order = str_cmp(x->ns, y->ns);
    return order ? order : str_cmp(x->name, y->name);
}

struct ancestor *policy_status_ancestor(struct ancestors *all, const struct gateway_state *g) {
    for (uint32_t i = 0; i < all->n; i++)
        if (all->v[i].gateway == g) return &all->v[i];
    struct ancestor one = {.gateway = g, .ns = g->ns, .name = g->name}, *last = &all->v[0];
    uint32_t max = all->max ? all->max : POLICY_STATUS_ANCESTORS_MAX;
    if (all->n < max) {
        last = &all->v[all->n++];
    } else {
        for (uint32_t i = 1; i < max; i++)
            if (by_name(last, &all->v[i]) < 0) last = &all->v[i];
        if (by_name(&one, last) > 0) return NULL;
    }
    *last = one;
    return last;
}

void policy_status_missing(struct ancestors *all, str ns, str name) {
    if (all->n < POLICY_STATUS_ANCESTORS_MAX) all->v[all->n++] = (struct ancestor){.ns = ns, .name = name};
}

void policy_status_add_gateways(const struct route_state *rs, struct ancestors *all) {
    for (uint32_t i = 0; i < rs->listeners_n; i++) {
        const struct listener_state *l = routes_refs(rs)[i];
        policy_status_ancestor(all, l->gateway);
    }
}

/* Is it that port of the Service or XBackend? port 0: any. Bytes of TCP and UDP are no policy's. */
static bool is_backend(const struct backend_state *b, enum api_kind kind, str ns, str name, int64_t port) {
    if (b->kind != kind || (port && b->port != port)) return false;
    if (kind == KIND_SERVICE && b->protocol > PLAN_BACKEND_TLS) return false;
    return str_eq(backends_ns(b), ns) && str_eq(backends_name(b), name);
}

static bool uses(const struct route_state *rs, enum api_kind kind, str ns, str name, int64_t port) {
    for (uint32_t i = 0; i < rs->backends_n; i++)
        if (is_backend(routes_refs(rs)[rs->listeners_n + i], kind, ns, name, port)) return true;
    return false;
}

static bool gateway_uses(const struct gateway_state *g, enum api_kind kind, str ns, str name, int64_t port) {
    if (g->collector && is_backend(g->collector, kind, ns, name, port)) return true;
    for (uint32_t i = 0; i < g->listeners_n; i++)
        for (uint32_t k = 0; k < g->listeners[i]->backends_n; k++)
            if (is_backend(g->listeners[i]->backends[k], kind, ns, name, port)) return true;
    return false;
}

/* Gateways that ask the backend themselves: for filters of their listeners, or as the collector of their spans. */
static void add_askers(const struct pass *p, enum api_kind kind, str ns, str name, int64_t port,
                       struct ancestors *all) {
    size_t n;
    struct store_key *keys = store_referrer_keys(p->store, p->scratch, kind, ns, name, KIND_GATEWAY, &n);
    for (size_t i = 0; i < n; i++) {
        const struct gateway_state *g = gateways_find(p->r, keys[i].ns, keys[i].name);
        if (g && gateway_uses(g, kind, ns, name, port)) policy_status_ancestor(all, g);
    }
    keys = store_referrer_keys(p->store, p->scratch, kind, ns, name, KIND_LISTENER_SET, &n);
    for (size_t i = 0; i < n; i++) {
        const struct set_state *s = sets_find(p->r, keys[i].ns, keys[i].name);
        if (s && gateway_uses(s->gateway, kind, ns, name, port)) policy_status_ancestor(all, s->gateway);
    }
    const struct object **policies =
        store_referrers(p->store, p->scratch, kind, ns, name, KIND_XTELEMETRY_POLICY, &n);
    for (size_t i = 0; i < n; i++) {
        const struct xtelemetry_policy *policy = (const void *)policies[i];
        for (uint32_t k = 0; k < policy->spec.target_refs.n; k++) {
            const struct gateway_state *g = telemetry_target(p, policies[i], k);
            if (g && gateway_uses(g, kind, ns, name, port)) policy_status_ancestor(all, g);
        }
    }
}

void policy_status_add_users(const struct pass *p, enum api_kind kind, str ns, str name, int64_t port,
                             struct ancestors *all) {
    for (const enum api_kind *k = routes_kinds; *k; k++) {
        if (!store_count(p->store, *k)) continue;
        size_t n;
        struct store_key *routes = store_referrer_keys(p->store, p->scratch, kind, ns, name, *k, &n);
        for (size_t i = 0; i < n; i++) {
            const struct route_state *rs = routes_find(p->r, *k, routes[i].ns, routes[i].name);
            if (rs && uses(rs, kind, ns, name, port)) policy_status_add_gateways(rs, all);
        }
    }
    add_askers(p, kind, ns, name, port, all);
}

static struct parent_ref gateway_ref(struct arena *a, const struct ancestor *g) {
    return (struct parent_ref){.group = S(RESOLVE_GROUP),
                               .kind = S("Gateway"),
                               .ns = arena_str(a, g->ns),
                               .name = arena_str(a, g->name)};
}

void policy_status_set(struct pass *p, struct policy_state *ps, const void *status) {
    const struct schema *s = api_type_of(ps->kind)->status_schema;
    uint64_t hash = status ? schema_hash(s, status) : 0;
    if (!status == !ps->status && hash == ps->hash) return;
    size_t bytes;
    free(ps->status);
    ps->status = status ? schema_pack(s, status, 0, &bytes) : NULL;
    ps->hash = hash;
    resolver_note_status(p, ps->kind, (str){ps->key + 1, ps->ns_n},
                         (str){ps->key + 2 + ps->ns_n, ps->name_n});
}

void policy_status_tell(struct pass *p, struct policy_state *ps, const struct object *o,
                        struct ancestors *all, policy_status_judge *judge) {
    if (!all->n) { /* it matters to none of our Gateways */
        policy_status_set(p, ps, NULL);
        return;
    }
    struct policy_status st = {0};
    qsort(all->v, all->n, sizeof all->v[0], by_name);
    st.ancestors.p = arena_array(p->scratch, struct policy_ancestor_status, all->n);
    for (uint32_t i = 0; i < all->n; i++) {
        struct policy_ancestor_status *one = &st.ancestors.p[st.ancestors.n++];
        one->ancestor_ref = gateway_ref(p->scratch, &all->v[i]);
        one->controller_name = p->r->controller_name;
        struct conditions c = conditions_begin(p->scratch, o->meta.generation);
        judge(p, o, &all->v[i], &c);
        one->conditions.p = c.p, one->conditions.n = c.n;
    }
    policy_status_set(p, ps, &st);
}

static enum feature feature_of(enum api_kind kind) {
    return kind == KIND_XBACKEND                  ? FEATURE_XBACKEND
           : kind == KIND_XBACKEND_TRAFFIC_POLICY ? FEATURE_XBACKEND_TRAFFIC
           : kind == KIND_XMESH                   ? FEATURE_XMESH
                                                  : FEATURE_XTELEMETRY;
}

void policy_status_judge_unserved(struct pass *p, const struct object *o, const struct ancestor *a,
                                  struct conditions *c) {
    enum feature f = feature_of(o->kind);
    (void)a;
    conditions_add(c, "Accepted", CONDITION_FALSE, "Invalid",
                   arena_printf(p->scratch, STR_FMT " are not served by this version; " STR_FMT,
                                STR_ARG(features_what(f)), STR_ARG(features_remedy(f))));
}
