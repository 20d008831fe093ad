/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/forwarded.h"

#include "../unit.h"

/* What a backend is told of X-Forwarded-For, by whom is trusted and what came. The peer is 10.0.0.1. */
static const struct forwarded_case {
    const char *net;
    uint32_t hops;
    const char *came, *told, *client;
} cases[] = {
    {"", 0, "1.2.3.4", "10.0.0.1", "10.0.0.1"},             /* nobody */
    {"192.0.2.0/24", 0, "1.2.3.4", "10.0.0.1", "10.0.0.1"}, /* another */
    {"10.0.0.0/8", 0, "", "10.0.0.1", "10.0.0.1"},          /* says nothing */
    {"10.0.0.0/8", 0, "1.2.3.4", "1.2.3.4, 10.0.0.1", "1.2.3.4"},
    {"10.0.0.0/8", 0, "6.6.6.6, 1.2.3.4,10.0.0.2", "1.2.3.4,10.0.0.2, 10.0.0.1", "1.2.3.4"},
    {"10.0.0.0/8", 0, "10.0.0.3, 10.0.0.2", "10.0.0.3, 10.0.0.2, 10.0.0.1", "10.0.0.3"}, /* all are ours */
    {"10.0.0.0/8", 0, "1.2.3.4, unknown, 10.0.0.2", "10.0.0.2, 10.0.0.1", "10.0.0.2"},
    {"10.0.0.0/8", 0, "[2001:db8::1]:99", "[2001:db8::1]:99, 10.0.0.1", "2001:db8::1"},
    {"10.0.0.0/8", 0, "1.2.3.4:99", "1.2.3.4:99, 10.0.0.1", "1.2.3.4"},
    {"10.0.0.0/8", 0, "1.2.3.4,", "10.0.0.1", "10.0.0.1"},
    {"", 1, "6.6.6.6, 1.2.3.4", "1.2.3.4, 10.0.0.1", "1.2.3.4"},
    {"", 2, "6.6.6.6, 1.2.3.4, 5.6.7.8", "1.2.3.4, 5.6.7.8, 10.0.0.1", "1.2.3.4"},
    {"10.0.0.0/8", 1, "1.2.3.4, 10.0.0.2", "10.0.0.2, 10.0.0.1", "10.0.0.2"}, /* both bounds hold */
};

static void test_chains(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct forwarded_case *k = &cases[i];
        OWNED(arena) a = arena_new();
        struct http_msg m;
        struct ip_net net;
        struct table_settings s = {.trusted_hops = k->hops, .trusted = &net};
        if (*k->net) {
            assert_ok(ip_parse_net(str_of(k->net), &net));
            s.trusted_n = 1;
        }
        struct ip peer = {.family = 4, .bytes = {10, 0, 0, 1}}, client, wanted;
        struct forwarded f = {.peer = &peer, .peer_text = S("10.0.0.1"), .port = 80, .settings = &s};
        http_msg_init(&m, a, true);
        if (*k->came) http_msg_add_known(&m, FIELD_X_FORWARDED_FOR, S("x-forwarded-for"), str_of(k->came));
        forwarded_set(&m, &f, &client);
        assert_str(http_msg_joined(&m, a, S("X-Forwarded-For")), k->told);
        assert_ok(ip_parse(str_of(k->client), &wanted));
        assert_true(ip_eq(&client, &wanted));
    }
}

static struct http_msg claims(struct arena *a) {
    struct http_msg m;
    http_msg_init(&m, a, true);
    m.authority = S("example.com");
    http_msg_add_known(&m, FIELD_X_FORWARDED_PROTO, S("X-Forwarded-Proto"), S("https"));
    http_msg_add_known(&m, FIELD_X_FORWARDED_HOST, S("X-Forwarded-Host"), S("elsewhere.example"));
    http_msg_add_known(&m, FIELD_FORWARDED, S("Forwarded"), S("for=1.2.3.4"));
    http_msg_add_known(&m, FIELD_PROXY_AUTHORIZATION, S("Proxy-Authorization"), S("x"));
    return m;
}

