/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include <unistd.h>

#include "cli/diff.h"
#include "resolve/features.h"

/* Two sides that begin alike. */
static const char both[] =
    "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: c}\n"
    "spec: {controllerName: postern.dev/gateway-controller}\n---\n"
    "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: g}\n"
    "spec: {gatewayClassName: c, listeners: [{name: http, port: 80, protocol: HTTP}]}\n---\n"
    "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 80}]}\n---\n"
    "apiVersion: v1\nkind: Service\nmetadata: {name: t}\nspec: {ports: [{port: 80}]}\n---\n";
#define ROUTE(name, rules)                                                                                   \
    "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: " name "}\nspec:\n"         \
    "  parentRefs: [{name: g}]\n  hostnames: [h.example]\n  rules:\n" rules "---\n"

#define GW "apiVersion: gateway.networking.k8s.io/v1\nkind: "

struct fixture {
    char files[2][64];
    struct offline sides[2];
    struct diff d;
    struct buf out;
};

/* What the data plane does not have yet is taken as served when `all`. */
static void compare_with(struct fixture *f, const char *a, const char *b, bool all) {
    const char *const more[] = {a, b};
    *f = (struct fixture){0};
    for (size_t i = 0; i < 2; i++) {
        snprintf(f->files[i], sizeof f->files[i], "/tmp/postern-test-XXXXXX.yaml");
        int fd = mkstemps(f->files[i], 5);
        FILE *w = fdopen(fd, "we");
        fprintf(w, "%s%s", both, more[i]);
        fclose(w);
        const char *path = f->files[i], *missing;
        assert_ok(offline_init(&f->sides[i], &path, 1, &(struct offline_settings){0}, &missing));
        struct pipeline *p = &f->sides[i].pipeline;
        struct table *before;
        if (!all) continue;
        features_enable_all(&p->facts);
        if (pipeline_pass(p, 1800000000, 0, &before)) pipeline_release(p, before);
    }
    f->d = (struct diff){.arena = arena_new(), .a = &f->sides[0], .b = &f->sides[1]};
    diff_objects(&f->d);
    diff_traffic(&f->d);
    diff_statuses(&f->d);
    buf_init(&f->out, 1 << 20);
    diff_print_text(&f->out, &f->d);
}

static void compare(struct fixture *f, const char *a, const char *b) { compare_with(f, a, b, false); }

static void done(struct fixture *f) {
    buf_fini(&f->out);
    arena_free(f->d.arena);
    for (size_t i = 0; i < 2; i++) {
        offline_fini(&f->sides[i]);
        unlink(f->files[i]);
    }
}

#define PLAIN ROUTE("r", "  - matches: [{path: {value: /a}}]\n    backendRefs: [{name: s, port: 80}]\n")

static void the_same_differs_in_nothing(void **state) {
    (void)state;
    struct fixture f;
    compare(&f, PLAIN, PLAIN);
    assert_false(diff_matters(&f.d));
    assert_str(buf_str(&f.out), "2 requests tried: 2 taken as before, 0 otherwise; statuses: 0 introduced, 0 "
                                "fixed, 0 changed, 0 as bad as before\n");
    done(&f);
}

static void an_index_alone_is_no_difference(void **state) {
    (void)state;
    struct fixture f;
    compare(&f, PLAIN,
            ROUTE("r",
                  "  - matches: [{path: {type: Exact, value: /b}}]\n    backendRefs: [{name: t, port: 80}]\n"
                  "  - matches: [{path: {value: /a}}]\n    backendRefs: [{name: s, port: 80}]\n"));
    assert_true(diff_matters(&f.d));
    assert_str(buf_str(&f.out), "Objects\n  ~ HTTPRoute default/r\n"
                                "Pieces\n  + backend default/t:80  0 endpoints\n"
                                "Traffic\n  GET http://h.example/b\n    - 404 no_route\n"
                                "    + HTTPRoute/default/r rule 0 -> default/t:80\n"
                                "Routes (requests of those tried)\n  HTTPRoute/default/r wins 1\n"
                                "3 requests tried: 2 taken as before, 1 otherwise; statuses: 0 introduced, 0 "
                                "fixed, 0 changed, 0 as bad as before\n");
    done(&f);
}

static void one_route_takes_from_another(void **state) {
    (void)state;
    struct fixture f;
    compare(&f, PLAIN,
            PLAIN ROUTE(
                "q", "  - matches: [{path: {value: /a}, method: GET, headers: [{name: x, value: '1'}],"
                     " queryParams: [{name: v, value: a b}]}]\n"
                     "    filters: [{type: URLRewrite, urlRewrite: {hostname: inner}}]\n"
                     "    timeouts: {request: 2s}\n"
                     "    backendRefs: [{name: s, port: 80, weight: 3}, {name: s, port: 80, weight: 1}]\n"));
    assert_int_equal(f.d.requests_n, 2);
    assert_str(f.d.requests[0].url, "http://h.example/a?v=a%20b");
    assert_int_equal(f.d.requests[0].headers_n, 1);
    assert_str(f.d.requests[0].before.route, "HTTPRoute/default/r");
    assert_str(f.d.requests[0].after.route, "HTTPRoute/default/q");
    assert_str(f.d.requests[0].after.outcome,
               "75% default/s:80, 25% default/s:80; rewrite host inner; timeout 2 s");
    assert_str(f.d.requests[1].url, "http://h.example/a/any-below?v=a%20b");
    assert_int_equal(f.d.routes_n, 2);
    assert_int_equal(f.d.routes[0].won, 2);
    assert_int_equal(f.d.routes[1].lost, 2);
    done(&f);
}

