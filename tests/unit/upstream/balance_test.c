/* SPDX-License-Identifier: Apache-2.0 */
/* links: compile */
#include "upstream/balance.h"

#include "asked.h"
#include "compile/compile.h"

struct world {
    struct plan plan;
    struct plan_delta delta;
    struct compiler *compiler;
    struct table *table;
    const struct table_backend *backend;
    struct balance balance, other; /* of two workers */
    unsigned gone, other_gone;
    uint64_t now_us;
    struct table_balancing by;
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
    balance_adopt(&w->balance, w->table, w->now_us);
    balance_adopt(&w->other, w->table, w->now_us);
    if (before) compile_home(w->compiler, before);
}
static int setup(void **state) {
    struct world *w = base_zalloc(sizeof *w);
    w->compiler = compiler_new();
    plan_init(&w->plan);
    balance_init(&w->balance, 1, on_gone, NULL, &w->gone);
    balance_init(&w->other, 2, on_gone, NULL, &w->other_gone);
    w->now_us = 100000000;
    w->by = health_usual;
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
    w->backend = asked_backend(w->table);
    *state = w;
    return 0;
}
static int teardown(void **state) {
    struct world *w = *state;
    balance_fini(&w->balance);
    balance_fini(&w->other);
    compile_home(w->compiler, w->table);
    for (struct compile_grave *g; (g = compile_retired(w->compiler));) compile_buried(w->compiler, g);
    compiler_free(w->compiler);
    plan_fini(&w->plan);
    free(w);
    return 0;
}
static struct balance_endpoint *pick_by(struct world *w, struct balance *b,
                                        const struct balance_tried *tried) {
    return balance_pick(b, w->backend, &w->by, tried, false, w->now_us);
}
static struct balance_endpoint *pick(struct world *w, const struct balance_tried *tried) {
    return pick_by(w, &w->balance, tried);
}
static const struct balance_tried none;

static void spreads_by_load(void **state) {
    struct world *w = *state;
    for (int i = 0; i < 300; i++) pick(w, &none)->load->outstanding++;
    struct balance_tried seen = {0};
    for (int i = 0; i < 3; i++) { /* two draws keep the three close */
        struct balance_endpoint *e = pick(w, &seen);
        assert_in_range(e->load->outstanding, 90, 110);
        balance_tried_add(&seen, e);
    }
    assert_null(pick(w, &seen)); /* all were tried */
    balance_tried_fini(&seen);
}

static struct balance_endpoint *numbered(struct world *w, struct balance *b, int last) {
    for (int i = 0; i < 1000; i++) {
        struct balance_endpoint *e = pick_by(w, b, &none);
        if (e->at.ip.bytes[3] == last) return e;
    }
    return NULL;
}

static void one_that_refuses_is_out_for_all_workers(void **state) {
    struct world *w = *state;
    struct balance_endpoint *bad = numbered(w, &w->balance, 2);
    balance_fault(bad, &w->by, HEALTH_UNREACHABLE, w->now_us);
    assert_int_equal(w->balance.counts.put_out, 1);
    assert_null(numbered(w, &w->balance, 2));
    assert_null(numbered(w, &w->other, 2));
    w->now_us += health_usual.out_us - 1;
    assert_null(numbered(w, &w->other, 2));
    w->now_us++; /* one request of one worker, and no other while it lasts */
    assert_ptr_equal(numbered(w, &w->other, 2)->vital, bad->vital);
    assert_int_equal(w->other.counts.trials, 1);
    assert_null(numbered(w, &w->other, 2));
    assert_null(numbered(w, &w->balance, 2));
    balance_answered(bad, &w->by, 200, w->now_us);
    assert_int_equal(w->balance.counts.back, 1);
    assert_non_null(numbered(w, &w->balance, 2));
    assert_non_null(numbered(w, &w->other, 2));
}

