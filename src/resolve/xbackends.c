/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/xbackends.h"

#include "api/core.h"
#include "api/xbackend.h"
#include "resolve/backend_tls.h"
#include "resolve/backends.h"
#include "resolve/certs.h"
#include "resolve/policies.h"
#include "resolve/policy_status.h"
#include "resolve/routes.h"

static const char *const protocol_names[] = {"",    "TCP", "HTTP", "HTTP2", "HTTP11",
                                             "H2C", "MCP", "GRPC", "WSS"};

bool xbackends_named(str group, str kind) {
    return str_eq(group, S("gateway.networking.x-k8s.io")) && str_eq(kind, S("XBackend"));
}

static const struct xbackend *find(const struct pass *p, str ns, str name) {
    return (const void *)store_get(p->store, p->scratch, KIND_XBACKEND, ns, name);
}

static bool is_secure(const struct xbackend *b) {
    return b->spec.tls.mode == XBACKEND_TLS_SERVER_ONLY || b->spec.tls.mode == XBACKEND_TLS_CLIENT_AND_SERVER;
}

/* ---- as a target ---- */

static const char *spoken(const struct xbackend *b) {
    if (b->spec.protocol) return protocol_names[b->spec.protocol];
    return is_secure(b) ? "TLS" : "what the route carries";
}

/* Its protocol, or what the route carries. NULL: it can be spoken, as *ret; else why not. */
static const char *why_not(const struct xbackend *b, enum api_kind from, bool grpc,
                           enum plan_backend_protocol *ret) {
    uint8_t protocol = b->spec.protocol;
    if (protocol == XBACKEND_MCP) return "which is not served by this version; use HTTP";
    if (from == KIND_UDP_ROUTE) {
        *ret = PLAN_BACKEND_UDP;
        return protocol || is_secure(b) || b->spec.session_persistence
                   ? "which is not for UDP; leave protocol, tls and sessionPersistence out"
                   : NULL;
    }
    if (from == KIND_TCP_ROUTE || from == KIND_TLS_ROUTE) {
        *ret = from == KIND_TCP_ROUTE ? PLAN_BACKEND_TCP : PLAN_BACKEND_TLS;
        return b->spec.session_persistence
                   ? "whose sessions are not for connections; leave sessionPersistence out"
                   : NULL;
    }
    if (protocol == XBACKEND_TCP) return "which is not for HTTP; leave it out, or use a TCPRoute";
    if (grpc && (protocol == XBACKEND_HTTP11 || protocol == XBACKEND_WSS))
        return "which is not for gRPC; use HTTP2 or H2C";
    bool two = grpc || protocol == XBACKEND_HTTP2 || protocol == XBACKEND_H2C || protocol == XBACKEND_GRPC;
    *ret = two ? PLAN_BACKEND_H2C : PLAN_BACKEND_HTTP;
    return NULL;
}

/* It is its namespace's own: no grant lets others use it.                            [GEP-4894] */
struct verdict xbackends_judge(struct pass *p, enum api_kind from, str from_ns, bool grpc,
                               const struct backend_object_ref *ref, str where, str *ret_key) {
    struct arena *a = p->scratch;
    if (ref->ns.n && !str_eq(ref->ns, from_ns))
        return resolver_refuse(a, "RefNotPermitted",
                               STR_FMT
                               ": an XBackend is for routes of its own namespace; make one in " STR_FMT,
                               STR_ARG(where), STR_ARG(from_ns));
    str what = resolver_key(a, from_ns, ref->name);
    const struct xbackend *b = find(p, from_ns, ref->name);
    if (!b)
        return resolver_refuse(a, "BackendNotFound",
                               STR_FMT ": XBackend " STR_FMT " does not exist; create it or correct the name",
                               STR_ARG(where), STR_ARG(what));
    enum plan_backend_protocol protocol = PLAN_BACKEND_UNSET;
    const char *why = why_not(b, from, grpc, &protocol);
    if (why)
        return resolver_refuse(a, "UnsupportedProtocol", STR_FMT ": XBackend " STR_FMT " speaks %s, %s",
                               STR_ARG(where), STR_ARG(what), spoken(b), why);
    *ret_key = backends_key(a, KIND_XBACKEND, what, b->spec.port.number.v, protocol);
    return (struct verdict){0};
}

/* ---- by itself ---- */

