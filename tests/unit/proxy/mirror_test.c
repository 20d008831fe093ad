/* SPDX-License-Identifier: Apache-2.0 */
/* links: compile */
#include "world.h"

#include "proxy/mirror.h"

#define OK_HI "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
#define GET   "GET /a?b=c HTTP/1.1\r\nHost: h\r\nX-Own: 1\r\n\r\n"

/* A backend "m" beside "a": its socket is others[2]. */
static void add_mirror(struct world *w) {
    uint16_t port;
    w->others[2] = world_listen(&port);
    rig_backend(&w->rig, "m", &port, 1);
}
static struct plan_mirror *mirror(struct rig *r, int64_t numerator, int64_t denominator) {
    struct plan_mirror *m = arena_make(r->a, struct plan_mirror);
    *m = (struct plan_mirror){S("ns/m:80"), numerator, denominator};
    return m;
}
static void mirrored(struct rig *r, struct plan_rule *rule) {
    struct plan_filter *v = arena_array(r->a, struct plan_filter, 2);
    v[0] = (struct plan_filter){.type = PLAN_FILTER_MIRROR, .mirror = mirror(r, 100, 100)};
    struct plan_header *set = arena_make(r->a, struct plan_header);
    *set = (struct plan_header){S("X-Set"), S("yes")};
    v[1] = (struct plan_filter){.type = PLAN_FILTER_REQUEST_HEADERS, .set = {set, 1}};
    rule->filters.p = v, rule->filters.n = 2;
}
static void never(struct rig *r, struct plan_rule *rule) {
    mirrored(r, rule);
    rule->filters.p[0].mirror = mirror(r, 0, 7);
}
static void half(struct rig *r, struct plan_rule *rule) {
    mirrored(r, rule);
    rule->filters.p[0].mirror = mirror(r, 1, 2);
}
static void of_target(struct rig *r, struct plan_rule *rule) {
    mirrored(r, rule);
    rule->targets.p[0].filters.p = rule->filters.p, rule->targets.p[0].filters.n = 2;
    rule->filters.n = 0;
}
static struct proxy_counts counts(struct world *w) {
    struct proxy_counts c;
    proxy_count(w->proxy, &c);
    return c;
}
static bool idle(struct world *w) {
    struct proxy_counts c = counts(w);
    return c.requests_open == 0 && proxy_is_idle(w->proxy);
}
static void take(struct world *w, int fd, struct reply *q, const char *to) {
    until(w, has(fd, q, to));
    assert_true(str_ends(reply_text(q), str_of(to)));
}

/* Both get the same bytes, and the client the answer of the one. */
static void sends(struct world_wish wish, const char *request, const char *end) {
    struct world w;
    struct reply a = {0}, m = {0}, y = {0};
    wish.add = add_mirror;
    world_init_wish(&w, wish);
    int fd = world_client(&w);
    rig_printf(fd, "%s", request);
    int backend = world_backend(&w), copy = world_accept(&w, w.others[2]);
    take(&w, backend, &a, end);
    take(&w, copy, &m, end);
    assert_true(str_eq(reply_text(&a), reply_text(&m)));
    assert_true(reply_has(&m, "X-Set: yes\r\n") && reply_has(&m, " /a?b=c "));
    rig_send(copy, S("HTTP/1.1 500 X\r\nContent-Length: 3\r\n\r\nbad"));
    rig_send(backend, S(OK_HI));
    until(&w, has(fd, &y, "hi"));
    assert_true(str_starts(reply_text(&y), S("HTTP/1.1 200")));
    close(fd);
    until(&w, idle(&w));
    struct proxy_counts c = counts(&w);
    assert_int_equal(c.mirrors, 1);
    assert_int_equal(c.mirrors_failed + c.mirrors_dropped, 0);
    assert_int_equal(c.upstream_idle, 2); /* its connection serves others */
    reply_fini(&a), reply_fini(&m), reply_fini(&y);
    close(backend), close(copy);
    world_fini(&w);
}

