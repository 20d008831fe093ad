/* SPDX-License-Identifier: Apache-2.0 */
/* links: compile */
#include "world.h"

/* Connections that begin with a header of the PROXY protocol. The peer of each is 192.0.2.1. */

#define HEADER "PROXY TCP4 203.0.113.9 198.51.100.2 4711 443\r\n"
static const str request = S("GET / HTTP/1.1\r\nHost: h\r\n\r\n");

static str trusted[1];
static struct plan_settings by(uint8_t mode, const char *network) {
    struct plan_settings s = {.proxy_protocol = mode};
    trusted[0] = str_of(network);
    if (network) s.proxy_trusted.p = trusted, s.proxy_trusted.n = 1;
    return s;
}

static uint64_t failures(struct world *w, enum proxy_protocol_fault why) {
    struct proxy_counts c;
    proxy_count(w->proxy, &c);
    return c.headers_failed[why];
}

/* The request reaches the backend, and is told to be of this client. */
static void is_served(struct world *w, int fd, const char *client) {
    struct reply y = {0};
    struct ip wanted;
    unsigned before = w->finished;
    int backend = world_take_request(w);
    rig_send(backend, S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"));
    until(w, has(fd, &y, "hi"));
    until(w, w->finished == before + 1);
    assert_ok(ip_parse(str_of(client), &wanted));
    assert_true(ip_eq(&w->client, &wanted));
    reply_fini(&y);
    close(backend);
}

static void is_closed(struct world *w, int fd) {
    struct reply y = {0};
    until(w, ended(fd, &y) || y.reset);
    assert_int_equal(y.bytes.n, 0);
    reply_fini(&y);
}

static void takes_the_word_for_the_client(void **state) {
    (void)state;
    struct plan_settings s = by(PLAN_PROXY_REQUIRED, NULL);
    struct world w;
    world_init_wish(&w, (struct world_wish){.limits = NULL, .settings = &s, .records = true});
    int fd = world_client(&w);
    str header = S(HEADER);
    for (size_t i = 0; i < header.n; i++) { /* what has come is looked at after each byte */
        rig_send(fd, (str){header.p + i, 1});
        world_turn(&w);
    }
    rig_send(fd, request);
    is_served(&w, fd, "203.0.113.9");
    int other = world_client(&w);
    rig_send(other, S("PROXY UNKNOWN\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    is_served(&w, other, "192.0.2.1");
    struct proxy_counts c;
    proxy_count(w.proxy, &c);
    assert_int_equal(c.headers[0], 2);
    close(fd), close(other);
    world_fini(&w);
}

static void closes_what_begins_otherwise(void **state) {
    (void)state;
    struct plan_settings s = by(PLAN_PROXY_REQUIRED, NULL);
    struct world w;
    world_init_wish(&w, (struct world_wish){.limits = NULL, .settings = &s, .records = true});
    int fd = world_client(&w), half = world_client(&w);
    rig_send(fd, request);
    is_closed(&w, fd);
    assert_int_equal(failures(&w, PROXY_PROTOCOL_ABSENT), 1);
    rig_send(half, S("PROXY TCP4 203"));
    shutdown(half, SHUT_WR);
    is_closed(&w, half);
    assert_int_equal(failures(&w, PROXY_PROTOCOL_CLOSED), 1);
    assert_int_equal(w.finished, 0);
    close(fd), close(half);
    world_fini(&w);
}

static void waits_so_long(void **state) {
    (void)state;
    struct plan_settings s = by(PLAN_PROXY_REQUIRED, NULL);
    struct proxy_limits limits = proxy_limits_usual;
    struct world w;
    limits.head_us = SOON_US;
    world_init_wish(&w, (struct world_wish){.limits = &limits, .settings = &s, .records = true});
    int fd = world_client(&w), silent = world_client(&w);
    rig_send(fd, S("PROXY TCP4 203"));
    is_closed(&w, fd);
    is_closed(&w, silent);
    assert_int_equal(failures(&w, PROXY_PROTOCOL_TIMEOUT), 2);
    close(fd), close(silent);
    world_fini(&w);
}

static void knows_whose_word_counts(void **state) {
    (void)state;
    static const struct {
        uint8_t mode;
        const char *network;
        bool header, served;
        const char *client;
    } cases[] = {
        {PLAN_PROXY_REQUIRED, "192.0.2.0/24", true, true, "203.0.113.9"},
        {PLAN_PROXY_REQUIRED, "198.51.100.0/24", true, false, NULL},
        {PLAN_PROXY_FROM_TRUSTED, "192.0.2.0/24", true, true, "203.0.113.9"},
        {PLAN_PROXY_FROM_TRUSTED, "192.0.2.0/24", false, false, NULL},
        {PLAN_PROXY_FROM_TRUSTED, "198.51.100.0/24", false, true, "192.0.2.1"},
        {PLAN_PROXY_REQUIRED, "nowhere", true, false,
         NULL}, /* of a controller that knows more: nobody, not everybody */
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct plan_settings s = by(cases[i].mode, cases[i].network);
        struct world w;
        world_init_wish(&w, (struct world_wish){.limits = NULL, .settings = &s, .records = true});
        int fd = world_client(&w);
        if (cases[i].header) send(fd, HEADER, sizeof HEADER - 1, MSG_NOSIGNAL); /* it may be closed */
        send(fd, request.p, request.n, MSG_NOSIGNAL);
        if (cases[i].served)
            is_served(&w, fd, cases[i].client);
        else
            is_closed(&w, fd);
        close(fd);
        world_fini(&w);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_word_for_the_client),
        cmocka_unit_test(closes_what_begins_otherwise),
        cmocka_unit_test(waits_so_long),
        cmocka_unit_test(knows_whose_word_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
