/* SPDX-License-Identifier: Apache-2.0 */
#include "api/xbackend.h"

#include "decode.h"

static str with_spec(struct arena *a, const char *kind, const char *spec) {
    return arena_printf(
        a, "apiVersion: gateway.networking.x-k8s.io/v1alpha1\nkind: %s\nmetadata: {name: x}\nspec: {%s}\n",
        kind, spec);
}

static void reads_and_prints_what_it_read(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    {
        struct object *o = decode_good(
            with_spec(a, "XBackend",
                      "type: ExternalHostname, externalHostname: {hostname: a.example}, port: {number: 80}"));
        const struct xbackend *x = (const struct xbackend *)(const void *)o;
        assert_true(x->spec.tls.mode == XBACKEND_TLS_NONE);
        assert_true(x->spec.port.number.v == 80);
        decode_round_trip(o);
        api_free(o);
    }
    {
        struct object *o = decode_good(with_spec(a, "XBackend",
                                                 "type: EndpointSelector, endpointSelector: {matchLabels: "
                                                 "{a: b}}, port: {number: 80}, protocol: H2C"));
        const struct xbackend *x = (const struct xbackend *)(const void *)o;
        assert_true(x->spec.protocol == XBACKEND_H2C);
        decode_round_trip(o);
        api_free(o);
    }
}

static void refuses(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    decode_refused(
        with_spec(a, "XBackend", "type: ExternalHostname, externalHostname: {hostname: a.example}, port: {}"),
        "spec.port", "must not be empty");
    decode_refused(
        with_spec(a, "XBackend",
                  "type: ExternalHostname, externalHostname: {hostname: a.cluster.local}, port: {number: 1}"),
        "spec.externalHostname.hostname", "must not be a name of the cluster's own DNS");
    decode_refused(
        with_spec(
            a, "XBackend",
            "type: ExternalHostname, externalHostname: {hostname: a}, port: {number: 1}, protocol: WSS"),
        "spec.tls", "is required when protocol is WSS");
    decode_refused(with_spec(a, "XBackend",
                             "type: ExternalHostname, externalHostname: {hostname: a}, port: {number: 1}, "
                             "tls: {mode: ServerOnly}"),
                   "spec.tls.validation", "is required unless mode is None");
    decode_refused(with_spec(a, "XBackend", "type: EndpointSelector, port: {number: 1}"),
                   "spec.endpointSelector", "is required when type is EndpointSelector");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_and_prints_what_it_read),
                                       cmocka_unit_test(refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
