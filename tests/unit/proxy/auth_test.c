/* SPDX-License-Identifier: Apache-2.0 */
/* links: compile */
#include "world.h"

#include "proxy/auth.h"

#define OK_HI  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
#define LET_IN "HTTP/1.1 200 OK\r\nX-User: ann\r\nX-Role: admin\r\nHost: evil\r\nContent-Length: 3\r\n\r\nyes"
#define GET                                                                                                  \
    "GET /a?b=c HTTP/1.1\r\nHost: h.example\r\nAuthorization: Basic x\r\nX-Told: 1\r\nX-Other: "             \
    "2\r\nX-User: "                                                                                          \
    "forged\r\n\r\n"

/* The authorization server "auth" is others[2]. */
static void add_server(struct world *w) {
    uint16_t port;
    w->others[2] = world_listen(&port);
    rig_backend(&w->rig, "auth", &port, 1);
}
static struct plan_auth *ask(struct rig *r, struct plan_rule *rule) {
    struct plan_filter *v = arena_array(r->a, struct plan_filter, 2);
    struct plan_auth *a = arena_make(r->a, struct plan_auth);
    *a = (struct plan_auth){.protocol = PLAN_AUTH_HTTP, .backend = S("ns/auth:80")};
    struct plan_header *set = arena_make(r->a, struct plan_header);
    *set = (struct plan_header){S("X-Set"), S("yes")};
    v[0] = (struct plan_filter){.type = PLAN_FILTER_REQUEST_HEADERS, .set = {set, 1}};
    v[1] = (struct plan_filter){.type = PLAN_FILTER_AUTH, .auth = a};
    rule->filters.p = v, rule->filters.n = 2;
    return a;
}
static void plain(struct rig *r, struct plan_rule *rule) { ask(r, rule); }
static void lists(struct rig *r, struct plan_rule *rule) {
    struct plan_auth *a = ask(r, rule);
    a->path = S("/check");
    a->request_headers.p = arena_array(r->a, str, 1), a->request_headers.n = 1;
    a->request_headers.p[0] = S("x-told");
    a->response_headers.p = arena_array(r->a, str, 1), a->response_headers.n = 1;
    a->response_headers.p[0] = S("x-user");
}
static void of_target(struct rig *r, struct plan_rule *rule) {
    ask(r, rule);
    rule->targets.p[0].filters.p = rule->filters.p, rule->targets.p[0].filters.n = 2;
    rule->filters.n = 0;
}
static void body(struct rig *r, struct plan_rule *rule) { ask(r, rule)->body_bytes_max = 100000; }
static void nobody(struct rig *r, struct plan_rule *rule) {
    struct plan_auth *a = ask(r, rule);
    a->backend = S(""), a->why = S("no such Service");
}

struct talk {
    struct world w;
    int fd, server, backend;
    struct reply client, asked, got;
};
static void begin(struct talk *t, void (*change)(struct rig *, struct plan_rule *), const char *request) {
    *t = (struct talk){.backend = -1, .server = -1};
    world_init_wish(&t->w, (struct world_wish){.change = change, .add = add_server});
    t->fd = world_client(&t->w);
    rig_printf(t->fd, "%s", request);
}
static void is_asked(struct talk *t, const char *end) {
    if (t->server < 0) t->server = world_accept(&t->w, t->w.others[2]);
    until(&t->w, has(t->server, &t->asked, end));
}
static void is_reached(struct talk *t, const char *end) {
    if (t->backend < 0) t->backend = world_backend(&t->w);
    until(&t->w, has(t->backend, &t->got, end));
}
static void is_told(struct talk *t, const char *begin, const char *end) {
    world_is_told(&t->w, t->fd, &t->client, begin, end);
}
static void finish(struct talk *t) {
    reply_fini(&t->client), reply_fini(&t->asked), reply_fini(&t->got);
    close(t->fd);
    if (t->server >= 0) close(t->server);
    if (t->backend >= 0) close(t->backend);
    world_fini(&t->w);
}

static void lets_in_whom_the_server_lets_in(void **state) {
    (void)state;
    void (*const changes[])(struct rig *, struct plan_rule *) = {plain, of_target};
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        struct talk t;
        begin(&t, changes[i], GET);
        is_asked(&t, "\r\n\r\n");
        assert_true(str_starts(reply_text(&t.asked), S("GET /a?b=c HTTP/1.1\r\n")));
        assert_true(reply_has(&t.asked, "Host: h.example\r\n") &&
                    reply_has(&t.asked, "Authorization: Basic x\r\n") &&
                    reply_has(&t.asked, "Content-Length: 0\r\n"));
        assert_false(reply_has(&t.asked, "X-Told") || reply_has(&t.asked, "X-Set") ||
                     reply_has(&t.asked, "X-User"));
        rig_send(t.server, S(LET_IN));
        is_reached(&t, "\r\n\r\n");
        assert_true(reply_has(&t.got, "Host: h.example\r\n") && reply_has(&t.got, "X-User: ann\r\n") &&
                    reply_has(&t.got, "X-Role: admin\r\n") && reply_has(&t.got, "X-Set: yes\r\n"));
        assert_false(reply_has(&t.got, "forged") || reply_has(&t.got, "evil"));
        rig_send(t.backend, S(OK_HI));
        is_told(&t, "HTTP/1.1 200", "hi");
        assert_int_equal(t.w.reason, REASON_NONE);
        finish(&t);
    }
}