static void test_what_else_is_told(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct ip peer = {.family = 4, .bytes = {10, 0, 0, 1}}, client;
    struct table_settings none = {0}, one = {.trusted_hops = 1};
    struct forwarded f = {.peer = &peer, .peer_text = S("10.0.0.1"), .port = 80, .settings = &none};
    struct http_msg m = claims(a);
    forwarded_set(&m, &f, &client);
    assert_str(http_msg_joined(&m, a, S("X-Forwarded-Proto")), "http");
    assert_str(http_msg_joined(&m, a, S("X-Forwarded-Host")), "example.com");
    m = claims(a);
    f.settings = &one;
    forwarded_set(&m, &f, &client);
    assert_str(http_msg_joined(&m, a, S("X-Forwarded-Proto")), "https");
    assert_str(http_msg_joined(&m, a, S("X-Forwarded-Host")), "elsewhere.example");
    assert_str(http_msg_joined(&m, a, S("X-Forwarded-Port")), "80"); /* it said nothing of it */
    assert_null(http_msg_find(&m, S("Forwarded")));
    assert_null(http_msg_find(&m, S("Proxy-Authorization")));
}

/* However long the list, a bounded part of it is looked at. */
static void test_long_list(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct buf b;
    struct http_msg m;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 5000; i++) buf_add(&b, S("10.1.1.1,"));
    buf_add(&b, S("10.1.1.1"));
    struct ip_net net = {.ip = {.family = 4, .bytes = {10}}, .bits = 8};
    struct table_settings s = {.trusted = &net, .trusted_n = 1};
    struct ip peer = {.family = 4, .bytes = {10, 0, 0, 1}}, client;
    struct forwarded f = {.peer = &peer, .peer_text = S("10.0.0.1"), .settings = &s};
    http_msg_init(&m, a, true);
    http_msg_add_known(&m, FIELD_X_FORWARDED_FOR, S("X-Forwarded-For"), buf_str(&b));
    forwarded_set(&m, &f, &client);
    assert_true(http_msg_joined(&m, a, S("X-Forwarded-For")).n < 40 * sizeof "10.1.1.1");
    buf_fini(&b);
}

/* With Forwarded: what came of both, what is told of both. The peer is 10.0.0.1, the request for h:8080 by TLS. */
#define OWN "for=10.0.0.1;host=\"h:8080\";proto=https"
static const struct both_case {
    const char *net, *came, *came_field, *told, *told_field, *proto, *host, *client;
} both_cases[] = {
    {"", "1.2.3.4", "for=1.2.3.4", "10.0.0.1", OWN, "https", "h:8080", "10.0.0.1"}, /* nobody is trusted */
    {"10.0.0.0/8", "", "", "10.0.0.1", OWN, "https", "h:8080", "10.0.0.1"},
    {"10.0.0.0/8", "", "for=6.6.6.6, for=1.2.3.4;proto=http;host=c.example", "1.2.3.4, 10.0.0.1",
     "for=1.2.3.4;proto=http;host=c.example, " OWN, "http", "c.example", "1.2.3.4"},
    {"10.0.0.0/8", "", "for=1.2.3.4;proto=http, for=\"10.0.0.2:99\";by=_x", "1.2.3.4, 10.0.0.2, 10.0.0.1",
     "for=1.2.3.4;proto=http, for=\"10.0.0.2:99\";by=_x, " OWN, "http", "h:8080", "1.2.3.4"},
    {"10.0.0.0/8", "", "for=\"[2001:db8::1]\"", "2001:db8::1, 10.0.0.1", "for=\"[2001:db8::1]\", " OWN,
     "https", "h:8080", "2001:db8::1"},
    {"10.0.0.0/8", "", "for=1.2.3.4, for=unknown, for=10.0.0.2", "10.0.0.2, 10.0.0.1", "for=10.0.0.2, " OWN,
     "https", "h:8080", "10.0.0.2"},
    {"10.0.0.0/8", "", "for=\"1.2.3.4, for=5.6.7.8", "5.6.7.8, 10.0.0.1", "for=5.6.7.8, " OWN, "https",
     "h:8080", "5.6.7.8"},
    {"10.0.0.0/8", "", "for=1.2.3.4;for=5.6.7.8", "10.0.0.1", OWN, "https", "h:8080", "10.0.0.1"},
    {"10.0.0.0/8", "", "for=1.2.3.4;host=\"a b\"", "1.2.3.4, 10.0.0.1", "for=1.2.3.4;host=\"a b\", " OWN,
     "https", "h:8080", "1.2.3.4"},
    {"10.0.0.0/8", "1.2.3.4, 2001:db8::2", "", "2001:db8::2, 10.0.0.1", "for=\"[2001:db8::2]\", " OWN,
     "https", "h:8080", "2001:db8::2"},
    {"10.0.0.0/8", "1.2.3.4, 10.0.0.2", "for=1.2.3.4;proto=http, for=10.0.0.2", "1.2.3.4, 10.0.0.2, 10.0.0.1",
     "for=1.2.3.4;proto=http, for=10.0.0.2, " OWN, "http", "h:8080", "1.2.3.4"},
    {"10.0.0.0/8", "1.2.3.4", "for=6.6.6.6;proto=http", "1.2.3.4, 10.0.0.1", "for=1.2.3.4, " OWN, "https",
     "h:8080", "1.2.3.4"}, /* one of them is a stranger's */
    {"10.0.0.0/8", "unknown", "for=6.6.6.6", "10.0.0.1", OWN, "https", "h:8080", "10.0.0.1"},
};

