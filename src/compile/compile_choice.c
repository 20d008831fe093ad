/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/compile_choice.h"

#include "base/num.h"

struct made_from {
    struct arena *a;
    const struct host_alternative *alternatives;
    const struct host_condition *conditions;
};
/* One condition of one alternative of the list. */
struct reference {
    const struct host_condition *c;
    uint32_t at; /* index in the list */
    bool query;
};

static int name_order(const struct reference *x, const struct reference *y) {
    if (x->query != y->query) return x->query ? 1 : -1;
    return str_cmp(host_condition_name(x->c), host_condition_name(y->c));
}

static int reference_order(const void *a, const void *b) {
    const struct reference *x = a, *y = b;
    int d = name_order(x, y);
    if (!d) d = str_cmp(host_condition_value(x->c), host_condition_value(y->c));
    if (!d) d = x->at < y->at ? -1 : x->at > y->at;
    return d;
}

/* All conditions of the list but for expressions, ordered by name, value and place; to free(). */
static struct reference *list_conditions(const struct made_from *f, const uint32_t *list, uint32_t n,
                                         uint32_t *ret_n) {
    uint32_t all = 0, k = 0;
    for (uint32_t i = 0; i < n; i++)
        all += (uint32_t)f->alternatives[list[i]].headers_n + f->alternatives[list[i]].query_n;
    *ret_n = all;
    if (!all) return NULL;
    struct reference *refs = base_alloc(all * sizeof *refs);
    for (uint32_t i = 0; i < n; i++) {
        const struct host_alternative *a = &f->alternatives[list[i]];
        for (uint32_t j = 0; j < (uint32_t)a->headers_n + a->query_n; j++) {
            const struct host_condition *c = f->conditions + a->conditions + j;
            if (!host_condition_regex(c)) refs[k++] = (struct reference){c, i, j >= a->headers_n};
        }
    }
    *ret_n = k;
    if (k) qsort(refs, k, sizeof *refs, reference_order);
    return refs;
}

struct group { /* the references of one name */
    uint32_t first, n, values, cost;
};

/* How many are left to try at worst: those without the condition and those of the most frequent value. */
static struct group measure(const struct reference *refs, uint32_t all, uint32_t first, uint32_t list_n) {
    struct group g = {.first = first};
    uint32_t most = 0, same = 0;
    for (uint32_t i = first; i < all && !name_order(&refs[i], &refs[first]); i++, g.n++) {
        bool new_value =
            i == first || !str_eq(host_condition_value(refs[i].c), host_condition_value(refs[i - 1].c));
        same = new_value ? 1 : same + 1;
        g.values += new_value;
        if (same > most) most = same;
    }
    g.cost = list_n - g.n + most;
    return g;
}

static const struct host_choice *make(const struct made_from *f, const uint32_t *list, uint32_t n,
                                      unsigned depth);

static struct host_run make_run(const struct made_from *f, const uint32_t *at, uint32_t n, unsigned depth) {
    return (struct host_run){at, n, make(f, at, n, depth + 1)};
}

static void fill(const struct made_from *f, const uint32_t *list, uint32_t n, const struct reference *refs,
                 const struct group *g, unsigned depth, struct host_choice *ch) {
    uint32_t cap = (uint32_t)num_power_of_two(g->values + g->values / 3 + 1);
    struct host_bucket *buckets = arena_array(f->a, struct host_bucket, cap);
    uint32_t *rest = arena_array(f->a, uint32_t, n), rest_n = 0;
    for (uint32_t i = 0; i < n; i++) rest[i] = list[i];
    *ch = (struct host_choice){host_condition_name(refs->c), refs->query, cap - 1, buckets, {0}};
    for (uint32_t i = 0, end; i < g->n; i = end) {
        str value = host_condition_value(refs[i].c);
        for (end = i + 1; end < g->n && str_eq(host_condition_value(refs[end].c), value);) end++;
        uint32_t *at = arena_array(f->a, uint32_t, end - i);
        for (uint32_t k = i; k < end; k++) {
            at[k - i] = list[refs[k].at];
            rest[refs[k].at] = UINT32_MAX;
        }
        uint32_t slot = (uint32_t)hash_str(value) & ch->mask;
        while (buckets[slot].value.p) slot = (slot + 1) & ch->mask;
        buckets[slot] = (struct host_bucket){value, make_run(f, at, end - i, depth)};
    }
    for (uint32_t i = 0; i < n; i++)
        if (rest[i] != UINT32_MAX) rest[rest_n++] = rest[i];
    ch->rest = make_run(f, rest, rest_n, depth);
}

static const struct host_choice *make(const struct made_from *f, const uint32_t *list, uint32_t n,
                                      unsigned depth) {
    if (n < HOST_CHOICE_MIN || depth >= HOST_CHOICE_DEPTH_MAX) return NULL;
    uint32_t all;
    struct reference *refs = list_conditions(f, list, n, &all);
    struct group best = {.cost = n};
    for (uint32_t i = 0; i < all;) {
        struct group g = measure(refs, all, i, n);
        if (g.cost < best.cost) best = g;
        i += g.n;
    }
    struct host_choice *ch = NULL;
    if (best.cost <= n - n / 4) { /* less gain is not worth a look at the header */
        ch = arena_make(f->a, struct host_choice);
        fill(f, list, n, refs + best.first, &best, depth, ch);
    }
    free(refs);
    return ch;
}

const struct host_choice *compile_choice_make(struct arena **a, const struct host_alternative *alternatives,
                                              const struct host_condition *conditions, uint32_t first,
                                              uint32_t n) {
    if (n < HOST_CHOICE_MIN) return NULL;
    if (!*a) *a = arena_new();
    uint32_t *list = base_alloc(n * sizeof *list);
    for (uint32_t i = 0; i < n; i++) list[i] = first + i;
    struct made_from f = {*a, alternatives, conditions};
    const struct host_choice *ch = make(&f, list, n, 0);
    free(list);
    return ch;
}
