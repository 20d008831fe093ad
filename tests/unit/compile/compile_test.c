/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "base/num.h"
#include "table/walk.h"
#include "world.h"

struct route_case {
    const char *name;
    int64_t created_s;
    const char *hosts, *rules;
};
struct request_case {
    const char *request, *wanted;
};
struct match_case {
    const char *title;
    struct route_case routes[6];
    struct request_case requests[10];
};

/* [GW HTTPRouteRule.matches] [GW HTTPPathMatch] [GW HTTPRouteSpec.hostnames], one rule of precedence a case. */
static const struct match_case match_cases[] = {
    {"exact host, then longest wildcard, then none; what one does not take falls on",
     {{"any", 0, "-", "P /any"},
      {"wide", 0, "*.com", "P /w ; P /any"},
      {"narrow", 0, "*.example.com", "P /n ; P /w"},
      {"exact", 0, "www.example.com", "P /e"}},
     {{"GET www.example.com /e", "exact[0]"},
      {"GET www.example.com /n", "narrow[0]"},
      {"GET www.example.com /w", "narrow[0]"},
      {"GET a.b.example.com /w", "narrow[0]"},
      {"GET example.com /w", "wide[0]"},
      {"GET www.example.com /any", "wide[0]"},
      {"GET example.org /any", "any[0]"},
      {"GET - /any", "any[0]"},
      {"GET .example.com /n", "no route"},
      {"GET example.com /e", "no route"}}},
    {"a wildcard loses against an exact name even when it is older and its path longer",
     {{"old", 1, "*.example.com", "E /a/b"}, {"new", 9, "www.example.com", "P /"}},
     {{"GET www.example.com /a/b", "new[0]"}, {"GET x.example.com /a/b", "old[0]"}}},
    {"exact path, then the longest prefix, by whole segments",
     {{"r", 0, "-", "P / | P /a | P /a/b | E /a/b | E /a/"}},
     {{"GET x /a/b", "r[3]"},
      {"GET x /a/b/", "r[2]"},
      {"GET x /a/b/c", "r[2]"},
      {"GET x /a/bc", "r[1]"},
      {"GET x /a/", "r[4]"},
      {"GET x /a", "r[1]"},
      {"GET x /ab", "r[0]"},
      {"GET x /A", "r[0]"},
      {"GET x /a?/b", "r[1]"},
      {"OPTIONS x *", "r[0]"}}},
    {"a path whose conditions do not hold falls on to the next",
     {{"r", 0, "-", "E /a POST | P /a h:x=1 | P / q:v=2"}},
     {{"POST x /a", "r[0]"},
      {"GET x /a x=1", "r[1]"},
      {"GET x /a?v=2", "r[2]"},
      {"GET x /a x=2", "no route"},
      {"POST x /a/ x=1", "r[1]"}}},
    {"method, then more headers, then more query parameters",
     {{"q", 1, "-", "P / q:a=1 q:b=1"},
      {"h", 2, "-", "P / h:a=1"},
      {"hh", 3, "-", "P / h:a=1 h:b=1"},
      {"m", 4, "-", "P / GET"},
      {"all", 5, "-", "P /"}},
     {{"GET x /?a=1&b=1 a=1 b=1", "m[0]"},
      {"PUT x /?a=1&b=1 a=1 b=1", "hh[0]"},
      {"PUT x /?a=1&b=1 a=1", "h[0]"},
      {"PUT x /?a=1&b=1", "q[0]"},
      {"PUT x /?a=1", "all[0]"}}},
    {"older first, unknown age last, then the name, then the order in the route",
     {{"c", 7, "-", "P /age"},
      {"b", 8, "-", "P /age ; P /name"},
      {"a", 0, "-", "P /age ; P /order | P /order"},
      {"d", 8, "-", "P /name"},
      {"e", 0, "-", "P /order"}},
     {{"GET x /age", "c[0]"}, {"GET x /name", "b[0]"}, {"GET x /order", "a[0]"}}},
    {"names of headers without case, values with; a repeated header is one list",
     {{"one", 0, "-", "P / h:x-v=A"}, {"two", 0, "-", "P / h:x-v=A,B"}},
     {{"GET x / X-V=A", "one[0]"},
      {"GET x / x-v=a", "no route"},
      {"GET x / x-v=A X-v=B", "two[0]"},
      {"GET x / x-v=B x-v=A", "no route"}}},
    {"query parameters: the first value, names with case",
     {{"r", 0, "-", "P / q:a=1"}},
     {{"GET x /?a=1&a=2", "r[0]"},
      {"GET x /?a=2&a=1", "no route"},
      {"GET x /?A=1", "no route"},
      {"GET x /?b&a=1", "r[0]"},
      {"GET x /", "no route"}}},
    {"of headers with one name only the first entry counts",
     {{"twice", 0, "-", "P / h:a=1 h:a=2"}, {"two", 9, "-", "P / h:a=1 h:b=1"}},
     {{"GET x / a=1", "twice[0]"}, {"GET x / a=1 b=1", "two[0]"}}},
};

