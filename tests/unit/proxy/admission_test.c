/* SPDX-License-Identifier: Apache-2.0 */
/* links: compile */
/* Filters of listeners: asked before a request is matched, by what they made of it, once; and what becomes of it when tables change. */
#include "world.h"

#include "proxy/admission.h"

#define OK_HI     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
#define LET_IN(x) "HTTP/1.1 200 OK\r\nHost: evil\r\nX-Tenant: " x "\r\nContent-Length: 0\r\n\r\n"
#define GET       "GET /x HTTP/1.1\r\nHost: h.example\r\nX-Tenant: forged\r\nAuthorization: y\r\n\r\n"

/* The servers "auth" and "second" are others[1] and others[2]; requests of the tenant "a" are for "mine", which is others[0]. */
static const char *const asked[] = {"auth", "second"};
struct filters_of {
    const char *listener;
    uint32_t n; /* how many are asked */
    uint64_t body_bytes_max;
    const char *why; /* nobody can be asked */
    bool no_route;
};
static struct filters_of gate; /* of the case at hand */

static void set_listener(struct rig *r) {
    struct plan_filter *v = arena_array(r->a, struct plan_filter, 2);
    for (uint32_t i = 0; i < gate.n; i++) {
        struct plan_auth *a = arena_make(r->a, struct plan_auth);
        *a = (struct plan_auth){.protocol = PLAN_AUTH_HTTP,
                                .backend = gate.why ? S("") : arena_printf(r->a, "ns/%s:80", asked[i]),
                                .why = str_of(gate.why ? gate.why : ""),
                                .body_bytes_max = (int64_t)gate.body_bytes_max};
        a->request_headers.p = arena_array(r->a, str, 1), a->request_headers.n = 1;
        a->request_headers.p[0] = S("x-tenant");
        v[i] = (struct plan_filter){.type = PLAN_FILTER_AUTH, .auth = a};
    }
    rig_set(
        r, &(struct plan_listener){.piece = {.kind = PLAN_LISTENER,
                                             .key = arena_printf(r->a, "Gateway/infra/gw/%s", gate.listener)},
                                   .gateway = S("infra/gw"),
                                   .section = str_of(gate.listener),
                                   .bind_address = S(""),
                                   .bind_port = 1,
                                   .port = 8080,
                                   .protocol = PLAN_HTTP,
                                   .hostname = S(""),
                                   .filters = {v, gate.n}});
}
static void of_tenant(struct rig *r, struct plan_rule *rule) {
    struct plan_value_match *h = arena_make(r->a, struct plan_value_match);
    *h = (struct plan_value_match){.type = PLAN_VALUE_EXACT, .name = S("x-tenant"), .value = S("a")};
    rule->matches.p[0].headers.p = h, rule->matches.p[0].headers.n = 1;
}
static void add_all(struct world *w) {
    struct rig *r = &w->rig;
    uint16_t ports[3];
    for (size_t i = 0; i < 3; i++) w->others[i] = world_listen(&ports[i]);
    rig_backend(r, "mine", &ports[0], 1);
    rig_backend(r, asked[0], &ports[1], 1);
    rig_backend(r, asked[1], &ports[2], 1);
    set_listener(r);
    rig_route(r, "tenant", "http", "", "mine", of_tenant);
}
static void elsewhere(struct rig *r, struct plan_rule *rule) {
    (void)r;
    if (gate.no_route) rule->matches.p[0].path = S("/other");
}
static void tells_a_body(struct rig *r, struct plan_rule *rule) {
    struct plan_filter *f = arena_make(r->a, struct plan_filter);
    struct plan_auth *a = arena_make(r->a, struct plan_auth);
    *a = (struct plan_auth){
        .protocol = PLAN_AUTH_HTTP, .backend = S("ns/second:80"), .body_bytes_max = 1 << 20};
    *f = (struct plan_filter){.type = PLAN_FILTER_AUTH, .auth = a};
    rule->filters.p = f, rule->filters.n = 1;
}