static void test_both(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(both_cases); i++) {
        const struct both_case *k = &both_cases[i];
        OWNED(arena) a = arena_new();
        struct http_msg m;
        struct ip_net net;
        struct table_settings s = {.trusted = &net, .forwarded = true, .tells_more = true};
        if (*k->net) {
            assert_ok(ip_parse_net(str_of(k->net), &net));
            s.trusted_n = 1;
        }
        struct ip peer = {.family = 4, .bytes = {10, 0, 0, 1}}, client, wanted;
        struct forwarded f = {
            .peer = &peer, .peer_text = S("10.0.0.1"), .tls = true, .port = 80, .settings = &s};
        http_msg_init(&m, a, true);
        m.authority = S("h:8080");
        if (*k->came) http_msg_add(&m, S("x-forwarded-for"), str_of(k->came));
        if (*k->came_field) http_msg_add(&m, S("forwarded"), str_of(k->came_field));
        forwarded_set(&m, &f, &client);
        assert_str(http_msg_joined(&m, a, S("X-Forwarded-For")), k->told);
        assert_str(http_msg_joined(&m, a, S("Forwarded")), k->told_field);
        assert_str(http_msg_joined(&m, a, S("X-Forwarded-Proto")), k->proto);
        assert_str(http_msg_joined(&m, a, S("X-Forwarded-Host")), k->host);
        assert_ok(ip_parse(str_of(k->client), &wanted));
        assert_true(ip_eq(&client, &wanted));
    }
}

/* What a proxy said by X-Forwarded-* alone is told by Forwarded, too; of two fields, the lines are one list. */
static void test_translated(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct http_msg m;
    struct table_settings s = {.trusted_hops = 2, .forwarded = true, .tells_more = true};
    struct ip peer = {.family = 4, .bytes = {10, 0, 0, 1}}, client;
    struct forwarded f = {.peer = &peer, .peer_text = S("10.0.0.1"), .port = 80, .settings = &s};
    http_msg_init(&m, a, true);
    m.authority = S("h");
    http_msg_add(&m, S("X-Forwarded-For"), S("6.6.6.6"));
    http_msg_add(&m, S("X-Forwarded-For"), S("1.2.3.4"));
    http_msg_add(&m, S("X-Forwarded-For"), S("5.6.7.8"));
    http_msg_add(&m, S("X-Forwarded-Proto"), S("https"));
    http_msg_add(&m, S("X-Forwarded-Host"), S("c.example:8443"));
    forwarded_set(&m, &f, &client);
    assert_str(
        http_msg_joined(&m, a, S("Forwarded")),
        "for=1.2.3.4;host=\"c.example:8443\";proto=https, for=5.6.7.8, for=10.0.0.1;host=h;proto=http");
    assert_str(http_msg_joined(&m, a, S("X-Forwarded-Proto")), "https");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chains), cmocka_unit_test(test_what_else_is_told),
        cmocka_unit_test(test_long_list), cmocka_unit_test(test_both), cmocka_unit_test(test_translated)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
