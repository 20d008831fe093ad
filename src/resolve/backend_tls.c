/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/backend_tls.h"

#include "api/core.h"
#include "resolve/backends.h"
#include "resolve/policy_status.h"
#include "resolve/trust.h"
#include "resolve/xbackends.h"

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
        if (rank == best_rank && policy_status_order(best, all[i]) < 0) continue;
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
            (!best || policy_status_order(all[i], best) < 0))
            best = all[i];
    return (const void *)best;
}

/* Good sources serve although others are bad; with none there is nothing to verify by. */
static struct verdict judge_sources(struct pass *p, str ns, const char *path,
                                    const struct backend_tls_validation *from, struct verdict *ret_refs,
                                    str *ret_pem) {
    struct buf pem;
    buf_init(&pem, TRUST_PEM_BYTES_MAX);
    *ret_refs = (struct verdict){0};
    uint32_t good = 0, n = from->ca_certificate_refs.n;
    for (uint32_t i = 0; i < n; i++) {
        const struct local_ref *ref = &from->ca_certificate_refs.p[i];
        struct trust_source source = {ref->group, ref->kind, ns, ref->name};
        str where = arena_printf(p->scratch, "%s.caCertificateRefs[%u]", path, i);
        struct verdict v = trust_read(p, &source, where, "InvalidKind", &pem);
        good += !v.reason;
        if (v.reason && !ret_refs->reason) *ret_refs = v;
    }
    *ret_pem = arena_str(p->scratch, buf_str(&pem));
    buf_fini(&pem);
    return n && !good ? (struct verdict){"NoValidCACertificate", ret_refs->message} : (struct verdict){0};
}

struct verdict backend_tls_validate(struct pass *p, str ns, const char *path,
                                    const struct backend_tls_validation *from, struct verdict *ret_refs,
                                    struct plan_backend_tls *ret_tls) {
    struct arena *a = p->scratch;
    str pem, well_known = from->well_known_ca_certificates;
    struct verdict v = judge_sources(p, ns, path, from, ret_refs, &pem);
    if (well_known.n && !str_eq(well_known, S("System")))
        v = resolver_refuse(a, "Invalid",
                            "%s.wellKnownCACertificates: " STR_FMT
                            " is not served; use System or caCertificateRefs",
                            path, STR_ARG(well_known));
    if (v.reason) return v;
    *ret_tls = (struct plan_backend_tls){.hostname = resolver_lower(a, from->hostname), .ca_pem = pem};
    uint32_t n = from->subject_alt_names.n;
    ret_tls->alt_names.n = n;
    ret_tls->alt_names.p = arena_array(a, struct plan_alt_name_wanted, n);
    for (uint32_t i = 0; i < n; i++) {
        const struct subject_alt_name *name = &from->subject_alt_names.p[i];
        bool uri = name->type == ALT_NAME_URI;
        ret_tls->alt_names.p[i] = (struct plan_alt_name_wanted){
            uri ? PLAN_ALT_NAME_URI : PLAN_ALT_NAME_DNS, uri ? name->uri : resolver_lower(a, name->hostname)};
    }
    return v;
}

static struct verdict judge_fields(struct pass *p, const struct backend_tls_policy *policy) {
    if (policy->spec.options.n)
        return resolver_refuse(p->scratch, "Invalid",
                               "spec.options: \"" STR_FMT "\" is unknown; there are no options",
                               STR_ARG(policy->spec.options.p[0].key));
    return (struct verdict){0};
}

