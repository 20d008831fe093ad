/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/listeners.h"

#include "api/core.h"
#include "resolve/certs.h"
#include "resolve/features.h"
#include "resolve/gateway_spec.h"
#include "resolve/grants.h"

#define MIN_VERSION_KEY "postern.dev/min-tls-version"

static struct verdict judge_protocol(struct arena *a, struct listener_state *l, const struct listener *spec) {
    l->protocol = str_eq(spec->protocol, S("HTTP"))    ? PLAN_HTTP
                  : str_eq(spec->protocol, S("HTTPS")) ? PLAN_HTTPS
                                                       : PLAN_PROTOCOL_UNSET;
    if (l->protocol) return (struct verdict){0};
    return resolver_refuse(a, "UnsupportedProtocol",
                           "protocol: " STR_FMT " is not served by this version; use HTTP or HTTPS",
                           STR_ARG(spec->protocol));
}

static bool operator_known(str s) {
    return str_eq(s, S("In")) || str_eq(s, S("NotIn")) || str_eq(s, S("Exists")) ||
           str_eq(s, S("DoesNotExist"));
}

static struct verdict judge_selector(struct arena *a, const struct listener *spec) {
    const struct namespaces_from *from = &spec->allowed_routes.namespaces;
    if (from->from != FROM_SELECTOR) return (struct verdict){0};
    if (!from->selector)
        return resolver_refuse(
            a, "UnsupportedValue",
            "allowedRoutes.namespaces: from: Selector needs a selector; add one or use All or Same");
    for (uint32_t i = 0; i < from->selector->match_expressions.n; i++) {
        str op = from->selector->match_expressions.p[i].operator;
        if (!operator_known(op))
            return resolver_refuse(a, "UnsupportedValue",
                                   "allowedRoutes.namespaces.selector.matchExpressions[%u].operator: " STR_FMT
                                   " is unknown; use In, NotIn, Exists or DoesNotExist",
                                   i, STR_ARG(op));
    }
    return (struct verdict){0};
}

static struct verdict judge_options(struct arena *a, struct listener_state *l,
                                    const struct listener_tls *tls) {
    l->tls_min = PLAN_TLS_1_2;
    for (uint32_t i = 0; i < tls->options.n; i++) {
        const struct str_pair *o = &tls->options.p[i];
        if (!str_eq(o->key, S(MIN_VERSION_KEY)))
            return resolver_refuse(a, "UnsupportedValue",
                                   "tls.options: \"" STR_FMT
                                   "\" is unknown; the one option is " MIN_VERSION_KEY,
                                   STR_ARG(o->key));
        if (str_eq(o->value, S("1.3")))
            l->tls_min = PLAN_TLS_1_3;
        else if (!str_eq(o->value, S("1.2")))
            return resolver_refuse(a, "UnsupportedValue",
                                   "tls.options: " MIN_VERSION_KEY ": \"" STR_FMT "\"; use 1.2 or 1.3",
                                   STR_ARG(o->value));
    }
    return (struct verdict){0};
}

/* What the listener asks for and this binary does not do. */
static struct verdict judge_values(struct arena *a, struct listener_state *l, const struct gateway *gw,
                                   const struct listener *spec) {
    struct verdict v = judge_selector(a, spec);
    if (v.reason) return v;
    if (spec->filters && spec->filters->requests.n)
        return resolver_refuse(a, "UnsupportedValue",
                               "filters.requests: " STR_FMT " are not served by this version; " STR_FMT,
                               STR_ARG(features_what(FEATURE_LISTENER_FILTERS)),
                               STR_ARG(features_remedy(FEATURE_LISTENER_FILTERS)));
    if (spec->tls && spec->tls->mode == TLS_MODE_PASSTHROUGH)
        return resolver_refuse(a, "UnsupportedValue",
                               "tls.mode: Passthrough does not go with " STR_FMT "; use Terminate",
                               STR_ARG(spec->protocol));
    if (spec->tls && (v = judge_options(a, l, spec->tls)).reason) return v;
    return gateway_spec_frontend(a, gw, spec);
}

