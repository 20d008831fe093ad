/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/grpc_rules.h"

#include "resolve/rule_filters.h"
#include "resolve/rule_session.h"

static struct verdict map_method(struct pass *p, str path, const struct grpc_method_match *m,
                                 struct plan_match *to) {
    bool regex = m->type == VALUE_REGEX;
    to->call_type = regex ? PLAN_VALUE_REGEX : PLAN_VALUE_EXACT;
    to->service = m->service;
    to->call = m->method;
    if (!regex) return (struct verdict){0};
    if (!features_served(p->facts, FEATURE_CALL_REGEX))
        return rules_not_served(p->scratch, path, ".method.type", FEATURE_CALL_REGEX);
    struct verdict v = {0};
    if (m->service.n) v = rules_check_regex(p, path, ".method.service", m->service);
    if (!v.reason && m->method.n) v = rules_check_regex(p, path, ".method.method", m->method);
    return v;
}

static struct verdict map_match(struct pass *p, str path, const struct grpc_route_match *from,
                                struct plan_match *to) {
    struct verdict v = {0};
    if (from->method) v = map_method(p, path, from->method, to);
    if (v.reason) return v;
    return rules_map_values(p, path, "headers", from->headers.p, from->headers.n, true, &to->headers.p,
                            &to->headers.n);
}

static struct verdict map_matches(struct pass *p, str path, const struct grpc_route_rule *from,
                                  struct plan_rule *to) {
    uint32_t n = from->matches.n ? from->matches.n : 1;
    static const struct grpc_route_match everything = {0};
    struct arena *a = p->scratch;
    to->matches.p = arena_array(a, struct plan_match, n);
    to->matches.n = n;
    for (uint32_t i = 0; i < n; i++) {
        str at = arena_printf(a, STR_FMT ".matches[%u]", STR_ARG(path), i);
        struct verdict v =
            map_match(p, at, from->matches.n ? &from->matches.p[i] : &everything, &to->matches.p[i]);
        if (v.reason) return v;
    }
    return (struct verdict){0};
}

static struct verdict map_rule(struct pass *p, const struct route *route, str path,
                               const struct grpc_route_rule *from, struct plan_rule *to, struct rules *out,
                               bool *ret_close) {
    struct arena *a = p->scratch;
    static const struct http_route_rule no_paths = {0};
    struct verdict targets =
        rules_map_targets(p, route, path, from->backend_refs.p, from->backend_refs.n, &no_paths, to, out);
    rules_judge_filters(p, route, path, from->filters.p, from->filters.n, out);
    struct verdict v = map_matches(p, path, from, to);
    *ret_close = !v.reason &&
                 rules_guarded(from->filters.p, from->filters.n, from->backend_refs.p, from->backend_refs.n);
    to->name = from->name;
    if (!v.reason) v = targets;
    if (!v.reason)
        v = rule_filters_map(p, route, arena_printf(a, STR_FMT ".filters", STR_ARG(path)), from->filters.p,
                             from->filters.n, &no_paths, false, &to->filters.p, &to->filters.n);
    if (!v.reason) v = rule_session_apply(p, path, from->session_persistence, to);
    if (!from->backend_refs.n) rules_answer_500(a, path, to);
    return v;
}

void grpc_rules_resolve(struct pass *p, const struct grpc_route *route, struct rules *ret) {
    *ret = (struct rules){.good = arena_array(p->scratch, struct plan_rule, route->spec.rules.n)};
    for (uint32_t i = 0; i < route->spec.rules.n; i++) {
        struct plan_rule one = {.index = i};
        bool close = false;
        str path = arena_printf(p->scratch, "spec.rules[%u]", i);
        struct verdict v = map_rule(p, (const void *)route, path, &route->spec.rules.p[i], &one, ret, &close);
        rules_sort(p->scratch, ret, i, &one, v, close);
    }
}
