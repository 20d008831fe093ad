/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest.h"

static size_t count(struct store *s, enum api_kind kind, str ns, str name, enum api_kind from) {
    OWNED(arena) a = arena_new();
    size_t n;
    store_referrers(s, a, kind, ns, name, from, &n);
    return n;
}

static void test_every_kind_of_reference(void **state) {
    (void)state;
    OWNED(store) s = store_new();
    manifest_put(s, MANIFEST_GATEWAY, "gw",
                 "{name: a, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: near}, {name: far, "
                 "namespace: other}]}}");
    manifest_put(s, MANIFEST_ROUTE, "r", "app", "a.test", "web", "other");
    manifest_put(s, MANIFEST_SLICE, "e", "other", "web", "10.0.0.1");
    manifest_put(s, MANIFEST_GRANT, "g", "other", "app");
    manifest_put(s, "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: "
                    "mirror}\nspec: {parentRefs: [{name: gw, sectionName: b}, "
                    "{name: gw, sectionName: a}], rules: [{filters: [{type: RequestMirror, requestMirror: "
                    "{backendRef: {name: copy, "
                    "port: 80}}}], backendRefs: [{name: web, port: 80}, {name: web, port: 81}]}]}");
    assert_int_equal(count(s, KIND_GATEWAY_CLASS, S(""), S("postern"), KIND_GATEWAY), 1);
    assert_int_equal(count(s, KIND_SECRET, S("default"), S("near"), KIND_GATEWAY), 1);
    assert_int_equal(count(s, KIND_SECRET, S("other"), S("far"), KIND_GATEWAY), 1);
    assert_int_equal(count(s, KIND_GATEWAY, S("default"), S("gw"), KIND_HTTP_ROUTE),
                     2); /* twice named, once listed */
    assert_int_equal(count(s, KIND_SERVICE, S("other"), S("web"), KIND_HTTP_ROUTE), 1);
    assert_int_equal(count(s, KIND_SERVICE, S("default"), S("web"), KIND_HTTP_ROUTE), 1);
    assert_int_equal(count(s, KIND_SERVICE, S("default"), S("copy"), KIND_HTTP_ROUTE), 1);
    assert_int_equal(count(s, KIND_SERVICE, S("other"), S("web"), KIND_ENDPOINT_SLICE), 1);
    assert_int_equal(count(s, KIND_NAMESPACE, S(""), S("app"), KIND_HTTP_ROUTE), 1);
    assert_int_equal(count(s, KIND_NAMESPACE, S(""), S("default"), KIND_GATEWAY), 1);
    assert_int_equal(count(s, KIND_NAMESPACE, S(""), S("other"), KIND_REFERENCE_GRANT), 1);
    assert_int_equal(count(s, KIND_REFERENCE_GRANT, S("other"), S(""), KIND_HTTP_ROUTE), 1);
    assert_int_equal(count(s, KIND_REFERENCE_GRANT, S("other"), S(""), KIND_GATEWAY), 1);
    assert_int_equal(count(s, KIND_REFERENCE_GRANT, S("default"), S(""), KIND_HTTP_ROUTE), 0);
}

static void test_they_follow_replacement_and_removal(void **state) {
    (void)state;
    OWNED(store) s = store_new();
    manifest_put(s, MANIFEST_ROUTE, "r", "app", "a.test", "web", "app");
    manifest_put(s, MANIFEST_ROUTE, "r", "app", "a.test", "other", "app");
    assert_int_equal(count(s, KIND_SERVICE, S("app"), S("web"), KIND_HTTP_ROUTE), 0);
    assert_int_equal(count(s, KIND_SERVICE, S("app"), S("other"), KIND_HTTP_ROUTE), 1);
    store_remove(s, KIND_HTTP_ROUTE, S("app"), S("r"));
    assert_int_equal(count(s, KIND_SERVICE, S("app"), S("other"), KIND_HTTP_ROUTE), 0);
    assert_int_equal(count(s, KIND_NAMESPACE, S(""), S("app"), KIND_HTTP_ROUTE), 0);
}

static void test_many_of_one_target(void **state) {
    (void)state;
    OWNED(store) s = store_new();
    char name[32];
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "r%d", i);
        manifest_put(s, MANIFEST_ROUTE, name, "default", "a.test", "web", "default");
    }
    assert_int_equal(count(s, KIND_GATEWAY, S("default"), S("gw"), KIND_HTTP_ROUTE), 300);
    for (int i = 0; i < 300; i += 2) {
        snprintf(name, sizeof name, "r%d", i);
        store_remove(s, KIND_HTTP_ROUTE, S("default"), str_of(name));
    }
    assert_int_equal(count(s, KIND_GATEWAY, S("default"), S("gw"), KIND_HTTP_ROUTE), 150);
}

