/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/backends.h"

#include "api/core.h"
#include "api/xbackend.h"
#include "base/num.h"
#include "resolve/backend_endpoints.h"
#include "resolve/backend_tls.h"
#include "resolve/backend_traffic.h"
#include "resolve/certs.h"
#include "resolve/features.h"
#include "resolve/grants.h"
#include "resolve/xbackends.h"

/* What follows the port in a key, by enum plan_backend_protocol. */
static const char *const suffixes[] = {"", "", "+h2c", "+tls", "+tcp", "+udp"};

str backends_key(struct arena *a, enum api_kind kind, str object, int64_t port,
                 enum plan_backend_protocol protocol) {
    return arena_printf(a, "%s" STR_FMT ":%lld%s", kind == KIND_XBACKEND ? "XBackend/" : "", STR_ARG(object),
                        (long long)port, suffixes[protocol]);
}

void backends_parse(str key, enum api_kind *ret_kind, str *ret_ns, str *ret_name) {
    str object = str_upto(key, str_rfind(key, ':'));
    size_t slash = str_rfind(object, '/');
    str ns = str_upto(object, slash);
    bool xbackend = str_find(ns, '/') < ns.n;
    *ret_kind = xbackend ? KIND_XBACKEND : KIND_SERVICE;
    *ret_ns = xbackend ? str_from(ns, strlen("XBackend/")) : ns;
    *ret_name = str_from(object, slash + 1);
}

str backends_ns(const struct backend_state *b) { return (str){b->key + b->ns_at, b->ns_n}; }
str backends_name(const struct backend_state *b) { return (str){b->key + b->ns_at + b->ns_n + 1, b->name_n}; }

static bool is_protocol(str protocol, bool udp) {
    return udp ? str_eq(protocol, S("UDP")) : !protocol.n || str_eq(protocol, S("TCP"));
}

static const struct service_port *find_port(const struct service *s, int64_t port, bool udp) {
    for (uint32_t i = 0; i < s->spec.ports.n; i++) /* a number may stand for TCP and for UDP */
        if (s->spec.ports.p[i].port == port && is_protocol(s->spec.ports.p[i].protocol, udp))
            return &s->spec.ports.p[i];
    for (uint32_t i = 0; i < s->spec.ports.n; i++)
        if (s->spec.ports.p[i].port == port) return &s->spec.ports.p[i];
    return NULL;
}

static struct verdict judge_transport(struct arena *a, const struct service_port *port, bool udp, str where,
                                      str service) {
    if (is_protocol(port->protocol, udp)) return (struct verdict){0};
    const char *wanted = udp ? "UDP" : "TCP";
    return resolver_refuse(
        a, "UnsupportedProtocol",
        STR_FMT ": port %lld of Service " STR_FMT " is " STR_FMT ", not %s; name a %s port", STR_ARG(where),
        (long long)port->port, STR_ARG(service), port->protocol.n ? (int)port->protocol.n : 3,
        port->protocol.n ? port->protocol.p : "TCP", wanted, wanted);
}

/* How the backend is spoken to. What this version or this kind of route can not speak is refused; any other value of appProtocol is as
 * good as none.                                                                             [GEP-1911] */
