/* SPDX-License-Identifier: Apache-2.0 */
/* links: compile */
#include "world.h"

/* ---- deadlines ---- */

static void ends_a_head_that_does_not_come(void **state) {
    (void)state;
    struct proxy_limits limits = proxy_limits_usual;
    struct world w;
    struct reply y = {0};
    limits.head_us = SOON_US;
    world_init(&w, &limits);
    int fd = world_client(&w);
    rig_send(fd, S("GET / HTTP/1.1\r\nHo"));
    until(&w, ended(fd, &y));
    assert_false(y.reset);
    assert_true(str_starts(reply_text(&y), S("HTTP/1.1 408 Request Timeout\r\n")));
    assert_true(reply_has(&y, "Connection: close\r\n"));
    assert_int_equal(w.reason, REASON_REQUEST_TIMEOUT);
    reply_fini(&y);
    close(fd);
    world_fini(&w);
}

static void ends_idle_connections(void **state) {
    (void)state;
    struct proxy_limits limits = proxy_limits_usual;
    struct world w;
    struct reply y = {0}, z = {0};
    limits.idle_us = SOON_US;
    world_init(&w, &limits);
    int silent = world_client(&w), served = world_client(&w);
    rig_send(served, S("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    int backend = world_take_request(&w);
    until(&w, ended(silent, &y)); /* the other one is not idle meanwhile */
    assert_int_equal(y.bytes.n, 0);
    rig_send(backend, S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"));
    until(&w, ended(served, &z));
    assert_true(str_ends(reply_text(&z), S("\r\n\r\nhi")));
    assert_false(y.reset || z.reset);
    reply_fini(&y);
    reply_fini(&z);
    close(silent), close(served), close(backend);
    world_fini(&w);
}

static void ends_idle_backend_connections(void **state) {
    (void)state;
    struct proxy_limits limits = proxy_limits_usual;
    struct world w;
    struct reply y = {0}, q = {0};
    limits.upstream_idle_us = SOON_US;
    world_init(&w, &limits);
    int fd = world_client(&w);
    rig_send(fd, S("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    int backend = world_take_request(&w);
    rig_send(backend, S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"));
    until(&w, has(fd, &y, "hi"));
    until(&w, ended(backend, &q));
    assert_false(y.end);
    reply_fini(&y);
    reply_fini(&q);
    close(fd), close(backend);
    world_fini(&w);
}

/* A backend whose queue is full lets connections wait. */
static void answers_504_for_a_backend_that_does_not_accept(void **state) {
    (void)state;
    enum { FILLERS = 4 };
    struct proxy_limits limits = proxy_limits_usual;
    struct world w;
    struct reply y = {0};
    struct sockaddr_in a;
    socklen_t n = sizeof a;
    int fillers[FILLERS];
    limits.connect_us = SOON_US;
    world_init(&w, &limits);
    assert_int_equal(listen(w.backend, 0), 0);
    assert_int_equal(getsockname(w.backend, (struct sockaddr *)&a, &n), 0);
    for (int i = 0; i < FILLERS; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (connect(fillers[i], (struct sockaddr *)&a, n) < 0) assert_int_equal(errno, EINPROGRESS);
    }
    int fd = world_client(&w);
    rig_send(fd, S("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    until(&w, has(fd, &y, "backend_timeout"));
    assert_true(str_starts(reply_text(&y), S("HTTP/1.1 504 ")));
    until(&w, w.finished == 1);
    assert_int_equal(w.reason, REASON_BACKEND_TIMEOUT);
    assert_false(y.end);
    reply_fini(&y);
    for (int i = 0; i < FILLERS; i++) close(fillers[i]);
    close(fd);
    world_fini(&w);
}

/* ---- progress: who is to blame? ---- */

static void blames_a_client_that_sends_nothing_more(void **state) {
    (void)state;
    struct proxy_limits limits = proxy_limits_usual;
    struct world w;
    struct reply y = {0};
    limits.progress_us = SOON_US;
    world_init(&w, &limits);
    int fd = world_client(&w);
    rig_send(fd, S("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nab"));
    int backend = world_take_request(&w);
    until(&w, has(fd, &y, "request_timeout"));
    assert_true(str_starts(reply_text(&y), S("HTTP/1.1 408 ")));
    until(&w, w.finished == 1);
    assert_int_equal(w.reason, REASON_REQUEST_TIMEOUT);
    reply_fini(&y);
    close(fd), close(backend);
    world_fini(&w);
}

static void blames_a_backend_that_sends_nothing_more(void **state) {
    (void)state;
    struct proxy_limits limits = proxy_limits_usual;
    struct world w;
    struct reply y = {0};
    limits.progress_us = SOON_US;
    world_init(&w, &limits);
    int fd = world_client(&w);
    rig_send(fd, S("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    int backend = world_take_request(&w);
    rig_send(backend, S("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789"));
    until(&w, ended(fd, &y)); /* cut: the client can tell */
    assert_true(str_ends(reply_text(&y), S("\r\n\r\n0123456789")));
    assert_int_equal(w.reason, REASON_BACKEND_TIMEOUT);
    reply_fini(&y);
    close(fd), close(backend);
    world_fini(&w);
}

static bool push(int fd) {
    static const char bytes[16384];
    while (send(fd, bytes, sizeof bytes, MSG_NOSIGNAL) > 0) {}
    return true;
}
static void blames_a_client_that_takes_nothing(void **state) {
    (void)state;
    struct proxy_limits limits = proxy_limits_usual;
    struct world w;
    limits.progress_us = SOON_US;
    world_init(&w, &limits);
    int fd = world_client(&w);
    rig_send(fd, S("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    int backend = world_take_request(&w);
    rig_send(backend, S("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"));
    until(&w, push(backend) && w.finished == 1);
    assert_int_equal(w.reason, REASON_CLIENT_SLOW);
    until(&w, proxy_is_idle(w.proxy));
    close(fd), close(backend);
    world_fini(&w);
}

static void gives_a_half_closed_client_a_while(void **state) {
    (void)state;
    struct proxy_limits limits = proxy_limits_usual;
    struct world w;
    struct reply y = {0};
    limits.half_closed_us = SOON_US;
    world_init(&w, &limits);
    int fd = world_client(&w);
    rig_send(fd, S("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    shutdown(fd, SHUT_WR);
    int backend = world_take_request(&w);
    until(&w, ended(fd, &y));
    assert_int_equal(y.bytes.n, 0);
    assert_int_equal(w.reason, REASON_CLIENT_GONE);
    reply_fini(&y);
    close(fd), close(backend);
    world_fini(&w);
}

/* ---- bounds ---- */

static void answers_503_when_there_are_too_many_exchanges(void **state) {
    (void)state;
    struct proxy_limits limits = proxy_limits_usual;
    struct world w;
    struct reply y = {0}, z = {0};
    limits.exchanges_max = 1;
    world_init(&w, &limits);
    int first = world_client(&w), second = world_client(&w);
    rig_send(first, S("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    int backend = world_take_request(&w);
    rig_send(second, S("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    until(&w, ended(second, &y));
    assert_true(str_starts(reply_text(&y), S("HTTP/1.1 503 Service Unavailable\r\n")));
    assert_true(reply_has(&y, "Connection: close\r\n") && reply_has(&y, "postern: overload: "));
    assert_false(y.reset);
    assert_int_equal(w.reason, REASON_OVERLOAD);
    assert_int_equal(w.status, 503);
    rig_send(backend,
             S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")); /* the one that runs is not touched */
    until(&w, has(first, &z, "\r\n\r\nhi"));
    until(&w, w.finished == 2);
    assert_int_equal(w.reason, REASON_NONE);
    reply_fini(&y);
    reply_fini(&z);
    close(first), close(second), close(backend);
    world_fini(&w);
}

/* ---- settings: where a rule says nothing of its own ---- */

static void says_504_when_the_settings_time_is_over(void **state) {
    (void)state;
    struct world w;
    struct plan_settings request = {.request_timeout = {SOON_US, true}},
                         backend = {.backend_timeout = {SOON_US, true}}, *each[] = {&request, &backend};
    for (size_t i = 0; i < COUNT_OF(each); i++) {
        struct reply y = {0};
        world_init_by(&w, NULL, each[i]);
        int fd = world_client(&w);
        rig_send(fd, S("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
        int backend_fd = world_take_request(&w);
        until(&w, has(fd, &y, "backend_timeout"));
        assert_true(str_starts(reply_text(&y), S("HTTP/1.1 504 ")));
        reply_fini(&y);
        close(fd), close(backend_fd);
        world_fini(&w);
    }
}

static void ends_what_idles_by_the_settings(void **state) {
    (void)state;
    struct world w;
    struct plan_settings settings = {.idle_timeout = {SOON_US, true},
                                     .backend_idle_timeout = {SOON_US, true}};
    struct reply y = {0}, z = {0}, q = {0};
    world_init_by(&w, NULL, &settings);
    int silent = world_client(&w), served = world_client(&w);
    rig_send(served, S("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    int backend = world_take_request(&w);
    until(&w, ended(silent, &y));
    rig_send(backend, S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"));
    until(&w, ended(served, &z) && ended(backend, &q));
    assert_true(reply_has(&z, "\r\n\r\nhi"));
    assert_false(y.reset || z.reset);
    reply_fini(&y), reply_fini(&z), reply_fini(&q);
    close(silent), close(served), close(backend);
    world_fini(&w);
}

static void ends_a_slow_head_by_the_settings(void **state) {
    (void)state;
    struct world w;
    struct plan_settings settings = {.head_timeout = {SOON_US, true}};
    struct reply y = {0};
    world_init_by(&w, NULL, &settings);
    int fd = world_client(&w);
    rig_send(fd, S("GET / HTTP/1.1\r\nHo"));
    until(&w, ended(fd, &y));
    assert_true(str_starts(reply_text(&y), S("HTTP/1.1 408 ")));
    reply_fini(&y);
    close(fd);
    world_fini(&w);
}

/* A head of exactly n bytes. */
static void send_head(int fd, unsigned n) {
    static const char begin[] = "GET / HTTP/1.1\r\nHost: h\r\nX: ", end[] = "\r\n\r\n";
    rig_printf(fd, "%s%0*d%s", begin, (int)(n - (sizeof begin - 1) - (sizeof end - 1)), 0, end);
}

static void bounds_heads_by_the_settings(void **state) {
    (void)state;
    const unsigned bounds[] = {1024, 60000}; /* below and above the usual one */
    for (size_t i = 0; i < COUNT_OF(bounds); i++) {
        struct world w;
        struct plan_settings settings = {.head_bytes = {bounds[i], true}};
        struct reply y = {0}, z = {0};
        world_init_by(&w, NULL, &settings);
        int fits = world_client(&w), larger = world_client(&w);
        send_head(fits, bounds[i]);
        int backend = world_take_request(&w);
        rig_send(backend, S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"));
        until(&w, has(fits, &y, "hi"));
        send_head(larger, bounds[i] + 1);
        until(&w, ended(larger, &z));
        assert_true(str_starts(reply_text(&z), S("HTTP/1.1 431 ")));
        reply_fini(&y), reply_fini(&z);
        close(fits), close(larger), close(backend);
        world_fini(&w);
    }
}

static void bounds_bodies_by_the_settings(void **state) {
    (void)state;
    static const str larger[] = {
        S("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n123456789"),
        S("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
          "chunked\r\n\r\n4\r\n1234\r\n5\r\n56789\r\n0\r\n\r\n"),
    };
    struct world w;
    struct plan_settings settings = {.body_bytes = {8, true}};
    world_init_by(&w, NULL, &settings);
    for (size_t i = 0; i < COUNT_OF(larger); i++) {
        struct reply y = {0};
        int fd = world_client(&w);
        rig_send(fd, larger[i]);
        until(&w, has(fd, &y, "body_too_large"));
        assert_true(str_starts(reply_text(&y), S("HTTP/1.1 413 ")));
        reply_fini(&y);
        close(fd);
    }
    struct reply y = {0};
    close(world_backend(&w)); /* the chunked one had been on its way */
    until(&w, w.finished == 2);
    int fd = world_client(&w);
    rig_send(fd, S("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\n12345678"));
    int backend = world_take_request(&w);
    rig_send(backend, S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"));
    until(&w, has(fd, &y, "hi"));
    reply_fini(&y);
    close(fd), close(backend);
    world_fini(&w);
}

/* The test's clients are 192.0.2.1. */
static void believes_trusted_proxies(void **state) {
    (void)state;
    struct world w;
    str nets[] = {S("192.0.2.0/24")};
    struct plan_settings settings = {.trusted_proxies = {nets, 1}};
    struct reply q = {0}, y = {0};
    world_init_wish(&w, (struct world_wish){.settings = &settings, .records = true});
    int fd = world_client(&w);
    rig_send(fd, S("GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 203.0.113.9, 198.51.100.7\r\n"
                   "X-Forwarded-Proto: https\r\n\r\n"));
    int backend = world_backend(&w);
    until(&w, has(backend, &q, "\r\n\r\n"));
    assert_true(reply_has(&q, "X-Forwarded-For: 198.51.100.7, 192.0.2.1\r\n"));
    assert_true(reply_has(&q, "X-Forwarded-Proto: https\r\n"));
    rig_send(backend, S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"));
    until(&w, has(fd, &y, "hi") && w.finished);
    assert_true(ip_eq(&w.client, &(struct ip){.family = 4, .bytes = {198, 51, 100, 7}}));
    reply_fini(&q), reply_fini(&y);
    close(fd), close(backend);
    world_fini(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_a_head_that_does_not_come),
        cmocka_unit_test(ends_idle_connections),
        cmocka_unit_test(says_504_when_the_settings_time_is_over),
        cmocka_unit_test(ends_what_idles_by_the_settings),
        cmocka_unit_test(ends_a_slow_head_by_the_settings),
        cmocka_unit_test(bounds_heads_by_the_settings),
        cmocka_unit_test(bounds_bodies_by_the_settings),
        cmocka_unit_test(believes_trusted_proxies),
        cmocka_unit_test(ends_idle_backend_connections),
        cmocka_unit_test(answers_504_for_a_backend_that_does_not_accept),
        cmocka_unit_test(blames_a_client_that_sends_nothing_more),
        cmocka_unit_test(blames_a_backend_that_sends_nothing_more),
        cmocka_unit_test(blames_a_client_that_takes_nothing),
        cmocka_unit_test(gives_a_half_closed_client_a_while),
        cmocka_unit_test(answers_503_when_there_are_too_many_exchanges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
