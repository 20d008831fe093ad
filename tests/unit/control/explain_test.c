/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include <unistd.h>

#include "control/explain.h"
#include "files/files.h"

static const char manifests[] =
    "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: c}\n"
    "spec: {controllerName: x.example/c}\n---\n"
    "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: g}\n"
    "spec: {gatewayClassName: c, listeners: [{name: any, port: 80, protocol: HTTP},"
    " {name: named, port: 81, protocol: HTTP, hostname: '*.example.com'},"
    " {name: raw, port: 5000, protocol: x.example/raw}, {name: secure, port: 5443, protocol: HTTPS, tls: "
    "{certificateRefs: [{name: nothing}]}}]}\n---\n"
    "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r}\nspec:\n"
    "  parentRefs: [{name: g}]\n"
    "  hostnames: [a.example.com]\n"
    "  rules:\n"
    "  - matches: [{path: {value: /api}, headers: [{name: X-Env, value: test}], method: GET}]\n"
    "    filters:\n"
    "    - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-Set, value: one}], remove: "
    "[X-Gone]}}\n"
    "    - {type: URLRewrite, urlRewrite: {hostname: inner, path: {type: ReplacePrefixMatch, "
    "replacePrefixMatch: /v2}}}\n"
    "    backendRefs: [{name: s, port: 80, weight: 3}, {name: empty, port: 80}, {name: none, port: 80}]\n"
    "  - matches: [{path: {value: /go}}]\n"
    "    filters: [{type: RequestRedirect, requestRedirect: {scheme: https, statusCode: 301}}]\n"
    "  - matches: [{path: {type: Exact, value: /empty}}]\n"
    "    backendRefs: [{name: empty, port: 80}]\n"
    "  - matches: [{path: {type: Exact, value: /none}}]\n"
    "    backendRefs: [{name: none, port: 80}]\n"
    "  - matches: [{path: {type: Exact, value: /zero}}]\n"
    "    backendRefs: [{name: s, port: 80, weight: 0}]\n---\n"
    "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: lost}\nspec: {parentRefs: "
    "[{name: g, sectionName: none}], hostnames: [lost.example.org], rules: [{backendRefs: [{name: s, port: "
    "80}]}]}\n---\n"
    "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: wide}\nspec: {parentRefs: "
    "[{name: g, sectionName: named}], hostnames: ['*.wide.example.com'], rules: [{matches: [{queryParams: "
    "[{name: v, "
    "value: a}]}, {path: {value: /w}}]}]}\n---\n"
    "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 80}]}\n---\n"
    "apiVersion: v1\nkind: Service\nmetadata: {name: empty}\nspec: {ports: [{port: 80}]}\n---\n"
    "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
    "metadata: {name: s-1, labels: {kubernetes.io/service-name: s}}\naddressType: IPv4\nports: [{port: "
    "8080}]\n"
    "endpoints: [{addresses: [10.0.0.1]}, {addresses: [10.0.0.2]}]\n";

static const char tried[] =
    "---\n"
    "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: tried}\nspec:\n"
    "  parentRefs: [{name: g}]\n"
    "  hostnames: [tried.example.net]\n"
    "  rules:\n"
    "  - matches: [{path: {type: Exact, value: /tried}}]\n"
    "    timeouts: {request: 10s, backendRequest: 1500ms}\n"
    "    retry: {attempts: 3, codes: [503, 500], backoff: 40ms}\n"
    "    filters:\n"
    "    - {type: RequestMirror, requestMirror: {backendRef: {name: s, port: 80}, percent: 10}}\n"
    "    - {type: ExternalAuth, externalAuth: {protocol: GRPC, grpc: {}, backendRef: {name: empty, port: "
    "80}}}\n"
    "    backendRefs: [{name: s, port: 80}]\n";

struct fixture {
    struct pipeline p;
    struct fact_port_map map;
    struct arena *arena;
    struct files *files;
    char path[64];
};

