/* SPDX-License-Identifier: Apache-2.0 */
/* links: compile */
/* Upgraded connections: bytes both ways, each end for itself, what is held meanwhile, and how they come to an end. */
#include "world.h"

#include <sys/socket.h>

#define ASK                                                                                                  \
    "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: "      \
    "k\r\n\r\n"
#define AGREED "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX: y\r\n\r\n"

struct pair {
    struct world w;
    int client, backend;
    struct reply of_client, of_backend; /* what came there */
};
static void pair_ask(struct pair *p, const struct proxy_limits *limits, const char *ask) {
    *p = (struct pair){0};
    world_init(&p->w, limits);
    p->client = world_client(&p->w);
    rig_send(p->client, str_of(ask));
    p->backend = world_backend(&p->w);
    until(&p->w, has(p->backend, &p->of_backend, "\r\n\r\n"));
}
static void clear(struct reply *y) { buf_clear(&y->bytes); }
static void pair_open(struct pair *p, const struct proxy_limits *limits) {
    pair_ask(p, limits, ASK);
    rig_send(p->backend, S(AGREED));
    until(&p->w, has(p->client, &p->of_client, "\r\n\r\n"));
    clear(&p->of_client), clear(&p->of_backend);
}
static void pair_close(struct pair *p) {
    close(p->client);
    if (p->backend >= 0) close(p->backend);
    until(&p->w, proxy_is_idle(p->w.proxy));
    reply_fini(&p->of_client);
    reply_fini(&p->of_backend);
    world_fini(&p->w);
}
static uint64_t tunnels(const struct pair *p) {
    struct proxy_counts c;
    proxy_count(p->w.proxy, &c);
    return c.tunnels_open;
}

static void carries_bytes_both_ways(void **state) {
    (void)state;
    struct pair p;
    pair_ask(&p, NULL, ASK "early");
    assert_true(reply_has(&p.of_backend, "Upgrade: websocket\r\nConnection: upgrade\r\n\r\n"));
    assert_true(reply_has(&p.of_backend, "Sec-WebSocket-Key: k\r\n"));
    rig_send(p.backend, S(AGREED "hello"));
    until(&p.w, has(p.client, &p.of_client, "hello"));
    assert_true(str_starts(reply_text(&p.of_client), S("HTTP/1.1 101 Switching Protocols\r\n")));
    assert_true(reply_has(&p.of_client, "X: y\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nhello"));
    until(&p.w, has(p.backend, &p.of_backend, "early"));
    assert_int_equal(tunnels(&p), 1);
    rig_send(p.client, S("GET / HTTP/1.1\r\n\r\n"));
    until(&p.w, has(p.backend, &p.of_backend, "earlyGET / HTTP/1.1\r\n\r\n"));
    /* nothing of the rule is held any more */
    for (uint32_t i = 0; i < p.w.rig.table->rule_slots; i++) assert_int_equal(proxy_uses(p.w.proxy, i), 0);
    /* the client ends first, and is answered still */
    shutdown(p.client, SHUT_WR);
    until(&p.w, ended(p.backend, &p.of_backend));
    rig_send(p.backend, S("bye"));
    until(&p.w, has(p.client, &p.of_client, "hellobye"));
    assert_int_equal(p.w.finished, 0);
    close(p.backend), p.backend = -1;
    until(&p.w, ended(p.client, &p.of_client));
    until(&p.w, p.w.finished == 1);
    assert_false(p.of_client.reset);
    assert_int_equal(p.w.status, 101);
    assert_int_equal(p.w.reason, REASON_NONE);
    assert_int_equal(p.w.bytes_in, strlen("earlyGET / HTTP/1.1\r\n\r\n"));
    assert_int_equal(p.w.bytes_out, strlen("hellobye"));
    assert_int_equal(tunnels(&p), 0);
    pair_close(&p);
}

static void lets_the_backend_end_first(void **state) {
    (void)state;
    struct pair p;
    pair_open(&p, NULL);
    rig_send(p.backend, S("last words"));
    shutdown(p.backend, SHUT_WR);
    until(&p.w, ended(p.client, &p.of_client));
    assert_true(reply_has(&p.of_client, "last words"));
    rig_send(p.client, S("still"));
    until(&p.w, has(p.backend, &p.of_backend, "still"));
    assert_int_equal(p.w.finished, 0);
    shutdown(p.client, SHUT_WR);
    until(&p.w, p.w.finished == 1);
    until(&p.w, ended(p.backend, &p.of_backend));
    assert_int_equal(p.w.reason, REASON_NONE);
    pair_close(&p);
}

