/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/gateway_spec.h"

#include "resolve/certs.h"
#include "resolve/classes.h"
#include "resolve/features.h"
#include "resolve/frontend.h"
#include "resolve/gateway_addresses.h"
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
    if (!v.reason && !settings_proxy_fits(&all))
        v = resolver_refuse(g->arena, "InvalidParameters",
                            PARAMETERS ": proxyProtocol is FromTrusted, and nobody is; list the networks in "
                                       "proxyProtocol.trusted, here or for the class");
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
    g->tracing = parameters_tracing(g->arena, &all);
    g->service = all.service;
    return v;
}

/* The certificate that backends are shown. The Gateway stays accepted without it.           [GW GatewayBackendTLS] */
static void judge_client(struct pass *p, struct gateway_state *g, const struct gateway *gw) {
    const char *path = "spec.tls.backend.clientCertificateRef";
    const struct gateway_backend_tls *tls = gw->spec.tls ? gw->spec.tls->backend : NULL;
    struct cert_state *before = g->client;
    g->client = NULL;
    g->refs = (struct verdict){0};
    g->notice = (str){0};
    if (tls && tls->client_certificate_ref) {
        struct certs_user user = {KIND_GATEWAY, g->ns, str_of(path), "InvalidClientCertificateRef"};
        if (features_served(p->facts, FEATURE_BACKEND_CLIENT))
            g->refs = certs_judge(p, g->arena, &user, tls->client_certificate_ref, &g->client, &g->notice);
        else
            g->refs = not_served(g->arena, user.reason, path, FEATURE_BACKEND_CLIENT);
    }
    if (before) certs_release(p, before);
}

void gateway_spec_judge(struct pass *p, struct gateway_state *g, const struct gateway *gw) {
    struct arena *a = g->arena;
    struct verdict parameters = judge_parameters(p, g, gw);
    g->accepted = judge_fields(a, gw, p->facts);
    if (parameters.reason) g->accepted = parameters;
    gateway_addresses_judge(p, g, gw);
    judge_client(p, g, gw);
    frontend_judge(p, g, gw);
}
