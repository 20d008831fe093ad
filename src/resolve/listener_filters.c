/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/listener_filters.h"

#include "resolve/backends.h"
#include "resolve/rule_filters.h"
#include "resolve/rule_traffic.h"

enum { EXTERNAL_AUTH = 1 }; /* listener_filter.type */

/* A filter that is not known is not served, and what it refers to is of a kind that is not known either.       [GEP-5224] */
static void refuse_type(struct arena *a, str path, const struct listener_filter *f,
                        struct listener_filters_result *ret) {
    const struct local_ref *ref = f->extension_ref;
    struct verdict v;
    if (ref)
        v = resolver_refuse(a, "UnsupportedValue",
                            STR_FMT ".extensionRef: " STR_FMT "%s" STR_FMT
                                    " is no filter that is known; remove the filter",
                            STR_ARG(path), STR_ARG(ref->group), ref->group.n ? "/" : "", STR_ARG(ref->kind));
    else
        v = resolver_refuse(a, "UnsupportedValue", STR_FMT ".type: is missing or unknown; use ExternalAuth",
                            STR_ARG(path));
    if (!ret->accepted.reason) ret->accepted = v;
    v.reason = "InvalidListenerFilterRef";
    if (ref && !ret->refs.reason) ret->refs = v;
}

/* Is all of the filter served? What is wrong with it then is its own fault. */
static bool is_served(const struct facts *facts) {
    return features_served(facts, FEATURE_EXTERNAL_AUTH) &&
           features_served(facts, FEATURE_EXTERNAL_AUTH_GRPC) &&
           features_served(facts, FEATURE_EXTERNAL_AUTH_BODY);
}

/* Grants are for the object that holds the listener; the filter itself is as in a rule. */
static void map_auth(struct pass *p, const struct route *holder, str path, const struct listener_filter *f,
                     struct listener_filters_result *ret) {
    enum { GRPC = 2 }; /* the order of the field's values */
    struct http_route_filter from = {.type = FILTER_EXTERNAL_AUTH, .external_auth = f->external_auth};
    struct filter_mapping m = {.p = p, .a = p->scratch, .route = holder, .path = path, .from = &from};
    struct verdict v = rule_traffic_auth(&m, &ret->v[ret->n]);
    if (v.reason) {
        if (is_served(p->facts)) v.reason = "InvalidListenerFilter";
        if (!ret->accepted.reason) ret->accepted = v;
        return;
    }
    ret->n++;
    str key, where = arena_printf(p->scratch, STR_FMT ".externalAuth.backendRef", STR_ARG(path));
    struct verdict ref =
        backends_judge(p, holder->obj.kind, holder->obj.meta.ns, f->external_auth->protocol == GRPC,
                       &f->external_auth->backend_ref, where, &key);
    if (!ref.reason || ret->refs.reason) return;
    if (strcmp(ref.reason, "RefNotPermitted") != 0) ref.reason = "InvalidListenerFilterRef";
    ret->refs = ref;
}

struct listener_filters_result listener_filters_map(struct pass *p, const struct listener_state *l,
                                                    const struct listener *spec) {
    struct listener_filters_result ret = {0};
    struct arena *a = p->scratch;
    uint32_t n = spec->filters ? spec->filters->requests.n : 0;
    if (!n) return ret;
    if (!features_served(p->facts, FEATURE_LISTENER_FILTERS)) {
        ret.accepted = resolver_refuse(
            a, "UnsupportedValue", "filters.requests: " STR_FMT " are not served by this version; " STR_FMT,
            STR_ARG(features_what(FEATURE_LISTENER_FILTERS)),
            STR_ARG(features_remedy(FEATURE_LISTENER_FILTERS)));
        return ret;
    }
    if (l->protocol != PLAN_HTTP &&
        l->protocol != PLAN_HTTPS) { /* of a ListenerSet: its CRD does not say so */
        ret.accepted = resolver_refuse(a, "UnsupportedValue",
                                       "filters.requests: a listener of protocol " STR_FMT
                                       " has no requests to filter; remove the field",
                                       STR_ARG(spec->protocol));
        return ret;
    }
    struct route *holder = arena_make(a, struct route);
    holder->obj.kind = l->set ? KIND_LISTENER_SET : KIND_GATEWAY;
    holder->obj.meta.ns = l->set ? l->set->ns : l->gateway->ns;
    ret.v = arena_array(a, struct plan_filter, n);
    for (uint32_t i = 0; i < n; i++) {
        const struct listener_filter *f = &spec->filters->requests.p[i];
        str path = arena_printf(a, "filters.requests[%u]", i);
        if (f->type == EXTERNAL_AUTH && f->external_auth)
            map_auth(p, holder, path, f, &ret);
        else
            refuse_type(a, path, f, &ret);
    }
    return ret;
}
