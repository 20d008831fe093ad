/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/routes.h"

#include "api/gateway.h"
#include "api/route.h"
#include "base/num.h"
#include "resolve/attach.h"
#include "resolve/backends.h"
#include "resolve/features.h"
#include "resolve/gateways.h"
#include "resolve/policies.h"
#include "resolve/rules.h"
#include "resolve/verdicts.h"

static str ns_of(const struct route_state *rs) { return (str){rs->bytes + 1, rs->ns_n}; }
static str name_of(const struct route_state *rs) { return (str){rs->bytes + 2 + rs->ns_n, rs->name_n}; }
static str map_key(const void *state) {
    const struct route_state *rs = state;
    return (str){rs->bytes, rs->ns_n + 2u + rs->name_n};
}
static str status_of(const struct route_state *rs) { return (str){rs->bytes + map_key(rs).n, rs->status_n}; }
/* Where the references of a route begin in its block, by the bytes of its key and status. */
static size_t refs_at(size_t key_n, size_t status_n) {
    return num_round_up(offsetof(struct route_state, bytes) + key_n + status_n, sizeof(void *));
}
void **routes_refs(const struct route_state *rs) {
    return (void **)(void *)((char *)(uintptr_t)rs + refs_at(map_key(rs).n, rs->status_n));
}

void routes_init(struct resolver *r) { r->routes.key = map_key; }

void routes_mark(struct resolver *r, enum api_kind kind, str ns, str name) {
    char space[RESOLVER_STATE_KEY_BYTES_MAX];
    str key = resolver_state_key(space, kind, ns, name);
    assert(key.p && ns.n <= UINT8_MAX && name.n <= UINT8_MAX); /* the store holds no longer names */
    struct route_state *rs = index_get(&r->routes, key);
    if (!rs) {
        rs = base_zalloc(refs_at(key.n, 0));
        memcpy(rs->bytes, key.p, key.n);
        rs->kind = (uint8_t)kind;
        rs->ns_n = (uint8_t)ns.n, rs->name_n = (uint8_t)name.n;
        index_put(&r->routes, rs);
    }
    if (rs->dirty) return;
    rs->dirty = true;
    resolver_push(&r->dirty_routes, rs);
}

const enum api_kind routes_kinds[] = {KIND_HTTP_ROUTE, KIND_GRPC_ROUTE, KIND_TLS_ROUTE,
                                      KIND_TCP_ROUTE,  KIND_UDP_ROUTE,  KIND_NONE};

void routes_mark_referrers(struct pass *p, enum api_kind kind, str ns, str name) {
    for (const enum api_kind *k = routes_kinds; *k; k++) {
        size_t n;
        struct store_key *all = store_referrer_keys(p->store, p->scratch, kind, ns, name, *k, &n);
        for (size_t i = 0; i < n; i++) routes_mark(p->r, *k, all[i].ns, all[i].name);
    }
}

const struct route_state *routes_find(const struct resolver *r, enum api_kind kind, str ns, str name) {
    char space[RESOLVER_STATE_KEY_BYTES_MAX];
    str key = resolver_state_key(space, kind, ns, name);
    return key.p ? index_get(&r->routes, key) : NULL;
}

/* Policies tell which Gateways use their backends: those of a route's backends before and now. */
static void mark_policies(struct pass *p, const struct route_state *rs) {
    for (uint32_t i = 0; i < rs->backends_n; i++) {
        const struct backend_state *b = routes_refs(rs)[rs->listeners_n + i];
        policies_mark_backend(p, b->kind, backends_ns(b), backends_name(b));
    }
}

static void hold_listeners(struct pass *p, const struct attach *at, void **refs) {
    for (uint32_t i = 0; at && i < at->listeners_n; i++) {
        struct listener_state *l = at->listeners[i].listener;
        l->attached++;
        gateways_mark_status(p->r, l->gateway);
        refs[i] = l;
    }
}

static void release_refs(struct pass *p, const struct route_state *rs) {
    void **refs = routes_refs(rs);
    for (uint32_t i = 0; i < rs->listeners_n; i++) {
        struct listener_state *l = refs[i];
        assert(l->attached);
        l->attached--;
        gateways_mark_status(p->r, l->gateway);
    }
    for (uint32_t i = 0; i < rs->backends_n; i++) backends_release(p, refs[rs->listeners_n + i]);
}

static void use(struct pass *p, str key, void **refs, uint32_t *n) {
    if (refs) refs[*n] = backends_use(p, key);
    ++*n;
}

static void use_filters(struct pass *p, const struct plan_filter *filters, uint32_t count, void **refs,
                        uint32_t *n) {
    for (uint32_t i = 0; i < count; i++) {
        if (filters[i].mirror) use(p, filters[i].mirror->backend, refs, n);
        if (filters[i].auth && filters[i].auth->backend.n) use(p, filters[i].auth->backend, refs, n);
    }
}