/* It had nothing more to say after the request: that is its end of the tunnel, too. */
static void knows_an_end_that_came_before_101(void **state) {
    (void)state;
    struct pair p;
    pair_ask(&p, NULL, ASK);
    shutdown(p.client, SHUT_WR);
    rig_send(p.backend, S(AGREED "hello"));
    until(&p.w, has(p.client, &p.of_client, "hello"));
    until(&p.w, ended(p.backend, &p.of_backend));
    assert_int_equal(p.w.finished, 0);
    shutdown(p.backend, SHUT_WR);
    until(&p.w, p.w.finished == 1);
    pair_close(&p);
}

/* What one side does not take is not read from the other without bound; all of it arrives in the end. */
static void holds_a_fast_side_to_a_slow_one(void **state) {
    (void)state;
    enum { BYTES = 8 << 20 };
    struct pair p;
    pair_open(&p, NULL);
    static char block[65536];
    const int sides[] = {p.client, p.backend};
    for (int i = 0; i < 2; i++) {
        size_t sent = 0, taken = 0;
        unsigned stuck = 0;
        memset(block, 'a' + i, sizeof block);
        /* until nothing more goes, though the proxy had its turns */
        for (; sent < BYTES && stuck < 100;) {
            ssize_t n = send(sides[i], block, sizeof block, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n > 0)
                sent += (size_t)n, stuck = 0;
            else
                stuck++;
            timer_set(&p.w.loop.timers, &p.w.guard, p.w.loop.now_us + 60000000);
            p.w.busy = true; /* does not wait for an event */
            world_turn(&p.w);
        }
        assert_true(sent < BYTES);
        while (taken < sent) {
            char got[65536];
            ssize_t n = recv(sides[1 - i], got, sizeof got, MSG_DONTWAIT);
            for (ssize_t k = 0; k < n; k++) assert_int_equal(got[k], 'a' + i);
            if (n > 0)
                taken += (size_t)n;
            else
                world_turn(&p.w);
        }
        assert_int_equal(taken, sent);
    }
    assert_int_equal(p.w.finished, 0);
    pair_close(&p);
}

static void ends_one_that_does_not_move(void **state) {
    (void)state;
    struct proxy_limits limits = proxy_limits_usual;
    struct pair p;
    limits.tunnel_idle_us = SOON_US;
    pair_open(&p, &limits);
    until(&p.w, ended(p.client, &p.of_client));
    until(&p.w, ended(p.backend, &p.of_backend));
    until(&p.w, p.w.finished == 1);
    assert_int_equal(p.w.reason, REASON_TUNNEL_IDLE);
    assert_int_equal(p.w.status, 101);
    pair_close(&p);
}

/* One that is half closed does not stay for as long. */
static void ends_a_half_closed_one_that_does_not_move(void **state) {
    (void)state;
    struct proxy_limits limits = proxy_limits_usual;
    struct pair p;
    limits.progress_us = SOON_US;
    pair_open(&p, &limits);
    shutdown(p.client, SHUT_WR);
    until(&p.w, p.w.finished == 1);
    assert_int_equal(p.w.reason, REASON_TUNNEL_IDLE);
    pair_close(&p);
}

static void reset_by(int fd) {
    struct linger now = {.l_onoff = 1};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    close(fd);
}

static void passes_on_what_was_said_before_a_reset(void **state) {
    (void)state;
    struct pair p;
    pair_open(&p, NULL);
    rig_send(p.backend, S("last words"));
    until(&p.w, has(p.client, &p.of_client, "last words"));
    reset_by(p.backend), p.backend = -1;
    until(&p.w, p.w.finished == 1);
    assert_int_equal(p.w.reason, REASON_BACKEND_CUT);
    until(&p.w, ended(p.client, &p.of_client));
    pair_close(&p);
}

static void ends_when_the_client_is_gone(void **state) {
    (void)state;
    struct pair p;
    pair_open(&p, NULL);
    rig_send(p.client, S("last words"));
    close(p.client), p.client = -1;
    until(&p.w, ended(p.backend, &p.of_backend));
    assert_true(reply_has(&p.of_backend, "last words"));
    /* what is said to it now meets a closed socket */
    rig_send(p.backend, S("anybody?"));
    until(&p.w, p.w.finished == 1);
    assert_int_equal(p.w.reason, REASON_CLIENT_GONE);
    pair_close(&p);
}

