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

static void test_gateways(void **state) {
    (void)state;
    struct facts f;
    facts_init(&f);
    assert_int_equal(facts_bind_port(&f, S("shop/gw"), 80, false),
                     80); /* not in a cluster: as the map says */
    f.cluster = true;
    f.changed = false;
    assert_int_equal(facts_bind_port(&f, S("shop/gw"), 80, false), 0);
    struct fact_port ports[] = {{53, 10001, false}, {53, 10002, true}};
    struct fact_address addresses[] = {{S("IPAddress"), S("192.0.2.1")},
                                       {S("Hostname"), S("lb.example.com")}};
    struct fact_gateway g = {ports, 2, addresses, 1, "AddressNotAssigned", S("wait")};
    facts_set_gateway(&f, S("shop/gw"), &g);
    assert_true(f.changed);
    assert_int_equal(facts_bind_port(&f, S("shop/gw"), 53, false), 10001);
    assert_int_equal(facts_bind_port(&f, S("shop/gw"), 53, true), 10002);
    assert_int_equal(facts_bind_port(&f, S("shop/gw"), 80, false), 0);
    assert_int_equal(facts_bind_port(&f, S("shop/other"), 53, false), 0);
    assert_str(facts_take_moved(&f), "shop/gw");
    assert_null(facts_take_moved(&f).p);
    f.changed = false;
    facts_set_gateway(&f, S("shop/gw"), &g);
    assert_false(f.changed);
    g.addresses_n = 2, g.reason = NULL; /* another address moves no port */
    facts_set_gateway(&f, S("shop/gw"), &g);
    assert_true(f.changed);
    assert_null(facts_take_moved(&f).p);
    assert_str(facts_gateway(&f, S("shop/gw"))->addresses[1].value, "lb.example.com");
    ports[0].to = 10003;
    facts_set_gateway(&f, S("shop/gw"), &g);
    g.message = S("slowly");
    facts_set_gateway(&f, S("shop/gw"), &g); /* before anybody asked */
    assert_str(facts_take_moved(&f), "shop/gw");
    facts_set_gateway(&f, S("shop/gw"), NULL);
    assert_null(facts_gateway(&f, S("shop/gw")));
    assert_str(facts_take_moved(&f), "shop/gw"); /* it may still be there, and has no port any more */
    assert_null(facts_take_moved(&f).p);
    assert_int_equal(facts_bind_port(&f, S("shop/gw"), 80, false), 0);
    facts_fini(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_binds), cmocka_unit_test(test_port_maps),
                                       cmocka_unit_test(test_gateways)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