static void a_trial_that_nobody_tells_the_end_of_is_followed_by_another(void **state) {
    struct world *w = *state;
    balance_fault(numbered(w, &w->balance, 1), &w->by, HEALTH_UNREACHABLE, w->now_us);
    w->now_us += health_usual.out_us;
    assert_non_null(numbered(w, &w->balance, 1));
    w->now_us += HEALTH_TRIAL_US - 1;
    assert_null(numbered(w, &w->balance, 1));
    w->now_us += 2; /* the word is odd while it lasts */
    assert_non_null(numbered(w, &w->balance, 1));
    assert_int_equal(w->balance.counts.trials, 2);
}

static void too_many_out_is_as_if_none_was(void **state) {
    struct world *w = *state;
    w->by.share_percent = 50;
    balance_fault(numbered(w, &w->balance, 1), &w->by, HEALTH_UNREACHABLE, w->now_us);
    assert_null(numbered(w, &w->balance, 1)); /* one of three */
    assert_int_equal(w->balance.counts.panics, 0);
    balance_fault(numbered(w, &w->balance, 2), &w->by, HEALTH_UNREACHABLE, w->now_us);
    assert_non_null(numbered(w, &w->balance, 1)); /* two of three */
    assert_non_null(numbered(w, &w->balance, 2));
    assert_true(w->balance.counts.panics > 0);
    w->by.share_percent = 67; /* who asks decides */
    assert_null(numbered(w, &w->balance, 1));
    w->by.share_percent = 0;
    assert_non_null(numbered(w, &w->balance, 1));
}

static void what_is_out_is_better_than_nothing(void **state) {
    struct world *w = *state;
    struct balance_tried tried = {0};
    balance_fault(numbered(w, &w->balance, 3), &w->by, HEALTH_UNREACHABLE, w->now_us);
    balance_tried_add(&tried, numbered(w, &w->balance, 1));
    assert_int_equal(pick(w, &tried)->at.ip.bytes[3], 2);
    balance_tried_add(&tried, numbered(w, &w->balance, 2));
    assert_int_equal(pick(w, &tried)->at.ip.bytes[3], 3);
    balance_tried_fini(&tried);
}

static void one_that_is_out_is_not_preferred(void **state) {
    struct world *w = *state;
    struct table_endpoint at = numbered(w, &w->balance, 2)->at;
    struct balance_endpoint *e = balance_find(&w->balance, w->backend, &at, &none, false, w->now_us);
    assert_non_null(e);
    balance_fault(e, &w->by, HEALTH_UNREACHABLE, w->now_us);
    assert_null(balance_find(&w->balance, w->backend, &at, &none, false, w->now_us));
    w->now_us += health_usual.out_us; /* its session is as good a trial as any */
    assert_ptr_equal(balance_find(&w->balance, w->backend, &at, &none, false, w->now_us), e);
    assert_null(balance_find(&w->balance, w->backend, &at, &none, false, w->now_us));
}

/* How many of n requests each endpoint gets, by the last number of its address; each is answered at once. */
static void count(struct world *w, uint32_t n, uint32_t *ret) {
    memset(ret, 0, 8 * sizeof *ret);
    for (uint32_t i = 0; i < n; i++) ret[pick(w, &none)->at.ip.bytes[3]]++;
}

static void round_robin_takes_each_in_turn(void **state) {
    struct world *w = *state;
    uint32_t got[8];
    w->by.order = TABLE_ROUND_ROBIN;
    for (int i = 0; i < 9; i++) assert_int_equal(pick(w, &none)->at.ip.bytes[3], 1 + i % 3);
    balance_fault(numbered(w, &w->balance, 2), &w->by, HEALTH_UNREACHABLE, w->now_us);
    count(w, 100, got);
    assert_int_equal(got[1], 50); /* those that are left share what it had */
    assert_int_equal(got[3], 50);
    apply(w, 1, 6);
    count(w, 100, got);
    assert_int_equal(got[2], 0);
    assert_int_equal(got[1] + got[3] + got[4] + got[5] + got[6], 100);
    for (int i = 3; i <= 6; i++) assert_int_equal(got[i], 20);
    struct balance_tried tried = {0}; /* one that is tried again goes on in turn */
    balance_tried_add(&tried, numbered(w, &w->balance, 4));
    numbered(w, &w->balance, 3);
    assert_int_equal(pick(w, &tried)->at.ip.bytes[3], 5);
    assert_int_equal(pick(w, &tried)->at.ip.bytes[3], 6);
    balance_tried_fini(&tried);
}

