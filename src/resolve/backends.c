/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/backends.h"

#include "api/core.h"
#include "base/num.h"
#include "resolve/features.h"
#include "resolve/grants.h"

static const struct service_port *find_port(const struct service *s, int64_t port) {
    for (uint32_t i = 0; i < s->spec.ports.n; i++) /* a number may stand for TCP and for UDP */
        if (s->spec.ports.p[i].port == port &&
            (!s->spec.ports.p[i].protocol.n || str_eq(s->spec.ports.p[i].protocol, S("TCP"))))
            return &s->spec.ports.p[i];
    for (uint32_t i = 0; i < s->spec.ports.n; i++)
        if (s->spec.ports.p[i].port == port) return &s->spec.ports.p[i];
    return NULL;
}

/* What this version can not speak; any other value is as good as none.                    [GEP-1911] */
static struct verdict judge_protocol(struct arena *a, const struct service_port *port, str where,
                                     str service) {
    enum feature f = str_eq(port->app_protocol, S("kubernetes.io/h2c"))   ? FEATURE_H2C
                     : str_eq(port->app_protocol, S("kubernetes.io/ws"))  ? FEATURE_WEBSOCKET
                     : str_eq(port->app_protocol, S("kubernetes.io/wss")) ? FEATURE_WEBSOCKET_TLS
                                                                          : FEATURE_COUNT;
    if (f != FEATURE_COUNT && !features_served(f))
        return resolver_refuse(a, "UnsupportedProtocol",
                               STR_FMT ": port %lld of Service " STR_FMT " has " STR_FMT
                                       ", which is not served by this version; " STR_FMT,
                               STR_ARG(where), (long long)port->port, STR_ARG(service),
                               STR_ARG(features_what(f)), STR_ARG(features_remedy(f)));
    if (port->protocol.n && !str_eq(port->protocol, S("TCP")))
        return resolver_refuse(
            a, "UnsupportedProtocol",
            STR_FMT ": port %lld of Service " STR_FMT " is " STR_FMT ", not TCP; name a TCP port",
            STR_ARG(where), (long long)port->port, STR_ARG(service), STR_ARG(port->protocol));
    return (struct verdict){0};
}

struct verdict backends_judge(struct pass *p, str from_ns, const struct backend_object_ref *ref, str where,
                              str *ret_key) {
    struct arena *a = p->scratch;
    str ns = ref->ns.n ? ref->ns : from_ns;
    if (ref->group.n || (ref->kind.n && !str_eq(ref->kind, S("Service"))))
        return resolver_refuse(
            a, "InvalidKind", STR_FMT ": " STR_FMT "%s" STR_FMT " is not served; name a Service",
            STR_ARG(where), STR_ARG(ref->group), ref->group.n ? "/" : "", STR_ARG(ref->kind));
    if (!grants_allow(p, S("HTTPRoute"), from_ns, S("Service"), ns, ref->name))
        return resolver_refuse(a, "RefNotPermitted",
                               STR_FMT ": no ReferenceGrant in namespace " STR_FMT
                                       " lets an HTTPRoute of " STR_FMT " use Service " STR_FMT
                                       "; add one there",
                               STR_ARG(where), STR_ARG(ns), STR_ARG(from_ns), STR_ARG(ref->name));
    str service = resolver_key(a, ns, ref->name);
    const struct service *s = (const void *)store_get(p->store, KIND_SERVICE, ns, ref->name);
    if (!s)
        return resolver_refuse(a, "BackendNotFound",
                               STR_FMT ": Service " STR_FMT " does not exist; create it or correct the name",
                               STR_ARG(where), STR_ARG(service));
    if (str_eq(s->spec.type, S("ExternalName")))
        return resolver_refuse(a, "InvalidKind",
                               STR_FMT
                               ": Service " STR_FMT
                               " is of type ExternalName, which is not served; name a Service with endpoints",
                               STR_ARG(where), STR_ARG(service));
    const struct service_port *port = ref->port.set ? find_port(s, ref->port.v) : NULL;
    if (!port)
        return resolver_refuse(a, "BackendNotFound",
                               STR_FMT ": Service " STR_FMT " has no port %lld; correct the port",
                               STR_ARG(where), STR_ARG(service), (long long)ref->port.v);
    struct verdict v = judge_protocol(a, port, where, service);
    if (!v.reason) *ret_key = arena_printf(a, STR_FMT ":%lld", STR_ARG(service), (long long)port->port);
    return v;
}

static void mark(struct resolver *r, struct backend_state *b) {
    if (b->dirty) return;
    b->dirty = true;
    resolver_push(&r->dirty_backends, b);
}

