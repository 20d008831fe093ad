/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/rule_filters.h"

#include "resolve/rule_traffic.h"

/* Framing, routing and the connection are the gateway's own: no filter may write them. [RFC 9110 7.6.1] [RFC 9112 6] */
static const char *const reserved_fields[] = {
    "host",    "connection",        "keep-alive", "proxy-connection", "te",
    "trailer", "transfer-encoding", "upgrade",    "http2-settings",   "content-length",
};

struct verdict rule_filters_not_served(const struct filter_mapping *m, enum feature f) {
    return resolver_refuse(m->a, "UnsupportedValue",
                           STR_FMT ": " STR_FMT " is not served by this version; " STR_FMT, STR_ARG(m->path),
                           STR_ARG(features_what(f)), STR_ARG(features_remedy(f)));
}

bool rule_filters_reserved(str name) {
    for (size_t i = 0; i < COUNT_OF(reserved_fields); i++)
        if (str_ieq(name, str_of(reserved_fields[i]))) return true;
    return false;
}

/* One action a name: names is the list of those that had theirs. */
static struct verdict check_name(const struct filter_mapping *m, str name, str *names, uint32_t *n) {
    if (rule_filters_reserved(name))
        return resolver_refuse(
            m->a, "UnsupportedValue", STR_FMT ": the header " STR_FMT " is the gateway's own; %s",
            STR_ARG(m->path), STR_ARG(name),
            str_ieq(name, S("host")) ? "use a URLRewrite filter with hostname" : "leave it out");
    for (uint32_t i = 0; i < *n; i++)
        if (str_ieq(names[i], name))
            return resolver_refuse(m->a, "UnsupportedValue",
                                   STR_FMT ": the header " STR_FMT " has two actions; leave one",
                                   STR_ARG(m->path), STR_ARG(name));
    names[(*n)++] = name;
    return (struct verdict){0};
}

static struct verdict map_headers(const struct filter_mapping *m, const struct http_header *from, uint32_t n,
                                  str *names, uint32_t *names_n, struct plan_header **ret) {
    *ret = arena_array(m->a, struct plan_header, n);
    for (uint32_t i = 0; i < n; i++) {
        struct verdict v = check_name(m, from[i].name, names, names_n);
        if (v.reason) return v;
        (*ret)[i] = (struct plan_header){from[i].name, from[i].value};
    }
    return (struct verdict){0};
}

static struct verdict map_modifier(const struct filter_mapping *m, const struct header_modifier *h,
                                   struct plan_filter *to) {
    if (!h)
        return resolver_refuse(m->a, "UnsupportedValue",
                               STR_FMT ": the member of its type is missing; add it", STR_ARG(m->path));
    str *names = arena_array(m->a, str, h->set.n + h->add.n + h->remove.n);
    uint32_t names_n = 0;
    struct verdict v = map_headers(m, h->set.p, h->set.n, names, &names_n, &to->set.p);
    if (!v.reason) v = map_headers(m, h->add.p, h->add.n, names, &names_n, &to->add.p);
    to->remove.p = arena_array(m->a, str, h->remove.n);
    for (uint32_t i = 0; i < h->remove.n && !v.reason; i++) {
        v = check_name(m, h->remove.p[i], names, &names_n);
        to->remove.p[i] = h->remove.p[i];
    }
    to->set.n = h->set.n, to->add.n = h->add.n, to->remove.n = h->remove.n;
    return v;
}

/* Replacing a prefix needs the one prefix that was matched.                          [GW HTTPPathModifier] */
static bool has_one_prefix(const struct http_route_rule *rule) {
    return !rule->matches.n || (rule->matches.n == 1 && rule->matches.p[0].path.type != PATH_EXACT &&
                                rule->matches.p[0].path.type != PATH_REGEX);
}

static struct verdict map_path(const struct filter_mapping *m, const struct path_modifier *path,
                               struct plan_filter *to) {
    if (!path) return (struct verdict){0};
    if (path->type == MODIFIER_FULL_PATH) {
        to->path_change = PLAN_PATH_REPLACE_FULL;
        to->path = path->replace_full_path;
        return (struct verdict){0};
    }
    if (!has_one_prefix(m->rule))
        return resolver_refuse(
            m->a, "UnsupportedValue",
            STR_FMT
            ".path: ReplacePrefixMatch needs exactly one match, of path type PathPrefix; split the rule",
            STR_ARG(m->path));
    to->path_change = PLAN_PATH_REPLACE_PREFIX;
    to->path = path->replace_prefix_match;
    if (str_ends(to->path, S("/"))) to->path.n--;
    return (struct verdict){0};
}

static struct verdict map_redirect(const struct filter_mapping *m, struct plan_filter *to) {
    const struct request_redirect *r = m->from->request_redirect;
    if (!r)
        return resolver_refuse(m->a, "UnsupportedValue", STR_FMT ": requestRedirect is missing; add it",
                               STR_ARG(m->path));
    static const char *const schemes[] = {"", "http", "https"};
    to->type = PLAN_FILTER_REDIRECT;
    to->scheme = str_of(schemes[r->scheme < COUNT_OF(schemes) ? r->scheme : 0]);
    to->hostname = resolver_lower(m->a, r->hostname);
    to->port = r->port.set ? r->port.v : 0;
    to->status = r->status_code ? r->status_code : 302;
    return map_path(m, r->path, to);
}

