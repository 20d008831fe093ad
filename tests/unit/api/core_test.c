/* SPDX-License-Identifier: Apache-2.0 */
#include "api/core.h"

#include "decode.h"

static void reads_a_service_as_the_api_server_prints_it(void **state) {
    (void)state;
    struct object *o = decode_good(
        S("apiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: nn}\nspec:\n  "
          "allocateLoadBalancerNodePorts: true\n"
          "  clusterIP: 10.0.0.1\n  clusterIPs: [10.0.0.1]\n  externalIPs: [1.2.3.4]\n  "
          "externalTrafficPolicy: Cluster\n"
          "  healthCheckNodePort: 30000\n  internalTrafficPolicy: Cluster\n  ipFamilies: [IPv4]\n  "
          "ipFamilyPolicy: SingleStack\n"
          "  loadBalancerClass: a/b\n  loadBalancerIP: 1.2.3.4\n  loadBalancerSourceRanges: [10.0.0.0/8]\n"
          "  publishNotReadyAddresses: true\n  sessionAffinity: ClientIP\n  sessionAffinityConfig: "
          "{clientIP: {timeoutSeconds: 5}}\n"
          "  trafficDistribution: PreferClose\n  type: LoadBalancer\n  selector: {app: x}\n  ports:\n"
          "  - {name: http, port: 80, targetPort: web, nodePort: 30001, protocol: TCP, appProtocol: "
          "kubernetes.io/h2c}\n"
          "  - {name: dns, port: 80, targetPort: 53, protocol: UDP}\nstatus: {loadBalancer: {ingress: [{ip: "
          "1.2.3.4}]}}\n"));
    const struct service *s = (const struct service *)o;
    assert_true(s->spec.ports.n == 2 && decode_is(s->spec.ports.p[0].target_port.s, "web") &&
                s->spec.ports.p[1].target_port.i == 53);
    assert_true(decode_is(s->spec.ports.p[0].app_protocol, "kubernetes.io/h2c") &&
                decode_is(s->spec.type, "LoadBalancer"));
    decode_round_trip(o);
    api_free(o);
    o = decode_good(S("apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 80}]}\n"));
    s = (const struct service *)o;
    assert_true(decode_is(s->spec.type, "ClusterIP") && decode_is(s->spec.ports.p[0].protocol, "TCP") &&
                !s->spec.ports.p[0].target_port.set);
    api_free(o);
    api_free(decode_good(S("apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {clusterIP: None}\n")));
    api_free(decode_good(S("apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {type: ExternalName, "
                           "externalName: a.b}\n")));
}

