/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/rules.h"

#include "resolve/backends.h"
#include "resolve/features.h"
#include "resolve/grpc_rules.h"
#include "resolve/l4_rules.h"
#include "resolve/rule_filters.h"
#include "resolve/rule_session.h"
#include "text/regex.h"

static const char *const methods[] = {"",       "GET",     "HEAD",    "POST",  "PUT",
                                      "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};

struct verdict rules_not_served(struct arena *a, str path, const char *field, enum feature f) {
    return resolver_refuse(
        a, "UnsupportedValue", STR_FMT "%s: " STR_FMT " %s not served by this version; " STR_FMT,
        STR_ARG(path), field, STR_ARG(features_what(f)),
        f == FEATURE_RETRY || f == FEATURE_RETRY_BACKOFF || f == FEATURE_SESSION ? "is" : "are",
        STR_ARG(features_remedy(f)));
}

/* What one route's expressions may take in memory once they are compiled. */
enum { REGEX_KIB_MAX = 1024 };

struct verdict rules_check_regex(struct pass *p, str path, const char *field, str expression) {
    struct arena *a = p->scratch;
    struct regex *r = NULL;
    str message = {0};
    if (regex_new_whole(a, expression, &r, &message) != OK)
        return resolver_refuse(a, "UnsupportedValue",
                               STR_FMT "%s: \"" STR_FMT "\" is no regular expression: " STR_FMT
                                       "; correct it",
                               STR_ARG(path), field, STR_ARG(str_upto(expression, 100)), STR_ARG(message));
    p->regex_bytes += regex_bytes(r);
    regex_free(r);
    if (p->regex_bytes > REGEX_KIB_MAX << 10)
        return resolver_refuse(a, "UnsupportedValue",
                               STR_FMT "%s: with it the route's regular expressions take more than %d kB of "
                                       "memory; write shorter repetitions, or split the route",
                               STR_ARG(path), field, REGEX_KIB_MAX);
    return (struct verdict){0};
}

static struct verdict map_path(struct pass *p, str path, const struct path_match *from,
                               struct plan_match *to) {
    switch ((enum path_match_type)from->type) {
    case PATH_REGEX:
        if (!features_served(p->facts, FEATURE_PATH_REGEX))
            return rules_not_served(p->scratch, path, ".path.type", FEATURE_PATH_REGEX);
        to->path_type = PLAN_PATH_REGEX;
        to->path = from->value;
        return rules_check_regex(p, path, ".path.value", from->value);
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
struct verdict rules_map_values(struct pass *p, str path, const char *field, const struct value_match *from,
                                uint32_t n, bool headers, struct plan_value_match **ret, uint32_t *ret_n) {
    struct arena *a = p->scratch;
    enum feature f = headers ? FEATURE_HEADER_REGEX : FEATURE_QUERY_REGEX;
    *ret = n ? arena_array(a, struct plan_value_match, n) : NULL;
    *ret_n = 0;
    for (uint32_t i = 0; i < n; i++) {
        bool regex = from[i].type == VALUE_REGEX, known = false;
        struct verdict v = {0};
        if (regex) {
            str at = arena_printf(a, STR_FMT ".%s[%u]", STR_ARG(path), field, i);
            v = features_served(p->facts, f) ? rules_check_regex(p, at, ".value", from[i].value)
                                             : rules_not_served(a, at, ".type", f);
        }
        if (v.reason) return v;
        str name = headers ? resolver_lower(a, from[i].name) : from[i].name;
        for (uint32_t k = 0; k < *ret_n; k++) known |= str_eq((*ret)[k].name, name);
        if (!known)
            (*ret)[(*ret_n)++] =
                (struct plan_value_match){regex ? PLAN_VALUE_REGEX : PLAN_VALUE_EXACT, name, from[i].value};
    }
    return (struct verdict){0};
}

static struct verdict map_match(struct pass *p, str path, const struct http_route_match *from,
                                struct plan_match *to) {
    struct verdict v = map_path(p, path, &from->path, to);
    to->method = str_of(methods[from->method < COUNT_OF(methods) ? from->method : 0]);
    if (!v.reason)
        v = rules_map_values(p, path, "headers", from->headers.p, from->headers.n, true, &to->headers.p,
                             &to->headers.n);
    if (!v.reason)
        v = rules_map_values(p, path, "queryParams", from->query_params.p, from->query_params.n, false,
                             &to->query.p, &to->query.n);
    return v;
}

static struct verdict map_matches(struct pass *p, str path, const struct http_route_rule *from,
                                  struct plan_rule *to) {
    uint32_t n = from->matches.n ? from->matches.n : 1;
    static const struct http_route_match everything = {0};
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
    bool grpc = route->obj.kind == KIND_GRPC_ROUTE;
    struct verdict v = backends_judge(p, route->obj.kind, route->obj.meta.ns, grpc, ref, where, &t->backend);
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
            rule_filters_map(p, route, ARENA_JOIN(p->scratch, where, S(".filters")), ref->filters.p,
                             ref->filters.n, from, true, &t->filters.p, &t->filters.n);
        rules_judge_filters(p, route, where, ref->filters.p, ref->filters.n, out);
        if (!bad.reason) bad = v;
    }
    return bad;
}

void rules_judge_filters(struct pass *p, const struct route *route, str path,
                         const struct http_route_filter *filters, uint32_t n, struct rules *out) {
    enum { GRPC = 2 }; /* of ExternalAuth's protocols */
    for (uint32_t i = 0; i < n; i++) {
        const struct external_auth *auth = filters[i].external_auth;
        if (!filters[i].request_mirror && !auth) continue;
        str key, where = arena_printf(p->scratch, STR_FMT ".filters[%u].%s.backendRef", STR_ARG(path), i,
                                      auth ? "externalAuth" : "requestMirror");
        bool grpc = auth ? auth->protocol == GRPC : route->obj.kind == KIND_GRPC_ROUTE;
        note_refs(out, backends_judge(p, route->obj.kind, route->obj.meta.ns, grpc,
                                      auth ? &auth->backend_ref : &filters[i].request_mirror->backend_ref,
                                      where, &key));
    }
}

void rules_answer_500(struct arena *a, str path, struct plan_rule *to) {
    to->targets.p[to->targets.n++] = (struct plan_target){
        .weight = 1, .answer = 500, .why = arena_printf(a, STR_FMT " has no backendRefs", STR_ARG(path))};
}

bool rules_guarded(const struct http_route_filter *filters, uint32_t n, const struct http_backend_ref *refs,
                   uint32_t refs_n) {
    bool guarded = rule_filters_guard(filters, n);
    for (uint32_t i = 0; i < refs_n; i++) guarded |= rule_filters_guard(refs[i].filters.p, refs[i].filters.n);
    return guarded;
}

static void add_number(struct arena *a, str *list, uint32_t i) {
    *list = list->n ? arena_printf(a, STR_FMT ", %u", STR_ARG(*list), i) : arena_printf(a, "%u", i);
}

/* What is left of a rule that may not be served and may not be passed by. */
static void close_rule(struct arena *a, struct plan_rule *r, struct verdict v) {
    struct plan_target *t = arena_make(a, struct plan_target);
    *t = (struct plan_target){.weight = 1, .answer = 500, .why = v.message};
    r->targets.p = t, r->targets.n = 1;
    r->filters.n = 0;
    r->retry = NULL;
}

void rules_sort(struct arena *a, struct rules *out, uint32_t i, struct plan_rule *rule, struct verdict v,
                bool close) {
    if (v.reason) {
        if (!out->bad_n++) out->bad = v;
        add_number(a, &out->bad_rules, i);
        if (!close) return;
        out->closed_n++;
        add_number(a, &out->closed_rules, i);
        close_rule(a, rule, v);
    }
    out->good[out->good_n++] = *rule;
}

static struct verdict map_retry(struct pass *p, str path, const struct http_route_retry *from,
                                struct plan_rule *to) {
    if (!from) return (struct verdict){0};
    if (!features_served(p->facts, FEATURE_RETRY))
        return rules_not_served(p->scratch, path, ".retry", FEATURE_RETRY);
    if (from->backoff.set && !features_served(p->facts, FEATURE_RETRY_BACKOFF))
        return rules_not_served(p->scratch, path, ".retry.backoff", FEATURE_RETRY_BACKOFF);
    to->retry = arena_make(p->scratch, struct plan_retry);
    *to->retry = (struct plan_retry){.codes = {from->codes.p, from->codes.n},
                                     .attempts = from->attempts.set ? from->attempts.v : 1,
                                     .backoff = from->backoff};
    return (struct verdict){0};
}

/* All but matches and backends. */
static struct verdict map_traffic(struct pass *p, const struct route *route, str path,
                                  const struct http_route_rule *from, struct plan_rule *to) {
    struct verdict v =
        rule_filters_map(p, route, ARENA_JOIN(p->scratch, path, S(".filters")), from->filters.p,
                         from->filters.n, from, false, &to->filters.p, &to->filters.n);
    if (!v.reason) v = map_retry(p, path, from->retry, to);
    if (!v.reason) v = rule_session_apply(p, path, from->session_persistence, to);
    if (from->timeouts) {
        to->request_timeout = from->timeouts->request;
        to->backend_timeout = from->timeouts->backend_request;
    }
    return v;
}

/* *ret_close: see rules_sort(). */
static struct verdict map_rule(struct pass *p, const struct route *route, str path,
                               const struct http_route_rule *from, struct plan_rule *to, struct rules *out,
                               bool *ret_close) {
    struct verdict targets =
        rules_map_targets(p, route, path, from->backend_refs.p, from->backend_refs.n, from, to, out);
    rules_judge_filters(p, route, path, from->filters.p, from->filters.n, out);
    struct verdict v = map_matches(p, path, from, to);
    *ret_close = !v.reason &&
                 rules_guarded(from->filters.p, from->filters.n, from->backend_refs.p, from->backend_refs.n);
    to->name = from->name;
    if (!v.reason) v = targets;
    if (!v.reason) v = map_traffic(p, route, path, from, to);
    if (!v.reason && !from->backend_refs.n && !answers(to)) rules_answer_500(p->scratch, path, to);
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
        bool close = false;
        struct verdict v = map_rule(p, (const void *)route, path, from, &one, ret, &close);
        rules_sort(p->scratch, ret, i, &one, v, close);
    }
}

void rules_resolve(struct pass *p, const struct route *route, struct rules *ret) {
    p->regex_bytes = 0;
    if (route->obj.kind == KIND_HTTP_ROUTE)
        resolve_http(p, (const void *)route, ret);
    else if (route->obj.kind == KIND_GRPC_ROUTE)
        grpc_rules_resolve(p, (const void *)route, ret);
    else
        l4_rules_resolve(p, (const void *)route, ret);
}
