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
#include "api/xbackend.h"
#include "api/xbackend_traffic_policy.h"
#include "api/xtelemetry_policy.h"
#include "base/hash.h"
#include "store/store.h"

/* The referrers of one kind of one target: a set of pointers in no order, by hash. */
struct target {
    union {
        const struct parcel *one;    /* cap == 0, n == 1 */
        const struct parcel **slots; /* cap > 0; NULL: free */
    };
    uint32_t n, cap; /* cap: of slots, 0 or a power of two */
    uint32_t key_n;
    char key[];
};

enum { NAME_BYTES_MAX = 256, CAP_FIRST = 4 };

/* What an object refers to, visited to note or to clear it. */
struct gathering {
    struct referrers *r;
    const struct parcel *p;
    enum api_kind from;
    str ns; /* of the referrer */
    void (*visit)(struct gathering *g, str key);
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

static str key_of_target(const void *value) {
    const struct target *t = value;
    return (str){t->key, t->key_n};
}

static uint32_t hash_of(const struct parcel *p) { return (uint32_t)(hash_join(1, (uintptr_t)p) >> 32); }

/* Where p is among the slots, or the free one where it would go. */
static uint32_t find(const struct target *t, const struct parcel *p) {
    uint32_t i = hash_of(p) & (t->cap - 1);
    while (t->slots[i] && t->slots[i] != p) i = (i + 1) & (t->cap - 1);
    return i;
}

static void grow(struct target *t) {
    struct target bigger = {.cap = t->cap ? t->cap * 2 : CAP_FIRST};
    bigger.slots = base_zalloc(bigger.cap * sizeof *bigger.slots);
    if (!t->cap) bigger.slots[find(&bigger, t->one)] = t->one;
    for (uint32_t i = 0; i < t->cap; i++)
        if (t->slots[i]) bigger.slots[find(&bigger, t->slots[i])] = t->slots[i];
    if (t->cap) free((void *)t->slots);
    t->slots = bigger.slots, t->cap = bigger.cap;
}

static void add(struct target *t, const struct parcel *p) {
    if (!t->cap && !t->n) {
        t->one = p, t->n = 1;
        return;
    }
    if (!t->cap && t->one == p) return;
    if ((t->n + 1) * 8 > t->cap * 7) grow(t);
    uint32_t at = find(t, p);
    t->n += !t->slots[at];
    t->slots[at] = p;
}

static void take_slot(struct target *t, uint32_t hole) {
    uint32_t mask = t->cap - 1;
    for (uint32_t i = (hole + 1) & mask; t->slots[i]; i = (i + 1) & mask) {
        uint32_t home = hash_of(t->slots[i]) & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) { /* may move back to the hole */
            t->slots[hole] = t->slots[i];
            hole = i;
        }
    }
    t->slots[hole] = NULL;
    t->n--;
}

static void take(struct target *t, const struct parcel *p) {
    if (t->cap) {
        uint32_t at = find(t, p);
        if (t->slots[at]) take_slot(t, at);
    } else if (t->one == p) {
        t->n = 0;
    }
}

static void note(struct gathering *g, str key) {
    struct target *t = index_get(&g->r->targets, key);
    if (!t) {
        t = base_zalloc(sizeof *t + key.n);
        t->key_n = (uint32_t)key.n;
        memcpy(t->key, key.p, key.n);
        index_put(&g->r->targets, t);
    }
    add(t, g->p);
}

/* What an object names twice is found once. */
static void clear(struct gathering *g, str key) {
    struct target *t = index_get(&g->r->targets, key);
    if (!t) return;
    take(t, g->p);
    if (t->n) return;
    index_take(&g->r->targets, key);
    if (t->cap) free((void *)t->slots);
    free(t);
}

