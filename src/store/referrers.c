/* SPDX-License-Identifier: Apache-2.0 */
#include "store/referrers.h"

#include "api/backend_tls_policy.h"
#include "api/core.h"
#include "api/gateway.h"
#include "api/grpc_route.h"
#include "api/http_route.h"
#include "api/l4_route.h"
#include "api/listener_set.h"
#include "api/route.h"
#include "api/xbackend_traffic_policy.h"
#include "api/xtelemetry_policy.h"
#include "store/store.h"

struct referrers_target {
    struct link edges;
    uint32_t n;
    uint32_t key_n;
    char key[];
};

enum { NAME_BYTES_MAX = 256, EDGES_FIRST = 16 };

/* What an object refers to, gathered before its edges are made. */
struct gathering {
    struct referrers *r;
    struct referrers_target **targets;
    uint32_t n, cap;
    enum api_kind from;
    str ns; /* of the referrer */
    struct referrers_target *first[EDGES_FIRST];
};

/* Two bytes for the kinds, then "ns/name". Longer names than the API allows are no key: nothing refers by them. */
static str key_of(char *space, enum api_kind kind, enum api_kind from, str ns, str name) {
    if (ns.n >= NAME_BYTES_MAX || name.n >= NAME_BYTES_MAX) return (str){0};
    space[0] = (char)kind, space[1] = (char)from;
    if (ns.n) memcpy(space + 2, ns.p, ns.n);
    space[2 + ns.n] = '/';
    if (name.n) memcpy(space + 3 + ns.n, name.p, name.n);
    return (str){space, 3 + ns.n + name.n};
}
enum { KEY_BYTES_MAX = 3 + 2 * NAME_BYTES_MAX };

static struct referrers_target *target_for(struct referrers *r, str key) {
    struct referrers_target *t = map_get(&r->targets, key);
    if (t) return t;
    t = base_zalloc(sizeof *t + key.n);
    link_init(&t->edges);
    t->key_n = (uint32_t)key.n;
    memcpy(t->key, key.p, key.n);
    map_put(&r->targets, (str){t->key, key.n}, t);
    return t;
}

static void add_target(struct gathering *g, enum api_kind kind, str ns, str name) {
    char space[KEY_BYTES_MAX];
    str key = key_of(space, kind, g->from, ns, name);
    if (!key.p) return;
    struct referrers_target *t = target_for(g->r, key);
    for (uint32_t i = 0; i < g->n; i++)
        if (g->targets[i] == t) return;
    if (g->n == g->cap) {
        struct referrers_target **more = base_alloc(2 * g->cap * sizeof *more);
        memcpy(more, g->targets, g->n * sizeof *more);
        if (g->targets != g->first) free(g->targets);
        g->targets = more;
        g->cap *= 2;
    }
    g->targets[g->n++] = t;
}

/* A reference that may cross namespaces: the grants of the other one matter, too. */
static void add_ref(struct gathering *g, enum api_kind kind, str ns, str name) {
    bool foreign = ns.n && !str_eq(ns, g->ns);
    add_target(g, kind, ns.n ? ns : g->ns, name);
    if (foreign) add_target(g, KIND_REFERENCE_GRANT, ns, S(""));
}

static void add_backend(struct gathering *g, const struct backend_object_ref *ref) {
    if (!ref->group.n && (!ref->kind.n || str_eq(ref->kind, S("Service"))))
        add_ref(g, KIND_SERVICE, ref->ns, ref->name);
    else if (str_eq(ref->kind, S("XBackend")))
        add_ref(g, KIND_XBACKEND, ref->ns, ref->name);
    else if (ref->ns.n && !str_eq(ref->ns, g->ns))
        add_target(g, KIND_REFERENCE_GRANT, ref->ns, S(""));
}

static void add_filters(struct gathering *g, const struct http_route_filter *filters, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        if (filters[i].request_mirror) add_backend(g, &filters[i].request_mirror->backend_ref);
        if (filters[i].external_auth) add_backend(g, &filters[i].external_auth->backend_ref);
    }
}

/* What all routes have: parents and a namespace. */
static void gather_parents(struct gathering *g, const struct route *route) {
    for (uint32_t i = 0; i < route->spec.parent_refs.n; i++) {
        const struct parent_ref *p = &route->spec.parent_refs.p[i];
        str ns = p->ns.n ? p->ns : g->ns;
        if (!p->kind.n || str_eq(p->kind, S("Gateway"))) add_target(g, KIND_GATEWAY, ns, p->name);
        if (str_eq(p->kind, S("ListenerSet"))) add_target(g, KIND_LISTENER_SET, ns, p->name);
    }
    if (route->spec.use_default_gateways == SCOPE_ALL) add_target(g, KIND_GATEWAY, S(""), S(""));
    add_target(g, KIND_NAMESPACE, S(""), g->ns);
}

