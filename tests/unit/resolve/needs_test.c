/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include "api/settings.h"
#include "resolve/features.h"
#include "resolve/needs.h"

#define CLUSTER_GATEWAY                                                                                      \
    "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: %s, namespace: %s}\n"         \
    "spec: {gatewayClassName: postern, allowedListeners: {namespaces: {from: Same}}, listeners: [%s]}"
#define CLUSTER_ROUTE                                                                                        \
    "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: %s}\n"                      \
    "spec: {parentRefs: [{name: %s}], rules: [{backendRefs: [{name: %s, port: 80}]}]}"

static const struct gateway_status *status_of(struct world *w, const char *name) {
    return resolve_status(w->resolver, KIND_GATEWAY, S("default"), str_of(name));
}

static struct plan_listener *in_plan(struct world *w, const char *key) {
    return (void *)(uintptr_t)plan_get(&w->plan, PLAN_LISTENER, str_of(key));
}

static void give(struct world *w, const char *key, uint16_t port, uint16_t to, const char *address) {
    struct fact_port p = {port, to, false};
    struct fact_address a = {S("IPAddress"), str_of(address)};
    struct fact_gateway g = {&p, 1, &a, 1, NULL, S("")};
    facts_set_gateway(&w->facts, str_of(key), &g);
}

/* Two Gateways on one port do not meet: each has a socket of its own, once its Service has given it one. */
static void test_ports_of_their_own(void **state) {
    struct world *w = *state;
    w->facts.cluster = w->facts.serving = true;
    manifest_put(w->store, MANIFEST_CLASS);
    manifest_put(w->store, CLUSTER_GATEWAY, "one", "default", WORLD_HTTP);
    manifest_put(w->store, CLUSTER_GATEWAY, "two", "default", WORLD_HTTP);
    manifest_put(w->store, CLUSTER_ROUTE, "r", "one", "web");
    world_pass(w);
    assert_string_equal(world_gateway(w, S("default"), S("one"), "Programmed"), "False/Pending");
    assert_int_equal(status_of(w, "one")->listeners.p[0].attached_routes, 1);
    assert_int_equal(w->plan.pieces[PLAN_LISTENER].n, 0);
    give(w, "default/one", 80, 10001, "192.0.2.1");
    world_pass(w);
    assert_int_equal(in_plan(w, "Gateway/default/one/http")->bind_port, 10001);
    assert_int_equal(in_plan(w, "Gateway/default/one/http")->port, 80);
    assert_int_equal(w->work.gateways, 1);
    give(w, "default/two", 80, 10002, "192.0.2.2");
    facts_set_bind(&w->facts, S(""), 10001, FACT_TCP, true, S(""));
    facts_set_bind(&w->facts, S(""), 10002, FACT_TCP, true, S(""));
    world_pass(w);
    w->facts.revision_adopted = UINT64_MAX;
    w->facts.changed = true;
    world_pass(w);
    assert_string_equal(world_gateway(w, S("default"), S("one"), "Programmed"), "True/Programmed");
    assert_string_equal(world_gateway(w, S("default"), S("two"), "Programmed"), "True/Programmed");
    assert_int_equal(status_of(w, "two")->addresses.n, 1);
    assert_str(status_of(w, "two")->addresses.p[0].value, "192.0.2.2");
}

static void test_no_address(void **state) {
    struct world *w = *state;
    w->facts.cluster = w->facts.serving = true;
    manifest_put(w->store, MANIFEST_CLASS);
    manifest_put(w->store, CLUSTER_GATEWAY, "one", "default", WORLD_HTTP);
    struct fact_gateway g = {.reason = "AddressNotAssigned", .message = S("install a load balancer")};
    facts_set_gateway(&w->facts, S("default/one"), &g);
    world_pass(w);
    assert_string_equal(world_gateway(w, S("default"), S("one"), "Programmed"), "False/AddressNotAssigned");
    assert_string_equal(world_gateway(w, S("default"), S("one"), "Accepted"), "True/Accepted");
    assert_int_equal(status_of(w, "one")->addresses.n, 0);
}

