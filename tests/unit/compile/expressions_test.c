/* SPDX-License-Identifier: Apache-2.0 */
/* Matches by expression: which of many are searched at all, what all of a request may cost, and who must not be passed by. */
#include "../unit.h"

#include "world.h"

static void begin(struct world *w) {
    world_init(w);
    world_listener(w, "http", 80, "");
}

static void route(struct world *w, const char *name, const char *rules) {
    world_route(w, name, 1, "http", "-", rules);
}

struct asked {
    str taker; /* "name[rule]", "no route" */
    uint64_t searches, given_up;
    bool closed;
};

static struct asked ask(struct world *w, const char *request) {
    struct http_msg m;
    struct table_match match = {0};
    const struct table_socket *sockets;
    str host;
    world_request(w->a, str_of(request), &m, &host);
    table_sockets(w->table, &sockets);
    const struct table_listener *l = table_listener_for(table_port(w->table, sockets[0].slot), host);
    struct table_work *work = table_work_new();
    struct asked got = {.taker = S("no route")};
    if (table_match(w->table, l, host, &m, w->a, work, &match))
        got.taker =
            arena_printf(w->a, STR_FMT "[%d]", STR_ARG(str_from(match.rule->route, 13)), match.rule->index);
    got.searches = work->searches, got.given_up = work->given_up, got.closed = match.closed;
    table_work_free(work);
    return got;
}

/* Ten thousand expressions of a host: only those are searched whose literal the path has, and that come first of these. */
static void test_only_what_may_match_is_searched(void **state) {
    (void)state;
    struct world w;
    begin(&w);
    for (unsigned i = 0; i < 10000; i++) {
        char name[16], rules[64];
        snprintf(name, sizeof name, "r%05u", i);
        snprintf(rules, sizeof rules, "R /item-%05u-[a-z]+/.*", i);
        route(&w, name, rules);
    }
    route(&w, "plain", "P /plain | E /item-00001-a/b | P /");
    route(&w, "more", "R /(item).*[0-9] POST h:x=1 | R /item-[0-9]+-x/y q:q~[a-z]+");
    world_apply(&w, NULL);
    struct asked a = ask(&w, "GET h /item-00001-a/b");
    assert_str(a.taker, "plain[1]");
    assert_int_equal(a.searches, 0);
    a = ask(&w, "GET h /plain/x");
    assert_str(a.taker, "plain[0]");
    assert_int_equal(a.searches, 0);
    a = ask(&w, "GET h /item-00077-a/b");
    assert_str(a.taker, "r00077[0]");
    assert_int_equal(a.searches, 1); /* of "more" one has another method, one needs a parameter */
    a = ask(&w, "GET h /item-00077-x/y?q=ab");
    assert_str(a.taker, "r00077[0]"); /* the longer expression */
    assert_int_equal(a.searches, 1);
    a = ask(&w, "GET h /item-00077-0/y?q=ab");
    assert_str(a.taker, "plain[2]");
    assert_int_equal(a.searches, 2);
    world_fini(&w);
}

/* Whoever has routes of the host: what theirs cost does not keep others' from being asked, nor a request from its end. */
static void test_a_budget_for_all(void **state) {
    (void)state;
    struct world w;
    begin(&w);
    for (unsigned i = 0; i < 20; i++) {
        char name[16], rules[64];
        snprintf(name, sizeof name, "bad%02u", i);
        snprintf(rules, sizeof rules, "R /(a+)+(a+)+%02u.......", i);
        route(&w, name, rules);
    }
    route(&w, "good", "R /[a-z]+ | P /");
    world_apply(&w, NULL);
    struct asked a = ask(&w, "GET h /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0123456789bbbbbbb");
    assert_str(a.taker, "good[1]");
    assert_int_equal(a.given_up, 20);
    a = ask(&w, "GET h /aaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    assert_str(a.taker, "good[0]"); /* PCRE2 sees by itself that digits are missing */
    assert_int_equal(a.given_up, 0);
    world_fini(&w);
}

/* An expression that can not be told in time, of a rule that asks somebody whether to let in: nobody else may have the request. */
static void test_a_guarded_rule_is_not_passed_by(void **state) {
    (void)state;
    struct world w;
    begin(&w);
    struct plan_match *bad = arena_make(w.a, struct plan_match);
    *bad = (struct plan_match){PLAN_PATH_REGEX, S("/(a+)+(a+)+[0-9]b"), S("")};
    struct plan_filter *guard = arena_make(w.a, struct plan_filter);
    struct plan_auth *auth = arena_make(w.a, struct plan_auth);
    *auth = (struct plan_auth){.protocol = PLAN_AUTH_HTTP, .backend = S("ns/auth:80"), .path = S("")};
    *guard = (struct plan_filter){.type = PLAN_FILTER_AUTH, .auth = auth};
    struct plan_target target = {.backend = S("ns/a:80"), .weight = 1};
    struct plan_rule rule = {.matches = {bad, 1}, .targets = {&target, 1}};
    str any = S("");
    struct plan_attachment at = {S("Gateway/infra/gw/http"), {&any, 1}};
    struct plan_route r = {.piece = {.kind = PLAN_ROUTE, .key = S("HTTPRoute/ns/guarded")},
                           .ns = S("ns"),
                           .name = S("guarded"),
                           .attachments = {&at, 1},
                           .rules = {&rule, 1}};
    const char *hard = "GET h /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0c9b";
    route(&w, "open", "P /");
    world_set(&w, &r);
    world_apply(&w, NULL);
    assert_str(ask(&w, hard).taker, "open[0]"); /* without the guard */
    rule.filters.p = guard, rule.filters.n = 1;
    world_set(&w, &r);
    world_apply(&w, NULL);
    struct asked a = ask(&w, hard);
    assert_str(a.taker, "guarded[0]");
    assert_true(a.closed);
    a = ask(&w, "GET h /aaaa0b");
    assert_str(a.taker, "guarded[0]");
    assert_false(a.closed);
    assert_str(ask(&w, "GET h /aaaa0c").taker, "open[0]");
    world_fini(&w);
}

/* One that another version has made: it keeps its place, takes nothing, and nobody falls over it. */
static void test_one_that_is_not_understood(void **state) {
    (void)state;
    struct world w;
    begin(&w);
    route(&w, "odd", "R /a(b h:x~( | P /");
    world_apply(&w, NULL);
    struct asked a = ask(&w, "GET h /a(b x=(");
    assert_str(a.taker, "odd[1]");
    assert_int_equal(a.given_up, 1);
    world_fini(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_only_what_may_match_is_searched),
                                       cmocka_unit_test(test_a_budget_for_all),
                                       cmocka_unit_test(test_a_guarded_rule_is_not_passed_by),

                                       cmocka_unit_test(test_one_that_is_not_understood)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