struct backend_state *backends_use(struct pass *p, str key) {
    struct backend_state *b = map_get(&p->r->backends, key);
    if (!b) {
        size_t slash = str_find(key, '/'), colon = str_rfind(key, ':');
        uint64_t port = 0;
        err parsed = num_parse(str_from(key, colon + 1), UINT16_MAX, &port);
        assert(parsed == OK); /* backends_judge() made the key */
        b = base_zalloc(sizeof *b + key.n);
        b->port = (uint16_t)port;
        b->ns_n = (uint16_t)slash;
        b->name_n = (uint16_t)(colon - slash - 1);
        b->key_n = (uint16_t)key.n;
        memcpy(b->key, key.p, key.n);
        map_put(&p->r->backends, (str){b->key, key.n}, b);
        mark(p->r, b);
    }
    b->uses++;
    return b;
}

void backends_release(struct pass *p, struct backend_state *b) {
    assert(b->uses);
    if (!--b->uses) mark(p->r, b);
}

void backends_mark(struct pass *p, str ns, str name) {
    const struct service *s = (const void *)store_get(p->store, KIND_SERVICE, ns, name);
    for (uint32_t i = 0; s && i < s->spec.ports.n; i++) {
        str key = arena_printf(p->scratch, STR_FMT "/" STR_FMT ":%lld", STR_ARG(ns), STR_ARG(name),
                               (long long)s->spec.ports.p[i].port);
        struct backend_state *b = map_get(&p->r->backends, key);
        if (b) mark(p->r, b);
    }
}

struct place {
    struct ip ip;
    int64_t port;
};
struct places {
    struct place *p;
    uint32_t n, cap;
};

static int by_place(const void *a, const void *b) {
    const struct place *x = a, *y = b;
    int order = x->ip.family - y->ip.family;
    if (!order) order = memcmp(x->ip.bytes, y->ip.bytes, sizeof x->ip.bytes);
    return order ? order : (x->port > y->port) - (x->port < y->port);
}

/* The slice's port of the Service's port, by name; 0: it has none.              [Kubernetes EndpointSlice.ports] */
static int64_t port_in_slice(const struct endpoint_slice *s, const struct service_port *port) {
    for (uint32_t i = 0; i < s->ports.n; i++) {
        const struct endpoint_port *e = &s->ports.p[i];
        if (!str_eq(e->name, port->name) || (e->protocol.n && !str_eq(e->protocol, S("TCP")))) continue;
        if (e->port.set) return e->port.v;
        return port->target_port.set && !port->target_port.s.p ? port->target_port.i : port->port;
    }
    return 0;
}

static void add_slice(struct places *all, const struct endpoint_slice *s, const struct service_port *port) {
    int64_t number = port_in_slice(s, port);
    if (!number || str_eq(s->address_type, S("FQDN"))) return;
    for (uint32_t i = 0; i < s->endpoints.n; i++) {
        const struct endpoint *e = &s->endpoints.p[i];
        if (e->conditions.ready.set && !e->conditions.ready.v) continue;
        for (uint32_t k = 0; k < e->addresses.n; k++) {
            struct place one = {.port = number};
            if (ip_parse(e->addresses.p[k], &one.ip) != OK) continue;
            if (all->n == all->cap) {
                all->cap = all->cap ? all->cap * 2 : 16;
                all->p = base_realloc(all->p, all->cap * sizeof *all->p);
            }
            all->p[all->n++] = one;
        }
    }
}

static void write_endpoints(struct pass *p, str key, struct places *all) {
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
}

static void write_backend(struct pass *p, const struct backend_state *b, str key) {
    str ns = str_upto(key, b->ns_n), name = {key.p + b->ns_n + 1, b->name_n};
    struct plan_backend piece = {.piece = {.kind = PLAN_BACKEND, .key = key},
                                 .ns = ns,
                                 .name = name,
                                 .port = b->port,
                                 .protocol = PLAN_BACKEND_HTTP};
    plan_set(p->plan, PLAN_BACKEND, key, plan_pack(&piece), p->delta);
    const struct service *s = (const void *)store_get(p->store, KIND_SERVICE, ns, name);
    const struct service_port *port = s ? find_port(s, b->port) : NULL;
    size_t n;
    const struct object **slices =
        store_referrers(p->store, p->scratch, KIND_SERVICE, ns, name, KIND_ENDPOINT_SLICE, &n);
    struct places all = {0};
    for (size_t i = 0; port && i < n; i++) add_slice(&all, (const void *)slices[i], port);
    write_endpoints(p, key, &all);
    free(all.p);
}

void backends_resolve(struct pass *p) {
    struct worklist *w = &p->r->dirty_backends;
    for (size_t i = 0; i < w->n; i++) {
        struct backend_state *b = w->p[i];
        str key = {b->key, b->key_n};
        b->dirty = false;
        p->work->backends++;
        if (b->uses) {
            write_backend(p, b, key);
        } else {
            plan_set(p->plan, PLAN_BACKEND, key, NULL, p->delta);
            plan_set(p->plan, PLAN_ENDPOINTS, key, NULL, p->delta);
            map_take(&p->r->backends, key);
            free(b);
        }
        arena_reset(p->scratch);
    }
    w->n = 0;
}

void backends_fini(struct resolver *r) {
    map_each (e, &r->backends) free(e->value);
    map_fini(&r->backends);
}