static void add_http_backends(struct gathering *g, const struct http_backend_ref *refs, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        add_backend(g, &refs[i].ref);
        add_filters(g, refs[i].filters.p, refs[i].filters.n);
    }
}

static void gather_http_route(struct gathering *g, const struct http_route *route) {
    for (uint32_t i = 0; i < route->spec.rules.n; i++) {
        const struct http_route_rule *rule = &route->spec.rules.p[i];
        add_filters(g, rule->filters.p, rule->filters.n);
        add_http_backends(g, rule->backend_refs.p, rule->backend_refs.n);
    }
}

static void gather_grpc_route(struct gathering *g, const struct grpc_route *route) {
    for (uint32_t i = 0; i < route->spec.rules.n; i++) {
        const struct grpc_route_rule *rule = &route->spec.rules.p[i];
        add_filters(g, rule->filters.p, rule->filters.n);
        add_http_backends(g, rule->backend_refs.p, rule->backend_refs.n);
    }
}

static void gather_l4_route(struct gathering *g, const struct l4_route *route) {
    for (uint32_t i = 0; i < route->spec.rules.n; i++)
        for (uint32_t k = 0; k < route->spec.rules.p[i].backend_refs.n; k++)
            add_backend(g, &route->spec.rules.p[i].backend_refs.p[k].ref);
}

static void gather_listeners(struct gathering *g, const struct listener *listeners, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        const struct listener_tls *tls = listeners[i].tls;
        for (uint32_t k = 0; tls && k < tls->certificate_refs.n; k++)
            add_ref(g, KIND_SECRET, tls->certificate_refs.p[k].ns, tls->certificate_refs.p[k].name);
    }
    add_target(g, KIND_NAMESPACE, S(""), g->ns);
}

static void gather_listener_set(struct gathering *g, const struct listener_set *set) {
    str ns = set->spec.parent_ref.ns;
    add_target(g, KIND_GATEWAY, ns.n ? ns : g->ns, set->spec.parent_ref.name);
    gather_listeners(g, set->spec.listeners.p, set->spec.listeners.n);
}

static void gather_backend_tls(struct gathering *g, const struct backend_tls_policy *policy) {
    for (uint32_t i = 0; i < policy->spec.target_refs.n; i++)
        add_target(g, KIND_SERVICE, g->ns, policy->spec.target_refs.p[i].name);
    for (uint32_t i = 0; i < policy->spec.validation.ca_certificate_refs.n; i++)
        add_target(g, KIND_CONFIG_MAP, g->ns, policy->spec.validation.ca_certificate_refs.p[i].name);
}

/* The ConfigMap with the settings of a class, or of a Gateway of that namespace. */
static void gather_parameters(struct gathering *g, const struct parameters_reference *ref, str ns) {
    if (ref && !ref->group.n && str_eq(ref->kind, S("ConfigMap")) && ns.n)
        add_target(g, KIND_CONFIG_MAP, ns, ref->name);
}

static void gather_class(struct gathering *g, const struct gateway_class *c) {
    const struct parameters_reference *ref = c->spec.parameters_ref;
    if (ref) gather_parameters(g, ref, ref->ns);
}

static void gather_gateway(struct gathering *g, const struct gateway *gw) {
    add_target(g, KIND_GATEWAY_CLASS, S(""), gw->spec.gateway_class_name);
    if (gw->spec.infrastructure) gather_parameters(g, gw->spec.infrastructure->parameters_ref, g->ns);
    gather_listeners(g, gw->spec.listeners.p, gw->spec.listeners.n);
    if (gw->spec.tls && gw->spec.tls->backend && gw->spec.tls->backend->client_certificate_ref) {
        const struct secret_ref *ref = gw->spec.tls->backend->client_certificate_ref;
        add_ref(g, KIND_SECRET, ref->ns, ref->name);
    }
}

str referrers_service_of(const struct object *slice) {
    return schema_map_get(&slice->meta.labels, S("kubernetes.io/service-name"));
}

