/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/rules.h"

#include "resolve/backends.h"
#include "resolve/features.h"
#include "resolve/grpc_rules.h"
#include "resolve/l4_rules.h"
#include "resolve/rule_filters.h"

static const char *const methods[] = {"",       "GET",     "HEAD",    "POST",  "PUT",
                                      "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};

struct verdict rules_not_served(struct arena *a, str path, const char *field, enum feature f) {
    return resolver_refuse(
        a, "UnsupportedValue", STR_FMT "%s: " STR_FMT " %s not served by this version; " STR_FMT,
        STR_ARG(path), field, STR_ARG(features_what(f)),
        f == FEATURE_RETRY || f == FEATURE_SESSION ? "is" : "are", STR_ARG(features_remedy(f)));
}

static struct verdict map_path(struct arena *a, str path, const struct path_match *from,
                               struct plan_match *to) {
    switch ((enum path_match_type)from->type) {
    case PATH_REGEX: return rules_not_served(a, path, ".path.type", FEATURE_PATH_REGEX);
    case PATH_EXACT:
        to->path_type = PLAN_PATH_EXACT;
        to->path = from->value.n ? from->value : S("/");
        break;
    case PATH_UNSET:
    case PATH_PREFIX:
        to->path_type = PLAN_PATH_PREFIX;
        to->path = from->value.p ? from->value : S("");
        if (str_ends(to->path, S("/"))) to->path.n--;
        break;
    }
    return (struct verdict){0};
}

/* The first entry of a name counts; names of headers do not depend on case.        [GW HTTPHeaderMatch.name] */
struct verdict rules_map_values(struct arena *a, str path, const char *field, const struct value_match *from,
                                uint32_t n, bool headers, struct plan_value_match **ret, uint32_t *ret_n) {
    *ret = n ? arena_array(a, struct plan_value_match, n) : NULL;
    *ret_n = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (from[i].type == VALUE_REGEX)
            return rules_not_served(a, arena_printf(a, STR_FMT ".%s[%u]", STR_ARG(path), field, i), ".type",
                                    headers ? FEATURE_HEADER_REGEX : FEATURE_QUERY_REGEX);
        str name = headers ? resolver_lower(a, from[i].name) : from[i].name;
        bool known = false;
        for (uint32_t k = 0; k < *ret_n; k++) known |= str_eq((*ret)[k].name, name);
        if (!known) (*ret)[(*ret_n)++] = (struct plan_value_match){PLAN_VALUE_EXACT, name, from[i].value};
    }
    return (struct verdict){0};
}

static struct verdict map_match(struct arena *a, str path, const struct http_route_match *from,
                                struct plan_match *to) {
    struct verdict v = map_path(a, path, &from->path, to);
    to->method = str_of(methods[from->method < COUNT_OF(methods) ? from->method : 0]);
    if (!v.reason)
        v = rules_map_values(a, path, "headers", from->headers.p, from->headers.n, true, &to->headers.p,
                             &to->headers.n);
    if (!v.reason)
        v = rules_map_values(a, path, "queryParams", from->query_params.p, from->query_params.n, false,
                             &to->query.p, &to->query.n);
    return v;
}