static struct verdict not_served(struct arena *a, const char *path, enum feature f) {
    return resolver_refuse(a, "Invalid", "%s: " STR_FMT " is not served by this version; " STR_FMT, path,
                           STR_ARG(features_what(f)), STR_ARG(features_remedy(f)));
}

static struct verdict judge_fields(struct pass *p, const struct xbackend *b) {
    struct arena *a = p->scratch;
    if (b->spec.type == XBACKEND_EXTERNAL_HOSTNAME && !features_served(p->facts, FEATURE_XBACKEND_EXTERNAL))
        return not_served(a, "spec.type", FEATURE_XBACKEND_EXTERNAL);
    if (is_secure(b) && !features_served(p->facts, FEATURE_XBACKEND_TLS))
        return not_served(a, "spec.tls.mode", FEATURE_XBACKEND_TLS);
    if (b->spec.session_persistence && !features_served(p->facts, FEATURE_SESSION))
        return not_served(a, "spec.sessionPersistence", FEATURE_SESSION);
    if (b->spec.protocol == XBACKEND_MCP)
        return resolver_refuse(a, "Invalid", "spec.protocol: MCP is not served by this version; use HTTP");
    uint8_t version;
    str said;
    if (backends_proxy(&b->obj, &version, &said) != OK)
        return resolver_refuse(a, "Invalid",
                               "metadata.annotations: " BACKENDS_PROXY_ANNOTATION " is \"" STR_FMT
                               "\"; write v1 or v2, or remove it",
                               STR_ARG(said));
    return (struct verdict){0};
}

/* The Secret of its client certificate; NULL with *ret_bad, or when it has none. */
static const struct secret *find_secret(struct pass *p, const struct xbackend *b, struct verdict *ret_bad) {
    static const char path[] = "spec.tls.clientCertificateRef";
    const struct secret_ref *ref = b->spec.tls.client_certificate_ref;
    str ns = b->obj.meta.ns;
    *ret_bad = (struct verdict){0};
    if (!ref) return NULL;
    if (ref->group.n || !str_eq(ref->kind, S("Secret")))
        *ret_bad = resolver_refuse(p->scratch, "InvalidKind", "%s: " STR_FMT " is not served; name a Secret",
                                   path, STR_ARG(ref->kind));
    else if (ref->ns.n && !str_eq(ref->ns, ns))
        *ret_bad = resolver_refuse(p->scratch, "RefNotPermitted",
                                   "%s: a Secret of another namespace can not be used; copy it into " STR_FMT,
                                   path, STR_ARG(ns));
    if (ret_bad->reason) return NULL;
    const struct secret *s = (const void *)store_get(p->store, p->scratch, KIND_SECRET, ns, ref->name);
    if (!s)
        *ret_bad = resolver_refuse(p->scratch, "InvalidClientCertificateRef",
                                   "%s: Secret " STR_FMT " does not exist; create it or correct the name",
                                   path, STR_ARG(ref->name));
    return s;
}

/* Accepted and ResolvedRefs; *ret_tls is set when it is accepted and speaks TLS. cert: NULL, or where the client certificate goes, counted
 * once more. */
static struct verdict judge(struct pass *p, const struct xbackend *b, struct verdict *ret_refs,
                            struct plan_backend_tls **ret_tls, struct cert_state **cert) {
    struct verdict v = judge_fields(p, b);
    *ret_refs = (struct verdict){0};
    *ret_tls = NULL;
    if (v.reason || !is_secure(b) || !b->spec.tls.validation) return v;
    struct plan_backend_tls *tls = arena_make(p->scratch, struct plan_backend_tls);
    v = backend_tls_validate(p, b->obj.meta.ns, "spec.tls.validation", b->spec.tls.validation, ret_refs, tls);
    struct verdict bad;
    const struct secret *s = find_secret(p, b, &bad);
    str why = {0};
    if (s && !certs_check(p, s, &why))
        bad = resolver_refuse(p->scratch, "InvalidClientCertificateRef",
                              "spec.tls.clientCertificateRef: Secret " STR_FMT " " STR_FMT,
                              STR_ARG(s->obj.meta.name), STR_ARG(why));
    if (bad.reason && !ret_refs->reason) *ret_refs = bad;
    if (bad.reason && !v.reason) v = bad;
    if (v.reason) return v;
    if (s && cert) *cert = certs_use(p, p->scratch, s, &why, NULL);
    if (s && cert) tls->client_certificate = str_of((*cert)->key);
    *ret_tls = tls;
    return v;
}

