/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include "text/x509.h"

enum { ROUTES = 10000 };

/* Cost follows the change. */
static void expect(const struct world *w, uint32_t gateways, uint32_t routes, uint32_t backends,
                   uint32_t changes) {
    if (w->work.gateways == gateways && w->work.routes == routes && w->work.backends == backends &&
        w->delta.n == changes)
        return;
    fail_msg("gateways %u routes %u backends %u changes %u; wanted %u %u %u %u", w->work.gateways,
             w->work.routes, w->work.backends, w->delta.n, gateways, routes, backends, changes);
}

static void put_base(struct world *w) {
    manifest_put(w->store, MANIFEST_CLASS);
    manifest_put(w->store, MANIFEST_GATEWAY, "gw", WORLD_HTTP);
    manifest_put(w->store, MANIFEST_SERVICE, "web", "default", 80);
    manifest_put(w->store, MANIFEST_SLICE, "web", "default", "web", "10.0.0.1");
}

static void put_route(struct world *w, int i, const char *host, const char *service) {
    char name[32], hostname[64];
    snprintf(name, sizeof name, "r%d", i);
    snprintf(hostname, sizeof hostname, "%s%d.test", host, i);
    manifest_put(w->store, MANIFEST_ROUTE, name, "default", hostname, service, "default");
}

static void test_cost_follows_the_change(void **state) {
    struct world *w = *state;
    put_base(w);
    manifest_put(w->store, MANIFEST_SERVICE, "own", "default", 80);
    for (int i = 0; i < ROUTES; i++) put_route(w, i, "h", i == 17 ? "own" : "web");
    world_pass(w);
    expect(w, 1, ROUTES, 2, 1 + ROUTES + 2 + 2);
    world_pass(w);
    expect(w, 0, 0, 0, 0);
    assert_int_equal(w->work.statuses, 0);
    put_route(w, 5, "other", "web"); /* one route */
    world_pass(w);
    expect(w, 0, 1, 0, 1);
    assert_int_equal(w->delta.p[0].kind, PLAN_ROUTE);
    manifest_put(w->store, MANIFEST_SLICE, "web", "default", "web", "10.0.0.2"); /* one endpoint */
    world_pass(w);
    expect(w, 0, 0, 1, 1);
    assert_int_equal(w->delta.p[0].kind, PLAN_ENDPOINTS);
    assert_int_equal(w->work.statuses, 0);
    store_remove(w->store, KIND_SERVICE, S("default"), S("own")); /* a Service that one route names */
    world_pass(w);
    expect(w, 0, 1, 1, 3); /* the route; its backend and endpoints go */
    manifest_put(w->store, MANIFEST_NAMESPACE, "default", "red"); /* labels that no listener selects by */
    world_pass(w);
    expect(w, 0, 0, 0, 0);
    manifest_put(w->store, MANIFEST_GATEWAY, "other", "{name: alt, port: 81, protocol: HTTP}");
    world_pass(w);
    expect(w, 1, 0, 0, 1);
    store_remove(w->store, KIND_HTTP_ROUTE, S("default"), S("r9"));
    world_pass(w);
    expect(w, 0, 1, 0, 1);
    const struct gateway_status *st = resolve_status(w->resolver, KIND_GATEWAY, S("default"), S("gw"));
    assert_int_equal(st->listeners.p[0].attached_routes, ROUTES - 1);
    put_route(w, 20, "h", "web"); /* equal: no change */
    world_pass(w);
    expect(w, 0, 0, 0, 0);
}

static void test_a_gateway_reaches_its_routes_by_what_they_see_alone(void **state) {
    struct world *w = *state;
    put_base(w);
    for (int i = 0; i < 10; i++) put_route(w, i, "h", "web");
    world_pass(w);
    manifest_put(
        w->store,
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: gw, labels: {a: b}}\n"
        "spec: {gatewayClassName: postern, listeners: [" WORLD_HTTP "], infrastructure: {labels: {c: d}}}");
    world_pass(w);
    expect(w, 1, 0, 0, 0);
    manifest_put(w->store, MANIFEST_GATEWAY, "gw",
                 "{name: http, port: 80, protocol: HTTP, hostname: h3.test, allowedRoutes: {namespaces: "
                 "{from: All}}}");
    world_pass(w);
    expect(w, 1, 10, 0, 1 + 9); /* the listener, and the nine routes that do not meet it any more */
    assert_string_equal(world_route(w, S("default"), S("r3"), "Accepted"), "True/Accepted");
    assert_string_equal(world_route(w, S("default"), S("r4"), "Accepted"),
                        "False/NoMatchingListenerHostname");
    store_remove(w->store, KIND_GATEWAY_CLASS, S(""), S("postern"));
    world_pass(w);
    assert_null(resolve_status(w->resolver, KIND_GATEWAY, S("default"), S("gw")));
    assert_null(resolve_status(w->resolver, KIND_HTTP_ROUTE, S("default"), S("r3")));
    assert_int_equal(
        w->plan.pieces[PLAN_ROUTE].n + w->plan.pieces[PLAN_LISTENER].n + w->plan.pieces[PLAN_BACKEND].n, 0);
}

