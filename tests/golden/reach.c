/* SPDX-License-Identifier: Apache-2.0 */
#include "reach.h"

#include "cli/diff.h"
#include "http/http_uri.h"
#include "resolve/resolve_warnings.h"

#define WORD "reached" /* no case has it in a name or path */

enum { TEXT_BYTES_MAX = 1 << 20 };

struct reach {
    struct arena *a;
    const struct pipeline *p;
    struct findings told;
    bool whole; /* the table carries all that the plan has of HTTPRoutes */
    bool ok;
    str name;
};
/* Of the listeners and hostnames that a match is looked for at. */
struct count {
    uint32_t all, lost;
};

static const struct table_port *port_of(const struct reach *r, const struct plan_listener *l) {
    const struct table_socket *all;
    uint32_t n = table_sockets(r->p->table, &all);
    for (uint32_t i = 0; i < n; i++)
        if (all[i].port == l->bind_port && str_eq(all[i].address, l->bind_address))
            return table_port(r->p->table, all[i].slot);
    return NULL;
}

/* A name that this hostname takes and, of those in use, no other one that is not the same. */
static str name_under(struct arena *a, str hostname) {
    if (!hostname.n) return S(WORD ".invalid");
    return hostname.p[0] == '*' ? arena_printf(a, WORD STR_FMT, STR_ARG(str_from(hostname, 1))) : hostname;
}

/* What the listener and the route both take: the longer one of the two names, an exact one before a wildcard. */
static str common_name(struct arena *a, str listener, str own) {
    bool listener_exact = listener.n && listener.p[0] != '*', own_exact = own.n && own.p[0] != '*';
    if (own_exact) return own;
    if (listener_exact) return listener;
    return name_under(a, own.n > listener.n ? own : listener);
}

/* A byte that is not one of a query's plain ones as %XX. */
static void add_escaped(struct buf *b, str s) {
    for (size_t i = 0; i < s.n; i++) {
        bool plain = (s.p[i] >= '0' && s.p[i] <= '9') || ((s.p[i] | 0x20) >= 'a' && (s.p[i] | 0x20) <= 'z');
        if (plain)
            buf_add_char(b, s.p[i]);
        else
            buf_printf(b, "%%%02X", (unsigned char)s.p[i]);
    }
}

static str sample(struct reach *r, str expression) {
    str s = diff_sample(r->a, expression);
    if (!s.p)
        r->ok = false,
        fprintf(stderr, "FAIL: no text is known that " STR_FMT " takes\n", STR_ARG(expression));
    return s.p ? s : S("");
}

static str value_of(struct reach *r, const struct plan_value_match *v) {
    return v->type == PLAN_VALUE_REGEX ? sample(r, v->value) : v->value;
}

/* A request that the match takes, with nothing in it that the match does not ask for. */
static struct http_msg request_for(struct reach *r, const struct plan_match *m, str host) {
    struct http_msg q;
    http_msg_init(&q, r->a, true);
    q.version = 11;
    q.method = m && m->method.n ? m->method : S("REACHED");
    q.method_id = (uint8_t)http_method_of(q.method);
    q.authority = q.host = host;
    q.path = S("/" WORD);
    q.query = S("");
    if (!m) return q;
    if (m->path_type == PLAN_PATH_EXACT)
        q.path = m->path;
    else if (m->path_type == PLAN_PATH_PREFIX)
        q.path = arena_printf(r->a, STR_FMT "/" WORD, STR_ARG(m->path));
    else if (m->path_type == PLAN_PATH_REGEX)
        q.path = sample(r, m->path);
    for (uint32_t i = 0; i < m->headers.n; i++)
        http_msg_add(&q, m->headers.p[i].name, value_of(r, &m->headers.p[i]));
    struct buf b;
    buf_init(&b, TEXT_BYTES_MAX);
    for (uint32_t i = 0; i < m->query.n; i++) {
        buf_add_char(&b, i ? '&' : '?');
        add_escaped(&b, m->query.p[i].name);
        buf_add_char(&b, '=');
        add_escaped(&b, value_of(r, &m->query.p[i]));
    }
    if (m->query.n) q.query = arena_str(r->a, buf_str(&b));
    buf_fini(&b);
    return q;
}

static void fail(struct reach *r, const struct plan_route *route, str path, str words) {
    r->ok = false;
    fprintf(stderr, "FAIL " STR_FMT ": " STR_FMT ": " STR_FMT " " STR_FMT "\n", STR_ARG(r->name),
            STR_ARG(route->piece.key), STR_ARG(path), STR_ARG(words));
}

static bool is_of(const struct finding *f, const struct plan_route *route) {
    return str_eq(f->kind, S("HTTPRoute")) && str_eq(f->ns, route->ns) && str_eq(f->name, route->name);
}

/* Did resolve_warnings() say this of this place? */
static bool is_told(const struct reach *r, const struct plan_route *route, str path, str begin) {
    for (const struct finding *f = r->told.first; f; f = f->next)
        if (is_of(f, route) && str_eq(f->path, path) && str_starts(f->message, begin)) return true;
    return false;
}

static bool is_attached(const struct plan_route *route, str listener) {
    for (uint32_t i = 0; i < route->attachments.n; i++)
        if (str_eq(route->attachments.p[i].listener, listener)) return true;
    return false;
}