static struct verdict judge_protocol(struct pass *p, enum api_kind from, bool grpc,
                                     const struct service_port *port, str where, str service,
                                     enum plan_backend_protocol *ret) {
    struct arena *a = p->scratch;
    bool udp = from == KIND_UDP_ROUTE;
    bool h2c = str_eq(port->app_protocol, S("kubernetes.io/h2c")),
         ws = str_eq(port->app_protocol, S("kubernetes.io/ws")),
         wss = str_eq(port->app_protocol, S("kubernetes.io/wss"));
    *ret = udp                      ? PLAN_BACKEND_UDP
           : from == KIND_TCP_ROUTE ? PLAN_BACKEND_TCP
           : from == KIND_TLS_ROUTE ? PLAN_BACKEND_TLS
           : grpc || h2c            ? PLAN_BACKEND_H2C
                                    : PLAN_BACKEND_HTTP;
    if (grpc && (ws || wss))
        return resolver_refuse(a, "UnsupportedProtocol",
                               STR_FMT ": port %lld of Service " STR_FMT " has the appProtocol " STR_FMT
                                       ", which is not for gRPC; name a port with kubernetes.io/h2c or none",
                               STR_ARG(where), (long long)port->port, STR_ARG(service),
                               STR_ARG(port->app_protocol));
    if (wss && *ret == PLAN_BACKEND_HTTP && features_served(p->facts, FEATURE_WEBSOCKET_TLS) &&
        !backend_tls_find(p, str_upto(service, str_find(service, '/')),
                          str_from(service, str_find(service, '/') + 1), port->name))
        return resolver_refuse(a, "UnsupportedProtocol",
                               STR_FMT
                               ": port %lld of Service " STR_FMT
                               " has the appProtocol kubernetes.io/wss, and nothing says how its TLS is "
                               "verified; add a BackendTLSPolicy for the port",
                               STR_ARG(where), (long long)port->port, STR_ARG(service));
    enum feature f = h2c && !grpc ? FEATURE_H2C : ws ? FEATURE_WEBSOCKET : FEATURE_WEBSOCKET_TLS;
    if (*ret <= PLAN_BACKEND_H2C && (h2c || ws || wss) && !grpc && !features_served(p->facts, f))
        return resolver_refuse(a, "UnsupportedProtocol",
                               STR_FMT ": port %lld of Service " STR_FMT " has " STR_FMT
                                       ", which is not served by this version; " STR_FMT,
                               STR_ARG(where), (long long)port->port, STR_ARG(service),
                               STR_ARG(features_what(f)), STR_ARG(features_remedy(f)));
    return judge_transport(a, port, udp, where, service);
}

err backends_proxy(const struct object *o, uint8_t *ret, str *ret_said) {
    *ret_said = schema_map_get(&o->meta.annotations, S(BACKENDS_PROXY_ANNOTATION));
    *ret = str_eq(*ret_said, S("v1")) ? 1 : str_eq(*ret_said, S("v2")) ? 2 : 0;
    return *ret || !ret_said->p ? OK : ERR_PROTO;
}

static err proxy_of(const struct service *s, uint8_t *ret) {
    str said;
    return backends_proxy(&s->obj, ret, &said);
}

static struct verdict judge_proxy(struct arena *a, const struct service *s, str where, str service) {
    uint8_t version;
    str said;
    if (backends_proxy(&s->obj, &version, &said) == OK) return (struct verdict){0};
    return resolver_refuse(a, "UnsupportedProtocol",
                           STR_FMT ": Service " STR_FMT " has the annotation " BACKENDS_PROXY_ANNOTATION
                                   " with \"" STR_FMT "\"; write v1 or v2, or remove it",
                           STR_ARG(where), STR_ARG(service), STR_ARG(said));
}

bool backends_annotated_anew(struct pass *p, str ns, str name) {
    const struct service *s = (const void *)store_get(p->store, p->scratch, KIND_SERVICE, ns, name);
    uint8_t version;
    bool known = false;
    if (!s || proxy_of(s, &version) != OK) return true;
    str object = resolver_key(p->scratch, ns, name);
    for (uint32_t i = 0; i < s->spec.ports.n; i++) {
        for (unsigned k = PLAN_BACKEND_HTTP; k < COUNT_OF(suffixes); k++) {
            const struct backend_state *b = map_get(
                &p->r->backends, backends_key(p->scratch, KIND_SERVICE, object, s->spec.ports.p[i].port, k));
            known |= b != NULL;
            if (b && b->proxy != version) return true;
        }
    }
    return !known; /* nobody names it, or nobody may */
}

static struct verdict not_found(struct arena *a, str where, str service) {
    return resolver_refuse(a, "BackendNotFound",
                           STR_FMT ": Service " STR_FMT " does not exist; create it or correct the name",
                           STR_ARG(where), STR_ARG(service));
}

/* The kind of the reference and the right to name it. */
static struct verdict judge_reference(struct pass *p, enum api_kind from, str from_ns,
                                      const struct backend_object_ref *ref, str where) {
    struct arena *a = p->scratch;
    str ns = ref->ns.n ? ref->ns : from_ns, kind = resolver_a_kind(a, from);
    if (ref->group.n || (ref->kind.n && !str_eq(ref->kind, S("Service"))))
        return resolver_refuse(
            a, "InvalidKind", STR_FMT ": " STR_FMT "%s" STR_FMT " is not served; name a Service",
            STR_ARG(where), STR_ARG(ref->group), ref->group.n ? "/" : "", STR_ARG(ref->kind));
    if (!grants_allow(p, from, from_ns, S("Service"), ns, ref->name))
        return resolver_refuse(a, "RefNotPermitted",
                               STR_FMT ": no ReferenceGrant in namespace " STR_FMT " lets " STR_FMT
                                       " of " STR_FMT " use Service " STR_FMT "; add one there",
                               STR_ARG(where), STR_ARG(ns), STR_ARG(kind), STR_ARG(from_ns),
                               STR_ARG(ref->name));
    return (struct verdict){0};
}

