/* SPDX-License-Identifier: Apache-2.0 */
/* links: compile */
#include "world.h"

#include "proxy/attempt.h"

/* ---- the rules of a wait, alone ---- */

static void waits_longer_each_time_up_to_ten_times(void **state) {
    (void)state;
    const uint64_t most[] = {1000, 2000, 4000, 8000, 10000, 10000, 10000};
    for (uint32_t i = 0; i < COUNT_OF(most); i++) {
        assert_int_equal(retry_wait_us(1000, i, 0), 0);
        assert_int_equal(retry_wait_us(1000, i, UINT64_C(1) << 63), most[i] / 2);
        assert_int_equal(retry_wait_us(1000, i, UINT64_MAX), most[i] - 1);
    }
    assert_int_equal(retry_wait_us(1000, UINT32_MAX, UINT64_MAX), 9999);
    assert_int_equal(retry_wait_us(0, 3, UINT64_MAX), 0);
    assert_true(retry_wait_us(UINT64_MAX, 9, UINT64_MAX) <= UINT64_MAX / 2); /* no deadline goes round */
}

/* ---- rules ---- */

static struct plan_retry *retry(struct rig *r, int64_t attempts, uint32_t n, const int64_t *codes) {
    struct plan_retry *p = arena_make(r->a, struct plan_retry);
    *p = (struct plan_retry){
        .codes = {arena_array(r->a, int64_t, n), n}, .attempts = attempts, .backoff = {1000, true}};
    memcpy(p->codes.p, codes, n * sizeof *codes);
    return p;
}
static const int64_t codes[] = {500, 502, 503, 504};
static void none(struct rig *r, struct plan_rule *rule) { rule->retry = retry(r, 3, 0, codes); }
static void all(struct rig *r, struct plan_rule *rule) { rule->retry = retry(r, 2, 4, codes); }
static void only_500(struct rig *r, struct plan_rule *rule) { rule->retry = retry(r, 2, 1, codes); }
static void never(struct rig *r, struct plan_rule *rule) { rule->retry = retry(r, 0, 4, codes); }
static void only_408(struct rig *r, struct plan_rule *rule) {
    rule->retry = retry(r, 2, 1, (const int64_t[]){408});
}
static void many(struct rig *r, struct plan_rule *rule) { rule->retry = retry(r, 20, 0, codes); }
static void soon(struct rig *r, struct plan_rule *rule) {
    all(r, rule);
    rule->request_timeout = (struct opt_int){SOON_US, true};
}
static void late(struct rig *r, struct plan_rule *rule) {
    rule->retry = retry(r, 1000, 4, codes);
    rule->backend_timeout = (struct opt_int){SOON_US, true};
}
static void soon_over(struct rig *r, struct plan_rule *rule) {
    all(r, rule);
    rule->retry->backoff.v = INT64_C(1000000000000000);
    rule->request_timeout = (struct opt_int){60000000, true};
}

/* ---- a backend that says one thing after the other ---- */

#define OK_HI   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
#define BAD_500 "HTTP/1.1 500 X\r\nContent-Length: 3\r\n\r\nbad"
#define BAD_503 "HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n"

