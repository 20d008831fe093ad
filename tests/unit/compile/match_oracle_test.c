/* SPDX-License-Identifier: Apache-2.0 */
/* Random plans, random changes, random requests, from seeds: the table agrees with a linear scan that sorts by the specification's words, and
 * a table made by changes is the table made from nothing. */
#include "../unit.h"

#include <regex.h>

#include "world.h"

/* ---- the oracle ---- */

struct candidate {
    size_t host_exact_chars,
        host_chars; /* of the matching hostname: not a wildcard; any [GW HTTPRouteSpec.hostnames] */
    bool exact;
    size_t expression_chars, prefix_chars;
    bool method;
    size_t headers, query;
    int64_t created_s;
    str name;
    uint32_t rule, match;
};

static int order(uint64_t wanted_more, uint64_t than) { return wanted_more > than ? -1 : wanted_more < than; }

/* <0: x goes first. */
static int candidate_order(const struct candidate *x, const struct candidate *y) {
    int d = order(x->host_exact_chars, y->host_exact_chars);
    if (!d) d = order(x->host_chars, y->host_chars);
    if (!d) d = order(x->exact, y->exact);
    if (!d) d = order(x->expression_chars, y->expression_chars);
    if (!d) d = order(x->prefix_chars, y->prefix_chars);
    if (!d) d = order(x->method, y->method);
    if (!d) d = order(x->headers, y->headers);
    if (!d) d = order(x->query, y->query);
    if (!d && !x->created_s != !y->created_s) d = x->created_s ? -1 : 1;
    if (!d) d = order((uint64_t)y->created_s, (uint64_t)x->created_s);
    if (!d) d = str_cmp(x->name, y->name);
    if (!d) d = order(y->rule, x->rule);
    if (!d) d = order(y->match, x->match);
    return d;
}

static bool host_takes(str own, str host) {
    if (!own.n) return true;
    if (own.p[0] != '*') return str_eq(own, host);
    return host.n > own.n - 1 && str_ends(host, str_from(own, 1));
}

/* Only expressions that POSIX reads the same way come here. */
static bool expression_takes(str expression, str s, struct arena *a) {
    regex_t r;
    str whole = arena_printf(a, "^(" STR_FMT ")$", STR_ARG(expression)),
        text = arena_printf(a, STR_FMT, STR_ARG(s));
    assert_int_equal(regcomp(&r, whole.p, REG_EXTENDED | REG_NOSUB), 0);
    bool takes = regexec(&r, text.p, 0, NULL, 0) == 0;
    regfree(&r);
    return takes;
}

static bool value_takes(const struct plan_value_match *v, str s, struct arena *a) {
    if (!s.p) return false;
    return v->type == PLAN_VALUE_REGEX ? expression_takes(v->value, s, a) : str_eq(s, v->value);
}

static bool path_takes(const struct plan_match *m, str path, struct arena *a) {
    if (m->path_type == PLAN_PATH_REGEX) return expression_takes(m->path, path, a);
    if (m->path_type == PLAN_PATH_EXACT) return str_eq(m->path, path);
    return str_starts(path, m->path) && (path.n == m->path.n || !m->path.n || path.p[m->path.n] == '/');
}

static bool match_takes(const struct plan_match *m, const struct http_msg *q, struct arena *a) {
    if (!path_takes(m, q->path, a) || (m->method.n && !str_eq(m->method, q->method))) return false;
    for (uint32_t i = 0; i < m->headers.n; i++) {
        str v = http_msg_joined(q, a, m->headers.p[i].name);
        if (!value_takes(&m->headers.p[i], v, a)) return false;
    }
    for (uint32_t i = 0; i < m->query.n; i++) {
        str v = http_uri_query_param(a, q->query, m->query.p[i].name);
        if (!value_takes(&m->query.p[i], v, a)) return false;
    }
    return true;
}

