/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pool.h"

#include "../unit.h"

enum { BYTES = 64, KEPT = 600, MANY = 1000 };
static uint32_t ended;
static void on_end(void *item) {
    assert_non_null(item);
    ended++;
}

static void take(struct pool *p, void **items, uint32_t n) {
    bool fresh;
    for (uint32_t i = 0; i < n; i++) items[i] = pool_take(p, &fresh);
}
static void give(struct pool *p, void **items, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) pool_give(p, items[i]);
}

/* Under ASan nothing is kept unless a test wants it. */
static bool keeps(void) {
    struct pool p;
    pool_init(&p, BYTES, 1, NULL);
    bool kept = p.keep_max;
    pool_fini(&p);
    return kept;
}

static void keeps_up_to_its_bound(void **state) {
    (void)state;
    struct pool p;
    void *items[MANY];
    bool fresh;
    pool_init(&p, BYTES, KEPT, on_end);
    ended = 0;
    take(&p, items, MANY);
    assert_int_equal(p.misses, MANY);
    assert_int_equal(p.all, MANY);
    give(&p, items, MANY);
    assert_int_equal(ended, keeps() ? MANY - KEPT : MANY);
    assert_int_equal(pool_kept(&p), keeps() ? KEPT : 0);
    assert_int_equal(p.all, pool_kept(&p));
    void *again = pool_take(&p, &fresh);
    assert_int_equal(fresh, !keeps());
    pool_give(&p, again);
    pool_fini(&p);
    assert_int_equal(ended, p.misses);
}

/* What is used at once stays, however long; what is not used goes, a part at a time. */
static void gives_back_what_is_not_used(void **state) {
    (void)state;
    enum { USED = 40 };
    struct pool p;
    void *items[MANY];
    pool_init(&p, BYTES, KEPT, on_end);
    pool_keep(&p, KEPT);
    take(&p, items, KEPT);
    assert_int_equal(pool_shrink(&p), 0); /* a while begins, in which all are used */
    give(&p, items, KEPT);
    assert_int_equal(pool_shrink(&p), 0);
    for (int i = 0; i < 3; i++) {
        take(&p, items, USED);
        give(&p, items, USED);
    }
    uint32_t calls = 0;
    for (size_t n; (n = pool_shrink(&p)); calls++) {
        assert_true(n <= (size_t)256 * BYTES);
        take(&p, items, USED);
        give(&p, items, USED);
    }
    assert_int_equal(calls, 3); /* 560 of them */
    assert_int_equal(pool_kept(&p), USED);
    uint64_t misses = p.misses;
    take(&p, items, USED);
    assert_int_equal(p.misses, misses);
    assert_int_equal(pool_shrink(&p), 0);
    give(&p, items, USED);
    assert_int_equal(pool_shrink(&p), 0); /* they were used in this while */
    assert_int_equal(pool_shrink(&p), USED * BYTES);
    assert_int_equal(p.all, 0);
    assert_int_equal(pool_shrink(&p), 0);
    pool_fini(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_up_to_its_bound),
        cmocka_unit_test(gives_back_what_is_not_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
