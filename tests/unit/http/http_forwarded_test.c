/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_forwarded.h"

#include "../unit.h"

static void takes_elements_from_the_end(void **state) {
    (void)state;
    static const struct {
        const char *list, *last, *rest;
    } cases[] = {
        {"for=a", "for=a", ""},
        {"for=a, for=b", "for=b", "for=a"},
        {"for=a;host=\"x,y\", for=\"b,c\"", "for=\"b,c\"", "for=a;host=\"x,y\""},
        {"for=\"a\\\",\", for=b", "for=b", "for=\"a\\\",\""},
        {"for=\"a\\\\\",for=b ", "for=b", "for=\"a\\\\\""},
        {"for=\"a,b\\\\\"", "for=\"a,b\\\\\"", ""},
        {"for=\"a, for=b", "for=b", "for=\"a"}, /* a quote that nobody closes hides nothing after it */
        {"for=a,", "", "for=a"},
        {",", "", ""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        str list = str_of(cases[i].list);
        assert_str(http_forwarded_last(&list), cases[i].last);
        assert_str(list, cases[i].rest);
    }
}

static void reads_elements(void **state) {
    (void)state;
    static const struct {
        const char *element, *node, *by, *host, *proto;
    } cases[] = {
        {"for=192.0.2.43", "192.0.2.43", "", "", ""},
        {"For=\"[2001:db8:cafe::17]:4711\"", "[2001:db8:cafe::17]:4711", "", "", ""},
        {"for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60", "203.0.113.43", "", "http"},
        {"PROTO=https;for=_x;host=\"a.example:8443\"", "_x", "", "a.example:8443", "https"},
        {"for=\"a\\\"\\b\";secret=\"y\\z\"", "a\"b", "", "", ""},
        {";for=a;;host=b;", "a", "", "b", ""},
        {"", "", "", "", ""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        OWNED(arena) a = arena_new();
        struct http_forwarded f;
        assert_ok(http_forwarded_read(a, str_of(cases[i].element), &f));
        assert_str(f.node, cases[i].node);
        assert_str(f.by, cases[i].by);
        assert_str(f.host, cases[i].host);
        assert_str(f.proto, cases[i].proto);
    }
    static const char *const wrong[] = {
        "for",
        "for=",
        "for =a",
        "for= a",
        "for=a;for=b",
        "for=a;For=b",
        "=a",
        "for=a b",
        "for=\"a",
        "for=\"a\\",
        "for=\"a\"b",
        "for=[2001:db8::1]",
        "for=1.2.3.4:80",
        "host=a:b",
        "for=a; by=b",
        "for=a ;by=b",
        "for=\"a\x01\"",
        "for=a\"b\"",
        "\"for\"=a",
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        OWNED(arena) a = arena_new();
        struct http_forwarded f;
        if (http_forwarded_read(a, str_of(wrong[i]), &f) != ERR_PROTO) fail_msg("%s is read", wrong[i]);
    }
}

static void reads_nodes(void **state) {
    (void)state;
    static const struct {
        const char *node, *address;
        err e;
    } cases[] = {
        {"192.0.2.43", "192.0.2.43", OK},
        {"192.0.2.43:47011", "192.0.2.43", OK},
        {"192.0.2.43:_port", "192.0.2.43", OK},
        {"[2001:db8::17]", "2001:db8::17", OK},
        {"[2001:db8::17]:47011", "2001:db8::17", OK},
        {"unknown", "", ERR_ABSENT},
        {"Unknown:99", "", ERR_ABSENT},
        {"_hidden", "", ERR_ABSENT},
        {"_SEVKISEK:_8", "", ERR_ABSENT},
        {"2001:db8::17", "", ERR_PROTO},
        {"[192.0.2.43]", "", ERR_PROTO},
        {"[2001:db8::17", "", ERR_PROTO},
        {"[2001:db8::17]47011", "", ERR_PROTO},
        {"192.0.2.43:", "", ERR_PROTO},
        {"192.0.2.43:123456", "", ERR_PROTO},
        {"192.0.2.43:_", "", ERR_PROTO},
        {"example.com", "", ERR_PROTO},
        {"_", "", ERR_PROTO},
        {"_a b", "", ERR_PROTO},
        {"", "", ERR_PROTO},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ip ip, wanted;
        err e = http_forwarded_address(str_of(cases[i].node), &ip);
        if (e != cases[i].e) fail_msg("%s: %d", cases[i].node, (int)e);
        if (e != OK) continue;
        assert_ok(ip_parse(str_of(cases[i].address), &wanted));
        assert_true(ip_eq(&ip, &wanted));
    }
}

static void prints_elements(void **state) {
    (void)state;
    static const struct {
        const char *ip, *host, *proto, *printed;
    } cases[] = {
        {"192.0.2.1", "", "", "for=192.0.2.1"},
        {"192.0.2.1", "a.example", "http", "for=192.0.2.1;host=a.example;proto=http"},
        {"2001:db8::1", "a.example:80", "", "for=\"[2001:db8::1]\";host=\"a.example:80\""},
        {"192.0.2.1", "a\"\\", "", "for=192.0.2.1;host=\"a\\\"\\\\\""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf b;
        buf_init(&b, 1024);
        http_forwarded_print(&b, str_of(cases[i].ip), str_of(cases[i].host), str_of(cases[i].proto));
        assert_str(buf_str(&b), cases[i].printed);
        buf_fini(&b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_elements_from_the_end),
        cmocka_unit_test(reads_elements),
        cmocka_unit_test(reads_nodes),
        cmocka_unit_test(prints_elements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
