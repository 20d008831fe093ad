/* SPDX-License-Identifier: Apache-2.0 */
/* links: compile */
/* Checks of endpoints: when they are made and by whom, what they ask, what is well, how many tell, and what ends them. */
#include "set.h"

enum { S_US = 1000000 };

static struct balance_endpoint *endpoint(struct set *s, struct upstream *u, uint32_t i) {
    return set_state(s, u)->v[i];
}
static bool is_out(struct set *s) {
    return health_is_out(endpoint(s, s->upstream, 0)->vital, s->loop.now_us);
}
static uint64_t good(struct set *s) { return set_counts(s->upstream).checks_good; }
static uint64_t bad(struct set *s) { return set_counts(s->upstream).checks_bad; }

/* A request comes that wants the backend checked. What becomes of it is of no matter here. */
static void nothing(struct upstream_loan *l) { (void)l; }
static void nothing_failed(struct upstream_loan *l, enum http_reason why, const char *words) {
    (void)l, (void)why, (void)words;
}
static void nothing_refused(struct upstream_loan *l, err e, enum http_reason why) {
    (void)l, (void)e, (void)why;
}
static void nothing_ended(struct upstream_loan *l, bool cut) { (void)l, (void)cut; }
static const struct upstream_events events = {
    .sink = &dial_nobody,
    .opened = nothing,
    .failed = nothing_failed,
    .did_read = nothing,
    .wrote = nothing,
    .refused = nothing_refused,
    .ended = nothing_ended,
    .write_failed = nothing,
};
static void want_of(struct set *s, struct upstream *u) {
    struct upstream_loan l = {.events = &events};
    struct balance_tried tried = {0};
    struct upstream_want w = {.backend = s->backend, .tried = &tried, .balancing = policy_hold(u, &s->by)};
    if (upstream_take(u, &w, &l) == OK) upstream_drop(&l);
    balance_tried_fini(&tried);
    policy_release(u, w.balancing);
    set_settle(s);
}

static struct table_balancing http(void) {
    struct table_balancing by = health_usual;
    by.probe = TABLE_PROBE_HTTP;
    snprintf(by.probe_path, sizeof by.probe_path, "/healthy");
    by.probe_interval_us = 10 * S_US, by.probe_timeout_us = 2 * S_US;
    by.probe_failures = 3, by.probe_successes = 2;
    return by;
}
/* The connections that requests made are no checks: whoever came to the socket is sent away. */
static void sweep(struct set *s, uint32_t i) {
    struct pollfd p = {.fd = s->listeners[i], .events = POLLIN};
    while (poll(&p, 1, 0) > 0) close(accept(s->listeners[i], NULL, NULL));
}
static void begin(struct set *s, uint32_t n, struct table_balancing by) {
    set_init(s, n, by);
    want_of(s, s->upstream);
    for (uint32_t i = 0; i < n; i++) sweep(s, i);
}

/* The check that is under way, up to its request; "": the connection alone. */
static int checked(struct set *s, uint32_t i, const char *request) {
    char bytes[1024];
    size_t n = 0;
    int fd = accept(s->listeners[i], NULL, NULL);
    assert_true(fd >= 0);
    while (*request) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        set_until(s, poll(&p, 1, 0) > 0);
        ssize_t more = recv(fd, bytes + n, sizeof bytes - n, 0);
        assert_true(more > 0);
        n += (size_t)more;
        if (str_eq((str){bytes, n}, str_of(request))) break;
        if (n > strlen(request)) fail_msg("%.*s", (int)n, bytes);
    }
    return fd;
}
static int asked(struct set *s, uint32_t i) {
    char request[256];
    snprintf(request, sizeof request,
             "GET /healthy HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: postern-check\r\n\r\n", s->ports[i]);
    return checked(s, i, request);
}
static bool none_comes(struct set *s, uint32_t i) {
    struct pollfd p = {.fd = s->listeners[i], .events = POLLIN};
    return poll(&p, 1, 0) == 0;
}
/* One check from its begin to what came of it. */
static void is_checked(struct set *s, const char *answer) {
    uint64_t before = good(s) + bad(s);
    int fd = asked(s, 0);
    rig_send(fd, str_of(answer));
    if (!*answer) shutdown(fd, SHUT_WR);
    set_until(s, good(s) + bad(s) > before);
    char byte;
    assert_true(recv(fd, &byte, 1, 0) <= 0); /* its connection serves nobody else */
    close(fd);
}
#define WELL "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define ILL  "HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n"