static void test_precedence(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(match_cases); i++) {
        const struct match_case *k = &match_cases[i];
        struct world w;
        world_init(&w);
        world_listener(&w, "http", 80, "");
        for (const struct route_case *r = k->routes; r < k->routes + 6 && r->name; r++)
            world_route(&w, r->name, r->created_s, "http", r->hosts, r->rules);
        world_apply(&w, NULL);
        for (const struct request_case *q = k->requests; q < k->requests + 10 && q->request; q++) {
            str got = world_lookup(w.table, 80, q->request, w.a);
            if (!str_eq(got, str_of(q->wanted)))
                fail_msg("%s: %s: got " STR_FMT ", wanted %s", k->title, q->request, STR_ARG(got), q->wanted);
        }
        world_fini(&w);
    }
}

static void test_listeners_are_isolated(void **state) {
    (void)state;
    struct world w;
    world_init(&w);
    world_listener(&w, "none", 80, "");
    world_listener(&w, "wild", 80, "*.example.com");
    world_listener(&w, "exact", 80, "www.example.com");
    world_listener(&w, "other", 81, "www.example.com");
    world_route(&w, "none", 0, "none", "-", "P /none");
    world_route(&w, "wild", 0, "wild other", "-", "P /wild");
    world_route(&w, "exact", 0, "exact", "*.com", "P /exact");
    world_apply(&w, NULL);
    assert_str(world_lookup(w.table, 80, "GET www.example.com /exact", w.a), "exact[0]");
    assert_str(world_lookup(w.table, 80, "GET www.example.com /wild", w.a), "no route");
    assert_str(world_lookup(w.table, 80, "GET a.example.com /wild", w.a), "wild[0]");
    assert_str(world_lookup(w.table, 80, "GET a.example.com /none", w.a), "no route");
    assert_str(world_lookup(w.table, 80, "GET example.com /none", w.a), "none[0]");
    assert_str(world_lookup(w.table, 81, "GET www.example.com /wild", w.a), "wild[0]");
    assert_str(world_lookup(w.table, 81, "GET example.com /wild", w.a), "no listener");
    world_remove(&w, PLAN_LISTENER, "Gateway/infra/gw/other");
    world_apply(&w, NULL);
    assert_str(world_lookup(w.table, 81, "GET www.example.com /wild", w.a), "no port");
    world_fini(&w);
}