struct talk {
    struct world w;
    int fd, server[2], backend, mine;
    struct reply client, question[2], got;
};
static void begin(struct talk *t, struct filters_of g, void (*change)(struct rig *, struct plan_rule *),
                  const char *request) {
    gate = g;
    if (!gate.listener) gate.listener = "http";
    *t = (struct talk){.backend = -1, .mine = -1, .server = {-1, -1}};
    world_init_wish(&t->w, (struct world_wish){.change = change ? change : elsewhere, .add = add_all});
    plan_delta_fini(&t->w.rig.delta); /* what follows are changes */
    t->fd = world_client(&t->w);
    rig_printf(t->fd, "%s", request);
}
static void is_asked(struct talk *t, int i, const char *end) {
    if (t->server[i] < 0) t->server[i] = world_accept(&t->w, t->w.others[1 + i]);
    until(&t->w, has(t->server[i], &t->question[i], end));
}
static void reaches(struct talk *t, int listener, int *fd, const char *end) {
    if (*fd < 0) *fd = world_accept(&t->w, listener);
    until(&t->w, has(*fd, &t->got, end));
}
static void is_told(struct talk *t, const char *begins, const char *end, enum http_reason why) {
    world_is_told(&t->w, t->fd, &t->client, begins, end);
    assert_int_equal(t->w.reason, why);
}
static void finish(struct talk *t) {
    for (uint32_t i = 0; i < t->w.rig.table->rule_slots; i++)
        assert_int_equal(proxy_uses(t->w.proxy, i), 0); /* what was held is let go */
    reply_fini(&t->client), reply_fini(&t->got);
    int fds[] = {t->fd, t->server[0], t->server[1], t->backend, t->mine};
    for (size_t i = 0; i < 2; i++) reply_fini(&t->question[i]);
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        if (fds[i] >= 0) close(fds[i]);
    world_fini(&t->w);
}
/* The plan as it has become. */
static void publish(struct talk *t) {
    struct rig *r = &t->w.rig;
    struct table *before = r->table;
    struct compile_work work;
    r->plan.revision++;
    r->table = compile_apply(r->compiler, &r->plan, &r->delta, 1, &work);
    proxy_adopt(t->w.proxy, r->table);
    compile_home(r->compiler, before);
    plan_delta_fini(&r->delta);
}

static void matches_what_the_filter_made_of_it(void **state) {
    (void)state;
    struct talk t;
    begin(&t, (struct filters_of){.n = 1}, NULL, GET);
    is_asked(&t, 0, "\r\n\r\n");
    assert_true(reply_has(&t.question[0], "GET /x HTTP/1.1\r\n") &&
                reply_has(&t.question[0], "Host: h.example\r\n"));
    rig_send(t.server[0], S(LET_IN("a")));
    reaches(&t, t.w.others[0], &t.mine, "\r\n\r\n");
    assert_true(reply_has(&t.got, "Host: h.example\r\n") && reply_has(&t.got, "X-Tenant: a\r\n") &&
                reply_has(&t.got, "X-Forwarded-For: 192.0.2.1\r\n"));
    assert_false(reply_has(&t.got, "forged") || reply_has(&t.got, "evil"));
    rig_send(t.mine, S(OK_HI));
    is_told(&t, "HTTP/1.1 200", "hi", REASON_NONE);
    assert_true(world_is_untouched(t.w.backend));
    finish(&t);
    /* and what the client says of itself counts for nothing */
    begin(&t, (struct filters_of){.n = 1}, NULL, "GET / HTTP/1.1\r\nHost: h\r\nX-Tenant: a\r\n\r\n");
    is_asked(&t, 0, "\r\n\r\n");
    rig_send(t.server[0], S(LET_IN("b")));
    reaches(&t, t.w.backend, &t.backend, "\r\n\r\n");
    rig_send(t.backend, S(OK_HI));
    is_told(&t, "HTTP/1.1 200", "hi", REASON_NONE);
    assert_true(world_is_untouched(t.w.others[0]));
    finish(&t);
}

static void asks_in_the_order_of_the_list(void **state) {
    (void)state;
    struct talk t;
    begin(&t, (struct filters_of){.n = 2}, NULL, GET);
    is_asked(&t, 0, "\r\n\r\n");
    assert_true(reply_has(&t.question[0], "X-Tenant: forged\r\n") && world_is_untouched(t.w.others[2]));
    rig_send(t.server[0], S(LET_IN("a")));
    is_asked(&t, 1, "\r\n\r\n");
    assert_true(reply_has(&t.question[1], "X-Tenant: a\r\n")); /* what the first has said */
    rig_send(t.server[1], S(LET_IN("b")));
    reaches(&t, t.w.backend, &t.backend, "\r\n\r\n");
    assert_true(reply_has(&t.got, "X-Tenant: b\r\n")); /* the last word, and no match before it */
    rig_send(t.backend, S(OK_HI));
    is_told(&t, "HTTP/1.1 200", "hi", REASON_NONE);
    finish(&t);
}

