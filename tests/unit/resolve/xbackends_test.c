/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include "api/condition.h"
#include "resolve/features.h"

#define XBACKEND                                                                                             \
    "apiVersion: gateway.networking.x-k8s.io/v1alpha1\nkind: XBackend\nmetadata: {name: %s}\nspec: {%s}"
#define EXTERNAL "type: ExternalHostname, externalHostname: {hostname: %s}, port: {number: 443}"
#define SELECTOR "type: EndpointSelector, endpointSelector: {matchLabels: {a: b}}, port: {number: 8080}"
#define ROUTE                                                                                                \
    "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: %s}\n"                      \
    "spec: {parentRefs: [{name: gw}], rules: [{backendRefs: [{group: gateway.networking.x-k8s.io, kind: "    \
    "XBackend, name: %s}]}]}"
#define SLICE                                                                                                \
    "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: %s, labels: "                    \
    "{postern.dev/xbackend: "                                                                                \
    "%s}}\naddressType: IPv4\nports: [{port: 8080}]\nendpoints: [{addresses: [%s]}]"

static void put_external(struct world *w, const char *name, const char *hostname) {
    char spec[256];
    snprintf(spec, sizeof spec, EXTERNAL, hostname);
    manifest_put(w->store, XBACKEND, name, spec);
    manifest_put(w->store, ROUTE, name, name);
}

static void begin(struct world *w) {
    features_enable_all(&w->facts);
    w->facts.serving = true;
    manifest_put(w->store, MANIFEST_CLASS);
    manifest_put(w->store, MANIFEST_GATEWAY, "gw", WORLD_HTTP);
}

static const struct plan_endpoints *endpoints(const struct world *w, const char *key) {
    return world_piece(w, PLAN_ENDPOINTS, str_of(key));
}

static const char *resolved(const struct world *w, const char *name) {
    const struct policy_status *st = resolve_status(w->resolver, KIND_XBACKEND, S("default"), str_of(name));
    assert_true(st && st->ancestors.n == 1);
    return world_condition(st->ancestors.p[0].conditions.p, st->ancestors.p[0].conditions.n, "ResolvedRefs");
}

static struct ip ip_of(const char *text) {
    struct ip ip;
    assert_ok(ip_parse(str_of(text), &ip));
    return ip;
}

/* A name that becomes known changes its own backends, and no route. */
static void test_names_are_facts(void **state) {
    struct world *w = *state;
    begin(w);
    put_external(w, "one", "one.example");
    put_external(w, "two", "two.example");
    world_pass(w);
    assert_int_equal(endpoints(w, "XBackend/default/one:443")->endpoints.n, 0);
    assert_string_equal(resolved(w, "one"), "Unknown/Pending");
    struct ip ips[] = {ip_of("198.51.100.2"), ip_of("198.51.100.1"), ip_of("127.0.0.1")};
    facts_set_name(&w->facts, S("one.example"), ips, 3, S(""));
    world_pass(w);
    assert_int_equal(w->work.routes, 0);
    assert_int_equal(w->work.backends, 1);
    assert_int_equal(endpoints(w, "XBackend/default/one:443")->endpoints.n, 2);
    assert_str(endpoints(w, "XBackend/default/one:443")->endpoints.p[0].address, "198.51.100.1");
    assert_string_equal(resolved(w, "one"), "True/ResolvedRefs");
    facts_set_name(&w->facts, S("one.example"), (struct ip[]){ips[1], ips[2], ips[0]}, 3, S(""));
    world_pass(w); /* another order is nothing new */
    assert_int_equal(w->work.backends, 0);
    facts_set_name(&w->facts, S("one.example"), NULL, 0, S("no such name"));
    world_pass(w);
    assert_int_equal(endpoints(w, "XBackend/default/one:443")->endpoints.n, 0);
    assert_string_equal(resolved(w, "one"), "False/HostnameNotResolved");
    assert_string_equal(resolved(w, "two"), "Unknown/Pending");
    facts_forget_name(&w->facts, S("one.example"));
    world_pass(w);
    assert_int_equal(w->work.backends, 1);
    assert_string_equal(resolved(w, "one"), "Unknown/Pending");
    assert_int_equal(w->facts.names.n, 0);
}

/* A slice that changes its label leaves the one XBackend and comes to the other. */
static void test_slices_move(void **state) {
    struct world *w = *state;
    begin(w);
    manifest_put(w->store, XBACKEND, "one", SELECTOR);
    manifest_put(w->store, XBACKEND, "two", SELECTOR);
    manifest_put(w->store, ROUTE, "one", "one");
    manifest_put(w->store, ROUTE, "two", "two");
    manifest_put(w->store, SLICE, "s", "one", "10.0.0.1");
    world_pass(w);
    assert_int_equal(endpoints(w, "XBackend/default/one:8080")->endpoints.n, 1);
    manifest_put(w->store, SLICE, "s", "two", "10.0.0.1");
    world_pass(w);
    assert_int_equal(w->work.routes, 0);
    assert_int_equal(w->work.backends, 2);
    assert_int_equal(endpoints(w, "XBackend/default/one:8080")->endpoints.n, 0);
    assert_int_equal(endpoints(w, "XBackend/default/two:8080")->endpoints.n, 1);
    store_remove(w->store, KIND_ENDPOINT_SLICE, S("default"), S("s"));
    world_pass(w);
    assert_int_equal(endpoints(w, "XBackend/default/two:8080")->endpoints.n, 0);
}

/* Another port is another backend; the one before is gone. */
static void test_a_port_changes(void **state) {
    struct world *w = *state;
    begin(w);
    manifest_put(w->store, XBACKEND, "one", SELECTOR);
    manifest_put(w->store, ROUTE, "one", "one");
    world_pass(w);
    assert_non_null(endpoints(w, "XBackend/default/one:8080"));
    manifest_put(w->store, XBACKEND, "one",
                 "type: EndpointSelector, endpointSelector: {matchLabels: {a: b}}, port: {number: 9090}");
    world_pass(w);
    assert_null(endpoints(w, "XBackend/default/one:8080"));
    assert_non_null(endpoints(w, "XBackend/default/one:9090"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_names_are_facts),
        WORLD_TEST(test_slices_move),
        WORLD_TEST(test_a_port_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