static void statuses_come_and_go(void **state) {
    (void)state;
    struct fixture f;
    static const char bad[] =
        ROUTE("r", "  - matches: [{path: {value: /a}}]\n    backendRefs: [{name: none, port: 80}]\n");
    compare(&f, PLAIN, bad);
    assert_int_equal(f.d.statuses_n, 1);
    assert_int_equal(f.d.statuses[0].fate, DIFF_INTRODUCED);
    assert_str(f.d.statuses[0].where, "parent g: ResolvedRefs");
    assert_str(f.d.requests[0].after.outcome, "answers 500");
    done(&f);
    compare(&f, bad, PLAIN);
    assert_int_equal(f.d.statuses[0].fate, DIFF_FIXED);
    done(&f);
    compare(&f, bad, bad);
    assert_int_equal(f.d.statuses[0].fate, DIFF_UNCHANGED);
    assert_false(diff_matters(&f.d));
    done(&f);
    compare(&f, PLAIN,
            PLAIN GW "TCPRoute\nmetadata: {name: t}\nspec: {parentRefs: [{name: nope}], rules: "
                     "[{backendRefs: [{name: s, port: 80}]}]}\n");
    assert_int_equal(f.d.statuses_n, 1);
    assert_int_equal(f.d.statuses[0].fate, DIFF_INTRODUCED);
    assert_str(f.d.statuses[0].after, "Gateway default/nope is not here");
    done(&f);
    compare(&f, PLAIN, PLAIN ROUTE("x", "  bogus: 1\n"));
    assert_int_equal(f.d.statuses[0].fate, DIFF_INTRODUCED);
    assert_str(f.d.statuses[0].object, "HTTPRoute default/x");
    done(&f);
}

static void json_tells_all(void **state) {
    (void)state;
    struct fixture f;
    compare(&f, PLAIN, "");
    buf_clear(&f.out);
    diff_print_json(&f.out, &f.d);
    assert_str(
        buf_str(&f.out),
        "{\n\"objects\": [\n  {\"change\": \"removed\", \"name\": \"HTTPRoute default/r\"}],\n"
        "\"pieces\": [\n  {\"change\": \"removed\", \"name\": \"backend default/s:80\", \"before\": \"0 "
        "endpoints\", "
        "\"after\": \"\"}],\n"
        "\"traffic\": [\n  {\"method\": \"GET\", \"url\": \"http://h.example/a\", \"headers\": [], "
        "\"before\": "
        "{\"route\": \"HTTPRoute/default/r\", \"rule\": 0, \"outcome\": \"default/s:80\"}, \"after\": "
        "{\"route\": "
        "\"\", \"outcome\": \"404 no_route\"}},\n"
        "  {\"method\": \"GET\", \"url\": \"http://h.example/a/any-below\", \"headers\": [], \"before\": "
        "{\"route\": \"HTTPRoute/default/r\", \"rule\": 0, \"outcome\": \"default/s:80\"}, \"after\": "
        "{\"route\": "
        "\"\", \"outcome\": \"404 no_route\"}}],\n"
        "\"routes\": [\n  {\"route\": \"HTTPRoute/default/r\", \"wins\": 0, \"loses\": 2, \"changes\": 0}],\n"
        "\"statuses\": [],\n\"tried\": 2,\n\"untried\": 0,\n\"differs\": true}\n");
    done(&f);
}

/* Of each kind that is not HTTPRoute a route that an older one takes the traffic from. */
#define FLOWS                                                                                                \
    GW "Gateway\nmetadata: {name: l4}\nspec: {gatewayClassName: c, listeners: [{name: tcp, port: 5000, "     \
       "protocol: TCP}, {name: udp, port: 5000, protocol: UDP}, {name: tls, port: 6000, protocol: TLS, "     \
       "tls: "                                                                                               \
       "{mode: Passthrough}}]}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: dns}\nspec: {ports: "   \
       "[{port: "                                                                                            \
       "53, protocol: UDP}]}\n---\n"
#define L4(kind, name, created, more, backend)                                                               \
    GW kind "\nmetadata: {name: " name ", creationTimestamp: '" created                                      \
            "'}\nspec: {parentRefs: [{name: l4}], " more "rules: [{backendRefs: [{" backend "}]}]}\n---\n"
#define NEW "2026-01-01T00:00:00Z"
#define OLD "2020-01-01T00:00:00Z"

