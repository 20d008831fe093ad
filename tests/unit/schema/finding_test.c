/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/finding.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void expect_printed(const struct finding *one, const char *text) {
    struct buf b;
    buf_init(&b, 1000);
    buf_add(&b, S("> "));
    finding_print(&b, one);
    if (!str_eq(str_from(buf_str(&b), 2), str_of(text))) fail_msg("%.*s", STR_ARG(buf_str(&b)));
    buf_fini(&b);
}

static void prints_what_is_known(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct findings f;
    finding_init(&f, a);
    expect_printed(finding_add(&f, FINDING_MEANING, 0, 0, S(""), (str){0}, "words %d", 1), "words 1");
    f.file = S("a.yaml"), f.kind = S("Gateway"), f.ns = S("n"), f.name = S("g");
    expect_printed(finding_add(&f, FINDING_SCHEMA, 3, 7, S("spec.x"), S("do that"), "is wrong"),
                   "a.yaml:3:7: Gateway n/g: spec.x: is wrong; do that");
    f.ns = S("");
    expect_printed(finding_add(&f, FINDING_SCHEMA, 3, 0, S(""), (str){0}, "is wrong"),
                   "a.yaml:3: Gateway g: is wrong");
    assert_int_equal(f.n, 3);
    assert_ptr_equal(f.first->next->next->next, NULL);
}

static void past_its_maximum_it_counts(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct findings f;
    finding_init(&f, a);
    f.n_max = 2;
    for (int i = 0; i < 5; i++) {
        const struct finding *one = finding_add(&f, FINDING_SCHEMA, 1, 1, S(""), (str){0}, "x");
        assert_true(!one == (i >= 2));
    }
    assert_int_equal(f.n, 5);
    assert_null(f.first->next->next);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(prints_what_is_known),
                                       cmocka_unit_test(past_its_maximum_it_counts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
