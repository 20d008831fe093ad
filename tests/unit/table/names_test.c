/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "base/rng.h"
#include "table/names.h"

static void free_later(void *arg, void *block) {
    void ***list = arg; /* freed by the next: what old tops show stays readable until the test's end */
    **list = block;
    (*list)++;
}

enum { NAMES = 400, STEPS = 4000 };
struct item {
    char name[24];
    bool there;
};

/* What takes the host, by looking at every name. */
static const void *naive(const struct item *items, str host) {
    const struct item *best = NULL;
    for (const struct item *it = items; it < items + NAMES; it++) {
        str name = str_of(it->name);
        bool wild = name.n && name.p[0] == '*';
        bool takes =
            !name.n || (wild ? host.n >= name.n && str_ends(host, str_from(name, 1)) : str_eq(name, host));
        if (!it->there || !takes) continue;
        bool better = !best || (best->name[0] == '*' && !wild && name.n) || (!best->name[0] && name.n) ||
                      (best->name[0] == '*' && wild && name.n > strlen(best->name));
        if (better) best = it;
    }
    return best;
}

static void test_agrees_with_a_scan(void **state) {
    (void)state;
    struct item *items = base_zalloc(NAMES * sizeof *items);
    for (unsigned i = 1; i < NAMES; i++)
        snprintf(items[i].name, sizeof items[i].name, "%s%c%u.%c.x", i % 3 ? "" : "*.", 'a' + (char)(i % 5),
                 i % 97, 'a' + (char)(i % 4));
    /* equal names would be one entry: only the first of them takes part */
    struct rng r = {7};
    void **dead = base_alloc((STEPS * 8 + 8) * sizeof *dead), **end = dead;
    struct names_edit e = {1, free_later, &end};
    struct names *names = NULL;
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned k = rng_below(&r, NAMES), first = 0;
        while (strcmp(items[first].name, items[k].name)) first++;
        bool fill = step < STEPS / 2; /* first it grows, then it shrinks */
        items[first].there = rng_below(&r, 8) ? fill : !fill;
        names_set(&e, &names, str_of(items[first].name), items[first].there ? &items[first] : NULL);
        if (!rng_below(&r, 4)) e.born++;
        char host[32];
        snprintf(host, sizeof host, "%s%s", rng_below(&r, 2) ? "" : "p.", items[rng_below(&r, NAMES)].name);
        str wanted_host = str_of(host[0] == '*' ? host + 2 : host);
        struct names_walk w;
        names_start(&w, names, wanted_host);
        assert_ptr_equal(names_next(&w), naive(items, wanted_host));
    }
    for (unsigned i = 0; i < NAMES; i++) names_set(&e, &names, str_of(items[i].name), NULL);
    assert_null(names);
    while (end > dead) free(*--end);
    free(dead);
    free(items);
}

static void test_walk_and_order(void **state) {
    (void)state;
    static const char *const given[] = {"", "*.c", "b.c", "*.b.c", "a.b.c", "*.a.b.c"};
    static const char *const sorted[] = {"a.b.c", "b.c", ".a.b.c", ".b.c", ".c", ""};
    struct names *names = NULL;
    struct names_edit e = {1, NULL, NULL};
    for (unsigned i = 0; i < COUNT_OF(given); i++) names_set(&e, &names, str_of(given[i]), given[i]);
    struct names_walk w;
    names_start(&w, names, S("a.b.c"));
    static const unsigned order[] = {4, 3, 1, 0};
    for (unsigned i = 0; i < COUNT_OF(order); i++) assert_ptr_equal(names_next(&w), given[order[i]]);
    assert_null(names_next(&w));
    assert_null(names_next(&w));
    names_start(&w, NULL, S("a"));
    assert_null(names_next(&w));
    size_t n;
    struct names_item *items = names_sorted(names, &n);
    assert_int_equal(n, COUNT_OF(sorted));
    for (unsigned i = 0; i < n; i++) assert_str(items[i].key, sorted[i]);
    free(items);
    struct names_cursor c = {0};
    bool seen[COUNT_OF(given)] = {0};
    const void *v;
    for (unsigned i = 0; i < COUNT_OF(given); i++) {
        assert_non_null(v = names_each(names, &c));
        unsigned k = 0;
        while (given[k] != v) k++;
        assert_false(seen[k]);
        seen[k] = true;
    }
    assert_null(names_each(names, &c));
    assert_null(names_each(names, &c));
    assert_null(names_each(NULL, &(struct names_cursor){0}));
    names_free(names);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_agrees_with_a_scan),
                                       cmocka_unit_test(test_walk_and_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
