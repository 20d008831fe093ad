/* SPDX-License-Identifier: Apache-2.0 */
/* links: control */
#include "../store/manifest.h"

#include "control/pages.h"
#include "resolve/features.h"

enum { NOW_S = 1800000000 };

#define POLICY                                                                                               \
    "apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {name: p}\n"                \
    "spec: {targetRefs: [{group: \"\", kind: Service, name: web}], validation: {hostname: x.example, "       \
    "caCertificateRefs: [{group: \"\", kind: ConfigMap, name: absent}]}}"
#define SET                                                                                                  \
    "apiVersion: gateway.networking.k8s.io/v1\nkind: ListenerSet\nmetadata: {name: s}\n"                     \
    "spec: {parentRef: {name: gw}, listeners: [{name: x, port: 81, protocol: HTTP}]}"
#define MESH                                                                                                 \
    "apiVersion: gateway.networking.x-k8s.io/v1alpha1\nkind: XMesh\nmetadata: {name: m}\n"                   \
    "spec: {controllerName: postern.dev/gateway-controller}"

static int set_up(void **state) {
    struct pipeline *p = base_zalloc(sizeof *p);
    struct table *before = NULL;
    pipeline_init(p, S("postern.dev/gateway-controller"));
    manifest_put(p->store, MANIFEST_CLASS);
    manifest_put(p->store, MANIFEST_GATEWAY, "gw", "{name: http, port: 80, protocol: HTTP}");
    manifest_put(p->store, MANIFEST_SERVICE, "web", "default", 80);
    manifest_put(p->store, MANIFEST_ROUTE, "a", "default", "", "web", "default");
    manifest_put(p->store, MANIFEST_ROUTE, "b", "default", "", "web", "default");
    manifest_put(p->store, POLICY);
    manifest_put(p->store, SET);
    manifest_put(p->store, MESH);
    if (pipeline_pass(p, NOW_S, 0, &before)) pipeline_release(p, before);
    *state = p;
    return 0;
}

static int tear_down(void **state) {
    struct pipeline *p = *state;
    pipeline_fini(p);
    free(p);
    return 0;
}

static void counts_the_bad_conditions_of_every_kind(void **state) {
    const struct resolver *r = ((struct pipeline *)*state)->resolver;
    assert_int_equal(pages_false_conditions(r, KIND_GATEWAY, S("default"), S("gw")), 0);
    assert_int_equal(pages_false_conditions(r, KIND_HTTP_ROUTE, S("default"), S("a")), 0);
    assert_int_equal(pages_false_conditions(r, KIND_BACKEND_TLS_POLICY, S("default"), S("p")), 2);
    assert_int_equal(pages_false_conditions(r, KIND_LISTENER_SET, S("default"), S("s")),
                     2); /* not allowed: its listeners have none */
    assert_int_equal(pages_false_conditions(r, KIND_XMESH, S(""), S("m")), 1);
    assert_int_equal(pages_false_conditions(r, KIND_SERVICE, S("default"), S("web")), 0);
}

static void status_tells_warnings(void **state) {
    struct pipeline *p = *state;
    struct buf b;
    struct findings found;
    const char *type;
    OWNED(arena) a = arena_new();
    finding_init(&found, a);
    buf_init(&b, 1 << 20);
    assert_int_equal(pages_render(p, &found, NOW_S, S("/status"), S(""), &b, &type), 200);
    str text = buf_str(&b);
    const char *warnings = memmem(text.p, text.n, S("\n\"warnings\":[{").p, S("\n\"warnings\":[{").n);
    assert_non_null(warnings);
    size_t left = text.n - (size_t)(warnings - text.p);
    assert_non_null(memmem(warnings, left, "\"name\":\"b\"", 10)); /* a takes all that it matches */
    assert_true(str_ends(text, S("\"findingsTotal\":0,\"warningsTotal\":1}\n")));
    buf_fini(&b);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
int main(void) {
    const struct CMUnitTest tests[] = {CASE(counts_the_bad_conditions_of_every_kind),
                                       CASE(status_tells_warnings)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