/* More targets than the space on the stack of gathering. */
static void test_many_targets_of_one(void **state) {
    (void)state;
    OWNED(store) s = store_new();
    char refs[4096];
    int n = 0;
    for (int rule = 0; rule < 3; rule++) {
        n += snprintf(refs + n, sizeof refs - (size_t)n, "%s{backendRefs: [", rule ? ", " : "");
        for (int i = 0; i < 16; i++)
            n += snprintf(refs + n, sizeof refs - (size_t)n, "%s{name: s%d-%d, port: 80}", i ? ", " : "",
                          rule, i);
        n += snprintf(refs + n, sizeof refs - (size_t)n, "]}");
    }
    manifest_put(
        s,
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r}\nspec: {rules: [%s]}",
        refs);
    assert_int_equal(count(s, KIND_SERVICE, S("default"), S("s0-0"), KIND_HTTP_ROUTE), 1);
    assert_int_equal(count(s, KIND_SERVICE, S("default"), S("s2-15"), KIND_HTTP_ROUTE), 1);
    assert_int_equal(count(s, KIND_SERVICE, S("default"), S("s3-0"), KIND_HTTP_ROUTE), 0);
}

static void test_the_other_kinds(void **state) {
    (void)state;
    OWNED(store) s = store_new();
    manifest_put(
        s,
        "apiVersion: gateway.networking.k8s.io/v1\nkind: ListenerSet\nmetadata: {name: set}\n"
        "spec: {parentRef: {name: gw, namespace: infra}, listeners: [{name: x, port: 443, protocol: HTTPS, "
        "tls: {certificateRefs: [{name: cert, namespace: vault}]}}]}");
    manifest_put(s, "apiVersion: gateway.networking.k8s.io/v1\nkind: TCPRoute\nmetadata: {name: raw}\n"
                    "spec: {parentRefs: [{kind: ListenerSet, name: set}], rules: [{backendRefs: [{name: web, "
                    "port: 80}]}]}");
    manifest_put(
        s, "apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {name: p}\n"
           "spec: {targetRefs: [{group: \"\", kind: Service, name: web}], validation: {hostname: h.test, "
           "caCertificateRefs: [{group: \"\", kind: ConfigMap, name: ca}]}}");
    assert_int_equal(count(s, KIND_GATEWAY, S("infra"), S("gw"), KIND_LISTENER_SET), 1);
    assert_int_equal(count(s, KIND_SECRET, S("vault"), S("cert"), KIND_LISTENER_SET), 1);
    assert_int_equal(count(s, KIND_REFERENCE_GRANT, S("vault"), S(""), KIND_LISTENER_SET), 1);
    assert_int_equal(count(s, KIND_NAMESPACE, S(""), S("default"), KIND_LISTENER_SET), 1);
    assert_int_equal(count(s, KIND_LISTENER_SET, S("default"), S("set"), KIND_TCP_ROUTE), 1);
    assert_int_equal(count(s, KIND_GATEWAY, S("default"), S("set"), KIND_TCP_ROUTE), 0);
    assert_int_equal(count(s, KIND_SERVICE, S("default"), S("web"), KIND_TCP_ROUTE), 1);
    assert_int_equal(count(s, KIND_SERVICE, S("default"), S("web"), KIND_BACKEND_TLS_POLICY), 1);
    assert_int_equal(count(s, KIND_CONFIG_MAP, S("default"), S("ca"), KIND_BACKEND_TLS_POLICY), 1);
    manifest_put(s, "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: edge}\n"
                    "spec: {controllerName: a.b/c, parametersRef: {group: \"\", kind: ConfigMap, namespace: "
                    "infra, name: edge}}");
    manifest_put(s, "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: own}\n"
                    "spec: {gatewayClassName: edge, infrastructure: {parametersRef: {group: \"\", kind: "
                    "ConfigMap, name: own}}, listeners: [{name: x, port: 80, protocol: HTTP}]}");
    assert_int_equal(count(s, KIND_CONFIG_MAP, S("infra"), S("edge"), KIND_GATEWAY_CLASS), 1);
    assert_int_equal(count(s, KIND_CONFIG_MAP, S("default"), S("own"), KIND_GATEWAY), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_of_reference),
        cmocka_unit_test(test_they_follow_replacement_and_removal),
        cmocka_unit_test(test_many_of_one_target),
        cmocka_unit_test(test_many_targets_of_one),
        cmocka_unit_test(test_the_other_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
