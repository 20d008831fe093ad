/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/frontend.h"

#include "resolve/grants.h"
#include "resolve/trust.h"

static struct verdict judge_source(struct pass *p, const struct gateway_state *g,
                                   const struct object_ref *ref, str where, struct buf *pem) {
    struct trust_source source = {ref->group, ref->kind, ref->ns.n ? ref->ns : g->ns, ref->name};
    bool map = !ref->group.n && str_eq(ref->kind, S("ConfigMap"));
    if (map && !grants_allow(p, KIND_GATEWAY, g->ns, S("ConfigMap"), source.ns, ref->name))
        return resolver_refuse(p->scratch, "RefNotPermitted",
                               STR_FMT ": no ReferenceGrant in namespace " STR_FMT
                                       " lets a Gateway of " STR_FMT " use ConfigMap " STR_FMT
                                       "; add one there",
                               STR_ARG(where), STR_ARG(source.ns), STR_ARG(g->ns), STR_ARG(ref->name));
    return trust_read(p, &source, where, "InvalidCACertificateKind", pem);
}

/* Good sources serve although others are bad. RefNotPermitted is told before all else; then the first that is wrong. */
static void judge_sources(struct pass *p, const struct gateway_state *g, const struct frontend_validation *v,
                          str path, struct frontend *f) {
    struct buf pem;
    uint32_t good = 0;
    buf_init(&pem, TRUST_PEM_BYTES_MAX);
    for (uint32_t i = 0; i < v->ca_certificate_refs.n; i++) {
        str where = arena_printf(p->scratch, STR_FMT ".caCertificateRefs[%u]", STR_ARG(path), i);
        struct verdict one = judge_source(p, g, &v->ca_certificate_refs.p[i], where, &pem);
        good += !one.reason;
        if (!one.reason) continue;
        bool permission = strcmp(one.reason, "RefNotPermitted") == 0;
        if (!f->refs.reason || (permission && strcmp(f->refs.reason, "RefNotPermitted") != 0)) f->refs = one;
    }
    f->refs.message = arena_str(g->arena, f->refs.message);
    f->clients.ca_pem = arena_str(g->arena, buf_str(&pem));
    if (!good) f->accepted = (struct verdict){"NoValidCACertificate", f->refs.message};
    buf_fini(&pem);
}

static void judge_one(struct pass *p, const struct gateway_state *g, const struct frontend_validation *v,
                      str path, int64_t port, struct frontend *f) {
    *f = (struct frontend){.port = port, .asked = v != NULL};
    if (!v) return;
    f->clients.lenient = v->mode == FRONTEND_ALLOW_INSECURE_FALLBACK;
    judge_sources(p, g, v, path, f);
}

void frontend_judge(struct pass *p, struct gateway_state *g, const struct gateway *gw) {
    const struct gateway_frontend_tls *f = gw->spec.tls ? gw->spec.tls->frontend : NULL;
    uint32_t n = f ? 1 + f->per_port.n : 0;
    g->frontends = arena_array(g->arena, struct frontend, n);
    g->frontends_n = n;
    if (!f) return;
    judge_one(p, g, f->initial.validation, S("spec.tls.frontend.default.validation"), 0, &g->frontends[0]);
    for (uint32_t i = 0; i < f->per_port.n; i++)
        judge_one(p, g, f->per_port.p[i].tls.validation,
                  arena_printf(g->arena, "spec.tls.frontend.perPort[%u].tls.validation", i),
                  f->per_port.p[i].port, &g->frontends[1 + i]);
}

const struct frontend *frontend_for(const struct gateway_state *g, const struct listener_state *l) {
    if (!g->frontends_n || l->protocol != PLAN_HTTPS) return NULL;
    const struct frontend *found = &g->frontends[0];
    for (uint32_t i = 1; i < g->frontends_n; i++)
        if (g->frontends[i].port == l->port) found = &g->frontends[i];
    return found->asked ? found : NULL;
}

bool frontend_insecure(const struct gateway_state *g) {
    for (uint32_t i = 0; i < g->frontends_n; i++)
        if (g->frontends[i].clients.lenient) return true;
    return false;
}