static void try_route(const struct plan_route *r, str own, str host, const struct http_msg *q,
                      struct arena *a, struct candidate *best, bool *any) {
    if (!host_takes(own, host)) return;
    for (uint32_t i = 0; i < r->rules.n; i++) {
        for (uint32_t k = 0; k < r->rules.p[i].matches.n; k++) {
            const struct plan_match *m = &r->rules.p[i].matches.p[k];
            if (!match_takes(m, q, a)) continue;
            bool exact = m->path_type == PLAN_PATH_EXACT, expression = m->path_type == PLAN_PATH_REGEX;
            struct candidate c = {
                own.n && own.p[0] != '*' ? own.n : 0,
                own.n,
                exact,
                expression ? m->path.n : 0,
                exact || expression ? 0 : m->path.n,
                m->method.n > 0,
                m->headers.n,
                m->query.n,
                r->created_s,
                r->name,
                i,
                k,
            };
            if (!*any || candidate_order(&c, best) < 0) *best = c;
            *any = true;
        }
    }
}

static str oracle(const struct plan *p, str listener, str host, const struct http_msg *q, struct arena *a) {
    struct candidate best;
    bool any = false;
    index_each (const struct plan_piece, piece, &p->pieces[PLAN_ROUTE]) {
        const struct plan_route *r = plan_open(a, piece);
        for (uint32_t i = 0; i < r->attachments.n; i++) {
            const struct plan_attachment *at = &r->attachments.p[i];
            for (uint32_t k = 0; str_eq(at->listener, listener) && k < at->hostnames.n; k++)
                try_route(r, at->hostnames.p[k], host, q, a, &best, &any);
        }
    }
    return any ? arena_printf(a, STR_FMT "[%u]", STR_ARG(best.name), best.rule) : S("no route");
}

/* ---- random worlds ---- */

struct shape {
    unsigned names; /* routes that may be */
    unsigned hosts, paths, values;
    unsigned rules_max, conditions_max;
};
static const struct shape shapes[] = {
    {8, 7, 12, 2, 3, 2},    /* all kinds, few */
    {60, 7, 12, 3, 3, 3},   /* many that meet */
    {300, 1, 200, 2, 1, 1}, /* one host in many shards */
    {300, 2, 2, 40, 2, 3},  /* long lists on one path, told apart by headers and parameters */
    {200, 120, 3, 2, 1, 1}, /* many hosts: shards of names */
};
static const char *const listeners[] = {"any", "wild", "exact"};
static const char *const listener_hosts[] = {"", "*.b.c", "a.b.c"};
static const char *const hosts[] = {"-", "*.c", "*.b.c", "a.b.c", "b.c", "*.a.b.c", "x.c"};
static const char *const methods[] = {"GET", "POST", "DELETE"};

struct text {
    char s[1024];
    size_t n;
};
__attribute__((format(printf, 2, 3))) static void add(struct text *t, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    t->n += (size_t)vsnprintf(t->s + t->n, sizeof t->s - t->n, fmt, args);
    va_end(args);
    assert_true(t->n < sizeof t->s);
}

static void add_host(struct text *t, struct rng *r, const struct shape *s) {
    unsigned k = rng_below(r, s->hosts);
    if (k < COUNT_OF(hosts))
        add(t, "%s", hosts[k]);
    else
        add(t, "%sh%u.b.c", k % 3 ? "" : "*.", k);
}

static void add_path(struct text *t, struct rng *r, const struct shape *s) {
    unsigned k = rng_below(r, s->paths);
    if (k >= 12) {
        add(t, "/p%u/q", k);
        return;
    }
    for (unsigned depth = rng_below(r, 4); depth; depth--) add(t, "/%c", "abc"[rng_below(r, 1 + k % 3)]);
    if (!t->n || t->s[t->n - 1] == ' ') add(t, "/");
}

/* With a literal and without, of equal lengths and of different ones. */
static void add_expression(struct text *t, struct rng *r, const struct shape *s) {
    static const char *const ends[] = {"/.*", "/[ab]", ".*", "/(a;b)?", "/?x?", "(/[a-c])*", "[^/]+"};
    static const char *const whole[] = {".*", "/.*", "/[ab]/.*", ".*/c", "(/a;/b)", "/a+/?.*", "/p[0-9]*/q"};
    size_t from = t->n;
    if (rng_below(r, 3)) {
        add_path(t, r, s);
        if (t->s[t->n - 1] == '/') t->n--;
        add(t, "%s", ends[rng_below(r, COUNT_OF(ends))]);
    } else {
        add(t, "%s", whole[rng_below(r, COUNT_OF(whole))]);
    }
    for (size_t i = from; i < t->n; i++) /* in the words of a world, ";" and "|" stand between rules */
        if (t->s[i] == ';') t->s[i] = '\x01';
}