/* What tables do not carry is not there for them, also when a listener turns into it and back. */
static void test_other_protocols_are_left_out(void **state) {
    (void)state;
    struct world w;
    world_init(&w);
    struct plan_listener l = {.piece = {.kind = PLAN_LISTENER, .key = S("Gateway/infra/gw/x")},
                              .gateway = S("infra/gw"),
                              .section = S("x"),
                              .bind_address = S(""),
                              .hostname = S(""),
                              .bind_port = 80,
                              .port = 80};
    struct plan_attachment at = {.listener = l.piece.key};
    str any = S("");
    at.hostnames.p = &any, at.hostnames.n = 1;
    struct plan_rule rule = {.targets = {NULL, 0}};
    struct plan_route r = {.piece = {.kind = PLAN_ROUTE, .key = S("TCPRoute/a/b")}, .kind = PLAN_ROUTE_TCP};
    r.attachments.p = &at, r.attachments.n = 1;
    r.rules.p = &rule, r.rules.n = 1;
    const struct table_socket *sockets;
    static const uint8_t protocols[] = {PLAN_TCP, PLAN_HTTP, PLAN_UDP, PLAN_TLS, PLAN_HTTPS, PLAN_TCP};
    for (size_t i = 0; i < COUNT_OF(protocols); i++) {
        l.protocol = protocols[i];
        world_set(&w, &l);
        world_set(&w, &r);
        world_apply(&w, NULL);
        assert_int_equal(table_sockets(w.table, &sockets),
                         protocols[i] == PLAN_HTTP || protocols[i] == PLAN_HTTPS);
        assert_int_equal(w.work.rules, 0);
    }
    world_fini(&w);
}

static void test_pieces_in_any_order(void **state) {
    (void)state;
    struct world w;
    world_init(&w);
    world_route(&w, "r", 0, "http", "a.b", "P /");
    world_apply(&w, NULL);
    assert_str(world_lookup(w.table, 80, "GET a.b /", w.a), "no port");
    world_listener(&w, "http", 80, "");
    world_apply(&w, NULL);
    assert_int_equal(w.work.rules, 0);
    assert_str(world_lookup(w.table, 80, "GET a.b /", w.a), "r[0]");
    char *with = world_dump(w.table);
    const struct table_socket *sockets;
    assert_int_equal(table_sockets(w.table, &sockets), 1);
    uint32_t slot = sockets[0].slot;
    uint32_t id = table_listener_for(table_port(w.table, slot), S("a.b"))->id;
    world_remove(&w, PLAN_LISTENER, "Gateway/infra/gw/http");
    world_apply(&w, NULL);
    assert_int_equal(table_sockets(w.table, &sockets), 0);
    assert_null(table_port(w.table, slot));
    world_listener(&w, "http", 80, "");
    world_apply(&w, NULL);
    char *again = world_dump(w.table);
    assert_string_equal(with, again);
    table_sockets(w.table, &sockets);
    assert_int_equal(sockets[0].slot, slot);
    assert_int_equal(table_listener_for(table_port(w.table, slot), S("a.b"))->id, id);
    free(with);
    free(again);
    world_remove(&w, PLAN_ROUTE, "HTTPRoute/ns/r");
    world_remove(&w, PLAN_LISTENER, "Gateway/infra/gw/http");
    world_apply(&w, NULL);
    world_listener(&w, "http", 80, "");
    world_apply(&w, NULL);
    table_sockets(w.table, &sockets);
    assert_int_not_equal(table_listener_for(table_port(w.table, slot), S("a.b"))->id, id);
    world_fini(&w);
}

static void test_dump(void **state) {
    (void)state;
    struct world w;
    world_init(&w);
    world_listener(&w, "http", 8080, "*.example.com");
    world_route(&w, "r", 0, "http", "-", "P /pathprefix GET h:header-1=Val-1 q:v=1 ; E /x");
    world_endpoints(&w, "ns/r-0:80", (const char *[]){"7.7.7.7", "2001:db8::1"}, 2);
    world_apply(&w, NULL);
    char *got = world_dump(w.table);
    assert_string_equal(
        got, "listen  :8080 http\n"
             "serve   :8080 listener=infra/gw/http *.example.com\n"
             "host    :8080 listener=infra/gw/http *\n"
             "route   1  exact /x  -> HTTPRoute/ns/r[0]  ns/r-0:80 w1 {7.7.7.7:8080 [2001:db8::1]:8080}\n"
             "route   2  prefix /pathprefix  header-1=Val-1  ?v=1  method=GET  -> HTTPRoute/ns/r[0]  "
             "ns/r-0:80 w1 {7.7.7.7:8080 [2001:db8::1]:8080}\n");
    free(got);
    world_fini(&w);
}

