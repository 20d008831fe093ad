/* SPDX-License-Identifier: Apache-2.0 */
#include "api/xmesh.h"

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
        struct object *o =
            decode_good(with_spec(a, "XMesh", "controllerName: example.com/mesh, description: d"));
        const struct xmesh *x = (const struct xmesh *)(const void *)o;
        assert_true(decode_is(x->spec.description, "d"));
        decode_round_trip(o);
        api_free(o);
    }
}

static void refuses(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    decode_refused(with_spec(a, "XMesh", "description: d"), "spec.controllerName", "is required");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_and_prints_what_it_read),
                                       cmocka_unit_test(refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
