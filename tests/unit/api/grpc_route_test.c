/* SPDX-License-Identifier: Apache-2.0 */
#include "api/grpc_route.h"

#include "decode.h"

static str with_spec(struct arena *a, const char *kind, const char *spec) {
    return arena_printf(
        a, "apiVersion: gateway.networking.k8s.io/v1\nkind: %s\nmetadata: {name: x}\nspec: {%s}\n", kind,
        spec);
}

static void reads_and_prints_what_it_read(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    {
        struct object *o =
            decode_good(with_spec(a, "GRPCRoute",
                                  "rules: [{matches: [{method: {service: a.B, method: C}, headers: [{name: "
                                  "h, value: v}]}], filters: [{type: ExtensionRef, extensionRef: {group: g, "
                                  "kind: K, name: f}}], backendRefs: [{name: s, port: 80}]}]"));
        const struct grpc_route *x = (const struct grpc_route *)(const void *)o;
        assert_true(x->spec.rules.p[0].matches.p[0].method->type == VALUE_EXACT);
        assert_true(x->spec.rules.p[0].filters.p[0].type == FILTER_EXTENSION_REF);
        decode_round_trip(o);
        api_free(o);
    }
    {
        struct object *o = decode_good(with_spec(a, "GRPCRoute", ""));
        const struct grpc_route *x = (const struct grpc_route *)(const void *)o;
        assert_true(x->spec.rules.n == 0);
        decode_round_trip(o);
        api_free(o);
    }
}

static void refuses(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    decode_refused(with_spec(a, "GRPCRoute", "rules: [{matches: [{method: {}}]}]"),
                   "spec.rules[0].matches[0].method", "needs service, method or both");
    decode_refused(with_spec(a, "GRPCRoute", "rules: [{matches: [{method: {method: a-b}}]}]"),
                   "spec.rules[0].matches[0].method.method",
                   "invalid value \"a-b\": must be letters, digits and '_', not beginning with a digit");
    decode_refused(with_spec(a, "GRPCRoute", "rules: [{filters: [{type: RequestMirror}]}]"),
                   "spec.rules[0].filters[0].requestMirror", "is required when type is RequestMirror");
    decode_refused(with_spec(a, "GRPCRoute", "rules: [{name: a}, {name: a}]"), "spec.rules[1].name",
                   "the same as of rules[0]; names must be unique");
    decode_refused(with_spec(a, "GRPCRoute", "parentRefs: [{name: g}, {name: g}]"), "spec.parentRefs[1]",
                   "the same parent as in parentRefs[0]");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_and_prints_what_it_read),
                                       cmocka_unit_test(refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
