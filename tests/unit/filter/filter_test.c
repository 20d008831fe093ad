/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "filter/filter.h"

struct world {
    struct arena *a;
    struct http_msg m;
    struct filter_context cx;
};

static int set_up(void **state) {
    struct world *w = base_zalloc(sizeof *w);
    w->a = arena_new();
    http_msg_init(&w->m, w->a, true);
    w->m.path = S("/foo/bar");
    w->cx = (struct filter_context){S("example.com"), false, 80, 4};
    *state = w;
    return 0;
}

static int tear_down(void **state) {
    struct world *w = *state;
    arena_free(w->a);
    free(w);
    return 0;
}

/* [GW HTTPHeaderFilter] */
static void test_headers(void **state) {
    struct world *w = *state;
    struct table_header set[] = {{S("x-set"), S("new")}}, add[] = {{S("X-Add"), S("b")}};
    str names[] = {S("x-gone"), S("X-SET-NOT")};
    struct table_filter f = {.type = TABLE_REQUEST_HEADERS,
                             .set_n = 1,
                             .add_n = 1,
                             .remove_n = 2,
                             .set = set,
                             .add = add,
                             .remove = names};
    http_msg_add(&w->m, S("X-Gone"), S("1"));
    http_msg_add(&w->m, S("x-add"), S("a"));
    http_msg_add(&w->m, S("X-Set"), S("old"));
    http_msg_add(&w->m, S("X-Gone"), S("2"));
    http_msg_add(&w->m, S("x-set"), S("older"));
    assert_ok(filter_request(&f, 1, &w->cx, &w->m));
    assert_null(http_msg_find(&w->m, S("x-gone")));
    assert_str(http_msg_joined(&w->m, w->a, S("x-set")), "new");
    assert_str(http_msg_joined(&w->m, w->a, S("x-add")), "a,b");
    f.type = TABLE_RESPONSE_HEADERS; /* not of the request's side */
    set[0].value = S("response");
    assert_ok(filter_request(&f, 1, &w->cx, &w->m));
    assert_str(http_msg_joined(&w->m, w->a, S("x-set")), "new");
    filter_response(&f, 1, &w->m);
    assert_str(http_msg_joined(&w->m, w->a, S("x-set")), "response");
}

/* Framing, hop-by-hop and what breaks a line are no user's to write. */
static void test_headers_refused(void **state) {
    struct world *w = *state;
    static const struct table_header bad[] = {
        {{"Content-Length", 14}, {"1", 1}}, {{"transfer-encoding", 17}, {"chunked", 7}},
        {{"Connection", 10}, {"x", 1}},     {{"host", 4}, {"other", 5}},
        {{"x", 1}, {"a\r\ny: b", 7}},       {{"x y", 3}, {"a", 1}},
        {{":path", 5}, {"/", 1}},           {{"", 0}, {"a", 1}}};
    for (unsigned i = 0; i < COUNT_OF(bad); i++) {
        struct table_filter set = {.type = TABLE_REQUEST_HEADERS, .set_n = 1, .set = &bad[i]};
        struct table_filter add = {.type = TABLE_REQUEST_HEADERS, .add_n = 1, .add = &bad[i]};
        assert_int_equal(filter_request(&set, 1, &w->cx, &w->m), ERR_PROTO);
        assert_int_equal(filter_request(&add, 1, &w->cx, &w->m), ERR_PROTO);
        add.type = TABLE_RESPONSE_HEADERS;
        filter_response(&add, 1, &w->m);
        assert_int_equal(w->m.fields_n, 0);
    }
}

struct path_case {
    const char *path;
    uint32_t prefix;
    const char *value, *wanted;
};
/* [GW HTTPPathModifier.replacePrefixMatch], its table first. */
static const struct path_case path_cases[] = {
    {"/foo/bar", 4, "/xyz", "/xyz/bar"},
    {"/foo/bar", 4, "/xyz/", "/xyz/bar"},
    {"/foo", 4, "/xyz", "/xyz"},
    {"/foo/", 4, "/xyz", "/xyz/"},
    {"/foo/bar", 4, "", "/bar"},
    {"/foo/", 4, "", "/"},
    {"/foo", 4, "", "/"},
    {"/foo/", 4, "/", "/"},
    {"/foo", 4, "/", "/"},
    {"/foo/bar", 4, "/", "/bar"},
    {"/foo/bar", 0, "/xyz", "/xyz/foo/bar"},
    {"/", 0, "/xyz", "/xyz/"},
    {"/", 0, "/", "/"},
    {"/foo//bar", 4, "/", "/bar"},
    {"/foo//bar", 4, "/xyz/", "/xyz/bar"},
    {"/foo/bar", 4, "xyz", "/xyz/bar"},
    {"/foo/bar", 4, "//xyz//", "/xyz/bar"},
    {"*", 0, "/xyz", "*"},
    {"/foo/bar", UINT32_MAX, "/xyz", "/foo/bar"},
    {"/foo/bar", 4, "/a b?c#\r\n", "/a%20b%3Fc%23%0D%0A/bar"},
};

