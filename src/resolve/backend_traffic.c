/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/backend_traffic.h"

#include "resolve/policy_status.h"
#include "resolve/xbackends.h"

enum { RATE_COUNT = 10, SECOND_US = 1000000 }; /* [GW RetryConstraint.minRetryRate] */

/* KIND_NONE: no backend that is known. */
static enum api_kind kind_of(const struct local_ref *t) {
    if (!t->group.n && str_eq(t->kind, S("Service"))) return KIND_SERVICE;
    return xbackends_named(t->group, t->kind) ? KIND_XBACKEND : KIND_NONE;
}

static bool targets(const struct xbackend_traffic_policy *policy, enum api_kind kind, str name) {
    for (uint32_t i = 0; i < policy->spec.target_refs.n; i++) {
        const struct local_ref *t = &policy->spec.target_refs.p[i];
        if (kind_of(t) == kind && str_eq(t->name, name)) return true;
    }
    return false;
}

const struct xbackend_traffic_policy *backend_traffic_find(const struct pass *p, enum api_kind kind, str ns,
                                                           str name) {
    if (!store_count(p->store, KIND_XBACKEND_TRAFFIC_POLICY) ||
        !features_served(p->facts, FEATURE_XBACKEND_TRAFFIC))
        return NULL;
    size_t n;
    const struct object **all =
        store_referrers(p->store, p->scratch, kind, ns, name, KIND_XBACKEND_TRAFFIC_POLICY, &n);
    const struct object *best = NULL;
    for (size_t i = 0; i < n; i++)
        if (targets((const void *)all[i], kind, name) && (!best || policy_status_order(all[i], best) < 0))
            best = all[i];
    return (const void *)best;
}

struct plan_retry_budget *backend_traffic_budget(const struct pass *p, enum api_kind kind, str ns, str name) {
    const struct xbackend_traffic_policy *policy = backend_traffic_find(p, kind, ns, name);
    if (!policy || !policy->spec.retry_constraint) return NULL;
    const struct retry_constraint *from = policy->spec.retry_constraint;
    struct plan_retry_budget *to = arena_make(p->scratch, struct plan_retry_budget);
    const struct request_rate *rate = &from->min_retry_rate;
    *to = (struct plan_retry_budget){
        .percent = from->budget.percent,
        .interval = from->budget.interval,
        .at_least_n = rate->count.set ? rate->count.v : RATE_COUNT,
        .at_least_interval = {rate->interval.set ? rate->interval.v : SECOND_US, true},
    };
    return to;
}

static void judge(struct pass *p, const struct object *o, const struct ancestor *a, struct conditions *c) {
    const struct xbackend_traffic_policy *policy = (const void *)o;
    if (!features_served(p->facts, FEATURE_XBACKEND_TRAFFIC)) {
        policy_status_judge_unserved(p, o, a, c);
        return;
    }
    struct verdict v = {0};
    if (policy->spec.session_persistence && !features_served(p->facts, FEATURE_SESSION))
        v = resolver_refuse(p->scratch, "Invalid",
                            "spec.sessionPersistence: is not served by this version; remove the field");
    if (!v.reason && !a->in_force)
        v = resolver_refuse(p->scratch, "Conflicted",
                            "an older XBackendTrafficPolicy has the same target and goes first; remove one");
    str words =
        a->in_force == a->targets
            ? S("the policy holds for its targets")
            : arena_printf(p->scratch, "the policy holds for %u of %u targets; others have an older one",
                           a->in_force, a->targets);
    conditions_judge(c, "Accepted", v, "Accepted", words);
}

void backend_traffic_status(struct pass *p, struct policy_state *ps, const struct object *o) {
    const struct xbackend_traffic_policy *policy = (const void *)o;
    struct ancestors all = {0};
    for (uint32_t i = 0; i < policy->spec.target_refs.n; i++) {
        const struct local_ref *t = &policy->spec.target_refs.p[i];
        enum api_kind kind = kind_of(t);
        if (kind == KIND_NONE) continue;
        struct ancestors users = {0};
        policy_status_add_users(p, kind, o->meta.ns, t->name, 0, &users);
        bool first = backend_traffic_find(p, kind, o->meta.ns, t->name) == policy;
        for (uint32_t k = 0; k < users.n; k++) {
            struct ancestor *a = policy_status_ancestor(&all, users.v[k].gateway);
            if (a) a->targets++, a->in_force += first;
        }
    }
    policy_status_tell(p, ps, o, &all, judge);
}
