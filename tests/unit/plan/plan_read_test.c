/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "plan/plan_read.h"

static const char text[] = "{\"revision\":7,\n\"listener\":[\n{\"key\":\"Gateway/n/g/h\",\"gateway\":\"n/"
                           "g\",\"section\":\"h\",\"bindPort\":8080,"
                           "\"port\":80,\"protocol\":\"HTTP\"}],\n\"route\":[\n{\"key\":\"HTTPRoute/n/"
                           "r\",\"namespace\":\"n\",\"name\":\"r\","
                           "\"attachments\":[{\"listener\":\"Gateway/n/g/"
                           "h\",\"hostnames\":[\"\"]}],\"rules\":[{\"matches\":[{\"pathType\":"
                           "\"Prefix\",\"path\":\"/}\\\"{\"}],\"targets\":[{\"backend\":\"n/"
                           "s:80\",\"weight\":3}],\"requestTimeout\":\"1s\"}]}],\n"
                           "\"backend\":[],\n\"endpoints\":[],\n\"certificate\":[]}\n";

static void what_is_printed_is_read(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct plan p, q;
    struct plan_delta d = {0};
    struct buf once, twice;
    str message = S("");
    plan_init(&p);
    plan_init(&q);
    buf_init(&once, 1 << 20);
    buf_init(&twice, 1 << 20);
    if (plan_read(a, str_of(text), &p, &d, &message) != OK) fail_msg(STR_FMT, STR_ARG(message));
    assert_int_equal(p.revision, 7);
    assert_int_equal(d.n, 2);
    const struct plan_route *r = plan_open(a, plan_get(&p, PLAN_ROUTE, S("HTTPRoute/n/r")));
    assert_non_null(r);
    assert_str(r->rules.p[0].matches.p[0].path, "/}\"{");
    assert_int_equal(r->rules.p[0].request_timeout.v, 1000000);
    plan_json(&p, &once);
    assert_ok(plan_read(a, buf_str(&once), &q, NULL, &message));
    plan_json(&q, &twice);
    assert_true(str_eq(buf_str(&once), buf_str(&twice)));
    const struct plan_piece *x = plan_get(&p, PLAN_ROUTE, S("HTTPRoute/n/r")),
                            *y = plan_get(&q, PLAN_ROUTE, S("HTTPRoute/n/r"));
    assert_true(x->hash == y->hash);
    buf_fini(&once);
    buf_fini(&twice);
    plan_delta_fini(&d);
    plan_fini(&p);
    plan_fini(&q);
}

static void what_is_no_plan_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "line 1: wanted '{'"},
        {"[]", "line 1: wanted '{'"},
        {"{\"revision\":x}", "line 1: the revision is no number"},
        {"{\"revision\":1,\n\"rooute\":[]}",
         "line 2: \"rooute\" is no kind of piece that this version knows"},
        {"{\"route\":[{\"name\":\"r\"}]}", "line 1: a route without a key"},
        {"{\"route\":[\n{\"key\":\"k\",\"bogus\":1}]}", "line 2: route: bogus: unknown field \"bogus\""},
        {"{\"route\":[{\"key\":\"k", "line 1: the text ends in a string"},
        {"{\"route\":[{\"key\":\"k\"", "line 1: the text ends in an object"},
        {"{} {}", "line 1: something follows the plan"},
        {"{\"route\":[{\"key\":\"k\"}}", "line 1: wanted ']'"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        OWNED(arena) a = arena_new();
        struct plan p;
        str message = S("");
        plan_init(&p);
        assert_int_equal(plan_read(a, str_of(cases[i].text), &p, NULL, &message), ERR_PROTO);
        assert_str(message, cases[i].message);
        plan_fini(&p);
    }
    /* every prefix of a plan ends in words, not in a crash */
    for (size_t n = 0; n < sizeof text - 3; n++) {
        OWNED(arena) a = arena_new();
        struct plan p;
        str message;
        char *copy = base_alloc(n + 1);
        memcpy(copy, text, n);
        plan_init(&p);
        assert_true(plan_read(a, (str){copy, n}, &p, NULL, &message) != OK);
        plan_fini(&p);
        free(copy);
    }
}

static err read_endpoints(uint32_t n) {
    OWNED(arena) a = arena_new();
    struct plan p;
    struct buf b;
    str message = S("");
    plan_init(&p);
    buf_init(&b, 4 << 20);
    buf_add(&b, S("{\"endpoints\":[{\"key\":\"n/s:80\",\"endpoints\":["));
    for (uint32_t i = 0; i < n; i++)
        buf_printf(&b, "%s{\"address\":\"2001:db8:aaaa:bbbb:cccc:dddd:eeee:%04x\",\"port\":65535}",
                   i ? "," : "", i % 65536);
    buf_add(&b, S("]}]}"));
    err e = plan_read(a, buf_str(&b), &p, NULL, &message);
    const struct plan_endpoints *all = plan_open(a, plan_get(&p, PLAN_ENDPOINTS, S("n/s:80")));
    assert_int_equal(all ? all->endpoints.n : 0, e == OK ? n : 0);
    assert_true(e == OK || memmem(message.p, message.n, "16384", 5));
    buf_fini(&b);
    plan_fini(&p);
    return e;
}

static void a_large_service_is_read(void **state) {
    (void)state;
    assert_ok(read_endpoints(PLAN_ENDPOINTS_MAX));
    assert_int_equal(read_endpoints(PLAN_ENDPOINTS_MAX + 1), ERR_PROTO);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_printed_is_read),
                                       cmocka_unit_test(what_is_no_plan_is_refused),
                                       cmocka_unit_test(a_large_service_is_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
