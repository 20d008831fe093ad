/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/shadows.h"

#include "api/api.h"

/* A match of a rule, as it asks on one listener for one of its route's own hostnames. */
struct taker {
    const struct plan_route *route;
    const struct plan_match *m; /* NULL: all */
    int64_t rule;
    uint32_t match;
    str hostname;
    const struct taker *next; /* that stands at the same path */
};
/* How often a match is looked for, and how often another goes before it. */
struct tally {
    uint32_t all, lost;
    struct taker winner; /* of the first that was lost */
};

static int by_name(const void *a, const void *b) {
    const struct plan_value_match *x = a, *y = b;
    return str_cmp(x->name, y->name);
}

/* Lengths keep one text from running into the next. */
static void add_text(struct buf *b, str s) { buf_printf(b, "%zu:" STR_FMT ",", s.n, STR_ARG(s)); }

static void add_values(struct shadows *k, struct buf *b, const struct plan_value_match *v, uint32_t n) {
    struct plan_value_match *sorted = arena_array(k->a, struct plan_value_match, n);
    if (n) memcpy(sorted, v, n * sizeof *v);
    if (n) qsort(sorted, n, sizeof *sorted, by_name);
    buf_printf(b, "%u;", n);
    for (uint32_t i = 0; i < n; i++) {
        buf_printf(b, "%u", sorted[i].type);
        add_text(b, sorted[i].name);
        add_text(b, sorted[i].value);
    }
}

/* All that decides what a match takes on a listener, for one hostname of its route: two of one key take the same requests. */
static str key_of_match(struct shadows *k, const struct plan_route *route, str listener, str hostname,
                        const struct plan_match *m) {
    enum { KEY_BYTES_MAX = 1 << 20 };
    struct buf b;
    buf_init(&b, KEY_BYTES_MAX);
    buf_printf(&b, "%u ", route->kind);
    add_text(&b, listener);
    add_text(&b, hostname);
    if (m) {
        buf_printf(&b, "%u %u ", m->path_type, m->call_type);
        add_text(&b, m->path);
        add_text(&b, m->method);
        add_text(&b, m->service);
        add_text(&b, m->call);
        add_values(k, &b, m->headers.p, m->headers.n);
        add_values(k, &b, m->query.p, m->query.n);
    }
    str key = arena_str(k->a, buf_str(&b));
    buf_fini(&b);
    return key;
}

str shadows_common_name(const struct plan_listener *l, str own) {
    if (own.n && own.p[0] != '*') return own;
    bool exact = l->hostname.n && l->hostname.p[0] != '*';
    return exact || l->hostname.n > own.n ? l->hostname : own;
}

/* The route's own hostname decides before its age: an exact one goes before wildcards, a longer one before a shorter.
 *                                                                                                [GW HTTPRoute.hostnames] */
static size_t rank(str own) { return own.n + (own.n && own.p[0] != '*') * (1u << 16); }

/* What a match takes at a place: `same` for those that take just that, `name` for all that ask for the name. */
struct place {
    str same, name;
};

static void each_place(struct shadows *k, const struct taker *one,
                       void (*visit)(struct shadows *, const struct taker *, struct place, void *),
                       void *arg) {
    for (uint32_t i = 0; i < one->route->attachments.n; i++) {
        const struct plan_attachment *at = &one->route->attachments.p[i];
        const struct plan_listener *l = plan_open(NULL, plan_get(k->plan, PLAN_LISTENER, at->listener));
        for (uint32_t h = 0; h < at->hostnames.n; h++) {
            struct taker here = *one;
            here.hostname = at->hostnames.p[h];
            str name = l ? shadows_common_name(l, here.hostname) : here.hostname;
            struct place p = {key_of_match(k, one->route, at->listener, name, one->m),
                              arena_printf(k->a, "%u %zu:" STR_FMT "," STR_FMT, one->route->kind,
                                           at->listener.n, STR_ARG(at->listener), STR_ARG(name))};
            visit(k, &here, p, arg);
        }
    }
}

/* ---- wider matches of longer hostnames ---- */

/* Those of one name that stand at one path, for one that may be covered by them. */
static str key_of_path(struct shadows *k, str name, uint8_t type, str path) {
    return arena_printf(k->a, STR_FMT " %u" STR_FMT, STR_ARG(name), type, STR_ARG(path));
}

static uint8_t path_type(const struct plan_match *m) {
    return m && m->path_type ? m->path_type : (uint8_t)PLAN_PATH_PREFIX;
}
static str path_of(const struct plan_match *m) { return m ? m->path : S(""); }

static bool has_all(const struct plan_value_match *wide, uint32_t wide_n, const struct plan_value_match *v,
                    uint32_t n) {
    for (uint32_t i = 0; i < wide_n; i++) {
        bool found = false;
        for (uint32_t k = 0; k < n && !found; k++)
            found = wide[i].type == v[k].type && str_eq(wide[i].name, v[k].name) &&
                    str_eq(wide[i].value, v[k].value);
        if (!found) return false;
    }
    return true;
}

/* Does wide, at a path that covers m's, take all that m takes? */
static bool covers(const struct plan_match *wide, const struct plan_match *m) {
    static const struct plan_match any;
    if (!wide) return true;
    if (!m) m = &any;
    if (wide->method.n && !str_eq(wide->method, m->method)) return false;
    if (wide->call_type == PLAN_VALUE_REGEX || (wide->call_type && wide->call_type != m->call_type))
        return false;
    if (wide->service.n && !str_eq(wide->service, m->service)) return false;
    if (wide->call.n && !str_eq(wide->call, m->call)) return false;
    return has_all(wide->headers.p, wide->headers.n, m->headers.p, m->headers.n) &&
           has_all(wide->query.p, wide->query.n, m->query.p, m->query.n);
}

