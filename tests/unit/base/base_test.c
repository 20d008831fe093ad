/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/heap.h"
#include "base/ip.h"
#include "base/link.h"
#include "base/map.h"
#include "base/num.h"
#include "base/rng.h"

static void strs_are_cut_compared_and_measured(void **state) {
    (void)state;
    str s = S("a=b=c");
    assert_str(str_cut(&s, '='), "a");
    assert_str(s, "b=c");
    assert_str(str_cut(&s, ';'), "b=c");
    assert_null(s.p);
    assert_true(str_cmp(S("ab"), S("abc")) < 0);
    assert_true(str_cmp(S("b"), S("abc")) > 0);
    assert_int_equal(str_cmp(S("x"), S("x")), 0);
    assert_true(str_ieq(S("Host"), S("hOST")));
    assert_false(str_ieq(S("Host"), S("hos")));
    assert_int_equal(str_rfind(S("a/b/c"), '/'), 3);
    assert_str(str_trim(S(" \t x y\t ")), "x y");
    assert_int_equal(str_distance(S("hostname"), S("hostnames")), 1);
    assert_int_equal(str_distance(S("acb"), S("abc")), 1);
    assert_int_equal(str_distance(S(""), S("abc")), 3);
    assert_int_equal(str_from((str){0}, 3).n, 0);
}

static void arena_memory_is_zero_and_survives_reset_only_once(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100; i++) {
            char *p = arena_bytes(a, 1000);
            for (int k = 0; k < 1000; k++) assert_int_equal(p[k], 0);
            memset(p, 0xff, 1000);
        }
        arena_reset(a);
    }
    assert_true(arena_size(a) < 4096);
    arena_raw(a, 3);
    char *zero = arena_bytes(a, 100); /* behind one that is not set, in a block that was used */
    for (int k = 0; k < 100; k++) assert_int_equal(zero[k], 0);
    assert_str(arena_printf(a, "%d-%s", 7, "x"), "7-x");
}

static void buf_keeps_its_maximum(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    buf_add(&b, S("12345678"));
    assert_false(b.overflow);
    buf_add(&b, S("abc"));
    assert_true(b.overflow);
    assert_str(buf_str(&b), "12345678");
    buf_clear(&b);
    buf_consume(&b, 0);
    buf_fini(&b);
    buf_init(&b, 1000);
    buf_add_json(&b, S("a\"\\\n\x01\xc3\xa9\xff"));
    assert_str(buf_str(&b), "\"a\\\"\\\\\\n\\u0001\xc3\xa9\\ufffd\"");
    buf_fini(&b);
}

static void map_agrees_with_a_plain_array(void **state) {
    (void)state;
    enum { KEYS = 500 };
    static char names[KEYS][8];
    static int present[KEYS], values[KEYS];
    struct map m;
    map_init(&m);
    struct rng r = {.state = 42};
    size_t n = 0;
    for (int i = 0; i < KEYS; i++) snprintf(names[i], sizeof names[i], "k%d", i);
    for (int step = 0; step < 20000; step++) {
        uint32_t i = rng_below(&r, KEYS);
        str key = str_of(names[i]);
        if (rng_below(&r, 2)) {
            assert_ptr_equal(map_put(&m, key, &values[i]), present[i] ? &values[i] : NULL);
            n += !present[i];
            present[i] = 1;
        } else {
            assert_ptr_equal(map_take(&m, key), present[i] ? &values[i] : NULL);
            n -= (size_t)present[i];
            present[i] = 0;
        }
        assert_int_equal(m.n, n);
    }
    for (int i = 0; i < KEYS; i++)
        assert_ptr_equal(map_get(&m, str_of(names[i])), present[i] ? &values[i] : NULL);
    size_t sorted_n;
    struct map_entry *sorted = map_sorted(&m, &sorted_n);
    for (size_t i = 1; i < sorted_n; i++) assert_true(str_cmp(sorted[i - 1].key, sorted[i].key) < 0);
    free(sorted);
    map_fini(&m);
}

static void heap_gives_the_least_first(void **state) {
    (void)state;
    enum { ITEMS = 300 };
    static struct heap_item items[ITEMS];
    struct heap h = {0};
    struct rng r = {.state = 7};
    for (int i = 0; i < ITEMS; i++) heap_set(&h, &items[i], rng_below(&r, 1000));
    for (int i = 0; i < 2000; i++) {
        uint32_t at = rng_below(&r, ITEMS);
        if (rng_below(&r, 3))
            heap_set(&h, &items[at], rng_below(&r, 1000));
        else
            heap_remove(&h, &items[at]);
    }
    uint64_t last = 0;
    for (struct heap_item *it; (it = heap_first(&h));) {
        assert_true(it->key >= last);
        last = it->key;
        heap_remove(&h, it);
    }
    heap_fini(&h);
}

struct item {
    int n;
    struct link link;
};
static void list_may_lose_the_visited(void **state) {
    (void)state;
    struct link head;
    link_init(&head);
    struct item items[5] = {{.n = 0}, {.n = 1}, {.n = 2}, {.n = 3}, {.n = 4}};
    for (int i = 0; i < 5; i++) link_append(&head, &items[i].link);
    int sum = 0;
    list_each (struct item, it, &head, link) {
        if (it->n % 2)
            link_remove(&it->link);
        else
            sum += it->n;
    }
    assert_int_equal(sum, 6);
    assert_ptr_equal(link_pop(&head), &items[0].link);
    assert_false(link_is_on(&items[1].link));
}