static void goes_by_how_many_tell(void **state) {
    (void)state;
    struct set s;
    begin(&s, 1, http());
    static const struct {
        const char *answer;
        bool out;
    } steps[] = {
        {WELL, false}, {ILL, false}, {ILL, false},  {WELL, false}, /* not in a row */
        {ILL, false},  {ILL, false}, {ILL, true},   {WELL, true},
        {ILL, true},   {WELL, true}, {WELL, false}, {ILL, false},
    };
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        set_pass(&s, i ? 10 * S_US : 0);
        want_of(&s, s.upstream);     /* a trial of an endpoint that is out is none of the checks' business */
        while (!none_comes(&s, 0)) { /* the check came first */
            is_checked(&s, steps[i].answer);
            sweep(&s, 0);
        }
        if (is_out(&s) != steps[i].out) fail_msg("after check %zu", i);
    }
    assert_int_equal(good(&s), 5);
    assert_int_equal(bad(&s), 7);
    set_fini(&s);
}

static void knows_what_is_well(void **state) {
    (void)state;
    static const struct {
        uint32_t wanted;
        const char *answer;
        bool good;
    } cases[] = {
        {0, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", true}, /* the head tells */
        {0, "HTTP/1.0 204 X\r\n\r\n", true},
        {0, "HTTP/1.1 302 X\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n", true},
        {0, "HTTP/1.1 103 X\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true},
        {0, "HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n", false},
        {0, ILL, false},
        {0, "HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", false},
        {0, "this is no HTTP\r\n\r\n", false},
        {0, "", false},
        {204, "HTTP/1.1 204 X\r\n\r\n", true},
        {204, WELL, false},
        {503, "HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n", true},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct set s;
        struct table_balancing by = http();
        by.probe_status = cases[i].wanted;
        begin(&s, 1, by);
        set_pass(&s, 0);
        is_checked(&s, cases[i].answer);
        if (good(&s) != cases[i].good || bad(&s) != !cases[i].good) fail_msg("case %zu", i);
        set_fini(&s);
    }
}

static void waits_only_so_long(void **state) {
    (void)state;
    struct set s;
    begin(&s, 1, http());
    set_pass(&s, 0);
    int fd = asked(&s, 0);
    rig_send(fd, S("HTTP/1.1 200 O"));
    set_pass(&s, 2 * S_US - 1);
    assert_int_equal(good(&s) + bad(&s), 0);
    set_pass(&s, 1);
    assert_int_equal(bad(&s), 1);
    assert_int_equal(set_counts(s.upstream).open, 0);
    close(fd);
    set_fini(&s);
}

static void asks_nothing_where_a_connection_tells(void **state) {
    (void)state;
    struct set s;
    struct table_balancing by = http();
    by.probe = TABLE_PROBE_TCP;
    begin(&s, 1, by);
    set_pass(&s, 0);
    set_until(&s, good(&s) == 1);
    int fd = checked(&s, 0, "");
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    close(fd);
    shutdown(s.listeners[0], SHUT_RDWR); /* nobody is there any more */
    for (int i = 0; i < 3; i++) {
        set_pass(&s, 10 * S_US);
        if (bad(&s) == (uint64_t)i) set_until(&s, bad(&s) == (uint64_t)i + 1);
    }
    assert_true(is_out(&s));
    set_fini(&s);
}

/* One an interval, whoever makes it. */
static void is_made_once_an_interval(void **state) {
    (void)state;
    struct set s;
    begin(&s, 2, http());
    want_of(&s, s.other);
    for (uint32_t i = 0; i < 2; i++) sweep(&s, i);
    unsigned n[2] = {0};
    for (unsigned at = 0; at < 60; at++) {
        set_pass(&s, at ? S_US : 0);
        for (uint32_t i = 0; i < 2; i++) {
            if (none_comes(&s, i)) continue;
            uint64_t before = good(&s) + set_counts(s.other).checks_good;
            int fd = asked(&s, i);
            rig_send(fd, S(WELL));
            set_until(&s, good(&s) + set_counts(s.other).checks_good > before);
            close(fd);
            n[i]++;
            assert_true(none_comes(&s, i));
            if (at / 10 + 1 < n[i]) fail_msg("too early: %u after %u s", n[i], at);
        }
    }
    for (int i = 0; i < 2; i++) assert_in_range(n[i], 5, 6); /* looked at every eighth of an interval */
    assert_int_equal(bad(&s), 0);
    set_fini(&s);
}

/* While requests come; a while after the last one nobody is interested any more. */
static void ends_when_no_requests_come(void **state) {
    (void)state;
    struct set s;
    begin(&s, 1, http());
    uint64_t last = 0;
    for (unsigned at = 0; at < 400; at++) {
        set_pass(&s, at ? S_US : 0);
        if (none_comes(&s, 0)) continue;
        is_checked(&s, WELL);
        last = at;
    }
    assert_in_range(last, 85, 101); /* ten intervals */
    assert_null(set_state(&s, s.upstream)->watch);
    want_of(&s, s.upstream);
    sweep(&s, 0);
    set_pass(&s, 0);
    is_checked(&s, WELL);
    set_fini(&s);
}

/* So many at once are made, and the others as soon as these are over. */
static void makes_so_many_at_once(void **state) {
    (void)state;
    enum { N = 40, AT_ONCE = 32 };
    struct set s;
    begin(&s, N, http());
    set_pass(&s, 0);
    assert_int_equal(set_counts(s.upstream).open, AT_ONCE);
    set_pass(&s, 2 * S_US); /* they are over, out of time; at the next look the others are made */
    assert_int_equal(bad(&s), AT_ONCE);
    set_pass(&s, S_US);
    assert_int_equal(set_counts(s.upstream).open, N - AT_ONCE);
    set_fini(&s);
}

static void ends_with_the_endpoint_and_with_the_backend(void **state) {
    (void)state;
    struct set s;
    begin(&s, 2, http());
    set_pass(&s, 0);
    int fd = asked(&s, 0), other = asked(&s, 1);
    set_endpoints(&s, 1, 1); /* the check of one that is gone ends by itself, and tells nobody */
    rig_send(fd, S(ILL)), rig_send(other, S(WELL));
    set_until(&s, good(&s) == 1 && bad(&s) == 1);
    close(fd), close(other);
    set_pass(&s, 11 * S_US);
    assert_true(none_comes(&s, 0));
    other = asked(&s, 1);
    upstream_adopt(s.upstream, NULL);
    assert_null(set_state(&s, s.upstream)->watch);
    close(other);
    set_until(&s, bad(&s) == 2);
    upstream_adopt(s.upstream, s.rig.table);
    set_fini(&s);
}

static void ends_when_it_drains(void **state) {
    (void)state;
    struct set s;
    begin(&s, 1, http());
    set_pass(&s, 0);
    int fd = asked(&s, 0);
    upstream_drain(s.upstream);
    set_settle(&s);
    assert_int_equal(set_counts(s.upstream).open, 0);
    assert_int_equal(good(&s) + bad(&s), 0);
    close(fd);
    want_of(&s, s.upstream);
    sweep(&s, 0);
    set_pass(&s, 60 * S_US);
    assert_true(none_comes(&s, 0));
    set_fini(&s);
}

/* The latest request's settings count from then on. */
static void goes_by_the_latest_settings(void **state) {
    (void)state;
    struct set s;
    begin(&s, 1, http());
    set_pass(&s, 0);
    is_checked(&s, ILL);
    s.by.probe_failures = 1;
    want_of(&s, s.upstream);
    sweep(&s, 0);
    set_pass(&s, 10 * S_US);
    is_checked(&s, ILL);
    assert_true(is_out(&s));
    set_fini(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_by_how_many_tell),
        cmocka_unit_test(knows_what_is_well),
        cmocka_unit_test(waits_only_so_long),
        cmocka_unit_test(asks_nothing_where_a_connection_tells),
        cmocka_unit_test(is_made_once_an_interval),
        cmocka_unit_test(ends_when_no_requests_come),
        cmocka_unit_test(makes_so_many_at_once),
        cmocka_unit_test(ends_with_the_endpoint_and_with_the_backend),
        cmocka_unit_test(ends_when_it_drains),
        cmocka_unit_test(goes_by_the_latest_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
