/* SPDX-License-Identifier: Apache-2.0 */
#include "control/explain_near.h"

#include "api/condition.h"
#include "api/grpc_route.h"
#include "http/http_uri.h"
#include "text/regex.h"

enum { WORDS_BYTES_MAX = 65536 };

/* How far from taking the request: a condition of a match counts one, its path more, and what is not even of this host most. */
enum {
    FAR_UNATTACHED = 2,
    FAR_PATH = 3,
    FAR_PATH_MAX = 20,
    FAR_LISTENER = 25,
    FAR_HOSTNAME = 30,
    FAR_ATTACHED_ELSEWHERE = 40,
};
enum candidate_kind { NEAR_RULE, NEAR_HOSTNAME, NEAR_ELSEWHERE, NEAR_UNATTACHED, NEAR_LISTENER };
struct candidate {
    enum candidate_kind kind;
    uint32_t distance, order;
    const struct plan_route *route; /* RULE, HOSTNAME, ELSEWHERE */
    const struct plan_rule *rule;
    const struct plan_match *match;
    const struct plan_listener *listener;
    const struct object *object; /* UNATTACHED */
    const struct route_parent_status *parent;
};
struct search {
    struct explain_story *s;
    struct candidate *v;
    uint32_t n, cap;
};

static void add(struct search *x, struct candidate c) {
    if (x->n == x->cap) {
        x->cap = x->cap ? x->cap * 2 : 32;
        x->v = base_realloc(x->v, sizeof *x->v * x->cap);
    }
    c.order = x->n;
    x->v[x->n++] = c;
}