struct verdict backends_judge(struct pass *p, enum api_kind from, str from_ns, bool grpc,
                              const struct backend_object_ref *ref, str where, str *ret_key) {
    struct arena *a = p->scratch;
    if (xbackends_named(ref->group, ref->kind) && features_served(p->facts, FEATURE_XBACKEND))
        return xbackends_judge(p, from, from_ns, grpc, ref, where, ret_key);
    struct verdict v = judge_reference(p, from, from_ns, ref, where);
    if (v.reason) return v;
    str ns = ref->ns.n ? ref->ns : from_ns, service = resolver_key(a, ns, ref->name);
    const struct service *s = (const void *)store_get(p->store, p->scratch, KIND_SERVICE, ns, ref->name);
    if (!s) return not_found(a, where, service);
    if (str_eq(s->spec.type, S("ExternalName")))
        return resolver_refuse(a, "InvalidKind",
                               STR_FMT
                               ": Service " STR_FMT
                               " is of type ExternalName, which is not served; name a Service with endpoints",
                               STR_ARG(where), STR_ARG(service));
    const struct service_port *port =
        ref->port.set ? find_port(s, ref->port.v, from == KIND_UDP_ROUTE) : NULL;
    if (!port)
        return resolver_refuse(a, "BackendNotFound",
                               STR_FMT ": Service " STR_FMT " has no port %lld; correct the port",
                               STR_ARG(where), STR_ARG(service), (long long)ref->port.v);
    enum plan_backend_protocol protocol;
    v = judge_protocol(p, from, grpc, port, where, service, &protocol);
    if (!v.reason) v = judge_proxy(a, s, where, service);
    if (!v.reason) *ret_key = backends_key(a, KIND_SERVICE, service, port->port, protocol);
    return v;
}

void backends_mark_one(struct resolver *r, struct backend_state *b) {
    if (b->dirty) return;
    b->dirty = true;
    resolver_push(&r->dirty_backends, b);
}

struct backend_state *backends_use(struct pass *p, str key) {
    struct backend_state *b = map_get(&p->r->backends, key);
    if (!b) {
        enum api_kind kind;
        str ns, name;
        backends_parse(key, &kind, &ns, &name);
        size_t plus = str_rfind(key, '+');
        uint64_t port = 0;
        err parsed = num_parse(str_from(str_upto(key, plus), str_rfind(key, ':') + 1), UINT16_MAX, &port);
        assert(parsed == OK); /* backends_key() made the key */
        b = base_zalloc(sizeof *b + key.n);
        b->kind = (uint8_t)kind;
        b->port = (uint16_t)port;
        b->protocol = PLAN_BACKEND_HTTP;
        for (size_t i = PLAN_BACKEND_H2C; i < COUNT_OF(suffixes); i++)
            if (str_eq(str_from(key, plus), str_of(suffixes[i]))) b->protocol = (uint8_t)i;
        b->ns_at = (uint16_t)(ns.p - key.p);
        b->ns_n = (uint16_t)ns.n;
        b->name_n = (uint16_t)name.n;
        b->key_n = (uint16_t)key.n;
        memcpy(b->key, key.p, key.n);
        map_put(&p->r->backends, (str){b->key, key.n}, b);
        backends_mark_one(p->r, b);
    }
    b->uses++;
    return b;
}

void backends_release(struct pass *p, struct backend_state *b) {
    assert(b->uses);
    if (!--b->uses) backends_mark_one(p->r, b);
}

static void mark_port(struct pass *p, enum api_kind kind, str ns, str name, int64_t port) {
    str object = resolver_key(p->scratch, ns, name);
    for (unsigned i = PLAN_BACKEND_HTTP; i < COUNT_OF(suffixes); i++) {
        struct backend_state *b = map_get(&p->r->backends, backends_key(p->scratch, kind, object, port, i));
        if (b) backends_mark_one(p->r, b);
    }
}