static int set_up_with(void **state, str more) {
    struct fixture *f = base_zalloc(sizeof *f);
    snprintf(f->path, sizeof f->path, "/tmp/postern-test-XXXXXX.yaml");
    int fd = mkstemps(f->path, 5);
    assert_int_equal(write(fd, manifests, sizeof manifests - 1), sizeof manifests - 1);
    assert_int_equal(write(fd, more.p, more.n), more.n);
    close(fd);
    f->arena = arena_new();
    pipeline_init(&f->p, S("x.example/c"));
    f->map = (struct fact_port_map){80, 8080};
    f->p.facts.port_maps = &f->map;
    f->p.facts.port_maps_n = 1;
    struct findings found;
    struct files_work work;
    struct table *before;
    const char *path = f->path;
    finding_init(&found, f->arena);
    f->files = files_new(&(struct files_config){.roots = &(struct files_root){path, NULL}, .roots_n = 1});
    files_read(f->files, f->p.store, &found, &work);
    if (found.n) fail_msg(STR_FMT ": " STR_FMT, STR_ARG(found.first->path), STR_ARG(found.first->message));
    pipeline_pass(&f->p, 1000000, 0, &before);
    *state = f;
    return 0;
}
static int set_up(void **state) { return set_up_with(state, S("")); }
static int set_up_tried(void **state) { return set_up_with(state, str_of(tried)); }

static int tear_down(void **state) {
    struct fixture *f = *state;
    files_free(f->files);
    pipeline_fini(&f->p);
    arena_free(f->arena);
    unlink(f->path);
    free(f);
    return 0;
}

static void expect(void **state, const char *method, const char *url, struct table_header header,
                   const char *wanted) {
    struct fixture *f = *state;
    struct buf b;
    struct explain_query q = {str_of(method), str_of(url), &header, header.name.n ? 1 : 0};
    buf_init(&b, 1 << 20);
    assert_ok(explain_run(&f->p, &q, false, &b));
    assert_str(buf_str(&b), wanted);
    buf_fini(&b);
}

static void holds(struct buf *b, const char *text) {
    buf_add_char(b, 0);
    if (!strstr(b->p, text)) fail_msg("not in it: %s\n%s", text, b->p);
    b->n--;
}

static void a_request_that_a_backend_answers(void **state) {
    struct fixture *f = *state;
    struct table_header headers[] = {{S("X-Env"), S("test")}, {S("X-Gone"), S("1")}, {S("X-Set"), S("zero")}};
    struct explain_query q = {S("GET"), S("http://A.example.com/api/x?y=1#z"), headers, COUNT_OF(headers)};
    struct buf b;
    buf_init(&b, 1 << 20);
    assert_ok(explain_run(&f->p, &q, false, &b));
    assert_str(buf_str(&b), "request   GET http /api/x?y=1  Host: A.example.com  port 80\n"
                            "listener  Gateway default/g listener any  (HTTP port 80, socket :8080)\n"
                            "host      a.example.com  (listener's hostname: *)\n"
                            "route     HTTPRoute/default/r rule 0\n"
                            "matches   path prefix /api, method GET, header x-env: test\n"
                            "filters   request header remove X-Gone set X-Set: one\n"
                            "          rewrite host inner prefix /v2\n"
                            "sends     GET /v2/x?y=1  Host: inner\n"
                            "          - X-Gone: 1\n"
                            "          ~ X-Set: zero -> one\n"
                            "          + X-Forwarded-For: the client's address\n"
                            "          + X-Forwarded-Proto: http\n"
                            "          + X-Forwarded-Host: A.example.com\n"
                            "          + X-Forwarded-Port: 80\n"
                            "backends   60.0%  weight 3    default/s:80  -> 10.0.0.1:8080, 10.0.0.2:8080\n"
                            "           20.0%  weight 1    default/empty:80  no ready endpoint: 503\n"
                            "           20.0%  weight 1    answers 500: spec.rules[0].backendRefs[2]: "
                            "Service default/none does not exist; "
                            "create it or correct the name\n"
                            "answer    the backend's\n"
                            "near      HTTPRoute/default/r rule 1: the path is not below /go\n"
                            "          HTTPRoute/default/r rule 2: the path is not /empty\n"
                            "          HTTPRoute/default/r rule 3: the path is not /none\n"
                            "          HTTPRoute/default/r rule 4: the path is not /zero\n");
    buf_fini(&b);
}

static void a_redirect(void **state) {
    expect(state, "GET", "http://a.example.com:8080/go/there", (struct table_header){0},
           "request   GET http /go/there  Host: a.example.com:8080  port 8080\n"
           "listener  Gateway default/g listener any  (HTTP port 80, socket :8080)\n"
           "host      a.example.com  (listener's hostname: *)\n"
           "route     HTTPRoute/default/r rule 1\n"
           "matches   path prefix /go\n"
           "filters   redirect 301 scheme https\n"
           "answer    301 redirect: answered by a RequestRedirect filter\n"
           "          Location: https://a.example.com/go/there\n"
           "near      HTTPRoute/default/r rule 2: the path is not /empty\n"
           "          HTTPRoute/default/r rule 3: the path is not /none\n"
           "          HTTPRoute/default/r rule 4: the path is not /zero\n"
           "          HTTPRoute/default/r rule 0: the path is not below /api; the header x-env is not there; "
           "wanted "
           "test\n");
}