static void drains_to_the_cut(void **state) {
    (void)state;
    struct pair p;
    pair_open(&p, NULL);
    proxy_drain(p.w.proxy);
    rig_send(p.client, S("still"));
    until(&p.w, has(p.backend, &p.of_backend, "still"));
    assert_false(proxy_is_idle(p.w.proxy));
    proxy_cut(p.w.proxy);
    assert_int_equal(p.w.finished, 1);
    assert_int_equal(p.w.reason, REASON_DRAINING);
    pair_close(&p);
}

/* What is no GET, has a body, or names nothing that may pass is an ordinary request. */
static void asks_for_nothing_else(void **state) {
    (void)state;
    static const char *const asks[] = {
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: "
        "x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: "
        "0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: "
        "2\r\n\r\nhi",
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n",
    };
    for (size_t i = 0; i < COUNT_OF(asks); i++) {
        struct pair p;
        pair_ask(&p, NULL, asks[i]);
        assert_false(reply_has(&p.of_backend, "pgrade"));
        rig_send(p.backend, S(AGREED));
        until(&p.w, has(p.client, &p.of_client, "backend_protocol"));
        assert_true(str_starts(reply_text(&p.of_client), S("HTTP/1.1 502 ")));
        pair_close(&p);
    }
}

static void asks_for_what_the_settings_list(void **state) {
    (void)state;
    str more[] = {S("SPDY/3.1")};
    struct plan_settings settings = {.upgrades = {more, 1}};
    struct pair p = {0};
    world_init_by(&p.w, NULL, &settings);
    p.client = world_client(&p.w);
    rig_send(p.client, S("POST /exec HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: h2c, spdy/3.1, "
                         "websocket\r\n\r\n"));
    p.backend = world_backend(&p.w);
    until(&p.w, has(p.backend, &p.of_backend, "\r\n\r\n"));
    assert_true(reply_has(&p.of_backend, "Upgrade: spdy/3.1\r\nConnection: upgrade\r\n"));
    rig_send(p.backend, S("HTTP/1.1 101 X\r\nUpgrade: SPDY/3.1\r\nConnection: Upgrade\r\n\r\nx"));
    until(&p.w, has(p.client, &p.of_client, "\r\n\r\nx"));
    assert_true(reply_has(&p.of_client, "Upgrade: SPDY/3.1\r\n"));
    pair_close(&p);
}

/* 101 to something else than was asked for is a mistake; any other answer is an ordinary one. */
static void takes_other_answers(void **state) {
    (void)state;
    struct pair p;
    pair_ask(&p, NULL, ASK);
    rig_send(p.backend, S("HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"));
    until(&p.w, has(p.client, &p.of_client, "backend_protocol"));
    pair_close(&p);
    pair_ask(&p, NULL, ASK);
    rig_send(
        p.backend,
        S("HTTP/1.1 426 X\r\nUpgrade: x, websocket\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nno"));
    until(&p.w, has(p.client, &p.of_client, "\r\n\r\nno"));
    assert_true(reply_has(&p.of_client, "Upgrade: websocket\r\nConnection: upgrade\r\n"));
    clear(&p.of_client), clear(&p.of_backend);
    rig_send(p.client, S("GET /next HTTP/1.1\r\nHost: h\r\n\r\n"));
    until(&p.w, has(p.backend, &p.of_backend, "GET /next")); /* both connections are as good as before */
    rig_send(p.backend,
             S("HTTP/1.1 200 X\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nok"));
    until(&p.w, has(p.client, &p.of_client, "\r\n\r\nok"));
    assert_false(reply_has(&p.of_client, "pgrade"));
    pair_close(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carries_bytes_both_ways),
        cmocka_unit_test(lets_the_backend_end_first),
        cmocka_unit_test(knows_an_end_that_came_before_101),
        cmocka_unit_test(holds_a_fast_side_to_a_slow_one),
        cmocka_unit_test(ends_one_that_does_not_move),
        cmocka_unit_test(ends_a_half_closed_one_that_does_not_move),
        cmocka_unit_test(passes_on_what_was_said_before_a_reset),
        cmocka_unit_test(ends_when_the_client_is_gone),
        cmocka_unit_test(drains_to_the_cut),
        cmocka_unit_test(asks_for_nothing_else),
        cmocka_unit_test(asks_for_what_the_settings_list),
        cmocka_unit_test(takes_other_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