/* All backends that the piece names, as often as it does, from refs[n] on; refs == NULL: counted only. */
static uint32_t use_backends(struct pass *p, const struct plan_route *piece, void **refs, uint32_t n) {
    for (uint32_t i = 0; piece && i < piece->rules.n; i++) {
        const struct plan_rule *r = &piece->rules.p[i];
        use_filters(p, r->filters.p, r->filters.n, refs, &n);
        for (uint32_t k = 0; k < r->targets.n; k++) {
            if (!r->targets.p[k].answer) use(p, r->targets.p[k].backend, refs, &n);
            use_filters(p, r->targets.p[k].filters.p, r->targets.p[k].filters.n, refs, &n);
        }
    }
    return n;
}

/* The state with room for a status and references of these sizes, which are not set yet: another block where the sizes are not as before. */
static struct route_state *resize(struct resolver *r, struct route_state *rs, uint32_t listeners_n,
                                  uint32_t backends_n, uint32_t status_n) {
    assert(!rs->dirty); /* nobody else knows its address */
    size_t key_n = map_key(rs).n;
    if (status_n != rs->status_n || listeners_n + backends_n != 0u + rs->listeners_n + rs->backends_n) {
        struct route_state *was = rs;
        rs = base_alloc(refs_at(key_n, status_n) + (listeners_n + backends_n) * sizeof(void *));
        memcpy(rs, was, sizeof *rs + key_n);
        index_put(&r->routes, rs);
        free(was);
    }
    rs->listeners_n = (uint16_t)listeners_n, rs->backends_n = (uint16_t)backends_n;
    rs->status_n = status_n;
    return rs;
}

/* What a route is counted at, uses and is told, new before old: what stays is not touched in between. */
static struct route_state *become(struct pass *p, struct route_state *rs, const struct attach *at,
                                  const struct plan_route *piece, str status) {
    uint32_t listeners_n = at ? at->listeners_n : 0, n = use_backends(p, piece, NULL, listeners_n);
    void **refs = arena_array(p->scratch, void *, n);
    hold_listeners(p, at, refs);
    use_backends(p, piece, refs, listeners_n);
    mark_policies(p, rs);
    release_refs(p, rs);
    bool news = !str_eq(status, status_of(rs));
    rs = resize(p->r, rs, listeners_n, n - listeners_n, (uint32_t)status.n);
    if (status.n) memcpy(rs->bytes + map_key(rs).n, status.p, status.n);
    if (n) memcpy(routes_refs(rs), refs, n * sizeof *refs);
    mark_policies(p, rs);
    if (news) resolver_note_status(p, rs->kind, ns_of(rs), name_of(rs));
    return rs;
}

/* "HTTPRoute/ns/name" */
static str piece_key(struct pass *p, const struct route_state *rs) {
    return api_key(p->scratch, rs->kind, ns_of(rs), name_of(rs));
}

static uint8_t plan_kind(enum api_kind kind) {
    return kind == KIND_GRPC_ROUTE  ? PLAN_ROUTE_GRPC
           : kind == KIND_TLS_ROUTE ? PLAN_ROUTE_TLS
           : kind == KIND_TCP_ROUTE ? PLAN_ROUTE_TCP
           : kind == KIND_UDP_ROUTE ? PLAN_ROUTE_UDP
                                    : PLAN_ROUTE_HTTP;
}

static struct plan_route *build_piece(struct pass *p, const struct route *route, str key,
                                      const struct attach *at, const struct rules *rules) {
    struct arena *a = p->scratch;
    struct plan_route *piece = arena_make(a, struct plan_route);
    *piece = (struct plan_route){.piece = {.kind = PLAN_ROUTE, .key = key},
                                 .kind = plan_kind(route->obj.kind),
                                 .ns = route->obj.meta.ns,
                                 .name = route->obj.meta.name,
                                 .created_s = route->obj.meta.created_s,
                                 .rules = {rules->good, rules->good_n}};
    uint32_t n = 0;
    for (uint32_t i = 0; i < at->listeners_n; i++) n += at->listeners[i].listener->pieces;
    if (!n) return NULL; /* no listener that takes it is served */
    piece->attachments.p = arena_array(a, struct plan_attachment, n);
    for (uint32_t i = 0; i < at->listeners_n; i++)
        for (uint32_t k = 0; k < at->listeners[i].listener->pieces; k++) {
            struct plan_attachment *one = &piece->attachments.p[piece->attachments.n++];
            one->listener = gateways_piece_key(a, at->listeners[i].listener, k);
            one->hostnames.p = at->listeners[i].hostnames;
            one->hostnames.n = at->listeners[i].hostnames_n;
        }
    return piece;
}

/* What the whole kind asks for that this binary does not serve. */
static enum feature kind_feature(enum api_kind kind) {
    return kind == KIND_GRPC_ROUTE  ? FEATURE_GRPC_ROUTE
           : kind == KIND_TLS_ROUTE ? FEATURE_TLS_ROUTE
           : kind == KIND_TCP_ROUTE ? FEATURE_TCP_ROUTE
           : kind == KIND_UDP_ROUTE ? FEATURE_UDP_ROUTE
                                    : FEATURE_HTTP_ROUTE;
}