struct verdict backend_tls_judge(struct pass *p, const struct backend_tls_policy *policy,
                                 struct verdict *ret_refs, struct plan_backend_tls *ret_tls) {
    struct verdict v = backend_tls_validate(p, policy->obj.meta.ns, "spec.validation",
                                            &policy->spec.validation, ret_refs, ret_tls);
    struct verdict fields = judge_fields(p, policy);
    if (fields.reason) v = fields;
    if (!v.reason) ret_tls->policy = resolver_key(p->scratch, policy->obj.meta.ns, policy->obj.meta.name);
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

/* An XBackend says itself how TLS is spoken: no policy may.                          [GEP-4894 TLS] */
static void add_barred(struct pass *p, str ns, str name, struct ancestors *all) {
    struct ancestors users = {0};
    policy_status_add_users(p, KIND_XBACKEND, ns, name, 0, &users);
    for (uint32_t i = 0; i < users.n; i++) {
        struct ancestor *a = policy_status_ancestor(all, users.v[i].gateway);
        if (a) a->targets++, a->barred++;
    }
}

/* How one target stands for the Gateways that use it: an older policy may have the very same, or it may name a port that is none. A
 * policy for the whole Service stands beside one for a port of it.                         [GW PolicyReasonConflicted] */
static void add_target(struct pass *p, const struct backend_tls_policy *policy, const struct policy_target *t,
                       struct ancestors *all) {
    str ns = policy->obj.meta.ns;
    const struct service *s = (const void *)store_get(p->store, p->scratch, KIND_SERVICE, ns, t->name);
    struct ancestors users = {0};
    if (xbackends_named(t->group, t->kind)) add_barred(p, ns, t->name, all);
    if (t->group.n || !str_eq(t->kind, S("Service")) || !s) return;
    bool found = !t->section_name.n;
    if (found) policy_status_add_users(p, KIND_SERVICE, ns, t->name, 0, &users);
    for (uint32_t i = 0; i < s->spec.ports.n && t->section_name.n; i++) {
        if (!str_eq(t->section_name, s->spec.ports.p[i].name)) continue;
        found = true;
        policy_status_add_users(p, KIND_SERVICE, ns, t->name, s->spec.ports.p[i].port, &users);
    }
    if (!found) policy_status_add_users(p, KIND_SERVICE, ns, t->name, 0, &users);
    bool first = backend_tls_first(p, ns, t->name, t->section_name) == policy;
    for (uint32_t i = 0; i < users.n; i++) {
        struct ancestor *a = policy_status_ancestor(all, users.v[i].gateway);
        if (a) a->targets++, a->found += found, a->in_force += found && first;
    }
}

static void judge_ancestor(struct pass *p, const struct object *o, const struct ancestor *a,
                           struct conditions *c) {
    struct plan_backend_tls tls;
    struct verdict refs, v = backend_tls_judge(p, (const void *)o, &refs, &tls);
    if (a->barred == a->targets)
        v = resolver_refuse(
            p->scratch, "Invalid",
            "spec.targetRefs: an XBackend is no target; say in its spec.tls how TLS is spoken");
    else if (!a->found)
        v = resolver_refuse(p->scratch, "TargetNotFound",
                            "spec.targetRefs: no port of the Service has the name that sectionName gives; "
                            "correct it");
    else if (!a->in_force)
        v = resolver_refuse(p->scratch, "Conflicted",
                            "an older BackendTLSPolicy has the same target and goes first; remove one");
    str words = a->in_force == a->targets
                    ? S("the policy holds for its targets")
                    : arena_printf(p->scratch,
                                   "the policy holds for %u of %u targets; others have an older policy "
                                   "or no such port",
                                   a->in_force, a->targets);
    conditions_judge(c, "Accepted", v, "Accepted", words);
    conditions_judge(c, "ResolvedRefs", refs, "ResolvedRefs", S("all references are resolved"));
}

void backend_tls_status(struct pass *p, struct policy_state *ps, const struct object *o) {
    const struct backend_tls_policy *policy = (const void *)o;
    struct ancestors all = {0};
    for (uint32_t i = 0; i < policy->spec.target_refs.n; i++)
        add_target(p, policy, &policy->spec.target_refs.p[i], &all);
    policy_status_tell(p, ps, o, &all, judge_ancestor);
}
