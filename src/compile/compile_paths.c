/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/compile_paths.h"

#include "base/num.h"
#include "compile/compile_choice.h"

static const struct plan_match everything = {.path_type = PLAN_PATH_PREFIX};

uint32_t compile_paths_matches(const struct plan_rule *r) { return r->matches.n ? r->matches.n : 1; }

const struct plan_match *compile_paths_match(const struct plan_rule *r, uint32_t i) {
    return r->matches.n ? &r->matches.p[i] : &everything;
}

static enum host_kind kind_of(const struct plan_match *m) {
    if (m->path_type == PLAN_PATH_REGEX) return HOST_REGEX;
    return m->path_type == PLAN_PATH_EXACT ? HOST_EXACT : HOST_PREFIX;
}

static uint64_t key_of(enum host_kind kind, str path, str literal) {
    if (kind != HOST_REGEX) return host_key(host_path_hash(path), kind);
    uint64_t h = 1;
    for (size_t i = 0; i < literal.n && i < HOST_LITERAL_MAX; i++) h = host_literal_step(h, literal.p[i]);
    return host_key(h, kind);
}

uint64_t compile_paths_key(struct arena *a, const struct plan_match *m) {
    enum host_kind kind = kind_of(m);
    return key_of(kind, m->path, kind == HOST_REGEX ? regex_literal(a, m->path) : S(""));
}

/* Under which it stands in the table. */
static str path_of(const struct compile_paths_item *it) {
    return it->kind == HOST_REGEX ? str_upto(it->literal, HOST_LITERAL_MAX) : it->match->path;
}

/* Of entries with equal names only the first counts [GW HTTPHeaderMatch.name] [GW HTTPQueryParamMatch.name]. */
static bool is_repeated(const struct plan_value_match *v, uint32_t i) {
    for (uint32_t k = 0; k < i; k++)
        if (str_eq(v[k].name, v[i].name)) return true;
    return false;
}

static uint8_t count_values(const struct plan_value_match *v, uint32_t n) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; i++) count += !is_repeated(v, i);
    assert(count <= UINT8_MAX); /* at most 16 by the objects' schema */
    return (uint8_t)count;
}

static uint8_t traits_of_filters(const struct plan_filter *v, uint32_t n) {
    unsigned traits = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (v[i].type == PLAN_FILTER_AUTH) traits |= HOST_GUARDED;
        if (v[i].type == PLAN_FILTER_CORS) traits |= HOST_CORS;
    }
    return (uint8_t)traits;
}

static uint8_t traits_of(const struct plan_rule *r) {
    uint8_t traits = traits_of_filters(r->filters.p, r->filters.n);
    for (uint32_t i = 0; i < r->targets.n; i++)
        traits |= traits_of_filters(r->targets.p[i].filters.p, r->targets.p[i].filters.n);
    return traits;
}

void compile_paths_fill(struct arena *a, struct compile_paths_item *it, const struct plan_match *m) {
    it->match = m;
    it->kind = (uint8_t)kind_of(m);
    it->literal = it->kind == HOST_REGEX ? regex_literal(a, m->path) : S("");
    it->key = key_of(it->kind, m->path, it->literal);
    it->headers_n = count_values(m->headers.p, m->headers.n);
    it->query_n = count_values(m->query.p, m->query.n);
    it->traits = traits_of(&it->route->rules.p[it->rule_at]);
}

static int greater(uint64_t a, uint64_t b) { return a < b ? -1 : a > b; }

/* Not known is youngest: who has a time has stood the test of it. */
static uint64_t age_order(int64_t created_s) { return created_s ? (uint64_t)created_s : UINT64_MAX; }

/* By path, expressions last, then the order in which one path's alternatives are tried. [GW HTTPRouteRule.matches] */
static int item_order(const void *a, const void *b) {
    const struct compile_paths_item *x = a, *y = b;
    int d = greater(x->kind, y->kind);
    if (!d) d = greater(x->key, y->key);
    if (!d) d = str_cmp(path_of(x), path_of(y));
    if (!d && x->kind == HOST_REGEX) d = greater(y->match->path.n, x->match->path.n);
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
    return x->key == y->key && x->kind == y->kind && str_eq(path_of(x), path_of(y));
}

/* ---- expressions, shared by all shards that have the same ---- */

/* One that another version has made, which this one does not understand, is there all the same: it keeps its place, and is given up. */
static const struct host_regex *hold_expression(struct compiler *c, str text) {
    struct compiler_expression *e = map_get(&c->expressions, text);
    if (!e) {
        str message;
        e = base_zalloc(sizeof *e + text.n);
        if (text.n) memcpy(e->text, text.p, text.n);
        e->r.text = (str){e->text, text.n};
        if (regex_new_whole(c->scratch, text, &e->code, &message) == OK) e->r.code = e->code;
        map_put(&c->expressions, e->r.text, e);
    }
    e->r.holds++;
    return &e->r;
}

