/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "filter/cors.h"

static const struct table_origin origins[] = {{S("https"), S("www.foo.com"), 443},
                                              {S("https"), S("*.bar.com"), 443},
                                              {S("http"), S("local"), 8080},
                                              {S("http"), S("*"), 81}};
static const struct table_cors
    full = {.credentials = true,
            .origins_n = COUNT_OF(origins),
            .origins = origins,
            .methods = S("GET, OPTIONS"),
            .headers = S("x-header-1, x-header-2"),
            .expose = S("x-header-3"),
            .max_age = S("3600")},
    least = {.any_origin = true, .methods = S(""), .headers = S(""), .expose = S(""), .max_age = S("5")},
    all = {.any_origin = true, .methods = S("*"), .headers = S("*"), .expose = S("*"), .max_age = S("5")},
    all_of_one = {.any_origin = true,
                  .credentials = true,
                  .methods = S("*"),
                  .headers = S("*"),
                  .expose = S("*"),
                  .max_age = S("5")};

static str value(const struct http_msg *m, const char *name) {
    str v = http_msg_joined(m, m->arena, arena_printf(m->arena, "Access-Control-%s", name));
    return v.p ? v : S("-");
}

static struct http_msg ask(struct arena *a, const char *method, const char *origin, const char *asked) {
    struct http_msg m;
    http_msg_init(&m, a, true);
    m.method_id = (uint8_t)http_method_of(str_of(method));
    if (origin) http_msg_add(&m, S("origin"), str_of(origin));
    if (asked) http_msg_add(&m, S("access-control-request-method"), str_of(asked));
    return m;
}

static struct http_msg answer(struct arena *a, const struct table_cors *c, const char *origin,
                              const char *headers) {
    struct http_msg q = ask(a, "OPTIONS", origin, "PUT"), m;
    if (headers) http_msg_add(&q, S("Access-Control-Request-Headers"), str_of(headers));
    http_msg_init(&m, a, false);
    cors_answer(c, &q, &m);
    return m;
}

static void test_preflights_are_known(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct http_msg m = ask(a, "OPTIONS", "https://a", "GET");
    assert_true(cors_is_preflight(&m));
    m = ask(a, "GET", "https://a", "GET");
    assert_false(cors_is_preflight(&m));
    m = ask(a, "OPTIONS", NULL, "GET");
    assert_false(cors_is_preflight(&m));
    m = ask(a, "OPTIONS", "https://a", NULL);
    assert_false(cors_is_preflight(&m));
}

/* [GW HTTPCORSFilter.allowOrigins] */
static void test_origins(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    static const struct {
        const char *origin;
        bool allowed;
    } cases[] = {
        {"https://www.foo.com", true},
        {"https://www.foo.com:443", true},
        {"HTTPS://WWW.foo.com", true},
        {"http://www.foo.com", false},
        {"https://www.foo.com:444", false},
        {"https://foo.com", false},
        {"https://x.bar.com", true},
        {"https://x.y.bar.com", true},
        {"https://bar.com", false},
        {"https://.bar.com", false},
        {"https://xbar.com", false},
        {"https://x.bar.com.evil", false},
        {"http://local:8080", true},
        {"http://local", false},
        {"http://any.where:81", true},
        {"http://[::1]:81", true},
        {"http://[::1", false},
        {"null", false},
        {"https://www.foo.com:", false},
        {"https://www.foo.com/", false},
        {"https:/www.foo.com", false},
        {"https://", false},
        {"", false},
        {"https://www.foo.com,https://a", false},
        {"https://www.foo.com:65536", false},
    };
    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        struct http_msg m = answer(a, &full, cases[i].origin, NULL);
        if (!str_eq(value(&m, "Allow-Origin"), str_of(cases[i].allowed ? cases[i].origin : "-")))
            fail_msg("%s", cases[i].origin);
        assert_str(http_msg_joined(&m, a, S("Vary")), "Origin");
    }
}

static void test_answers(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    static const struct {
        const struct table_cors *c;
        const char *origin, *headers,
            *wanted[7]; /* origin, credentials, methods, headers, exposed, age, Vary */
    } cases[] = {
        {&full,
         "https://www.foo.com",
         "x-header-1",
         {"https://www.foo.com", "true", "GET, OPTIONS", "x-header-1, x-header-2", "x-header-3", "3600",
          "Origin"}},
        {&full, "https://foobar.com", "x-header-1", {"-", "-", "-", "-", "-", "-", "Origin"}},
        {&least, "https://a", "b", {"*", "-", "-", "-", "-", "5", "-"}},
        {&all,
         "null",
         NULL,
         {"*", "-", "PUT", "-", "*", "5", "Access-Control-Request-Method,Access-Control-Request-Headers"}},
        {&all_of_one,
         "https://a:1",
         "a, authorization",
         {"https://a:1", "true", "PUT", "a, authorization", "-", "5",
          "Origin,Access-Control-Request-Method,Access-Control-Request-Headers"}},
    };
    static const char *const names[] = {"Allow-Origin",  "Allow-Credentials", "Allow-Methods",
                                        "Allow-Headers", "Expose-Headers",    "Max-Age"};
    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        struct http_msg m = answer(a, cases[i].c, cases[i].origin, cases[i].headers);
        for (unsigned k = 0; k < COUNT_OF(names); k++) assert_str(value(&m, names[k]), cases[i].wanted[k]);
        str vary = http_msg_joined(&m, a, S("Vary"));
        assert_str(vary.p ? vary : S("-"), cases[i].wanted[6]);
    }
}

/* What a backend has said of it does not count. */
static void test_responses(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    static const struct {
        const char *origin, *wanted[3];
    } cases[] = {{"https://www.foo.com", {"https://www.foo.com", "true", "x-header-3"}},
                 {"https://foobar.com", {"-", "-", "-"}},
                 {"", {"-", "-", "-"}}};
    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        struct http_msg m;
        http_msg_init(&m, a, false);
        http_msg_add(&m, S("access-control-allow-origin"), S("*"));
        http_msg_add(&m, S("Access-Control-Allow-Credentials"), S("true"));
        http_msg_add(&m, S("Access-Control-Max-Age"), S("9"));
        http_msg_add(&m, S("Access-Control-Expose-Headers"), S("secret"));
        http_msg_add(&m, S("Vary"), S("Accept"));
        cors_respond(&full, str_of(cases[i].origin), &m);
        assert_str(value(&m, "Allow-Origin"), cases[i].wanted[0]);
        assert_str(value(&m, "Allow-Credentials"), cases[i].wanted[1]);
        assert_str(value(&m, "Expose-Headers"), cases[i].wanted[2]);
        assert_str(value(&m, "Max-Age"), "-");
        assert_str(value(&m, "Allow-Methods"), "-");
        assert_str(http_msg_joined(&m, a, S("Vary")), "Accept,Origin");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_preflights_are_known),
                                       cmocka_unit_test(test_origins), cmocka_unit_test(test_answers),
                                       cmocka_unit_test(test_responses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