/* Whoever may write an XBackend must not reach what only this machine may.           [GEP-4894 FQDN Security Analysis] */
static bool is_outside(const struct ip *ip) {
    static const uint8_t mapped[12] = {
        [10] = 0xff, [11] = 0xff}; /* another way to write an IPv4 address [RFC 4291 2.5.5.2] */
    bool is_mapped = ip->family == 6 && memcmp(ip->bytes, mapped, sizeof mapped) == 0;
    bool is_this = ip->family == 4 && ip->bytes[0] == 0; /* [RFC 1122 3.2.1.3] */
    return !ip_is_loopback(ip) && !ip_is_link_local(ip) && !ip_is_unspecified(ip) && !ip_is_multicast(ip) &&
           !is_mapped && !is_this;
}

static uint32_t add_addresses(const struct pass *p, str hostname, int64_t port,
                              struct backend_endpoints *all) {
    const struct fact_name *known = facts_name(p->facts, hostname);
    uint32_t n = 0;
    for (uint32_t i = 0; known && i < known->n; i++) {
        if (!is_outside(&known->addresses[i])) continue;
        if (all) backend_endpoints_add(all, &known->addresses[i], port);
        n++;
    }
    return n;
}

static bool has_port(const struct endpoint_slice *s, int64_t port, bool udp) {
    for (uint32_t i = 0; i < s->ports.n; i++) {
        str protocol = s->ports.p[i].protocol;
        bool is_udp = str_eq(protocol, S("UDP"));
        if (s->ports.p[i].port.set && s->ports.p[i].port.v == port && is_udp == udp) return true;
    }
    return false;
}

static void add_selected(struct pass *p, const struct xbackend *b, bool udp, struct backend_endpoints *all) {
    size_t n;
    str label = xbackend_label(p->scratch, b->obj.meta.name);
    const struct object **slices =
        store_referrers(p->store, p->scratch, KIND_XBACKEND, b->obj.meta.ns, label, KIND_ENDPOINT_SLICE, &n);
    for (size_t i = 0; i < n; i++)
        if (has_port((const void *)slices[i], b->spec.port.number.v, udp))
            backend_endpoints_add_slice(all, (const void *)slices[i], b->spec.port.number.v);
}

void xbackends_write(struct pass *p, struct backend_state *state, struct plan_backend *piece,
                     struct backend_endpoints *all) {
    const struct xbackend *b = find(p, piece->ns, piece->name);
    if (!b) return;
    struct verdict refs, v = judge(p, b, &refs, &piece->tls, &state->cert);
    if (v.reason) {
        piece->refused = arena_printf(p->scratch, "XBackend " STR_FMT "/" STR_FMT ": " STR_FMT,
                                      STR_ARG(piece->ns), STR_ARG(piece->name), STR_ARG(v.message));
        return;
    }
    str said;
    if (piece->protocol != PLAN_BACKEND_UDP && backends_proxy(&b->obj, &piece->proxy_protocol, &said) != OK)
        piece->proxy_protocol = 0; /* judged above */
    if (b->spec.external_hostname) {
        piece->external = resolver_lower(p->scratch, b->spec.external_hostname->hostname);
        add_addresses(p, piece->external, piece->port, all);
    } else {
        add_selected(p, b, piece->protocol == PLAN_BACKEND_UDP, all);
    }
}

const struct session_persistence *xbackends_session(const struct pass *p, str ns, str name) {
    const struct xbackend *b = find(p, ns, name);
    return b ? b->spec.session_persistence : NULL;
}

static void mark(struct pass *p, str ns, str name) {
    backends_mark_xbackend(p, ns, name);
    policies_mark(p->r, KIND_XBACKEND, ns, name);
}

void xbackends_mark_labelled(struct pass *p, str ns, str label) {
    size_t n = 0;
    if (!label.n) return;
    if (store_has(p->store, KIND_XBACKEND, ns, label)) mark(p, ns, label);
    struct store_key *all = store_keys(p->store, p->scratch, KIND_XBACKEND, &n);
    for (size_t i = 0; i < n; i++) /* names too long for a label */
        if (all[i].name.n > label.n && str_eq(all[i].ns, ns) &&
            str_eq(xbackend_label(p->scratch, all[i].name), label))
            mark(p, all[i].ns, all[i].name);
}