/* What a Gateway asks for is its Service's to find: no socket is bound to it. */
static void test_static_addresses(void **state) {
    struct world *w = *state;
    w->facts.cluster = true;
    manifest_put(w->store, MANIFEST_CLASS);
    manifest_put(w->store,
                 "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: one}\n"
                 "spec: {gatewayClassName: postern, addresses: [{value: 192.0.2.7}], listeners: [%s]}",
                 WORLD_HTTP);
    give(w, "default/one", 80, 10001, "192.0.2.7");
    world_pass(w);
    assert_str(in_plan(w, "Gateway/default/one/http")->bind_address, "");
}

static void test_gateways(void **state) {
    struct world *w = *state;
    size_t n;
    OWNED(arena) a = arena_new();
    manifest_put(w->store, MANIFEST_CLASS);
    manifest_put(
        w->store, CLUSTER_GATEWAY, "b", "default",
        "{name: s, port: 443, protocol: HTTP}, {name: a, port: 80, protocol: HTTP, hostname: a.test}, "
        "{name: b, port: 80, protocol: HTTP}, {name: bad, port: 90, protocol: TCP}");
    manifest_put(w->store, CLUSTER_GATEWAY, "a", "other", WORLD_HTTP);
    manifest_put(w->store,
                 "apiVersion: gateway.networking.k8s.io/v1\nkind: ListenerSet\nmetadata: {name: more}\n"
                 "spec: {parentRef: {name: b}, listeners: [{name: x, port: 8080, protocol: HTTP}]}");
    world_pass(w);
    struct need_gateway *v = needs_gateways(w->resolver, a, &n);
    assert_int_equal(n, 2);
    assert_str(v[0].ns, "default");
    assert_true(v[0].accepted);
    assert_int_equal(v[0].ports_n, 3); /* 90 is for TCP, which is not served */
    assert_int_equal(v[0].ports[0].port, 80);
    assert_int_equal(v[0].ports[1].port, 443);
    assert_int_equal(v[0].ports[2].port, 8080);
    assert_str(v[1].ns, "other");
}

static bool needs(struct world *w, enum api_kind kind, const char *ns, const char *name) {
    size_t n;
    OWNED(arena) a = arena_new();
    const struct need_object *v = needs_objects(w->resolver, w->store, a, &n);
    for (size_t i = 0; i < n; i++)
        if (v[i].kind == kind && str_eq(v[i].ns, str_of(ns)) && str_eq(v[i].name, str_of(name))) return true;
    return false;
}

static void test_objects(void **state) {
    struct world *w = *state;
    manifest_put(w->store, MANIFEST_CLASS);
    manifest_put(w->store, CLUSTER_GATEWAY, "gw", "default",
                 "{name: s, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: own}, {name: theirs, "
                 "namespace: other}]}}");
    manifest_put(w->store, CLUSTER_ROUTE, "r", "gw", "web");
    manifest_put(w->store, CLUSTER_ROUTE, "q", "nobodys", "db");
    manifest_put(w->store, CLUSTER_ROUTE, "again", "gw", "web");
    world_pass(w);
    assert_true(needs(w, KIND_SERVICE, "default", "web"));
    assert_false(needs(w, KIND_SERVICE, "default", "db")); /* no route of ours names it */
    assert_true(needs(w, KIND_SECRET, "default", "own"));
    assert_false(needs(w, KIND_SECRET, "other", "theirs")); /* not permitted */
    manifest_put(w->store,
                 "apiVersion: gateway.networking.k8s.io/v1\nkind: ReferenceGrant\nmetadata: {name: g, "
                 "namespace: other}\nspec: {from: [{group: gateway.networking.k8s.io, kind: Gateway, "
                 "namespace: default}], to: [{group: \"\", kind: Secret}]}");
    world_pass(w);
    assert_true(needs(w, KIND_SECRET, "other", "theirs"));
    store_remove(w->store, KIND_GATEWAY, S("default"), S("gw"));
    world_pass(w);
    assert_false(needs(w, KIND_SECRET, "default", "own"));
    assert_false(needs(w, KIND_SERVICE, "default", "web"));
}

