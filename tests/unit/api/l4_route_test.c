/* SPDX-License-Identifier: Apache-2.0 */
#include "api/l4_route.h"

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
        struct object *o = decode_good(with_spec(
            a, "TLSRoute", "hostnames: [a.example], rules: [{backendRefs: [{name: s, port: 80}]}]"));
        const struct l4_route *x = (const struct l4_route *)(const void *)o;
        assert_true(x->spec.rules.p[0].backend_refs.p[0].weight == 1);
        assert_true(decode_is(x->spec.hostnames.p[0], "a.example"));
        decode_round_trip(o);
        api_free(o);
    }
}

static void refuses(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    decode_refused(with_spec(a, "TLSRoute", "rules: [{backendRefs: [{name: s, port: 80}]}]"),
                   "spec.hostnames", "is required");
    decode_refused(
        with_spec(a, "TLSRoute", "hostnames: [192.0.2.1], rules: [{backendRefs: [{name: s, port: 80}]}]"),
        "spec.hostnames[0]", "\"192.0.2.1\" is an IP address");
    decode_refused(with_spec(a, "TLSRoute", "hostnames: [a], rules: [{backendRefs: [{name: s}]}]"),
                   "spec.rules[0].backendRefs[0].port", "is required for a Service");
    decode_refused(with_spec(a, "TLSRoute", "hostnames: [a], rules: [{backendRefs: []}]"),
                   "spec.rules[0].backendRefs", "must not be empty");
    decode_refused(with_spec(a, "TLSRoute",
                             "hostnames: [a], rules: [{backendRefs: [{name: s, port: 1}]}, {backendRefs: "
                             "[{name: s, port: 1}]}]"),
                   "spec.rules", "has 2 items; at most 1 are allowed");
}

/* An older version has its own table over the same struct. */
static void versions_differ(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    static const char *const kinds[] = {"TLSRoute", "TCPRoute", "UDPRoute"};
    const char *two = "rules: [{name: a, backendRefs: [{name: s, port: 1}]}, {name: %s, backendRefs: [{name: "
                      "s, port: 1}]}]";
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        str spec = arena_printf(a, two, "b"), same = arena_printf(a, two, "a");
        str head = arena_printf(
            a, "apiVersion: gateway.networking.k8s.io/v1alpha2\nkind: %s\nmetadata: {name: x}\n", kinds[i]);
        struct object *o =
            decode_good(arena_printf(a, STR_FMT "spec: {" STR_FMT "}\n", STR_ARG(head), STR_ARG(spec)));
        assert_int_equal(((const struct l4_route *)(const void *)o)->spec.rules.n, 2);
        api_free(o);
        decode_refused(arena_printf(a, STR_FMT "spec: {" STR_FMT "}\n", STR_ARG(head), STR_ARG(same)),
                       "spec.rules[1].name", "the same as of rules[0]; names must be unique");
    }
    decode_refused(with_spec(a, "UDPRoute", "hostnames: [a], rules: [{backendRefs: [{name: s, port: 1}]}]"),
                   "spec.hostnames", "unknown field \"hostnames\"");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_and_prints_what_it_read),
                                       cmocka_unit_test(refuses), cmocka_unit_test(versions_differ)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