static void answers_before_it_is_matched(void **state) {
    (void)state;
    static const struct {
        const char *answer, *begins, *end;
        enum http_reason why;
    } cases[] = {
        {"HTTP/1.1 401 Who\r\nContent-Length: 3\r\n\r\nyou", "HTTP/1.1 401", "you", REASON_AUTH_DENIED},
        {"HTTP/1.1 2", "HTTP/1.1 503", "auth_unavailable", REASON_AUTH_UNAVAILABLE},
        {LET_IN("c"), "HTTP/1.1 404", "no_route", REASON_NO_ROUTE},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct talk t;
        begin(&t, (struct filters_of){.n = 2, .no_route = true}, NULL, GET);
        is_asked(&t, 0, "\r\n\r\n");
        rig_send(t.server[0], str_of(cases[i].answer));
        if (i == 1) shutdown(t.server[0], SHUT_RDWR);
        if (i == 2) {
            is_asked(&t, 1, "\r\n\r\n");
            rig_send(t.server[1], str_of(cases[i].answer));
        }
        is_told(&t, cases[i].begins, cases[i].end, cases[i].why);
        assert_true(world_is_untouched(t.w.backend) && world_is_untouched(t.w.others[0]));
        assert_true(i == 2 || world_is_untouched(t.w.others[2]));
        finish(&t);
    }
    struct talk t;
    begin(&t, (struct filters_of){.n = 1, .why = "no such Service"}, NULL, GET);
    is_told(&t, "HTTP/1.1 500", "invalid_backend", REASON_INVALID_BACKEND);
    finish(&t);
}

