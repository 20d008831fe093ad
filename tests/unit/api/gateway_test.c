/* SPDX-License-Identifier: Apache-2.0 */
#include "api/gateway.h"

#include "decode.h"

static str with_spec(struct arena *a, const char *spec) {
    return arena_printf(a,
                        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: g, "
                        "namespace: nn}\nspec: {%s}\n",
                        spec);
}
static str with(struct arena *a, const char *more, const char *listeners) {
    return with_spec(a, arena_printf(a, "gatewayClassName: c, %slisteners: [%s]", more, listeners).p);
}
#define PLAIN "{name: a, port: 80, protocol: HTTP}"

static void fills_defaults(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct object *o = decode_good(
        with(a, "addresses: [{value: 10.0.0.1}], allowedListeners: {}, ",
             PLAIN ", {name: b, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: s}]}}"));
    const struct gateway *g = (const struct gateway *)o;
    const struct listener *l = g->spec.listeners.p;
    assert_int_equal(l[0].allowed_routes.namespaces.from, FROM_SAME);
    assert_true(!l[0].tls && !l[0].hostname.p && l[0].allowed_routes.kinds.n == 0);
    assert_int_equal(l[1].tls->mode, TLS_MODE_TERMINATE);
    assert_true(decode_is(l[1].tls->certificate_refs.p[0].kind, "Secret"));
    assert_true(l[1].tls->certificate_refs.p[0].group.p && l[1].tls->certificate_refs.p[0].group.n == 0);
    assert_true(decode_is(g->spec.addresses.p[0].type, "IPAddress"));
    assert_int_equal(g->spec.allowed_listeners->namespaces.from, FROM_NONE);
    assert_int_equal(g->spec.default_scope, SCOPE_UNSET);
    decode_round_trip(o);
    api_free(o);
}

static void reads_every_field(void **state) {
    (void)state;
    struct object *o = decode_good(
        S("apiVersion: gateway.networking.k8s.io/v1beta1\nkind: Gateway\nmetadata: {name: g}\nspec:\n"
          "  gatewayClassName: c\n  defaultScope: All\n"
          "  addresses:\n  - {type: Hostname, value: a.example.com, routability: Cluster}\n  - {type: "
          "example.com/pool, value: x}\n"
          "  - {routability: example.com/inside}\n"
          "  infrastructure:\n    labels: {example.com/a: b}\n    annotations: {c: d e}\n"
          "    parametersRef: {group: '', kind: ConfigMap, name: p}\n"
          "  allowedListeners:\n    namespaces: {from: Selector, selector: {matchLabels: {a: b}}}\n"
          "  tls:\n    backend: {clientCertificateRef: {name: s, namespace: t}}\n"
          "    frontend:\n      default:\n        validation:\n          mode: AllowInsecureFallback\n"
          "          caCertificateRefs: [{group: '', kind: ConfigMap, name: ca, namespace: x}]\n"
          "      perPort:\n      - {port: 8443, tls: {}}\n"
          "      - {port: 443, tls: {validation: {caCertificateRefs: [{group: certificates.k8s.io, kind: "
          "ClusterTrustBundle, name: b}]}}}\n"
          "  listeners:\n"
          "  - name: a\n    hostname: '*.example.com'\n    port: 443\n    protocol: HTTPS\n"
          "    tls:\n      mode: Terminate\n      certificateRefs: [{name: s, group: '', kind: Secret, "
          "namespace: t}]\n"
          "      options: {example.com/min: '1.3'}\n"
          "    allowedRoutes:\n      kinds: [{kind: HTTPRoute}, {group: example.com, kind: Own}]\n"
          "      namespaces:\n        from: Selector\n"
          "        selector: {matchLabels: {a: b}, matchExpressions: [{key: k, operator: In, values: [v]}]}\n"
          "    filters:\n      requests:\n      - {type: ExtensionRef, extensionRef: {group: e.com, kind: K, "
          "name: nn}}\n"
          "      - type: ExternalAuth\n        externalAuth:\n          protocol: HTTP\n"
          "          backendRef: {name: s, port: 9000, namespace: auth}\n"
          "          http: {path: /check, allowedHeaders: [a], allowedResponseHeaders: [b]}\n          "
          "forwardBody: {maxSize: 10}\n"
          "  - {name: b, port: 444, protocol: TLS, hostname: p.example.com, tls: {mode: Passthrough}}\n"
          "  - {name: c, port: 53, protocol: UDP}\n  - {name: d, port: 53, protocol: TCP}\n"
          "  - {name: e, port: 81, protocol: example.com/own}\nstatus: {conditions: []}\n"));
    const struct gateway *g = (const struct gateway *)o;
    assert_true(g->spec.listeners.n == 5 && g->spec.default_scope == SCOPE_ALL);
    assert_true(g->spec.tls->frontend->initial.validation->mode == FRONTEND_ALLOW_INSECURE_FALLBACK);
    assert_true(g->spec.tls->frontend->per_port.n == 2 &&
                !g->spec.tls->frontend->per_port.p[0].tls.validation);
    const struct listener_filter *f = g->spec.listeners.p[0].filters->requests.p;
    assert_true(f[0].type == 2 && f[1].type == 1 && f[1].external_auth->backend_ref.port.v == 9000);
    assert_true(
        decode_is(g->spec.listeners.p[0].allowed_routes.kinds.p[0].group, "gateway.networking.k8s.io"));
    decode_round_trip(o);
    api_free(o);
}

