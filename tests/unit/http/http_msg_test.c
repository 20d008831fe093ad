/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_msg.h"

#include "../unit.h"

static void test_fields(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct http_msg m;
    http_msg_init(&m, a, true);
    assert_null(http_msg_find(&m, S("host")));
    http_msg_add(&m, S("Host"), S("a"));
    http_msg_add(&m, S("X-One"), S("1"));
    http_msg_add(&m, S("x-one"), S("2"));
    assert_str(http_msg_find_id(&m, FIELD_HOST)->value, "a");
    assert_str(http_msg_find(&m, S("HOST"))->value, "a");
    assert_str(http_msg_find(&m, S("X-ONE"))->value, "1");
    assert_null(http_msg_find(&m, S("X-On")));
    assert_str(http_msg_joined(&m, a, S("X-one")), "1,2");
    assert_ptr_equal(http_msg_joined(&m, a, S("host")).p, m.fields[0].value.p);
    assert_null(http_msg_joined(&m, a, S("none")).p);
    http_msg_set(&m, S("X-One"), S(""));
    assert_int_equal(http_msg_joined(&m, a, S("x-one")).n, 0);
    assert_non_null(http_msg_joined(&m, a, S("x-one")).p);
    assert_int_equal(http_msg_remove(&m, S("x-one")), 1);
    assert_int_equal(http_msg_remove(&m, S("x-one")), 0);
    assert_null(http_msg_find(&m, S("x-one")));
    assert_int_equal(m.fields_n, 4);
}

static void test_grows(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct http_msg m;
    http_msg_init(&m, a, false);
    for (int i = 0; i < 100; i++) http_msg_add(&m, arena_printf(a, "x-%d", i), arena_printf(a, "%d", i));
    assert_int_equal(m.fields_n, 100);
    assert_str(http_msg_find(&m, S("X-99"))->value, "99");
    assert_str(http_msg_find(&m, S("X-0"))->value, "0");
    struct http_field *before = m.fields;
    http_msg_reserve(&m, 10);
    assert_ptr_equal(m.fields, before);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_fields), cmocka_unit_test(test_grows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
