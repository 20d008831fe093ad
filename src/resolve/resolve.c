/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/resolve.h"

#include "api/route.h"
#include "api/xbackend.h"
#include "base/hash.h"
#include "resolve/backends.h"
#include "resolve/certs.h"
#include "resolve/claims.h"
#include "resolve/classes.h"
#include "resolve/gateway_status.h"
#include "resolve/gateways.h"
#include "resolve/policies.h"
#include "resolve/resolver.h"
#include "resolve/routes.h"
#include "resolve/sets.h"
#include "resolve/telemetry.h"
#include "resolve/xbackends.h"

enum { CHANGED_KEPT_MAX = 4096 }; /* room for told statuses that is kept from pass to pass */

static void mark_gateways(struct pass *p, enum api_kind kind, str ns, str name) {
    size_t n;
    struct store_key *all = store_referrer_keys(p->store, p->scratch, kind, ns, name, KIND_GATEWAY, &n);
    for (size_t i = 0; i < n; i++) gateways_mark(p->r, all[i].ns, all[i].name);
}

/* What listeners name, of Gateways and of ListenerSets. */
static void mark_listeners(struct pass *p, enum api_kind kind, str ns, str name) {
    mark_gateways(p, kind, ns, name);
    sets_mark_referrers(p, kind, ns, name);
}

static void mark_class(struct pass *p, str name) {
    if (classes_resolve(p, name)) mark_gateways(p, KIND_GATEWAY_CLASS, S(""), name);
}

/* Settings of classes and Gateways, sources of trust of policies. */
static void mark_config_map(struct pass *p, str ns, str name) {
    size_t n;
    const struct object **all =
        store_referrers(p->store, p->scratch, KIND_CONFIG_MAP, ns, name, KIND_GATEWAY_CLASS, &n);
    for (size_t i = 0; i < n; i++) mark_class(p, all[i]->meta.name);
    mark_gateways(p, KIND_CONFIG_MAP, ns, name);
    policies_mark_trust(p, KIND_CONFIG_MAP, ns, name);
}

/* Who has to be looked at because of one change. Changes come ordered by kind, classes first. */
static void mark_change(struct pass *p, const struct store_change *c) {
    switch (c->kind) {
    case KIND_GATEWAY_CLASS: mark_class(p, c->name); break;
    case KIND_GATEWAY:
        gateways_mark(p->r, c->ns, c->name);
        policies_mark_gateway(p, c->ns, c->name); /* those that it is none of ours for, too */
        break;
    case KIND_LISTENER_SET: sets_mark(p, c->ns, c->name); break;
    case KIND_HTTP_ROUTE:
    case KIND_GRPC_ROUTE:
    case KIND_TLS_ROUTE:
    case KIND_TCP_ROUTE:
    case KIND_UDP_ROUTE: routes_mark(p->r, c->kind, c->ns, c->name); break;
    case KIND_BACKEND_TLS_POLICY:
    case KIND_XBACKEND_TRAFFIC_POLICY:
    case KIND_XTELEMETRY_POLICY:
    case KIND_XMESH: policies_mark_changed(p, c->kind, c->ns, c->name); break;
    case KIND_XBACKEND:
        policies_mark_changed(p, c->kind, c->ns, c->name);
        routes_mark_referrers(p, c->kind, c->ns, c->name);
        mark_listeners(p, c->kind, c->ns, c->name);
        telemetry_mark_referrers(p, c->kind, c->ns, c->name);
        break;
    case KIND_SERVICE:
        if (!c->spec_changed && !backends_annotated_anew(p, c->ns, c->name)) break;
        routes_mark_referrers(p, c->kind, c->ns, c->name);
        mark_listeners(p, c->kind, c->ns, c->name);
        backends_mark(p, c->ns, c->name);
        policies_mark_backend(p, c->kind, c->ns, c->name);
        telemetry_mark_referrers(p, c->kind, c->ns, c->name);
        telemetry_mark_collectors(p, c->ns, c->name);
        break;
    case KIND_ENDPOINT_SLICE: {
        const struct object *slice = store_get(p->store, p->scratch, c->kind, c->ns, c->name);
        if (slice)
            backends_mark(p, c->ns, schema_map_get(&slice->meta.labels, S("kubernetes.io/service-name")));
        if (c->service_before.n) backends_mark(p, c->ns, c->service_before);
        if (slice) xbackends_mark_labelled(p, c->ns, schema_map_get(&slice->meta.labels, S(XBACKEND_LABEL)));
        xbackends_mark_labelled(p, c->ns, c->xbackend_before);
        break;
    }
    case KIND_SECRET:
        policies_mark_trust(p, c->kind, c->ns, c->name);
        mark_listeners(p, c->kind, c->ns, c->name);
        break;
    case KIND_CONFIG_MAP: mark_config_map(p, c->ns, c->name); break;
    case KIND_NAMESPACE: /* its labels: they matter to selectors alone */
        if (p->r->selectors) routes_mark_referrers(p, c->kind, S(""), c->name);
        sets_mark_referrers(p, c->kind, S(""), c->name);
        break;
    case KIND_REFERENCE_GRANT:
        mark_listeners(p, c->kind, c->ns, S(""));
        routes_mark_referrers(p, c->kind, c->ns, S(""));
        telemetry_mark_referrers(p, c->kind, c->ns, S(""));
        break;
    case KIND_CLUSTER_TRUST_BUNDLE:
        mark_gateways(p, c->kind, S(""), c->name);
        policies_mark_trust(p, c->kind, S(""), c->name);
        break;
    case KIND_NONE:
    case KIND_COUNT: break;
    }
}

