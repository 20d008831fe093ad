/* SPDX-License-Identifier: Apache-2.0 */
#include "api/xtelemetry_policy.h"

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
            with_spec(a, "XTelemetryPolicy",
                      "targetRefs: [{group: '', kind: Service, name: s}], tracing: {mode: Enabled, provider: "
                      "{backendRef: {name: s, port: 1}}, samplingRate: {numerator: 1}}"));
        const struct xtelemetry_policy *x = (const struct xtelemetry_policy *)(const void *)o;
        assert_true(x->spec.tracing->sampling_rate->denominator == 100);
        decode_round_trip(o);
        api_free(o);
    }
    {
        struct object *o = decode_good(with_spec(
            a, "XTelemetryPolicy", "targetRefs: [{group: '', kind: Service, name: s}], tracing: {}"));
        const struct xtelemetry_policy *x = (const struct xtelemetry_policy *)(const void *)o;
        assert_true(x->spec.tracing->mode == TRACING_DEFAULT);
        decode_round_trip(o);
        api_free(o);
    }
}

static void refuses(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    decode_refused(with_spec(a, "XTelemetryPolicy", "targetRefs: [{group: '', kind: Service, name: s}]"),
                   "spec", "configures nothing");
    decode_refused(with_spec(a, "XTelemetryPolicy",
                             "targetRefs: [{group: '', kind: Service, name: s}], tracing: {mode: Enabled}"),
                   "spec.tracing.provider", "is required when mode is Enabled");
    decode_refused(with_spec(a, "XTelemetryPolicy",
                             "targetRefs: [{group: '', kind: Service, name: s}], tracing: {spanName: s}"),
                   "spec.tracing.spanName", "is only for mode Enabled");
    decode_refused(with_spec(a, "XTelemetryPolicy",
                             "targetRefs: [{group: '', kind: Service, name: s}], tracing: {mode: Enabled, "
                             "provider: {backendRef: {name: s, port: 1}}, attributes: [{name: a, sourceType: "
                             "Header, literalValue: x, headerName: h}]}"),
                   "spec.tracing.attributes[0].literalValue", "is only for sourceType Literal");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_and_prints_what_it_read),
                                       cmocka_unit_test(refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
