/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include "api/condition.h"
#include "resolve/features.h"

#define SETS_GATEWAY                                                                                         \
    "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: %s}\n"                        \
    "spec: {gatewayClassName: postern, allowedListeners: {namespaces: {from: %s}}, listeners: [{name: "      \
    "http, "                                                                                                 \
    "port: %d, protocol: HTTP}]}"
#define SET                                                                                                  \
    "apiVersion: gateway.networking.k8s.io/v1\nkind: ListenerSet\nmetadata: {name: %s}\n"                    \
    "spec: {parentRef: {name: %s}, listeners: [{name: x, port: %d, protocol: HTTP}]}"
#define SET_ROUTE                                                                                            \
    "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: %s}\n"                      \
    "spec: {parentRefs: [{kind: %s, name: %s}], rules: [{backendRefs: [{name: web, port: 80}]}]}"

static void put_base(struct world *w) {
    manifest_put(w->store, MANIFEST_CLASS);
    manifest_put(w->store, SETS_GATEWAY, "gw", "Same", 80);
    manifest_put(w->store, SETS_GATEWAY, "other", "Same", 81);
    manifest_put(w->store, MANIFEST_SERVICE, "web", "default", 80);
}

static const char *set_condition(struct world *w, const char *name, const char *type) {
    const struct listener_set_status *st =
        resolve_status(w->resolver, KIND_LISTENER_SET, S("default"), str_of(name));
    return st ? world_condition(st->conditions.p, st->conditions.n, type) : "";
}

static int64_t attached_sets(struct world *w, const char *gateway) {
    const struct gateway_status *st =
        resolve_status(w->resolver, KIND_GATEWAY, S("default"), str_of(gateway));
    return st->attached_listener_sets;
}

static bool in_plan(struct world *w, const char *key) {
    return plan_get(&w->plan, PLAN_LISTENER, str_of(key));
}

static void test_cost_follows_the_change(void **state) {
    struct world *w = *state;
    put_base(w);
    manifest_put(w->store, SET, "team", "gw", 8080);
    manifest_put(w->store, SET_ROUTE, "own", "Gateway", "gw");
    manifest_put(w->store, SET_ROUTE, "of-set", "ListenerSet", "team");
    manifest_put(w->store, SET_ROUTE, "of-other", "Gateway", "other");
    world_pass(w);
    assert_int_equal(w->plan.pieces[PLAN_LISTENER].n, 3);
    manifest_put(w->store, SET, "team", "gw", 8081);
    world_pass(w);
    assert_int_equal(w->work.gateways, 1);
    assert_int_equal(w->work.routes, 1); /* that of the set alone */
    store_remove(w->store, KIND_LISTENER_SET, S("default"), S("team"));
    world_pass(w);
    assert_int_equal(w->work.gateways, 1);
    assert_int_equal(w->work.routes, 1);
    assert_null(resolve_status(w->resolver, KIND_HTTP_ROUTE, S("default"), S("of-set"))); /* nobody's */
    world_pass(w);
    assert_int_equal(w->work.gateways + w->work.routes + w->delta.n, 0);
}

static void test_a_set_moves_from_one_gateway_to_another(void **state) {
    struct world *w = *state;
    put_base(w);
    manifest_put(w->store, SET, "team", "gw", 8080);
    manifest_put(w->store, SET, "rest", "gw", 8082);
    manifest_put(w->store, SET_ROUTE, "web", "ListenerSet", "team");
    world_pass(w);
    assert_int_equal(attached_sets(w, "gw"), 2);
    for (int i = 0; i < 2; i++) { /* there and back: whichever Gateway is looked at first */
        manifest_put(w->store, SET, "team", i ? "gw" : "other", 8080);
        world_pass(w);
        assert_int_equal(attached_sets(w, "gw"), 1 + i);
        assert_int_equal(attached_sets(w, "other"), 1 - i);
        const struct plan_listener *l = world_piece(w, PLAN_LISTENER, S("ListenerSet/default/team/x"));
        assert_str(l->gateway, i ? "default/gw" : "default/other");
        assert_string_equal(world_route(w, S("default"), S("web"), "Accepted"), "True/Accepted");
    }
}