static void add_rule(struct text *t, struct rng *r, const struct shape *s) {
    unsigned kind = rng_below(r, 4);
    add(t, "%c ", "EPPR"[kind]);
    if (kind == 3)
        add_expression(t, r, s);
    else
        add_path(t, r, s);
    if (!rng_below(r, 3)) add(t, " %s", methods[rng_below(r, 3)]);
    unsigned headers = rng_below(r, s->conditions_max + 1), query = rng_below(r, s->conditions_max + 1);
    for (unsigned i = 0; i < headers; i++)
        add(t, rng_below(r, 6) ? " h:h%u=%u" : " h:h%u~[%u-9].*", i, rng_below(r, s->values) % 10);
    for (unsigned i = 0; i < query; i++)
        add(t, rng_below(r, 6) ? " q:q%u=%u" : " q:q%u~%u.?", i, rng_below(r, s->values));
}

static void change_route(struct world *w, struct rng *r, const struct shape *s) {
    char name[16], key[40];
    snprintf(name, sizeof name, "r%u", rng_below(r, s->names));
    snprintf(key, sizeof key, "HTTPRoute/ns/%s", name);
    if (!rng_below(r, 3)) {
        world_remove(w, PLAN_ROUTE, key);
        return;
    }
    struct text at = {0}, own = {0}, rules = {0};
    for (unsigned n = 1 + rng_below(r, 2); n; n--)
        add(&at, "%s%s", at.n ? " " : "", listeners[rng_below(r, 3)]);
    add_host(&own, r, s);
    if (strcmp(own.s, "-") && !rng_below(r, 2)) {
        struct text other = {0};
        add_host(&other, r, s);
        if (strcmp(other.s, "-")) add(&own, " %s", other.s);
    }
    for (unsigned n = 1 + rng_below(r, s->rules_max); n; n--) {
        add_rule(&rules, r, s);
        if (n > 1) add(&rules, rng_below(r, 2) ? " | " : " ; ");
    }
    world_route(w, name, rng_below(r, 3), at.s, own.s, rules.s);
}

static void change(struct world *w, struct rng *r, const struct shape *s) {
    unsigned what = rng_below(r, 20);
    char key[40];
    if (what < 4) {
        unsigned k = rng_below(r, 3);
        snprintf(key, sizeof key, "Gateway/infra/gw/%s", listeners[k]);
        if (what)
            world_listener(w, listeners[k], 80, listener_hosts[k]);
        else
            world_remove(w, PLAN_LISTENER, key);
    } else if (what < 7) {
        snprintf(key, sizeof key, "ns/r%u-0:80", rng_below(r, s->names));
        static const char *const addresses[] = {"10.0.0.1", "10.0.0.2", "10.0.0.3"};
        str kept = arena_str(w->a, str_of(key));
        if (rng_below(r, 3))
            world_endpoints(w, kept.p, addresses, rng_below(r, 4));
        else
            world_remove(w, PLAN_ENDPOINTS, kept.p);
    } else {
        change_route(w, r, s);
    }
}

static const char *random_request(struct world *w, struct rng *r, const struct shape *s) {
    struct text t = {0};
    add(&t, "%s ", methods[rng_below(r, 3)]);
    struct text host = {0};
    add_host(&host, r, s);
    add(&t, "%s ", host.s[0] == '*' ? &"z.y.b.c"[2 * rng_below(r, 2)] : host.s);
    add_path(&t, r, s);
    if (!rng_below(r, 4)) add(&t, "/x");
    for (unsigned i = 0, n = rng_below(r, s->conditions_max + 1); i < n; i++)
        add(&t, "%cq%u=%u", i ? '&' : '?', i, rng_below(r, s->values));
    for (unsigned i = 0, n = rng_below(r, s->conditions_max + 2); i < n; i++)
        add(&t, " H%u=%u", i, rng_below(r, s->values));
    return arena_str(w->a, (str){t.s, t.n}).p;
}

