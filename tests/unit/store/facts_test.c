/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "store/facts.h"

static void test_binds(void **state) {
    (void)state;
    struct facts f;
    facts_init(&f);
    assert_true(f.changed); /* the first pass looks at them */
    f.changed = false;
    assert_null(facts_bind(&f, S(""), 80, FACT_TCP));
    facts_set_bind(&f, S(""), 80, FACT_TCP, false, S("in use"));
    assert_true(f.changed);
    assert_str(facts_bind(&f, S(""), 80, FACT_TCP)->error, "in use");
    f.changed = false;
    facts_set_bind(&f, S(""), 80, FACT_TCP, false, S("in use"));
    assert_false(f.changed);
    facts_set_bind(&f, S(""), 80, FACT_TCP, true, S("ignored"));
    assert_true(f.changed && facts_bind(&f, S(""), 80, FACT_TCP)->ok);
    assert_str(facts_bind(&f, S(""), 80, FACT_TCP)->error, "");
    f.changed = false;
    facts_set_bind(&f, S(""), 80, FACT_TCP, true, S(""));
    assert_false(f.changed);
    facts_set_bind(&f, S("2001:db8::1"), 80, FACT_TCP, true, S(""));
    assert_str(facts_bind(&f, S("2001:db8::1"), 80, FACT_TCP)->address, "2001:db8::1");
    assert_null(facts_bind(&f, S("2001:db8::1"), 81, FACT_TCP));
    facts_set_bind(&f, S(""), 80, FACT_UDP, false, S("in use"));
    assert_true(facts_bind(&f, S(""), 80, FACT_TCP)->ok);
    assert_str(facts_bind(&f, S(""), 80, FACT_UDP)->error, "in use");
    facts_fini(&f);
}

static void test_port_maps(void **state) {
    (void)state;
    struct fact_port_map maps[] = {{80, 8080}, {443, 8443}};
    struct facts f;
    facts_init(&f);
    f.port_maps = maps;
    f.port_maps_n = 2;
    assert_int_equal(facts_map_port(&f, 443), 8443);
    assert_int_equal(facts_map_port(&f, 8080), 8080);
    facts_fini(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_binds), cmocka_unit_test(test_port_maps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