static struct verdict map_matches(struct arena *a, str path, const struct http_route_rule *from,
                                  struct plan_rule *to) {
    uint32_t n = from->matches.n ? from->matches.n : 1;
    static const struct http_route_match everything = {0};
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

static bool answers(const struct plan_rule *r) {
    for (uint32_t i = 0; i < r->filters.n; i++)
        if (r->filters.p[i].type == PLAN_FILTER_REDIRECT) return true;
    return false;
}

static void note_refs(struct rules *out, struct verdict v) {
    if (v.reason && !out->refs.reason) out->refs = v;
}

struct plan_target *rules_add_target(struct pass *p, const struct route *route, str where,
                                     const struct backend_object_ref *ref, int64_t weight,
                                     struct plan_rule *to, struct rules *out) {
    struct plan_target *t = &to->targets.p[to->targets.n++];
    struct verdict v = backends_judge(p, route->obj.kind, route->obj.meta.ns, ref, where, &t->backend);
    note_refs(out, v);
    t->weight = weight;
    if (v.reason) t->answer = 500, t->why = v.message;
    return t;
}

/* The backends a rule names are judged whether or not the rule itself can be served. */
struct verdict rules_map_targets(struct pass *p, const struct route *route, str path,
                                 const struct http_backend_ref *refs, uint32_t n,
                                 const struct http_route_rule *from, struct plan_rule *to,
                                 struct rules *out) {
    struct verdict bad = {0};
    to->targets.p = arena_array(p->scratch, struct plan_target, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        const struct http_backend_ref *ref = &refs[i];
        str where = arena_printf(p->scratch, STR_FMT ".backendRefs[%u]", STR_ARG(path), i);
        struct plan_target *t = rules_add_target(p, route, where, &ref->ref, ref->weight, to, out);
        struct verdict v =
            rule_filters_map(p, arena_printf(p->scratch, STR_FMT ".filters", STR_ARG(where)), ref->filters.p,
                             ref->filters.n, from, true, &t->filters.p, &t->filters.n);
        if (!bad.reason) bad = v;
    }
    return bad;
}

void rules_judge_mirrors(struct pass *p, const struct route *route, str path,
                         const struct http_route_filter *filters, uint32_t n, struct rules *out) {
    for (uint32_t i = 0; i < n; i++) {
        if (!filters[i].request_mirror) continue;
        str key, where = arena_printf(p->scratch, STR_FMT ".filters[%u].requestMirror.backendRef",
                                      STR_ARG(path), i);
        note_refs(out, backends_judge(p, route->obj.kind, route->obj.meta.ns,
                                      &filters[i].request_mirror->backend_ref, where, &key));
    }
}

void rules_answer_500(struct arena *a, str path, struct plan_rule *to) {
    to->targets.p[to->targets.n++] = (struct plan_target){
        .weight = 1, .answer = 500, .why = arena_printf(a, STR_FMT " has no backendRefs", STR_ARG(path))};
}

void rules_sort(struct arena *a, struct rules *out, uint32_t i, const struct plan_rule *rule,
                struct verdict v) {
    if (!v.reason) {
        out->good[out->good_n++] = *rule;
        return;
    }
    if (!out->bad_n++) out->bad = v;
    out->bad_rules = out->bad_rules.n ? arena_printf(a, STR_FMT ", %u", STR_ARG(out->bad_rules), i)
                                      : arena_printf(a, "%u", i);
}

static struct verdict map_rule(struct pass *p, const struct route *route, str path,
                               const struct http_route_rule *from, struct plan_rule *to, struct rules *out) {
    struct arena *a = p->scratch;
    struct verdict v =
        rules_map_targets(p, route, path, from->backend_refs.p, from->backend_refs.n, from, to, out);
    rules_judge_mirrors(p, route, path, from->filters.p, from->filters.n, out);
    if (!v.reason) v = map_matches(a, path, from, to);
    if (!v.reason)
        v = rule_filters_map(p, arena_printf(a, STR_FMT ".filters", STR_ARG(path)), from->filters.p,
                             from->filters.n, from, false, &to->filters.p, &to->filters.n);
    if (!v.reason && from->retry) v = rules_not_served(a, path, ".retry", FEATURE_RETRY);
    if (!v.reason && from->session_persistence)
        v = rules_not_served(a, path, ".sessionPersistence", FEATURE_SESSION);
    if (v.reason) return v;
    to->name = from->name;
    if (from->timeouts) {
        to->request_timeout = from->timeouts->request;
        to->backend_timeout = from->timeouts->backend_request;
    }
    if (!from->backend_refs.n && !answers(to)) rules_answer_500(a, path, to);
    return v;
}

/* A header modifier on a rule or a backend, or whatever else is not served, drops that rule and no other. */
static void resolve_http(struct pass *p, const struct http_route *route, struct rules *ret) {
    static const struct http_route_rule implied = {0}; /* [GW HTTPRouteSpec.rules] */
    uint32_t n = route->spec.rules.n ? route->spec.rules.n : 1;
    *ret = (struct rules){.good = arena_array(p->scratch, struct plan_rule, n)};
    for (uint32_t i = 0; i < n; i++) {
        const struct http_route_rule *from = route->spec.rules.n ? &route->spec.rules.p[i] : &implied;
        struct plan_rule one = {.index = i};
        str path = arena_printf(p->scratch, "spec.rules[%u]", i);
        struct verdict v = map_rule(p, (const void *)route, path, from, &one, ret);
        rules_sort(p->scratch, ret, i, &one, v);
    }
}

void rules_resolve(struct pass *p, const struct route *route, struct rules *ret) {
    if (route->obj.kind == KIND_HTTP_ROUTE)
        resolve_http(p, (const void *)route, ret);
    else if (route->obj.kind == KIND_GRPC_ROUTE)
        grpc_rules_resolve(p, (const void *)route, ret);
    else
        l4_rules_resolve(p, (const void *)route, ret);
}
