/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "filter/session.h"

static const struct table_session cookie = {.name = S("sid"), .path = S("/a")},
                                  kept = {.permanent = true,
                                          .absolute_s = 3600,
                                          .name = S("sid"),
                                          .path = S("/")},
                                  header = {.header = true, .name = S("x-session")};

static void test_cookies_are_found(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    static const struct {
        const char *lines[3], *wanted;
    } cases[] = {
        {{"sid=1"}, "1"},
        {{"a=b; sid=1 ;c=sid"}, "1"},
        {{"sid=1; sid=2"}, "1 2"},
        {{"a=1", "sid=\"2\"; xsid=3", "sid=3;"}, "2 3"},
        {{"SID=1; sid; sid=; =sid"}, ""},
        {{";;  sid = 1=2 ; "}, "1=2"},
        {{"sid=1;sid=2;sid=3;sid=4;sid=5", "sid=6;sid=7;sid=8;sid=9"}, "1 2 3 4 5 6 7 8"},
    };
    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        struct http_msg m;
        str tokens[SESSION_TOKENS_MAX], all = S("");
        http_msg_init(&m, a, true);
        for (unsigned k = 0; k < 3 && cases[i].lines[k]; k++)
            http_msg_add(&m, S("Cookie"), str_of(cases[i].lines[k]));
        uint32_t n = session_find(&cookie, &m, tokens);
        for (uint32_t k = 0; k < n; k++)
            all = arena_printf(a, STR_FMT "%s" STR_FMT, STR_ARG(all), k ? " " : "", STR_ARG(tokens[k]));
        assert_str(all, cases[i].wanted);
    }
}

static void test_headers_are_found(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct http_msg m;
    str tokens[SESSION_TOKENS_MAX];
    http_msg_init(&m, a, true);
    http_msg_add(&m, S("Cookie"), S("x-session=1"));
    assert_int_equal(session_find(&header, &m, tokens), 0);
    http_msg_add(&m, S("X-Session"), S("2"));
    assert_int_equal(session_find(&header, &m, tokens), 1);
    assert_str(tokens[0], "2");
}

static str said(struct arena *a, const struct table_session *s, bool tls, const char *name) {
    struct http_msg m;
    http_msg_init(&m, a, false);
    http_msg_add(&m, S("X-Session"), S("the backend's"));
    session_say(s, S("T"), tls, &m);
    return http_msg_joined(&m, a, str_of(name));
}

/* [RFC 6265 4.1] */
static void test_what_clients_are_given(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    assert_str(said(a, &cookie, false, "Set-Cookie"), "sid=T; Path=/a; HttpOnly; SameSite=Strict");
    assert_str(said(a, &kept, true, "Set-Cookie"),
               "sid=T; Path=/; Max-Age=3600; HttpOnly; SameSite=Strict; Secure");
    assert_str(said(a, &header, true, "x-session"), "T");
    assert_null(said(a, &header, true, "Set-Cookie").p);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cookies_are_found),
                                       cmocka_unit_test(test_headers_are_found),
                                       cmocka_unit_test(test_what_clients_are_given)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