static void no_rule_says_what_each_wanted(void **state) {
    expect(state, "POST", "http://a.example.com/api", (struct table_header){S("X-Env"), S("prod")},
           "request   POST http /api  Host: a.example.com  port 80\n"
           "listener  Gateway default/g listener any  (HTTP port 80, socket :8080)\n"
           "host      a.example.com  (listener's hostname: *)\n"
           "answer    404 no_route: no rule of an attached route matches\n"
           "near      HTTPRoute/default/r rule 0: the method is not GET; the header x-env is prod, not test\n"
           "          HTTPRoute/default/r rule 1: the path is not below /go\n"
           "          HTTPRoute/default/r rule 2: the path is not /empty\n"
           "          HTTPRoute/default/r rule 3: the path is not /none\n"
           "          HTTPRoute/default/r rule 4: the path is not /zero\n");
    expect(state, "GET", "http://b.example.com/api", (struct table_header){0},
           "request   GET http /api  Host: b.example.com  port 80\n"
           "listener  Gateway default/g listener any  (HTTP port 80, socket :8080)\n"
           "host      b.example.com  (listener's hostname: *)\n"
           "answer    404 no_route: no rule of an attached route matches\n"
           "near      HTTPRoute/default/r: its hostnames on this listener are a.example.com\n");
}

/* The last lines: who answers, and why. */
static void expect_end(void **state, const char *url, struct table_header header, const char *wanted) {
    struct fixture *f = *state;
    struct buf b;
    struct explain_query q = {S("GET"), str_of(url), &header, header.name.n ? 1 : 0};
    buf_init(&b, 1 << 20);
    assert_ok(explain_run(&f->p, &q, false, &b));
    char *near = memmem(b.p, b.n, "\nnear ", 6);
    str text = near ? (str){b.p, (size_t)(near + 1 - b.p)} : buf_str(&b);
    if (!str_ends(text, str_of(wanted))) fail_msg("%s: " STR_FMT, url, STR_ARG(buf_str(&b)));
    buf_fini(&b);
}

static void every_answer_of_the_gateway_has_its_reason(void **state) {
    struct table_header none = {0};
    expect_end(state, "http://a.example.com/empty", none,
               "answer    503 no_endpoints: the backend has no ready endpoint\n"
               "why       no EndpointSlice gives a ready endpoint for the backend's port\n");
    expect_end(state, "http://a.example.com/none", none,
               "answer    500 invalid_backend: the rule's backendRef is invalid or not permitted\n");
    expect_end(state, "http://a.example.com/zero", none,
               "answer    500 no_backend: the rule has no backendRef that takes traffic\nwhy       every "
               "backendRef has weight 0\n");
    expect_end(state, "http://elsewhere:81/", none,
               "answer    404 no_listener: no listener takes this host on this port\n"
               "why       there is: Gateway default/g listener named: HTTP port 81 (socket port 81), "
               "hostname *.example.com\n");
    expect_end(
        state, "https://a.example.com/", none,
        "answer    no connection\nwhy       no HTTPS listener has port 443: the connection is refused\n"
        "          there is: Gateway default/g listener any: HTTP port 80 (socket port 8080), hostname *\n"
        "          there is: Gateway default/g listener named: HTTP port 81 (socket port 81), hostname "
        "*.example.com\n");
#define THERE                                                                                                \
    "          there is: Gateway default/g listener any: HTTP port 80 (socket port 8080), hostname *\n"      \
    "          there is: Gateway default/g listener named: HTTP port 81 (socket port 81), hostname "         \
    "*.example.com\n"
    expect_end(
        state, "https://a.example.com:81/", none,
        "answer    no connection\nwhy       port 81 takes HTTP, not HTTPS: the connection is closed; ask "
        "with http://\n" THERE);
    expect_end(
        state, "http://a.example.com:5000/", none,
        "answer    no connection\nwhy       no HTTP listener has port 5000: the connection is refused\n"
        "          Gateway default/g listener raw asks for it, but: protocol: x.example/raw is not served "
        "by this version; use HTTP or HTTPS\n" THERE);
    expect_end(
        state, "https://a.example.com:5443/", none,
        "answer    no connection\nwhy       no HTTPS listener has port 5443: the connection is refused\n"
        "          Gateway default/g listener secure asks for it, but: tls.certificateRefs[0]: Secret "
        "default/nothing does not exist; create it or correct the name\n" THERE);
    expect_end(state, "http://a.example.com/../x", none,
               "answer    400 bad_path: the path is refused by the path policy\n"
               "why       NUL, backslash, controls, broken escapes and dot segments above the root are "
               "refused before routing\n");
    expect_end(state, "http://a.example.com/", (struct table_header){S("Host"), S("bad host")},
               "answer    400 bad_host: the Host is missing, repeated or malformed\n"
               "why       the Host \"bad host\" is no host name or address\n");
    expect_end(state, "http://10.1.1.1/empty", (struct table_header){S("host"), S("a.example.com")},
               "why       no EndpointSlice gives a ready endpoint for the backend's port\n");
}

