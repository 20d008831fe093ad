/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/routes.h"

#include "api/http_route.h"
#include "resolve/attach.h"
#include "resolve/backends.h"
#include "resolve/features.h"
#include "resolve/gateways.h"
#include "resolve/rules.h"
#include "resolve/verdicts.h"

enum { KEY_BYTES_MAX = 512 };

static str key_of(char *space, str ns, str name) {
    if (ns.n + 1 + name.n > KEY_BYTES_MAX) return (str){0};
    if (ns.n) memcpy(space, ns.p, ns.n);
    space[ns.n] = '/';
    if (name.n) memcpy(space + ns.n + 1, name.p, name.n);
    return (str){space, ns.n + 1 + name.n};
}

void routes_mark(struct resolver *r, str ns, str name) {
    char space[KEY_BYTES_MAX];
    str key = key_of(space, ns, name);
    assert(key.p); /* the store holds no longer names */
    struct route_state *rs = map_get(&r->routes, key);
    if (!rs) {
        rs = base_zalloc(sizeof *rs + key.n);
        memcpy(rs->key, key.p, key.n);
        rs->ns_n = (uint16_t)ns.n, rs->name_n = (uint16_t)name.n;
        map_put(&r->routes, (str){rs->key, key.n}, rs);
    }
    if (rs->dirty) return;
    rs->dirty = true;
    resolver_push(&r->dirty_routes, rs);
}

void routes_mark_referrers(struct pass *p, enum api_kind kind, str ns, str name) {
    size_t n;
    const struct object **all = store_referrers(p->store, p->scratch, kind, ns, name, KIND_HTTP_ROUTE, &n);
    for (size_t i = 0; i < n; i++) routes_mark(p->r, all[i]->meta.ns, all[i]->meta.name);
}

void routes_mark_of_gateway(struct pass *p, str ns, str name) {
    routes_mark_referrers(p, KIND_GATEWAY, ns, name);
}

/* What a route is counted at and uses, new before old: what stays is not touched in between. */
static void set_refs(struct pass *p, struct route_state *rs, const struct attach *at,
                     const struct plan_route *piece) {
    uint32_t listeners_n = at ? at->listeners_n : 0, backends_n = 0, n = 0;
    for (uint32_t i = 0; piece && i < piece->rules.n; i++) backends_n += piece->rules.p[i].targets.n;
    void **refs = listeners_n + backends_n ? base_alloc((listeners_n + backends_n) * sizeof *refs) : NULL;
    for (uint32_t i = 0; i < listeners_n; i++) {
        struct listener_state *l = at->listeners[i].listener;
        l->attached++;
        gateways_mark_status(p->r, l->gateway);
        refs[n++] = l;
    }
    for (uint32_t i = 0; piece && i < piece->rules.n; i++)
        for (uint32_t k = 0; k < piece->rules.p[i].targets.n; k++)
            if (!piece->rules.p[i].targets.p[k].answer)
                refs[n++] = backends_use(p, piece->rules.p[i].targets.p[k].backend);
    for (uint32_t i = 0; i < rs->listeners_n; i++) {
        struct listener_state *l = rs->refs[i];
        assert(l->attached);
        l->attached--;
        gateways_mark_status(p->r, l->gateway);
    }
    for (uint32_t i = 0; i < rs->backends_n; i++) backends_release(p, rs->refs[rs->listeners_n + i]);
    free(rs->refs);
    rs->refs = refs;
    rs->listeners_n = (uint16_t)listeners_n;
    rs->backends_n = (uint16_t)(n - listeners_n);
}

static void set_status(struct pass *p, struct route_state *rs, const char *packed, uint32_t n) {
    if (n == rs->status_n && (!n || memcmp(packed, rs->status, n) == 0)) return;
    free(rs->status);
    rs->status = n ? base_alloc(n) : NULL;
    rs->status_n = n;
    if (n) memcpy(rs->status, packed, n);
    resolver_note_status(p, KIND_HTTP_ROUTE, (str){rs->key, rs->ns_n},
                         (str){rs->key + rs->ns_n + 1, rs->name_n});
}

/* "HTTPRoute/ns/name" */
static str piece_key(struct pass *p, const struct route_state *rs) {
    return arena_printf(p->scratch, "HTTPRoute/%.*s", (int)(rs->ns_n + 1u + rs->name_n), rs->key);
}

