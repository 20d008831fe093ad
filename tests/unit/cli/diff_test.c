/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include <unistd.h>

#include "cli/diff.h"

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

struct fixture {
    char files[2][64];
    struct offline sides[2];
    struct diff d;
    struct buf out;
};

static void compare(struct fixture *f, const char *a, const char *b) {
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
    }
    f->d = (struct diff){.arena = arena_new(), .a = &f->sides[0], .b = &f->sides[1]};
    diff_objects(&f->d);
    diff_traffic(&f->d);
    diff_statuses(&f->d);
    buf_init(&f->out, 1 << 20);
    diff_print_text(&f->out, &f->d);
}

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_differs_in_nothing),
        cmocka_unit_test(an_index_alone_is_no_difference),
        cmocka_unit_test(one_route_takes_from_another),
        cmocka_unit_test(statuses_come_and_go),
        cmocka_unit_test(json_tells_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
