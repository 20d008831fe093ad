/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/listeners.h"

#include "api/core.h"
#include "api/listener_set.h"
#include "resolve/certs.h"
#include "resolve/features.h"
#include "resolve/frontend.h"
#include "resolve/listener_filters.h"
#include "resolve/tls_options.h"

/* What each protocol is called, needs of this binary, and takes.                             [GW Listener.protocol] */
static const struct protocol {
    const char *name;
    enum feature feature;
    enum api_kind kinds[2];
    enum plan_protocol protocol;
} protocols[] = {
    {"HTTP", FEATURE_GATEWAY, {KIND_HTTP_ROUTE, KIND_GRPC_ROUTE}, PLAN_HTTP},
    {"HTTPS", FEATURE_GATEWAY, {KIND_HTTP_ROUTE, KIND_GRPC_ROUTE}, PLAN_HTTPS},
    {"TLS", FEATURE_TLS_ROUTE, {KIND_TLS_ROUTE, KIND_NONE}, PLAN_TLS},
    {"TCP", FEATURE_TCP_ROUTE, {KIND_TCP_ROUTE, KIND_NONE}, PLAN_TCP},
    {"UDP", FEATURE_UDP_ROUTE, {KIND_UDP_ROUTE, KIND_NONE}, PLAN_UDP},
};

const struct listener *listeners_spec(const struct pass *p, const struct listener_state *l) {
    const struct gateway_state *g = l->gateway;
    if (!l->set) {
        const struct gateway *gw =
            (const void *)store_get(p->store, p->scratch, KIND_GATEWAY, g->ns, g->name);
        return &gw->spec.listeners.p[l->index];
    }
    const struct listener_set *set =
        (const void *)store_get(p->store, p->scratch, KIND_LISTENER_SET, l->set->ns, l->set->name);
    return &set->spec.listeners.p[l->index];
}

bool listeners_terminates(const struct listener_state *l) {
    return l->protocol == PLAN_HTTPS || (l->protocol == PLAN_TLS && l->tls_mode == PLAN_TLS_TERMINATE);
}

static bool is_tls(const struct listener_state *l) {
    return l->protocol == PLAN_HTTPS || l->protocol == PLAN_TLS;
}

bool listeners_protocols_clash(const struct facts *f, const struct listener_state *x,
                               const struct listener_state *y) {
    if ((x->protocol == PLAN_UDP) != (y->protocol == PLAN_UDP)) return false; /* another transport */
    if (!is_tls(x) || !is_tls(y)) return x->protocol != y->protocol;
    bool mixed = x->protocol == PLAN_TLS && y->protocol == PLAN_TLS && x->tls_mode != y->tls_mode;
    return mixed && !features_served(f, FEATURE_TLS_MIXED);
}

static const struct protocol *find_protocol(const struct pass *p, str name) {
    for (size_t i = 0; i < COUNT_OF(protocols); i++)
        if (str_eq(name, str_of(protocols[i].name)) && features_served(p->facts, protocols[i].feature))
            return &protocols[i];
    return NULL;
}

