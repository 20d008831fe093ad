/* SPDX-License-Identifier: Apache-2.0 */
/* links: compile */
#include "rig.h"

/* A rig with the usual: one listener for every host, everything to the one backend. */
struct usual {
    struct rig rig;
    struct backend *backend;
};
static void usual_init(struct usual *u, enum access_form access) {
    rig_init(&u->rig, access);
    u->backend = backend_start();
    rig_listener(&u->rig, "http", "", NULL);
    rig_backend(&u->rig, "a", &u->backend->port, 1);
    rig_route(&u->rig, "all", "http", "", "a", NULL);
}
static void usual_fini(struct usual *u) {
    rig_fini(&u->rig);
    backend_stop(u->backend);
}
static uint64_t reason_count(const struct rig *r, enum http_reason why) {
    return stats_get(&worker_stats(r->worker)->reasons[why]);
}

/* ---- what a request and its response look like on the other side ---- */

static void forwards_fields(void **state) {
    (void)state;
    struct usual u;
    usual_init(&u, ACCESS_OFF);
    rig_start(&u.rig);
    struct reply y = {0};
    assert_int_equal(
        rig_ask(&u.rig,
                "GET /a/./b?x=1 HTTP/1.1\r\nHost: One.Example:8080\r\nX-Forwarded-For: 6.6.6.6\r\n"
                "x-forwarded-proto: https\r\nForwarded: for=6.6.6.6\r\nProxy-Authorization: secret\r\n"
                "Connection: keep-alive, X-Mine\r\nX-Mine: gone\r\nUpgrade: h2c\r\nAccept: */*\r\n\r\n",
                &y),
        200);
    assert_true(reply_has(&y, "GET /a/b?x=1 HTTP/1.1\r\nHost: One.Example:8080\r\n"));
    assert_true(reply_has(&y, "X-Forwarded-For: 127.0.0.1\r\n"));
    assert_true(reply_has(&y, "X-Forwarded-Proto: http\r\n"));
    assert_true(reply_has(&y, "X-Forwarded-Host: One.Example:8080\r\n"));
    assert_true(reply_has(&y, "X-Forwarded-Port: 8080\r\n"));
    assert_true(reply_has(&y, "Accept: */*\r\n"));
    assert_false(reply_has(&y, "6.6.6.6"));
    assert_false(reply_has(&y, "secret"));
    assert_false(reply_has(&y, "X-Mine"));
    assert_false(reply_has(&y, "Upgrade"));
    reply_fini(&y);
    usual_fini(&u);
}

