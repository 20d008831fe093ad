/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crowd.h"

#include "../unit.h"

static struct ip address(const char *text) {
    struct ip ip;
    assert_ok(ip_parse(str_of(text), &ip));
    return ip;
}

/* Of a thread that has this many, until it is full; how many came. */
static uint32_t fill(struct crowd *c, uint64_t *own) {
    uint32_t n = 0;
    for (; !crowd_is_full(c, *own); n++) crowd_enter(c, (*own)++);
    return n;
}
static void empty(struct crowd *c, uint64_t *own) {
    while (*own) crowd_leave(c, --*own);
}

static void is_full_at_its_bound(void **state) {
    (void)state;
    for (uint32_t most = 1; most < 20; most++) {
        struct crowd *c = crowd_new(most, 1, 7);
        uint64_t own = 0;
        assert_int_equal(fill(c, &own), most);
        crowd_leave(c, --own);
        assert_false(crowd_is_full(c, own));
        assert_int_equal(fill(c, &own), 1);
        empty(c, &own);
        assert_int_equal(fill(c, &own), most);
        crowd_free(c);
    }
}

static void keeps_a_part_for_each_thread(void **state) {
    (void)state;
    enum { THREADS = 3 };
    for (uint32_t most = 1; most < 100; most++) {
        struct crowd *c = crowd_new(most, THREADS, 7);
        uint64_t own[THREADS] = {0}, all = 0;
        for (int round = 0; round < 2; round++) {
            for (int i = 0; i < THREADS; i++) {
                uint32_t n = fill(c, &own[i]);
                if (most >= THREADS) assert_true(n > 0); /* whatever the others took */
                all += n;
            }
            assert_int_equal(all, most);
            for (int i = 0; i < THREADS; i++) empty(c, &own[i]);
            all = 0;
        }
        crowd_free(c);
    }
}

static void bounds_an_address(void **state) {
    (void)state;
    struct crowd *c = crowd_new(100, 1, 7);
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
    struct crowd *c = crowd_new(7, 1, 7);
    struct ip a = address("192.0.2.1");
    for (int i = 0; i < 4; i++) assert_true(crowd_enter_address(c, &a, 0));
    assert_false(crowd_enter_address(c, &a, 0));
    crowd_free(c);
}

static void counts_ipv6_by_its_network(void **state) {
    (void)state;
    struct crowd *c = crowd_new(100, 1, 7);
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
    struct crowd *c = crowd_new(1000000, 1, 7);
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
        cmocka_unit_test(is_full_at_its_bound),       cmocka_unit_test(keeps_a_part_for_each_thread),
        cmocka_unit_test(bounds_an_address),          cmocka_unit_test(gives_an_address_half_of_all),
        cmocka_unit_test(counts_ipv6_by_its_network), cmocka_unit_test(is_right_for_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
