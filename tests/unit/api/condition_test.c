/* SPDX-License-Identifier: Apache-2.0 */
#include "api/condition.h"

#include "decode.h"

static void expect_yaml(enum api_kind kind, const void *status, const char *text) {
    struct buf b;
    buf_init(&b, 1 << 14);
    schema_yaml(&b, api_type_of(kind)->status_schema, status, 0);
    buf_add_char(&b, '\0');
    assert_string_equal(b.p, text);
    buf_fini(&b);
}

static void prints_statuses(void **state) {
    (void)state;
    struct condition c[] = {{S("Accepted"), S("Accepted"), S(""), CONDITION_TRUE, 3},
                            {S("Programmed"), S("Pending"), S("not yet"), CONDITION_UNKNOWN, 3},
                            {S("ResolvedRefs"), S("RefNotPermitted"), {0}, CONDITION_FALSE, 0}};
    struct supported_feature features[] = {{S("Gateway")}, {S("HTTPRoute")}};
    struct gateway_class_status class = {{c, 1}, {features, 2}};
    expect_yaml(KIND_GATEWAY_CLASS, &class,
                "conditions:\n- type: Accepted\n  status: \"True\"\n  observedGeneration: 3\n  reason: "
                "Accepted\n  message: \"\"\n"
                "supportedFeatures:\n- name: Gateway\n- name: HTTPRoute\n");
    struct route_group_kind kinds[] = {{S("gateway.networking.k8s.io"), S("HTTPRoute")}};
    struct listener_status listeners[] = {{S("a"), {kinds, 1}, 2, {c + 1, 1}},
                                          {S("b"), {NULL, 0}, 0, {NULL, 0}}};
    struct gateway_status_address addresses[] = {{S("IPAddress"), S("127.0.0.1")}};
    struct gateway_status gateway = {{addresses, 1}, {NULL, 0}, {listeners, 2}, 0};
    expect_yaml(
        KIND_GATEWAY, &gateway,
        "addresses:\n- type: IPAddress\n  value: 127.0.0.1\nlisteners:\n- name: a\n  supportedKinds:\n"
        "  - group: gateway.networking.k8s.io\n    kind: HTTPRoute\n  attachedRoutes: 2\n  conditions:\n"
        "  - type: Programmed\n    status: Unknown\n    observedGeneration: 3\n    reason: Pending\n    "
        "message: \"not yet\"\n"
        "- name: b\n  supportedKinds: []\n  attachedRoutes: 0\n  conditions: []\n");
    struct route_parent_status parents[] = {{{.group = S("gateway.networking.k8s.io"),
                                              .kind = S("Gateway"),
                                              .name = S("g"),
                                              .section_name = S("a")},
                                             S("e.com/c"),
                                             {c + 2, 1}}};
    struct route_status route = {{parents, 1}};
    expect_yaml(KIND_HTTP_ROUTE, &route,
                "parents:\n- parentRef:\n    group: gateway.networking.k8s.io\n    kind: Gateway\n    name: "
                "g\n    sectionName: a\n"
                "  controllerName: e.com/c\n  conditions:\n  - type: ResolvedRefs\n    status: \"False\"\n   "
                " reason: RefNotPermitted\n"
                "    message: \"\"\n");
    expect_yaml(KIND_HTTP_ROUTE, &(struct route_status){0}, "parents: []\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(prints_statuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
