/* SPDX-License-Identifier: Apache-2.0 */
/* links: compile */
#include "proto/h2.h"
#include "world.h"

enum { BODY_BYTES = 8 << 20 };

/* Looks often: two of them are what a slow client has. */
static struct proxy_limits hurried(void) {
    struct proxy_limits limits = proxy_limits_usual;
    limits.look_us = SOON_US;
    limits.least_bytes = 10000;
    return limits;
}

static bool has_one_more(int fd, int backend, struct reply *y) {
    send(fd, "x", 1, MSG_NOSIGNAL);
    char bytes[256];
    while (recv(backend, bytes, sizeof bytes, MSG_DONTWAIT) > 0) {}
    return ended(fd, y);
}

static void answers_408_to_a_body_that_trickles(void **state) {
    (void)state;
    struct proxy_limits limits = hurried();
    limits.least_bytes = 100 << 20; /* a byte a turn is slower, on whatever machine */
    struct world w;
    struct reply y = {0};
    world_init(&w, &limits);
    int fd = world_client(&w);
    rig_send(fd, S("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n"));
    int backend = world_take_request(&w);
    until(&w, has_one_more(fd, backend, &y));
    assert_true(str_starts(reply_text(&y), S("HTTP/1.1 408 ")));
    assert_int_equal(w.reason, REASON_REQUEST_TIMEOUT);
    reply_fini(&y);
    close(fd), close(backend);
    world_fini(&w);
}

/* Neither of these two says that the client is slow. */
static void waits_for_a_backend(void **state) {
    (void)state;
    static const char *const heads[] = {
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/grpc\r\nContent-Length: 9\r\n\r\n"};
    for (size_t i = 0; i < COUNT_OF(heads); i++) {
        struct proxy_limits limits = hurried();
        struct world w;
        struct reply y = {0};
        world_init(&w, &limits);
        int fd = world_client(&w);
        rig_send(fd, str_of(heads[i]));
        int backend = world_take_request(&w);
        uint64_t from = w.loop.now_us;
        while (w.loop.now_us < from + 5 * SOON_US) world_turn(&w); /* the looks are what makes it turn */
        rig_send(fd, S("123456789"));
        rig_send(backend, S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"));
        until(&w, has(fd, &y, "hi"));
        assert_true(str_starts(reply_text(&y), S("HTTP/1.1 200 ")));
        reply_fini(&y);
        close(fd), close(backend);
        world_fini(&w);
    }
}

static bool sent_all(int fd, size_t *left) {
    static const char bytes[1 << 16];
    ssize_t n = send(fd, bytes, *left < sizeof bytes ? *left : sizeof bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) *left -= (size_t)n;
    return *left == 0;
}

static void ends_a_client_that_takes_nothing(void **state) {
    (void)state;
    struct proxy_limits limits = hurried();
    struct world w;
    size_t left = BODY_BYTES;
    world_init(&w, &limits);
    int fd = world_client(&w);
    rig_send(fd, S("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    int backend = world_take_request(&w);
    rig_printf(backend, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", BODY_BYTES);
    until(&w, ((void)sent_all(backend, &left), w.finished == 1));
    assert_int_equal(w.reason, REASON_CLIENT_SLOW);
    assert_true(left > BODY_BYTES / 2); /* and it was not read meanwhile */
    close(fd), close(backend);
    world_fini(&w);
}

/* A little now and then is quick enough, as long as it comes to what it has to. */
static void keeps_a_client_that_takes_enough(void **state) {
    (void)state;
    struct proxy_limits limits = hurried();
    struct world w;
    size_t left = BODY_BYTES, got = 0;
    limits.least_bytes = 1;
    world_init(&w, &limits);
    int fd = world_client(&w);
    rig_send(fd, S("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    int backend = world_take_request(&w);
    rig_printf(backend, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", BODY_BYTES);
    while (w.finished == 0) {
        static char bytes[1 << 18];
        (void)sent_all(backend, &left);
        ssize_t n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n > 0) got += (size_t)n;
        world_turn(&w);
    }
    assert_int_equal(w.reason, REASON_NONE);
    assert_int_equal(left, 0);
    close(fd), close(backend);
    world_fini(&w);
}

static bool is_reset(int fd, struct reply *y, uint32_t stream, uint32_t code) {
    char frame[] = {0, 0, 4, 3, 0, 0, 0, 0, (char)stream, 0, 0, 0, (char)code};
    (void)has(fd, y, "");
    return memmem(y->bytes.p, y->bytes.n, frame, sizeof frame) != NULL;
}

/* Its window of one stream stays closed: that stream ends, and the others go on. */
static void resets_a_stream_whose_window_stays_shut(void **state) {
    (void)state;
    static const char settings[] = {0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0};
    static const char get[] = {0, 0, 6, 1, 5, 0, 0, 0, 1, (char)0x82, (char)0x86, (char)0x84, 0x41, 1, 'h'};
    static const char ping[] = {0, 0, 8, 6, 0, 0, 0, 0, 0, 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'};
    struct proxy_limits limits = hurried();
    struct world w;
    struct reply y = {0};
    world_init(&w, &limits);
    int fd = world_client(&w);
    rig_send(fd, (str){h2_preface, H2_PREFACE_BYTES});
    rig_send(fd, (str){settings, sizeof settings});
    rig_send(fd, (str){get, sizeof get});
    int backend = world_take_request(&w);
    rig_send(backend, S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"));
    until(&w, is_reset(fd, &y, 1, 8));
    assert_int_equal(w.reason, REASON_CLIENT_SLOW);
    rig_send(fd, (str){ping, sizeof ping});
    until(&w, has(fd, &y, "abcdefgh"));
    assert_false(y.end);
    reply_fini(&y);
    close(fd), close(backend);
    world_fini(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_408_to_a_body_that_trickles),
        cmocka_unit_test(waits_for_a_backend),
        cmocka_unit_test(ends_a_client_that_takes_nothing),
        cmocka_unit_test(keeps_a_client_that_takes_enough),
        cmocka_unit_test(resets_a_stream_whose_window_stays_shut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
