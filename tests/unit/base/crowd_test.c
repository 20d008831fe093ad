/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crowd.h"

#include "../unit.h"

static struct ip address(const char *text) {
    struct ip ip;
    assert_ok(ip_parse(str_of(text), &ip));
    return ip;
}

static void is_full_at_its_bound(void **state) {
    (void)state;
    struct crowd *c = crowd_new(2, 7);
    assert_false(crowd_is_full(c));
    crowd_enter(c), crowd_enter(c);
    assert_true(crowd_is_full(c));
    crowd_leave(c);
    assert_false(crowd_is_full(c));
    crowd_leave(c);
    crowd_free(c);
}

static void bounds_an_address(void **state) {
    (void)state;
    struct crowd *c = crowd_new(100, 7);
    struct ip a = address("192.0.2.1"), b = address("192.0.2.2");
    for (int i = 0; i < 3; i++) assert_true(crowd_enter_address(c, &a, 3));
    assert_false(crowd_enter_address(c, &a, 3));
    assert_int_equal(crowd_of_address(c, &a), 3);
    assert_true(crowd_enter_address(c, &b, 3));
    crowd_leave_address(c, &a);
    assert_true(crowd_enter_address(c, &a, 3));
    crowd_free(c);
}

static void gives_an_address_half_of_all(void **state) {
    (void)state;
    struct crowd *c = crowd_new(7, 7);
    struct ip a = address("192.0.2.1");
    for (int i = 0; i < 4; i++) assert_true(crowd_enter_address(c, &a, 0));
    assert_false(crowd_enter_address(c, &a, 0));
    crowd_free(c);
}

static void counts_ipv6_by_its_network(void **state) {
    (void)state;
    struct crowd *c = crowd_new(100, 7);
    struct ip a = address("2001:db8::1"), same = address("2001:db8::ffff:1"),
              other = address("2001:db8:0:1::1");
    assert_true(crowd_enter_address(c, &a, 1));
    assert_false(crowd_enter_address(c, &same, 1));
    assert_true(crowd_enter_address(c, &other, 1));
    crowd_free(c);
}

/* Never too few, and hardly ever too many. */
static void is_right_for_many(void **state) {
    (void)state;
    enum { CLIENTS = 20000 };
    struct crowd *c = crowd_new(1000000, 7);
    unsigned wrong = 0;
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct ip a = {.family = 4, .bytes = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};
        assert_true(crowd_enter_address(c, &a, 100));
        assert_true(crowd_enter_address(c, &a, 100));
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct ip a = {.family = 4, .bytes = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};
        uint32_t n = crowd_of_address(c, &a);
        assert_true(n >= 2);
        wrong += n > 2;
    }
    assert_true(wrong < CLIENTS / 5);
    crowd_free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_full_at_its_bound),
        cmocka_unit_test(bounds_an_address),
        cmocka_unit_test(gives_an_address_half_of_all),
        cmocka_unit_test(counts_ipv6_by_its_network),
        cmocka_unit_test(is_right_for_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