static void test_a_selector_follows_labels_of_namespaces(void **state) {
    struct world *w = *state;
    put_base(w);
    manifest_put(w->store, MANIFEST_GATEWAY, "gw",
                 "{name: http, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: Selector, "
                 "selector: {matchLabels: {color: red}}}}}");
    manifest_put(w->store, MANIFEST_NAMESPACE, "app", "blue");
    manifest_put(w->store, MANIFEST_ROUTE, "r", "app", "a.test", "web", "app");
    put_route(w, 1, "h", "web");
    world_pass(w);
    assert_string_equal(world_route(w, S("app"), S("r"), "Accepted"), "False/NotAllowedByListeners");
    manifest_put(w->store, MANIFEST_NAMESPACE, "app", "red");
    world_pass(w);
    assert_int_equal(w->work.routes, 1); /* the one in that namespace */
    assert_string_equal(world_route(w, S("app"), S("r"), "Accepted"), "True/Accepted");
    store_remove(w->store, KIND_NAMESPACE, S(""), S("app"));
    world_pass(w);
    assert_string_equal(world_route(w, S("app"), S("r"), "Accepted"), "False/NotAllowedByListeners");
}

static void test_a_grant_is_taken_back_at_once(void **state) {
    struct world *w = *state;
    put_base(w);
    manifest_put(w->store, MANIFEST_ROUTE, "far", "app", "a.test", "web", "default");
    put_route(w, 1, "h", "web");
    manifest_put(w->store, MANIFEST_GRANT, "g", "default", "app");
    world_pass(w);
    assert_string_equal(world_route(w, S("app"), S("far"), "ResolvedRefs"), "True/ResolvedRefs");
    store_remove(w->store, KIND_REFERENCE_GRANT, S("default"), S("g"));
    world_pass(w);
    expect(w, 0, 1, 0, 1);
    assert_string_equal(world_route(w, S("app"), S("far"), "ResolvedRefs"), "False/RefNotPermitted");
    const struct plan_route *r = world_piece(w, PLAN_ROUTE, S("HTTPRoute/app/far"));
    assert_int_equal(r->rules.p[0].targets.p[0].answer, 500);
}

static void test_a_slice_that_moves_leaves_its_service(void **state) {
    struct world *w = *state;
    put_base(w);
    manifest_put(w->store, MANIFEST_SERVICE, "two", "default", 80);
    put_route(w, 1, "h", "web");
    put_route(w, 2, "h", "two");
    world_pass(w);
    manifest_put(w->store, MANIFEST_SLICE, "web", "default", "two", "10.0.0.1");
    world_pass(w);
    expect(w, 0, 0, 2, 2);
    const struct plan_endpoints *e = world_piece(w, PLAN_ENDPOINTS, S("default/web:80"));
    assert_int_equal(e->endpoints.n, 0);
    e = world_piece(w, PLAN_ENDPOINTS, S("default/two:80"));
    assert_int_equal(e->endpoints.n, 1);
}

static void test_facts_change_statuses_alone(void **state) {
    struct world *w = *state;
    put_base(w);
    put_route(w, 1, "h", "web");
    w->facts.serving = true;
    w->facts.revision_adopted = UINT64_MAX;
    world_pass(w);
    assert_string_equal(world_gateway(w, S("default"), S("gw"), "Programmed"), "False/Pending");
    facts_set_bind(&w->facts, S(""), 80, FACT_TCP, true, S(""));
    world_pass(w);
    expect(w, 0, 0, 0, 0);
    assert_int_equal(w->work.statuses, 1);
    assert_false(w->facts.changed);
    assert_string_equal(world_gateway(w, S("default"), S("gw"), "Programmed"), "True/Programmed");
    facts_set_bind(&w->facts, S(""), 80, FACT_TCP, false, S("address already in use"));
    world_pass(w);
    assert_string_equal(world_gateway(w, S("default"), S("gw"), "Programmed"), "False/NoResources");
    struct fact_port_map map = {80, 8080};
    w->facts.port_maps = &map, w->facts.port_maps_n = 1, w->facts.changed = true;
    world_pass(w);
    expect(w, 1, 0, 0, 1);
    const struct plan_listener *l = world_piece(w, PLAN_LISTENER, S("Gateway/default/gw/http"));
    assert_int_equal(l->bind_port, 8080);
    assert_int_equal(l->port, 80);
}