static void refuses_services(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    static const struct {
        const char *spec, *path, *message;
    } cases[] = {
        {"{}", "spec.ports", "is required but for a headless Service (clusterIP: None) or type ExternalName"},
        {"{type: ExternalName}", "spec.externalName", "is required when type is ExternalName"},
        {"{ports: [{port: 80}, {port: 81, name: b}]}", "spec.ports[0].name",
         "is required when there are several ports"},
        {"{ports: [{port: 80, name: b}, {port: 81, name: b}]}", "spec.ports[1].name",
         "the same as of ports[0]; names must be unique"},
        {"{ports: [{port: 80, name: a}, {port: 80, name: b}]}", "spec.ports[1]",
         "the same port,protocol as in [0]; items must differ in it"},
        {"{ports: [{port: 80, protocol: HTTP}]}", "spec.ports[0].protocol",
         "unsupported value \"HTTP\"; supported: TCP, UDP, SCTP"},
        {"{ports: [{port: 80, targetPort: a_b}]}", "spec.ports[0].targetPort",
         "invalid value \"a_b\": must be up to 15 lower-case letters, digits and single '-', with a letter "
         "among them, as http"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        decode_refused(
            arena_printf(a, "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: %s\n", cases[i].spec),
            cases[i].path, cases[i].message);
    decode_refused(
        S("apiVersion: v1\nkind: Service\nmetadata: {name: a.b}\nspec: {ports: [{port: 80}]}\n"),
        "metadata.name",
        "invalid value \"a.b\": must be lower-case letters, digits and '-', as my-name, 63 at most");
}

static void reads_slices(void **state) {
    (void)state;
    struct object *o =
        decode_good(S("apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
                      "metadata: {name: s-abc, namespace: nn, labels: {kubernetes.io/service-name: "
                      "s}}\naddressType: IPv6\nendpoints:\n"
                      "- addresses: ['2001:db8::1']\n  conditions: {ready: true, serving: true, terminating: "
                      "false}\n  hostname: h\n  nodeName: node.a\n"
                      "  zone: z\n  deprecatedTopology: {a: b}\n  hints: {forZones: [{name: z}]}\n"
                      "  targetRef: {apiVersion: v1, kind: Pod, name: p, namespace: nn, uid: u, "
                      "resourceVersion: '1', fieldPath: x}\n"
                      "- {addresses: ['::1']}\nports:\n- {name: http, port: 8080, protocol: TCP, "
                      "appProtocol: http}\n- {port: 53, protocol: UDP}\n"));
    const struct endpoint_slice *s = (const struct endpoint_slice *)o;
    assert_true(s->endpoints.n == 2 && s->endpoints.p[0].conditions.ready.v &&
                s->endpoints.p[0].conditions.terminating.set);
    assert_true(!s->endpoints.p[1].conditions.ready.set && decode_is(s->endpoints.p[0].target_ref.name, "p"));
    assert_true(s->ports.p[1].name.p && !s->ports.p[1].name.n && s->ports.p[0].port.v == 8080);
    decode_round_trip(o);
    api_free(o);
    api_free(decode_good(
        S("apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: s}\naddressType: FQDN\n"
          "endpoints: [{addresses: [a.example.com]}]\nports: null\n")));
    api_free(decode_good(S("apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: "
                           "s}\naddressType: IPv4\nendpoints: null\n")));
}

static void refuses_slices(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    static const struct {
        const char *body, *path, *message;
    } cases[] = {
        {"endpoints: []", "addressType", "is required"},
        {"addressType: IP", "addressType", "unsupported value \"IP\"; supported: IPv4, IPv6, FQDN"},
        {"addressType: IPv4\nendpoints: [{addresses: []}]", "endpoints[0].addresses", "must not be empty"},
        {"addressType: IPv4\nendpoints: [{addresses: ['::1']}]", "endpoints[0].addresses[0]",
         "\"::1\" is no address of type IPv4"},
        {"addressType: IPv6\nendpoints: [{addresses: ['::1', 10.0.0.1]}]", "endpoints[0].addresses[1]",
         "\"10.0.0.1\" is no address of type IPv6"},
        {"addressType: FQDN\nendpoints: [{addresses: [A]}]", "endpoints[0].addresses[0]",
         "\"A\" is no address of type FQDN"},
        {"addressType: IPv4\nports: [{port: 1}, {port: 2}]", "ports[1]",
         "the same name as in [0]; items must differ in it"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        decode_refused(
            arena_printf(a, "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: s}\n%s\n",
                         cases[i].body),
            cases[i].path, cases[i].message);
}

static void string_data_goes_over_data(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct object *o = decode_good(S("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nimmutable: true\n"
                                     "data: {a: Zg==, b: Zg==, d: ''}\nstringData: {b: x, c: 'y'}\n"));
    const struct secret *s = (const struct secret *)o;
    assert_true(s->data.n == 4 && s->string_data.n == 0 && decode_is(s->type, "Opaque"));
    assert_true(decode_is(schema_map_get(&s->data, S("a")), "f") &&
                decode_is(schema_map_get(&s->data, S("b")), "x") &&
                decode_is(schema_map_get(&s->data, S("c")), "y") &&
                decode_is(schema_map_get(&s->data, S("d")), ""));
    assert_string_equal(
        decode_json(a, o).p,
        "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"s\",\"namespace\":"
        "\"default\"},\"data\":{\"a\":\"Zg==\",\"b\":\"eA==\",\"c\":\"eQ==\",\"d\":\"\"}}");
    struct buf b;
    buf_init(&b, 4096);
    schema_yaml(&b, api_type_of(KIND_SECRET)->schema, o, 0);
    assert_null(memmem(b.p, b.n, "eA==", 4));
    assert_non_null(memmem(b.p, b.n, "b: \"sha256:2d711642b726\"", 24));
    buf_fini(&b);
    decode_round_trip(o);
    api_free(o);
    api_free(decode_good(
        S("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ntype: kubernetes.io/tls\ndata: {tls.crt: ''}\n"
          "stringData: {tls.key: x}\n")));
}

static void refuses_secrets(void **state) {
    (void)state;
    decode_refused(S("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: '?'}\n"), "data.a",
                   "is no base64");
    decode_refused(S("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a/b: ''}\n"), "data.a/b",
                   "invalid value \"a/b\": must be letters, digits, '-', '_' and '.', as tls.crt");
    decode_refused(S("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ntype: kubernetes.io/tls\ndata: "
                     "{tls.key: ''}\n"),
                   "data", "a Secret of type kubernetes.io/tls needs the key tls.crt");
    decode_refused(S("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ntype: kubernetes.io/tls\ndata: "
                     "{tls.crt: ''}\n"),
                   "data", "a Secret of type kubernetes.io/tls needs the key tls.key");
}

static void namespaces_carry_their_name_as_a_label(void **state) {
    (void)state;
    struct object *o =
        decode_good(S("apiVersion: v1\nkind: Namespace\nmetadata: {name: nn, labels: {z: 'y', a: b}}\n"
                      "spec: {finalizers: [kubernetes]}\nstatus: {phase: Active}\n"));
    assert_true(o->meta.ns.p && o->meta.ns.n == 0 && o->meta.labels.n == 3);
    assert_true(decode_is(schema_map_get(&o->meta.labels, S("kubernetes.io/metadata.name")), "nn") &&
                decode_is(schema_map_get(&o->meta.labels, S("z")), "y"));
    decode_round_trip(o);
    api_free(o);
    decode_refused(
        S("apiVersion: v1\nkind: Namespace\nmetadata: {name: a.b}\n"), "metadata.name",
        "invalid value \"a.b\": must be lower-case letters, digits and '-', as my-name, 63 at most");
}

static void config_maps_and_trust_bundles(void **state) {
    (void)state;
    struct object *o = decode_good(S(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {ca.crt: x}\nbinaryData: {b: AAE=}\n"));
    const struct config_map *m = (const struct config_map *)(const void *)o;
    assert_true(decode_is(schema_map_get(&m->data, S("ca.crt")), "x") &&
                schema_map_get(&m->binary_data, S("b")).n == 2);
    decode_round_trip(o);
    api_free(o);
    decode_refused(
        S("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: x}\nbinaryData: {a: AAE=}\n"),
        "binaryData.a", "the same key as in data");
    o = decode_good(S("apiVersion: certificates.k8s.io/v1beta1\nkind: ClusterTrustBundle\nmetadata: {name: "
                      "'a.b:c:d'}\nspec: {signerName: a.b/c, "
                      "trustBundle: x}\n"));
    decode_round_trip(o);
    api_free(o);
    decode_refused(S("apiVersion: certificates.k8s.io/v1\nkind: ClusterTrustBundle\nmetadata: {name: "
                     "'a:b'}\nspec: {trustBundle: x}\n"),
                   "metadata.name", "must have no ':' without spec.signerName");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(config_maps_and_trust_bundles),
                                       cmocka_unit_test(reads_a_service_as_the_api_server_prints_it),
                                       cmocka_unit_test(refuses_services),
                                       cmocka_unit_test(reads_slices),
                                       cmocka_unit_test(refuses_slices),
                                       cmocka_unit_test(string_data_goes_over_data),
                                       cmocka_unit_test(refuses_secrets),
                                       cmocka_unit_test(namespaces_carry_their_name_as_a_label)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
