/* SPDX-License-Identifier: Apache-2.0 */
/* Objects from YAML text, for tests of what comes after decoding. */
#pragma once
#include <stdarg.h>

#include "../unit.h"

#include "store/store.h"
#include "text/yaml.h"

static inline struct object *manifest_decode(str text) {
    struct arena *a = arena_new();
    struct node *n = NULL;
    str message = {0};
    uint32_t line, column;
    struct object *o = NULL;
    struct findings f;
    finding_init(&f, a);
    if (yaml_parse(a, text, 1, &n, &message, &line, &column) != OK)
        fail_msg("yaml: " STR_FMT, STR_ARG(message));
    if (api_decode(a, n, S("test.yaml"), &f, &o) != OK)
        fail_msg("decode: " STR_FMT ": " STR_FMT, STR_ARG(f.first->path), STR_ARG(f.first->message));
    arena_free(a);
    return o;
}

/* Whether it was a change. */
__attribute__((format(printf, 2, 3))) static inline bool manifest_put(struct store *s, const char *fmt, ...) {
    char text[8192];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    assert_true(n > 0 && (size_t)n < sizeof text);
    return store_put(s, manifest_decode((str){text, (size_t)n}));
}

#define MANIFEST_CLASS                                                                                       \
    "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: postern}\n"              \
    "spec: {controllerName: postern.dev/gateway-controller}"
#define MANIFEST_GATEWAY                                                                                     \
    "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: %s}\n"                        \
    "spec: {gatewayClassName: postern, listeners: [%s]}"
#define MANIFEST_ROUTE                                                                                       \
    "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: %s, namespace: %s}\n"       \
    "spec: {parentRefs: [{name: gw, namespace: default}], hostnames: [%s], rules: [{backendRefs: [{name: "   \
    "%s, "                                                                                                   \
    "namespace: %s, port: 80}]}]}"
#define MANIFEST_SERVICE                                                                                     \
    "apiVersion: v1\nkind: Service\nmetadata: {name: %s, namespace: %s}\nspec: {ports: [{port: %d}]}"
#define MANIFEST_SLICE                                                                                       \
    "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: %s, namespace: %s, labels: "     \
    "{kubernetes.io/service-name: %s}}\naddressType: IPv4\nports: [{port: 8080}]\nendpoints: [{addresses: "  \
    "[%s]}]"
#define MANIFEST_NAMESPACE "apiVersion: v1\nkind: Namespace\nmetadata: {name: %s, labels: {color: %s}}"
#define MANIFEST_GRANT                                                                                       \
    "apiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\nmetadata: {name: %s, namespace: "  \
    "%s}\n"                                                                                                  \
    "spec: {from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: %s}], to: [{group: \"\", " \
    "kind: Service}]}"
