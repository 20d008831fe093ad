/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/rule_traffic.h"

#include "resolve/backends.h"

static struct verdict missing(const struct filter_mapping *m, const char *member) {
    return resolver_refuse(m->a, "UnsupportedValue", STR_FMT ": %s is missing; add it", STR_ARG(m->path),
                           member);
}

static struct verdict judge_backend(const struct filter_mapping *m, const char *field,
                                    const struct backend_object_ref *ref, bool grpc, str *ret_key) {
    str where = arena_printf(m->a, STR_FMT "%s", STR_ARG(m->path), field);
    return backends_judge(m->p, m->route->obj.kind, m->route->obj.meta.ns, grpc, ref, where, ret_key);
}

struct verdict rule_traffic_mirror(const struct filter_mapping *m, struct plan_filter *to) {
    const struct request_mirror *from = m->from->request_mirror;
    const struct facts *facts = m->p->facts;
    if (!from) return missing(m, "requestMirror");
    if (!features_served(facts, FEATURE_MIRROR)) return rule_filters_not_served(m, FEATURE_MIRROR);
    if (m->mirrors && !features_served(facts, FEATURE_MIRRORS))
        return rule_filters_not_served(m, FEATURE_MIRRORS);
    if ((from->percent.set || from->fraction) && !features_served(facts, FEATURE_MIRROR_PERCENT))
        return rule_filters_not_served(m, FEATURE_MIRROR_PERCENT);
    struct plan_mirror *mirror = arena_make(m->a, struct plan_mirror);
    mirror->numerator = from->fraction      ? from->fraction->numerator
                        : from->percent.set ? from->percent.v
                                            : 100;
    mirror->denominator = from->fraction ? from->fraction->denominator : 100;
    bool grpc = m->route->obj.kind == KIND_GRPC_ROUTE;
    struct verdict bad =
        judge_backend(m, ".requestMirror.backendRef", &from->backend_ref, grpc, &mirror->backend);
    if (bad.reason) return (struct verdict){0};
    to->type = PLAN_FILTER_MIRROR;
    to->mirror = mirror;
    return (struct verdict){0};
}

struct verdict rule_traffic_cors(const struct filter_mapping *m, struct plan_filter *to) {
    const struct cors *from = m->from->cors;
    if (!from) return missing(m, "cors");
    if (!features_served(m->p->facts, FEATURE_CORS)) return rule_filters_not_served(m, FEATURE_CORS);
    struct plan_cors *cors = arena_make(m->a, struct plan_cors);
    *cors = (struct plan_cors){.methods = {from->allow_methods.p, from->allow_methods.n},
                               .headers = {from->allow_headers.p, from->allow_headers.n},
                               .expose = {from->expose_headers.p, from->expose_headers.n},
                               .credentials = from->allow_credentials.set && from->allow_credentials.v,
                               .max_age_s = from->max_age};
    cors->origins.n = from->allow_origins.n;
    cors->origins.p = arena_array(m->a, str, from->allow_origins.n);
    for (uint32_t i = 0; i < from->allow_origins.n; i++)
        cors->origins.p[i] = resolver_lower(m->a, from->allow_origins.p[i]);
    to->type = PLAN_FILTER_CORS;
    to->cors = cors;
    return (struct verdict){0};
}

static str *lower_all(struct arena *a, const str *from, uint32_t n) {
    str *to = arena_array(a, str, n);
    for (uint32_t i = 0; i < n; i++) to[i] = resolver_lower(a, from[i]);
    return to;
}

