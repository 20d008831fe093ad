/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include "api/condition.h"
#include "resolve/features.h"

#define POLICY                                                                                               \
    "apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {name: %s}\n"               \
    "spec: {targetRefs: [{group: \"\", kind: Service, name: %s}], validation: {hostname: h.test, "           \
    "wellKnownCACertificates: System}}"

#define POLICY_WITHOUT_TRUST                                                                                 \
    "apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {name: %s}\n"               \
    "spec: {targetRefs: [{group: \"\", kind: Service, name: %s}], validation: {hostname: h.test, "           \
    "caCertificateRefs: [{group: \"\", kind: ConfigMap, name: missing}]}}"

static void put_base(struct world *w) {
    manifest_put(w->store, MANIFEST_CLASS);
    manifest_put(w->store, MANIFEST_GATEWAY, "gw", WORLD_HTTP);
    manifest_put(w->store, MANIFEST_SERVICE, "web", "default", 80);
    manifest_put(w->store, MANIFEST_SERVICE, "api", "default", 80);
    manifest_put(w->store, MANIFEST_SLICE, "web", "default", "web", "\"10.0.0.1\"");
    manifest_put(w->store, MANIFEST_SLICE, "api", "default", "api", "\"10.0.0.2\"");
    manifest_put(w->store, MANIFEST_ROUTE, "web", "default", "a.test", "web", "default");
    manifest_put(w->store, MANIFEST_ROUTE, "api", "default", "a.test", "api", "default");
}

static const char *accepted(struct world *w, const char *name) {
    const struct policy_status *st =
        resolve_status(w->resolver, KIND_BACKEND_TLS_POLICY, S("default"), str_of(name));
    if (!st || !st->ancestors.n) return "";
    return world_condition(st->ancestors.p[0].conditions.p, st->ancestors.p[0].conditions.n, "Accepted");
}

static uint32_t endpoints(struct world *w, const char *key) {
    const struct plan_endpoints *e = world_piece(w, PLAN_ENDPOINTS, str_of(key));
    return e ? e->endpoints.n : 0;
}

static bool tls(struct world *w, const char *key) {
    const struct plan_backend *b = world_piece(w, PLAN_BACKEND, str_of(key));
    return b && b->tls;
}

/* What can not be verified takes the backend away rather than the encryption. */
static void test_nothing_goes_out_in_the_clear(void **state) {
    struct world *w = *state;
    put_base(w);
    world_pass(w);
    assert_int_equal(endpoints(w, "default/web:80"), 1);
    manifest_put(w->store, POLICY_WITHOUT_TRUST, "p", "web");
    world_pass(w);
    assert_int_equal(w->work.routes, 0); /* routes do not care */
    assert_int_equal(w->work.backends, 1);
    assert_int_equal(endpoints(w, "default/web:80"), 0);
    assert_int_equal(endpoints(w, "default/api:80"), 1);
    assert_string_equal(accepted(w, "p"), "False/NoValidCACertificate");
    store_remove(w->store, KIND_BACKEND_TLS_POLICY, S("default"), S("p"));
    world_pass(w);
    assert_int_equal(endpoints(w, "default/web:80"), 1);
    assert_string_equal(accepted(w, "p"), "");
}

static void test_a_policy_leaves_a_target_for_another(void **state) {
    struct world *w = *state;
    features_enable_all(&w->facts);
    put_base(w);
    manifest_put(w->store, POLICY, "p", "web");
    manifest_put(w->store, POLICY, "q", "web");
    world_pass(w);
    assert_true(tls(w, "default/web:80") && !tls(w, "default/api:80"));
    assert_string_equal(accepted(w, "p"), "True/Accepted");
    assert_string_equal(accepted(w, "q"), "False/Conflicted");
    manifest_put(w->store, POLICY, "p", "api");
    world_pass(w);
    assert_true(tls(w, "default/web:80") && tls(w, "default/api:80"));
    assert_string_equal(accepted(w, "q"), "True/Accepted");
    store_remove(w->store, KIND_BACKEND_TLS_POLICY, S("default"), S("q"));
    world_pass(w);
    assert_false(tls(w, "default/web:80"));
}

static void test_ancestors_follow_the_routes(void **state) {
    struct world *w = *state;
    features_enable_all(&w->facts);
    put_base(w);
    manifest_put(w->store, POLICY, "p", "web");
    world_pass(w);
    assert_string_equal(accepted(w, "p"), "True/Accepted");
    store_remove(w->store, KIND_HTTP_ROUTE, S("default"), S("web"));
    world_pass(w);
    assert_null(resolve_status(w->resolver, KIND_BACKEND_TLS_POLICY, S("default"), S("p")));
    manifest_put(w->store, MANIFEST_ROUTE, "api", "default", "a.test", "web", "default");
    world_pass(w);
    assert_string_equal(accepted(w, "p"), "True/Accepted");
    store_remove(w->store, KIND_GATEWAY, S("default"), S("gw"));
    world_pass(w);
    assert_null(resolve_status(w->resolver, KIND_BACKEND_TLS_POLICY, S("default"), S("p")));
}

/* A status holds 16 entries: the first by name, whatever the order in which Gateways came. */
static void test_ancestors_are_bounded(void **state) {
    struct world *w = *state;
    char name[8];
    features_enable_all(&w->facts);
    put_base(w);
    manifest_put(w->store, POLICY, "p", "web");
    for (int i = 19; i >= 0; i--) {
        char listener[128];
        snprintf(name, sizeof name, "g%02d", i);
        snprintf(listener, sizeof listener, "{name: http, port: %d, protocol: HTTP}", 8000 + i);
        manifest_put(w->store, MANIFEST_GATEWAY, name, listener);
        manifest_put(w->store,
                     "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r%s}\n"
                     "spec: {parentRefs: [{name: %s}], rules: [{backendRefs: [{name: web, port: 80}]}]}",
                     name, name);
        world_pass(w);
    }
    const struct policy_status *st =
        resolve_status(w->resolver, KIND_BACKEND_TLS_POLICY, S("default"), S("p"));
    assert_int_equal(st->ancestors.n, 16);
    assert_str(st->ancestors.p[0].ancestor_ref.name, "g00");
    assert_str(st->ancestors.p[15].ancestor_ref.name, "g15");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_nothing_goes_out_in_the_clear),
        WORLD_TEST(test_a_policy_leaves_a_target_for_another),
        WORLD_TEST(test_ancestors_follow_the_routes),
        WORLD_TEST(test_ancestors_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
