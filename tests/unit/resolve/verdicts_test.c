/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "resolve/verdicts.h"

static void test_what_is_packed_comes_back(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct parent_ref first = {.name = S("gw")};
    struct parent_ref second = {.kind = S("ListenerSet"),
                                .ns = S("infra"),
                                .name = S("other"),
                                .section_name = S("https"),
                                .port = {65535, true}};
    struct parent_verdict v[] = {
        {.ref = &first},
        {.ref = &second,
         .accepted = {"NotAllowedByListeners", S("words")},
         .refs = {"BackendNotFound", S("more words")},
         .partial = {"UnsupportedValue", S("Dropped Rule 1")}},
    };
    uint32_t n;
    char *packed = verdicts_pack(a, 300, v, 2, &n);
    assert_true(n < 120);
    const struct route_status *st = verdicts_expand(a, packed, n, S("postern.dev/x"));
    assert_int_equal(st->parents.n, 2);
    const struct route_parent_status *p = &st->parents.p[0];
    assert_str(p->controller_name, "postern.dev/x");
    assert_str(p->parent_ref.group, "gateway.networking.k8s.io");
    assert_str(p->parent_ref.kind, "Gateway");
    assert_str(p->parent_ref.name, "gw");
    assert_false(p->parent_ref.ns.n || p->parent_ref.section_name.n || p->parent_ref.port.set);
    assert_int_equal(p->conditions.n, 2);
    assert_int_equal(p->conditions.p[0].status, CONDITION_TRUE);
    assert_int_equal(p->conditions.p[0].observed_generation, 300);
    p = &st->parents.p[1];
    assert_str(p->parent_ref.kind, "ListenerSet");
    assert_str(p->parent_ref.ns, "infra");
    assert_str(p->parent_ref.section_name, "https");
    assert_int_equal(p->parent_ref.port.v, 65535);
    assert_int_equal(p->conditions.n, 3);
    assert_str(p->conditions.p[0].reason, "NotAllowedByListeners");
    assert_str(p->conditions.p[0].message, "words");
    assert_str(p->conditions.p[1].reason, "BackendNotFound");
    assert_int_equal(p->conditions.p[1].status, CONDITION_FALSE);
    assert_str(p->conditions.p[2].type, "PartiallyInvalid");
    assert_int_equal(p->conditions.p[2].status, CONDITION_TRUE);
}

static void test_a_good_route_costs_a_few_bytes(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct parent_ref ref = {.name = S("gateway")};
    struct parent_verdict v = {.ref = &ref};
    uint32_t n;
    verdicts_pack(a, 1, &v, 1, &n);
    assert_true(n <= 16);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_is_packed_comes_back),
                                       cmocka_unit_test(test_a_good_route_costs_a_few_bytes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
