/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/backend_tls.h"

#include "api/core.h"
#include "text/x509.h"

int backend_tls_order(const struct object *x, const struct object *y) {
    int64_t age = x->meta.created_s ? x->meta.created_s : INT64_MAX,
            other = y->meta.created_s ? y->meta.created_s : INT64_MAX;
    if (age != other) return age < other ? -1 : 1;
    return str_cmp(x->meta.name, y->meta.name);
}

/* 2: by the port's name, 1: the whole Service, 0: not at all. */
static unsigned rank_of(const struct backend_tls_policy *policy, str service, str port_name) {
    unsigned best = 0;
    for (uint32_t i = 0; i < policy->spec.target_refs.n; i++) {
        const struct policy_target *t = &policy->spec.target_refs.p[i];
        if (t->group.n || !str_eq(t->kind, S("Service")) || !str_eq(t->name, service)) continue;
        unsigned rank = !t->section_name.n ? 1 : str_eq(t->section_name, port_name) ? 2 : 0;
        if (rank > best) best = rank;
    }
    return best;
}

const struct backend_tls_policy *backend_tls_find(const struct pass *p, str ns, str service, str port_name) {
    if (!store_count(p->store, KIND_BACKEND_TLS_POLICY)) return NULL;
    size_t n;
    const struct object **all =
        store_referrers(p->store, p->scratch, KIND_SERVICE, ns, service, KIND_BACKEND_TLS_POLICY, &n);
    const struct object *best = NULL;
    unsigned best_rank = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned rank = rank_of((const void *)all[i], service, port_name);
        if (rank < best_rank || !rank) continue;
        if (rank == best_rank && backend_tls_order(best, all[i]) < 0) continue;
        best = all[i];
        best_rank = rank;
    }
    return (const void *)best;
}

static bool has_target(const struct backend_tls_policy *policy, str service, str section_name) {
    for (uint32_t i = 0; i < policy->spec.target_refs.n; i++) {
        const struct policy_target *t = &policy->spec.target_refs.p[i];
        if (!t->group.n && str_eq(t->kind, S("Service")) && str_eq(t->name, service) &&
            str_eq(t->section_name, section_name))
            return true;
    }
    return false;
}

const struct backend_tls_policy *backend_tls_first(const struct pass *p, str ns, str service,
                                                   str section_name) {
    size_t n;
    const struct object **all =
        store_referrers(p->store, p->scratch, KIND_SERVICE, ns, service, KIND_BACKEND_TLS_POLICY, &n);
    const struct object *best = NULL;
    for (size_t i = 0; i < n; i++)
        if (has_target((const void *)all[i], service, section_name) &&
            (!best || backend_tls_order(all[i], best) < 0))
            best = all[i];
    return (const void *)best;
}

/* One source of trust; its PEM is added. */
static struct verdict judge_source(struct pass *p, const struct backend_tls_policy *policy, uint32_t i,
                                   struct buf *pem) {
    struct arena *a = p->scratch;
    const struct local_ref *ref = &policy->spec.validation.ca_certificate_refs.p[i];
    str ns = policy->obj.meta.ns;
    if (ref->group.n || !str_eq(ref->kind, S("ConfigMap")))
        return resolver_refuse(a, "InvalidKind",
                               "spec.validation.caCertificateRefs[%u]: " STR_FMT "%s" STR_FMT
                               " is not served; name a ConfigMap",
                               i, STR_ARG(ref->group), ref->group.n ? "/" : "", STR_ARG(ref->kind));
    const struct config_map *map =
        (const void *)store_get(p->store, p->scratch, KIND_CONFIG_MAP, ns, ref->name);
    if (!map)
        return resolver_refuse(a, "InvalidCACertificateRef",
                               "spec.validation.caCertificateRefs[%u]: ConfigMap " STR_FMT "/" STR_FMT
                               " does not exist; create it or correct the name",
                               i, STR_ARG(ns), STR_ARG(ref->name));
    str ca = schema_map_get(&map->data, S("ca.crt")), message = S("the key ca.crt is missing or empty");
    if (!ca.p) ca = schema_map_get(&map->binary_data, S("ca.crt"));
    if (!ca.n || x509_read_bundle(a, ca, &message) != OK)
        return resolver_refuse(a, "InvalidCACertificateRef",
                               "spec.validation.caCertificateRefs[%u]: ConfigMap " STR_FMT "/" STR_FMT
                               ": " STR_FMT "; put the PEM of certificates into ca.crt",
                               i, STR_ARG(ns), STR_ARG(ref->name), STR_ARG(message));
    buf_add(pem, ca);
    if (!str_ends(ca, S("\n"))) buf_add_char(pem, '\n');
    return (struct verdict){0};
}

