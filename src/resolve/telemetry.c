/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/telemetry.h"

#include "api/settings.h"
#include "api/xbackend.h"
#include "api/xtelemetry_policy.h"
#include "base/num.h"
#include "resolve/backends.h"
#include "resolve/gateways.h"
#include "resolve/policies.h"
#include "resolve/policy_status.h"
#include "resolve/rule_filters.h"

enum { WHOLE = 100 }; /* of WHOLE: every trace */

static bool is_gateway(const struct local_ref *t) {
    return str_eq(t->group, S(RESOLVE_GROUP)) && str_eq(t->kind, S("Gateway"));
}

static bool has_target(const struct object *o, str name) {
    const struct xtelemetry_policy *policy = (const void *)o;
    for (uint32_t i = 0; i < policy->spec.target_refs.n; i++) {
        const struct local_ref *t = &policy->spec.target_refs.p[i];
        if (is_gateway(t) && str_eq(t->name, name)) return true;
    }
    return false;
}

/* One policy a Gateway: the oldest, good or not. */
static const struct xtelemetry_policy *find(const struct pass *p, const struct gateway_state *g) {
    if (!store_count(p->store, KIND_XTELEMETRY_POLICY)) return NULL;
    size_t n;
    const struct object **all =
        store_referrers(p->store, p->scratch, KIND_GATEWAY, g->ns, g->name, KIND_XTELEMETRY_POLICY, &n);
    const struct object *best = NULL;
    for (size_t i = 0; i < n; i++)
        if (has_target(all[i], g->name) && (!best || policy_status_order(all[i], best) < 0)) best = all[i];
    return (const void *)best;
}

/* ---- what it says ---- */

/* The export's own framing, beside what no header filter may write.           [OTLP/HTTP Request] [gRPC over HTTP2 Requests] */
static bool is_reserved(str name) {
    return rule_filters_reserved(name) || str_ieq(name, S("content-type")) ||
           str_ieq(name, S("content-encoding")) || str_ieq(str_upto(name, 5), S("grpc-"));
}

static struct verdict judge_fields(struct pass *p, const struct tracing *t) {
    const struct tracing_provider *provider = t->provider;
    for (uint32_t i = 0; provider && i < provider->headers.n; i++)
        if (is_reserved(provider->headers.p[i].name))
            return resolver_refuse(p->scratch, "Invalid",
                                   "spec.tracing.provider.headers[%u]: the header " STR_FMT
                                   " is the gateway's own; leave it out",
                                   i, STR_ARG(provider->headers.p[i].name));
    return (struct verdict){0};
}

/* *ret_key: of the collector's backend, when there is one. */
static struct verdict judge_collector(struct pass *p, const struct xtelemetry_policy *policy, str *ret_key) {
    const struct tracing *t = policy->spec.tracing;
    *ret_key = (str){0};
    if (!t || t->mode != TRACING_ENABLED || !t->provider) return (struct verdict){0};
    return backends_judge(p, KIND_XTELEMETRY_POLICY, policy->obj.meta.ns, false, &t->provider->backend_ref,
                          S("spec.tracing.provider.backendRef"), ret_key);
}

static struct plan_share map_share(const struct fraction *f) {
    return f ? (struct plan_share){f->numerator, f->denominator} : (struct plan_share){WHOLE, WHOLE};
}

/* The first entry of a name counts.                                                     [GW HTTPHeader] */
static void map_headers(struct arena *a, const struct tracing_provider *from, struct plan_tracing *to) {
    to->headers.p = arena_array(a, struct plan_header, from->headers.n);
    for (uint32_t i = 0; i < from->headers.n; i++) {
        bool known = false;
        for (uint32_t k = 0; k < i; k++) known |= str_ieq(from->headers.p[k].name, from->headers.p[i].name);
        if (!known)
            to->headers.p[to->headers.n++] =
                (struct plan_header){from->headers.p[i].name, from->headers.p[i].value};
    }
}