static void numbers_refuse_what_they_are_not(void **state) {
    (void)state;
    uint64_t v = 99;
    uint16_t port = 0;
    int64_t i = 0;
    char digits[NUM_DIGITS_MAX];
    assert_str(num_print(0, digits), "0");
    assert_str(num_print(8080, digits), "8080");
    assert_str(num_print(UINT64_MAX, digits), "18446744073709551615");
    assert_ok(num_parse(S("0123"), 1000, &v));
    assert_int_equal(v, 123);
    assert_int_equal(num_parse(S(""), 10, &v), ERR_PROTO);
    assert_int_equal(num_parse(S("+1"), 10, &v), ERR_PROTO);
    assert_int_equal(num_parse(S("11"), 10, &v), ERR_LIMIT);
    assert_int_equal(num_parse(S("18446744073709551616"), UINT64_MAX, &v), ERR_LIMIT);
    assert_int_equal(num_parse_port(S("0"), &port), ERR_LIMIT);
    assert_int_equal(num_parse_port(S("65536"), &port), ERR_LIMIT);
    assert_ok(num_parse_signed(S("-5"), &i));
    assert_int_equal(i, -5);
    assert_int_equal(num_power_of_two(5), 8);
}

static void check_ip(const char *text, const char *canonical) {
    struct ip ip;
    struct buf b;
    buf_init(&b, 100);
    if (ip_parse(str_of(text), &ip) == OK)
        ip_print(&b, &ip);
    else
        buf_add(&b, S("refused"));
    assert_str(buf_str(&b), canonical);
    buf_fini(&b);
}

static void addresses_are_read_and_written_in_one_form(void **state) {
    (void)state;
    check_ip("192.0.2.1", "192.0.2.1");
    check_ip("192.0.2.01", "refused");
    check_ip("192.0.2", "refused");
    check_ip("192.0.2.1.5", "refused");
    check_ip("256.0.2.1", "refused");
    check_ip("::", "::");
    check_ip("::1", "::1");
    check_ip("1::", "1::");
    check_ip("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1");
    check_ip("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1");
    check_ip("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8");
    check_ip("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0");
    check_ip("1:2:3:4:5:6:7", "refused");
    check_ip("1:2:3:4:5:6:7:8:9", "refused");
    check_ip("1::2::3", "refused");
    check_ip("::ffff:192.0.2.1", "::ffff:192.0.2.1");
    check_ip("1.2.3.4::", "refused");
    check_ip("fe80::1%eth0", "refused");
    check_ip(":1", "refused");
    check_ip("12345::", "refused");
    struct ip ip;
    struct ip_net net;
    assert_ok(ip_parse(S("10.1.2.3"), &ip));
    assert_ok(ip_parse_net(S("10.0.0.0/15"), &net));
    assert_true(ip_in_net(&ip, &net));
    assert_ok(ip_parse_net(S("10.2.0.0/15"), &net));
    assert_false(ip_in_net(&ip, &net));
    assert_int_equal(ip_parse_net(S("10.0.0.0/33"), &net), ERR_PROTO);
    assert_ok(ip_parse(S("fe80::1"), &ip));
    assert_true(ip_is_link_local(&ip));
}

/* Whatever is left of a block: what is printed or joined is whole, ends with a zero, and touches nothing else. */
static void arena_texts_are_whole_wherever_a_block_ends(void **state) {
    (void)state;
    static char x[5000];
    memset(x, 'x', sizeof x);
    for (int n = 0; n < 4500; n += n < 2100 ? 1 : 97) {
        OWNED(arena) a = arena_new();
        str first = arena_printf(a, "%.*s|%d", n, x, n), second = arena_printf(a, "%d", 7);
        str third = ARENA_JOIN(a, S("a/"), ((str){x, (size_t)n}), S(""), S("/b"), (str){0});
        char number[16];
        int digits = snprintf(number, sizeof number, "|%d", n);
        assert_int_equal(first.n, n + digits);
        assert_memory_equal(first.p, x, (size_t)n);
        assert_string_equal(first.p + n, number);
        assert_string_equal(second.p, "7");
        assert_int_equal(third.n, n + 4);
        assert_memory_equal(third.p, "a/", 2);
        assert_memory_equal(third.p + 2, x, (size_t)n);
        assert_string_equal(third.p + 2 + n, "/b");
        assert_int_equal((uintptr_t)third.p % 16, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_texts_are_whole_wherever_a_block_ends),
        cmocka_unit_test(strs_are_cut_compared_and_measured),
        cmocka_unit_test(arena_memory_is_zero_and_survives_reset_only_once),
        cmocka_unit_test(buf_keeps_its_maximum),
        cmocka_unit_test(map_agrees_with_a_plain_array),
        cmocka_unit_test(heap_gives_the_least_first),
        cmocka_unit_test(list_may_lose_the_visited),
        cmocka_unit_test(numbers_refuse_what_they_are_not),
        cmocka_unit_test(addresses_are_read_and_written_in_one_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