static void mark_changes(struct pass *p, struct store *s) {
    OWNED(arena) a = arena_new();
    size_t n;
    struct store_change *changes = store_changes(s, a, &n);
    for (size_t i = 0; i < n; i++) {
        mark_change(p, &changes[i]);
        arena_reset(p->scratch);
    }
}

/* Another controller name or other features: every class is to be judged anew. */
static void mark_classes(struct pass *p) {
    size_t n;
    OWNED(arena) a = arena_new();
    struct store_key *all = store_keys(p->store, a, KIND_GATEWAY_CLASS, &n);
    for (size_t i = 0; i < n; i++) {
        struct store_change c = {.kind = KIND_GATEWAY_CLASS, .ns = S(""), .name = all[i].name};
        mark_change(p, &c);
    }
    policies_mark_all(p);
}

static void rename_controller(struct pass *p) {
    struct resolver *r = p->r;
    free(r->controller_bytes);
    r->controller_bytes = str_dup(p->facts->controller_name);
    r->controller_name = str_of(r->controller_bytes);
    mark_classes(p);
}

/* What is served decides everywhere. */
static void mark_features(struct pass *p) {
    OWNED(arena) a = arena_new();
    memcpy(p->r->features, p->facts->features, sizeof p->r->features);
    mark_classes(p);
    gateways_mark_all(p->r);
    backends_mark_all(p->r);
    for (const enum api_kind *k = routes_kinds; *k; k++) {
        size_t n;
        struct store_key *all = store_keys(p->store, a, *k, &n);
        for (size_t i = 0; i < n; i++) routes_mark(p->r, *k, all[i].ns, all[i].name);
    }
}

static uint64_t hash_ports(const struct facts *f) {
    uint64_t h = 1 + f->cluster;
    for (uint32_t i = 0; i < f->port_maps_n; i++)
        h = hash_join(h, (uint64_t)f->port_maps[i].port << 16 | f->port_maps[i].to);
    return h;
}

static void mark_facts(struct pass *p, struct facts *f) {
    if (!str_eq(p->r->controller_name, f->controller_name)) rename_controller(p);
    if (!f->changed) return;
    f->changed = false;
    xbackends_mark_names(p, f);
    if (memcmp(p->r->features, f->features, sizeof f->features) != 0) mark_features(p);
    if (strcmp(p->r->bundle, f->bundle) != 0) {
        memcpy(p->r->bundle, f->bundle, sizeof f->bundle);
        mark_classes(p);
    }
    uint64_t ports = hash_ports(f);
    if (ports != p->r->facts_hash)
        gateways_mark_all(p->r);
    else
        gateways_mark_all_statuses(p->r);
    for (str key; (key = facts_take_moved(f)).p;) gateways_mark_known(p->r, key);
    p->r->facts_hash = ports;
}

static void mark_time(struct pass *p) {
    if (p->now_s < p->r->now_s) certs_look_again(p->r);
    p->r->now_s = p->now_s;
    for (struct cert_state *c; (c = certs_take_ended(p->r, p->now_s));) gateways_mark_users(p->r, c);
}

void resolve_pass(struct resolver *r, struct store *s, struct facts *f, int64_t now_s, struct plan *plan,
                  struct plan_delta *d, struct resolve_work *ret_work, int64_t *ret_again_s) {
    OWNED(arena) scratch = arena_new();
    struct resolve_work work = {0};
    struct pass p = {.r = r,
                     .store = s,
                     .facts = f,
                     .plan = plan,
                     .delta = d,
                     .work = &work,
                     .scratch = scratch,
                     .now_s = now_s};
    r->changed_n = 0;
    if (r->changed_cap > CHANGED_KEPT_MAX) {
        free(TAKE(r->changed));
        r->changed_cap = 0;
    }
    arena_reset(r->told);
    arena_reset(r->expanded);
    mark_facts(&p, f);
    mark_time(&p);
    mark_changes(&p, s); /* classes are judged on the way */
    gateways_resolve(&p);
    claims_judge(&p);
    gateways_emit(&p);
    routes_resolve(&p);
    policies_resolve(&p);
    backends_resolve(&p);
    gateway_status_write(&p);
    gateways_bury(r);
    *ret_work = work;
    *ret_again_s = certs_next(r);
}

const void *resolve_status(const struct resolver *r, enum api_kind kind, str ns, str name) {
    const struct gateway_state *g;
    const struct set_state *s;
    if (route_is(kind)) return routes_status(r, kind, ns, name);
    switch ((int)kind) {
    case KIND_GATEWAY_CLASS: return classes_status(r, name);
    case KIND_GATEWAY: g = gateways_find(r, ns, name); return g ? g->status : NULL;
    case KIND_LISTENER_SET: s = sets_find(r, ns, name); return s ? s->status : NULL;
    case KIND_BACKEND_TLS_POLICY:
    case KIND_XBACKEND:
    case KIND_XBACKEND_TRAFFIC_POLICY:
    case KIND_XMESH:
    case KIND_XTELEMETRY_POLICY: return policies_status(r, kind, ns, name);
    default: return NULL; /* not ours to tell of */
    }
}

void resolve_let_go(struct resolver *r) { arena_reset(r->expanded); }

struct store_change *resolve_changed_statuses(const struct resolver *r, struct arena *a, size_t *ret_n) {
    *ret_n = r->changed_n;
    struct store_change *all = arena_array(a, struct store_change, r->changed_n);
    for (size_t i = 0; i < r->changed_n; i++) {
        all[i] = r->changed[i];
        all[i].ns = arena_str(a, all[i].ns);
        all[i].name = arena_str(a, all[i].name);
    }
    return all;
}