/* Good sources serve although others are bad; with none the policy can not be kept. */
static struct verdict judge_sources(struct pass *p, const struct backend_tls_policy *policy,
                                    struct verdict *ret_refs, str *ret_pem) {
    enum { PEM_BYTES_MAX = 16 << 20 };
    struct buf pem;
    buf_init(&pem, PEM_BYTES_MAX);
    *ret_refs = (struct verdict){0};
    uint32_t good = 0, n = policy->spec.validation.ca_certificate_refs.n;
    for (uint32_t i = 0; i < n; i++) {
        struct verdict v = judge_source(p, policy, i, &pem);
        good += !v.reason;
        if (v.reason && !ret_refs->reason) *ret_refs = v;
    }
    *ret_pem = arena_str(p->scratch, buf_str(&pem));
    buf_fini(&pem);
    return n && !good ? (struct verdict){"NoValidCACertificate", ret_refs->message} : (struct verdict){0};
}

static struct verdict judge_fields(struct pass *p, const struct backend_tls_policy *policy) {
    struct arena *a = p->scratch;
    str well_known = policy->spec.validation.well_known_ca_certificates;
    if (!features_served(p->facts, FEATURE_BACKEND_TLS))
        return resolver_refuse(
            a, "Invalid",
            STR_FMT " are not served by this version: requests to its backends get 503; " STR_FMT,
            STR_ARG(features_what(FEATURE_BACKEND_TLS)), STR_ARG(features_remedy(FEATURE_BACKEND_TLS)));
    if (policy->spec.options.n)
        return resolver_refuse(a, "Invalid", "spec.options: \"" STR_FMT "\" is unknown; there are no options",
                               STR_ARG(policy->spec.options.p[0].key));
    if (well_known.n && !str_eq(well_known, S("System")))
        return resolver_refuse(a, "Invalid",
                               "spec.validation.wellKnownCACertificates: " STR_FMT
                               " is not served; use System or caCertificateRefs",
                               STR_ARG(well_known));
    return (struct verdict){0};
}

struct verdict backend_tls_judge(struct pass *p, const struct backend_tls_policy *policy,
                                 struct verdict *ret_refs, struct plan_backend_tls *ret_tls) {
    const struct backend_tls_validation *from = &policy->spec.validation;
    str pem;
    struct verdict sources = judge_sources(p, policy, ret_refs, &pem), v = judge_fields(p, policy);
    if (!v.reason) v = sources;
    if (v.reason) return v;
    *ret_tls = (struct plan_backend_tls){
        .policy = resolver_key(p->scratch, policy->obj.meta.ns, policy->obj.meta.name),
        .hostname = resolver_lower(p->scratch, from->hostname),
        .ca_pem = pem};
    uint32_t n = from->subject_alt_names.n;
    ret_tls->alt_names.n = n;
    ret_tls->alt_names.p = arena_array(p->scratch, struct plan_alt_name_wanted, n);
    for (uint32_t i = 0; i < n; i++) {
        const struct subject_alt_name *name = &from->subject_alt_names.p[i];
        bool uri = name->type == ALT_NAME_URI;
        ret_tls->alt_names.p[i] =
            (struct plan_alt_name_wanted){uri ? PLAN_ALT_NAME_URI : PLAN_ALT_NAME_DNS,
                                          uri ? name->uri : resolver_lower(p->scratch, name->hostname)};
    }
    return v;
}

void backend_tls_apply(struct pass *p, str ns, str service, str port_name, struct plan_backend *piece) {
    const struct backend_tls_policy *policy = backend_tls_find(p, ns, service, port_name);
    if (!policy) return;
    struct verdict refs;
    struct plan_backend_tls *tls = arena_make(p->scratch, struct plan_backend_tls);
    struct verdict v = backend_tls_judge(p, policy, &refs, tls);
    if (!v.reason)
        piece->tls = tls;
    else
        piece->refused = arena_printf(p->scratch, "BackendTLSPolicy " STR_FMT "/" STR_FMT ": " STR_FMT,
                                      STR_ARG(ns), STR_ARG(policy->obj.meta.name), STR_ARG(v.message));
}