void backends_mark(struct pass *p, str ns, str name) {
    const struct service *s = (const void *)store_get(p->store, p->scratch, KIND_SERVICE, ns, name);
    for (uint32_t i = 0; s && i < s->spec.ports.n; i++)
        mark_port(p, KIND_SERVICE, ns, name, s->spec.ports.p[i].port);
}

void backends_mark_xbackend(struct pass *p, str ns, str name) {
    const struct xbackend *b = (const void *)store_get(p->store, p->scratch, KIND_XBACKEND, ns, name);
    if (b) mark_port(p, KIND_XBACKEND, ns, name, b->spec.port.number.v);
}

void backends_mark_all(struct resolver *r) {
    map_each (e, &r->backends) backends_mark_one(r, e->value);
}

/* The slice's port of the Service's port, by name; 0: it has none.              [Kubernetes EndpointSlice.ports] */
static int64_t port_in_slice(const struct endpoint_slice *s, const struct service_port *port, bool udp) {
    for (uint32_t i = 0; i < s->ports.n; i++) {
        const struct endpoint_port *e = &s->ports.p[i];
        if (!str_eq(e->name, port->name) || !is_protocol(e->protocol, udp)) continue;
        if (e->port.set) return e->port.v;
        return port->target_port.set && !port->target_port.s.p ? port->target_port.i : port->port;
    }
    return 0;
}

/* No endpoint is given to whoever might speak in the clear where a policy wants TLS. */
static void write_service(struct pass *p, struct backend_state *b, struct plan_backend *piece,
                          struct backend_endpoints *all) {
    bool udp = b->protocol == PLAN_BACKEND_UDP;
    const struct service *s =
        (const void *)store_get(p->store, p->scratch, KIND_SERVICE, piece->ns, piece->name);
    const struct service_port *port = s ? find_port(s, b->port, udp) : NULL;
    b->proxy = 0;
    if (s && !udp && proxy_of(s, &b->proxy) == OK) piece->proxy_protocol = b->proxy;
    if (!port) return;
    if (b->protocol <= PLAN_BACKEND_TLS) backend_tls_apply(p, piece->ns, piece->name, port->name, piece);
    if (piece->refused.n && b->protocol != PLAN_BACKEND_TLS) return;
    size_t n;
    const struct object **slices =
        store_referrers(p->store, p->scratch, KIND_SERVICE, piece->ns, piece->name, KIND_ENDPOINT_SLICE, &n);
    for (size_t i = 0; i < n; i++) {
        int64_t number = port_in_slice((const void *)slices[i], port, udp);
        if (number) backend_endpoints_add_slice(all, (const void *)slices[i], number);
    }
}

static void write_backend(struct pass *p, struct backend_state *b, str key) {
    struct plan_backend piece = {.piece = {.kind = PLAN_BACKEND, .key = key},
                                 .ns = backends_ns(b),
                                 .name = backends_name(b),
                                 .port = b->port,
                                 .protocol = b->protocol};
    struct backend_endpoints all = {0};
    struct cert_state *before = TAKE(b->cert); /* let go once the new one is held: it may be the same */
    if (b->kind == KIND_XBACKEND)
        xbackends_write(p, b, &piece, &all);
    else
        write_service(p, b, &piece, &all);
    if (b->protocol <= PLAN_BACKEND_H2C)
        piece.retry_budget = backend_traffic_budget(p, b->kind, piece.ns, piece.name);
    plan_set(p->plan, PLAN_BACKEND, key, plan_pack(&piece), p->delta);
    backend_endpoints_write(p, key, &all);
    if (before) certs_release(p, before);
}

void backends_resolve(struct pass *p) {
    struct worklist *w = &p->r->dirty_backends;
    for (size_t i = 0; i < w->n; i++) {
        struct backend_state *b = w->p[i];
        str key = {b->key, b->key_n};
        b->dirty = false;
        p->work->backends++;
        p->work->xbackends += b->kind == KIND_XBACKEND;
        if (b->uses) {
            write_backend(p, b, key);
        } else {
            plan_set(p->plan, PLAN_BACKEND, key, NULL, p->delta);
            plan_set(p->plan, PLAN_ENDPOINTS, key, NULL, p->delta);
            if (b->cert) certs_release(p, b->cert);
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