static const struct taker *covering_at(struct shadows *k, const struct taker *one, str key) {
    enum { LOOKED_AT_MAX = 100 }; /* a hint need not be complete, and no walk quadratic */
    uint32_t n = 0;
    for (const struct taker *t = map_get(&k->paths, key); t && n < LOOKED_AT_MAX; t = t->next, n++)
        if (rank(t->hostname) > rank(one->hostname) && covers(t->m, one->m)) return t;
    return NULL;
}

/* Where names are the same the longer own hostname goes first, however little its match asks for: from the path itself up to "". */
static const struct taker *covering(struct shadows *k, const struct taker *one, str name) {
    uint8_t type = path_type(one->m);
    str path = path_of(one->m);
    const struct taker *t = covering_at(k, one, key_of_path(k, name, type, path));
    if (t || type == PLAN_PATH_REGEX)
        return t ? t : covering_at(k, one, key_of_path(k, name, PLAN_PATH_PREFIX, S("")));
    while (!t) {
        t = covering_at(k, one, key_of_path(k, name, PLAN_PATH_PREFIX, path));
        if (!path.n) break;
        path = str_upto(path, str_rfind(path, '/'));
    }
    return t;
}

static void claim(struct shadows *k, const struct taker *one, struct place p, void *arg) {
    (void)arg;
    struct taker *has = map_get(&k->takers, p.same), *stands = arena_make(k->a, struct taker);
    *stands = *one;
    str path = key_of_path(k, p.name, path_type(one->m), path_of(one->m));
    stands->next = map_get(&k->paths, path);
    map_put(&k->paths, path, stands);
    if (!has || rank(one->hostname) > rank(has->hostname)) map_put(&k->takers, p.same, stands);
}

static void ask(struct shadows *k, const struct taker *one, struct place p, void *arg) {
    struct tally *t = arg;
    const struct taker *has = map_get(&k->takers, p.same), *wide = covering(k, one, p.name);
    bool same = has->route == one->route && has->rule == one->rule && has->match == one->match;
    t->all++;
    if (wide) has = wide, same = has->route == one->route && has->rule == one->rule;
    if (!same && !t->lost++) t->winner = *has;
}

void shadows_claim(struct shadows *k, const struct plan_route *route, const struct plan_rule *rule) {
    for (uint32_t i = 0; i < rule->matches.n || !i; i++)
        each_place(k,
                   &(struct taker){.route = route,
                                   .m = rule->matches.n ? &rule->matches.p[i] : NULL,
                                   .rule = rule->index,
                                   .match = i},
                   claim, NULL);
}

static str winner_words(struct shadows *k, const struct taker *loser, const struct taker *winner) {
    if (winner->route == loser->route) return arena_printf(k->a, "spec.rules[%lld]", (long long)winner->rule);
    if (!str_eq(winner->route->ns, loser->route->ns)) return S("a route of another namespace");
    return arena_printf(k->a, "spec.rules[%lld] of " STR_FMT, (long long)winner->rule,
                        STR_ARG(winner->route->piece.key));
}

static void tell_lost(struct shadows *k, struct findings *f, const struct object *o, str path,
                      const struct taker *loser, const struct tally *t) {
    str who = winner_words(k, loser, &t->winner);
    bool l4 = loser->route->kind >= PLAN_ROUTE_TLS;
    if (t->lost == t->all)
        finding_add(f, FINDING_MEANING, o->line, 0, path,
                    S("remove one of the two, or make them match different things"),
                    "is never reached: " STR_FMT " takes the same %s and goes first", STR_ARG(who),
                    l4 ? "connections" : "requests");
    else
        finding_add(f, FINDING_MEANING, o->line, 0, path,
                    S("remove one of the two, or make them match different things"),
                    "is not reached for %u of its %u listeners and hostnames: " STR_FMT
                    " takes the same %s and goes first",
                    t->lost, t->all, STR_ARG(who), l4 ? "connections" : "requests");
}

/* One finding for a rule that is never reached, else one for each match that is not. */
void shadows_tell(struct shadows *k, struct findings *f, const struct object *o,
                  const struct plan_route *route, const struct plan_rule *rule) {
    struct taker one = {.route = route, .rule = rule->index};
    uint32_t n = rule->matches.n ? rule->matches.n : 1, dead = 0;
    struct tally *tallies = arena_array(k->a, struct tally, n);
    for (uint32_t i = 0; i < n; i++) {
        one.match = i;
        one.m = rule->matches.n ? &rule->matches.p[i] : NULL;
        each_place(k, &one, ask, &tallies[i]);
        dead += tallies[i].all && tallies[i].lost == tallies[i].all;
    }
    str path = arena_printf(k->a, "spec.rules[%lld]", (long long)rule->index);
    if (dead == n || n == 1) {
        if (tallies[0].lost) tell_lost(k, f, o, path, &one, &tallies[0]);
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        if (tallies[i].lost)
            tell_lost(k, f, o, arena_printf(k->a, STR_FMT ".matches[%u]", STR_ARG(path), i), &one,
                      &tallies[i]);
}

void shadows_fini(struct shadows *k) {
    map_fini(&k->takers);
    map_fini(&k->paths);
}