static void add_target(struct gathering *g, enum api_kind kind, str ns, str name) {
    char space[KEY_BYTES_MAX];
    str key = key_of(space, kind, g->from, ns, name);
    if (key.p) g->visit(g, key);
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
        const struct listener_filters *f = listeners[i].filters;
        for (uint32_t k = 0; f && k < f->requests.n; k++)
            if (f->requests.p[k].external_auth) add_backend(g, &f->requests.p[k].external_auth->backend_ref);
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

static void add_trust(struct gathering *g, const struct backend_tls_validation *v) {
    for (uint32_t i = 0; i < v->ca_certificate_refs.n; i++) {
        const struct local_ref *ref = &v->ca_certificate_refs.p[i];
        if (str_eq(ref->kind, S("ClusterTrustBundle")))
            add_target(g, KIND_CLUSTER_TRUST_BUNDLE, S(""), ref->name);
        else
            add_target(g, KIND_CONFIG_MAP, g->ns, ref->name);
    }
}

static void add_backend_target(struct gathering *g, str kind, str name) {
    add_target(g, str_eq(kind, S("XBackend")) ? KIND_XBACKEND : KIND_SERVICE, g->ns, name);
}

static void gather_xbackend(struct gathering *g, const struct xbackend *b) {
    if (b->spec.tls.validation) add_trust(g, b->spec.tls.validation);
    const struct secret_ref *ref = b->spec.tls.client_certificate_ref;
    if (ref) add_target(g, KIND_SECRET, ref->ns.n ? ref->ns : g->ns, ref->name);
}

static void gather_backend_tls(struct gathering *g, const struct backend_tls_policy *policy) {
    for (uint32_t i = 0; i < policy->spec.target_refs.n; i++)
        add_backend_target(g, policy->spec.target_refs.p[i].kind, policy->spec.target_refs.p[i].name);
    add_trust(g, &policy->spec.validation);
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

static void add_frontend(struct gathering *g, const struct frontend_validation *v) {
    for (uint32_t i = 0; v && i < v->ca_certificate_refs.n; i++) {
        const struct object_ref *ref = &v->ca_certificate_refs.p[i];
        if (str_eq(ref->kind, S("ClusterTrustBundle")))
            add_target(g, KIND_CLUSTER_TRUST_BUNDLE, S(""), ref->name);
        else
            add_ref(g, KIND_CONFIG_MAP, ref->ns, ref->name);
    }
}

static void gather_frontend(struct gathering *g, const struct gateway_frontend_tls *f) {
    add_frontend(g, f->initial.validation);
    for (uint32_t i = 0; i < f->per_port.n; i++) add_frontend(g, f->per_port.p[i].tls.validation);
}

static void gather_gateway(struct gathering *g, const struct gateway *gw) {
    add_target(g, KIND_GATEWAY_CLASS, S(""), gw->spec.gateway_class_name);
    if (gw->spec.infrastructure) gather_parameters(g, gw->spec.infrastructure->parameters_ref, g->ns);
    gather_listeners(g, gw->spec.listeners.p, gw->spec.listeners.n);
    if (gw->spec.tls && gw->spec.tls->frontend) gather_frontend(g, gw->spec.tls->frontend);
    if (gw->spec.tls && gw->spec.tls->backend && gw->spec.tls->backend->client_certificate_ref) {
        const struct secret_ref *ref = gw->spec.tls->backend->client_certificate_ref;
        add_ref(g, KIND_SECRET, ref->ns, ref->name);
    }
}

str referrers_service_of(const struct object *slice) {
    return schema_map_get(&slice->meta.labels, S("kubernetes.io/service-name"));
}

str referrers_xbackend_of(const struct object *slice) {
    return schema_map_get(&slice->meta.labels, S(XBACKEND_LABEL));
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
            add_backend_target(g, policy->spec.target_refs.p[i].kind, policy->spec.target_refs.p[i].name);
        break;
    }
    case KIND_XTELEMETRY_POLICY: {
        const struct xtelemetry_policy *policy = any;
        for (uint32_t i = 0; i < policy->spec.target_refs.n; i++)
            add_target(g, KIND_GATEWAY, g->ns, policy->spec.target_refs.p[i].name);
        if (policy->spec.tracing && policy->spec.tracing->provider)
            add_backend(g, &policy->spec.tracing->provider->backend_ref);
        break;
    }
    case KIND_ENDPOINT_SLICE:
        if (referrers_service_of(o).n) add_target(g, KIND_SERVICE, g->ns, referrers_service_of(o));
        if (referrers_xbackend_of(o).n) add_target(g, KIND_XBACKEND, g->ns, referrers_xbackend_of(o));
        break;
    case KIND_REFERENCE_GRANT: add_target(g, KIND_NAMESPACE, S(""), g->ns); break;
    case KIND_XBACKEND: gather_xbackend(g, any); break;
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

static void visit_all(struct referrers *r, const struct parcel *p, const struct object *o,
                      void (*visit)(struct gathering *g, str key)) {
    struct gathering g = {.r = r, .p = p, .from = o->kind, .ns = o->meta.ns, .visit = visit};
    gather(&g, o);
}

void referrers_note(struct referrers *r, const struct parcel *p, const struct object *o) {
    visit_all(r, p, o, note);
}

void referrers_clear(struct referrers *r, const struct parcel *p, const struct object *o) {
    visit_all(r, p, o, clear);
}

const struct parcel **referrers_list(const struct referrers *r, struct arena *a, enum api_kind kind, str ns,
                                     str name, enum api_kind from, size_t *ret_n) {
    char space[KEY_BYTES_MAX];
    str key = key_of(space, kind, from, ns, name);
    const struct target *t = key.p ? index_get(&r->targets, key) : NULL;
    *ret_n = t ? t->n : 0;
    if (!t) return NULL;
    const struct parcel **all = arena_array(a, const struct parcel *, t->n);
    size_t n = 0;
    if (!t->cap) all[n++] = t->one;
    for (uint32_t i = 0; i < t->cap; i++)
        if (t->slots[i]) all[n++] = t->slots[i];
    assert(n == t->n);
    return all;
}

static int by_target(const void *a, const void *b) {
    const struct store_target *x = a, *y = b;
    int order = str_cmp(x->ns, y->ns);
    return order ? order : str_cmp(x->name, y->name);
}

static bool any_wants(const struct target *t, const struct store_target *one,
                      bool (*wanted)(void *arg, const struct store_target *t, const struct object *from),
                      void *arg) {
    OWNED(arena) a = arena_new();
    bool yes = !t->cap && wanted(arg, one, parcel_open(a, t->one));
    for (uint32_t i = 0; i < t->cap && !yes; i++) {
        if (!t->slots[i]) continue;
        yes = wanted(arg, one, parcel_open(a, t->slots[i]));
        arena_reset(a);
    }
    return yes;
}

struct store_target *referrers_targets(const struct referrers *r, struct arena *a, enum api_kind kind,
                                       bool (*wanted)(void *arg, const struct store_target *t,
                                                      const struct object *from),
                                       void *arg, size_t *ret_n) {
    struct store_target *v = NULL;
    size_t n = 0, cap = 0, kept = 0;
    index_each (const struct target, t, &r->targets) {
        if (t->key[0] != (char)kind) continue;
        struct store_target one = {kind, (str){0}, {t->key + 2, t->key_n - 2}};
        one.ns = str_cut(&one.name, '/');
        if (!any_wants(t, &one, wanted, arg)) continue;
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

void referrers_init(struct referrers *r) { *r = (struct referrers){.targets.key = key_of_target}; }

void referrers_fini(struct referrers *r) {
    assert(!r->targets.n);
    index_fini(&r->targets);
}