static void refuses_listeners(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    decode_refused(with_spec(a, "gatewayClassName: c"), "spec.listeners", "is required");
    decode_refused(with(a, "", ""), "spec.listeners", "must not be empty");
    decode_refused(with(a, "", PLAIN ", {name: a, port: 81, protocol: HTTP}"), "spec.listeners[1]",
                   "the same name as in [0]; items must differ in it");
    decode_refused(
        with(a, "", PLAIN ", {name: b, port: 80, protocol: HTTP}"), "spec.listeners[1]",
        "the same port, protocol and hostname as listeners[0] (a); listeners must differ in one of them");
    decode_refused(with(a, "", "{name: a, port: 80, protocol: HTTP, tls: {options: {a: b}}}"),
                   "spec.listeners[0].tls", "must not be given for protocol HTTP");
    decode_refused(with(a, "", "{name: a, port: 80, protocol: HTTPS, tls: {mode: Passthrough}}"),
                   "spec.listeners[0].tls.mode", "must be Terminate for protocol HTTPS");
    decode_refused(with(a, "", "{name: a, port: 80, protocol: TLS}"), "spec.listeners[0].tls",
                   "is required for protocol TLS");
    decode_refused(with(a, "", "{name: a, port: 80, protocol: HTTPS, tls: {}}"),
                   "spec.listeners[0].tls.certificateRefs",
                   "certificateRefs or options are required when mode is Terminate");
    decode_refused(with(a, "", "{name: a, port: 80, protocol: TCP, hostname: x}"),
                   "spec.listeners[0].hostname", "must not be given for protocol TCP");
    decode_refused(with(a, "", "{name: a, port: 80, protocol: TCP, filters: {}}"),
                   "spec.listeners[0].filters", "may only be given for protocol HTTP or HTTPS");
    decode_refused(with(a, "", "{name: a, port: 65536, protocol: HTTP}"), "spec.listeners[0].port",
                   "65536 is out of range: must be from 1 to 65535");
    decode_refused(with(a, "", "{name: a, port: 80, protocol: HTTP, hostname: 'a.*'}"),
                   "spec.listeners[0].hostname",
                   "invalid value \"a.*\": must be a lower-case DNS name, with \"*.\" in front if all names "
                   "below it are meant");
    decode_refused(
        with(a, "", "{name: a, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: None}}}"),
        "spec.listeners[0].allowedRoutes.namespaces.from",
        "unsupported value \"None\"; supported: All, Selector, Same");
    struct buf b;
    buf_init(&b, 1 << 14);
    for (int i = 0; i < 65; i++) buf_printf(&b, "{name: a%d, port: %d, protocol: HTTP},", i, i + 1);
    decode_refused(with(a, "", arena_str(a, buf_str(&b)).p), "spec.listeners",
                   "has 65 items; at most 64 are allowed");
    buf_fini(&b);
}