/* What is put before a path must not change where the rest leads.                       [GW HTTPAuthConfig.path] */
static struct verdict map_path(const struct filter_mapping *m, str path, struct plan_auth *to) {
    while (str_ends(path, S("/"))) path.n--;
    if (path.n && *path.p != '/') path = arena_printf(m->a, "/" STR_FMT, STR_ARG(path));
    to->path = path.n ? path : S("");
    for (str rest = str_from(to->path, to->path.n ? 1 : 0), part; rest.n;) {
        part = str_cut(&rest, '/');
        if (part.n && !str_eq(part, S(".")) && !str_eq(part, S(".."))) continue;
        return resolver_refuse(m->a, "UnsupportedValue",
                               STR_FMT ".externalAuth.http.path: has an empty or a dot segment; remove it",
                               STR_ARG(m->path));
    }
    return (struct verdict){0};
}

static struct verdict map_http(const struct filter_mapping *m, const struct external_auth_http *from,
                               struct plan_auth *to) {
    if (!from) return (struct verdict){0};
    for (uint32_t i = 0; i < from->allowed_response_headers.n; i++)
        if (rule_filters_reserved(from->allowed_response_headers.p[i]))
            return resolver_refuse(m->a, "UnsupportedValue",
                                   STR_FMT
                                   ".externalAuth.http.allowedResponseHeaders[%u]: the header " STR_FMT
                                   " is the gateway's own; leave it out",
                                   STR_ARG(m->path), i, STR_ARG(from->allowed_response_headers.p[i]));
    to->request_headers.n = from->allowed_headers.n;
    to->request_headers.p = lower_all(m->a, from->allowed_headers.p, from->allowed_headers.n);
    to->response_headers.n = from->allowed_response_headers.n;
    to->response_headers.p =
        lower_all(m->a, from->allowed_response_headers.p, from->allowed_response_headers.n);
    return map_path(m, from->path, to);
}

static struct verdict judge_auth_features(const struct filter_mapping *m, const struct external_auth *from,
                                          bool grpc, int64_t body) {
    const struct facts *facts = m->p->facts;
    if (!features_served(facts, FEATURE_EXTERNAL_AUTH))
        return rule_filters_not_served(m, FEATURE_EXTERNAL_AUTH);
    if (grpc && !features_served(facts, FEATURE_EXTERNAL_AUTH_GRPC))
        return rule_filters_not_served(m, FEATURE_EXTERNAL_AUTH_GRPC);
    if (body && !features_served(facts, FEATURE_EXTERNAL_AUTH_BODY))
        return rule_filters_not_served(m, FEATURE_EXTERNAL_AUTH_BODY);
    if (!from->protocol)
        return resolver_refuse(m->a, "UnsupportedValue",
                               STR_FMT ".externalAuth.protocol: is missing or unknown; name HTTP or GRPC",
                               STR_ARG(m->path));
    return (struct verdict){0};
}

struct verdict rule_traffic_auth(const struct filter_mapping *m, struct plan_filter *to) {
    enum { HTTP = 1, GRPC }; /* the order of the field's values */
    const struct external_auth *from = m->from->external_auth;
    if (!from) return missing(m, "externalAuth");
    bool grpc = from->protocol == GRPC;
    int64_t body =
        from->forward_body && from->forward_body->max_size.set ? from->forward_body->max_size.v : 0;
    struct verdict v = judge_auth_features(m, from, grpc, body);
    if (v.reason) return v;
    struct plan_auth *auth = arena_make(m->a, struct plan_auth);
    *auth = (struct plan_auth){.protocol = grpc ? PLAN_AUTH_GRPC : PLAN_AUTH_HTTP, .body_bytes_max = body};
    struct verdict bad =
        judge_backend(m, ".externalAuth.backendRef", &from->backend_ref, grpc, &auth->backend);
    if (bad.reason) auth->backend = S(""), auth->why = bad.message;
    if (grpc && from->grpc) {
        auth->request_headers.n = from->grpc->allowed_headers.n;
        auth->request_headers.p =
            lower_all(m->a, from->grpc->allowed_headers.p, from->grpc->allowed_headers.n);
    }
    to->type = PLAN_FILTER_AUTH;
    to->auth = auth;
    return grpc ? v : map_http(m, from->http, auth);
}
