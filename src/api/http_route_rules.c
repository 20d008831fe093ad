/* SPDX-License-Identifier: Apache-2.0 */
#include "api/http_route_rules.h"

#include "api/pattern.h"
#include "api/reference_schema.h"
#include "schema/breach.h"

enum { MATCHES_MAX = 128 };

/* [GW HTTPPathMatch] What is no normal path would never match one: requests are normalised first. */
void http_route_rules_path(struct schema_check *c, const void *obj) {
    static const char *const banned[] = {"//", "/./", "/../", "%2f", "%2F", "#"};
    const struct path_match *m = obj;
    if (m->type == PATH_REGEX) return;
    if (!str_starts(m->value, S("/"))) {
        breach(c, S("value"), S("put a / in front"), "\"" STR_FMT "\" must begin with /",
               STR_ARG(str_upto(m->value, 100)));
        return;
    }
    for (size_t i = 0; i < COUNT_OF(banned); i++)
        if (memmem(m->value.p, m->value.n, banned[i], strlen(banned[i]))) {
            breach(c, S("value"), (str){0}, "must not contain %s", banned[i]);
            return;
        }
    if (str_ends(m->value, S("/..")) || str_ends(m->value, S("/.")))
        breach(c, S("value"), (str){0}, "must not end with /. or /..");
    else if (!pattern_path.holds(m->value))
        breach(c, S("value"), S("write other characters as %XX"), "invalid value \"" STR_FMT "\": %s",
               STR_ARG(str_upto(m->value, 100)), pattern_path.says);
}

void http_route_rules_modifier(struct schema_check *c, const void *obj) {
    const struct path_modifier *m = obj;
    bool full = m->type == MODIFIER_FULL_PATH, prefix = m->type == MODIFIER_PREFIX_MATCH;
    if (full && !m->replace_full_path.p)
        breach(c, S("replaceFullPath"), (str){0}, "is required when type is ReplaceFullPath");
    if (!full && m->replace_full_path.p)
        breach(c, S("replaceFullPath"), S("remove it"), "is only for type ReplaceFullPath");
    if (prefix && !m->replace_prefix_match.p)
        breach(c, S("replacePrefixMatch"), (str){0}, "is required when type is ReplacePrefixMatch");
    if (!prefix && m->replace_prefix_match.p)
        breach(c, S("replacePrefixMatch"), S("remove it"), "is only for type ReplacePrefixMatch");
}

void http_route_rules_fraction(struct schema_check *c, const void *obj) {
    const struct fraction *f = obj;
    if (f->numerator > f->denominator)
        breach(c, S("numerator"), (str){0}, "must not be greater than the denominator (%lld)",
               (long long)f->denominator);
}

void http_route_rules_mirror(struct schema_check *c, const void *obj) {
    const struct request_mirror *m = obj;
    if (m->percent.set && m->fraction)
        breach(c, S("fraction"), S("remove one of them"), "percent and fraction exclude each other");
}

void http_route_rules_cors(struct schema_check *c, const void *obj) {
    const struct cors *x = obj;
    const struct {
        const char *name;
        const str *p;
        uint32_t n;
    } lists[] = {{"allowOrigins", x->allow_origins.p, x->allow_origins.n},
                 {"allowMethods", x->allow_methods.p, x->allow_methods.n},
                 {"allowHeaders", x->allow_headers.p, x->allow_headers.n}};
    for (size_t k = 0; k < COUNT_OF(lists); k++)
        for (uint32_t i = 0; i < lists[k].n; i++)
            if (lists[k].n > 1 && str_eq(lists[k].p[i], S("*")))
                breach(c, breach_at(c, "%s[%u]", lists[k].name, i), S("leave * alone, or name all values"),
                       "* must not stand beside other values");
}

void http_route_rules_filter(struct schema_check *c, const void *obj) {
    static const char *const members[] = {"requestHeaderModifier",
                                          "responseHeaderModifier",
                                          "requestMirror",
                                          "extensionRef",
                                          "requestRedirect",
                                          "urlRewrite",
                                          "cors",
                                          "externalAuth"};
    const struct http_route_filter *f = obj;
    const void *const given[] = {f->request_header_modifier,
                                 f->response_header_modifier,
                                 f->request_mirror,
                                 f->extension_ref,
                                 f->request_redirect,
                                 f->url_rewrite,
                                 f->cors,
                                 f->external_auth};
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        bool wanted = f->type == i + 1;
        str at = str_of(members[i]);
        if (wanted && !given[i])
            breach(c, at, (str){0}, "is required when type is %s", http_route_filter_types[i]);
        if (!wanted && given[i])
            breach(c, at, S("remove it"), "is only for type %s", http_route_filter_types[i]);
    }
}