static struct plan_rule full_rule(void) {
    static struct plan_header set[] = {{{"x-env", 5}, {"prod", 4}}}, add[] = {{{"x-a", 3}, {"1", 1}}};
    static str names[] = {{"x-gone", 6}};
    static struct plan_filter filters[] = {
        {.type = PLAN_FILTER_REQUEST_HEADERS, .set = {set, 1}, .add = {add, 1}, .remove = {names, 1}},
        {.type = PLAN_FILTER_REWRITE,
         .hostname = {"in.example", 10},
         .path_change = PLAN_PATH_REPLACE_PREFIX,
         .path = {"/v2", 3}},
    };
    static struct plan_filter redirect[] = {{.type = PLAN_FILTER_REDIRECT,
                                             .scheme = {"https", 5},
                                             .port = 8443,
                                             .status = 301,
                                             .path_change = PLAN_PATH_REPLACE_FULL,
                                             .path = {"/", 1}}};
    static struct plan_target targets[] = {
        {.backend = {"ns/a:80", 7}, .weight = 3, .filters = {redirect, 1}},
        {.backend = {"", 0}, .answer = 500, .weight = 1, .why = {"gone", 4}},
    };
    return (struct plan_rule){.index = 2,
                              .name = S("first"),
                              .filters = {filters, 2},
                              .targets = {targets, 2},
                              .request_timeout = {10000000, true},
                              .backend_timeout = {1500, true}};
}

static void test_rule_in_full(void **state) {
    (void)state;
    struct world w;
    world_init(&w);
    world_listener(&w, "http", 80, "");
    struct plan_rule rule = full_rule();
    str any = S("");
    struct plan_attachment at = {S("Gateway/infra/gw/http"), {&any, 1}};
    struct plan_route r = {.piece = {.kind = PLAN_ROUTE, .key = S("HTTPRoute/ns/r")},
                           .ns = S("ns"),
                           .name = S("r"),
                           .attachments = {&at, 1},
                           .rules = {&rule, 1}};
    world_set(&w, &r);
    world_apply(&w, NULL);
    char *got = world_dump(w.table);
    assert_string_equal(
        got, "listen  :80 http\n"
             "serve   :80 listener=infra/gw/http *\n"
             "host    :80 listener=infra/gw/http *\n"
             "route   1  prefix /  -> HTTPRoute/ns/r[2]  name=first  filters{request header remove x-gone "
             "set x-env: "
             "prod add x-a: 1; rewrite host in.example prefix /v2}  timeout=10000ms  backend-timeout=1500us  "
             "filters{redirect 301 scheme https port 8443 path /}  ns/a:80 w3 {}  500 w1\n");
    free(got);
    struct compile_work before = w.work;
    assert_int_equal(before.rules, 1);
    rule.backend_timeout.v++; /* each field is part of the rule's identity */
    world_set(&w, &r);
    world_apply(&w, NULL);
    assert_int_equal(w.work.rules, 1);
    assert_int_equal(w.work.hosts, 1);
    world_fini(&w);
}