static int by_distance(const void *a, const void *b) {
    const struct candidate *x = a, *y = b;
    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

static bool covers(str hostname, str host) {
    if (!hostname.n || str_eq(hostname, host)) return true;
    return str_starts(hostname, S("*.")) && host.n > hostname.n - 1 && str_ends(host, str_from(hostname, 1));
}

/* One match against the request: what does not hold, in words when b is given; returns the distance. */

static enum regex_verdict ask_expression(const struct explain_story *s, str expression, str value) {
    struct regex *r;
    str message;
    uint32_t budget = REGEX_BUDGET;
    if (regex_new_whole(s->arena, expression, &r, &message) != OK) return REGEX_GIVEN_UP;
    struct regex_work *w = regex_work_new();
    enum regex_verdict v = regex_takes(r, value, w, &budget);
    regex_work_free(w);
    regex_free(r);
    return v;
}

static bool takes_expression(const struct explain_story *s, str expression, str value) {
    return ask_expression(s, expression, value) == REGEX_YES;
}

static const char *doubt_of(enum regex_verdict v) {
    return v == REGEX_GIVEN_UP ? " (the search was given up at its bound)" : "";
}

__attribute__((format(printf, 2, 3))) static void say(struct buf *b, const char *fmt, ...) {
    if (!b) return;
    if (b->n) buf_add(b, S("; "));
    va_list args;
    va_start(args, fmt);
    buf_vprintf(b, fmt, args);
    va_end(args);
}

/* Segments of the wanted path past what the two have in common. */
static uint32_t path_distance(str path, str wanted) {
    uint32_t left = 0;
    size_t same = 0;
    while (same < path.n && same < wanted.n && path.p[same] == wanted.p[same]) same++;
    for (size_t i = same; i < wanted.n; i++) left += wanted.p[i] == '/';
    uint32_t d = FAR_PATH + left + (same <= 1 ? 5 : 0);
    return d < FAR_PATH_MAX ? d : FAR_PATH_MAX;
}

static uint32_t judge_path(const struct explain_story *s, const struct plan_match *m, struct buf *b) {
    str path = s->m.path;
    bool prefix = str_starts(path, m->path) && (path.n == m->path.n || path.p[m->path.n] == '/');
    enum regex_verdict v;
    switch ((enum plan_path)m->path_type) {
    case PLAN_PATH_EXACT:
        if (str_eq(path, m->path)) return 0;
        say(b, "the path is not " STR_FMT, STR_ARG(m->path));
        break;
    case PLAN_PATH_REGEX:
        if ((v = ask_expression(s, m->path, path)) == REGEX_YES) return 0;
        say(b, "the path does not match " STR_FMT "%s", STR_ARG(m->path), doubt_of(v));
        break;
    case PLAN_PATH_UNSET:
    case PLAN_PATH_PREFIX:
        if (prefix) return 0;
        say(b, "the path is not below " STR_FMT, STR_ARG(m->path));
        break;
    }
    return path_distance(path, m->path);
}

/* A call of a GRPCRoute is the path /service/call. */
static uint32_t judge_call(const struct explain_story *s, const struct plan_match *m, struct buf *b) {
    str call = str_from(s->m.path, 1), service = str_cut(&call, '/');
    bool regex = m->call_type == PLAN_VALUE_REGEX, fine = true;
    if (m->call_type == PLAN_VALUE_UNSET) return 0;
    if (m->service.n) fine = regex ? takes_expression(s, m->service, service) : str_eq(m->service, service);
    if (m->call.n) fine = fine && (regex ? takes_expression(s, m->call, call) : str_eq(m->call, call));
    if (fine) return 0;
    say(b, "the call is not " STR_FMT "/" STR_FMT, STR_ARG(m->service.n ? m->service : S("*")),
        STR_ARG(m->call.n ? m->call : S("*")));
    return FAR_PATH + 1;
}

static uint32_t judge_value(const struct explain_story *s, const struct plan_value_match *v, const char *what,
                            str value, struct buf *b) {
    bool regex = v->type == PLAN_VALUE_REGEX;
    if (!value.p) {
        say(b, "the %s " STR_FMT " is not there; wanted " STR_FMT, what, STR_ARG(v->name), STR_ARG(v->value));
        return 1;
    }
    enum regex_verdict takes = regex                     ? ask_expression(s, v->value, value)
                               : str_eq(value, v->value) ? REGEX_YES
                                                         : REGEX_NO;
    if (takes == REGEX_YES) return 0;
    say(b, "the %s " STR_FMT " is " STR_FMT ", %s " STR_FMT "%s", what, STR_ARG(v->name), STR_ARG(value),
        regex ? "which does not match" : "not", STR_ARG(v->value), doubt_of(takes));
    return 1;
}

static uint32_t judge(const struct explain_story *s, const struct plan_match *m, struct buf *b) {
    uint32_t d = judge_path(s, m, b) + judge_call(s, m, b);
    if (m->method.n && !str_eq(m->method, s->m.method)) {
        say(b, "the method is not " STR_FMT, STR_ARG(m->method));
        d++;
    }
    for (uint32_t i = 0; i < m->headers.n; i++) {
        const struct plan_value_match *h = &m->headers.p[i];
        d += judge_value(s, h, "header", http_msg_joined(&s->m, s->arena, h->name), b);
    }
    for (uint32_t i = 0; i < m->query.n; i++) {
        const struct plan_value_match *q = &m->query.p[i];
        d += judge_value(s, q, "query parameter", http_uri_query_param(s->arena, s->m.query, q->name), b);
    }
    return d;
}

/* Candidates. */

static void add_rules(struct search *x, const struct plan_route *r) {
    const struct table_rule *taken = x->s->match.rule;
    for (uint32_t i = 0; i < r->rules.n; i++) {
        const struct plan_rule *rule = &r->rules.p[i];
        if (taken && rule->index == taken->index && str_eq(r->piece.key, taken->route)) continue;
        for (uint32_t k = 0; k < rule->matches.n; k++) {
            const struct plan_match *m = &rule->matches.p[k];
            add(x, (struct candidate){.kind = NEAR_RULE,
                                      .distance = judge(x->s, m, NULL),
                                      .route = r,
                                      .rule = rule,
                                      .match = m});
        }
    }
}

static void add_route(struct search *x, const struct plan_route *r) {
    bool here = false, of_host = false, elsewhere = false;
    for (uint32_t i = 0; i < r->attachments.n; i++) {
        const struct plan_attachment *at = &r->attachments.p[i];
        bool covered = false;
        for (uint32_t k = 0; k < at->hostnames.n; k++) covered |= covers(at->hostnames.p[k], x->s->host);
        bool mine = x->s->listener && str_eq(at->listener, x->s->listener->key);
        here |= mine;
        of_host |= mine && covered;
        elsewhere |= !mine && covered;
    }
    if (of_host) {
        add_rules(x, r);
    } else if (here) {
        add(x, (struct candidate){.kind = NEAR_HOSTNAME, .distance = FAR_HOSTNAME, .route = r});
    } else if (elsewhere && x->s->listener) {
        add(x, (struct candidate){.kind = NEAR_ELSEWHERE, .distance = FAR_ATTACHED_ELSEWHERE, .route = r});
    }
}

static void add_routes(struct search *x) {
    const struct index *pieces = &x->s->pipeline->plan.pieces[PLAN_ROUTE];
    void **all = index_sorted(pieces);
    for (uint32_t i = 0; i < pieces->n; i++) {
        const struct plan_route *r = plan_open(x->s->arena, all[i]);
        if (r->kind == PLAN_ROUTE_HTTP || r->kind == PLAN_ROUTE_GRPC) add_route(x, r);
    }
    free(all);
}

struct hostnames {
    const str *p;
    uint32_t n;
};

static struct hostnames hostnames_asked(const struct object *o) {
    if (o->kind == KIND_GRPC_ROUTE) {
        const struct grpc_route *g = container_of(o, struct grpc_route, obj);
        return (struct hostnames){g->spec.hostnames.p, g->spec.hostnames.n};
    }
    const struct http_route *h = container_of(o, struct http_route, obj);
    return (struct hostnames){h->spec.hostnames.p, h->spec.hostnames.n};
}

static bool may_cover(struct hostnames h, str host) {
    for (uint32_t i = 0; i < h.n; i++)
        if (covers(h.p[i], host)) return true;
    return !h.n;
}

static const struct condition *refusal(const struct route_parent_status *p) {
    for (uint32_t i = 0; i < p->conditions.n; i++) {
        const struct condition *c = &p->conditions.p[i];
        if (str_eq(c->type, S("Accepted")) && c->status == CONDITION_FALSE) return c;
    }
    return NULL;
}

static bool is_refused(const struct route_status *s) {
    for (uint32_t k = 0; k < s->parents.n; k++)
        if (refusal(&s->parents.p[k])) return true;
    return false;
}

static void add_unattached(struct search *x, enum api_kind kind) {
    size_t n;
    const struct pipeline *p = x->s->pipeline;
    struct store_key *all = store_keys(p->store, x->s->arena, kind, &n);
    for (size_t i = 0; i < n; i++) {
        const struct route_status *s = resolve_status(p->resolver, kind, all[i].ns, all[i].name);
        if (!s || !is_refused(s)) continue;
        const struct object *o = store_get(p->store, x->s->arena, kind, all[i].ns, all[i].name);
        struct hostnames h = hostnames_asked(o);
        if (!may_cover(h, x->s->host)) continue;
        for (uint32_t k = 0; k < s->parents.n; k++) {
            if (!refusal(&s->parents.p[k])) continue;
            add(x, (struct candidate){.kind = NEAR_UNATTACHED,
                                      .distance = FAR_UNATTACHED + (h.n ? 0 : 2),
                                      .object = o,
                                      .parent = &s->parents.p[k]});
        }
    }
}

/* Other listeners of the port. When none was found at all, `why` has listed them. */
static void add_listeners(struct search *x) {
    const struct explain_story *s = x->s;
    if (!s->listener || !s->socket) return;
    const struct index *pieces = &s->pipeline->plan.pieces[PLAN_LISTENER];
    void **all = index_sorted(pieces);
    for (uint32_t i = 0; i < pieces->n; i++) {
        const struct plan_listener *l = plan_open(NULL, all[i]);
        bool same_socket = l->bind_port == s->socket->port && str_eq(l->bind_address, s->socket->address);
        if (l->protocol != (s->tls ? PLAN_HTTPS : PLAN_HTTP)) continue;
        if (!same_socket || str_eq(l->piece.key, s->listener->key)) continue;
        add(x, (struct candidate){.kind = NEAR_LISTENER, .distance = FAR_LISTENER, .listener = l});
    }
    free(all);
}

/* Words. */

static str hostnames_of(const struct explain_story *s, const struct plan_route *r) {
    struct buf b;
    assert(s->listener); /* or nothing is attached to it */
    buf_init(&b, WORDS_BYTES_MAX);
    for (uint32_t i = 0; i < r->attachments.n; i++) {
        const struct plan_attachment *at = &r->attachments.p[i];
        if (!str_eq(at->listener, s->listener->key)) continue;
        for (uint32_t k = 0; k < at->hostnames.n; k++)
            buf_printf(&b, "%s" STR_FMT, b.n ? ", " : "", STR_ARG(at->hostnames.p[k]));
    }
    str words = arena_str(s->arena, buf_str(&b));
    buf_fini(&b);
    return words;
}

static struct explain_near tell_rule(const struct explain_story *s, const struct candidate *c) {
    struct buf b;
    buf_init(&b, WORDS_BYTES_MAX);
    if (!judge(s, c->match, &b)) {
        buf_add(&b, s->match.rule ? S("takes it, too, but comes later in the order of precedence")
                                  : S("takes it by what can be told here"));
    }
    struct explain_near e = {.why = arena_str(s->arena, buf_str(&b))};
    buf_fini(&b);
    e.what =
        arena_printf(s->arena, STR_FMT " rule %lld", STR_ARG(c->route->piece.key), (long long)c->rule->index);
    if (c->rule->matches.n > 1)
        e.what = arena_printf(s->arena, STR_FMT " match %td", STR_ARG(e.what), c->match - c->rule->matches.p);
    return e;
}

static struct explain_near tell_unattached(const struct explain_story *s, const struct candidate *c) {
    const struct meta *m = &c->object->meta;
    const struct parent_ref *ref = &c->parent->parent_ref;
    const struct condition *why = refusal(c->parent);
    return (struct explain_near){
        .what = api_key(s->arena, c->object->kind, m->ns, m->name),
        .why = arena_printf(s->arena,
                            "not attached to " STR_FMT " " STR_FMT "/" STR_FMT "%s" STR_FMT ": " STR_FMT
                            "%s" STR_FMT,
                            STR_ARG(ref->kind), STR_ARG(ref->ns.n ? ref->ns : m->ns), STR_ARG(ref->name),
                            ref->section_name.n ? " listener " : "", STR_ARG(ref->section_name),
                            STR_ARG(why->reason), why->message.n ? ": " : "", STR_ARG(why->message))};
}

static struct explain_near tell(const struct explain_story *s, const struct candidate *c) {
    struct explain_near e = {.what = c->route ? c->route->piece.key : (str){0}};
    switch (c->kind) {
    case NEAR_RULE: return tell_rule(s, c);
    case NEAR_UNATTACHED: return tell_unattached(s, c);
    case NEAR_HOSTNAME:
        e.why = arena_printf(s->arena, "its hostnames on this listener are " STR_FMT,
                             STR_ARG(hostnames_of(s, c->route)));
        break;
    case NEAR_ELSEWHERE: e.why = S("attached to other listeners, not to this one"); break;
    case NEAR_LISTENER:
        e.what = arena_printf(s->arena, "Gateway " STR_FMT " listener " STR_FMT,
                              STR_ARG(c->listener->gateway), STR_ARG(c->listener->section));
        e.why = covers(c->listener->hostname, s->host)
                    ? arena_printf(s->arena, "its hostname %s" STR_FMT " is less specific",
                                   c->listener->hostname.n ? "" : "*", STR_ARG(c->listener->hostname))
                    : arena_printf(s->arena, "its hostname " STR_FMT " does not take the host",
                                   STR_ARG(c->listener->hostname));
        break;
    }
    return e;
}

void explain_near_find(struct explain_story *s) {
    struct search x = {.s = s};
    add_routes(&x);
    add_unattached(&x, KIND_HTTP_ROUTE);
    add_unattached(&x, KIND_GRPC_ROUTE);
    add_listeners(&x);
    if (x.n) qsort(x.v, x.n, sizeof *x.v, by_distance);
    s->near_n = x.n < EXPLAIN_NEAR_MAX ? x.n : EXPLAIN_NEAR_MAX;
    s->near_more = x.n - s->near_n;
    s->near = arena_array(s->arena, struct explain_near, s->near_n + 1);
    for (uint32_t i = 0; i < s->near_n; i++) s->near[i] = tell(s, &x.v[i]);
    free(x.v);
}
