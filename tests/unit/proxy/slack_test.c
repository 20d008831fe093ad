/* SPDX-License-Identifier: Apache-2.0 */
/* Time is the timer's argument: nothing here waits. */
#include "proxy/slack.h"

#include "../unit.h"

enum { BYTES = 512, KEPT = 4096, MANY = 1000, USED = 10 };

static void take(struct pool *p, void **items, uint32_t n) {
    bool fresh;
    for (uint32_t i = 0; i < n; i++) items[i] = pool_take(p, &fresh);
}
static void give(struct pool *p, void **items, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) pool_give(p, items[i]);
}

/* A thousand connections that end are given back within a while, those that are used all the time are not; then it sleeps. */
static void gives_back_after_a_drop(void **state) {
    (void)state;
    struct loop l;
    struct pool pools[SLACK_POOLS], *all[SLACK_POOLS];
    struct slack s;
    void *items[MANY];
    uint64_t open = 0, now = 0;
    loop_init(&l);
    l.now_us = 0;
    for (int i = 0; i < SLACK_POOLS; i++) {
        pool_init(all[i] = &pools[i], BYTES, 0, NULL);
        pool_keep(all[i], KEPT); /* under ASan as well */
    }
    slack_init(&s, &l, all, &open);
    for (int i = 0; i < MANY; i++) open++, slack_opened(&s);
    take(&pools[0], items, MANY);
    timer_run(&l.timers, now += SLACK_WHILE_US);
    assert_int_equal(s.trims, 0); /* all are open */
    give(&pools[0], items, MANY);
    open = 0;
    uint32_t steps = 0;
    for (uint32_t before = pool_kept(&pools[0]); timer_next(&l.timers) != UINT64_MAX;
         before = pool_kept(&pools[0])) {
        now = timer_next(&l.timers);
        timer_run(&l.timers, now);
        assert_true(before - pool_kept(&pools[0]) <= 256);
        if (now < (uint64_t)3 * SLACK_WHILE_US) { /* they are used again meanwhile */
            take(&pools[0], items, USED);
            give(&pools[0], items, USED);
        }
        assert_true(++steps < 100);
    }
    assert_int_equal(s.trims, 1);
    for (int i = 0; i < SLACK_POOLS; i++) assert_int_equal(pools[i].all, 0);
    open++, slack_opened(&s); /* the next one wakes it */
    assert_int_not_equal(timer_next(&l.timers), UINT64_MAX);
    slack_fini(&s);
    for (int i = 0; i < SLACK_POOLS; i++) pool_fini(&pools[i]);
    loop_fini(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(gives_back_after_a_drop)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
