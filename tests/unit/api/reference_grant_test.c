/* SPDX-License-Identifier: Apache-2.0 */
#include "api/reference_grant.h"

#include "decode.h"

static str with_spec(struct arena *a, const char *version, const char *spec) {
    return arena_printf(a,
                        "apiVersion: gateway.networking.k8s.io/%s\nkind: ReferenceGrant\nmetadata: {name: g, "
                        "namespace: nn}\nspec: {%s}\n",
                        version, spec);
}

static void reads_one_in_each_version(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    static const char *const versions[] = {"v1", "v1beta1"};
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        struct object *o = decode_good(
            with_spec(a, versions[i],
                      "from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: a}], "
                      "to: [{group: '', kind: Service}, {group: '', kind: Service, name: s}]"));
        const struct reference_grant *g = (const struct reference_grant *)o;
        assert_true(g->spec.from.n == 1 && g->spec.to.n == 2);
        assert_true(!g->spec.to.p[0].name.p && decode_is(g->spec.to.p[1].name, "s"));
        decode_round_trip(o);
        api_free(o);
    }
}

static void refuses(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    decode_refused(with_spec(a, "v1", "from: [], to: [{group: '', kind: Service}]"), "spec.from",
                   "must not be empty");
    decode_refused(with_spec(a, "v1", "from: [{group: '', kind: A, namespace: a}]"), "spec.to",
                   "is required");
    decode_refused(with_spec(a, "v1", "from: [{group: '', kind: A}], to: [{group: '', kind: Service}]"),
                   "spec.from[0].namespace", "is required");
    decode_refused(with_spec(a, "v1", "from: [{group: '', kind: A, namespace: a}], to: [{kind: Service}]"),
                   "spec.to[0].group", "is required");
    struct buf b;
    buf_init(&b, 4096);
    for (int i = 0; i < 17; i++) buf_add(&b, S("{group: '', kind: A},"));
    decode_refused(with_spec(a, "v1",
                             arena_printf(a, "from: [{group: '', kind: A, namespace: a}], to: [" STR_FMT "]",
                                          STR_ARG(buf_str(&b)))
                                 .p),
                   "spec.to", "has 17 items; at most 16 are allowed");
    buf_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_one_in_each_version),
                                       cmocka_unit_test(refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
