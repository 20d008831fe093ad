/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/grpc_rules.h"

#include "resolve/rule_filters.h"

static struct verdict map_match(struct arena *a, str path, const struct grpc_route_match *from,
                                struct plan_match *to) {
    const struct grpc_method_match *m = from->method;
    if (m && m->type == VALUE_REGEX) return rules_not_served(a, path, ".method.type", FEATURE_CALL_REGEX);
    if (m) {
        to->call_type = PLAN_VALUE_EXACT;
        to->service = m->service;
        to->call = m->method;
    }
    return rules_map_values(a, path, "headers", from->headers.p, from->headers.n, true, &to->headers.p,
                            &to->headers.n);
}

static struct verdict map_matches(struct arena *a, str path, const struct grpc_route_rule *from,
                                  struct plan_rule *to) {
    uint32_t n = from->matches.n ? from->matches.n : 1;
    static const struct grpc_route_match everything = {0};
    to->matches.p = arena_array(a, struct plan_match, n);
    to->matches.n = n;
    for (uint32_t i = 0; i < n; i++) {
        str at = arena_printf(a, STR_FMT ".matches[%u]", STR_ARG(path), i);
        struct verdict v =
            map_match(a, at, from->matches.n ? &from->matches.p[i] : &everything, &to->matches.p[i]);
        if (v.reason) return v;
    }
    return (struct verdict){0};
}

static struct verdict map_rule(struct pass *p, const struct route *route, str path,
                               const struct grpc_route_rule *from, struct plan_rule *to, struct rules *out) {
    struct arena *a = p->scratch;
    static const struct http_route_rule no_paths = {0};
    struct verdict v =
        rules_map_targets(p, route, path, from->backend_refs.p, from->backend_refs.n, &no_paths, to, out);
    rules_judge_mirrors(p, route, path, from->filters.p, from->filters.n, out);
    if (!v.reason) v = map_matches(a, path, from, to);
    if (!v.reason)
        v = rule_filters_map(p, arena_printf(a, STR_FMT ".filters", STR_ARG(path)), from->filters.p,
                             from->filters.n, &no_paths, false, &to->filters.p, &to->filters.n);
    if (!v.reason && from->session_persistence)
        v = rules_not_served(a, path, ".sessionPersistence", FEATURE_SESSION);
    to->name = from->name;
    if (!from->backend_refs.n) rules_answer_500(a, path, to);
    return v;
}

void grpc_rules_resolve(struct pass *p, const struct grpc_route *route, struct rules *ret) {
    *ret = (struct rules){.good = arena_array(p->scratch, struct plan_rule, route->spec.rules.n)};
    for (uint32_t i = 0; i < route->spec.rules.n; i++) {
        struct plan_rule one = {.index = i};
        str path = arena_printf(p->scratch, "spec.rules[%u]", i);
        struct verdict v = map_rule(p, (const void *)route, path, &route->spec.rules.p[i], &one, ret);
        rules_sort(p->scratch, ret, i, &one, v);
    }
}
