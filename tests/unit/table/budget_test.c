/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include <pthread.h>

#include "table/budget.h"

enum { SECOND = 1000000 };
#define BEGIN (UINT64_C(5000) * SECOND)

static void free_budget(const struct budget *b) { free((void *)b); }

static void count(struct budget_window *w, const struct budget *b, uint32_t n, uint64_t now_us) {
    for (uint32_t i = 0; i < n; i++) budget_count(w, b, now_us);
}
static uint32_t take_all(struct budget_window *w, const struct budget *b, uint64_t now_us) {
    uint32_t n = 0;
    while (budget_take(w, b, now_us)) {
        assert_true(++n < 100000);
        budget_count(w, b, now_us); /* a retry is a request */
    }
    return n;
}

static void a_share_of_what_was_sent(void **state) {
    (void)state;
    const struct budget *b = budget_new(20, 10 * SECOND, 0, SECOND);
    struct budget_window w = {0};
    assert_false(budget_take(&w, b, BEGIN));
    count(&w, b, 3, BEGIN);
    assert_false(budget_take(&w, b, BEGIN)); /* one of four is more than a fifth */
    count(&w, b, 1, BEGIN);
    assert_true(budget_take(&w, b, BEGIN));
    count(&w, b, 1, BEGIN);
    assert_false(budget_take(&w, b, BEGIN));
    struct budget_window other = {0};
    count(&other, b, 800, BEGIN);
    assert_int_equal(take_all(&other, b, BEGIN), 200); /* 200 of 1000 */
    free_budget(b);
}

static void the_interval_moves_on(void **state) {
    (void)state;
    const struct budget *b = budget_new(50, 10 * SECOND, 0, SECOND);
    struct budget_window w = {0};
    count(&w, b, 100, BEGIN);
    assert_int_equal(take_all(&w, b, BEGIN + 4 * SECOND), 100);
    assert_int_equal(take_all(&w, b, BEGIN + 9 * SECOND), 0);
    /* the requests of the begin are too old, the retries are not */
    assert_int_equal(take_all(&w, b, BEGIN + 10 * SECOND), 0);
    count(&w, b, 100, BEGIN + 10 * SECOND);
    assert_int_equal(take_all(&w, b, BEGIN + 10 * SECOND), 0);
    assert_int_equal(take_all(&w, b, BEGIN + 14 * SECOND), 100);
    assert_int_equal(take_all(&w, b, BEGIN + 3600 * (uint64_t)SECOND), 0); /* all is forgotten */
    free_budget(b);
}

static void some_in_any_case(void **state) {
    (void)state;
    const struct budget *b = budget_new(0, 10 * SECOND, 10, SECOND);
    struct budget_window w = {0}, other = {0};
    assert_int_equal(take_all(&w, b, BEGIN), 10);
    assert_int_equal(take_all(&other, b, BEGIN + SECOND - 1), 0); /* all workers have these together */
    assert_int_equal(take_all(&other, b, BEGIN + SECOND), 10);
    free_budget(b);
    b = budget_new(100, 10 * SECOND, 1, SECOND); /* what the share allows counts */
    w = (struct budget_window){0};
    assert_true(budget_take(&w, b, BEGIN));
    free_budget(b);
    b = budget_new(50, 10 * SECOND, 5, SECOND);
    w = (struct budget_window){0};
    count(&w, b, 5, BEGIN);
    assert_int_equal(take_all(&w, b, BEGIN), 5); /* not 5 by share and 5 more */
    free_budget(b);
}

static void another_interval_begins_anew(void **state) {
    (void)state;
    const struct budget *b = budget_new(50, 10 * SECOND, 0, SECOND),
                        *now = budget_new(50, 60 * SECOND, 0, SECOND);
    struct budget_window w = {0};
    count(&w, b, 100, BEGIN);
    assert_false(budget_take(&w, now, BEGIN));
    count(&w, now, 1, BEGIN);
    assert_true(budget_take(&w, now, BEGIN));
    free_budget(b);
    free_budget(now);
}

struct taker {
    const struct budget *b;
    uint32_t got;
};
static void *take_many(void *arg) {
    struct taker *t = arg;
    struct budget_window w = {0};
    for (int i = 0; i < 20000; i++) t->got += budget_take(&w, t->b, BEGIN);
    return NULL;
}

static void workers_share_exactly(void **state) {
    (void)state;
    enum { THREADS = 4, ALLOWED = 10000 };
    const struct budget *b = budget_new(0, 10 * SECOND, ALLOWED, SECOND);
    struct taker takers[THREADS];
    pthread_t threads[THREADS];
    uint32_t sum = 0;
    for (int i = 0; i < THREADS; i++) {
        takers[i] = (struct taker){b, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, take_many, &takers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        sum += takers[i].got;
    }
    assert_int_equal(sum, ALLOWED);
    free_budget(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_share_of_what_was_sent), cmocka_unit_test(the_interval_moves_on),
        cmocka_unit_test(some_in_any_case),         cmocka_unit_test(another_interval_begins_anew),
        cmocka_unit_test(workers_share_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
