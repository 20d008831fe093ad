/* SPDX-License-Identifier: Apache-2.0 */
#include "table/health_view.h"

#include <errno.h>

#include "../unit.h"
#include "table/census.h"
#include "table/table.h"

static const struct table_balancing rules = {.failures = 3,
                                             .statuses = 2,
                                             .share_percent = 100,
                                             .probe_failures = 2,
                                             .probe_successes = 1,
                                             .probe_interval_us = 1000,
                                             .probe_timeout_us = 100,
                                             .out_us = 1000,
                                             .out_us_max = 6000};

static void shows(const struct health *h, uint64_t now_us, enum health_state state, const char *words) {
    struct health_view v = health_view_of(h, now_us);
    struct buf b;
    buf_init(&b, 1024);
    health_view_print(&b, &v);
    assert_str(buf_str(&b), words);
    assert_int_equal(v.state, state);
    buf_fini(&b);
}

static void requests_put_it_out(void **state) {
    (void)state;
    struct health h = {0};
    shows(&h, 5, HEALTH_SERVING, "serving");
    health_told(&h, REASON_BACKEND_REFUSED, ECONNREFUSED);
    assert_true(health_fault(&h, &rules, HEALTH_UNREACHABLE, 10));
    health_told(&h, REASON_BACKEND_TIMEOUT, 0); /* of later: it is out for what was before */
    shows(&h, 20, HEALTH_EJECTED, "ejected: no connection: Connection refused");
    shows(&h, 5000, HEALTH_EJECTED, "ejected: no connection: Connection refused");
    assert_true(health_try(&h, 5000));
    shows(&h, 5000, HEALTH_ON_TRIAL, "on trial: no connection: Connection refused");
    assert_true(health_well(&h, 5001));
    shows(&h, 5002, HEALTH_SERVING, "serving");
    for (int i = 0; i < 2; i++) {
        health_told(&h, REASON_NONE, 503);
        health_fault(&h, &rules, HEALTH_STATUS, 6000);
    }
    shows(&h, 6000, HEALTH_EJECTED, "ejected: 2 answers in a row were 5xx, the last: status 503");
    struct health silent = {0};
    struct table_balancing failures = rules;
    failures.statuses = 0;
    for (int i = 0; i < 3; i++) health_fault(&silent, &failures, HEALTH_FAILURE, 10);
    shows(&silent, 10, HEALTH_EJECTED, "ejected: no answer to 3 in a row");
    struct health tls = {0};
    health_told(&tls, REASON_BACKEND_TLS, 0);
    health_fault(&tls, &rules, HEALTH_UNREACHABLE, 10);
    shows(&tls, 10, HEALTH_EJECTED, "ejected: no connection: no TLS connection to the backend could be made");
}

static void checks_put_it_out(void **state) {
    (void)state;
    struct health h = {0};
    health_told(&h, REASON_NONE, 500);
    health_probed(&h, &rules, false, 10);
    shows(&h, 20, HEALTH_FAILING_CHECKS, "failing checks: 1 checks in a row failed, the last: status 500");
    health_told(&h, REASON_BACKEND_TIMEOUT, 0);
    health_probed(&h, &rules, false, 30);
    shows(&h, 30, HEALTH_CHECKS_FAILED,
          "checks failed: 2 checks in a row failed, the last: the backend did not answer in time");
    health_probed(&h, &rules, true, 40);
    shows(&h, 40, HEALTH_SERVING, "serving");
    atomic_store(&h.slow_us, 1000);
    shows(&h, 50, HEALTH_SLOW_START, "slow start");
    shows(&h, 1040, HEALTH_SERVING, "serving");
}

/* Those between are passed over, and the end is told again and again. */
static void those_that_do_not_serve_are_walked(void **state) {
    (void)state;
    struct health h[5] = {0};
    struct table_endpoints *e = base_zalloc(sizeof *e + COUNT_OF(h) * sizeof e->v[0]);
    e->n = COUNT_OF(h);
    for (uint32_t i = 0; i < e->n; i++)
        e->v[i] = (struct table_endpoint){.port = (uint16_t)i, .health = &h[i]};
    health_fault(&h[1], &rules, HEALTH_UNREACHABLE, 10);
    health_probed(&h[4], &rules, false, 10);
    struct health_view v;
    uint32_t at = 0;
    assert_int_equal(health_view_next(e, 20, &at, &v)->port, 1);
    assert_int_equal(v.state, HEALTH_EJECTED);
    assert_int_equal(health_view_next(e, 20, &at, &v)->port, 4);
    assert_int_equal(v.state, HEALTH_FAILING_CHECKS);
    assert_null(health_view_next(e, 20, &at, &v));
    assert_null(health_view_next(e, 20, &at, &v));
    free(e);
    at = 0;
    assert_null(health_view_next(NULL, 20, &at, &v));
}

static void names_are_labels(void **state) {
    (void)state;
    assert_str(health_view_state(HEALTH_CHECKS_FAILED), "checks_failed");
    assert_str(health_view_cause(HEALTH_BY_STATUS), "5xx");
}

/* Whoever knows of more tells that there are more. */
static void a_census_is_bounded(void **state) {
    (void)state;
    struct census c;
    census_init(&c);
    for (uint32_t i = 0; i < CENSUS_MAX; i++) assert_non_null(census_add(&c));
    assert_null(census_add(&c));
    assert_int_equal(c.n, CENSUS_MAX);
    assert_int_equal(c.left_out, 1);
    census_fini(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_put_it_out),
        cmocka_unit_test(checks_put_it_out),
        cmocka_unit_test(those_that_do_not_serve_are_walked),
        cmocka_unit_test(names_are_labels),
        cmocka_unit_test(a_census_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