/* What of the text tells the near misses. */
static void expect_near(void **state, const char *url, struct table_header header, const char *wanted) {
    struct fixture *f = *state;
    struct buf b;
    struct explain_query q = {S("GET"), str_of(url), &header, header.name.n ? 1 : 0};
    buf_init(&b, 1 << 20);
    assert_ok(explain_run(&f->p, &q, false, &b));
    char *near = memmem(b.p, b.n, "\nnear ", 6);
    if (!near) fail_msg("nothing near: " STR_FMT, STR_ARG(buf_str(&b)));
    assert_str(str_from(buf_str(&b), (size_t)(near + 1 - b.p)), wanted);
    buf_fini(&b);
}

static void near_misses_come_closest_first(void **state) {
    struct table_header none = {0};
    expect_near(state, "http://lost.example.org/", none,
                "near      HTTPRoute/default/lost: not attached to Gateway default/g listener none: "
                "NoMatchingParent: "
                "spec.parentRefs: Gateway default/g has no listener none; correct sectionName or port\n"
                "          HTTPRoute/default/r: its hostnames on this listener are a.example.com\n");
    expect_near(state, "http://x.wide.example.com:81/?v=b", none,
                "near      HTTPRoute/default/wide rule 0 match 0: the query parameter v is b, not a\n"
                "          HTTPRoute/default/wide rule 0 match 1: the path is not below /w\n"
                "          HTTPRoute/default/r: its hostnames on this listener are a.example.com\n");
}

static void the_server_name_may_be_another(void **state) {
    struct fixture *f = *state;
    struct buf b;
    struct explain_query q = {.method = S("GET"), .url = S("http://h/"), .sni = S("x")};
    buf_init(&b, 1 << 16);
    assert_int_equal(explain_run(&f->p, &q, false, &b), ERR_PROTO);
    assert_str(buf_str(&b), "a TLS server name needs a URL that begins with https://\n");
    q.url = S("https://h/"), q.sni = S("a b");
    assert_int_equal(explain_run(&f->p, &q, false, &b), ERR_PROTO);
    q.sni = S("other.example");
    assert_ok(explain_run(&f->p, &q, false, &b));
    buf_fini(&b);
}

static void wrong_queries_are_refused_with_words(void **state) {
    struct fixture *f = *state;
    static const char *const urls[] = {
        "", "http://", "http:///x", "http://a b/", "http://u@h/", "http://h:99999/", "ftp://h/"};
    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        struct buf b;
        struct explain_query q = {S("GET"), str_of(urls[i]), NULL, 0};
        buf_init(&b, 4096);
        if (explain_run(&f->p, &q, false, &b) != ERR_PROTO || !b.n) fail_msg("took \"%s\"", urls[i]);
        buf_fini(&b);
    }
    struct buf b;
    buf_init(&b, 4096);
    assert_int_equal(
        explain_run(&f->p, &(struct explain_query){S("GE T"), S("http://h/"), NULL, 0}, false, &b),
        ERR_PROTO);
    struct table_header bad = {S("a b"), S("")};
    assert_int_equal(
        explain_run(&f->p, &(struct explain_query){S("GET"), S("http://h/"), &bad, 1}, false, &b), ERR_PROTO);
    buf_fini(&b);
}