/* Programmed is said of exactly the state that every worker has. */
static void test_programmed_waits_for_the_workers(void **state) {
    struct world *w = *state;
    put_base(w);
    w->facts.serving = true;
    facts_set_bind(&w->facts, S(""), 80, FACT_TCP, true, S(""));
    world_pass(w);
    w->plan.revision++; /* as control/ does when a pass changed the plan */
    assert_string_equal(world_gateway(w, S("default"), S("gw"), "Programmed"), "False/Pending");
    w->facts.revision_adopted = w->plan.revision, w->facts.changed = true;
    world_pass(w);
    assert_string_equal(world_gateway(w, S("default"), S("gw"), "Programmed"), "True/Programmed");
    put_route(w, 1, "h", "web"); /* a route is no change of the listener */
    world_pass(w);
    w->plan.revision++;
    assert_string_equal(world_gateway(w, S("default"), S("gw"), "Programmed"), "True/Programmed");
    manifest_put(w->store, MANIFEST_GATEWAY, "gw",
                 "{name: http, port: 80, protocol: HTTP, hostname: a.test}");
    world_pass(w);
    w->plan.revision++;
    assert_string_equal(world_gateway(w, S("default"), S("gw"), "Programmed"), "False/Pending");
    w->facts.revision_adopted = w->plan.revision, w->facts.changed = true;
    world_pass(w);
    assert_string_equal(world_gateway(w, S("default"), S("gw"), "Programmed"), "True/Programmed");
}

static void test_changed_statuses_are_told(void **state) {
    struct world *w = *state;
    OWNED(arena) a = arena_new();
    size_t n;
    put_base(w);
    put_route(w, 1, "h", "web");
    put_route(w, 2, "h", "web");
    world_pass(w);
    resolve_changed_statuses(w->resolver, a, &n);
    assert_int_equal(n, 4); /* class, Gateway, two routes */
    assert_int_equal(w->work.statuses, 4);
    put_route(w, 2, "h", "nowhere");
    world_pass(w);
    struct store_change *c = resolve_changed_statuses(w->resolver, a, &n);
    assert_int_equal(n, 1);
    assert_int_equal(c[0].kind, KIND_HTTP_ROUTE);
    assert_str(c[0].name, "r2");
    store_remove(w->store, KIND_HTTP_ROUTE, S("default"), S("r2"));
    world_pass(w);
    resolve_changed_statuses(w->resolver, a, &n);
    assert_int_equal(n, 2); /* the route's, and the Gateway's for its count */
}

static void put_secret(struct world *w, const char *ns, int64_t from_s, int64_t days) {
    OWNED(arena) a = arena_new();
    str chain, key, name = S("a.test");
    assert_ok(x509_make(a, &name, 1, from_s, days, &chain, &key));
    struct buf b;
    buf_init(&b, 8192);
    buf_printf(&b,
               "apiVersion: v1\nkind: Secret\nmetadata: {name: cert, namespace: %s}\ntype: "
               "kubernetes.io/tls\nstringData:\n  tls.crt: ",
               ns);
    buf_add_json(&b, chain);
    buf_add(&b, S("\n  tls.key: "));
    buf_add_json(&b, key);
    store_put(w->store, manifest_decode(buf_str(&b)));
    buf_fini(&b);
}

static const struct condition *listener_condition(struct world *w, const char *type) {
    const struct gateway_status *st = resolve_status(w->resolver, KIND_GATEWAY, S("default"), S("gw"));
    for (uint32_t i = 0; st && i < st->listeners.p[0].conditions.n; i++)
        if (str_eq(st->listeners.p[0].conditions.p[i].type, str_of(type)))
            return &st->listeners.p[0].conditions.p[i];
    fail_msg("no condition %s", type);
    return NULL;
}

#define HTTPS_LISTENER "{name: https, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: cert}]}}"

static void test_time_alone_changes_what_is_said_of_a_certificate(void **state) {
    struct world *w = *state;
    put_base(w);
    manifest_put(w->store, MANIFEST_GATEWAY, "gw", HTTPS_LISTENER);
    put_secret(w, "default", WORLD_NOW_S + 100, 1);
    world_pass(w);
    assert_int_equal(w->again_s, WORLD_NOW_S + 100);
    assert_non_null(strstr(listener_condition(w, "ResolvedRefs")->message.p, "not valid before"));
    world_pass_at(w, w->again_s);
    assert_int_equal(w->work.gateways, 1);
    assert_str(listener_condition(w, "ResolvedRefs")->message, "all references are resolved");
    int64_t end = w->again_s;
    assert_true(end > WORLD_NOW_S + 86000 && end < WORLD_NOW_S + 2 * 86400);
    world_pass_at(w, end - 1);
    assert_int_equal(w->work.gateways, 0);
    world_pass_at(w, end);
    assert_non_null(strstr(listener_condition(w, "ResolvedRefs")->message.p, "expired"));
    assert_int_equal(w->again_s, INT64_MAX);
    assert_int_equal(w->delta.n, 0);
}