static struct verdict judge_kind(struct pass *p, enum api_kind kind) {
    enum feature f = kind_feature(kind);
    if (features_served(p->facts, f)) return (struct verdict){0};
    return resolver_refuse(p->scratch, "UnsupportedValue",
                           STR_FMT " are not served by this version; " STR_FMT, STR_ARG(features_what(f)),
                           STR_ARG(features_remedy(f)));
}

static struct verdict tell_partial(struct arena *a, const struct rules *rules) {
    str closed = S("");
    if (rules->closed_n)
        closed = arena_printf(a, "; what rule%s " STR_FMT " would take gets 500",
                              rules->closed_n > 1 ? "s" : "", STR_ARG(rules->closed_rules));
    return resolver_refuse(a, "UnsupportedValue", "Dropped Rule%s " STR_FMT ": " STR_FMT STR_FMT,
                           rules->bad_n > 1 ? "s" : "", STR_ARG(rules->bad_rules),
                           STR_ARG(rules->bad.message), STR_ARG(closed));
}

/* Rules that are all bad make the route unacceptable; some bad ones are dropped and told.  [GW RouteConditionPartiallyInvalid] */
static void judge_parents(struct pass *p, const struct route *route, const struct rules *rules,
                          struct attach *at) {
    struct verdict kind = judge_kind(p, route->obj.kind), bad = kind, partial = {0};
    if (bad.reason)
        ;
    else if (route->spec.use_default_gateways == SCOPE_ALL &&
             !features_served(p->facts, FEATURE_DEFAULT_GATEWAYS))
        bad = resolver_refuse(p->scratch, "UnsupportedValue",
                              "spec.useDefaultGateways: " STR_FMT
                              " are not served by this version; remove the field and " STR_FMT,
                              STR_ARG(features_what(FEATURE_DEFAULT_GATEWAYS)),
                              STR_ARG(features_remedy(FEATURE_DEFAULT_GATEWAYS)));
    else if (rules->bad_n && rules->good_n == rules->closed_n)
        bad = rules->bad;
    else if (rules->bad_n)
        partial = tell_partial(p->scratch, rules);
    for (uint32_t i = 0; i < at->parents_n; i++) {
        struct parent_verdict *v = &at->parents[i];
        if (!v->accepted.reason || kind.reason) v->accepted = bad;
        if (!v->accepted.reason) v->partial = partial;
        v->refs = rules->refs;
    }
    if (bad.reason) at->listeners_n = 0;
}

static struct route_state *resolve_one(struct pass *p, struct route_state *rs, const struct route *route) {
    struct attach at;
    struct rules rules;
    attach_route(p, route, &at);
    str key = piece_key(p, rs);
    if (!at.parents_n) { /* nobody's, or somebody else's */
        plan_set(p->plan, PLAN_ROUTE, key, NULL, p->delta);
        return become(p, rs, NULL, NULL, (str){0});
    }
    rules_resolve(p, route, &rules);
    judge_parents(p, route, &rules, &at);
    struct plan_route *piece = at.listeners_n ? build_piece(p, route, key, &at, &rules) : NULL;
    plan_set(p->plan, PLAN_ROUTE, key, piece ? plan_pack(piece) : NULL, p->delta);
    uint32_t n;
    const char *packed = verdicts_pack(p->scratch, route->obj.meta.generation, at.parents, at.parents_n, &n);
    return become(p, rs, &at, piece, (str){packed, n});
}

void routes_resolve(struct pass *p) {
    struct worklist *w = &p->r->dirty_routes;
    for (size_t i = 0; i < w->n; i++) {
        struct route_state *rs = w->p[i];
        const struct route *route =
            (const void *)store_get(p->store, p->scratch, rs->kind, ns_of(rs), name_of(rs));
        rs->dirty = false;
        p->work->routes++;
        if (route) {
            rs = resolve_one(p, rs, route);
        } else {
            plan_set(p->plan, PLAN_ROUTE, piece_key(p, rs), NULL, p->delta);
            rs = become(p, rs, NULL, NULL, (str){0});
        }
        if (!rs->status_n) { /* not ours: nothing to remember */
            index_take(&p->r->routes, map_key(rs));
            free(rs);
        }
        arena_reset(p->scratch);
    }
    resolver_empty(w);
}

struct route_status *routes_status(const struct resolver *r, enum api_kind kind, str ns, str name) {
    const struct route_state *rs = routes_find(r, kind, ns, name);
    return rs && rs->status_n
               ? verdicts_expand(r->expanded, status_of(rs).p, rs->status_n, r->controller_name)
               : NULL;
}

void routes_fini(struct resolver *r) {
    index_each (struct route_state, rs, &r->routes) free(rs);
    index_fini(&r->routes);
}