static void gather(struct gathering *g, const struct object *o) {
    const void *any = o;
    if (route_is(o->kind)) gather_parents(g, any);
    switch (o->kind) {
    case KIND_GATEWAY_CLASS: gather_class(g, any); break;
    case KIND_GATEWAY: gather_gateway(g, any); break;
    case KIND_LISTENER_SET: gather_listener_set(g, any); break;
    case KIND_HTTP_ROUTE: gather_http_route(g, any); break;
    case KIND_GRPC_ROUTE: gather_grpc_route(g, any); break;
    case KIND_TLS_ROUTE:
    case KIND_TCP_ROUTE:
    case KIND_UDP_ROUTE: gather_l4_route(g, any); break;
    case KIND_BACKEND_TLS_POLICY: gather_backend_tls(g, any); break;
    case KIND_XBACKEND_TRAFFIC_POLICY: {
        const struct xbackend_traffic_policy *policy = any;
        for (uint32_t i = 0; i < policy->spec.target_refs.n; i++)
            add_target(g, KIND_SERVICE, g->ns, policy->spec.target_refs.p[i].name);
        break;
    }
    case KIND_XTELEMETRY_POLICY: {
        const struct xtelemetry_policy *policy = any;
        for (uint32_t i = 0; i < policy->spec.target_refs.n; i++)
            add_target(g, KIND_GATEWAY, g->ns, policy->spec.target_refs.p[i].name);
        break;
    }
    case KIND_ENDPOINT_SLICE:
        if (referrers_service_of(o).n) add_target(g, KIND_SERVICE, g->ns, referrers_service_of(o));
        break;
    case KIND_REFERENCE_GRANT: add_target(g, KIND_NAMESPACE, S(""), g->ns); break;
    case KIND_XBACKEND:
    case KIND_XMESH:
    case KIND_SERVICE:
    case KIND_SECRET:
    case KIND_CONFIG_MAP:
    case KIND_CLUSTER_TRUST_BUNDLE:
    case KIND_NAMESPACE:
    case KIND_NONE:
    case KIND_COUNT: break;
    }
}

void referrers_note(struct referrers *r, struct referrers_source *source) {
    const struct object *o = source->object;
    struct gathering g = {.r = r, .cap = EDGES_FIRST, .from = o->kind, .ns = o->meta.ns};
    g.targets = g.first;
    gather(&g, o);
    source->edges = g.n ? base_zalloc(g.n * sizeof *source->edges) : NULL;
    source->n = g.n;
    for (uint32_t i = 0; i < g.n; i++) {
        struct referrers_edge *e = &source->edges[i];
        e->target = g.targets[i];
        e->source = source;
        link_append(&e->target->edges, &e->link);
        e->target->n++;
    }
    if (g.targets != g.first) free(g.targets);
}

void referrers_clear(struct referrers *r, struct referrers_source *source) {
    for (uint32_t i = 0; i < source->n; i++) {
        struct referrers_target *t = source->edges[i].target;
        link_remove(&source->edges[i].link);
        if (--t->n) continue;
        map_take(&r->targets, (str){t->key, t->key_n});
        free(t);
    }
    free(source->edges);
    source->edges = NULL;
    source->n = 0;
}

const struct object **referrers_list(const struct referrers *r, struct arena *a, enum api_kind kind, str ns,
                                     str name, enum api_kind from, size_t *ret_n) {
    char space[KEY_BYTES_MAX];
    str key = key_of(space, kind, from, ns, name);
    const struct referrers_target *t = key.p ? map_get(&r->targets, key) : NULL;
    *ret_n = t ? t->n : 0;
    if (!t) return NULL;
    const struct object **all = arena_array(a, const struct object *, t->n);
    size_t n = 0;
    for (const struct link *l = t->edges.next; l != &t->edges; l = l->next)
        all[n++] = container_of(l, const struct referrers_edge, link)->source->object;
    assert(n == t->n);
    return all;
}

static int by_target(const void *a, const void *b) {
    const struct store_target *x = a, *y = b;
    int order = str_cmp(x->ns, y->ns);
    return order ? order : str_cmp(x->name, y->name);
}

struct store_target *referrers_targets(const struct referrers *r, struct arena *a, enum api_kind kind,
                                       bool (*wanted)(void *arg, const struct store_target *t,
                                                      const struct object *from),
                                       void *arg, size_t *ret_n) {
    struct store_target *v = NULL;
    size_t n = 0, cap = 0, kept = 0;
    map_each (e, &r->targets) {
        const struct referrers_target *t = e->value;
        if (t->key[0] != (char)kind) continue;
        struct store_target one = {kind, (str){0}, {t->key + 2, t->key_n - 2}};
        one.ns = str_cut(&one.name, '/');
        bool yes = false;
        for (const struct link *l = t->edges.next; l != &t->edges && !yes; l = l->next)
            yes = wanted(arg, &one, container_of(l, const struct referrers_edge, link)->source->object);
        if (!yes) continue;
        if (n == cap) {
            cap = cap ? cap * 2 : 64;
            v = base_realloc(v, cap * sizeof *v);
        }
        v[n++] = one;
    }
    if (n) qsort(v, n, sizeof *v, by_target);
    struct store_target *all = arena_array(a, struct store_target, n);
    for (size_t i = 0; i < n; i++) /* a target stands once for each kind that names it */
        if (!i || by_target(&v[i], &all[kept - 1]) != 0)
            all[kept++] = (struct store_target){kind, arena_str(a, v[i].ns), arena_str(a, v[i].name)};
    free(v);
    *ret_n = kept;
    return all;
}

void referrers_fini(struct referrers *r) {
    assert(!r->targets.n);
    map_fini(&r->targets);
}