static void test_certificates(void **state) {
    (void)state;
    struct world w;
    world_init(&w);
    str keys[] = {S("c1"), S("c2")}, name1 = S("*.example.com"), name2 = S("www.example.com");
    struct plan_listener l = {.piece = {.kind = PLAN_LISTENER, .key = S("Gateway/infra/gw/https")},
                              .gateway = S("infra/gw"),
                              .section = S("https"),
                              .bind_address = S("::1"),
                              .bind_port = 8443,
                              .port = 443,
                              .protocol = PLAN_HTTPS,
                              .hostname = S(""),
                              .tls_min = PLAN_TLS_1_3,
                              .certificates = {keys, 2}};
    struct plan_certificate c = {.piece = {.kind = PLAN_CERTIFICATE, .key = keys[0]},
                                 .chain_pem = S("chain"),
                                 .key_pem = S("key"),
                                 .names = {&name1, 1}};
    world_set(&w, &l);
    world_set(&w, &c);
    world_apply(&w, NULL);
    const struct table_socket *s;
    assert_int_equal(table_sockets(w.table, &s), 1);
    assert_true(s->tls && table_port_tls(table_port(w.table, s->slot)));
    const struct table_listener *t = table_listener_for(table_port(w.table, s->slot), S(""));
    assert_int_equal(t->certificates_n, 1);
    assert_int_equal(t->port, 443);
    c.piece.key = keys[1]; /* what was missing comes: the listener is made anew, and nothing else */
    c.names.p = &name2;
    world_set(&w, &c);
    world_apply(&w, NULL);
    assert_int_equal(w.work.listeners, 1);
    assert_int_equal(w.work.certificates, 1);
    char *got = world_dump(w.table);
    assert_string_equal(got,
                        "listen  [::1]:8443 https\n"
                        "serve   [::1]:8443 listener=infra/gw/https *  tls>=1.3  certificate{*.example.com}  "
                        "certificate{www.example.com}\n");
    free(got);
    uint64_t id = table_listener_for(table_port(w.table, s->slot), S(""))->certificates[0]->id;
    world_remove(&w, PLAN_CERTIFICATE, "c1");
    struct table *before;
    world_apply(&w, &before);
    table_sockets(w.table, &s);
    assert_int_equal(table_listener_for(table_port(w.table, s->slot), S(""))->certificates_n, 1);
    assert_null(compile_retired(w.compiler)); /* a table still shows it */
    compile_home(w.compiler, before);
    struct compile_grave *g = compile_retired(w.compiler);
    assert_non_null(g);
    assert_int_equal(g->n, 0);
    assert_int_equal(g->certificates_n, 1);
    assert_int_equal(g->certificates[0], id);
    compile_buried(w.compiler, g);
    assert_null(compile_retired(w.compiler));
    world_fini(&w);
}

enum { ROUTES = 10000, HOSTS = 1000 };

static void many_routes(struct world *w) {
    world_listener(w, "http", 80, "");
    for (unsigned i = 0; i < ROUTES; i++) {
        struct arena *keep = w->a;
        w->a = arena_new();
        char name[32], host[32], rules[64];
        snprintf(name, sizeof name, "r%05u", i);
        snprintf(host, sizeof host, "h%u.example.com", i % HOSTS);
        snprintf(rules, sizeof rules, "P /p%u | P /q%u", i / HOSTS, i / HOSTS);
        world_route(w, name, 0, "http", host, rules);
        arena_free(w->a);
        w->a = keep;
    }
    world_apply(w, NULL);
}

/* Cost follows the change. */
static void test_work(void **state) {
    (void)state;
    struct world w;
    world_init(&w);
    many_routes(&w);
    assert_int_equal(w.work.rules, 2 * ROUTES);
    assert_int_equal(w.work.hosts, HOSTS);
    world_route(&w, "r00777", 0, "http", "h777.example.com", "P /p0 | P /new");
    world_apply(&w, NULL); /* only what it matches is new: the rules are the old ones */
    assert_int_equal(w.work.rules, 0);
    assert_int_equal(w.work.hosts, 1);
    assert_str(world_lookup(w.table, 80, "GET h777.example.com /new", w.a), "r00777[1]");
    world_route(&w, "r00777", 0, "http", "h777.example.com extra.example.com", "P /p0 | P /new");
    world_apply(&w, NULL); /* the other host shows what it did */
    assert_int_equal(w.work.rules, 0);
    assert_int_equal(w.work.hosts, 1);
    world_route(&w, "r00777", 0, "http", "h777.example.com", "P /p0 | P /new | P /third");
    world_apply(&w, NULL);
    assert_int_equal(w.work.rules, 1);
    assert_int_equal(w.work.hosts, 1); /* and extra.example.com ended */
    assert_str(world_lookup(w.table, 80, "GET extra.example.com /new", w.a), "no route");
    world_endpoints(&w, "ns/r00777-0:80", (const char *[]){"10.0.0.1"}, 1);
    world_apply(&w, NULL);
    assert_int_equal(w.work.rules + w.work.hosts + w.work.listeners, 0);
    assert_int_equal(w.work.endpoints, 1);
    assert_int_equal(w.table->touched_n, 1);
    const struct table_endpoints *e = table_endpoints(w.table, w.table->touched[0]);
    assert_int_equal(e->n, 1);
    assert_int_equal(e->v[0].port, 8080);
    world_remove(&w, PLAN_ENDPOINTS, "ns/r00777-0:80");
    world_apply(&w, NULL);
    assert_int_equal(w.table->touched_n, 1);
    assert_null(table_endpoints(w.table, w.table->touched[0]));
    world_fini(&w);
}

