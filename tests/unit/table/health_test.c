/* SPDX-License-Identifier: Apache-2.0 */
#include "table/health.h"

#include "../unit.h"

static const struct table_balancing rules = {
    .failures = 3, .statuses = 2, .share_percent = 100, .out_us = 1000, .out_us_max = 6000};
static uint64_t until(const struct health *h) { return atomic_load(&h->out_us); }

static void failures_in_a_row_put_it_out(void **state) {
    (void)state;
    struct health h = {0};
    assert_false(health_fault(&h, &rules, HEALTH_STATUS, 10));
    assert_false(health_is_spotless(&h));
    assert_false(health_well(&h, 10));
    assert_true(health_is_spotless(&h));
    struct table_balancing failures = rules;
    failures.statuses = 0;
    assert_false(health_fault(&h, &failures, HEALTH_FAILURE, 10));
    assert_false(health_fault(&h, &failures, HEALTH_FAILURE, 10));
    assert_false(health_fault(&h, &failures, HEALTH_STATUS, 10)); /* it answered */
    assert_false(health_fault(&h, &failures, HEALTH_FAILURE, 10));
    assert_false(health_fault(&h, &failures, HEALTH_FAILURE, 10));
    assert_true(health_is_in(&h));
    assert_true(health_fault(&h, &failures, HEALTH_FAILURE, 10));
    assert_int_equal(until(&h), 1010);
    assert_true(health_is_out(&h, 1009));
    assert_false(health_is_out(&h, 1010));
}

static void statuses_in_a_row_put_it_out(void **state) {
    (void)state;
    struct health h = {0};
    assert_false(health_fault(&h, &rules, HEALTH_STATUS, 0));
    assert_true(health_fault(&h, &rules, HEALTH_STATUS, 0));
    h = (struct health){0};
    assert_false(health_fault(&h, &rules, HEALTH_FAILURE, 0)); /* no answer is no better than 503 */
    assert_true(health_fault(&h, &rules, HEALTH_STATUS, 0));
}

static void rules_may_say_never(void **state) {
    (void)state;
    struct table_balancing never = rules;
    never.failures = never.statuses = 0;
    struct health h = {0};
    for (int i = 0; i < 100; i++) {
        assert_false(health_fault(&h, &never, HEALTH_UNREACHABLE, 1));
        assert_false(health_fault(&h, &never, HEALTH_STATUS, 1));
    }
    assert_int_equal(atomic_load(&h.faults), 0);
    never.failures = never.statuses = 100000;
    for (int i = 0; i < 70000; i++) assert_false(health_fault(&h, &never, HEALTH_FAILURE, 1));
    assert_int_equal(atomic_load(&h.faults), 0xffffffff); /* counting stops at its end */
    assert_true(health_is_in(&h));
}

static void what_began_before_changes_nothing(void **state) {
    (void)state;
    struct health h = {0};
    assert_true(health_fault(&h, &rules, HEALTH_UNREACHABLE, 100));
    assert_false(health_fault(&h, &rules, HEALTH_UNREACHABLE, 200));
    assert_int_equal(until(&h), 1100);
    assert_false(health_well(&h, 300));
    assert_int_equal(until(&h), 1100);
    assert_false(health_try(&h, 1099));
}

static void each_time_is_longer(void **state) {
    (void)state;
    struct health h = {0};
    uint64_t now = 100000, expected[] = {1000, 2000, 4000, 6000, 6000};
    health_seen(&h, 1);
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        assert_true(health_fault(&h, &rules, HEALTH_UNREACHABLE, now));
        assert_int_equal(until(&h), now + expected[i]);
        now = until(&h);
        assert_true(health_try(&h, now));
        assert_false(health_try(&h, now));
        assert_true(health_is_out(&h, now));
    }
    assert_true(health_well(&h, now));
    assert_true(health_is_spotless(&h));
    assert_int_equal(atomic_load(&h.since_us), now);
    now += 6000; /* too soon to begin anew */
    assert_true(health_fault(&h, &rules, HEALTH_UNREACHABLE, now));
    assert_int_equal(until(&h), now + 6000);
    assert_true(health_try(&h, until(&h)));
    now += 20000;
    assert_true(health_well(&h, now));
    now += 6002;
    assert_true(health_fault(&h, &rules, HEALTH_UNREACHABLE, now));
    assert_int_equal(until(&h), now + 1000);
}