static void goes_by_its_lists(void **state) {
    (void)state;
    struct talk t;
    begin(&t, lists, GET);
    is_asked(&t, "\r\n\r\n");
    assert_true(str_starts(reply_text(&t.asked), S("GET /check/a?b=c HTTP/1.1\r\n")));
    assert_true(reply_has(&t.asked, "X-Told: 1\r\n") && reply_has(&t.asked, "Authorization: Basic x\r\n"));
    assert_false(reply_has(&t.asked, "X-Other"));
    rig_send(t.server, S(LET_IN));
    is_reached(&t, "\r\n\r\n");
    assert_true(reply_has(&t.got, "X-User: ann\r\n"));
    assert_false(reply_has(&t.got, "X-Role") || reply_has(&t.got, "forged"));
    rig_send(t.backend, S(OK_HI));
    is_told(&t, "HTTP/1.1 200", "hi");
    finish(&t);
}

/* Any other answer is the client's, whole; the backend hears nothing. */
static void passes_a_refusal_on(void **state) {
    (void)state;
    static const char *const requests[] = {
        GET, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 50000\r\n\r\nthe rest comes never"};
    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        struct talk t;
        begin(&t, plain, requests[i]);
        is_asked(&t, "\r\n\r\n");
        rig_send(t.server, S("HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 5\r\n\r\nlogin"));
        is_told(&t, "HTTP/1.1 302", "\r\n\r\nlogin");
        assert_true(reply_has(&t.client, "Location: /login\r\n"));
        assert_int_equal(t.w.reason, REASON_AUTH_DENIED);
        assert_true(world_is_untouched(t.w.backend));
        finish(&t);
    }
}

static void lets_nobody_in_without_an_answer(void **state) {
    (void)state;
    static const char *const answers[] = {"", "HTTP/1.1 200 O", "nonsense\r\n\r\n",
                                          "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nye",
                                          "HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"};
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        struct talk t;
        begin(&t, plain, GET);
        is_asked(&t, "\r\n\r\n");
        rig_send(t.server, str_of(answers[i]));
        shutdown(t.server, SHUT_RDWR);
        is_told(&t, "HTTP/1.1 503", "auth_unavailable");
        assert_true(world_is_untouched(t.w.backend));
        finish(&t);
    }
    struct talk t;
    begin(&t, nobody, GET);
    is_told(&t, "HTTP/1.1 500", "invalid_backend");
    finish(&t);
}

/* A body that says nothing of its length lasts until the connection ends, and that is the answer's end, not its loss. */
static void takes_an_answer_that_ends_with_its_connection(void **state) {
    (void)state;
    static const char *const answers[] = {
        "HTTP/1.0 200 OK\r\nX-User: ann\r\n\r\nyes",
        "HTTP/1.1 200 OK\r\nX-User: ann\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-User: ann\r\nConnection: close\r\nContent-Length: 3\r\n\r\nyes"};
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        struct talk t;
        begin(&t, i == 1 ? of_target : plain, GET);
        is_asked(&t, "\r\n\r\n");
        rig_send(t.server, str_of(answers[i]));
        shutdown(t.server, SHUT_WR);
        is_reached(&t, "\r\n\r\n");
        assert_true(reply_has(&t.got, "X-User: ann\r\n"));
        rig_send(t.backend, S(OK_HI));
        is_told(&t, "HTTP/1.1 200", "hi");
        finish(&t);
    }
    struct talk t;
    begin(&t, plain, GET);
    is_asked(&t, "\r\n\r\n");
    rig_send(t.server, S("HTTP/1.0 403 X\r\nX-Why: so\r\n\r\nno"));
    shutdown(t.server, SHUT_WR);
    is_told(&t, "HTTP/1.1 403", "\r\n2\r\nno\r\n0\r\n\r\n");
    assert_int_equal(t.w.reason, REASON_AUTH_DENIED);
    finish(&t);
}

static void lets_nobody_in_when_the_server_is_away(void **state) {
    (void)state;
    struct talk t = {.server = -1, .backend = -1};
    world_init_wish(&t.w, (struct world_wish){.change = plain, .add = add_server});
    close(t.w.others[2]), t.w.others[2] = 0;
    t.fd = world_client(&t.w);
    rig_send(t.fd, S(GET));
    is_told(&t, "HTTP/1.1 503", "auth_unavailable");
    finish(&t);
}