static void map_attributes(struct arena *a, const struct tracing *from, struct plan_tracing *to) {
    to->attributes.p = arena_array(a, struct plan_tracing_attribute, from->attributes.n);
    for (uint32_t i = 0; i < from->attributes.n; i++) {
        const struct tracing_attribute *f = &from->attributes.p[i];
        struct plan_tracing_attribute one = {.name = f->name};
        switch ((enum attribute_source)f->source_type) {
        case ATTRIBUTE_HEADER:
            one.source = PLAN_SPAN_HEADER;
            one.value = resolver_lower(a, f->header_name);
            break;
        case ATTRIBUTE_LITERAL:
            one.source = PLAN_SPAN_LITERAL;
            one.value = f->literal_value;
            break;
        case ATTRIBUTE_ATTRIBUTE:
            one.source = PLAN_SPAN_ATTRIBUTE;
            one.value = f->attribute_key;
            break;
        case ATTRIBUTE_UNSET: continue;
        }
        to->attributes.p[to->attributes.n++] = one;
    }
}

/* What the collector is asked as: the hostname outside, or the name that the cluster's own DNS has for the Service. */
static str authority_of(const struct pass *p, str key) {
    enum api_kind kind;
    str ns, name;
    backends_parse(key, &kind, &ns, &name);
    str port = str_from(key, str_rfind(key, ':') + 1), host = (str){0};
    port = str_upto(port, str_find(port, '+'));
    if (kind == KIND_XBACKEND) {
        const struct xbackend *b = (const void *)store_get(p->store, p->scratch, kind, ns, name);
        if (b && b->spec.external_hostname)
            host = resolver_lower(p->scratch, b->spec.external_hostname->hostname);
    }
    if (!host.n) host = arena_printf(p->scratch, STR_FMT "." STR_FMT ".svc", STR_ARG(name), STR_ARG(ns));
    return arena_printf(p->scratch, STR_FMT ":" STR_FMT, STR_ARG(host), STR_ARG(port));
}

static struct plan_tracing *map_policy(struct pass *p, const struct xtelemetry_policy *policy) {
    const struct tracing *t = policy->spec.tracing;
    str backend;
    if (judge_fields(p, t).reason || judge_collector(p, policy, &backend).reason || !backend.n) return NULL;
    const struct parent_sampling *parent = t->parent_based_sampling;
    struct plan_tracing *to = arena_make(p->scratch, struct plan_tracing);
    *to = (struct plan_tracing){
        .backend = backend,
        .authority = authority_of(p, backend),
        .sampled = map_share(t->sampling_rate),
        .ignores_parent = parent && parent->mode == TRACING_DISABLED,
        .service_name = t->service_name,
        .span_name = t->span_name,
    };
    if (!to->ignores_parent) to->sampled_of_parent = map_share(parent ? parent->sampling_rate : NULL);
    map_headers(p->scratch, t->provider, to);
    map_attributes(p->scratch, t, to);
    return to;
}

/* The settings' collector is a Service in the clear, or by TLS where a policy says so; it may come later, so nothing is judged. */
static struct plan_tracing *map_settings(struct pass *p, const struct plan_tracing *set) {
    if (!set) return NULL;
    struct plan_tracing *to = arena_make(p->scratch, struct plan_tracing);
    *to = *set;
    if (to->backend.n) to->authority = authority_of(p, to->backend);
    return to;
}

/* A policy goes before the settings, unless it leaves it to the implementation; what is traced follows its parent, as OpenTelemetry's samplers
 * do by default.                                                    [GW TracingConfig.mode] [OpenTelemetry SDK ParentBased] */
struct plan_tracing *telemetry_map(struct pass *p, const struct gateway_state *g) {
    const struct xtelemetry_policy *policy =
        features_served(p->facts, FEATURE_XTELEMETRY) ? find(p, g) : NULL;
    const struct tracing *t = policy ? policy->spec.tracing : NULL;
    if (t && t->mode == TRACING_DISABLED) return NULL;
    return t && t->mode == TRACING_ENABLED ? map_policy(p, policy) : map_settings(p, g->tracing);
}

/* By its settings: no policy has another word on it. */
static bool goes_by_settings(const struct pass *p, const struct gateway_state *g) {
    const struct xtelemetry_policy *policy =
        features_served(p->facts, FEATURE_XTELEMETRY) ? find(p, g) : NULL;
    const struct tracing *t = policy ? policy->spec.tracing : NULL;
    return g->tracing && !(t && (t->mode == TRACING_DISABLED || t->mode == TRACING_ENABLED));
}