static struct verdict judge_kinds(struct arena *a, struct listener_state *l, const struct listener *spec) {
    struct verdict v = {0};
    if (!l->protocol) return v;
    l->routable = spec->allowed_routes.kinds.n == 0;
    for (uint32_t i = 0; i < spec->allowed_routes.kinds.n; i++) {
        const struct route_group_kind *k = &spec->allowed_routes.kinds.p[i];
        bool ours = (!k->group.p || str_eq(k->group, S(RESOLVE_GROUP))) && str_eq(k->kind, S("HTTPRoute"));
        l->routable |= ours;
        if (!ours && !v.reason)
            v = resolver_refuse(
                a, "InvalidRouteKinds",
                "allowedRoutes.kinds[%u]: " STR_FMT "%s" STR_FMT
                " can not attach to a listener of protocol " STR_FMT " here; this version serves HTTPRoute",
                i, STR_ARG(k->group), k->group.n ? "/" : "", STR_ARG(k->kind), STR_ARG(spec->protocol));
    }
    return v;
}

static struct verdict judge_certificate(struct pass *p, struct listener_state *l, const struct gateway *gw,
                                        uint32_t i, const struct secret_ref *ref) {
    struct arena *a = l->gateway->arena;
    str from_ns = gw->obj.meta.ns, ns = ref->ns.n ? ref->ns : from_ns;
    if (ref->group.n || (ref->kind.n && !str_eq(ref->kind, S("Secret"))))
        return resolver_refuse(a, "InvalidCertificateRef",
                               "tls.certificateRefs[%u]: " STR_FMT "%s" STR_FMT
                               " is not served; name a Secret",
                               i, STR_ARG(ref->group), ref->group.n ? "/" : "", STR_ARG(ref->kind));
    if (!grants_allow(p, S("Gateway"), from_ns, S("Secret"), ns, ref->name))
        return resolver_refuse(a, "RefNotPermitted",
                               "tls.certificateRefs[%u]: no ReferenceGrant in namespace " STR_FMT
                               " lets a Gateway of " STR_FMT " use Secret " STR_FMT "; add one there",
                               i, STR_ARG(ns), STR_ARG(from_ns), STR_ARG(ref->name));
    const struct secret *s = (const void *)store_get(p->store, KIND_SECRET, ns, ref->name);
    if (!s)
        return resolver_refuse(a, "InvalidCertificateRef",
                               "tls.certificateRefs[%u]: Secret " STR_FMT "/" STR_FMT
                               " does not exist; create it or correct the name",
                               i, STR_ARG(ns), STR_ARG(ref->name));
    str why = {0};
    struct cert_state *c = certs_use(p, a, s, &why);
    if (!c)
        return resolver_refuse(a, "InvalidCertificateRef",
                               "tls.certificateRefs[%u]: Secret " STR_FMT "/" STR_FMT " " STR_FMT, i,
                               STR_ARG(ns), STR_ARG(ref->name), STR_ARG(why));
    l->certs[l->certs_n++] = c;
    str dates = certs_dates(c, a, p->now_s);
    if (dates.n && !l->notice.n)
        l->notice = arena_printf(
            a, "tls.certificateRefs[%u]: the certificate in Secret " STR_FMT "/" STR_FMT " " STR_FMT, i,
            STR_ARG(ns), STR_ARG(ref->name), STR_ARG(dates));
    return (struct verdict){0};
}