void xbackends_mark_names(struct pass *p, struct facts *f) {
    if (!f->names_changed) return;
    size_t n;
    const struct object **all = store_list(p->store, p->scratch, KIND_XBACKEND, &n);
    for (size_t i = 0; i < n; i++) {
        const struct xbackend *b = (const void *)all[i];
        const struct external_hostname *e = b->spec.external_hostname;
        if (e && facts_name_changed(f, resolver_lower(p->scratch, e->hostname)))
            mark(p, b->obj.meta.ns, b->obj.meta.name);
    }
    facts_settle_names(f);
    arena_reset(p->scratch);
}

/* ---- what is said of it ---- */

/* Whether its name is one: without a data plane nobody asks. */
static struct verdict judge_name(struct pass *p, const struct xbackend *b) {
    if (!b->spec.external_hostname || !p->facts->serving) return (struct verdict){0};
    str hostname = resolver_lower(p->scratch, b->spec.external_hostname->hostname);
    const struct fact_name *known = facts_name(p->facts, hostname);
    if (!known)
        return resolver_refuse(p->scratch, "Pending",
                               "spec.externalHostname.hostname: " STR_FMT
                               " is not resolved yet; requests get 503 until it is",
                               STR_ARG(hostname));
    if (add_addresses(p, hostname, 0, NULL)) return (struct verdict){0};
    if (known->n)
        return resolver_refuse(
            p->scratch, "HostnameNotResolved",
            "spec.externalHostname.hostname: all addresses of " STR_FMT
            " are of this machine or its link, which an XBackend can not have; use a Service",
            STR_ARG(hostname));
    return resolver_refuse(p->scratch, "HostnameNotResolved",
                           "spec.externalHostname.hostname: " STR_FMT " can not be resolved: " STR_FMT
                           "; correct the name, or mend its DNS",
                           STR_ARG(hostname),
                           STR_ARG(known->error.n ? known->error : S("it has no address")));
}

static str resolved_words(struct pass *p, const struct xbackend *b) {
    const struct external_hostname *e = p->facts->serving ? b->spec.external_hostname : NULL;
    const struct fact_name *known = e ? facts_name(p->facts, resolver_lower(p->scratch, e->hostname)) : NULL;
    if (!known || !known->error.n) return S("all references are resolved");
    return arena_printf(p->scratch,
                        "spec.externalHostname.hostname: DNS gives no addresses now (" STR_FMT
                        "); those it gave before are kept for a day",
                        STR_ARG(known->error));
}

static void judge_ancestor(struct pass *p, const struct object *o, const struct ancestor *a,
                           struct conditions *c) {
    if (!features_served(p->facts, FEATURE_XBACKEND)) {
        policy_status_judge_unserved(p, o, a, c);
        return;
    }
    const struct xbackend *b = (const void *)o;
    struct plan_backend_tls *tls;
    struct verdict refs, v = judge(p, b, &refs, &tls, NULL);
    if (!refs.reason && !v.reason) refs = judge_name(p, b);
    conditions_judge(c, "Accepted", v, "Accepted", S("the backend is accepted"));
    if (refs.reason && strcmp(refs.reason, "Pending") == 0)
        conditions_add(c, "ResolvedRefs", CONDITION_UNKNOWN, refs.reason, refs.message);
    else
        conditions_judge(c, "ResolvedRefs", refs, "ResolvedRefs", resolved_words(p, b));
}

/* Not served, it is no backend of any route: then the Gateways of routes that name it are told. */
static void add_namers(const struct pass *p, const struct object *o, struct ancestors *all) {
    for (const enum api_kind *k = routes_kinds; *k; k++) {
        size_t n;
        struct store_key *routes =
            store_referrer_keys(p->store, p->scratch, KIND_XBACKEND, o->meta.ns, o->meta.name, *k, &n);
        for (size_t i = 0; i < n; i++) {
            const struct route_state *rs = routes_find(p->r, *k, routes[i].ns, routes[i].name);
            if (rs) policy_status_add_gateways(rs, all);
        }
    }
}

void xbackends_status(struct pass *p, struct policy_state *ps, const struct object *o) {
    struct ancestors all = {.max = POLICY_STATUS_XBACKEND_ANCESTORS_MAX};
    if (features_served(p->facts, FEATURE_XBACKEND))
        policy_status_add_users(p, KIND_XBACKEND, o->meta.ns, o->meta.name, 0, &all);
    else
        add_namers(p, o, &all);
    policy_status_tell(p, ps, o, &all, judge_ancestor);
}