static const struct table_rule *rule_of(const struct table *t, const char *request, struct arena *a) {
    struct http_msg m;
    str host;
    world_request(a, str_of(request), &m, &host);
    const struct table_socket *s;
    table_sockets(t, &s);
    struct table_match match;
    const struct table_listener *l = table_listener_for(table_port(t, s->slot), host);
    return table_match(t, l, host, &m, a, NULL, &match) ? match.rule : NULL;
}

/* A rule outlives its table until it is buried, and so does its backend; slots are not taken again before. */
static void test_retire_and_bury(void **state) {
    (void)state;
    struct world w;
    world_init(&w);
    world_listener(&w, "http", 80, "");
    world_route(&w, "old", 0, "http", "-", "P /");
    world_apply(&w, NULL);
    const struct table_rule *rule = rule_of(w.table, "GET x /", w.a);
    uint32_t rule_slot = rule->slot, backend_slot = rule->targets[0].backend->slot;
    world_remove(&w, PLAN_ROUTE, "HTTPRoute/ns/old");
    world_route(&w, "new", 0, "http", "-", "P /");
    struct table *before;
    world_apply(&w, &before);
    assert_null(compile_retired(w.compiler)); /* a table still shows it */
    assert_ptr_equal(rule_of(before, "GET x /", w.a), rule);
    compile_home(w.compiler, before);
    struct compile_grave *g = compile_retired(w.compiler);
    assert_non_null(g);
    assert_int_equal(g->n, 1);
    assert_int_equal(g->rule_slots[0], rule_slot);
    assert_null(compile_retired(w.compiler));
    assert_str(rule->targets[0].backend->name, "ns/old-0:80"); /* an exchange may still read both */
    world_route(&w, "third", 0, "http", "-", "P /third");
    world_apply(&w, NULL);
    const struct table_rule *third = rule_of(w.table, "GET x /third", w.a);
    assert_int_not_equal(third->slot, rule_slot);
    assert_int_not_equal(third->targets[0].backend->slot, backend_slot);
    compile_buried(w.compiler, g);
    world_route(&w, "fourth", 0, "http", "-", "P /fourth");
    world_apply(&w, NULL);
    const struct table_rule *fourth = rule_of(w.table, "GET x /fourth", w.a);
    assert_int_equal(fourth->slot, rule_slot);
    assert_int_equal(fourth->targets[0].backend->slot, backend_slot);
    assert_int_equal(w.table->rule_slots, 3);
    world_fini(&w);
}

/* An ended backend's slot waits for the tables that knew it, even when no rule names it. */
static void test_backend_slots(void **state) {
    (void)state;
    struct world w;
    world_init(&w);
    world_endpoints(&w, "ns/a:80", (const char *[]){"10.0.0.1"}, 1);
    world_apply(&w, NULL);
    world_remove(&w, PLAN_ENDPOINTS, "ns/a:80");
    struct table *first, *second;
    world_apply(&w, &first);
    world_endpoints(&w, "ns/b:80", (const char *[]){"10.0.0.1"}, 1);
    world_apply(&w, &second);
    assert_int_equal(w.table->touched[0], 1);
    compile_home(w.compiler, second); /* out of order: the first still shows it */
    assert_non_null(table_endpoints(first, 0));
    world_endpoints(&w, "ns/c:80", (const char *[]){"10.0.0.1"}, 1);
    world_apply(&w, NULL);
    assert_int_equal(w.table->touched[0], 2);
    compile_home(w.compiler, first);
    world_endpoints(&w, "ns/d:80", (const char *[]){"10.0.0.1"}, 1);
    world_apply(&w, NULL);
    assert_int_equal(w.table->touched[0], 0);
    world_fini(&w);
}

