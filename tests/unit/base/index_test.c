/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "base/index.h"
#include "base/rng.h"

enum { KEYS = 300, STEPS = 20000 };
struct thing {
    char name[8];
};

static str key_of(const void *value) { return str_of(((const struct thing *)value)->name); }

/* Against a plain array: puts, replacements and removals in any order. */
static void test_it_is_a_map(void **state) {
    (void)state;
    static struct thing things[2][KEYS];
    struct thing *now[KEYS] = {0};
    struct index x = {.key = key_of};
    struct rng r = {.state = 3};
    uint32_t n = 0;
    for (int v = 0; v < 2; v++)
        for (int i = 0; i < KEYS; i++) snprintf(things[v][i].name, sizeof things[v][i].name, "k%d", i);
    for (int step = 0; step < STEPS; step++) {
        uint32_t i = rng_below(&r, KEYS), what = rng_below(&r, 3);
        str key = str_of(things[0][i].name);
        assert_ptr_equal(index_get(&x, key), now[i]);
        if (what < 2) {
            n += !now[i];
            assert_ptr_equal(index_put(&x, &things[what][i]), now[i]);
            now[i] = &things[what][i];
        } else {
            n -= now[i] != NULL;
            assert_ptr_equal(index_take(&x, key), now[i]);
            now[i] = NULL;
        }
        assert_int_equal(x.n, n);
    }
    uint32_t seen = 0;
    index_each (struct thing, t, &x) {
        assert_ptr_equal(index_get(&x, key_of(t)), t);
        seen++;
    }
    assert_int_equal(seen, n);
    void **sorted = index_sorted(&x);
    for (uint32_t i = 1; i < n; i++) assert_true(str_cmp(key_of(sorted[i - 1]), key_of(sorted[i])) < 0);
    free(sorted);
    index_fini(&x);
    assert_null(index_get(&x, S("k1")));
    assert_null(index_sorted(&x));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_it_is_a_map)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