static struct verdict map_rewrite(const struct filter_mapping *m, struct plan_filter *to) {
    const struct url_rewrite *r = m->from->url_rewrite;
    if (!r)
        return resolver_refuse(m->a, "UnsupportedValue", STR_FMT ": urlRewrite is missing; add it",
                               STR_ARG(m->path));
    to->type = PLAN_FILTER_REWRITE;
    to->hostname = resolver_lower(m->a, r->hostname);
    return map_path(m, r->path, to);
}

/* A kind of filter that nobody here knows can not be skipped: what it would have done is not known.  [GW HTTPRouteFilter.extensionRef] */
static struct verdict refuse_extension(const struct filter_mapping *m) {
    const struct local_ref *ref = m->from->extension_ref;
    if (!ref) return rule_filters_not_served(m, FEATURE_EXTENSION_REF);
    return resolver_refuse(m->a, "UnsupportedValue",
                           STR_FMT ".extensionRef: " STR_FMT "%s" STR_FMT
                                   " is no filter that is known; " STR_FMT,
                           STR_ARG(m->path), STR_ARG(ref->group), ref->group.n ? "/" : "", STR_ARG(ref->kind),
                           STR_ARG(features_remedy(FEATURE_EXTENSION_REF)));
}

static struct verdict map_one(const struct filter_mapping *m, struct plan_filter *to) {
    switch ((enum http_filter_type)m->from->type) {
    case FILTER_REQUEST_HEADER_MODIFIER:
        to->type = PLAN_FILTER_REQUEST_HEADERS;
        return map_modifier(m, m->from->request_header_modifier, to);
    case FILTER_RESPONSE_HEADER_MODIFIER:
        to->type = PLAN_FILTER_RESPONSE_HEADERS;
        return map_modifier(m, m->from->response_header_modifier, to);
    case FILTER_REQUEST_REDIRECT:
        if (m->of_backend && !features_served(m->p->facts, FEATURE_BACKEND_REDIRECT))
            return rule_filters_not_served(m, FEATURE_BACKEND_REDIRECT);
        return map_redirect(m, to);
    case FILTER_URL_REWRITE: return map_rewrite(m, to);
    case FILTER_REQUEST_MIRROR: return rule_traffic_mirror(m, to);
    case FILTER_EXTENSION_REF: return refuse_extension(m);
    case FILTER_CORS: return rule_traffic_cors(m, to);
    case FILTER_EXTERNAL_AUTH: return rule_traffic_auth(m, to);
    case FILTER_UNSET: break;
    }
    return resolver_refuse(m->a, "UnsupportedValue", STR_FMT ".type: is missing or unknown; name a filter",
                           STR_ARG(m->path));
}

/* A redirect answers; a rewrite forwards.                                            [GW HTTPRouteFilter] */
static struct verdict check_mix(const struct filter_mapping *m, const struct plan_filter *all, uint32_t n) {
    bool redirect = false, rewrite = false;
    for (uint32_t i = 0; i < n; i++) {
        redirect |= all[i].type == PLAN_FILTER_REDIRECT;
        rewrite |= all[i].type == PLAN_FILTER_REWRITE;
    }
    if (!redirect || !rewrite) return (struct verdict){0};
    return resolver_refuse(m->a, "IncompatibleFilters",
                           STR_FMT ": RequestRedirect and URLRewrite exclude each other; remove one",
                           STR_ARG(m->path));
}

struct verdict rule_filters_map(struct pass *p, const struct route *route, str path,
                                const struct http_route_filter *filters, uint32_t n,
                                const struct http_route_rule *rule, bool of_backend, struct plan_filter **ret,
                                uint32_t *ret_n) {
    struct filter_mapping m = {
        .p = p, .a = p->scratch, .route = route, .rule = rule, .of_backend = of_backend};
    *ret = n ? arena_array(p->scratch, struct plan_filter, n) : NULL;
    *ret_n = 0;
    for (uint32_t i = 0; i < n; i++) {
        m.path = arena_printf(p->scratch, STR_FMT "[%u]", STR_ARG(path), i);
        m.from = &filters[i];
        struct verdict v = map_one(&m, &(*ret)[*ret_n]);
        if (v.reason) return v;
        m.mirrors += m.from->type == FILTER_REQUEST_MIRROR;
        *ret_n += (*ret)[*ret_n].type != PLAN_FILTER_UNSET;
    }
    m.path = path;
    return check_mix(&m, *ret, *ret_n);
}

bool rule_filters_guard(const struct http_route_filter *filters, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        if (filters[i].type == FILTER_EXTENSION_REF || filters[i].type == FILTER_EXTERNAL_AUTH) return true;
    return false;
}