static void waits_only_so_long(void **state) {
    (void)state;
    struct proxy_limits limits = proxy_limits_usual;
    struct talk t = {.server = -1, .backend = -1};
    limits.auth_us = SOON_US;
    world_init_wish(&t.w, (struct world_wish){.limits = &limits, .change = plain, .add = add_server});
    t.fd = world_client(&t.w);
    rig_send(t.fd, S(GET));
    is_told(&t, "HTTP/1.1 503", "auth_unavailable");
    finish(&t);
}

/* ---- bodies ---- */

static void sends_the_body_on_after_the_question(void **state) {
    (void)state;
    struct talk t;
    begin(&t, plain, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello");
    is_asked(&t, "\r\n\r\n");
    assert_true(reply_has(&t.asked, "PUT / HTTP/1.1\r\n") && reply_has(&t.asked, "Content-Length: 0\r\n"));
    assert_true(str_ends(reply_text(&t.asked), S("\r\n\r\n")));
    rig_send(t.server, S("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    is_reached(&t, "\r\n\r\nhello");
    rig_send(t.fd, S("world"));
    is_reached(&t, "helloworld");
    rig_send(t.backend, S(OK_HI));
    is_told(&t, "HTTP/1.1 200", "hi");
    finish(&t);
}

static void tells_the_body(void **state) {
    (void)state;
    static const char *const requests[] = {
        "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello",
        "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"};
    static const char *const rests[] = {"world", "5\r\nworld\r\n0\r\n\r\n"};
    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        struct talk t;
        begin(&t, body, requests[i]);
        rig_printf(t.fd, "%s", rests[i]);
        is_asked(&t, "\r\n\r\nhelloworld");
        assert_true(reply_has(&t.asked, "Content-Length: 10\r\n"));
        assert_false(reply_has(&t.asked, "chunked"));
        rig_send(t.server, S("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
        is_reached(&t, i ? "0\r\n\r\n" : "helloworld");
        assert_true(reply_has(&t.got, "hello"));
        rig_send(t.backend, S(OK_HI));
        is_told(&t, "HTTP/1.1 200", "hi");
        finish(&t);
    }
}

static void asks_for_a_body_that_waits(void **state) {
    (void)state;
    struct talk t;
    begin(&t, body, "PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    until(&t.w, has(t.fd, &t.client, "HTTP/1.1 100 Continue\r\n\r\n"));
    rig_send(t.fd, S("hello"));
    is_asked(&t, "\r\n\r\nhello");
    rig_send(t.server, S("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    is_reached(&t, "\r\n\r\nhello");
    assert_false(reply_has(&t.got, "Expect") || reply_has(&t.asked, "Expect"));
    rig_send(t.backend, S(OK_HI));
    is_told(&t, "HTTP/1.1 100", "hi");
    finish(&t);
}

/* Longer than what is read at once, and than what any window has. */
static void tells_a_long_body_and_refuses_one_that_is_too_long(void **state) {
    (void)state;
    for (unsigned n = 100000; n <= 100001; n++)
        for (int chunked = 0; chunked < 2; chunked++) {
            struct talk t;
            begin(&t, body, "");
            char *bytes = base_zalloc(n + 1);
            memset(bytes, 'x', n);
            if (chunked)
                rig_printf(t.fd, "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", n);
            else
                rig_printf(t.fd, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: %u\r\n\r\n", n);
            for (size_t at = 0; at < n && !has(t.fd, &t.client, "\r\n\r\n");) {
                ssize_t did = send(t.fd, bytes + at, n - at, MSG_NOSIGNAL);
                if (did > 0) at += (size_t)did;
                t.w.busy = true;
                world_turn(&t.w);
            }
            if (chunked) rig_send(t.fd, S("\r\n0\r\n\r\n"));
            if (n > 100000) {
                is_told(&t, "HTTP/1.1 413", "body_too_large");
            } else {
                is_asked(&t, "\r\n\r\n");
                until(&t.w, has(t.server, &t.asked, "") && t.asked.bytes.n > n);
                rig_send(t.server, S("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
                is_reached(&t, "\r\n\r\n");
                until(&t.w, has(t.backend, &t.got, chunked ? "\r\n0\r\n\r\n" : "") && t.got.bytes.n > n);
                rig_send(t.backend, S(OK_HI));
                is_told(&t, "HTTP/1.1 200", "hi");
            }
            free(bytes);
            finish(&t);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lets_in_whom_the_server_lets_in),
        cmocka_unit_test(goes_by_its_lists),
        cmocka_unit_test(passes_a_refusal_on),
        cmocka_unit_test(lets_nobody_in_without_an_answer),
        cmocka_unit_test(takes_an_answer_that_ends_with_its_connection),
        cmocka_unit_test(lets_nobody_in_when_the_server_is_away),
        cmocka_unit_test(waits_only_so_long),
        cmocka_unit_test(sends_the_body_on_after_the_question),
        cmocka_unit_test(tells_the_body),
        cmocka_unit_test(asks_for_a_body_that_waits),
        cmocka_unit_test(tells_a_long_body_and_refuses_one_that_is_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
