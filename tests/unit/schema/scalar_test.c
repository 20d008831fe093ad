/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/scalar.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void expect_duration(const char *text, int64_t us, const char *printed) {
    int64_t v;
    struct buf b;
    buf_init(&b, 100);
    assert_int_equal(scalar_duration_parse(str_of(text), &v), OK);
    assert_true(v == us);
    scalar_duration_print(&b, v);
    assert_true(str_eq(buf_str(&b), str_of(printed)));
    buf_fini(&b);
}

static void durations(void **state) {
    (void)state;
    static const char *const bad[] = {"",   "5",       "s",           "1.5s", "-1s",
                                      "1d", "100000s", "1h1m1s1ms1h", "1s ",  "1us"};
    int64_t v;
    expect_duration("0s", 0, "0s");
    expect_duration("500ms", 500000, "500ms");
    expect_duration("1m30s", 90000000, "1m30s");
    expect_duration("30s1m", 90000000, "1m30s");
    expect_duration("1s1s1s1s", 4000000, "4s");
    expect_duration("99999h", 99999ll * 3600000000, "99999h");
    expect_duration("90m", 5400000000, "1h30m");
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(scalar_duration_parse(str_of(bad[i]), &v), ERR_PROTO);
}

static void expect_time(const char *text, int64_t s, const char *printed) {
    int64_t v;
    struct buf b;
    buf_init(&b, 100);
    if (scalar_time_parse(str_of(text), &v) != OK) fail_msg("%s", text);
    if (v != s) fail_msg("%s: %lld", text, (long long)v);
    scalar_time_print(&b, v);
    assert_true(str_eq(buf_str(&b), str_of(printed)));
    buf_fini(&b);
}

static void times(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      "2026-01-01",
                                      "2026-01-01T00:00:00",
                                      "2026-13-01T00:00:00Z",
                                      "2025-02-29T00:00:00Z",
                                      "2026-01-01T24:00:00Z",
                                      "2026-01-01T00:00:00.Z",
                                      "2026-01-01 00:00:00Z",
                                      "2026-01-01T00:00:00+0100",
                                      "26-01-01T00:00:00Z",
                                      "2026-01-01T00:00:00Zx"};
    int64_t v;
    expect_time("1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z");
    expect_time("2000-02-29T12:34:56Z", 951827696, "2000-02-29T12:34:56Z");
    expect_time("2026-01-01T01:00:00.123456+01:00", 1767225600, "2026-01-01T00:00:00Z");
    expect_time("1969-12-31T23:59:59Z", -1, "1969-12-31T23:59:59Z");
    expect_time("2100-03-01T00:00:00Z", 4107542400, "2100-03-01T00:00:00Z");
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(scalar_time_parse(str_of(bad[i]), &v), ERR_PROTO);
}

static void lengths_are_of_characters(void **state) {
    (void)state;
    assert_int_equal(scalar_length(S("")), 0);
    assert_int_equal(scalar_length(S("abc")), 3);
    assert_int_equal(scalar_length(S("\xE4\xBD\xA0\xE5\xA5\xBD")), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(durations), cmocka_unit_test(times),
                                       cmocka_unit_test(lengths_are_of_characters)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