static void release_expression(struct compiler *c, const struct host_regex *r) {
    struct compiler_expression *e = container_of((struct host_regex *)r, struct compiler_expression, r);
    assert(e->r.holds > 0);
    if (--e->r.holds) return;
    map_take(&c->expressions, e->r.text);
    regex_free(e->code);
    free(e);
}

void compile_paths_free(struct compiler *c, struct host_paths *p) {
    if (!p) return;
    for (uint32_t i = 0; i < p->conditions_n; i++)
        if (host_condition_regex(&p->conditions[i])) release_expression(c, p->conditions[i].regex);
    for (uint32_t i = p->plain_n; i < p->alternatives_n; i++)
        release_expression(c, p->expressions[i - p->plain_n].regex);
    arena_free(p->choices);
    free(p);
}

/* The one block in the making. */
struct block {
    struct compiler *c;
    struct host_paths *s;
    struct host_path *paths;
    struct host_alternative *alternatives;
    struct host_condition *conditions;
    struct host_expression *expressions;
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

static struct block new_block(struct compiler *c, const struct compile_paths_item *items, uint32_t n) {
    uint32_t paths_n = 0, conditions_n = 0, plain_n = 0;
    size_t strings = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct plan_match *m = items[i].match;
        bool new_path = !i || !same_path(&items[i], &items[i - 1]);
        paths_n += new_path;
        plain_n += items[i].kind != HOST_REGEX;
        strings += items[i].literal.n;
        if (new_path) strings += path_of(&items[i]).n;
        conditions_n += (uint32_t)items[i].headers_n + items[i].query_n;
        strings += strings_of(m->headers.p, m->headers.n) + strings_of(m->query.p, m->query.n);
    }
    uint32_t slots_n = (uint32_t)num_power_of_two(paths_n + paths_n / 3 + 1);
    struct block b = {.c = c};
    b.s = base_zalloc(sizeof *b.s + paths_n * sizeof *b.paths + n * sizeof *b.alternatives +
                      conditions_n * sizeof *b.conditions + (n - plain_n) * sizeof *b.expressions +
                      slots_n * sizeof *b.slots + strings);
    b.paths = (struct host_path *)(void *)(b.s + 1);
    b.alternatives = (struct host_alternative *)(void *)(b.paths + paths_n);
    b.conditions = (struct host_condition *)(void *)(b.alternatives + n);
    b.expressions = (struct host_expression *)(void *)(b.conditions + conditions_n);
    b.slots = (uint32_t *)(void *)(b.expressions + (n - plain_n));
    b.strings = (char *)(b.slots + slots_n);
    *b.s = (struct host_paths){.alternatives_n = n,
                               .conditions_n = conditions_n,
                               .mask = slots_n - 1,
                               .plain_n = plain_n,
                               .slots = b.slots,
                               .paths = b.paths,
                               .alternatives = b.alternatives,
                               .conditions = b.conditions,
                               .expressions = b.expressions};
    return b;
}

static void put_values(struct block *b, const struct plan_value_match *v, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        if (is_repeated(v, i)) continue;
        struct host_condition *to = &b->conditions[b->conditions_n++];
        to->name = put_str(b, v[i].name).p;
        to->name_n = (uint32_t)v[i].name.n;
        to->value_n = v[i].type == PLAN_VALUE_REGEX ? HOST_BY_REGEX : (uint32_t)v[i].value.n;
        if (v[i].type == PLAN_VALUE_REGEX)
            to->regex = hold_expression(b->c, v[i].value);
        else
            to->value = put_str(b, v[i].value).p;
    }
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
        .traits = it->traits,
    };
    if (it->kind == HOST_REGEX)
        b->expressions[at - b->s->plain_n] =
            (struct host_expression){hold_expression(b->c, m->path), put_str(b, it->literal),
                                     age_order(it->route->created_s), it->match_at};
    put_values(b, m->headers.p, m->headers.n);
    put_values(b, m->query.p, m->query.n);
}

static void put_path(struct block *b, const struct compile_paths_item *it, uint32_t first) {
    str path = put_str(b, path_of(it));
    b->paths[b->s->paths_n++] = (struct host_path){
        .p = path.p,
        .n = (uint32_t)path.n & INT32_MAX >> 1,
        .kind = it->kind & 3u,
        .tag = host_tag(it->key),
        .first = first,
    };
    uint32_t slot = (uint32_t)it->key & b->s->mask;
    while (b->slots[slot]) slot = (slot + 1) & b->s->mask;
    b->slots[slot] = b->s->paths_n;
}

struct host_paths *compile_paths_make(struct compiler *c, struct compile_paths_item *items, uint32_t n) {
    qsort(items, n, sizeof *items, item_order);
    struct block b = new_block(c, items, n);
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