/* One fault is enough then, of any kind that the rules count. */
static void a_trial_decides(void **state) {
    (void)state;
    enum health_fault kinds[] = {HEALTH_UNREACHABLE, HEALTH_FAILURE, HEALTH_STATUS};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct health h = {0};
        assert_true(health_fault(&h, &rules, HEALTH_UNREACHABLE, 100));
        assert_true(health_try(&h, 1100));
        atomic_store(&h.faults, 0);
        assert_true(health_fault(&h, &rules, kinds[i], 1200));
        assert_int_equal(until(&h), 3200);
        assert_false(health_try(&h, 3199));
    }
}

static void the_first_to_see_it_tells_since_when(void **state) {
    (void)state;
    struct health h = {0};
    health_seen(&h, 5);
    health_seen(&h, 7);
    assert_int_equal(atomic_load(&h.since_us), 5);
}

static void a_share_grows_with_time(void **state) {
    (void)state;
    struct health h = {0};
    assert_int_equal(health_share(&h, 1000, 5), HEALTH_SHARE_FULL); /* nobody has seen it */
    health_seen(&h, 5000);
    assert_int_equal(health_share(&h, 0, 5000), HEALTH_SHARE_FULL);
    assert_int_equal(health_share(&h, 1000, 4999), HEALTH_SHARE_FULL); /* by another worker's clock */
    assert_int_equal(health_share(&h, 1000, 5000), HEALTH_SHARE_LEAST);
    assert_int_equal(health_share(&h, 1000, 5500), HEALTH_SHARE_FULL / 2);
    assert_int_equal(health_share(&h, 1000, 6000), HEALTH_SHARE_FULL);
}

static void those_that_are_out_are_counted(void **state) {
    (void)state;
    struct health_tally tally = {0};
    struct health one = {.among = &tally}, two = {.among = &tally};
    health_fault(&one, &rules, HEALTH_UNREACHABLE, 100);
    health_fault(&one, &rules, HEALTH_UNREACHABLE, 100);
    health_fault(&two, &rules, HEALTH_UNREACHABLE, 100);
    assert_int_equal(atomic_load(&tally.out), 2);
    assert_true(health_try(&one, 1100));
    assert_int_equal(atomic_load(&tally.out), 2);
    health_fault(&one, &rules, HEALTH_UNREACHABLE, 1100);
    assert_int_equal(atomic_load(&tally.out), 2);
    assert_true(health_try(&two, 1100));
    assert_true(health_well(&two, 1100));
    assert_int_equal(atomic_load(&tally.out), 1);
    health_end(&one);
    health_end(&two);
    assert_int_equal(atomic_load(&tally.out), 0);
}

static void checks_put_it_out_and_back(void **state) {
    (void)state;
    struct health_tally tally = {0};
    struct health h = {.among = &tally};
    struct table_balancing by = rules;
    by.probe_failures = 2, by.probe_successes = 3, by.probe_interval_us = 1000, by.probe_timeout_us = 100;
    assert_true(health_probe_due(&h, &by, 50)); /* one of all workers makes it */
    assert_false(health_probe_due(&h, &by, 1049));
    assert_true(health_probe_due(&h, &by, 1050));
    health_probed(&h, &by, false, 2000);
    health_probed(&h, &by, true, 3000);
    health_probed(&h, &by, false, 4000);
    assert_true(health_is_in(&h));
    health_probed(&h, &by, false, 5000);
    assert_int_equal(until(&h), 8100);
    assert_int_equal(atomic_load(&tally.out), 1);
    health_probed(&h, &by, false, 6000); /* as long as it goes on */
    assert_int_equal(until(&h), 9100);
    assert_false(health_try(&h, 9099));
    assert_false(health_well(&h, 7000)); /* a request that began before tells nothing */
    health_probed(&h, &by, true, 7000);
    health_probed(&h, &by, true, 8000);
    assert_true(health_is_out(&h, 8000));
    health_probed(&h, &by, true, 9000);
    assert_true(health_is_in(&h));
    assert_int_equal(atomic_load(&h.since_us), 9000);
    assert_int_equal(atomic_load(&tally.out), 0);
    assert_true(
        health_fault(&h, &by, HEALTH_UNREACHABLE, 9500)); /* out by a request: checks do not end that */
    for (int i = 0; i < 5; i++) health_probed(&h, &by, true, 9600);
    assert_true(health_is_out(&h, 9600));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_in_a_row_put_it_out),
        cmocka_unit_test(statuses_in_a_row_put_it_out),
        cmocka_unit_test(rules_may_say_never),
        cmocka_unit_test(what_began_before_changes_nothing),
        cmocka_unit_test(each_time_is_longer),
        cmocka_unit_test(a_trial_decides),
        cmocka_unit_test(the_first_to_see_it_tells_since_when),
        cmocka_unit_test(a_share_grows_with_time),
        cmocka_unit_test(those_that_are_out_are_counted),
        cmocka_unit_test(checks_put_it_out_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
