/* SPDX-License-Identifier: Apache-2.0 */
#include "api/xbackend_traffic_policy.h"

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
            decode_good(with_spec(a, "XBackendTrafficPolicy",
                                  "targetRefs: [{group: '', kind: Service, name: s}], retryConstraint: {}"));
        const struct xbackend_traffic_policy *x = (const struct xbackend_traffic_policy *)(const void *)o;
        assert_true(x->spec.retry_constraint->budget.percent == 20);
        assert_true(x->spec.retry_constraint->budget.interval.v == 10000000);
        assert_true(x->spec.retry_constraint->min_retry_rate.count.v == 10);
        decode_round_trip(o);
        api_free(o);
    }
    {
        struct object *o = decode_good(with_spec(
            a, "XBackendTrafficPolicy",
            "targetRefs: [{group: '', kind: Service, name: s}], retryConstraint: {minRetryRate: {}}"));
        const struct xbackend_traffic_policy *x = (const struct xbackend_traffic_policy *)(const void *)o;
        assert_true(!x->spec.retry_constraint->min_retry_rate.count.set);
        decode_round_trip(o);
        api_free(o);
    }
}

static void refuses(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    decode_refused(
        with_spec(
            a, "XBackendTrafficPolicy",
            "targetRefs: [{group: '', kind: Service, name: s}], retryConstraint: {budget: {interval: 2h}}"),
        "spec.retryConstraint.budget.interval", "must be from 1s to 1h");
    decode_refused(with_spec(a, "XBackendTrafficPolicy",
                             "targetRefs: [{group: '', kind: Service, name: s}], retryConstraint: "
                             "{minRetryRate: {interval: 0s}}"),
                   "spec.retryConstraint.minRetryRate.interval", "must be longer than 0s and 1h at most");
    decode_refused(
        with_spec(a, "XBackendTrafficPolicy",
                  "targetRefs: [{group: '', kind: Service, name: s}, {group: '', kind: Service, name: s}]"),
        "spec.targetRefs[1]", "the same group,kind,name as in [0]; items must differ in it");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_and_prints_what_it_read),
                                       cmocka_unit_test(refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