static void refuses_filters_of_listeners(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    static const struct {
        const char *filter, *path, *message;
    } cases[] = {
        {"{type: ExternalAuth}", "externalAuth", "is required when type is ExternalAuth"},
        {"{type: ExtensionRef}", "extensionRef", "is required when type is ExtensionRef"},
        {"{type: ExternalAuth, externalAuth: {protocol: GRPC, grpc: {}, backendRef: {name: s, port: 1}}, "
         "extensionRef: {group: '', kind: A, name: b}}",
         "extensionRef", "is only for type ExtensionRef"},
        {"{type: ExtensionRef, extensionRef: {group: '', kind: A, name: b}, "
         "externalAuth: {protocol: GRPC, grpc: {}, backendRef: {name: s, port: 1}}}",
         "externalAuth", "is only for type ExternalAuth"},
        {"{type: ExternalAuth, externalAuth: {protocol: GRPC, backendRef: {name: s, port: 1}}}",
         "externalAuth.grpc", "is required when protocol is GRPC"},
        {"{type: ExternalAuth, externalAuth: {protocol: HTTP, backendRef: {name: s, port: 1}}}",
         "externalAuth.http", "is required when protocol is HTTP"},
        {"{type: ExternalAuth, externalAuth: {protocol: GRPC, grpc: {}, http: {}, backendRef: {name: s, "
         "port: 1}}}",
         "externalAuth.http", "is only for protocol HTTP"},
        {"{type: ExternalAuth, externalAuth: {protocol: HTTP, http: {}, grpc: {}, backendRef: {name: s, "
         "port: 1}}}",
         "externalAuth.grpc", "is only for protocol GRPC"},
        {"{type: ExternalAuth, externalAuth: {protocol: HTTP, http: {}, backendRef: {name: s}}}",
         "externalAuth.backendRef.port", "is required for a Service"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        decode_refused(with(a, "",
                            arena_printf(a, "{name: a, port: 80, protocol: HTTP, filters: {requests: [%s]}}",
                                         cases[i].filter)
                                .p),
                       arena_printf(a, "spec.listeners[0].filters.requests[0].%s", cases[i].path).p,
                       cases[i].message);
}

static void refuses_addresses_and_tls(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    decode_refused(with(a, "addresses: [{value: 10.0.0.256}], ", PLAIN), "spec.addresses[0].value",
                   "\"10.0.0.256\" is no IP address");
    decode_refused(with(a, "addresses: [{type: Hostname, value: A}], ", PLAIN), "spec.addresses[0].value",
                   "\"A\" is no hostname: must be a lower-case DNS name, with \"*.\" in front if all names "
                   "below it are meant");
    decode_refused(with(a, "addresses: [{value: '::1'}, {value: '::1'}], ", PLAIN), "spec.addresses[1].value",
                   "the same as in addresses[0]");
    decode_refused(with(a, "addresses: [{type: Hostname, value: a}, {type: Hostname, value: a}], ", PLAIN),
                   "spec.addresses[1].value", "the same as in addresses[0]");
    static const char *const routabilities[] = {"cluster", "k8s.io/x", "a.k8s.io/x", "a/", "/b", "A/b"};
    for (size_t i = 0; i < COUNT_OF(routabilities); i++)
        decode_refused(
            with(a, arena_printf(a, "addresses: [{routability: %s}], ", routabilities[i]).p, PLAIN),
            "spec.addresses[0].routability",
            "must be empty, Cluster or a domain and a path; k8s.io is reserved");
    decode_refused(with(a, "tls: {frontend: {}}, ", PLAIN), "spec.tls.frontend.default", "is required");
    decode_refused(
        with(a, "tls: {frontend: {default: {}, perPort: [{port: 1, tls: {}}, {port: 1, tls: {}}]}}, ", PLAIN),
        "spec.tls.frontend.perPort[1]", "the same port as in [0]; items must differ in it");
    decode_refused(
        with(a,
             "tls: {frontend: {default: {validation: {caCertificateRefs: [{group: certificates.k8s.io, "
             "kind: ClusterTrustBundle, name: a, namespace: b}]}}}}, ",
             PLAIN),
        "spec.tls.frontend.default.validation.caCertificateRefs[0].namespace",
        "must not be given for a ClusterTrustBundle: it is cluster-scoped");
    decode_refused(
        with(a, "infrastructure: {parametersRef: {group: '', kind: A, name: b, namespace: c}}, ", PLAIN),
        "spec.infrastructure.parametersRef.namespace", "unknown field \"namespace\"");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(fills_defaults), cmocka_unit_test(reads_every_field),
                                       cmocka_unit_test(refuses_listeners),
                                       cmocka_unit_test(refuses_filters_of_listeners),
                                       cmocka_unit_test(refuses_addresses_and_tls)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
