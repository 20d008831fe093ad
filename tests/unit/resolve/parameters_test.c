/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#define EDGE_CLASS                                                                                           \
    "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: postern}\n"              \
    "spec: {controllerName: postern.dev/gateway-controller, parametersRef: {group: \"\", kind: ConfigMap, "  \
    "namespace: default, name: %s}}"
#define SETTINGS "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: {%s}"
#define OWN_GATEWAY                                                                                          \
    "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: gw}\n"                        \
    "spec: {gatewayClassName: postern, infrastructure: {parametersRef: {group: \"\", kind: ConfigMap, "      \
    "name: "                                                                                                 \
    "%s}}, listeners: [{name: http, port: 80, protocol: HTTP}]}"

static const struct plan_settings *settings_of(struct world *w) {
    const struct plan_listener *l = world_piece(w, PLAN_LISTENER, S("Gateway/default/gw/http"));
    return l ? l->settings : NULL;
}

static bool is_served(struct world *w) {
    return plan_get(&w->plan, PLAN_LISTENER, S("Gateway/default/gw/http")) != NULL;
}

static const char *class_accepted(struct world *w) {
    const struct gateway_class_status *st =
        resolve_status(w->resolver, KIND_GATEWAY_CLASS, S(""), S("postern"));
    return world_condition(st->conditions.p, st->conditions.n, "Accepted");
}

/* While there is a data plane, a mistake leaves in force what was good last. */
static void test_a_class_s_last_good_settings_hold(void **state) {
    struct world *w = *state;
    w->facts.serving = true;
    manifest_put(w->store, EDGE_CLASS, "edge");
    manifest_put(w->store, SETTINGS, "edge", "timeouts.request: 5s");
    manifest_put(w->store, MANIFEST_GATEWAY, "gw", "{name: http, port: 80, protocol: HTTP}");
    world_pass(w);
    assert_int_equal(settings_of(w)->request_timeout.v, 5000000);
    manifest_put(w->store, SETTINGS, "edge", "timeouts.request: soon");
    world_pass(w);
    assert_string_equal(class_accepted(w), "False/InvalidParameters");
    assert_int_equal(settings_of(w)->request_timeout.v, 5000000);
    assert_int_equal(w->work.gateways, 0);
    manifest_put(w->store, SETTINGS, "edge", "timeouts.request: 7s");
    world_pass(w);
    assert_string_equal(class_accepted(w), "True/Accepted");
    assert_int_equal(settings_of(w)->request_timeout.v, 7000000);
    store_remove(w->store, KIND_CONFIG_MAP, S("default"), S("edge"));
    world_pass(w);
    assert_string_equal(class_accepted(w), "False/InvalidParameters");
    assert_int_equal(settings_of(w)->request_timeout.v, 7000000);
    manifest_put(w->store, MANIFEST_CLASS); /* none any more: nothing is to hold on to */
    world_pass(w);
    assert_string_equal(class_accepted(w), "True/Accepted");
    assert_null(settings_of(w));
    assert_true(is_served(w));
}

static void test_a_gateway_s_last_good_settings_hold(void **state) {
    struct world *w = *state;
    w->facts.serving = true;
    manifest_put(w->store, MANIFEST_CLASS);
    manifest_put(w->store, OWN_GATEWAY, "own");
    manifest_put(w->store, SETTINGS, "own", "trustedProxies: 10.0.0.0/8");
    world_pass(w);
    assert_int_equal(settings_of(w)->trusted_proxies.n, 1);
    manifest_put(w->store, OWN_GATEWAY, "owen");
    world_pass(w);
    assert_string_equal(world_gateway(w, S("default"), S("gw"), "Accepted"), "False/InvalidParameters");
    assert_int_equal(settings_of(w)->trusted_proxies.n, 1);
    assert_true(str_eq(settings_of(w)->trusted_proxies.p[0], S("10.0.0.0/8")));
    manifest_put(w->store, OWN_GATEWAY, "own");
    world_pass(w);
    assert_string_equal(world_gateway(w, S("default"), S("gw"), "Accepted"), "True/Accepted");
}

/* Nothing was good before, or nothing is served at all: there is nothing to hold on to. */
static void test_without_a_last_good_one_nothing_is_served(void **state) {
    struct world *w = *state;
    w->facts.serving = true;
    manifest_put(w->store, MANIFEST_CLASS);
    manifest_put(w->store, OWN_GATEWAY, "own");
    world_pass(w);
    assert_string_equal(world_gateway(w, S("default"), S("gw"), "Accepted"), "False/InvalidParameters");
    assert_false(is_served(w));
    manifest_put(w->store, SETTINGS, "own", "timeouts.idle: 5s");
    world_pass(w);
    assert_true(is_served(w));
    w->facts.serving = false;
    manifest_put(w->store, SETTINGS, "own", "timeouts.idle: 0s");
    world_pass(w);
    assert_false(is_served(w));
}

/* A change of settings costs its Gateways, and no route. */
static void test_cost_follows_the_change(void **state) {
    struct world *w = *state;
    manifest_put(w->store, EDGE_CLASS, "edge");
    manifest_put(w->store, SETTINGS, "edge", "timeouts.request: 5s");
    manifest_put(w->store, MANIFEST_GATEWAY, "gw", "{name: http, port: 80, protocol: HTTP}");
    manifest_put(w->store, MANIFEST_SERVICE, "web", "default", 80);
    manifest_put(w->store, MANIFEST_ROUTE, "r", "default", "", "web", "default");
    world_pass(w);
    manifest_put(w->store, SETTINGS, "edge", "timeouts.request: 6s");
    world_pass(w);
    assert_int_equal(w->work.gateways, 1);
    assert_int_equal(w->work.routes, 0);
    assert_int_equal(w->delta.n, 1);
    manifest_put(w->store, SETTINGS, "other", "timeouts.request: 6s");
    world_pass(w);
    assert_int_equal(w->work.gateways, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_a_class_s_last_good_settings_hold),
        WORLD_TEST(test_a_gateway_s_last_good_settings_hold),
        WORLD_TEST(test_without_a_last_good_one_nothing_is_served),
        WORLD_TEST(test_cost_follows_the_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