/* The listener that a route is attached to is the one that is asked for its name, or another one that it is attached to, or that is told. */
static void hold_listener(struct reach *r, const struct plan_route *route, const struct plan_listener *l,
                          str own) {
    const struct table_port *port = port_of(r, l);
    const struct table_listener *asked =
        port ? table_listener_for(port, common_name(r->a, l->hostname, own)) : NULL;
    if (!asked) {
        fail(r, route, l->piece.key, S("no listener of the table is asked"));
        return;
    }
    bool here = is_attached(route, asked->key);
    bool told = is_told(r, route, S("spec.hostnames"),
                        arena_printf(r->a, "\"" STR_FMT "\" is not reached on listener " STR_FMT ":",
                                     STR_ARG(own), STR_ARG(l->section)));
    if (here == told)
        fail(r, route, l->piece.key,
             arena_printf(r->a, "with hostname \"" STR_FMT "\" %s told as not reached", STR_ARG(own),
                          here ? "is reached and yet" : "is not reached and not"));
}

/* Listeners by their keys have their own names for requests, so that one that another goes before is looked at all the same. */
static const struct table_listener *listener_of(struct reach *r, const struct plan_listener *l) {
    const struct table_port *port = port_of(r, l);
    return port ? table_listener_for(port, name_under(r->a, l->hostname)) : NULL;
}

static void look_up(struct reach *r, struct count *c, const struct plan_route *route,
                    const struct plan_rule *rule, const struct plan_match *m) {
    for (uint32_t i = 0; i < route->attachments.n; i++) {
        const struct plan_attachment *at = &route->attachments.p[i];
        const struct plan_listener *l = plan_open(NULL, plan_get(&r->p->plan, PLAN_LISTENER, at->listener));
        const struct table_listener *tl = l ? listener_of(r, l) : NULL;
        for (uint32_t h = 0; h < at->hostnames.n; h++) {
            c->all++;
            if (!tl) continue; /* not served: nobody else has its requests */
            str host = common_name(r->a, l->hostname, at->hostnames.p[h]);
            struct http_msg q = request_for(r, m, host);
            struct table_match got;
            bool hit = table_match(r->p->table, tl, host, &q, r->a, NULL, &got);
            if (!hit)
                fail(r, route, at->listener,
                     arena_printf(r->a, "no rule takes " STR_FMT " " STR_FMT STR_FMT STR_FMT,
                                  STR_ARG(q.method), STR_ARG(host), STR_ARG(q.path), STR_ARG(q.query)));
            c->lost += hit && !(str_eq(got.rule->route, route->piece.key) && got.rule->index == rule->index);
        }
    }
}

static void hold_place(struct reach *r, const struct plan_route *route, str path, struct count c) {
    bool never = is_told(r, route, path, S("is never reached"));
    bool some = is_told(r, route, path,
                        arena_printf(r->a, "is not reached for %u of its %u listeners", c.lost, c.all));
    bool all_lost = c.all && c.lost == c.all, some_lost = c.lost && c.lost < c.all;
    if ((all_lost && !never) || (some_lost && !some && !never))
        fail(r, route, path,
             arena_printf(r->a, "is not reached at %u of %u places, and that is not told", c.lost, c.all));
    /* A rule that the table does not have may be what goes first. */
    if (r->whole && ((never && !all_lost) || (some && !some_lost)))
        fail(r, route, path,
             arena_printf(r->a, "is reached at %u of %u places, and yet told as not reached", c.all - c.lost,
                          c.all));
}

/* Findings are of the rule when all of its matches are lost, or it has one; else of each match. */
static void hold_rule(struct reach *r, const struct plan_route *route, const struct plan_rule *rule) {
    uint32_t n = rule->matches.n ? rule->matches.n : 1, dead = 0;
    struct count *counts = arena_array(r->a, struct count, n);
    str path = arena_printf(r->a, "spec.rules[%lld]", (long long)rule->index);
    for (uint32_t i = 0; i < n; i++) {
        look_up(r, &counts[i], route, rule, rule->matches.n ? &rule->matches.p[i] : NULL);
        dead += counts[i].all && counts[i].lost == counts[i].all;
    }
    if (dead == n || n == 1) {
        hold_place(r, route, path, counts[0]);
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        hold_place(r, route, arena_printf(r->a, STR_FMT ".matches[%u]", STR_ARG(path), i), counts[i]);
}

static void hold_route(struct reach *r, const struct plan_route *route) {
    for (uint32_t i = 0; i < route->attachments.n; i++) {
        const struct plan_attachment *at = &route->attachments.p[i];
        const struct plan_listener *l = plan_open(NULL, plan_get(&r->p->plan, PLAN_LISTENER, at->listener));
        for (uint32_t h = 0; l && compile_carries(&l->piece) && h < at->hostnames.n; h++)
            hold_listener(r, route, l, at->hostnames.p[h]);
    }
    for (uint32_t i = 0; i < route->rules.n; i++) hold_rule(r, route, &route->rules.p[i]);
}

bool reach_holds(const struct pipeline *p, str name, int64_t now_s) {
    OWNED(arena) a = arena_new();
    struct reach r = {.a = a, .p = p, .whole = true, .ok = true, .name = name};
    finding_init(&r.told, a);
    resolve_warnings(p->resolver, p->store, &p->plan, now_s, &r.told);
    uint32_t n = 0;
    const struct plan_route **all =
        arena_array(a, const struct plan_route *, p->plan.pieces[PLAN_ROUTE].n + 1);
    index_each (const struct plan_piece, piece, &p->plan.pieces[PLAN_ROUTE]) {
        const struct plan_route *route = plan_open(a, piece);
        if (route->kind != PLAN_ROUTE_HTTP) continue;
        if (compile_carries(&route->piece))
            all[n++] = route;
        else
            r.whole = false;
    }
    for (uint32_t i = 0; i < n; i++) hold_route(&r, all[i]);
    return r.ok;
}