static void sends_the_same_bytes(void **state) {
    (void)state;
    struct world_wish rule = {.change = mirrored}, target = {.change = of_target};
    sends(rule, GET, "\r\n\r\n");
    sends(target, GET, "\r\n\r\n");
    sends(rule, "POST /a?b=c HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", "hello");
    sends(rule,
          "POST /a?b=c HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nTransfer-Encoding: "
          "chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n",
          "0\r\nX-T: 1\r\n\r\n");
}

static void takes_its_share(void **state) {
    (void)state;
    enum { N = 400 };
    void (*const changes[])(struct rig *, struct plan_rule *) = {never, half};
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        struct world w;
        world_init_wish(&w, (struct world_wish){.change = changes[i], .add = add_mirror});
        int fd = world_client(&w), backend = -1;
        for (unsigned n = 0; n < N; n++) {
            struct reply a = {0}, y = {0};
            rig_send(fd, S(GET));
            if (backend < 0) backend = world_backend(&w);
            take(&w, backend, &a, "\r\n\r\n");
            rig_send(backend, S(OK_HI));
            until(&w, has(fd, &y, "hi"));
            reply_fini(&a), reply_fini(&y);
        }
        uint64_t begun = counts(&w).mirrors;
        if (i == 0)
            assert_int_equal(begun, 0);
        else /* six deviations of a fair coin */
            assert_in_range(begun, N / 2 - 60, N / 2 + 60);
        close(fd), close(backend);
        world_fini(&w);
    }
}

/* ---- a mirror that does not do what it should ---- */

static void does_without_one_that_refuses(void **state) {
    (void)state;
    struct world w;
    struct reply y = {0};
    world_init_wish(&w, (struct world_wish){.change = mirrored, .add = add_mirror});
    close(w.others[2]), w.others[2] = 0;
    int fd = world_client(&w);
    rig_send(fd, S("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"));
    int backend = world_take_request(&w);
    rig_send(backend, S(OK_HI));
    until(&w, has(fd, &y, "hi") && counts(&w).mirrors_failed == 1);
    reply_fini(&y);
    close(fd), close(backend);
    world_fini(&w);
}

static void gives_up_one_that_does_not_answer(void **state) {
    (void)state;
    struct proxy_limits limits = proxy_limits_usual;
    struct world w;
    struct reply y = {0}, m = {0};
    limits.mirror_us = SOON_US;
    world_init_wish(&w, (struct world_wish){.limits = &limits, .change = mirrored, .add = add_mirror});
    int fd = world_client(&w);
    rig_send(fd, S(GET));
    int backend = world_take_request(&w), copy = world_accept(&w, w.others[2]);
    rig_send(backend, S(OK_HI));
    until(&w, has(fd, &y, "hi"));
    until(&w, ended(copy, &m));
    assert_int_equal(counts(&w).mirrors_failed, 1);
    reply_fini(&y), reply_fini(&m);
    close(fd), close(backend), close(copy);
    world_fini(&w);
}

static void leaves_out_what_is_too_many(void **state) {
    (void)state;
    struct proxy_limits limits = proxy_limits_usual;
    struct world w;
    limits.mirrors_max = 1;
    world_init_wish(&w, (struct world_wish){.limits = &limits, .change = mirrored, .add = add_mirror});
    int fd[2] = {world_client(&w), world_client(&w)}, backend[2];
    for (int i = 0; i < 2; i++) {
        rig_send(fd[i], S(GET));
        backend[i] = world_take_request(&w);
    }
    assert_int_equal(counts(&w).mirrors, 1);
    assert_int_equal(counts(&w).mirrors_dropped, 1);
    int copy = world_accept(&w, w.others[2]);
    rig_send(copy, S(OK_HI)); /* room again */
    for (int i = 0; i < 2; i++) {
        struct reply y = {0};
        rig_send(backend[i], S(OK_HI));
        until(&w, has(fd[i], &y, "hi"));
        reply_fini(&y);
        close(fd[i]), close(backend[i]);
    }
    until(&w, idle(&w));
    close(copy);
    world_fini(&w);
}

