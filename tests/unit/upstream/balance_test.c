/* SPDX-License-Identifier: Apache-2.0 */
/* links: compile */
#include "upstream/balance.h"

#include "../unit.h"
#include "compile/compile.h"

struct world {
    struct plan plan;
    struct plan_delta delta;
    struct compiler *compiler;
    struct table *table;
    const struct table_backend *backend;
    struct balance balance;
    unsigned gone;
};
static void on_gone(void *arg, struct balance_endpoint *e) {
    assert_true(e->gone);
    ++*(unsigned *)arg;
}
/* The backend's endpoints are 10.0.0.FROM and those after it. */
static void apply(struct world *w, int from, uint32_t n) {
    static char addresses[16][16];
    static struct plan_endpoint v[16];
    for (uint32_t i = 0; i < n; i++) {
        int len = snprintf(addresses[i], sizeof addresses[i], "10.0.0.%d", from + (int)i);
        v[i] = (struct plan_endpoint){{addresses[i], (size_t)len}, 80};
    }
    struct plan_endpoints e = {.piece = {.kind = PLAN_ENDPOINTS, .key = S("ns/a:80")}, .endpoints = {v, n}};
    plan_set(&w->plan, PLAN_ENDPOINTS, e.piece.key, plan_pack(&e), &w->delta);
    struct table *before = w->table;
    struct compile_work work;
    w->table = compile_apply(w->compiler, &w->plan, &w->delta, 0, &work);
    plan_delta_fini(&w->delta);
    balance_adopt(&w->balance, w->table);
    if (before) compile_home(w->compiler, before);
}
static int setup(void **state) {
    struct world *w = base_zalloc(sizeof *w);
    w->compiler = compiler_new();
    plan_init(&w->plan);
    balance_init(&w->balance, 1, on_gone, &w->gone);
    struct plan_listener l = {.piece = {.kind = PLAN_LISTENER, .key = S("Gateway/i/g/l")},
                              .gateway = S("i/g"),
                              .section = S("l"),
                              .bind_address = S(""),
                              .bind_port = 1,
                              .port = 1,
                              .protocol = PLAN_HTTP,
                              .hostname = S("")};
    struct plan_backend b = {.piece = {.kind = PLAN_BACKEND, .key = S("ns/a:80")},
                             .ns = S("ns"),
                             .name = S("a"),
                             .port = 80,
                             .protocol = PLAN_BACKEND_HTTP};
    struct plan_match m = {.path_type = PLAN_PATH_PREFIX, .path = S(""), .method = S("")};
    struct plan_target t = {.backend = S("ns/a:80"), .weight = 1};
    struct plan_rule rule = {.matches = {&m, 1}, .targets = {&t, 1}};
    str any = S("");
    struct plan_attachment at = {.listener = l.piece.key, .hostnames = {&any, 1}};
    struct plan_route r = {.piece = {.kind = PLAN_ROUTE, .key = S("HTTPRoute/ns/r")},
                           .ns = S("ns"),
                           .name = S("r"),
                           .attachments = {&at, 1},
                           .rules = {&rule, 1}};
    plan_set(&w->plan, PLAN_LISTENER, l.piece.key, plan_pack(&l), &w->delta);
    plan_set(&w->plan, PLAN_BACKEND, b.piece.key, plan_pack(&b), &w->delta);
    plan_set(&w->plan, PLAN_ROUTE, r.piece.key, plan_pack(&r), &w->delta);
    apply(w, 1, 3);
    OWNED(arena) a = arena_new();
    struct http_msg request;
    http_msg_init(&request, a, true);
    request.method = S("GET"), request.method_id = HTTP_GET, request.path = S("/"), request.query = S("");
    const struct table_socket *sockets;
    assert_int_equal(table_sockets(w->table, &sockets), 1);
    const struct table_listener *listener = table_listener_for(table_port(w->table, sockets[0].slot), S(""));
    struct table_match match;
    assert_true(table_match(w->table, listener, S(""), &request, a, NULL, &match));
    w->backend = match.rule->targets[0].backend;
    *state = w;
    return 0;
}
static int teardown(void **state) {
    struct world *w = *state;
    balance_fini(&w->balance);
    compile_home(w->compiler, w->table);
    for (struct compile_grave *g; (g = compile_retired(w->compiler));) compile_buried(w->compiler, g);
    compiler_free(w->compiler);
    plan_fini(&w->plan);
    free(w);
    return 0;
}
static struct balance_endpoint *pick(struct world *w, const struct balance_tried *tried, uint64_t now_us) {
    return balance_pick(&w->balance, w->backend, tried, false, now_us);
}

static void spreads_by_load(void **state) {
    struct world *w = *state;
    struct balance_tried none = {0};
    for (int i = 0; i < 300; i++) pick(w, &none, 0)->health->outstanding++;
    struct balance_tried seen = {0};
    for (int i = 0; i < 3; i++) { /* two draws keep the three close */
        struct balance_endpoint *e = pick(w, &seen, 0);
        assert_in_range(e->health->outstanding, 90, 110);
        balance_tried_add(&seen, e);
    }
    assert_null(pick(w, &seen, 0)); /* all were tried */
    balance_tried_fini(&seen);
}

static void shuns_for_a_while(void **state) {
    struct world *w = *state;
    struct balance_tried none = {0};
    struct balance_endpoint *bad = pick(w, &none, 0);
    balance_refused(bad, 1000);
    for (int i = 0; i < 100; i++) assert_ptr_not_equal(pick(w, &none, 1000), bad);
    assert_int_equal(bad->health->shunned_until_us, 1000 + BALANCE_SHUN_US);
    for (int i = 0; i < 10; i++) balance_refused(bad, 1000);
    assert_int_equal(bad->health->shunned_until_us, 1000 + BALANCE_SHUN_US_MAX);
    bool again = false;
    for (int i = 0; i < 100; i++) again |= pick(w, &none, 1000 + BALANCE_SHUN_US_MAX) == bad;
    assert_true(again);
}

static void keeps_what_stays(void **state) {
    struct world *w = *state;
    struct balance_tried none = {0};
    struct balance_endpoint *e = pick(w, &none, 0);
    while (e->at.ip.bytes[3] != 3) e = pick(w, &none, 0);
    e->health->outstanding = 5;
    apply(w, 3, 2); /* .3 stays, .1 and .2 go, .4 is new */
    assert_int_equal(w->gone, 2);
    assert_int_equal(e->health->outstanding, 5);
    for (int i = 0; i < 50; i++) assert_in_range(pick(w, &none, 0)->at.ip.bytes[3], 3, 4);
    apply(w, 1, 0);
    assert_int_equal(w->gone, 4);
    assert_null(pick(w, &none, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(spreads_by_load, setup, teardown),
        cmocka_unit_test_setup_teardown(shuns_for_a_while, setup, teardown),
        cmocka_unit_test_setup_teardown(keeps_what_stays, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
