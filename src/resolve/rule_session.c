/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/rule_session.h"

#include "resolve/backend_traffic.h"
#include "resolve/backends.h"
#include "resolve/rule_filters.h"
#include "resolve/rules.h"
#include "resolve/xbackends.h"
#include "text/base64.h"

enum { NAME_DIGITS = 16 };

/* The same wherever and whenever it is made: clients bring it back to other replicas and later versions. */
static str own_name(struct arena *a, str backend) {
    return arena_printf(a, "postern-" STR_FMT, STR_ARG(str_upto(base64_sha256_hex(a, backend), NAME_DIGITS)));
}

static struct plan_session *make(struct arena *a, const struct session_persistence *from, str backend) {
    struct plan_session *s = arena_make(a, struct plan_session);
    s->absolute_timeout = from->absolute_timeout;
    if (from->header) {
        s->type = PLAN_SESSION_HEADER;
        s->name = resolver_lower(a, from->header->name);
        return s;
    }
    const struct session_cookie *c = from->cookie;
    s->type = PLAN_SESSION_COOKIE;
    s->name = c && c->name.n ? c->name : own_name(a, backend);
    s->path = c && c->path.n ? c->path : S("/");
    s->permanent = c && c->lifetime_type == LIFETIME_PERMANENT;
    return s;
}

/* Whose word counts for the backend. */
static const struct session_persistence *find(const struct pass *p, str backend,
                                              const struct session_persistence *of_rule) {
    enum api_kind kind;
    str ns, name;
    backends_parse(backend, &kind, &ns, &name);
    const struct session_persistence *own = kind == KIND_XBACKEND ? xbackends_session(p, ns, name) : NULL;
    if (own || of_rule) return own ? own : of_rule;
    const struct xbackend_traffic_policy *policy = backend_traffic_find(p, kind, ns, name);
    return policy ? policy->spec.session_persistence : NULL;
}

static struct verdict check_shared(struct arena *a, str path, const struct plan_rule *r, uint32_t at) {
    const struct plan_target *one = &r->targets.p[at];
    for (uint32_t i = 0; i < at; i++) {
        const struct plan_target *t = &r->targets.p[i];
        if (!t->session || t->session->type != one->session->type || str_eq(t->backend, one->backend) ||
            !str_eq(t->session->name, one->session->name))
            continue;
        bool cookie = one->session->type == PLAN_SESSION_COOKIE;
        return resolver_refuse(
            a, "UnsupportedValue",
            STR_FMT ": the sessions of backendRefs[%u] and [%u] would share the %s " STR_FMT "; %s",
            STR_ARG(path), i, at, cookie ? "cookie" : "header", STR_ARG(one->session->name),
            cookie ? "leave its name out, or give each backend its own session"
                   : "give each backend its own session, or split the rule");
    }
    return (struct verdict){0};
}

/* What can not stand in a Set-Cookie [RFC 6265 4.1.1], and names that are not a user's. */
static struct verdict check_one(struct arena *a, str path, const struct plan_session *s) {
    if (s->type == PLAN_SESSION_HEADER) {
        if (!rule_filters_reserved(s->name)) return (struct verdict){0};
        return resolver_refuse(a, "UnsupportedValue",
                               STR_FMT ": the session's header " STR_FMT
                                       " is the gateway's own; name another",
                               STR_ARG(path), STR_ARG(s->name));
    }
    bool fine = s->path.n && s->path.p[0] == '/';
    for (size_t i = 0; i < s->path.n; i++)
        fine &= s->path.p[i] > 0x20 && s->path.p[i] < 0x7f && s->path.p[i] != ';';
    if (fine) return (struct verdict){0};
    return resolver_refuse(a, "UnsupportedValue",
                           STR_FMT ": the path of the session's cookie is \"" STR_FMT
                                   "\"; it must begin with / and be without spaces, \";\" and controls",
                           STR_ARG(path), STR_ARG(s->path));
}

struct verdict rule_session_apply(struct pass *p, str path, const struct session_persistence *from,
                                  struct plan_rule *to) {
    if (from && !features_served(p->facts, FEATURE_SESSION))
        return rules_not_served(p->scratch, path, ".sessionPersistence", FEATURE_SESSION);
    for (uint32_t i = 0; i < to->targets.n && features_served(p->facts, FEATURE_SESSION); i++) {
        struct plan_target *t = &to->targets.p[i];
        const struct session_persistence *s = t->answer ? NULL : find(p, t->backend, from);
        if (!s) continue;
        t->session = make(p->scratch, s, t->backend);
        struct verdict v = check_one(p->scratch, path, t->session);
        if (!v.reason) v = check_shared(p->scratch, path, to, i);
        if (v.reason) return v;
    }
    return (struct verdict){0};
}
