/* SPDX-License-Identifier: Apache-2.0 */
/* links: compile */
#include "base/crowd.h"
#include "proxy/pressure.h"

#include "world.h"

#define GET    "GET / HTTP/1.1\r\nHost: h.example\r\n\r\n"
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

enum { CLIENTS = 300, AT_ONCE = 256 };

struct shed {
    struct world w;
    struct crowd *crowd;
    int fds[CLIENTS];
    uint32_t n;
};

static void begin(struct shed *s) {
    s->crowd = crowd_new(2 * CLIENTS, 1, 1);
    s->n = 0;
    world_init_wish(&s->w, (struct world_wish){.crowd = s->crowd});
}

static void finish(struct shed *s) {
    world_fini(&s->w);
    for (uint32_t i = 0; i < s->n; i++) close(s->fds[i]);
    crowd_free(s->crowd);
}

static int connect_from(struct shed *s, uint8_t address) {
    return s->fds[s->n++] = world_client_of(&s->w, address);
}

/* Its end is seen at once, since nothing is between the two sockets. */
static bool is_closed(int fd) {
    char byte;
    ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno == ECONNRESET);
}

static uint32_t count_open(const struct shed *s) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n; i++) n += !is_closed(s->fds[i]);
    return n;
}

static struct proxy_counts counts(const struct shed *s) {
    struct proxy_counts c;
    proxy_count(s->w.proxy, &c);
    return c;
}

static void room_is_made_by_the_address_that_has_most(void **state) {
    struct shed s;
    (void)state;
    begin(&s);
    int alone = connect_from(&s, 1), many[3];
    for (int i = 0; i < 3; i++) many[i] = connect_from(&s, 2);
    for (unsigned i = 1; i <= 2; i++) {
        assert_true(proxy_make_room(s.w.proxy));
        assert_int_equal(count_open(&s), 4 - i);
        assert_false(is_closed(alone));
    }
    assert_true(is_closed(many[0]) && is_closed(many[1]));
    assert_int_equal(counts(&s).connections_shed, 2);
    assert_int_equal(counts(&s).pressure_closed, 0);
    finish(&s);
}

static void what_has_begun_is_not_idle(void **state) {
    struct shed s;
    struct reply y = {0};
    (void)state;
    begin(&s);
    int runs = connect_from(&s, 2);
    send(runs, GET, strlen(GET), 0);
    int backend = world_backend(&s.w);
    int begins = connect_from(&s, 2), idle = connect_from(&s, 1);
    send(begins, "G", 1, 0); /* the kernel has it, the proxy does not know yet */
    pressure_set(s.w.proxy, PRESSURE_SHED);
    assert_true(is_closed(idle));
    assert_false(is_closed(runs) || is_closed(begins));
    assert_false(proxy_make_room(s.w.proxy));
    send(backend, ANSWER, strlen(ANSWER), 0);
    until(&s.w, has(runs, &y, "200 OK"));
    buf_fini(&y.bytes);
    close(backend);
    finish(&s);
}

static void want_of_memory_chooses_as_want_of_room_does(void **state) {
    struct shed s;
    (void)state;
    begin(&s);
    int alone = connect_from(&s, 1);
    while (s.n < CLIENTS) connect_from(&s, 2);
    pressure_set(s.w.proxy, PRESSURE_TIGHT);
    assert_int_equal(count_open(&s), CLIENTS - AT_ONCE);
    assert_false(is_closed(alone));
    assert_int_equal(counts(&s).pressure_closed, AT_ONCE);
    pressure_set(s.w.proxy, PRESSURE_TIGHT); /* it lasts */
    assert_int_equal(count_open(&s), 0);
    pressure_set(s.w.proxy, PRESSURE_TIGHT);
    assert_int_equal(counts(&s).pressure_closed, CLIENTS); /* each once */
    assert_int_equal(counts(&s).connections_shed, 0);
    pressure_set(s.w.proxy, PRESSURE_NONE);
    finish(&s);
}

static void when_it_is_very_short_all_that_is_idle_goes(void **state) {
    struct shed s;
    (void)state;
    begin(&s);
    while (s.n < CLIENTS) connect_from(&s, (uint8_t)(s.n % 7));
    pressure_set(s.w.proxy, PRESSURE_SHED);
    assert_int_equal(count_open(&s), 0);
    finish(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(room_is_made_by_the_address_that_has_most),
        cmocka_unit_test(what_has_begun_is_not_idle),
        cmocka_unit_test(want_of_memory_chooses_as_want_of_room_does),
        cmocka_unit_test(when_it_is_very_short_all_that_is_idle_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