void http_route_rules_filters(struct schema_check *c, const struct http_route_filter *p, uint32_t n) {
    static const uint8_t once[] = {FILTER_REQUEST_HEADER_MODIFIER, FILTER_RESPONSE_HEADER_MODIFIER,
                                   FILTER_REQUEST_REDIRECT, FILTER_URL_REWRITE, FILTER_CORS};
    uint32_t seen[FILTER_EXTERNAL_AUTH + 1] = {0}; /* 1 + index of the first */
    for (uint32_t i = 0; i < n; i++) {
        if (!seen[p[i].type])
            seen[p[i].type] = i + 1;
        else if (memchr(once, p[i].type, sizeof once))
            breach(c, breach_at(c, "filters[%u]", i), S("join them"),
                   "%s cannot be repeated; filters[%u] is one already",
                   http_route_filter_types[p[i].type - 1], seen[p[i].type] - 1);
    }
    uint32_t redirect = seen[FILTER_REQUEST_REDIRECT], rewrite = seen[FILTER_URL_REWRITE];
    if (redirect && rewrite)
        breach(c, breach_at(c, "filters[%u]", (redirect > rewrite ? redirect : rewrite) - 1),
               S("remove one of them"), "RequestRedirect and URLRewrite exclude each other");
}

void http_route_rules_backend(struct schema_check *c, const void *obj) {
    const struct http_backend_ref *b = obj;
    reference_schema_check_port(c, &b->ref);
    http_route_rules_filters(c, b->filters.p, b->filters.n);
}

void http_route_rules_timeouts(struct schema_check *c, const void *obj) {
    const struct http_route_timeouts *t = obj;
    if (t->request.set && t->request.v && t->backend_request.set && t->backend_request.v > t->request.v)
        breach(c, S("backendRequest"), (str){0}, "must not be longer than request");
}

void http_route_rules_session(struct schema_check *c, const void *obj) {
    const struct session_persistence *s = obj;
    if (s->cookie && s->cookie->lifetime_type == LIFETIME_PERMANENT && !s->absolute_timeout.set)
        breach(c, S("absoluteTimeout"), (str){0}, "is required when the cookie's lifetimeType is Permanent");
    if (s->type == SESSION_COOKIE && !s->cookie)
        breach(c, S("cookie"), S("give \"cookie: {}\" at least"), "is required when type is Cookie");
    if (s->type != SESSION_COOKIE && s->cookie)
        breach(c, S("cookie"), S("remove it"), "is only for type Cookie");
    if (s->type == SESSION_HEADER && !s->header)
        breach(c, S("header"), (str){0}, "is required when type is Header");
    if (s->type != SESSION_HEADER && s->header)
        breach(c, S("header"), S("remove it"), "is only for type Header");
}

static bool replaces_prefix(const struct http_route_filter *f) {
    const struct path_modifier *m = f->request_redirect ? f->request_redirect->path
                                    : f->url_rewrite    ? f->url_rewrite->path
                                                        : NULL;
    return m && m->type == MODIFIER_PREFIX_MATCH;
}

static void check_prefix(struct schema_check *c, str filter_path, const struct http_route_filter *f) {
    if (!replaces_prefix(f)) return;
    const char *member = f->request_redirect ? "requestRedirect" : "urlRewrite";
    breach(c, breach_at(c, STR_FMT ".%s.path", STR_ARG(filter_path), member),
           S("use ReplaceFullPath, or one match of type PathPrefix"),
           "ReplacePrefixMatch needs exactly one match, of type PathPrefix");
}

void http_route_rules_rule(struct schema_check *c, const void *obj) {
    const struct http_route_rule *r = obj;
    http_route_rules_filters(c, r->filters.p, r->filters.n);
    for (uint32_t i = 0; i < r->filters.n && r->backend_refs.n; i++)
        if (r->filters.p[i].request_redirect)
            breach(c, breach_at(c, "filters[%u].requestRedirect", i), S("remove it or the backendRefs"),
                   "must not be used together with backendRefs");
    if (r->matches.n == 1 && r->matches.p[0].path.type == PATH_PREFIX) return;
    for (uint32_t i = 0; i < r->filters.n; i++)
        check_prefix(c, breach_at(c, "filters[%u]", i), &r->filters.p[i]);
    for (uint32_t k = 0; k < r->backend_refs.n; k++)
        for (uint32_t i = 0; i < r->backend_refs.p[k].filters.n; i++)
            check_prefix(c, breach_at(c, "backendRefs[%u].filters[%u]", k, i),
                         &r->backend_refs.p[k].filters.p[i]);
}

void http_route_rules_spec(struct schema_check *c, const void *obj) {
    const struct http_route *r = obj;
    uint32_t matches = 0;
    reference_schema_check_parents(c, r->spec.parent_refs.p, r->spec.parent_refs.n);
    for (uint32_t i = 0; i < r->spec.rules.n; i++) {
        matches += r->spec.rules.p[i].matches.n;
        str name = r->spec.rules.p[i].name;
        for (uint32_t j = 0; name.p && j < i; j++)
            if (str_eq(name, r->spec.rules.p[j].name))
                breach(c, breach_at(c, "rules[%u].name", i), (str){0},
                       "the same as of rules[%u]; names must be unique", j);
    }
    if (matches > MATCHES_MAX)
        breach(c, S("rules"), S("split the route"), "%u matches in all rules; at most %d are allowed",
               matches, MATCHES_MAX);
}
