/* SPDX-License-Identifier: Apache-2.0 */
#include "api/route.h"

#include "decode.h"

static void every_route_begins_alike(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    for (enum api_kind k = KIND_NONE + 1; k < KIND_COUNT; k++) {
        if (!route_is(k)) continue;
        bool names = k != KIND_TCP_ROUTE && k != KIND_UDP_ROUTE;
        struct object *o =
            decode_good(arena_printf(a,
                                     "apiVersion: gateway.networking.k8s.io/v1\nkind: %s\nmetadata: {name: "
                                     "x}\nspec: {parentRefs: [{name: g}], %s rules: "
                                     "[{backendRefs: [{name: s, port: 1}]}]}\n",
                                     api_type_of(k)->name, names ? "hostnames: [a.example]," : ""));
        const struct route *r = (const struct route *)(const void *)o;
        assert_true(r->spec.parent_refs.n == 1 && decode_is(r->spec.parent_refs.p[0].name, "g"));
        assert_int_equal(r->spec.hostnames.n, names);
        api_free(o);
    }
    assert_false(route_is(KIND_GATEWAY));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_route_begins_alike)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
