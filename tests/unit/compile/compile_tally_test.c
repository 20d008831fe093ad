/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "world.h"

static const struct table_rule *rule_of(struct world *w, const char *request) {
    struct http_msg m;
    str host;
    struct table_match match;
    world_request(w->a, str_of(request), &m, &host);
    const struct table_socket *sockets;
    assert_int_equal(table_sockets(w->table, &sockets), 1);
    const struct table_listener *l = table_listener_for(table_port(w->table, sockets[0].slot), host);
    assert_true(table_match(w->table, l, host, &m, w->a, NULL, &match));
    return match.rule;
}

static void next_is(struct world *w, uint32_t tally, uint32_t epoch, const char *route) {
    struct compile_tally t;
    assert_true(compile_tally_next(w->compiler, &t));
    assert_int_equal(t.tally, tally);
    assert_int_equal(t.epoch, epoch);
    if (route)
        assert_str(t.route, route);
    else
        assert_null(t.route.p);
}

static void none_is_next(struct world *w) {
    struct compile_tally t;
    assert_false(compile_tally_next(w->compiler, &t));
}

/* The first routes have numbers, all rules of one the same; a number is free once no exchange can hold one of them. */
static void numbers_come_and_go(void **state) {
    (void)state;
    struct world w;
    world_init(&w);
    compile_tally_limit(w.compiler, 2);
    world_listener(&w, "http", 80, "");
    world_route(&w, "a", 0, "http", "-", "P /a ; P /aa");
    world_apply(&w, NULL);
    next_is(&w, TABLE_TALLY_FIRST, 1, "HTTPRoute/ns/a");
    none_is_next(&w);
    world_route(&w, "b", 0, "http", "-", "P /b");
    world_apply(&w, NULL);
    world_route(&w, "c", 0, "http", "-", "P /c");
    world_apply(&w, NULL);
    next_is(&w, TABLE_TALLY_FIRST + 1, 1, "HTTPRoute/ns/b");
    none_is_next(&w);
    assert_int_equal(rule_of(&w, "GET x /aa")->tally, TABLE_TALLY_FIRST);
    assert_int_equal(rule_of(&w, "GET x /a")->tally, TABLE_TALLY_FIRST);
    assert_int_equal(rule_of(&w, "GET x /b")->tally, TABLE_TALLY_FIRST + 1);
    assert_int_equal(rule_of(&w, "GET x /c")->tally, TABLE_TALLY_OTHER);
    assert_int_equal(compile_tally_others(w.compiler), 1);

    world_route(&w, "a", 0, "http", "-", "P /new"); /* another rule, the same route */
    world_apply(&w, NULL);
    world_bury(&w);
    none_is_next(&w);
    assert_int_equal(rule_of(&w, "GET x /new")->tally, TABLE_TALLY_FIRST);
    assert_int_equal(rule_of(&w, "GET x /new")->tally_epoch, 1);

    world_remove(&w, PLAN_ROUTE, "HTTPRoute/ns/a");
    world_apply(&w, NULL);
    none_is_next(&w); /* exchanges may hold its rule */
    world_route(&w, "d", 0, "http", "-", "P /d");
    world_apply(&w, NULL);
    assert_int_equal(rule_of(&w, "GET x /d")->tally, TABLE_TALLY_OTHER);
    world_bury(&w);
    next_is(&w, TABLE_TALLY_FIRST, 1, NULL);
    none_is_next(&w);
    world_route(&w, "e", 0, "http", "-", "P /e");
    world_route(&w, "d", 0, "http", "-", "P /d/d ; P /dd"); /* goes on as it was counted before */
    world_apply(&w, NULL);
    assert_int_equal(rule_of(&w, "GET x /e")->tally, TABLE_TALLY_FIRST);
    assert_int_equal(rule_of(&w, "GET x /e")->tally_epoch, 2);
    assert_int_equal(rule_of(&w, "GET x /dd")->tally, TABLE_TALLY_OTHER);
    next_is(&w, TABLE_TALLY_FIRST, 2, "HTTPRoute/ns/e");
    assert_int_equal(compile_tally_others(w.compiler), 2);
    world_fini(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(numbers_come_and_go)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