#define FORWARDED                                                                                            \
    "[{\"change\": \"add\", \"name\": \"X-Forwarded-For\", \"value\": \"the client's address\"}, "           \
    "{\"change\": \"add\", \"name\": \"X-Forwarded-Proto\", \"value\": \"http\"}, "                          \
    "{\"change\": \"add\", \"name\": \"X-Forwarded-Host\", \"value\": \"a.example.com\"}, "                  \
    "{\"change\": \"add\", \"name\": \"X-Forwarded-Port\", \"value\": \"80\"}]"

static void tries_mirrors_and_authorizations(void **state) {
    struct fixture *f = *state;
    struct explain_query q = {.method = S("GET"), .url = S("http://tried.example.net/tried")};
    struct buf b;
    buf_init(&b, 1 << 20);
    assert_ok(explain_run(&f->p, &q, false, &b));
    holds(&b, "filters   mirror default/s:80 10%\n"
              "          auth by grpc default/empty:80+h2c\n"
              "timeouts  request 10 s, each attempt 1.5 s\n"
              "retries   3 more, on 500,503, backoff 40 ms\n");
    holds(&b, "answer    the backend's, or that of whoever is asked for authorization\n");
    buf_clear(&b);
    assert_ok(explain_run(&f->p, &q, true, &b));
    holds(&b, "\"filters\": [\"mirror default/s:80 10%\", \"auth by grpc default/empty:80+h2c\"], "
              "\"timeouts\": {\"requestUs\": 10000000, \"backendRequestUs\": 1500000}, "
              "\"retry\": {\"attempts\": 3, \"codes\": [500, 503], \"backoffUs\": 40000}}");
    buf_fini(&b);
}

static void json_tells_the_same(void **state) {
    struct fixture *f = *state;
    struct buf b;
    buf_init(&b, 1 << 20);
    assert_ok(explain_run(&f->p,
                          &(struct explain_query){.method = S("GET"), .url = S("http://a.example.com/empty")},
                          true, &b));
    assert_str(
        buf_str(&b),
        "{\n  \"request\": {\"method\": \"GET\", \"scheme\": \"http\", \"host\": \"a.example.com\", "
        "\"port\": 80, "
        "\"path\": \"/empty\", \"query\": \"\"},\n"
        "  \"listener\": {\"gateway\": \"default/g\", \"name\": \"any\", \"hostname\": \"\", \"port\": 80, "
        "\"tls\": false, "
        "\"address\": \"\", \"socketPort\": 8080},\n"
        "  \"route\": \"HTTPRoute/default/r\",\n"
        "  \"rule\": {\"index\": 2, \"name\": \"\", \"matches\": [\"path exact /empty\"], \"filters\": [], "
        "\"timeouts\": {\"requestUs\": 0, \"backendRequestUs\": 0}},\n"
        "  \"sends\": {\"host\": \"a.example.com\", \"path\": \"/empty\", \"query\": \"\", "
        "\"headers\": " FORWARDED "},\n"
        "  \"backends\": [\n    {\"weight\": 1, \"backend\": \"default/empty:80\", \"endpoints\": [], "
        "\"filters\": [], "
        "\"sends\": {\"host\": \"a.example.com\", \"path\": \"/empty\", \"query\": \"\", "
        "\"headers\": " FORWARDED "}}],\n"
        "  \"answer\": {\"by\": \"gateway\", \"status\": 503, \"reason\": \"no_endpoints\", \"why\": "
        "[\"no EndpointSlice gives a ready endpoint for the backend's port\"]},\n"
        "  \"near\": [\n    {\"what\": \"HTTPRoute/default/r rule 1\", \"why\": \"the path is not below "
        "/go\"},\n"
        "    {\"what\": \"HTTPRoute/default/r rule 3\", \"why\": \"the path is not /none\"},\n"
        "    {\"what\": \"HTTPRoute/default/r rule 4\", \"why\": \"the path is not /zero\"},\n"
        "    {\"what\": \"HTTPRoute/default/r rule 0\", \"why\": \"the path is not below /api; the header "
        "x-env is "
        "not there; wanted test\"}],\n  \"nearMore\": 0\n}\n");
    buf_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_request_that_a_backend_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_redirect, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_rule_says_what_each_wanted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_answer_of_the_gateway_has_its_reason, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wrong_queries_are_refused_with_words, set_up, tear_down),
        cmocka_unit_test_setup_teardown(near_misses_come_closest_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_server_name_may_be_another, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tries_mirrors_and_authorizations, set_up_tried, tear_down),
        cmocka_unit_test_setup_teardown(json_tells_the_same, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
