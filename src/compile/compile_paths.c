/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/compile_paths.h"

#include "base/num.h"
#include "compile/compile_choice.h"

static const struct plan_match everything = {.path_type = PLAN_PATH_PREFIX};

uint32_t compile_paths_matches(const struct plan_rule *r) { return r->matches.n ? r->matches.n : 1; }

const struct plan_match *compile_paths_match(const struct plan_rule *r, uint32_t i) {
    return r->matches.n ? &r->matches.p[i] : &everything;
}

static bool is_prefix(const struct plan_match *m) {
    assert(m->path_type != PLAN_PATH_REGEX); /* compile_carries() */
    return m->path_type != PLAN_PATH_EXACT;
}

uint64_t compile_paths_key(const struct plan_match *m) {
    return host_key(host_path_hash(m->path), is_prefix(m));
}

/* Of entries with equal names only the first counts [GW HTTPHeaderMatch.name] [GW HTTPQueryParamMatch.name]. */
static bool is_repeated(const struct plan_value_match *v, uint32_t i) {
    for (uint32_t k = 0; k < i; k++)
        if (str_eq(v[k].name, v[i].name)) return true;
    return false;
}

static uint8_t count_values(const struct plan_value_match *v, uint32_t n) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; i++) {
        assert(v[i].type != PLAN_VALUE_REGEX); /* as above */
        count += !is_repeated(v, i);
    }
    assert(count <= UINT8_MAX); /* at most 16 by the objects' schema */
    return (uint8_t)count;
}

void compile_paths_fill(struct compile_paths_item *it, const struct plan_match *m) {
    it->match = m;
    it->headers_n = count_values(m->headers.p, m->headers.n);
    it->query_n = count_values(m->query.p, m->query.n);
}

static int greater(uint64_t a, uint64_t b) { return a < b ? -1 : a > b; }

/* Not known is youngest: who has a time has stood the test of it. */
static uint64_t age_order(int64_t created_s) { return created_s ? (uint64_t)created_s : UINT64_MAX; }

/* By path, then the order in which one path's alternatives are tried. [GW HTTPRouteRule.matches] */
static int item_order(const void *a, const void *b) {
    const struct compile_paths_item *x = a, *y = b;
    int d = greater(x->key, y->key);
    if (!d) d = greater(is_prefix(x->match), is_prefix(y->match));
    if (!d) d = str_cmp(x->match->path, y->match->path);
    if (!d) d = greater(y->match->method.n > 0, x->match->method.n > 0);
    if (!d) d = greater(y->headers_n, x->headers_n);
    if (!d) d = greater(y->query_n, x->query_n);
    if (!d) d = greater(age_order(x->route->created_s), age_order(y->route->created_s));
    if (!d) d = str_cmp(x->route->piece.key, y->route->piece.key);
    if (!d) d = greater(x->rule_at, y->rule_at);
    if (!d) d = greater(x->match_at, y->match_at);
    return d;
}

static bool same_path(const struct compile_paths_item *x, const struct compile_paths_item *y) {
    return x->key == y->key && is_prefix(x->match) == is_prefix(y->match) &&
           str_eq(x->match->path, y->match->path);
}

/* The one block in the making. */
struct block {
    struct host_paths *s;
    struct host_path *paths;
    struct host_alternative *alternatives;
    struct host_condition *conditions;
    uint32_t *slots;
    char *strings;
    uint32_t conditions_n;
};

static str put_str(struct block *b, str s) {
    char *to = b->strings;
    if (s.n) memcpy(to, s.p, s.n);
    b->strings += s.n;
    return (str){to, s.n};
}

static size_t strings_of(const struct plan_value_match *v, uint32_t n) {
    size_t bytes = 0;
    for (uint32_t i = 0; i < n; i++) bytes += v[i].name.n + v[i].value.n;
    return bytes;
}

static struct block new_block(const struct compile_paths_item *items, uint32_t n) {
    uint32_t paths_n = 0, conditions_n = 0;
    size_t strings = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct plan_match *m = items[i].match;
        bool new_path = !i || !same_path(&items[i], &items[i - 1]);
        paths_n += new_path;
        if (new_path) strings += m->path.n;
        conditions_n += (uint32_t)items[i].headers_n + items[i].query_n;
        strings += strings_of(m->headers.p, m->headers.n) + strings_of(m->query.p, m->query.n);
    }
    uint32_t slots_n = (uint32_t)num_power_of_two(paths_n + paths_n / 3 + 1);
    struct block b = {0};
    b.s = base_zalloc(sizeof *b.s + paths_n * sizeof *b.paths + n * sizeof *b.alternatives +
                      conditions_n * sizeof *b.conditions + slots_n * sizeof *b.slots + strings);
    b.paths = (struct host_path *)(void *)(b.s + 1);
    b.alternatives = (struct host_alternative *)(void *)(b.paths + paths_n);
    b.conditions = (struct host_condition *)(void *)(b.alternatives + n);
    b.slots = (uint32_t *)(void *)(b.conditions + conditions_n);
    b.strings = (char *)(b.slots + slots_n);
    *b.s = (struct host_paths){0, n, slots_n - 1, b.slots, b.paths, b.alternatives, b.conditions, NULL};
    return b;
}

static void put_values(struct block *b, const struct plan_value_match *v, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        if (!is_repeated(v, i))
            b->conditions[b->conditions_n++] =
                (struct host_condition){put_str(b, v[i].name), put_str(b, v[i].value)};
}

static enum http_method method_of(str method) {
    if (!method.n) return HTTP_METHOD_OTHER;
    enum http_method id = http_method_of(method);
    assert(id != HTTP_METHOD_OTHER); /* the objects' schema lists them */
    return id;
}

static void put_alternative(struct block *b, const struct compile_paths_item *it, uint32_t at) {
    const struct plan_match *m = it->match;
    b->alternatives[at] = (struct host_alternative){
        .rule = it->rule,
        .conditions = b->conditions_n,
        .method = (uint8_t)method_of(m->method),
        .headers_n = it->headers_n,
        .query_n = it->query_n,
    };
    put_values(b, m->headers.p, m->headers.n);
    put_values(b, m->query.p, m->query.n);
}

static void put_path(struct block *b, const struct compile_paths_item *it, uint32_t first) {
    str path = put_str(b, it->match->path);
    b->paths[b->s->paths_n++] = (struct host_path){
        .p = path.p,
        .n = (uint32_t)path.n & INT32_MAX,
        .prefix = is_prefix(it->match),
        .tag = host_tag(it->key),
        .first = first,
    };
    uint32_t slot = (uint32_t)it->key & b->s->mask;
    while (b->slots[slot]) slot = (slot + 1) & b->s->mask;
    b->slots[slot] = b->s->paths_n;
}

struct host_paths *compile_paths_make(struct compile_paths_item *items, uint32_t n) {
    qsort(items, n, sizeof *items, item_order);
    struct block b = new_block(items, n);
    for (uint32_t i = 0; i < n; i++) {
        if (!i || !same_path(&items[i], &items[i - 1])) put_path(&b, &items[i], i);
        b.paths[b.s->paths_n - 1].count++;
        put_alternative(&b, &items[i], i);
    }
    for (uint32_t i = 0; i < b.s->paths_n; i++)
        b.paths[i].choice = compile_choice_make(&b.s->choices, b.alternatives, b.conditions, b.paths[i].first,
                                                b.paths[i].count);
    return b.s;
}