/* A clock that was wrong and is set right may go back. */
static void test_a_clock_set_back_is_followed(void **state) {
    struct world *w = *state;
    put_base(w);
    manifest_put(w->store, MANIFEST_GATEWAY, "gw", HTTPS_LISTENER);
    put_secret(w, "default", WORLD_NOW_S - 100, 1);
    world_pass_at(w, WORLD_NOW_S + 3 * 86400);
    assert_non_null(strstr(listener_condition(w, "ResolvedRefs")->message.p, "expired"));
    assert_int_equal(w->again_s, INT64_MAX);
    world_pass(w);
    assert_str(listener_condition(w, "ResolvedRefs")->message, "all references are resolved");
    assert_true(w->again_s > WORLD_NOW_S && w->again_s < WORLD_NOW_S + 2 * 86400);
    world_pass_at(w, WORLD_NOW_S - 200);
    assert_non_null(strstr(listener_condition(w, "ResolvedRefs")->message.p, "not valid before"));
    assert_int_equal(w->again_s, WORLD_NOW_S - 100);
}

static void test_a_secret_rotates_without_its_routes(void **state) {
    struct world *w = *state;
    put_base(w);
    manifest_put(w->store, MANIFEST_GATEWAY, "gw", HTTPS_LISTENER);
    put_secret(w, "default", WORLD_NOW_S - 100, 10);
    for (int i = 0; i < 5; i++) put_route(w, i, "h", "web");
    world_pass(w);
    assert_int_equal(w->plan.pieces[PLAN_CERTIFICATE].n, 1);
    put_secret(w, "default", WORLD_NOW_S - 100, 20);
    world_pass(w);
    expect(w, 1, 0, 0, 3); /* the listener, the certificate before and after */
    assert_int_equal(w->plan.pieces[PLAN_CERTIFICATE].n, 1);
    put_secret(w, "elsewhere", WORLD_NOW_S - 100, 10);
    world_pass(w);
    expect(w, 0, 0, 0, 0); /* nobody names it */
    store_remove(w->store, KIND_SECRET, S("default"), S("cert"));
    world_pass(w);
    expect(w, 1, 5, 1,
           1 + 5 + 2 +
               1); /* nothing is served any more: listener, routes, backend and endpoints, certificate */
    assert_int_equal(w->plan.pieces[PLAN_CERTIFICATE].n, 0);
}

static void test_the_younger_gateway_takes_over_when_the_older_goes(void **state) {
    struct world *w = *state;
    put_base(w);
    manifest_put(w->store, MANIFEST_GATEWAY, "zz", WORLD_HTTP);
    world_pass(w);
    assert_string_equal(world_gateway(w, S("default"), S("zz"), "Accepted"), "False/ListenersNotValid");
    assert_null(plan_get(&w->plan, PLAN_LISTENER, S("Gateway/default/zz/http")));
    store_remove(w->store, KIND_GATEWAY, S("default"), S("gw"));
    world_pass(w);
    assert_string_equal(world_gateway(w, S("default"), S("zz"), "Accepted"), "True/Accepted");
    assert_non_null(plan_get(&w->plan, PLAN_LISTENER, S("Gateway/default/zz/http")));
    assert_null(plan_get(&w->plan, PLAN_LISTENER, S("Gateway/default/gw/http")));
}

static void test_another_controller_name_lets_go_of_everything(void **state) {
    struct world *w = *state;
    put_base(w);
    put_route(w, 1, "h", "web");
    world_pass(w);
    w->facts.controller_name = S("other.dev/controller");
    w->facts.changed = true;
    world_pass(w);
    assert_null(resolve_status(w->resolver, KIND_GATEWAY_CLASS, S(""), S("postern")));
    assert_int_equal(w->plan.pieces[PLAN_LISTENER].n + w->plan.pieces[PLAN_ROUTE].n, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_cost_follows_the_change),
        WORLD_TEST(test_a_gateway_reaches_its_routes_by_what_they_see_alone),
        WORLD_TEST(test_a_selector_follows_labels_of_namespaces),
        WORLD_TEST(test_a_grant_is_taken_back_at_once),
        WORLD_TEST(test_a_slice_that_moves_leaves_its_service),
        WORLD_TEST(test_facts_change_statuses_alone),
        WORLD_TEST(test_programmed_waits_for_the_workers),
        WORLD_TEST(test_changed_statuses_are_told),
        WORLD_TEST(test_time_alone_changes_what_is_said_of_a_certificate),
        WORLD_TEST(test_a_clock_set_back_is_followed),
        WORLD_TEST(test_a_secret_rotates_without_its_routes),
        WORLD_TEST(test_the_younger_gateway_takes_over_when_the_older_goes),
        WORLD_TEST(test_another_controller_name_lets_go_of_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
