/* SPDX-License-Identifier: Apache-2.0 */
#include "api/listener_set.h"

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
            a, "ListenerSet", "parentRef: {name: g}, listeners: [{name: a, port: 80, protocol: HTTP}]"));
        const struct listener_set *x = (const struct listener_set *)(const void *)o;
        assert_true(decode_is(x->spec.parent_ref.kind, "Gateway"));
        assert_true(x->spec.listeners.p[0].allowed_routes.namespaces.from == FROM_SAME);
        decode_round_trip(o);
        api_free(o);
    }
}

static void refuses(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    decode_refused(with_spec(a, "ListenerSet", "parentRef: {name: g}, listeners: []"), "spec.listeners",
                   "must not be empty");
    decode_refused(
        with_spec(a, "ListenerSet",
                  "parentRef: {name: g}, listeners: [{name: a, port: 80, protocol: HTTP}, {name: b, port: "
                  "80, protocol: HTTP}]"),
        "spec.listeners[1]",
        "the same port, protocol and hostname as listeners[0] (a); listeners must differ in one of them");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_and_prints_what_it_read),
                                       cmocka_unit_test(refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
