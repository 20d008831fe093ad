/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_uri.h"

#include "../unit.h"

static void test_authority(void **state) {
    (void)state;
    static const struct {
        const char *in, *host;
        uint16_t port;
    } good[] = {
        {"", "", 0},
        {"a", "a", 0},
        {"Example.ORG", "example.org", 0},
        {"example.org:8080", "example.org", 8080},
        {"example.org:", "example.org", 0},
        {"example.org.", "example.org", 0},
        {"example.org.:80", "example.org", 80},
        {"192.0.2.1:65535", "192.0.2.1", 65535},
        {"[2001:DB8::1]", "[2001:db8::1]", 0},
        {"[::1]:443", "[::1]", 443},
        {"[::1]:", "[::1]", 0},
        {"a_b-c.x~", "a_b-c.x~", 0},
    };
    static const char *const bad[] = {
        ":80", "a:0",     "a:65536", "a:+1",    "a:8 0",     "a b",    "me@a",
        "a/b", "a?b",     "a#b",     "a%41",    "a,b",       "a..b",   ".a",
        ".",   "[::1",    "[::1]x",  "[::1]80", "[1.2.3.4]", "[v1.x]", "[fe80::1%25eth0]",
        "::1", "a:80:80", "[]",      "a\\b",    "\xc3\xa4",
    };
    OWNED(arena) a = arena_new();
    str host = S("untouched");
    uint16_t port = 7;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(http_uri_split_authority(a, str_of(bad[i]), &host, &port), ERR_PROTO);
        assert_false(http_uri_authority_ok(str_of(bad[i])));
        assert_str(host, "untouched");
        assert_int_equal(port, 7);
    }
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_ok(http_uri_split_authority(a, str_of(good[i].in), &host, &port));
        assert_true(http_uri_authority_ok(str_of(good[i].in)));
        assert_str(host, good[i].host);
        assert_int_equal(port, good[i].port);
    }
    str lower = S("example.org");
    assert_ok(http_uri_split_authority(a, lower, &host, &port));
    assert_ptr_equal(host.p, lower.p); /* nothing to do: the same bytes */
    char longest[300];
    memset(longest, 'a', sizeof longest);
    assert_ok(http_uri_split_authority(a, (str){longest, 255}, &host, &port));
    assert_int_equal(http_uri_split_authority(a, (str){longest, 256}, &host, &port), ERR_PROTO);
}

static void test_path(void **state) {
    (void)state;
    static const char *const good[][2] = {
        {"/", "/"},
        {"*", "*"},
        {"/a/b.html", "/a/b.html"},
        {"/a//b", "/a//b"},
        {"/a|b{c}[d]\"<>^`", "/a|b{c}[d]\"<>^`"},
        {"/%61%7E%2D", "/a~-"},
        {"/%2f", "/%2F"},
        {"/a%2Fb%3f", "/a%2Fb%3F"},
        {"/%e4%BD%a0", "/%E4%BD%A0"},
        {"/a/./b", "/a/b"},
        {"/a/../b", "/b"},
        {"/a/..", "/"},
        {"/a/.", "/a/"},
        {"/.", "/"},
        {"/./", "/"},
        {"/a/b/../../c", "/c"},
        {"/a/b/..", "/a/"},
        {"/a/%2e%2E/b", "/b"},
        {"/a/.%2e/b", "/b"},
        {"/a/%2e", "/a/"},
        {"/a//../b", "/a/b"},
        {"/...", "/..."},
        {"/..a/b..", "/..a/b.."},
        {"/.well-known/x", "/.well-known/x"},
        {"/a/..%2Fb", "/a/..%2Fb"},
        {"/a%0A", "/a%0A"},
        {"/%25%32%65", "/%252e"},
    };
    static const char *const bad[] = {
        "",     "a",      "?",     "/..",       "/../a",  "/a/../..", "/a/../../b", "/%2e%2e", "/./..",
        "/%00", "/a%00b", "/a\\b", "/%5C",      "/%5c..", "/%",       "/%4",        "/%4g",    "/%g4",
        "/a b", "/a\tb",  "/\x7f", "/\xc3\xa4", "/a?b",   "/a#b",     "**",
    };
    OWNED(arena) a = arena_new();
    str path = S("untouched");
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(http_uri_normal_path(a, str_of(bad[i]), &path), ERR_PROTO);
        assert_str(path, "untouched");
    }
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_ok(http_uri_normal_path(a, str_of(good[i][0]), &path));
        assert_str(path, good[i][1]);
        str again;
        assert_ok(http_uri_normal_path(a, path, &again));
        assert_true(str_eq(path, again));
    }
    str usual = S("/api/v1/things.json");
    assert_ok(http_uri_normal_path(a, usual, &path));
    assert_ptr_equal(path.p, usual.p);
}

static void test_query(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    str query = S("?a=1&b=x%20y&&c&a=2&d=&%65=5&f=%zz&g=a+b&h=%4");
    assert_str(http_uri_query_param(a, query, S("a")), "1");
    assert_str(http_uri_query_param(a, query, S("b")), "x y");
    assert_str(http_uri_query_param(a, query, S("c")), "");
    assert_non_null(http_uri_query_param(a, query, S("c")).p);
    assert_str(http_uri_query_param(a, query, S("d")), "");
    assert_str(http_uri_query_param(a, query, S("e")), "5");
    assert_str(http_uri_query_param(a, query, S("f")), "%zz");
    assert_str(http_uri_query_param(a, query, S("g")), "a+b");
    assert_str(http_uri_query_param(a, query, S("h")), "%4");
    assert_null(http_uri_query_param(a, query, S("A")).p);
    assert_null(http_uri_query_param(a, query, S("z")).p);
    assert_null(http_uri_query_param(a, S(""), S("a")).p);
    assert_null(http_uri_query_param(a, S("?"), S("")).p);
}

static void test_query_changes(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    static const struct {
        const char *query, *name, *without, *with; /* the value "new &" */
    } v[] = {
        {"", "a", "", "?a=new%20%26"},
        {"?", "a", "", "?a=new%20%26"},
        {"?a", "a", "", "?a=new%20%26"},
        {"?b=1", "a", "?b=1", "?b=1&a=new%20%26"},
        {"?a=1&b=2&a=3", "a", "?b=2", "?a=new%20%26&b=2"},
        {"?b=%zz&%61=1&c", "a", "?b=%zz&c", "?b=%zz&a=new%20%26&c"},
        {"?x=1", "=&", "?x=1", "?x=1&%3D%26=new%20%26"},
    };
    for (size_t i = 0; i < COUNT_OF(v); i++) {
        assert_str(http_uri_query_without(a, str_of(v[i].query), str_of(v[i].name)), v[i].without);
        assert_str(http_uri_query_with(a, str_of(v[i].query), str_of(v[i].name), S("new &")), v[i].with);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_authority),
        cmocka_unit_test(test_path),
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_query_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