static struct plan_route *build_piece(struct pass *p, const struct http_route *route, str key,
                                      const struct attach *at, const struct rules *rules) {
    struct arena *a = p->scratch;
    struct plan_route *piece = arena_make(a, struct plan_route);
    *piece = (struct plan_route){.piece = {.kind = PLAN_ROUTE, .key = key},
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

/* Rules that are all bad make the route unacceptable; some bad ones are dropped and told.  [GW RouteConditionPartiallyInvalid] */
static void judge_parents(struct pass *p, const struct http_route *route, const struct rules *rules,
                          struct attach *at) {
    struct verdict bad = {0}, partial = {0};
    if (route->spec.use_default_gateways == SCOPE_ALL)
        bad = resolver_refuse(p->scratch, "UnsupportedValue",
                              "spec.useDefaultGateways: " STR_FMT
                              " are not served by this version; remove the field and " STR_FMT,
                              STR_ARG(features_what(FEATURE_DEFAULT_GATEWAYS)),
                              STR_ARG(features_remedy(FEATURE_DEFAULT_GATEWAYS)));
    else if (rules->bad_n && !rules->good_n)
        bad = rules->bad;
    else if (rules->bad_n)
        partial = resolver_refuse(p->scratch, "UnsupportedValue", "Dropped Rule%s " STR_FMT ": " STR_FMT,
                                  rules->bad_n > 1 ? "s" : "", STR_ARG(rules->bad_rules),
                                  STR_ARG(rules->bad.message));
    for (uint32_t i = 0; i < at->parents_n; i++) {
        struct parent_verdict *v = &at->parents[i];
        if (!v->accepted.reason) v->accepted = bad;
        if (!v->accepted.reason) v->partial = partial;
        v->refs = rules->refs;
    }
    if (bad.reason) at->listeners_n = 0;
}

static void resolve_one(struct pass *p, struct route_state *rs, const struct http_route *route) {
    struct attach at;
    struct rules rules;
    attach_route(p, route, &at);
    str key = piece_key(p, rs);
    if (!at.parents_n) { /* nobody's, or somebody else's */
        set_refs(p, rs, NULL, NULL);
        set_status(p, rs, NULL, 0);
        plan_set(p->plan, PLAN_ROUTE, key, NULL, p->delta);
        return;
    }
    rules_resolve(p, route, &rules);
    judge_parents(p, route, &rules, &at);
    struct plan_route *piece = at.listeners_n ? build_piece(p, route, key, &at, &rules) : NULL;
    set_refs(p, rs, &at, piece);
    plan_set(p->plan, PLAN_ROUTE, key, piece ? plan_pack(piece) : NULL, p->delta);
    uint32_t n;
    const char *packed = verdicts_pack(p->scratch, route->obj.meta.generation, at.parents, at.parents_n, &n);
    set_status(p, rs, packed, n);
}

void routes_resolve(struct pass *p) {
    struct worklist *w = &p->r->dirty_routes;
    for (size_t i = 0; i < w->n; i++) {
        struct route_state *rs = w->p[i];
        str ns = {rs->key, rs->ns_n}, name = {rs->key + rs->ns_n + 1, rs->name_n};
        const struct http_route *route = (const void *)store_get(p->store, KIND_HTTP_ROUTE, ns, name);
        rs->dirty = false;
        p->work->routes++;
        if (route) {
            resolve_one(p, rs, route);
        } else {
            set_refs(p, rs, NULL, NULL);
            set_status(p, rs, NULL, 0);
            plan_set(p->plan, PLAN_ROUTE, piece_key(p, rs), NULL, p->delta);
        }
        if (!rs->status_n) { /* not ours: nothing to remember */
            map_take(&p->r->routes, (str){rs->key, rs->ns_n + 1u + rs->name_n});
            free(rs);
        }
        arena_reset(p->scratch);
    }
    w->n = 0;
}

struct route_status *routes_status(const struct resolver *r, str ns, str name) {
    char space[KEY_BYTES_MAX];
    str key = key_of(space, ns, name);
    const struct route_state *rs = key.p ? map_get(&r->routes, key) : NULL;
    return rs && rs->status_n ? verdicts_expand(r->expanded, rs->status, rs->status_n, r->controller_name)
                              : NULL;
}

void routes_fini(struct resolver *r) {
    map_each (e, &r->routes) {
        struct route_state *rs = e->value;
        free(rs->refs);
        free(rs->status);
        free(rs);
    }
    map_fini(&r->routes);
}