/* RefNotPermitted is told before all else; then the first certificate that is wrong. */
static struct verdict judge_certificates(struct pass *p, struct listener_state *l, const struct gateway *gw,
                                         const struct listener *spec) {
    struct verdict v = {0};
    if (l->protocol != PLAN_HTTPS) return v;
    if (!spec->tls || !spec->tls->certificate_refs.n)
        return resolver_refuse(l->gateway->arena, "InvalidCertificateRef",
                               "tls.certificateRefs: an HTTPS listener needs a certificate; name a Secret of "
                               "type kubernetes.io/tls");
    l->certs = arena_array(l->gateway->arena, struct cert_state *, spec->tls->certificate_refs.n);
    for (uint32_t i = 0; i < spec->tls->certificate_refs.n; i++) {
        struct verdict one = judge_certificate(p, l, gw, i, &spec->tls->certificate_refs.p[i]);
        if (!one.reason) continue;
        bool permission = strcmp(one.reason, "RefNotPermitted") == 0;
        if (!v.reason || (permission && strcmp(v.reason, "RefNotPermitted") != 0)) v = one;
    }
    return v;
}

void listeners_judge(struct pass *p, struct listener_state *l, const struct gateway *gw) {
    struct arena *a = l->gateway->arena;
    const struct listener *spec = &gw->spec.listeners.p[l->index];
    l->hostname = resolver_lower(a, spec->hostname);
    l->port = (uint16_t)spec->port;
    l->bind_port = facts_map_port(p->facts, l->port);
    l->tls_min = PLAN_TLS_UNSET;
    l->routable = false;
    l->selects = spec->allowed_routes.namespaces.from == FROM_SELECTOR;
    l->conflict = (struct verdict){0};
    l->overlap = l->notice = (str){0};
    l->accepted = judge_protocol(a, l, spec);
    if (l->protocol) l->accepted = judge_values(a, l, gw, spec);
    struct verdict kinds = judge_kinds(a, l, spec);
    l->refs = judge_certificates(p, l, gw, spec);
    if (!l->refs.reason) l->refs = kinds;
    if (l->protocol == PLAN_HTTPS && !l->tls_min) l->tls_min = PLAN_TLS_1_2;
}

/* HTTP and HTTPS on one port would need a look at the first byte: a conflict of protocols.            [GEP-2643] */
static void compare_pair(struct gateway_state *g, struct listener_state *l,
                         const struct listener_state *other) {
    if (!l->protocol || !other->protocol || l->port != other->port) return;
    if (l->protocol != other->protocol)
        l->conflict = resolver_refuse(g->arena, "ProtocolConflict",
                                      "port %u is asked for as HTTP and as HTTPS by listeners " STR_FMT
                                      " and " STR_FMT "; give them different ports",
                                      l->port, STR_ARG(l->name), STR_ARG(other->name));
    else if (str_eq(l->hostname, other->hostname) && !l->conflict.reason)
        l->conflict = resolver_refuse(g->arena, "HostnameConflict",
                                      "listeners " STR_FMT " and " STR_FMT
                                      " have the same port, protocol and hostname; change one",
                                      STR_ARG(l->name), STR_ARG(other->name));
}

/* a covers b: any host, or *.x over what ends with .x */
static bool covers(str a, str b) {
    return !a.n || str_eq(a, b) || (a.p[0] == '*' && b.n >= a.n && str_ends(b, str_from(a, 1)));
}

static void note_overlap(struct gateway_state *g, struct listener_state *l,
                         const struct listener_state *other) {
    if (l->protocol != PLAN_HTTPS || other->protocol != PLAN_HTTPS || l->port != other->port || l->overlap.n)
        return;
    if (covers(l->hostname, other->hostname) || covers(other->hostname, l->hostname))
        l->overlap =
            arena_printf(g->arena,
                         "the hostname overlaps that of listener " STR_FMT
                         " on port %u: a connection for one may carry requests for the other, which get 421",
                         STR_ARG(other->name), l->port);
}

void listeners_compare(struct gateway_state *g) {
    for (uint32_t i = 0; i < g->listeners_n; i++)
        for (uint32_t k = 0; k < g->listeners_n; k++) {
            if (i == k) continue;
            compare_pair(g, g->listeners[i], g->listeners[k]);
            note_overlap(g, g->listeners[i], g->listeners[k]);
        }
}
