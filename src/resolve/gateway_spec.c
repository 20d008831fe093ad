/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/gateway_spec.h"

#include "resolve/classes.h"
#include "resolve/features.h"
#include "resolve/parameters.h"

#define PARAMETERS "spec.infrastructure.parametersRef"

static struct verdict not_served(struct arena *a, const char *reason, const char *path, enum feature f) {
    return resolver_refuse(a, reason, "%s: " STR_FMT " are not served by this version; " STR_FMT, path,
                           STR_ARG(features_what(f)), STR_ARG(features_remedy(f)));
}

static struct verdict judge_fields(struct arena *a, const struct gateway *gw, const struct facts *facts) {
    if (gw->spec.default_scope == SCOPE_ALL && !features_served(facts, FEATURE_DEFAULT_GATEWAYS))
        return resolver_refuse(
            a, "Invalid", "spec.defaultScope: " STR_FMT " are not served by this version; remove the field",
            STR_ARG(features_what(FEATURE_DEFAULT_GATEWAYS)));
    return (struct verdict){0};
}

/* The Gateway's own over its class's. A mistake stops nothing that works: while there is a data plane, what was good last goes on. */
static struct verdict judge_parameters(struct pass *p, struct gateway_state *g, const struct gateway *gw) {
    const struct gateway_infrastructure *in = gw->spec.infrastructure;
    const struct settings *class = classes_settings(p->r, gw->spec.gateway_class_name);
    struct settings own = {0};
    struct verdict v = {0};
    if (in && in->parameters_ref)
        v = parameters_read(p, g->arena, PARAMETERS, in->parameters_ref, g->ns, &own);
    struct settings all = settings_over(class, &own);
    if (!v.reason && settings_fit(class) && !settings_fit(&all))
        v = resolver_refuse(g->arena, "InvalidParameters",
                            PARAMETERS ": with the settings of the class, timeouts.backendRequest is longer "
                                       "than timeouts.request; give both here");
    g->kept = (struct verdict){0};
    if (!v.reason) {
        free(g->own);
        g->own = parameters_pack(&own);
    } else if (p->facts->serving && g->own) {
        g->kept = resolver_refuse(g->arena, v.reason, STR_FMT "; until then the last good settings hold",
                                  STR_ARG(v.message));
        v = (struct verdict){0};
        all = settings_over(class, g->own);
    }
    g->settings = parameters_plan(g->arena, &all);
    return v;
}

static void add_once(str *list, uint32_t *n, str s) {
    for (uint32_t i = 0; i < *n; i++)
        if (str_eq(list[i], s)) return;
    list[(*n)++] = s;
}

/* One requested address. Wrong types make the Gateway unacceptable, values that no socket can have leave it accepted
 * and not programmed.                                                              [GW GatewaySpec.addresses] */
static void judge_address(const struct facts *f, struct arena *a, struct gateway_state *g,
                          const struct gateway_address *ad, uint32_t i) {
    if (ad->type.n && !str_eq(ad->type, S("IPAddress"))) {
        g->accepted = resolver_refuse(a, "UnsupportedAddress",
                                      "spec.addresses[%u].type: " STR_FMT " is not served; use IPAddress", i,
                                      STR_ARG(ad->type));
        return;
    }
    if (ad->routability.n) {
        g->accepted = resolver_refuse(
            a, "UnsupportedAddress",
            "spec.addresses[%u].routability: " STR_FMT " is not served by this version; " STR_FMT, i,
            STR_ARG(features_what(FEATURE_ROUTABILITY)), STR_ARG(features_remedy(FEATURE_ROUTABILITY)));
        return;
    }
    if (!ad->value.n) { /* any address will do */
        add_once(g->addresses, &g->addresses_n, S(""));
        add_once(g->shown, &g->shown_n, S(""));
        return;
    }
    struct ip ip;
    if (ip_parse(ad->value, &ip) != OK || ip_is_unspecified(&ip) || ip_is_multicast(&ip)) {
        g->address = resolver_refuse(a, "AddressNotUsable",
                                     "spec.addresses[%u].value: " STR_FMT
                                     " is no address that a socket can have; name one of this machine",
                                     i, STR_ARG(ad->value));
        return;
    }
    if (f->cluster) return; /* the Gateway's Service asks for it */
    struct buf b;
    buf_init(&b, 64);
    ip_print(&b, &ip);
    add_once(g->addresses, &g->addresses_n, arena_str(a, buf_str(&b)));
    buf_fini(&b);
    add_once(g->shown, &g->shown_n, arena_str(a, ad->value));
}

void gateway_spec_judge(struct pass *p, struct gateway_state *g, const struct gateway *gw) {
    struct arena *a = g->arena;
    uint32_t n = gw->spec.addresses.n;
    struct verdict parameters = judge_parameters(p, g, gw);
    g->accepted = judge_fields(a, gw, p->facts);
    if (parameters.reason) g->accepted = parameters;
    g->refs = g->address = (struct verdict){0};
    g->addresses = arena_array(a, str, n + 1);
    g->shown = arena_array(a, str, n + 1);
    g->addresses_n = g->shown_n = 0;
    for (uint32_t i = 0; i < n; i++) judge_address(p->facts, a, g, &gw->spec.addresses.p[i], i);
    if (!n || (p->facts->cluster && !g->addresses_n)) {
        g->addresses[g->addresses_n++] = S("");
        g->shown[g->shown_n++] = S("");
    }
    if (gw->spec.tls && gw->spec.tls->backend && gw->spec.tls->backend->client_certificate_ref)
        g->refs = not_served(a, "InvalidClientCertificateRef", "spec.tls.backend.clientCertificateRef",
                             FEATURE_BACKEND_CLIENT);
}

/* perPort replaces the default.                                                   [GW FrontendTLSConfig.perPort] */
struct verdict gateway_spec_frontend(struct arena *a, const struct gateway *gw, const struct listener *l) {
    const struct gateway_frontend_tls *f = gw->spec.tls ? gw->spec.tls->frontend : NULL;
    if (!f || !str_eq(l->protocol, S("HTTPS"))) return (struct verdict){0};
    const struct frontend_validation *v = f->initial.validation;
    const char *path = "spec.tls.frontend.default.validation";
    for (uint32_t i = 0; i < f->per_port.n; i++)
        if (f->per_port.p[i].port == l->port) {
            v = f->per_port.p[i].tls.validation;
            path = "spec.tls.frontend.perPort.tls.validation";
        }
    if (!v) return (struct verdict){0};
    return resolver_refuse(
        a, "UnsupportedValue", "%s of the Gateway: " STR_FMT " is not served by this version; " STR_FMT, path,
        STR_ARG(features_what(FEATURE_FRONTEND_TLS)), STR_ARG(features_remedy(FEATURE_FRONTEND_TLS)));
}
