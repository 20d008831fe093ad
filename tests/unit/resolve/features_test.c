/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "resolve/features.h"
#include "store/facts.h"

static void test_supported_are_ordered_and_served(void **state) {
    (void)state;
    struct facts facts = {0};
    str before = S("");
    unsigned n = 0;
    for (str name = before; (name = features_next(&facts, name)).p; n++) {
        assert_true(str_cmp(before, name) < 0);
        assert_false(str_eq(name, S("UDPRoute")) || str_starts(name, S("Mesh")));
        before = name;
    }
    assert_true(n >= 3 && n <= 64); /* [GW GatewayClassStatus.supportedFeatures] */
}

/* What is refused can be told: what it is and what to do instead. */
static void test_refusals_have_words(void **state) {
    (void)state;
    struct facts facts = {0};
    for (unsigned f = 0; f < FEATURE_COUNT; f++)
        if (!features_served(&facts, f)) assert_true(features_what(f).n && features_remedy(f).n);
}

/* Facts turn on what the plan carries, and nothing that resolve/ does not know. */
static void test_facts_turn_features_on(void **state) {
    (void)state;
    struct facts facts = {0};
    assert_false(features_served(&facts, FEATURE_GRPC_ROUTE));
    features_enable_all(&facts);
    assert_true(facts.changed && features_served(&facts, FEATURE_GRPC_ROUTE));
    assert_true(features_served(&facts, FEATURE_UDP_ROUTE));
    assert_false(features_served(&facts, FEATURE_EXTENSION_REF));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_supported_are_ordered_and_served),
                                       cmocka_unit_test(test_refusals_have_words),
                                       cmocka_unit_test(test_facts_turn_features_on)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