static void expect(struct world *w, int fd, const char *begin, const char *retries, const char *stop) {
    struct reply y = {0};
    until(w, w->finished == 1 && has(fd, &y, "\r\n\r\n"));
    if (!str_starts(reply_text(&y), str_of(begin))) fail_msg("%.*s", (int)y.bytes.n, y.bytes.p);
    assert_string_equal(w->retries, retries);
    assert_string_equal(w->stop, stop);
    reply_fini(&y);
}
/* A request to one endpoint, which gives these answers in a row, on whatever connection each attempt comes; it closes after one that is not whole. */
static void plays(struct world_wish wish, const char *request, const char *body, const char *const *answers,
                  const char *begin, const char *retries, const char *stop) {
    struct world w;
    wish.records = true;
    world_init_wish(&w, wish);
    int fd = world_client(&w), backend = -1;
    rig_printf(fd, "%s%s", request, body);
    unsigned n = 0;
    for (const char *const *a = answers; *a; a++, n++) {
        int next = -1;
        struct reply q = {0};
        if (backend < 0) {
            backend = world_backend(&w);
        } else { /* the same connection, or another */
            until(&w, (next = accept4(w.backend, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0 ||
                          has(backend, &q, "\r\n\r\n"));
            if (next >= 0) close(backend), backend = next;
        }
        until(&w, has(backend, &q, "\r\n\r\n") && has(backend, &q, body));
        assert_true(str_starts(reply_text(&q), str_upto(str_of(request), 4)));
        reply_fini(&q);
        rig_send(backend, str_of(*a));
        if (!strstr(*a, "\r\n\r\n")) close(backend), backend = -1;
    }
    expect(&w, fd, begin, retries, stop);
    assert_int_equal(w.attempts, n);
    if (backend >= 0) close(backend);
    close(fd);
    world_fini(&w);
}
#define ANSWERS(...)                                                                                         \
    (const char *const[]) { __VA_ARGS__, NULL }
#define GET    "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
#define POST_5 "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n"
#define PUT_5  "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n"

static void retries_the_codes_of_the_rule(void **state) {
    (void)state;
    struct world_wish on_all = {.change = all}, on_500 = {.change = only_500}, off = {.change = never};
    plays(on_all, GET, "", ANSWERS(BAD_500, OK_HI), "HTTP/1.1 200", "500", "");
    plays(on_all, GET, "", ANSWERS(BAD_500, BAD_503, OK_HI), "HTTP/1.1 200", "500,503", "");
    plays(on_all, GET, "", ANSWERS(BAD_503, BAD_503, BAD_500), "HTTP/1.1 500", "503,503", "attempts");
    plays(on_500, GET, "", ANSWERS(BAD_503), "HTTP/1.1 503", "", "");
    plays(on_500, GET, "", ANSWERS(BAD_500, BAD_503), "HTTP/1.1 503", "500", "");
    plays(off, GET, "", ANSWERS(BAD_500), "HTTP/1.1 500", "", "attempts");
    plays((struct world_wish){0}, GET, "", ANSWERS(BAD_503), "HTTP/1.1 503", "", "");
}

static void repeats_bodies_of_what_is_idempotent(void **state) {
    (void)state;
    struct world_wish on_all = {.change = all};
    plays(on_all, PUT_5, "12345", ANSWERS(BAD_503, OK_HI), "HTTP/1.1 200", "503", "");
    plays(on_all, POST_5, "12345", ANSWERS(BAD_503), "HTTP/1.1 503", "", "method");
}

/* A connection that breaks is a 502: retried where that is listed, and where the request may be repeated. */
static void retries_what_breaks_where_that_is_listed(void **state) {
    (void)state;
    struct world_wish on_all = {.change = all}, on_none = {.change = none}, on_500 = {.change = only_500};
    plays(on_all, GET, "", ANSWERS("", OK_HI), "HTTP/1.1 200", "backend_reset", "");
    plays(on_all, GET, "", ANSWERS("HTTP/1.1 200 O", OK_HI), "HTTP/1.1 200", "backend_reset", "");
    plays(on_all, GET, "", ANSWERS("nonsense\r\n\r\n", OK_HI), "HTTP/1.1 200", "backend_protocol", "");
    plays(on_all, POST_5, "12345", ANSWERS(""), "HTTP/1.1 502", "", "method");
    plays(on_none, GET, "", ANSWERS(""), "HTTP/1.1 502", "", "");
    plays(on_500, GET, "", ANSWERS(""), "HTTP/1.1 502", "", "");
}

/* One retry an hour, and no share. Past that it is 503, whatever the backend said last. */
static void budgeted(struct world *w) {
    struct rig *r = &w->rig;
    struct plan_retry_budget *b = arena_make(r->a, struct plan_retry_budget);
    *b = (struct plan_retry_budget){
        .at_least_n = 1, .interval = {10000000, true}, .at_least_interval = {3600000000, true}};
    rig_set(r, &(struct plan_backend){.piece = {.kind = PLAN_BACKEND, .key = S("ns/a:80")},
                                      .ns = S("ns"),
                                      .name = S("a"),
                                      .port = 80,
                                      .protocol = PLAN_BACKEND_HTTP,
                                      .retry_budget = b});
}
static void keeps_to_the_budget_of_the_backend(void **state) {
    (void)state;
    struct world_wish wish = {.change = all, .add = budgeted};
    plays(wish, GET, "", ANSWERS(BAD_500, OK_HI), "HTTP/1.1 200", "500", "");
    plays(wish, GET, "", ANSWERS(BAD_500, BAD_500), "HTTP/1.1 503", "500", "budget");
    plays(wish, GET, "", ANSWERS("", BAD_500), "HTTP/1.1 503", "backend_reset", "budget");
    plays((struct world_wish){.change = only_500, .add = budgeted}, GET, "", ANSWERS(BAD_503), "HTTP/1.1 503",
          "", "");
}

/* By these a server says that it has not begun: any method may come again. */
static void repeats_what_was_not_looked_at(void **state) {
    (void)state;
    struct world_wish wish = {.change = only_408};
    plays(wish, POST_5, "12345", ANSWERS("HTTP/1.1 408 X\r\nContent-Length: 0\r\n\r\n", OK_HI),
          "HTTP/1.1 200", "408", "");
}

static void retries_a_try_that_takes_too_long(void **state) {
    (void)state;
    struct world_wish wish = {.change = late, .records = true};
    struct world w;
    world_init_wish(&w, wish);
    int fd = world_client(&w);
    rig_send(fd, S(GET));
    int first = world_take_request(&w), others[64],
        n = 0; /* a try that we answer too late is followed by one more */
    struct reply y = {0};
    for (; !has(fd, &y, "hi"); world_turn(&w)) {
        if (n < 64 && (others[n] = accept4(w.backend, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
            rig_send(others[n++], S(OK_HI));
    }
    assert_true(str_starts(reply_text(&y), S("HTTP/1.1 200")));
    until(&w, w.finished);
    assert_true(str_starts(str_of(w.retries), S("backend_timeout")));
    reply_fini(&y);
    close(fd), close(first);
    while (n) close(others[--n]);
    world_fini(&w);
}

static void gives_up_when_the_request_would_take_too_long(void **state) {
    (void)state;
    plays((struct world_wish){.change = soon_over}, GET, "", ANSWERS(BAD_503), "HTTP/1.1 503", "", "time");
}

/* All tries together have the request's time. */
static void ends_all_tries_with_the_request(void **state) {
    (void)state;
    struct world w;
    world_init_wish(&w, (struct world_wish){.change = soon, .records = true});
    int fd = world_client(&w);
    rig_send(fd, S(GET));
    int first = world_backend(&w);
    rig_send(first, S(BAD_503)); /* perhaps too late already */
    struct reply y = {0};
    until(&w, w.finished && has(fd, &y, "\r\n\r\n"));
    assert_true(str_starts(reply_text(&y), S("HTTP/1.1 504")));
    assert_int_equal(w.reason, REASON_BACKEND_TIMEOUT);
    reply_fini(&y);
    close(fd), close(first);
    world_fini(&w);
}

/* ---- endpoints ---- */

static void finds_the_one_that_listens(void **state) {
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        struct world w;
        world_init_wish(&w, (struct world_wish){.change = none, .others = 3, .records = true});
        for (size_t k = 0; k < 3; k++) close(w.others[k]), w.others[k] = 0;
        int fd = world_client(&w);
        rig_printf(fd, POST_5 "12345"); /* a refused connection has seen nothing: any method */
        int backend = world_take_request(&w);
        rig_send(backend, S(OK_HI));
        struct reply y = {0};
        until(&w, w.finished == 1 && has(fd, &y, "hi"));
        assert_true(str_starts(reply_text(&y), S("HTTP/1.1 200")));
        assert_in_range(w.attempts, 1, 4);
        reply_fini(&y);
        close(fd), close(backend);
        world_fini(&w);
    }
}

static void goes_round_when_all_refuse(void **state) {
    (void)state;
    struct world w;
    world_init_wish(&w, (struct world_wish){.change = many, .others = 1, .records = true});
    close(w.backend), w.backend = -1;
    close(w.others[0]), w.others[0] = 0;
    int fd = world_client(&w);
    rig_send(fd, S(GET));
    struct reply y = {0};
    until(&w, w.finished == 1 && has(fd, &y, "\r\n\r\n"));
    assert_true(str_starts(reply_text(&y), S("HTTP/1.1 502")));
    assert_int_equal(w.attempts, 21);
    assert_string_equal(w.stop, "attempts");
    reply_fini(&y);
    close(fd);
    world_fini(&w);
}

static void tries_each_endpoint_once_without_a_retry(void **state) {
    (void)state;
    struct world w;
    world_init_wish(&w, (struct world_wish){.others = 2, .records = true});
    close(w.backend), w.backend = -1;
    for (size_t k = 0; k < 2; k++) close(w.others[k]), w.others[k] = 0;
    int fd = world_client(&w);
    rig_send(fd, S(GET));
    expect(&w, fd, "HTTP/1.1 502", "backend_refused,backend_refused,backend_refused", "");
    assert_int_equal(w.attempts, 3);
    close(fd);
    world_fini(&w);
}

/* "An explicit zero value MUST disable retries."                                      [GW HTTPRouteRetry.attempts] */
static void never_means_not_even_another_endpoint(void **state) {
    (void)state;
    struct world w;
    world_init_wish(&w, (struct world_wish){.change = never, .others = 1, .records = true});
    close(w.backend), w.backend = -1;
    close(w.others[0]), w.others[0] = 0;
    int fd = world_client(&w);
    rig_send(fd, S(GET));
    expect(&w, fd, "HTTP/1.1 502", "", "attempts");
    assert_int_equal(w.attempts, 1);
    close(fd);
    world_fini(&w);
}

/* ---- bodies ---- */

static void send_body(struct world *w, int fd, size_t from, size_t to) {
    for (size_t i = from; i < to;) {
        char bytes[1000];
        size_t n = to - i < sizeof bytes ? to - i : sizeof bytes;
        for (size_t k = 0; k < n; k++) bytes[k] = (char)('a' + (i + k) * 31 % 26);
        ssize_t sent;
        until(w, (sent = send(fd, bytes, n, MSG_NOSIGNAL)) > 0);
        i += (size_t)sent;
    }
}
/* n bytes of a body, as they were sent, behind the head. */
static void take_body(struct world *w, int fd, size_t n) {
    struct reply q = {0};
    size_t at = SIZE_MAX;
    until(w, has(fd, &q, "\r\n\r\n") && (at = rig_find(reply_text(&q), "\r\n\r\n") + 4) &&
                 reply_text(&q).n - at >= n);
    str body = str_from(reply_text(&q), at);
    assert_int_equal(body.n, n);
    for (size_t i = 0; i < n; i++) assert_int_equal(body.p[i], 'a' + i * 31 % 26);
    reply_fini(&q);
}

/* The backend answers before the body is complete; the rest comes during the wait and after it. */
static void repeats_a_body_that_is_still_coming(void **state) {
    (void)state;
    for (size_t first = 0; first <= 40000; first += 20000) {
        struct world w;
        world_init_wish(&w, (struct world_wish){.change = all, .records = true});
        int fd = world_client(&w);
        rig_send(fd, S("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 60000\r\n\r\n"));
        send_body(&w, fd, 0, first);
        int one = world_backend(&w);
        take_body(&w, one, first);
        rig_send(one, S(BAD_503));
        send_body(&w, fd, first, first + 10000);
        int two = world_backend(&w);
        send_body(&w, fd, first + 10000, 60000);
        take_body(&w, two, 60000);
        rig_send(two, S(OK_HI));
        expect(&w, fd, "HTTP/1.1 200", "503", "");
        close(fd), close(one), close(two);
        world_fini(&w);
    }
}

static void does_not_repeat_what_is_not_kept(void **state) {
    (void)state;
    for (size_t n = RETRY_BODY_BYTES_MAX; n <= RETRY_BODY_BYTES_MAX + 1; n++) {
        struct world w;
        bool fits = n <= RETRY_BODY_BYTES_MAX;
        world_init_wish(&w, (struct world_wish){.change = all, .records = true});
        int fd = world_client(&w), two = -1;
        rig_printf(fd, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n", n);
        int one = world_backend(&w);
        send_body(&w, fd, 0, n);
        take_body(&w, one, n);
        rig_send(one, S(BAD_503));
        if (fits) {
            struct reply q = {0};
            until(&w, (two = accept4(w.backend, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0 ||
                          has(one, &q, "\r\n\r\n"));
            reply_fini(&q);
            if (two >= 0) take_body(&w, two, n);
            rig_send(two >= 0 ? two : one, S(OK_HI));
        }
        expect(&w, fd, fits ? "HTTP/1.1 200" : "HTTP/1.1 503", fits ? "503" : "", fits ? "" : "body");
        close(fd), close(one);
        if (two >= 0) close(two);
        world_fini(&w);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_longer_each_time_up_to_ten_times),
        cmocka_unit_test(retries_the_codes_of_the_rule),
        cmocka_unit_test(repeats_bodies_of_what_is_idempotent),
        cmocka_unit_test(retries_what_breaks_where_that_is_listed),
        cmocka_unit_test(keeps_to_the_budget_of_the_backend),
        cmocka_unit_test(repeats_what_was_not_looked_at),
        cmocka_unit_test(retries_a_try_that_takes_too_long),
        cmocka_unit_test(gives_up_when_the_request_would_take_too_long),
        cmocka_unit_test(ends_all_tries_with_the_request),
        cmocka_unit_test(finds_the_one_that_listens),
        cmocka_unit_test(goes_round_when_all_refuse),
        cmocka_unit_test(tries_each_endpoint_once_without_a_retry),
        cmocka_unit_test(never_means_not_even_another_endpoint),
        cmocka_unit_test(repeats_a_body_that_is_still_coming),
        cmocka_unit_test(does_not_repeat_what_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