static void test_the_gateway_closes_and_opens(void **state) {
    struct world *w = *state;
    put_base(w);
    manifest_put(w->store, SET, "team", "gw", 8080);
    manifest_put(w->store, SET_ROUTE, "web", "ListenerSet", "team");
    world_pass(w);
    manifest_put(w->store, SETS_GATEWAY, "gw", "None", 80);
    world_pass(w);
    assert_string_equal(set_condition(w, "team", "Accepted"), "False/NotAllowed");
    assert_string_equal(set_condition(w, "team", "Programmed"), "False/NotAllowed");
    assert_string_equal(world_route(w, S("default"), S("web"), "Accepted"), "False/NotAllowedByListeners");
    assert_false(in_plan(w, "ListenerSet/default/team/x"));
    manifest_put(w->store, SETS_GATEWAY, "gw", "Same", 80);
    world_pass(w);
    assert_string_equal(set_condition(w, "team", "Accepted"), "True/Accepted");
    assert_string_equal(world_route(w, S("default"), S("web"), "Accepted"), "True/Accepted");
    store_remove(w->store, KIND_GATEWAY, S("default"), S("gw"));
    world_pass(w);
    assert_string_equal(set_condition(w, "team", "Accepted"), "");
    assert_int_equal(w->plan.pieces[PLAN_ROUTE].n, 0);
}

/* No longer conflicted: it goes live at once.                                        [GW ListenerSet] */
static void test_a_waiting_entry_takes_over(void **state) {
    struct world *w = *state;
    put_base(w);
    manifest_put(w->store, SET, "aa", "gw", 8080);
    manifest_put(w->store, SET, "bb", "gw", 8080);
    world_pass(w);
    assert_string_equal(set_condition(w, "bb", "Accepted"), "False/ListenersNotValid");
    assert_true(in_plan(w, "ListenerSet/default/aa/x") && !in_plan(w, "ListenerSet/default/bb/x"));
    store_remove(w->store, KIND_LISTENER_SET, S("default"), S("aa"));
    world_pass(w);
    assert_string_equal(set_condition(w, "bb", "Accepted"), "True/Accepted");
    assert_true(in_plan(w, "ListenerSet/default/bb/x"));
}

static void test_features_come_and_go(void **state) {
    struct world *w = *state;
    put_base(w);
    manifest_put(w->store,
                 "apiVersion: gateway.networking.k8s.io/v1\nkind: GRPCRoute\nmetadata: {name: calls}\n"
                 "spec: {parentRefs: [{name: gw}], rules: [{backendRefs: [{name: web, port: 80}]}]}");
    world_pass(w);
    const struct route_status *st = resolve_status(w->resolver, KIND_GRPC_ROUTE, S("default"), S("calls"));
    assert_string_equal(
        world_condition(st->parents.p[0].conditions.p, st->parents.p[0].conditions.n, "Accepted"),
        "False/UnsupportedValue");
    assert_int_equal(w->plan.pieces[PLAN_ROUTE].n, 0);
    features_enable_all(&w->facts);
    world_pass(w);
    st = resolve_status(w->resolver, KIND_GRPC_ROUTE, S("default"), S("calls"));
    assert_string_equal(
        world_condition(st->parents.p[0].conditions.p, st->parents.p[0].conditions.n, "Accepted"),
        "True/Accepted");
    assert_int_equal(w->plan.pieces[PLAN_ROUTE].n, 1);
    memset(w->facts.features, 0, sizeof w->facts.features);
    w->facts.changed = true;
    world_pass(w);
    assert_int_equal(w->plan.pieces[PLAN_ROUTE].n, 0);
}

/* A protocol that is not served loses its port to who goes first, and is told so before all else. */
static void test_an_unserved_protocol_on_the_port_of_another(void **state) {
    struct world *w = *state;
    put_base(w);
    manifest_put(
        w->store,
        "apiVersion: gateway.networking.k8s.io/v1\nkind: ListenerSet\nmetadata: {name: team}\n"
        "spec: {parentRef: {name: gw}, listeners: [{name: clash, port: 80, protocol: TCP}, {name: alone, "
        "port: 90, protocol: TCP}, {name: good, port: 8080, protocol: HTTP}]}");
    world_pass(w);
    const struct listener_set_status *st =
        resolve_status(w->resolver, KIND_LISTENER_SET, S("default"), S("team"));
    const struct listener_status *l = st->listeners.p;
    assert_string_equal(world_condition(l[0].conditions.p, l[0].conditions.n, "Conflicted"),
                        "True/ProtocolConflict");
    assert_string_equal(world_condition(l[0].conditions.p, l[0].conditions.n, "Accepted"),
                        "False/ProtocolConflict");
    assert_string_equal(world_condition(l[1].conditions.p, l[1].conditions.n, "Accepted"),
                        "False/UnsupportedProtocol");
    assert_string_equal(world_condition(l[2].conditions.p, l[2].conditions.n, "Accepted"), "True/Accepted");
    assert_string_equal(world_gateway(w, S("default"), S("gw"), "Accepted"), "True/Accepted");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_cost_follows_the_change),
        WORLD_TEST(test_an_unserved_protocol_on_the_port_of_another),
        WORLD_TEST(test_a_set_moves_from_one_gateway_to_another),
        WORLD_TEST(test_the_gateway_closes_and_opens),
        WORLD_TEST(test_a_waiting_entry_takes_over),
        WORLD_TEST(test_features_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