/* The request runs through while its mirror takes nothing. */
static void does_not_wait_for_one_that_takes_nothing(void **state) {
    (void)state;
    enum { BYTES = 16 << 20 };
    static const char block[16000];
    struct world w;
    struct reply y = {0};
    world_init_wish(&w, (struct world_wish){.change = mirrored, .add = add_mirror});
    int fd = world_client(&w);
    rig_printf(fd, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: %u\r\n\r\n", BYTES);
    int backend = world_backend(&w), copy = world_accept(&w, w.others[2]);
    size_t sent = 0, taken = 0;
    while (taken < BYTES) {
        static char into[65536];
        size_t n = BYTES - sent < sizeof block ? BYTES - sent : sizeof block;
        ssize_t did = n ? send(fd, block, n, MSG_NOSIGNAL) : 0;
        if (did > 0) sent += (size_t)did;
        w.busy = true; /* never waits: both ends are ours */
        world_turn(&w);
        did = recv(backend, into, sizeof into, 0);
        if (did > 0) taken += (size_t)did; /* with the head: at least the body */
    }
    assert_int_equal(counts(&w).mirrors_dropped, 1);
    rig_send(backend, S(OK_HI));
    until(&w, has(fd, &y, "hi"));
    assert_int_equal(counts(&w).mirrors_failed, 0);
    reply_fini(&y);
    close(fd), close(backend), close(copy);
    until(&w, idle(&w));
    world_fini(&w);
}

static void ends_with_a_request_that_breaks(void **state) {
    (void)state;
    struct world w;
    struct reply m = {0};
    world_init_wish(&w, (struct world_wish){.change = mirrored, .add = add_mirror});
    int fd = world_client(&w);
    rig_send(fd, S("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhe"));
    int backend = world_backend(&w), copy = world_accept(&w, w.others[2]);
    until(&w, has(copy, &m, "\r\n\r\nhe"));
    close(fd);
    until(&w, ended(copy, &m) && idle(&w)); /* it must not look complete */
    assert_int_equal(counts(&w).mirrors_failed, 1);
    reply_fini(&m);
    close(backend), close(copy);
    world_fini(&w);
}

/* A pooled connection that the mirror has closed costs nothing. */
static void finds_another_connection(void **state) {
    (void)state;
    struct world w;
    world_init_wish(&w, (struct world_wish){.change = mirrored, .add = add_mirror});
    int fd = world_client(&w), backend = -1;
    for (int i = 0; i < 3; i++) {
        struct reply a = {0}, m = {0}, y = {0};
        rig_send(fd, S(GET));
        if (backend < 0) backend = world_backend(&w);
        int copy = world_accept(&w, w.others[2]);
        take(&w, copy, &m, "\r\n\r\n");
        rig_send(copy, S(OK_HI));
        take(&w, backend, &a, "\r\n\r\n");
        until(&w, counts(&w).upstream_idle == 1);
        close(copy);
        rig_send(backend, S(OK_HI));
        until(&w, has(fd, &y, "hi"));
        reply_fini(&a), reply_fini(&m), reply_fini(&y);
    }
    assert_int_equal(counts(&w).mirrors, 3);
    assert_int_equal(counts(&w).mirrors_failed, 0);
    close(fd), close(backend);
    world_fini(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sends_the_same_bytes),
        cmocka_unit_test(takes_its_share),
        cmocka_unit_test(does_without_one_that_refuses),
        cmocka_unit_test(gives_up_one_that_does_not_answer),
        cmocka_unit_test(leaves_out_what_is_too_many),
        cmocka_unit_test(does_not_wait_for_one_that_takes_nothing),
        cmocka_unit_test(ends_with_a_request_that_breaks),
        cmocka_unit_test(finds_another_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