static void check_requests(struct world *w, struct rng *r, const struct shape *s, unsigned n,
                           unsigned *taken) {
    struct arena *a = arena_new();
    for (; n; n--) {
        const char *request = random_request(w, r, s);
        struct http_msg m;
        str host;
        world_request(a, str_of(request), &m, &host);
        const struct table_socket *sockets;
        if (!table_sockets(w->table, &sockets)) break;
        const struct table_listener *l = table_listener_for(table_port(w->table, sockets[0].slot), host);
        if (!l) continue;
        str wanted = oracle(&w->plan, l->key, host, &m, a), got = world_lookup(w->table, 80, request, a);
        if (!str_eq(got, wanted))
            fail_msg("%s: got " STR_FMT ", wanted " STR_FMT, request, STR_ARG(got), STR_ARG(wanted));
        *taken += !str_eq(got, S("no route"));
        arena_reset(a);
    }
    arena_free(a);
}

/* The same plan, compiled at once by another compiler, its pieces put in another order. */
static void check_dump(struct world *w) {
    struct world fresh;
    world_init(&fresh);
    for (unsigned kind = 0; kind < PLAN_KIND_COUNT; kind++) {
        void **all = index_sorted(&w->plan.pieces[kind]);
        for (uint32_t i = w->plan.pieces[kind].n; i-- > 0;) {
            struct plan_piece *piece = all[i];
            plan_set(&fresh.plan, kind, piece->key, plan_hold(piece), &fresh.delta);
        }
        free(all);
    }
    world_apply(&fresh, NULL);
    char *got = world_dump(w->table), *wanted = world_dump(fresh.table);
    assert_string_equal(got, wanted);
    free(got);
    free(wanted);
    world_fini(&fresh);
}

/* Tables that workers still read: what they show must not change, whatever is compiled meanwhile. */
enum { KEPT = 4 };
struct kept {
    struct table *t;
    char *dump;
};

static void let_go(struct world *w, struct kept *k) {
    if (!k->t) return;
    char *now = world_dump(k->t);
    assert_string_equal(now, k->dump);
    free(now);
    free(k->dump);
    compile_home(w->compiler, k->t);
    *k = (struct kept){0};
}

/* Returns how many requests a route took. */
static unsigned run(uint64_t seed, const struct shape *s, unsigned steps) {
    struct rng r = {seed};
    struct world w;
    world_init(&w);
    struct kept kept[KEPT] = {0};
    unsigned taken = 0;
    for (unsigned i = 0; i < 3; i++) world_listener(&w, listeners[i], 80, listener_hosts[i]);
    for (unsigned i = 0; i < s->names * 2; i++) change_route(&w, &r, s);
    for (unsigned i = 0; i < steps; i++) {
        for (unsigned n = 1 + rng_below(&r, i % 8 ? 3 : s->names); n; n--) change(&w, &r, s);
        struct table *before;
        world_apply(&w, &before);
        struct kept *k = &kept[rng_below(&r, KEPT)];
        let_go(&w, k);
        if (before) *k = (struct kept){before, world_dump(before)};
        check_requests(&w, &r, s, 30, &taken);
        if (i % 4 == 0) check_dump(&w);
        if (rng_below(&r, 2)) world_bury(&w);
    }
    for (unsigned i = 0; i < KEPT; i++) let_go(&w, &kept[i]);
    for (size_t i = 0; i < s->names; i++)
        world_remove(&w, PLAN_ROUTE, arena_printf(w.a, "HTTPRoute/ns/r%zu", i).p);
    world_apply(&w, NULL);
    check_dump(&w);
    world_fini(&w);
    return taken;
}

static void test_agrees(void **state) {
    (void)state;
    for (unsigned i = 0; i < COUNT_OF(shapes); i++) {
        unsigned taken = 0;
        for (uint64_t seed = 1; seed <= 6; seed++) taken += run(seed * 100 + i, &shapes[i], 24);
        print_message("shape %u: %u of %u requests were taken\n", i, taken, 6 * 24 * 30);
        assert_true(taken > 200); /* the requests do meet the routes */
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_agrees)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