static void one_that_comes_starts_slowly(void **state) {
    struct world *w = *state;
    uint32_t got[8];
    for (w->by.order = TABLE_LEAST_REQUESTS; w->by.order <= TABLE_ROUND_ROBIN; w->by.order++) {
        w->by.slow_start_us = 10000000;
        apply(w, 1, 3);
        count(w, 3000, got); /* all have come at the same time */
        for (int i = 1; i <= 3; i++) assert_in_range(got[i], 900, 1100);
        w->now_us += 10000000;
        apply(w, 1, 4);
        count(w, 4000, got);
        assert_in_range(got[4], 70, 250); /* a tenth of a share; the seed is always the same */
        w->now_us += 5000000;
        count(w, 4000, got);
        assert_in_range(got[4], 450, 700);
        w->now_us += 5000000;
        count(w, 4000, got);
        assert_in_range(got[4], 900, 1100);
        apply(w, 1, 0);
        w->now_us += 1;
    }
}

static void one_that_comes_back_starts_slowly(void **state) {
    struct world *w = *state;
    uint32_t got[8];
    count(w, 1, got);
    w->now_us += 100000000;
    w->by.slow_start_us = 10000000;
    struct balance_endpoint *e = numbered(w, &w->balance, 2);
    balance_fault(e, &w->by, HEALTH_UNREACHABLE, w->now_us);
    w->now_us += health_usual.out_us;
    assert_ptr_equal(numbered(w, &w->balance, 2), e);
    balance_answered(e, &w->by, 200, w->now_us);
    count(w, 3000, got);
    assert_in_range(got[2], 70, 250);
}

/* A pod that comes anew at an address of before is another one. */
static void health_goes_with_the_endpoint(void **state) {
    struct world *w = *state;
    struct balance_endpoint *e = balance_hold(numbered(w, &w->balance, 1));
    balance_fault(e, &w->by, HEALTH_UNREACHABLE, w->now_us);
    apply(w, 2, 2);
    balance_fault(e, &w->by, HEALTH_UNREACHABLE, w->now_us); /* a request that ran there still: nobody's */
    apply(w, 1, 3);
    assert_non_null(numbered(w, &w->balance, 1));
    balance_release(e);
}

static void keeps_what_stays(void **state) {
    struct world *w = *state;
    struct balance_endpoint *e = pick(w, &none);
    while (e->at.ip.bytes[3] != 3) e = pick(w, &none);
    e->load->outstanding = 5;
    apply(w, 3, 2); /* .3 stays, .1 and .2 go, .4 is new */
    assert_int_equal(w->gone, 2);
    assert_int_equal(e->load->outstanding, 5);
    for (int i = 0; i < 50; i++) assert_in_range(pick(w, &none)->at.ip.bytes[3], 3, 4);
    apply(w, 1, 0);
    assert_int_equal(w->gone, 4);
    assert_null(pick(w, &none));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(spreads_by_load, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_refuses_is_out_for_all_workers, setup, teardown),
        cmocka_unit_test_setup_teardown(a_trial_that_nobody_tells_the_end_of_is_followed_by_another, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(too_many_out_is_as_if_none_was, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_out_is_better_than_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_is_out_is_not_preferred, setup, teardown),
        cmocka_unit_test_setup_teardown(round_robin_takes_each_in_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_comes_starts_slowly, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_comes_back_starts_slowly, setup, teardown),
        cmocka_unit_test_setup_teardown(health_goes_with_the_endpoint, setup, teardown),
        cmocka_unit_test_setup_teardown(keeps_what_stays, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