static void expect_move(struct fixture *f, const char *url, const char *before, const char *after) {
    if (f->d.requests_n != 1) fail_msg("%.*s", (int)f->out.n, f->out.p);
    const struct diff_request *r = &f->d.requests[0];
    str got[] = {r->before.route, r->before.outcome, r->after.route, r->after.outcome};
    char words[2][256];
    for (int i = 0; i < 2; i++)
        snprintf(words[i], sizeof words[i], STR_FMT " -> " STR_FMT, STR_ARG(got[2 * i]),
                 STR_ARG(got[2 * i + 1]));
    assert_str(r->url, url);
    assert_string_equal(words[0], before);
    assert_string_equal(words[1], after);
    assert_int_equal(f->d.routes_n, 2);
    assert_int_equal(f->d.routes[0].won + f->d.routes[0].lost, 1);
}

static void connections_go_to_the_oldest_route(void **state) {
    (void)state;
    struct fixture f;
#define TCP L4("TCPRoute", "new", NEW, "", "name: s, port: 80")
    compare_with(&f, FLOWS TCP, FLOWS TCP L4("TCPRoute", "old", OLD, "", "name: t, port: 80"), true);
    expect_move(&f, "tcp://*:5000", "TCPRoute/default/new -> default/s:80",
                "TCPRoute/default/old -> default/t:80");
    assert_non_null(strstr(f.out.p, "TCPRoute/default/old wins 1"));
    done(&f);
#define UDP L4("UDPRoute", "new", NEW, "", "name: dns, port: 53")
    compare_with(&f, FLOWS UDP, FLOWS UDP L4("UDPRoute", "old", OLD, "", "name: none, port: 53"), true);
    expect_move(&f, "udp://*:5000", "UDPRoute/default/new -> default/dns:53",
                "UDPRoute/default/old -> closed");
    done(&f);
}

static void names_go_to_the_most_specific_route(void **state) {
    (void)state;
    struct fixture f;
#define ANY L4("TLSRoute", "any", OLD, "hostnames: ['*.example'], ", "name: s, port: 80")
    compare_with(&f, FLOWS ANY,
                 FLOWS ANY L4("TLSRoute", "one", NEW, "hostnames: [a.example], ", "name: t, port: 80"), true);
    assert_int_equal(f.d.tried, 2);
    expect_move(&f, "tls://a.example:6000", "TLSRoute/default/any -> default/s:80",
                "TLSRoute/default/one -> default/t:80");
    done(&f);
    compare_with(&f, FLOWS ANY, FLOWS, true);
    assert_str(f.d.requests[0].after.outcome, "closed: no_route");
    done(&f);
}

static void calls_go_to_the_most_specific_match(void **state) {
    (void)state;
    struct fixture f;
#define GRPC(name, rules)                                                                                    \
    GW "GRPCRoute\nmetadata: {name: " name "}\nspec: {parentRefs: [{name: g}], rules: [" rules "]}\n---\n"
#define SERVICE GRPC("service", "{matches: [{method: {service: a.B}}], backendRefs: [{name: s, port: 80}]}")
    compare_with(
        &f, SERVICE,
        SERVICE GRPC("call",
                     "{matches: [{method: {service: a.B, method: C}, headers: [{name: x, value: one}]}], "
                     "filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: k, "
                     "value: v}]}}], backendRefs: [{name: t, port: 80}]}"),
        true);
    expect_move(&f, "grpc://any-other-host.invalid:80/a.B/C", "GRPCRoute/default/service -> default/s:80",
                "GRPCRoute/default/call -> default/t:80; request header set k: v");
    assert_int_equal(f.d.requests[0].headers_n, 1);
    done(&f);
}

/* A text is made up for an expression, and holds. */
static void expressions_have_samples(void **state) {
    (void)state;
    static const struct {
        const char *expression, *sample; /* NULL: none */
    } cases[] = {
        {"/v[0-9]+/users", "/v0/users"},
        {"^/a/(b|c)/.*$", "/a/b/"},
        {"/(?:x|y){2}\\.html?", "/xx.htm"},
        {"[^a-z]\\d{3,}", "0000"},
        {"(?P<id>[A-F]+)-\\w", "A-a"},
        {"[]x]", "x"},
        {"[\\w.-]+@b", "a@b"},
        {"a|", "a"},
        {"", ""},
        {"(?=x)y", NULL},
        {"(a)\\1", NULL},
        {"[[:alpha:]]", NULL},
        {"(((((((((((((((((((((((((((((((((((x)))))))))))))))))))))))))))))))))))", NULL},
        {"a{2000}", NULL},
        {"(", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        OWNED(arena) a = arena_new();
        str got = diff_sample(a, str_of(cases[i].expression));
        if (!cases[i].sample != !got.p || (got.p && !str_eq(got, str_of(cases[i].sample))))
            fail_msg("%s gives \"" STR_FMT "\"", cases[i].expression, STR_ARG(got));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_differs_in_nothing),
        cmocka_unit_test(an_index_alone_is_no_difference),
        cmocka_unit_test(one_route_takes_from_another),
        cmocka_unit_test(statuses_come_and_go),
        cmocka_unit_test(json_tells_all),
        cmocka_unit_test(connections_go_to_the_oldest_route),
        cmocka_unit_test(names_go_to_the_most_specific_route),
        cmocka_unit_test(calls_go_to_the_most_specific_match),
        cmocka_unit_test(expressions_have_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