static void put_parameters(struct world *w, const char *data) {
    manifest_put(w->store, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: how}\ndata: {%s}", data);
}

/* No object refers to the Service that spans are sent to by a setting. */
static void test_collector(void **state) {
    struct world *w = *state;
    manifest_put(w->store, MANIFEST_CLASS);
    manifest_put(w->store,
                 "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: gw}\n"
                 "spec: {gatewayClassName: postern, listeners: [{name: http, port: 80, protocol: HTTP}], "
                 "infrastructure: {parametersRef: {group: '', kind: ConfigMap, name: how}}}");
    put_parameters(w, "tracing.collector: 'otel:4318'");
    world_pass(w);
    assert_true(needs(w, KIND_SERVICE, "default", "otel"));
    put_parameters(w, "tracing.collector: 'other:4318'");
    world_pass(w);
    assert_false(needs(w, KIND_SERVICE, "default", "otel"));
    assert_true(needs(w, KIND_SERVICE, "default", "other"));
}

static void test_settings(void **state) {
    struct world *w = *state;
    size_t n;
    OWNED(arena) a = arena_new();
    features_enable_cluster(&w->facts);
    manifest_put(w->store, MANIFEST_CLASS);
    put_parameters(w, "addresses.service: ClusterIP");
    manifest_put(w->store,
                 "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: gw}\n"
                 "spec: {gatewayClassName: postern, infrastructure: {parametersRef: {group: '', kind: "
                 "ConfigMap, name: "
                 "how}}, listeners: [%s]}",
                 WORLD_HTTP);
    world_pass(w);
    assert_int_equal(needs_gateways(w->resolver, a, &n)->service, SETTINGS_CLUSTER_IP);
    assert_true(needs(w, KIND_CONFIG_MAP, "default", "how"));
    put_parameters(w, "addresses.service: Nowhere");
    world_pass(w);
    assert_string_equal(world_gateway(w, S("default"), S("gw"), "Accepted"), "False/InvalidParameters");
    put_parameters(w, "addresses.service: HostPort");
    w->facts.cluster = false; /* there it would be accepted and do nothing */
    world_pass(w);
    assert_string_equal(world_gateway(w, S("default"), S("gw"), "Accepted"), "False/InvalidParameters");
}

static void test_version(void **state) {
    struct world *w = *state;
    manifest_put(w->store, MANIFEST_CLASS);
    world_pass(w);
    const struct gateway_class_status *st =
        resolve_status(w->resolver, KIND_GATEWAY_CLASS, S(""), S("postern"));
    assert_string_equal(world_condition(st->conditions.p, st->conditions.n, "SupportedVersion"),
                        "True/SupportedVersion"); /* manifests are read by our own tables */
    snprintf(w->facts.bundle, sizeof w->facts.bundle, "v1.7.0");
    w->facts.changed = true;
    world_pass(w);
    st = resolve_status(w->resolver, KIND_GATEWAY_CLASS, S(""), S("postern"));
    assert_string_equal(world_condition(st->conditions.p, st->conditions.n, "SupportedVersion"),
                        "True/SupportedVersion");
    snprintf(w->facts.bundle, sizeof w->facts.bundle, "v1.10.0");
    w->facts.changed = true;
    world_pass(w);
    st = resolve_status(w->resolver, KIND_GATEWAY_CLASS, S(""), S("postern"));
    assert_string_equal(world_condition(st->conditions.p, st->conditions.n, "SupportedVersion"),
                        "False/UnsupportedVersion");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_ports_of_their_own), WORLD_TEST(test_no_address), WORLD_TEST(test_static_addresses),
        WORLD_TEST(test_gateways),           WORLD_TEST(test_objects),    WORLD_TEST(test_collector),
        WORLD_TEST(test_settings),           WORLD_TEST(test_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
