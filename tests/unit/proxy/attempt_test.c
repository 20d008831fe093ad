/* SPDX-License-Identifier: Apache-2.0 */
/* links: compile */
/* Requests for a backend that has as many connections as it may: they wait for one, so many and so long. */
#include "world.h"

#define GET   "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
#define OK_HI "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

/* One connection; the first request has it, and the next n come. */
struct row {
    struct world w;
    struct plan_balancing balancing;
    struct plan_settings settings;
    int backend, fd[3];
    struct reply asked, answer[3];
};
static struct proxy_counts counts(struct row *r) {
    struct proxy_counts c;
    proxy_count(r->w.proxy, &c);
    return c;
}
static void begin(struct row *r, int n, int64_t waiting, int64_t wait_us) {
    *r = (struct row){.balancing = {.conns = {1, true}, .waiting = {waiting, true}, .wait = {wait_us, true}}};
    r->settings = (struct plan_settings){.balancing = &r->balancing};
    world_init_by(&r->w, NULL, &r->settings);
    for (int i = 0; i <= n; i++) {
        r->fd[i] = world_client(&r->w);
        rig_send(r->fd[i], S(GET));
        if (i == 0) r->backend = world_backend(&r->w);
        if (i == 0) until(&r->w, has(r->backend, &r->asked, "\r\n\r\n"));
        if (i > 0) until(&r->w, counts(r).requests_open == (uint64_t)i + 1 || r->w.finished);
    }
}
static void is_answered(struct row *r, int i, const char *begins, const char *end) {
    until(&r->w, has(r->fd[i], &r->answer[i], end));
    assert_true(str_starts(reply_text(&r->answer[i]), str_of(begins)));
}
static void finish(struct row *r) {
    for (int i = 0; i < 3; i++) {
        if (r->fd[i] > 0) close(r->fd[i]);
        reply_fini(&r->answer[i]);
    }
    until(&r->w, counts(r).requests_open == 0);
    assert_int_equal(counts(r).upstream_waiting, 0);
    reply_fini(&r->asked);
    close(r->backend);
    world_fini(&r->w);
}

static void waits_its_turn(void **state) {
    (void)state;
    struct row r;
    begin(&r, 2, 2, 60000000);
    assert_int_equal(counts(&r).upstream_waiting, 2);
    for (int i = 0; i < 3; i++) {
        if (i) until(&r.w, has(r.backend, &r.asked, "\r\n\r\n"));
        reply_fini(&r.asked);
        r.asked = (struct reply){0};
        assert_int_equal(counts(&r).upstream_waiting, 2 - i);
        rig_send(r.backend, S(OK_HI));
        is_answered(&r, i, "HTTP/1.1 200", "hi");
    }
    assert_int_equal(counts(&r).upstream_connects, 1);
    assert_int_equal(counts(&r).upstream_waited, 2);
    finish(&r);
}

static void waits_only_so_long(void **state) {
    (void)state;
    struct row r;
    begin(&r, 2, 2, SOON_US);
    for (int i = 1; i < 3; i++) is_answered(&r, i, "HTTP/1.1 503", "backend_overloaded");
    assert_int_equal(r.w.finished, 2);
    assert_int_equal(r.w.reason, REASON_BACKEND_OVERLOADED);
    rig_send(r.backend, S(OK_HI));
    is_answered(&r, 0, "HTTP/1.1 200", "hi");
    finish(&r);
}

static void waits_for_nothing_where_too_many_do(void **state) {
    (void)state;
    struct row r;
    begin(&r, 2, 1, 60000000);
    is_answered(&r, 2, "HTTP/1.1 503", "backend_overloaded");
    assert_int_equal(counts(&r).upstream_waiting, 1);
    finish(&r);
}

static void leaves_its_place_with_its_client(void **state) {
    (void)state;
    struct row r;
    begin(&r, 2, 2, 60000000);
    struct linger now = {.l_onoff = 1};
    assert_int_equal(setsockopt(r.fd[1], SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    close(r.fd[1]), r.fd[1] = 0;
    until(&r.w, counts(&r).upstream_waiting == 1);
    reply_fini(&r.asked);
    r.asked = (struct reply){0};
    rig_send(r.backend, S(OK_HI));
    is_answered(&r, 0, "HTTP/1.1 200", "hi");
    until(&r.w, has(r.backend, &r.asked, "\r\n\r\n"));
    rig_send(r.backend, S(OK_HI));
    is_answered(&r, 2, "HTTP/1.1 200", "hi");
    finish(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_its_turn),
        cmocka_unit_test(waits_only_so_long),
        cmocka_unit_test(waits_for_nothing_where_too_many_do),
        cmocka_unit_test(leaves_its_place_with_its_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
