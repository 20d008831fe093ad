/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "resolve/features.h"

static void test_supported_are_ordered_and_served(void **state) {
    (void)state;
    str before = S("");
    unsigned n = 0;
    for (str name; (name = features_supported(n)).p; n++) {
        assert_true(str_cmp(before, name) < 0);
        assert_false(str_eq(name, S("HTTPRouteCORS")) || str_starts(name, S("Mesh")));
        before = name;
    }
    assert_true(n >= 3 && n <= 64); /* [GW GatewayClassStatus.supportedFeatures] */
}

/* What is refused can be told: what it is and what to do instead. */
static void test_refusals_have_words(void **state) {
    (void)state;
    for (unsigned f = 0; f < FEATURE_COUNT; f++)
        if (!features_served(f)) assert_true(features_what(f).n && features_remedy(f).n);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_supported_are_ordered_and_served),
                                       cmocka_unit_test(test_refusals_have_words)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