static void checked_listener(struct world *w, const char *section, int port, enum plan_check check) {
    struct plan_balancing *b = arena_make(w->a, struct plan_balancing);
    struct plan_settings *s = arena_make(w->a, struct plan_settings);
    *b = (struct plan_balancing){.check = (uint8_t)check};
    *s = (struct plan_settings){.balancing = b};
    world_set(w, &(struct plan_listener){.piece = {.kind = PLAN_LISTENER,
                                                   .key = arena_printf(w->a, "Gateway/infra/gw/%s", section)},
                                         .gateway = S("infra/gw"),
                                         .section = str_of(section),
                                         .bind_port = port,
                                         .port = port,
                                         .protocol = PLAN_HTTP,
                                         .settings = s});
}

static void note_rule(void *seen, const struct table_rule *r, const struct table_balancing *by) {
    assert_int_equal(by->probe, TABLE_PROBE_TCP);
    str route = str_from(r->route, sizeof "HTTPRoute/ns/r" - 1);
    uint64_t number;
    assert_ok(num_parse(route, 99, &number));
    ((uint32_t *)seen)[number]++;
}

/* The rules of listeners that want checks, each as often as it is attached, in few steps and in many. */
static void test_walk_of_those_that_want_checks(void **state) {
    (void)state;
    static const uint32_t steps[] = {1, 7, UINT32_MAX};
    struct world w;
    world_init(&w);
    world_listener(&w, "plain", 80, "");
    checked_listener(&w, "off", 81, PLAN_CHECK_OFF);
    world_apply(&w, NULL);
    assert_false(w.table->checks);
    checked_listener(&w, "one", 82, PLAN_CHECK_TCP);
    checked_listener(&w, "two", 83, PLAN_CHECK_TCP);
    for (unsigned i = 0; i < 100; i++) {
        static const char *const listeners[] = {"plain", "one", "off", "one two"};
        char name[8], rule[16], host[16];
        snprintf(name, sizeof name, "r%u", i), snprintf(rule, sizeof rule, "P /%u", i);
        snprintf(host, sizeof host, i % 10 < 5 ? "h%u.test" : "-", i % 5);
        world_route(&w, name, i, listeners[i % 4], host, rule);
    }
    world_apply(&w, NULL);
    assert_true(w.table->checks);
    for (size_t k = 0; k < COUNT_OF(steps); k++) {
        uint32_t seen[100] = {0};
        struct walk walk = {0};
        while (walk_rules(w.table, &walk, steps[k], note_rule, seen)) {}
        for (unsigned i = 0; i < 100; i++) assert_int_equal(seen[i], i % 4 == 3 ? 2 : i % 4 == 1);
    }
    checked_listener(&w, "one", 82, PLAN_CHECK_OFF);
    world_remove(&w, PLAN_LISTENER, "Gateway/infra/gw/two");
    world_apply(&w, NULL);
    assert_false(w.table->checks);
    assert_false(walk_rules(w.table, &(struct walk){0}, 1, note_rule, NULL));
    world_fini(&w);
}

/* Graves given out and never buried end with the compiler. */
static void test_end_with_open_grave(void **state) {
    (void)state;
    struct world w;
    world_init(&w);
    world_listener(&w, "http", 80, "");
    world_route(&w, "r", 0, "http", "-", "P /");
    world_apply(&w, NULL);
    world_remove(&w, PLAN_ROUTE, "HTTPRoute/ns/r");
    world_apply(&w, NULL);
    assert_non_null(compile_retired(w.compiler));
    world_fini(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_listeners_are_isolated),
        cmocka_unit_test(test_other_protocols_are_left_out),
        cmocka_unit_test(test_pieces_in_any_order),
        cmocka_unit_test(test_dump),
        cmocka_unit_test(test_rule_in_full),
        cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_work),
        cmocka_unit_test(test_retire_and_bury),
        cmocka_unit_test(test_backend_slots),
        cmocka_unit_test(test_walk_of_those_that_want_checks),
        cmocka_unit_test(test_end_with_open_grave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