static struct verdict judge_protocol(struct pass *p, struct listener_state *l, const struct listener *spec) {
    const struct protocol *known = find_protocol(p, spec->protocol);
    l->protocol = known ? (uint8_t)known->protocol : PLAN_PROTOCOL_UNSET;
    l->tls_mode = l->protocol != PLAN_TLS                                ? PLAN_TLS_MODE_UNSET
                  : spec->tls && spec->tls->mode == TLS_MODE_PASSTHROUGH ? PLAN_TLS_PASSTHROUGH
                                                                         : PLAN_TLS_TERMINATE;
    if (l->protocol) return (struct verdict){0};
    return resolver_refuse(l->gateway->arena, "UnsupportedProtocol",
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

/* What the listener asks for and this binary does not do. */
static struct verdict judge_values(struct pass *p, struct listener_state *l, const struct listener *spec) {
    struct arena *a = l->gateway->arena;
    struct verdict v = judge_selector(a, spec);
    if (v.reason) return v;
    if (l->tls_mode == PLAN_TLS_TERMINATE && !features_served(p->facts, FEATURE_TLS_TERMINATE))
        return resolver_refuse(
            a, "UnsupportedValue", "tls.mode: " STR_FMT " are not served by this version; " STR_FMT,
            STR_ARG(features_what(FEATURE_TLS_TERMINATE)), STR_ARG(features_remedy(FEATURE_TLS_TERMINATE)));
    if (spec->tls && spec->tls->mode == TLS_MODE_PASSTHROUGH && l->protocol != PLAN_TLS)
        return resolver_refuse(a, "UnsupportedValue",
                               "tls.mode: Passthrough does not go with " STR_FMT "; use Terminate",
                               STR_ARG(spec->protocol));
    if (spec->tls && (v = tls_options_judge(a, l, &spec->tls->options)).reason) return v;
    return v;
}

/* The bits of the kinds that a listener of the protocol can take. */
static uint32_t kinds_of(const struct pass *p, const struct protocol *protocol) {
    uint32_t kinds = 0;
    for (size_t i = 0; i < COUNT_OF(protocol->kinds); i++) {
        enum api_kind kind = protocol->kinds[i];
        if (kind == KIND_GRPC_ROUTE && !features_served(p->facts, FEATURE_GRPC_ROUTE)) continue;
        if (kind != KIND_NONE) kinds |= 1u << kind;
    }
    return kinds;
}

static uint32_t bit_of(const struct route_group_kind *k) {
    if (k->group.p && !str_eq(k->group, S(RESOLVE_GROUP))) return 0;
    const struct api_type *t = api_type_find(S(RESOLVE_GROUP), k->kind);
    return t ? 1u << t->kind : 0;
}

/* "HTTPRoute", "HTTPRoute or GRPCRoute" */
static str list_kinds(struct arena *a, uint32_t kinds) {
    str words = S("");
    for (enum api_kind k = KIND_NONE + 1; k < KIND_COUNT; k++)
        if (kinds >> k & 1)
            words =
                arena_printf(a, STR_FMT "%s%s", STR_ARG(words), words.n ? " or " : "", api_type_of(k)->name);
    return words;
}

static struct verdict judge_kinds(struct pass *p, struct listener_state *l, const struct listener *spec) {
    struct arena *a = l->gateway->arena;
    struct verdict v = {0};
    const struct protocol *protocol = find_protocol(p, spec->protocol);
    if (!protocol) return v;
    uint32_t fit = kinds_of(p, protocol);
    l->kinds = spec->allowed_routes.kinds.n ? 0 : fit;
    for (uint32_t i = 0; i < spec->allowed_routes.kinds.n; i++) {
        const struct route_group_kind *k = &spec->allowed_routes.kinds.p[i];
        uint32_t bit = bit_of(k) & fit;
        l->kinds |= bit;
        if (!bit && !v.reason)
            v = resolver_refuse(a, "InvalidRouteKinds",
                                "allowedRoutes.kinds[%u]: " STR_FMT "%s" STR_FMT
                                " can not attach to a listener of protocol " STR_FMT
                                " here; this version serves " STR_FMT,
                                i, STR_ARG(k->group), k->group.n ? "/" : "", STR_ARG(k->kind),
                                STR_ARG(spec->protocol), STR_ARG(list_kinds(a, fit)));
    }
    return v;
}

/* A reference is the ListenerSet's own: grants for its Gateway are not for it, nor the other way round. [GW ListenerSet] */
static struct verdict judge_certificate(struct pass *p, struct listener_state *l, uint32_t i,
                                        const struct secret_ref *ref) {
    struct arena *a = l->gateway->arena;
    struct certs_user user = {l->set ? KIND_LISTENER_SET : KIND_GATEWAY, l->set ? l->set->ns : l->gateway->ns,
                              arena_printf(a, "tls.certificateRefs[%u]", i), "InvalidCertificateRef", true};
    struct cert_state *c;
    struct verdict v = certs_judge(p, a, &user, ref, &c, l->notice.n ? NULL : &l->notice);
    if (c) l->certs[l->certs_n++] = c;
    return v;
}

/* RefNotPermitted is told before all else; then the first certificate that is wrong. */
static struct verdict judge_certificates(struct pass *p, struct listener_state *l,
                                         const struct listener *spec) {
    struct verdict v = {0};
    if (!listeners_terminates(l)) return v;
    if (!spec->tls || !spec->tls->certificate_refs.n)
        return resolver_refuse(l->gateway->arena, "InvalidCertificateRef",
                               "tls.certificateRefs: %s listener needs a certificate; name a Secret of "
                               "type kubernetes.io/tls",
                               l->protocol == PLAN_TLS ? "a TLS" : "an HTTPS");
    l->certs = arena_array(l->gateway->arena, struct cert_state *, spec->tls->certificate_refs.n);
    for (uint32_t i = 0; i < spec->tls->certificate_refs.n; i++) {
        struct verdict one = judge_certificate(p, l, i, &spec->tls->certificate_refs.p[i]);
        if (!one.reason) continue;
        bool permission = strcmp(one.reason, "RefNotPermitted") == 0;
        if (!v.reason || (permission && strcmp(v.reason, "RefNotPermitted") != 0)) v = one;
    }
    return v;
}

static void judge_filters(struct pass *p, struct listener_state *l, const struct listener *spec) {
    if (!l->protocol) return;
    struct listener_filters_result f = listener_filters_map(p, l, spec);
    struct arena *a = l->gateway->arena;
    if (!l->accepted.reason && f.accepted.reason)
        l->accepted = (struct verdict){f.accepted.reason, arena_str(a, f.accepted.message)};
    if (!l->refs.reason && f.refs.reason)
        l->refs = (struct verdict){f.refs.reason, arena_str(a, f.refs.message)};
}

/* Of the Gateway's references a ListenerSet is told no more than that there are some. */
static void judge_clients(struct listener_state *l) {
    const struct frontend *f = frontend_for(l->gateway, l);
    struct verdict accepted = f ? f->accepted : (struct verdict){0}, refs = f ? f->refs : (struct verdict){0};
    l->clients = NULL;
    if (!f || l->accepted.reason) return;
    if (l->set) {
        str words = S("the validation of client certificates that the Gateway asks for can not be kept; tell "
                      "whoever keeps the Gateway");
        accepted.message = refs.message = words;
    }
    l->accepted = accepted;
    if (!l->refs.reason) l->refs = refs;
    if (!accepted.reason) l->clients = &f->clients;
}

void listeners_judge(struct pass *p, struct listener_state *l) {
    struct arena *a = l->gateway->arena;
    const struct listener *spec = listeners_spec(p, l);
    l->hostname = resolver_lower(a, spec->hostname);
    l->port = (uint16_t)spec->port;
    l->tls_min = l->tls_max = PLAN_TLS_UNSET;
    l->ciphers_n = 0;
    l->kinds = 0;
    l->selects = spec->allowed_routes.namespaces.from == FROM_SELECTOR;
    l->conflict = (struct verdict){0};
    l->overlap = l->notice = (str){0};
    l->overlap_certs = false;
    l->accepted = judge_protocol(p, l, spec);
    l->bind_port = facts_bind_port(p->facts, l->gateway->key, l->port, l->protocol == PLAN_UDP);
    if (l->protocol) l->accepted = judge_values(p, l, spec);
    struct verdict kinds = judge_kinds(p, l, spec);
    l->refs = judge_certificates(p, l, spec);
    if (!l->refs.reason) l->refs = kinds;
    judge_filters(p, l, spec);
    judge_clients(l);
    if (listeners_terminates(l) && !l->tls_min) l->tls_min = PLAN_TLS_1_2;
}

static const char *protocol_name(const struct listener_state *l) {
    for (size_t i = 0; i < COUNT_OF(protocols); i++)
        if (protocols[i].protocol == l->protocol) return protocols[i].name;
    return "";
}

/* What keeps two listeners of known protocols from one port; NULL: nothing. HTTP and HTTPS on one port would need a look at the first
 * byte: a conflict of protocols.                                                                         [GEP-2643] */
static const char *conflict_of(const struct pass *p, const struct listener_state *x,
                               const struct listener_state *y) {
    if (!x->protocol || !y->protocol || x->port != y->port) return NULL;
    if (listeners_protocols_clash(p->facts, x, y)) return "ProtocolConflict";
    if ((x->protocol == PLAN_UDP) != (y->protocol == PLAN_UDP)) return NULL;
    return str_eq(x->hostname, y->hostname) ? "HostnameConflict" : NULL;
}

/* Within one object: both lose. */
static void compare_pair(struct pass *p, struct gateway_state *g, struct listener_state *l,
                         const struct listener_state *other) {
    const char *reason = conflict_of(p, l, other);
    if (!reason || (l->conflict.reason && strcmp(reason, "HostnameConflict") == 0)) return;
    if (strcmp(reason, "HostnameConflict") == 0)
        l->conflict =
            resolver_refuse(g->arena, reason,
                            "listeners " STR_FMT " and " STR_FMT " have the same port%s hostname; change one",
                            STR_ARG(l->name), STR_ARG(other->name),
                            l->protocol == other->protocol ? ", protocol and" : " and");
    else if (l->protocol == other->protocol)
        l->conflict = resolver_refuse(
            g->arena, reason,
            "port %u is asked for with tls.mode Terminate and Passthrough by listeners " STR_FMT
            " and " STR_FMT "; give them different ports",
            l->port, STR_ARG(l->name), STR_ARG(other->name));
    else
        l->conflict =
            resolver_refuse(g->arena, reason,
                            "port %u is asked for as %s and as %s by listeners " STR_FMT " and " STR_FMT
                            "; give them different ports",
                            l->port, l->protocol < other->protocol ? protocol_name(l) : protocol_name(other),
                            l->protocol < other->protocol ? protocol_name(other) : protocol_name(l),
                            STR_ARG(l->name), STR_ARG(other->name));
}

/* A protocol that is known and not served is in the way of none, and in its own way on the port of another: the port is what it has to give up
 * first.                                                                                     [GW ListenerConditionConflicted] */
static const char *conflict_of_unserved(const struct pass *p, const struct listener_state *l,
                                        const struct listener_state *other) {
    str name = listeners_spec(p, l)->protocol;
    struct listener_state as_asked = {.tls_mode = l->tls_mode};
    for (size_t i = 0; i < COUNT_OF(protocols); i++)
        if (str_eq(name, str_of(protocols[i].name))) as_asked.protocol = (uint8_t)protocols[i].protocol;
    if (!as_asked.protocol || !other->protocol || l->port != other->port) return NULL;
    return listeners_protocols_clash(p->facts, &as_asked, other) ? "ProtocolConflict" : NULL;
}

/* Between objects: the later one loses, and is told nothing of whose the other is. Those that lost themselves are in nobody's way. */
static void compare_later(struct pass *p, struct gateway_state *g, struct listener_state *l,
                          const struct listener_state *earlier) {
    const char *reason = l->protocol ? conflict_of(p, l, earlier) : conflict_of_unserved(p, l, earlier);
    if (!reason || l->conflict.reason || earlier->conflict.reason) return;
    if (strcmp(reason, "HostnameConflict") == 0)
        l->conflict = resolver_refuse(
            g->arena, reason,
            "port %u with %s" STR_FMT
            " is taken by the Gateway or by a ListenerSet that goes first; change one of them",
            l->port, l->hostname.n ? "hostname " : "no hostname", STR_ARG(l->hostname));
    else
        l->conflict = resolver_refuse(
            g->arena, reason,
            "port %u has a protocol or TLS mode that does not go with this one, by the Gateway or by a "
            "ListenerSet that goes first; use another port",
            l->port);
}

/* a covers b: any host, or *.x over what ends with .x */
static bool covers(str a, str b) {
    return !a.n || str_eq(a, b) || (a.p[0] == '*' && b.n >= a.n && str_ends(b, str_from(a, 1)));
}

/* Names of certificates, looked at up to a bound: a MAY of the API, not worth a quadratic walk. */
static bool names_overlap(const struct pass *p, const struct cert_state *x, const struct cert_state *y) {
    enum { NAMES_MAX = 100 };
    if (x == y) return true;
    const struct plan_certificate *a = plan_open(NULL, plan_get(p->plan, PLAN_CERTIFICATE, str_of(x->key))),
                                  *b = plan_open(NULL, plan_get(p->plan, PLAN_CERTIFICATE, str_of(y->key)));
    for (uint32_t i = 0; i < a->names.n && i < NAMES_MAX; i++)
        for (uint32_t k = 0; k < b->names.n && k < NAMES_MAX; k++)
            if (covers(a->names.p[i], b->names.p[k]) || covers(b->names.p[k], a->names.p[i])) return true;
    return false;
}

static bool certs_overlap(const struct pass *p, const struct listener_state *l,
                          const struct listener_state *other) {
    for (uint32_t i = 0; i < l->certs_n; i++)
        for (uint32_t k = 0; k < other->certs_n; k++)
            if (names_overlap(p, l->certs[i], other->certs[k])) return true;
    return false;
}

/* Certificates are told rather than hostnames when both overlap.             [GW ListenerConditionOverlappingTLSConfig] */
static void note_overlap(struct pass *p, struct gateway_state *g, struct listener_state *l,
                         const struct listener_state *other) {
    if (!is_tls(l) || !is_tls(other) || l->port != other->port || l->overlap_certs) return;
    bool certs = certs_overlap(p, l, other);
    bool names = covers(l->hostname, other->hostname) || covers(other->hostname, l->hostname);
    if (!certs && (!names || l->overlap.n)) return;
    bool near = l->set == other->set;
    str who = near ? arena_printf(g->arena, "listener " STR_FMT, STR_ARG(other->name))
                   : S("another object's listener");
    l->overlap_certs = certs;
    l->overlap = arena_printf(
        g->arena,
        "%s overlap%s that of " STR_FMT
        " on port %u: a connection for one may carry requests for the other, which get 421",
        certs ? "a certificate's names" : "the hostname", certs ? "" : "s", STR_ARG(who), l->port);
}

/* The listeners of one object: what an earlier object has is gone before they are held against each other, so one that lost to it takes
 * no sibling along. */
static void compare_object(struct pass *p, struct gateway_state *g, uint32_t from, uint32_t to) {
    bool *lost = arena_array(p->scratch, bool, to - from);
    for (uint32_t i = from; i < to; i++) {
        for (uint32_t k = 0; k < from; k++) compare_later(p, g, g->listeners[i], g->listeners[k]);
        lost[i - from] = g->listeners[i]->conflict.reason != NULL;
    }
    for (uint32_t i = from; i < to; i++)
        for (uint32_t k = from; k < to; k++)
            if (i != k && !lost[i - from] && !lost[k - from])
                compare_pair(p, g, g->listeners[i], g->listeners[k]);
}

void listeners_compare(struct pass *p, struct gateway_state *g) {
    for (uint32_t i = 0; i < g->listeners_n; i++)
        for (uint32_t k = 0; k < g->listeners_n; k++)
            if (i != k) note_overlap(p, g, g->listeners[i], g->listeners[k]);
    for (uint32_t from = 0, to; from < g->listeners_n; from = to) {
        for (to = from + 1; to < g->listeners_n && g->listeners[to]->set == g->listeners[from]->set;) to++;
        compare_object(p, g, from, to);
    }
}