static void test_replace_prefix(void **state) {
    struct world *w = *state;
    for (unsigned i = 0; i < COUNT_OF(path_cases); i++) {
        const struct path_case *k = &path_cases[i];
        struct table_filter f = {
            .type = TABLE_REWRITE, .path_change = TABLE_PATH_REPLACE_PREFIX, .path = str_of(k->value)};
        w->m.path = str_of(k->path);
        w->m.query = S("?q=/foo");
        w->cx.prefix = k->prefix;
        assert_ok(filter_request(&f, 1, &w->cx, &w->m));
        assert_str(w->m.path, k->wanted);
        assert_str(w->m.query, "?q=/foo");
    }
}

static void test_rewrite(void **state) {
    struct world *w = *state;
    struct table_filter f = {.type = TABLE_REWRITE,
                             .path_change = TABLE_PATH_REPLACE_FULL,
                             .path = S("/new"),
                             .hostname = S("in.example")};
    w->m.authority = S("example.com:8080");
    http_msg_add(&w->m, S("Host"), S("example.com:8080"));
    assert_ok(filter_request(&f, 1, &w->cx, &w->m));
    assert_str(w->m.path, "/new");
    assert_str(w->m.authority, "in.example");
    assert_int_equal(w->m.fields_n, 1);
    assert_str(w->m.fields[0].value, "in.example");
    f.path = S("");
    f.hostname = S("");
    assert_ok(filter_request(&f, 1, &w->cx, &w->m));
    assert_str(w->m.path, "/");
    assert_str(w->m.authority, "in.example");
}

struct redirect_case {
    bool tls;
    uint16_t listener_port;
    const char *scheme, *host;
    uint16_t port;
    const char *wanted;
};
/* [GW HTTPRequestRedirectFilter.port] */
static const struct redirect_case redirect_cases[] = {
    {false, 80, "", "", 0, "http://example.com/foo/bar?q=1"},
    {false, 8080, "", "", 0, "http://example.com:8080/foo/bar?q=1"},
    {false, 8080, "https", "", 0, "https://example.com/foo/bar?q=1"},
    {false, 8080, "", "", 80, "http://example.com/foo/bar?q=1"},
    {false, 80, "", "", 443, "http://example.com:443/foo/bar?q=1"},
    {true, 443, "", "", 0, "https://example.com/foo/bar?q=1"},
    {true, 8443, "", "", 0, "https://example.com:8443/foo/bar?q=1"},
    {true, 8443, "http", "", 0, "http://example.com/foo/bar?q=1"},
    {true, 443, "http", "", 443, "http://example.com:443/foo/bar?q=1"},
    {true, 443, "", "", 443, "https://example.com/foo/bar?q=1"},
    {false, 80, "", "example.org", 0, "http://example.org/foo/bar?q=1"},
    {false, 80, "https", "example.org", 8443, "https://example.org:8443/foo/bar?q=1"},
};

static void test_redirect(void **state) {
    struct world *w = *state;
    w->m.query = S("?q=1");
    for (unsigned i = 0; i < COUNT_OF(redirect_cases); i++) {
        const struct redirect_case *k = &redirect_cases[i];
        struct table_filter f[] = {{.type = TABLE_REQUEST_HEADERS},
                                   {.type = TABLE_REDIRECT,
                                    .scheme = str_of(k->scheme),
                                    .hostname = str_of(k->host),
                                    .port = k->port,
                                    .status = 302}};
        w->cx.tls = k->tls;
        w->cx.listener_port = k->listener_port;
        assert_ptr_equal(filter_find_redirect(f, 2), &f[1]);
        assert_null(filter_find_redirect(f, 1));
        assert_str(filter_redirect_location(&f[1], &w->cx, &w->m), k->wanted);
    }
}

static void test_redirect_paths(void **state) {
    struct world *w = *state;
    struct table_filter f = {
        .type = TABLE_REDIRECT, .path_change = TABLE_PATH_REPLACE_PREFIX, .path = S("/new/")};
    w->m.query = S("?q=1");
    assert_str(filter_redirect_location(&f, &w->cx, &w->m), "http://example.com/new/bar?q=1");
    f.path_change = TABLE_PATH_REPLACE_FULL;
    f.path = S("/a\r\nb");
    assert_str(filter_redirect_location(&f, &w->cx, &w->m), "http://example.com/a%0D%0Ab?q=1");
    f.path_change = TABLE_PATH_KEEP; /* without a host, "//x" would be one */
    w->cx.host = S("");
    w->m.path = S("//evil.example/x");
    assert_str(filter_redirect_location(&f, &w->cx, &w->m), "/evil.example/x?q=1");
    w->cx.host = S("[::1]");
    w->m.path = S("*");
    assert_str(filter_redirect_location(&f, &w->cx, &w->m), "http://[::1]/?q=1");
}

static void test_words(void **state) {
    (void)state;
    struct table_header set[] = {{S("X-Env"), S("prod")}};
    struct table_filter f = {.type = TABLE_REQUEST_HEADERS, .set_n = 1, .set = set};
    struct buf b;
    buf_init(&b, 1000);
    filter_describe(&b, &f);
    assert_str(buf_str(&b), "request header set X-Env: prod");
    buf_fini(&b);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_headers),  CASE(test_headers_refused), CASE(test_replace_prefix), CASE(test_rewrite),
        CASE(test_redirect), CASE(test_redirect_paths),  CASE(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