/* It is of the ConfigMap's namespace, so no grant is asked for. Requests are served in any case: only the spans have nowhere to go. */
struct verdict telemetry_judge_settings(struct pass *p, const struct gateway_state *g) {
    if (!g->collector || !goes_by_settings(p, g)) return (struct verdict){0};
    str key = g->tracing->backend, ns = backends_ns(g->collector);
    uint64_t port = 0;
    err e = num_parse(str_from(key, str_rfind(key, ':') + 1), UINT16_MAX, &port);
    assert(e == OK); /* the schema has seen it */
    struct backend_object_ref ref = {.name = backends_name(g->collector),
                                     .port = {.set = true, .v = (int64_t)port}};
    str where = g->own && g->own->tracing_collector.n
                    ? S("spec.infrastructure.parametersRef: tracing.collector")
                    : S("the class's parametersRef: tracing.collector");
    str known;
    struct verdict v = backends_judge(p, KIND_XTELEMETRY_POLICY, ns, false, &ref, where, &known);
    if (!v.reason) return v;
    return resolver_refuse(p->scratch, v.reason, STR_FMT "; until then spans are dropped",
                           STR_ARG(v.message));
}

/* ---- what is said of it ---- */

const struct gateway_state *telemetry_target(const struct pass *p, const struct object *policy, uint32_t i) {
    const struct local_ref *t =
        &((const struct xtelemetry_policy *)(const void *)policy)->spec.target_refs.p[i];
    const struct gateway_state *g = is_gateway(t) ? gateways_find(p->r, policy->meta.ns, t->name) : NULL;
    return g && g->arena ? g : NULL;
}

static void judge_ancestor(struct pass *p, const struct object *o, const struct ancestor *a,
                           struct conditions *c) {
    if (!a->gateway) {
        conditions_add(c, "Accepted", CONDITION_FALSE, "TargetNotFound",
                       arena_printf(p->scratch,
                                    "spec.targetRefs: Gateway " STR_FMT "/" STR_FMT
                                    " does not exist; create it or correct the name",
                                    STR_ARG(a->ns), STR_ARG(a->name)));
        return;
    }
    const struct xtelemetry_policy *policy = (const void *)o, *first = find(p, a->gateway);
    bool served = features_served(p->facts, FEATURE_XTELEMETRY);
    struct verdict v = {0};
    if (first && !str_eq(first->obj.meta.name, o->meta.name)) {
        v = resolver_refuse(p->scratch, "Conflicted",
                            "an older XTelemetryPolicy has the same Gateway and goes first; remove one");
    } else if (!served) {
        policy_status_judge_unserved(p, o, a, c);
        return;
    } else if (policy->spec.tracing) {
        v = judge_fields(p, policy->spec.tracing);
    }
    str key;
    conditions_judge(c, "Accepted", v, "Accepted", S("the policy holds for the Gateway"));
    if (served)
        conditions_judge(c, "ResolvedRefs", judge_collector(p, policy, &key), "ResolvedRefs",
                         S("all references are resolved"));
}

void telemetry_status(struct pass *p, struct policy_state *ps, const struct object *o) {
    const struct xtelemetry_policy *policy = (const void *)o;
    struct ancestors all = {0};
    for (uint32_t i = 0; i < policy->spec.target_refs.n; i++) {
        const struct gateway_state *g = telemetry_target(p, o, i);
        const struct local_ref *t = &policy->spec.target_refs.p[i];
        if (g)
            policy_status_ancestor(&all, g);
        else if (is_gateway(t) && !store_has(p->store, KIND_GATEWAY, o->meta.ns, t->name))
            policy_status_missing(&all, o->meta.ns, t->name);
    }
    policy_status_tell(p, ps, o, &all, judge_ancestor);
}

void telemetry_mark_referrers(struct pass *p, enum api_kind kind, str ns, str name) {
    if (!store_count(p->store, KIND_XTELEMETRY_POLICY)) return;
    size_t n;
    struct store_key *all =
        store_referrer_keys(p->store, p->scratch, kind, ns, name, KIND_XTELEMETRY_POLICY, &n);
    for (size_t i = 0; i < n; i++) policies_mark_changed(p, KIND_XTELEMETRY_POLICY, all[i].ns, all[i].name);
}

void telemetry_mark_collectors(struct pass *p, str ns, str name) {
    if (!p->r->collectors) return;
    map_each (e, &p->r->gateways) {
        struct gateway_state *g = e->value;
        if (!g->collector || !g->tracing || !str_eq(backends_name(g->collector), name) ||
            !str_eq(backends_ns(g->collector), ns))
            continue;
        backends_mark_one(p->r, g->collector);
        gateways_mark_status(p->r, g);
    }
}