/* A rule's own filter is asked as well, whichever of the two is told the body. */
static void asks_the_rules_filters_after(void **state) {
    (void)state;
    for (uint64_t bytes = 0; bytes <= 1 << 20; bytes += 1 << 20)
        for (size_t n = 5; n <= 200000; n += 199995) {
            struct talk t;
            char *body = base_zalloc(n + 1);
            memset(body, 'x', n);
            begin(&t, (struct filters_of){.n = 1, .body_bytes_max = bytes}, tells_a_body, "");
            rig_printf(t.fd, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n", n);
            size_t at = 0;
            bool let_in[2] = {0};
            for (bool done = false; !done;) {
                ssize_t did = at < n ? send(t.fd, body + at, n - at, MSG_NOSIGNAL) : 0;
                if (did > 0) at += (size_t)did;
                t.w.busy = true;
                world_turn(&t.w);
                for (int i = 0; i < 2; i++) {
                    int listener = t.w.others[1 + i];
                    if (t.server[i] < 0)
                        t.server[i] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
                    bool whole = t.server[i] >= 0 && has(t.server[i], &t.question[i], "\r\n\r\n") &&
                                 (!(i || bytes) || t.question[i].bytes.n > n);
                    if (whole && !let_in[i]) rig_send(t.server[i], S(LET_IN("b"))), let_in[i] = true;
                }
                if (let_in[1] && t.backend < 0)
                    t.backend = accept4(t.w.backend, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
                done = t.backend >= 0 && has(t.backend, &t.got, "\r\n\r\n") && t.got.bytes.n > n;
            }
            rig_send(t.backend, S(OK_HI));
            is_told(&t, "HTTP/1.1 200", "hi", REASON_NONE);
            free(body);
            finish(&t);
        }
}

/* ---- the table becomes another one while somebody is asked ---- */

static void goes_by_the_table_of_now(void **state) {
    (void)state;
    struct talk t;
    begin(&t, (struct filters_of){.n = 1}, NULL, GET);
    is_asked(&t, 0, "\r\n\r\n");
    gate.n = 2; /* what is asked from now on; who was asked before that is not asked twice */
    set_listener(&t.w.rig);
    publish(&t);
    rig_send(t.server[0], S(LET_IN("a")));
    reaches(&t, t.w.others[0], &t.mine, "\r\n\r\n");
    rig_send(t.mine, S(OK_HI));
    is_told(&t, "HTTP/1.1 200", "hi", REASON_NONE);
    assert_true(world_is_untouched(t.w.others[2]));
    finish(&t);
}

static void finds_nobody_when_the_listener_is_gone(void **state) {
    (void)state;
    struct talk t;
    begin(&t, (struct filters_of){.n = 1}, NULL, GET);
    is_asked(&t, 0, "\r\n\r\n");
    plan_set(&t.w.rig.plan, PLAN_LISTENER, S("Gateway/infra/gw/http"), NULL, &t.w.rig.delta);
    publish(&t);
    struct compile_grave *g = compile_retired(t.w.rig.compiler); /* its gate; whoever is asked holds it */
    assert_int_equal(g->n, 1);
    assert_int_equal(proxy_uses(t.w.proxy, g->rule_slots[0]), 1);
    rig_send(t.server[0], S(LET_IN("a")));
    is_told(&t, "HTTP/1.1 404", "no_listener", REASON_NO_LISTENER);
    assert_int_equal(proxy_uses(t.w.proxy, g->rule_slots[0]), 0);
    compile_buried(t.w.rig.compiler, g);
    finish(&t);
}

static void is_asked_by_a_listener_in_its_place(void **state) {
    (void)state;
    struct talk t;
    begin(&t, (struct filters_of){.n = 1}, NULL, GET);
    is_asked(&t, 0, "\r\n\r\n");
    plan_set(&t.w.rig.plan, PLAN_LISTENER, S("Gateway/infra/gw/http"), NULL, &t.w.rig.delta);
    gate.listener = "web";
    set_listener(&t.w.rig);
    rig_route(&t.w.rig, "web", "web", "", "a", NULL);
    publish(&t);
    rig_send(t.server[0], S(LET_IN("a")));
    until(&t.w, has(t.server[0], &t.question[0], "X-Tenant: a\r\n")); /* on the same connection, anew */
    rig_send(t.server[0], S(LET_IN("b")));
    reaches(&t, t.w.backend, &t.backend, "\r\n\r\n");
    assert_true(reply_has(&t.got, "X-Forwarded-For: 192.0.2.1\r\n"));
    rig_send(t.backend, S(OK_HI));
    is_told(&t, "HTTP/1.1 200", "hi", REASON_NONE);
    finish(&t);
}

/* The second of the list is no backend any more when its turn comes: what is asked now counts. */
static void begins_again_when_whom_to_ask_is_gone(void **state) {
    (void)state;
    for (uint32_t n = 0; n < 2; n++) {
        struct talk t;
        begin(&t, (struct filters_of){.n = 2}, NULL, GET);
        is_asked(&t, 0, "\r\n\r\n");
        gate.n = n;
        set_listener(&t.w.rig);
        plan_set(&t.w.rig.plan, PLAN_ENDPOINTS, S("ns/second:80"), NULL, &t.w.rig.delta);
        plan_set(&t.w.rig.plan, PLAN_BACKEND, S("ns/second:80"), NULL, &t.w.rig.delta);
        publish(&t);
        rig_send(t.server[0], S(LET_IN("a")));
        if (n) {
            until(&t.w, has(t.server[0], &t.question[0], "X-Tenant: a\r\n"));
            rig_send(t.server[0], S(LET_IN("a")));
        }
        reaches(&t, t.w.others[0], &t.mine, "\r\n\r\n");
        rig_send(t.mine, S(OK_HI));
        is_told(&t, "HTTP/1.1 200", "hi", REASON_NONE);
        finish(&t);
    }
    /* it is the same list, and it has no endpoint now: nobody passes */
    struct talk t;
    begin(&t, (struct filters_of){.n = 2}, NULL, GET);
    is_asked(&t, 0, "\r\n\r\n");
    rig_backend(&t.w.rig, "second", NULL, 0);
    publish(&t);
    rig_send(t.server[0], S(LET_IN("a")));
    is_told(&t, "HTTP/1.1 503", "auth_unavailable", REASON_AUTH_UNAVAILABLE);
    finish(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_what_the_filter_made_of_it),
        cmocka_unit_test(asks_in_the_order_of_the_list),
        cmocka_unit_test(answers_before_it_is_matched),
        cmocka_unit_test(asks_the_rules_filters_after),
        cmocka_unit_test(goes_by_the_table_of_now),
        cmocka_unit_test(finds_nobody_when_the_listener_is_gone),
        cmocka_unit_test(is_asked_by_a_listener_in_its_place),
        cmocka_unit_test(begins_again_when_whom_to_ask_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