static void keeps_connections(void **state) {
    (void)state;
    struct usual u;
    usual_init(&u, ACCESS_OFF);
    rig_start(&u.rig);
    int fd = rig_connect(&u.rig);
    for (int i = 0; i < 50; i++) {
        struct reply y = {0};
        rig_send(fd, S("GET /x HTTP/1.1\r\nHost: h\r\n\r\n"));
        rig_read(fd, &y, false);
        assert_int_equal(y.status, 200);
        assert_false(y.end);
        reply_fini(&y);
    }
    assert_int_equal(atomic_load(&u.backend->connections), 1);
    rig_send(fd, S("GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
    struct reply y = {0};
    rig_read(fd, &y, false);
    assert_true(reply_has(&y, "Connection: close\r\n"));
    assert_false(rig_take(fd, &y));
    assert_false(y.reset);
    reply_fini(&y);
    close(fd);
    usual_fini(&u);
}

static void answers_pipelined_requests_in_order(void **state) {
    (void)state;
    struct usual u;
    usual_init(&u, ACCESS_OFF);
    rig_start(&u.rig);
    int fd = rig_connect(&u.rig);
    enum { N = 40 };
    for (int i = 0; i < N; i++) { /* some are answered by the gateway itself */
        if (i % 3 == 2)
            rig_printf(fd, "GET /..%%5C/ HTTP/1.1\r\nHost: h\r\nX-N: %d\r\n\r\n", i);
        else
            rig_printf(fd, "POST /n/%d HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", i);
    }
    shutdown(fd, SHUT_WR);
    struct reply y = {0};
    buf_init(&y.bytes, 1 << 20);
    while (rig_take(fd, &y)) {}
    assert_false(y.reset);
    str rest = reply_text(&y);
    for (int i = 0; i < N; i++) {
        char wanted[64];
        snprintf(wanted, sizeof wanted, i % 3 == 2 ? "bad_path" : "POST /n/%d HTTP", i);
        size_t at = rig_find(rest, wanted);
        if (at == SIZE_MAX) fail_msg("no answer to %d", i);
        rest = str_from(rest, at + 1);
    }
    reply_fini(&y);
    close(fd);
    usual_fini(&u);
}

static void serves_odd_messages(void **state) {
    (void)state;
    struct usual u;
    usual_init(&u, ACCESS_OFF);
    rig_start(&u.rig);
    struct reply y = {0};
    assert_int_equal(rig_ask(&u.rig, "HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n", &y), 200);
    assert_true(reply_has(&y, "Content-Length: "));
    assert_int_equal(y.bytes.n, y.head);
    reply_fini(&y), y = (struct reply){0};
    assert_int_equal(rig_ask(&u.rig, "GET /204 HTTP/1.1\r\nHost: h\r\n\r\n", NULL), 204);
    assert_int_equal(rig_ask(&u.rig, "GET /304 HTTP/1.1\r\nHost: h\r\n\r\n", NULL), 304);
    assert_int_equal(rig_ask(&u.rig, "GET /old HTTP/1.0\r\n\r\n", &y), 200);
    assert_true(rig_find(reply_text(&y), "Connection: keep-alive") == SIZE_MAX);
    reply_fini(&y), y = (struct reply){0};
    int fd = rig_connect(&u.rig); /* to a client of 1.0 chunks come as bytes until the end */
    rig_send(fd, S("GET /chunks/50000 HTTP/1.0\r\nHost: h\r\n\r\n"));
    rig_read(fd, &y, false);
    assert_int_equal(y.bytes.n - y.head, 50000);
    assert_true(y.end);
    close(fd);
    reply_fini(&y), y = (struct reply){0};
    assert_int_equal(rig_ask(&u.rig, "GET /toclose HTTP/1.1\r\nHost: h\r\n\r\n", &y), 200);
    assert_true(reply_has(&y, "until the end"));
    assert_true(reply_has(&y, "chunked"));
    reply_fini(&y), y = (struct reply){0};
    assert_int_equal(rig_ask(&u.rig, "GET /hints HTTP/1.1\r\nHost: h\r\n\r\n", &y), 200);
    assert_true(reply_has(&y, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK"));
    reply_fini(&y);
    usual_fini(&u);
}

/* To a client of 1.0 the end of a chunked response is no byte, yet it ends the exchange and the connection. */
static void ends_a_response_without_a_byte(void **state) {
    (void)state;
    struct usual u;
    usual_init(&u, ACCESS_OFF);
    rig_start(&u.rig);
    struct reply y = {0};
    buf_init(&y.bytes, 1 << 20);
    int fd = rig_connect(&u.rig);
    rig_send(fd, S("POST /late-end HTTP/1.0\r\nHost: h\r\nContent-Length: 1\r\n\r\n"));
    while (!reply_has(&y, "\r\n\r\nhello")) assert_true(rig_take(fd, &y));
    rig_send(fd, S("x"));
    while (rig_take(fd, &y)) {}
    assert_true(str_ends(reply_text(&y), S("hello")));
    assert_false(y.reset);
    close(fd);
    reply_fini(&y);
    usual_fini(&u);
}

/* A response that has no Date gets one, and one that has it keeps it.                                   [RFC 9110 6.6.1] */
static void dates_responses(void **state) {
    (void)state;
    struct usual u;
    usual_init(&u, ACCESS_OFF);
    rig_start(&u.rig);
    struct reply y = {0};
    assert_int_equal(rig_ask(&u.rig, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n", &y), 200);
    size_t at = rig_find(reply_text(&y), "\r\nDate: ");
    assert_true(at != SIZE_MAX);
    str date = str_upto(str_from(reply_text(&y), at + 8), 29);
    assert_true(str_ends(date, S(" GMT")) && date.p[3] == ',' && date.p[19] == ':' && date.p[22] == ':');
    assert_true(rig_find(str_from(reply_text(&y), at + 8), "\r\nDate: ") == SIZE_MAX);
    reply_fini(&y), y = (struct reply){0};
    assert_int_equal(rig_ask(&u.rig, "GET /dated HTTP/1.1\r\nHost: h\r\n\r\n", &y), 200);
    assert_true(reply_has(&y, "date: Mon, 01 Jan 2001 00:00:00 GMT\r\n"));
    assert_false(reply_has(&y, "Date: "));
    reply_fini(&y), y = (struct reply){0};
    assert_int_equal(rig_ask(&u.rig, "GET /hints HTTP/1.1\r\nHost: h\r\n\r\n", &y), 200);
    assert_true(reply_has(&y, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK"));
    assert_true(reply_has(&y, "\r\nDate: "));
    reply_fini(&y);
    usual_fini(&u);
}

static void relays_bodies(void **state) {
    (void)state;
    struct usual u;
    usual_init(&u, ACCESS_OFF);
    rig_start(&u.rig);
    enum { BYTES = 3000000 };
    char *zeros = base_zalloc(BYTES);
    int fd = rig_connect(&u.rig);
    struct reply y = {0};
    rig_printf(fd, "PUT /p HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", BYTES);
    rig_send(fd, (str){zeros, BYTES});
    rig_read(fd, &y, false);
    assert_true(reply_has(&y, "X-Body: 3000000\r\n"));
    reply_fini(&y), y = (struct reply){0};
    rig_send(fd, S("POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"));
    for (int i = 0; i < 100; i++) {
        rig_printf(fd, "%x\r\n", 7000);
        rig_send(fd, (str){zeros, 7000});
        rig_send(fd, S("\r\n"));
    }
    rig_send(fd, S("0\r\n\r\n"));
    rig_read(fd, &y, false);
    assert_true(reply_has(&y, "X-Body: 700000\r\n"));
    reply_fini(&y), y = (struct reply){0};
    rig_send(fd, S("GET /big/5000000 HTTP/1.1\r\nHost: h\r\n\r\n"));
    rig_read(fd, &y, false);
    assert_int_equal(y.bytes.n - y.head, 5000000);
    reply_fini(&y), y = (struct reply){0};
    rig_send(fd, S("GET /chunks/2000000 HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nConnection: TE\r\n\r\n"));
    rig_read(fd, &y, false);
    assert_true(y.bytes.n - y.head > 2000000);
    assert_true(reply_has(&y, "\r\n0\r\nX-Sum: 7\r\n\r\n"));
    assert_false(y.end);
    reply_fini(&y);
    close(fd);
    free(zeros);
    usual_fini(&u);
}

/* A client that does not read makes the backend wait, and costs no more than the high water. */
static void holds_a_fast_backend(void **state) {
    (void)state;
    struct usual u;
    usual_init(&u, ACCESS_OFF);
    rig_start(&u.rig);
    int fds[4], small = 65536;
    for (int i = 0; i < 4; i++) {
        fds[i] = rig_connect(&u.rig);
        setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        rig_send(fds[i], S("GET /big/20000000 HTTP/1.1\r\nHost: h\r\n\r\n"));
    }
    /* meanwhile others are served */
    for (int i = 0; i < 20; i++)
        assert_int_equal(rig_ask(&u.rig, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n", NULL), 200);
    for (int i = 0; i < 4; i++) {
        struct reply y = {0};
        rig_read(fds[i], &y, false);
        assert_int_equal(y.bytes.n - y.head, 20000000);
        reply_fini(&y);
        close(fds[i]);
    }
    usual_fini(&u);
}

static void passes_100_continue(void **state) {
    (void)state;
    struct usual u;
    usual_init(&u, ACCESS_OFF);
    rig_start(&u.rig);
    int fd = rig_connect(&u.rig);
    struct reply y = {0};
    buf_init(&y.bytes, 1 << 20);
    rig_send(fd,
             S("POST /continue HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"));
    while (!reply_has(&y, "HTTP/1.1 100 Continue\r\n\r\n")) assert_true(rig_take(fd, &y));
    assert_int_equal(y.bytes.n, 25);
    rig_send(fd, S("body"));
    rig_read(fd, &y, false);
    assert_int_equal(y.status, 200);
    assert_true(reply_has(&y, "X-Body: 4\r\n"));
    reply_fini(&y), y = (struct reply){0};
    close(fd);
    fd = rig_connect(&u.rig); /* refused before the body is sent: the final answer comes instead */
    rig_send(fd, S("POST /early HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"));
    rig_read(fd, &y, false);
    assert_int_equal(y.status, 413);
    reply_fini(&y);
    close(fd);
    usual_fini(&u);
}

/* A final response while the request is still being sent reaches the client, whole, and no reset overtakes it. */
static void passes_an_early_response(void **state) {
    (void)state;
    struct usual u;
    usual_init(&u, ACCESS_OFF);
    rig_start(&u.rig);
    int fd = rig_connect(&u.rig);
    struct reply y = {0};
    rig_send(fd, S("POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 400000\r\n\r\nsome"));
    rig_read(fd, &y, false);
    assert_int_equal(y.status, 413);
    assert_true(reply_has(&y, "\r\n\r\nbig"));
    char *more = base_zalloc(300000);
    rig_send(fd, (str){more, 300000});
    free(more);
    reply_fini(&y);
    close(fd);
    usual_fini(&u);
}

/* ---- answers of our own ---- */

static void refuses_by_reason(void **state) {
    (void)state;
    struct rig r;
    rig_init(&r, ACCESS_OFF);
    rig_listener(&r, "http", "*.example", NULL);
    rig_backend(&r, "none", NULL, 0);
    rig_route(&r, "bad", "http", "/bad", NULL, NULL);
    rig_route(&r, "none", "http", "/none", "none", NULL);
    rig_start(&r);
    static const struct {
        const char *request;
        int status;
        const char *text;
    } cases[] = {
        {"GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n", 404,
         "postern: no_route: no rule of an attached route matches\n"},
        {"OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n", 200, "postern: options: "},
        {"OPTIONS /none HTTP/1.1\r\nHost: a.example\r\nMax-Forwards: 0\r\n\r\n", 200, "postern: options: "},
        {"TRACE /none HTTP/1.1\r\nHost: a.example\r\nMax-Forwards: 0\r\n\r\n", 501,
         "postern: not_implemented: "},
        {"OPTIONS /none HTTP/1.1\r\nHost: a.example\r\nMax-Forwards: 1\r\n\r\n", 503,
         "postern: no_endpoints: "},
        {"GET /none HTTP/1.1\r\nHost: a.example\r\nMax-Forwards: 0\r\n\r\n", 503, "postern: no_endpoints: "},
        {"GET /x HTTP/1.1\r\nHost: other\r\n\r\n", 404, "postern: no_listener: "},
        {"GET /bad HTTP/1.1\r\nHost: a.example\r\n\r\n", 500, "postern: invalid_backend: "},
        {"GET /none HTTP/1.1\r\nHost: a.example\r\n\r\n", 503, "postern: no_endpoints: "},
        {"GET /../x HTTP/1.1\r\nHost: a.example\r\n\r\n", 400, "postern: bad_path: "},
        {"GET /%00 HTTP/1.1\r\nHost: a.example\r\n\r\n", 400, "postern: bad_path: "},
        {"CONNECT a.example:80 HTTP/1.1\r\nHost: a.example:80\r\n\r\n", 501, "postern: not_implemented: "},
        {"GET /x HTTP/1.1\r\n\r\n", 400, "postern: bad_host: "},
        {"GET /x HTTP/1.1\r\nHost: a.example\r\nExpect: wonders\r\n\r\n", 417,
         "postern: expectation_failed: "},
        {"GET /x HTTP/2.0\r\nHost: a.example\r\n\r\n", 505, "postern: version: "},
        {"GET /x HTTP/1.1\r\nHost : a.example\r\n\r\n", 400, "postern: bad_request: "},
        {"POST /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
         400, "postern: bad_request: "},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct reply y = {0};
        int status = rig_ask(&r, cases[i].request, &y);
        if (status != cases[i].status || !reply_has(&y, cases[i].text))
            fail_msg("%s: %d %s", cases[i].request, status, y.bytes.n ? y.bytes.p : "");
        assert_true(reply_has(&y, "Content-Type: text/plain\r\n"));
        assert_true(reply_has(&y, "Date: "));
        reply_fini(&y);
    }
    struct reply y = {0};
    assert_int_equal(rig_ask(&r, "HEAD /x HTTP/1.1\r\nHost: a.example\r\n\r\n", &y), 404);
    assert_int_equal(y.bytes.n, y.head);
    assert_true(reply_has(&y, "Content-Length: 56\r\n"));
    reply_fini(&y);
    rig_until(&r, reason_count(&r, REASON_NO_ROUTE) == 2);
    rig_fini(&r);
}

/* The connection survives an answer of ours, with a body that was read over as well. */
static void keeps_the_connection_after_an_answer(void **state) {
    (void)state;
    struct rig r;
    rig_init(&r, ACCESS_OFF);
    rig_listener(&r, "http", "", NULL);
    rig_start(&r);
    int fd = rig_connect(&r);
    for (int i = 0; i < 10; i++) {
        struct reply y = {0};
        rig_send(fd, S("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n0123456789"));
        rig_read(fd, &y, false);
        assert_int_equal(y.status, 404);
        assert_false(y.end);
        reply_fini(&y);
    }
    close(fd);
    rig_fini(&r);
}

static void add_filters(struct rig *r, struct plan_rule *rule) {
    struct plan_filter *f = arena_array(r->a, struct plan_filter, 2);
    struct plan_header *h = arena_array(r->a, struct plan_header, 2);
    h[0] = (struct plan_header){S("X-In"), S("1")};
    h[1] = (struct plan_header){S("X-Out"), S("2")};
    f[0] = (struct plan_filter){.type = PLAN_FILTER_REQUEST_HEADERS, .set = {h, 1}};
    f[1] = (struct plan_filter){.type = PLAN_FILTER_RESPONSE_HEADERS, .set = {h + 1, 1}};
    rule->filters.p = f, rule->filters.n = 2;
}
static void add_redirect(struct rig *r, struct plan_rule *rule) {
    struct plan_filter *f = arena_make(r->a, struct plan_filter);
    *f = (struct plan_filter){.type = PLAN_FILTER_REDIRECT,
                              .scheme = S("https"),
                              .hostname = S("to.example"),
                              .status = 302,
                              .path = S("")};
    rule->filters.p = f, rule->filters.n = 1;
    rule->targets.n = 0;
}
static void applies_filters(void **state) {
    (void)state;
    struct usual u;
    usual_init(&u, ACCESS_OFF);
    rig_route(&u.rig, "filters", "http", "/f", "a", add_filters);
    rig_route(&u.rig, "redirect", "http", "/r", "a", add_redirect);
    rig_start(&u.rig);
    struct reply y = {0};
    assert_int_equal(rig_ask(&u.rig, "GET /f HTTP/1.1\r\nHost: h\r\nX-In: 0\r\n\r\n", &y), 200);
    assert_true(reply_has(&y, "X-In: 1\r\n"));
    assert_false(reply_has(&y, "X-In: 0\r\n"));
    assert_true(reply_has(&y, "X-Out: 2\r\n"));
    reply_fini(&y), y = (struct reply){0};
    assert_int_equal(rig_ask(&u.rig, "GET /r/x?q HTTP/1.1\r\nHost: h\r\n\r\n", &y), 302);
    assert_true(reply_has(&y, "Location: https://to.example/r/x?q\r\n"));
    reply_fini(&y);
    rig_until(&u.rig, reason_count(&u.rig, REASON_REDIRECT) == 1);
    usual_fini(&u);
}

/* ---- when backends fail ---- */

static void add_timeout(struct rig *r, struct plan_rule *rule) {
    (void)r;
    rule->request_timeout = (struct opt_int){.v = 100000, .set = true};
}
static void add_backend_timeout(struct rig *r, struct plan_rule *rule) {
    (void)r;
    rule->backend_timeout = (struct opt_int){.v = 100000, .set = true};
}
static void answers_for_failing_backends(void **state) {
    (void)state;
    struct usual u;
    usual_init(&u, ACCESS_OFF);
    uint16_t dead;
    close(rig_listen(&dead));
    rig_backend(&u.rig, "dead", &dead, 1);
    rig_route(&u.rig, "dead", "http", "/dead", "dead", NULL);
    rig_route(&u.rig, "slow", "http", "/hang/request", "a", add_timeout);
    rig_route(&u.rig, "slow2", "http", "/hang/backend", "a", add_backend_timeout);
    rig_start(&u.rig);
    static const struct {
        const char *path;
        int status;
        const char *text;
    } cases[] = {
        {"/dead", 502, "postern: backend_refused: "},
        {"/reset", 502, "postern: backend_reset: "},
        {"/garbage", 502, "postern: backend_protocol: "},
        {"/hang/request", 504, "postern: backend_timeout: "},
        {"/hang/backend", 504, "postern: backend_timeout: "},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct reply y = {0};
        char request[128];
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", cases[i].path);
        int status = rig_ask(&u.rig, request, &y);
        if (status != cases[i].status || !reply_has(&y, cases[i].text))
            fail_msg("%s: %d %s", cases[i].path, status, y.bytes.n ? y.bytes.p : "");
        reply_fini(&y);
    }
    struct reply y = {0}; /* what has begun is cut, so that the client can tell */
    assert_int_equal(rig_ask(&u.rig, "GET /half HTTP/1.1\r\nHost: h\r\n\r\n", &y), 200);
    assert_true(y.end);
    assert_int_equal(y.bytes.n - y.head, 10);
    reply_fini(&y);
    rig_until(&u.rig, reason_count(&u.rig, REASON_BACKEND_CUT) == 1);
    usual_fini(&u);
}

static void tries_another_endpoint(void **state) {
    (void)state;
    struct usual u;
    usual_init(&u, ACCESS_OFF);
    uint16_t ports[3];
    close(rig_listen(&ports[0]));
    close(rig_listen(&ports[1]));
    ports[2] = u.backend->port;
    rig_backend(&u.rig, "a", ports, 3);
    rig_start(&u.rig);
    for (int i = 0; i < 30; i++)
        assert_int_equal(rig_ask(&u.rig, "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab", NULL),
                         200);
    /* the dead ones are passed over for a while */
    assert_in_range(stats_get(&worker_stats(u.rig.worker)->upstream_connect_failures), 0, 4);
    usual_fini(&u);
}

/* A backend that closes a pooled connection as the next request goes out: nobody notices. */
static void repeats_on_a_fresh_connection(void **state) {
    (void)state;
    struct usual u;
    usual_init(&u, ACCESS_OFF);
    rig_start(&u.rig);
    int fd = rig_connect(&u.rig);
    for (int i = 0; i < 200; i++) {
        struct reply y = {0};
        if (i % 2)
            rig_send(fd, S("PUT /stale HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nagain"));
        else
            rig_send(fd, S("GET /stale HTTP/1.1\r\nHost: h\r\n\r\n"));
        rig_read(fd, &y, false);
        if (y.status != 200) fail_msg("request %d: %s", i, y.bytes.n ? y.bytes.p : "");
        assert_true(reply_has(&y, i % 2 ? "X-Body: 5\r\n" : "X-Body: 0\r\n"));
        reply_fini(&y);
    }
    close(fd);
    usual_fini(&u);
}

static void survives_clients_that_go(void **state) {
    (void)state;
    struct usual u;
    usual_init(&u, ACCESS_OFF);
    rig_start(&u.rig);
    struct linger at_once = {.l_onoff = 1};
    static const char *const beginnings[] = {
        "GET /hang HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /big/9000000 HTTP/1.1\r\nHost: h\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nsome",
        "GET /x HT",
        "",
    };
    for (size_t i = 0; i < COUNT_OF(beginnings); i++) {
        int fd = rig_connect(&u.rig);
        rig_send(fd, str_of(beginnings[i]));
        char byte;
        if (i == 1) assert_int_equal(recv(fd, &byte, 1, 0), 1);
        int before = atomic_load(&u.backend->requests);
        if (i == 0) rig_until(&u.rig, atomic_load(&u.backend->requests) >= before); /* it may be on its way */
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        close(fd);
    }
    const struct worker_stats *s = worker_stats(u.rig.worker);
    rig_until(&u.rig, stats_get(&s->connections_accepted) == COUNT_OF(beginnings) &&
                          stats_get(&s->connections_open) == 0);
    assert_int_equal(stats_get(&s->requests_open), 0);
    assert_int_equal(rig_ask(&u.rig, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n", NULL), 200);
    usual_fini(&u);
}

/* ---- the record ---- */

static void tells_of_each_exchange(void **state) {
    (void)state;
    struct usual u;
    usual_init(&u, ACCESS_JSON);
    rig_start(&u.rig);
    assert_int_equal(rig_ask(&u.rig, "GET /x?y HTTP/1.1\r\nHost: h\r\nUser-Agent: me\r\n\r\n", NULL), 200);
    const struct worker_stats *s = worker_stats(u.rig.worker);
    char line[4096];
    size_t n = 0;
    rig_until(&u.rig, (n = worker_access_take(u.rig.worker, line, sizeof line)) > 0);
    str text = {line, n};
    static const char *const parts[] = {"\"GET\"", "/x",     "infra/gw", "HTTPRoute/ns/all",
                                        "ns/a:80", "\"me\"", "127.0.0.1"};
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (rig_find(text, parts[i]) == SIZE_MAX) fail_msg("%s is not in " STR_FMT, parts[i], STR_ARG(text));
    assert_true(str_ends(text, S("\n")));
    assert_int_equal(worker_access_take(u.rig.worker, line, sizeof line), 0);
    assert_int_equal(stats_get(&s->responses_by_class[2]), 1);
    usual_fini(&u);
}

/* ---- tables come and go under load ---- */

struct load {
    const struct rig *rig;
    atomic_bool stop;
    atomic_int answered, wrong;
};
static void *load_run(void *arg) {
    struct load *l = arg;
    int fd = rig_connect(l->rig);
    while (!atomic_load(&l->stop)) {
        struct reply y = {0};
        rig_send(fd, S("GET /x HTTP/1.1\r\nHost: h\r\n\r\n"));
        rig_read(fd, &y, false);
        atomic_fetch_add(y.status == 200 ? &l->answered : &l->wrong, 1);
        bool end = y.end;
        reply_fini(&y);
        if (end) break;
    }
    close(fd);
    return NULL;
}
static void swaps_tables_under_load(void **state) {
    (void)state;
    struct usual u;
    usual_init(&u, ACCESS_OFF);
    struct backend *other = backend_start();
    rig_backend(&u.rig, "b", &other->port, 1);
    rig_start(&u.rig);
    enum { LOADS = 4, SWAPS = 60 };
    struct load l = {.rig = &u.rig};
    pthread_t threads[LOADS];
    for (int i = 0; i < LOADS; i++) pthread_create(&threads[i], NULL, load_run, &l);
    unsigned graves = 0;
    for (int i = 0; i < SWAPS; i++) {
        int before = atomic_load(&l.answered);
        uint16_t ports[2] = {u.backend->port, other->port};
        rig_route(&u.rig, "all", "http", "", i % 2 ? "a" : "b", i % 3 ? NULL : add_filters);
        rig_backend(&u.rig, "b", i % 5 ? ports + 1 : ports, 1);
        rig_apply(&u.rig);
        graves += rig_retire(&u.rig);
        rig_until(&u.rig, atomic_load(&l.answered) > before + 20 || atomic_load(&l.wrong));
    }
    atomic_store(&l.stop, true);
    for (int i = 0; i < LOADS; i++) pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&l.wrong), 0);
    rig_until(&u.rig, u.rig.released == u.rig.adopted - 1);
    graves += rig_retire(&u.rig);
    rig_until(&u.rig, u.rig.buried == graves);
    assert_in_range(graves, SWAPS / 2, SWAPS * 2);
    usual_fini(&u);
    backend_stop(other);
}

/* A rule is not buried while an exchange uses it, though its table went home long ago. */
static void keeps_a_rule_that_is_in_use(void **state) {
    (void)state;
    struct usual u;
    usual_init(&u, ACCESS_OFF);
    rig_route(&u.rig, "hang", "http", "/hang", "a", NULL);
    rig_start(&u.rig);
    int fd = rig_connect(&u.rig);
    rig_send(fd, S("GET /hang HTTP/1.1\r\nHost: h\r\n\r\n"));
    rig_until(&u.rig, atomic_load(&u.backend->requests) == 1);
    plan_set(&u.rig.plan, PLAN_ROUTE, S("HTTPRoute/ns/hang"), NULL, &u.rig.delta);
    rig_apply(&u.rig);
    rig_until(&u.rig, u.rig.released == 1);
    assert_int_equal(rig_retire(&u.rig), 1);
    for (int i = 0; i < 20; i++)
        assert_int_equal(rig_ask(&u.rig, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n", NULL), 200);
    mailbox_deliver(&u.rig.home);
    assert_int_equal(u.rig.buried, 0);
    struct linger at_once = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
    rig_until(&u.rig, u.rig.buried == 1);
    usual_fini(&u);
}

static void drains(void **state) {
    (void)state;
    struct usual u;
    usual_init(&u, ACCESS_OFF);
    rig_start(&u.rig);
    int idle = rig_connect(&u.rig), busy = rig_connect(&u.rig);
    struct reply y = {0};
    rig_send(idle, S("GET /x HTTP/1.1\r\nHost: h\r\n\r\n"));
    rig_read(idle, &y, false);
    reply_fini(&y), y = (struct reply){0};
    rig_send(busy, S("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nha"));
    rig_until(&u.rig, stats_get(&worker_stats(u.rig.worker)->requests_open) == 1);
    rig_drain(&u.rig, 20000000);
    buf_init(&y.bytes, 1 << 20);
    assert_false(rig_take(idle, &y)); /* the idle one ends now */
    assert_false(y.reset);
    reply_fini(&y), y = (struct reply){0};
    rig_send(busy, S("lf"));
    rig_read(busy, &y, false); /* the busy one is served to the end */
    assert_int_equal(y.status, 200);
    assert_true(reply_has(&y, "Connection: close\r\n"));
    reply_fini(&y);
    close(idle);
    close(busy);
    rig_until(&u.rig, u.rig.drained == 1);
    usual_fini(&u);
}

/* A second order with an earlier deadline shortens the first one's; with a later one it changes nothing. */
static void hurries_a_drain(void **state) {
    (void)state;
    struct usual u;
    usual_init(&u, ACCESS_OFF);
    rig_start(&u.rig);
    int busy = rig_connect(&u.rig);
    struct reply y = {0};
    buf_init(&y.bytes, 1 << 20);
    rig_send(busy, S("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nha"));
    rig_until(&u.rig, stats_get(&worker_stats(u.rig.worker)->requests_open) == 1);
    rig_drain(&u.rig, UINT64_C(3600000000));
    rig_drain(&u.rig, UINT64_C(7200000000));
    rig_until(&u.rig, u.rig.drained == 1); /* the second comes home at once */
    rig_drain(&u.rig, 0);
    rig_until(&u.rig, u.rig.drained == 3);
    assert_false(rig_take(busy, &y));
    reply_fini(&y);
    close(busy);
    usual_fini(&u);
}

static void removes_a_socket(void **state) {
    (void)state;
    struct usual u;
    usual_init(&u, ACCESS_OFF);
    rig_start(&u.rig);
    int queued = rig_connect(&u.rig);
    struct worker_socket *m = base_zalloc(sizeof *m);
    *m = (struct worker_socket){.remove = true, .fd = u.rig.listen_fd, .done = rig_on_socket};
    worker_post_socket(u.rig.worker, m);
    rig_until(&u.rig, u.rig.sockets == 2);
    struct reply y = {0};
    rig_send(queued, S("GET /x HTTP/1.1\r\nHost: h\r\n\r\n"));
    rig_read(queued, &y, false);
    assert_int_equal(y.status, 200);
    reply_fini(&y);
    close(queued);
    usual_fini(&u);
}

/* After warm-up kept-alive requests take nothing from the system. (Under ASan pools keep nothing, so there is nothing to see.) */
static void allocates_nothing_once_warm(void **state) {
    (void)state;
#if defined(__SANITIZE_ADDRESS__)
    skip();
#endif
    struct usual u;
    usual_init(&u, ACCESS_JSON);
    rig_start(&u.rig);
    const struct worker_stats *s = worker_stats(u.rig.worker);
    int fd = rig_connect(&u.rig);
    uint64_t before = 0;
    for (uint64_t i = 0; i < 300; i++) {
        struct reply y = {0};
        rig_send(fd, S("GET /x HTTP/1.1\r\nHost: h\r\n\r\n"));
        rig_read(fd, &y, false);
        reply_fini(&y);
        rig_until(&u.rig, stats_get(&s->requests) == i + 1);
        if (i == 10) before = stats_get(&s->allocations_after_warmup);
    }
    assert_int_equal(stats_get(&s->allocations_after_warmup), before);
    close(fd);
    usual_fini(&u);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forwards_fields),
        cmocka_unit_test(keeps_connections),
        cmocka_unit_test(answers_pipelined_requests_in_order),
        cmocka_unit_test(serves_odd_messages),
        cmocka_unit_test(ends_a_response_without_a_byte),
        cmocka_unit_test(dates_responses),
        cmocka_unit_test(relays_bodies),
        cmocka_unit_test(holds_a_fast_backend),
        cmocka_unit_test(passes_100_continue),
        cmocka_unit_test(passes_an_early_response),
        cmocka_unit_test(refuses_by_reason),
        cmocka_unit_test(keeps_the_connection_after_an_answer),
        cmocka_unit_test(applies_filters),
        cmocka_unit_test(answers_for_failing_backends),
        cmocka_unit_test(tries_another_endpoint),
        cmocka_unit_test(repeats_on_a_fresh_connection),
        cmocka_unit_test(survives_clients_that_go),
        cmocka_unit_test(tells_of_each_exchange),
        cmocka_unit_test(swaps_tables_under_load),
        cmocka_unit_test(keeps_a_rule_that_is_in_use),
        cmocka_unit_test(drains),
        cmocka_unit_test(hurries_a_drain),
        cmocka_unit_test(removes_a_socket),
        cmocka_unit_test(allocates_nothing_once_warm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
