/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "control/finding_book.h"

static const struct finding *one(struct arena *a, const char *name, const char *message) {
    struct findings f;
    finding_init(&f, a);
    f.kind = S("HTTPRoute"), f.ns = S("shop"), f.name = str_of(name);
    return finding_add(&f, FINDING_SCHEMA, 0, 0, S("spec.rules"), S("take some away"), "%s", message);
}

static void what_stands(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct finding_book *b = finding_book_new();
    assert_false(finding_book_put(b, S("k/b"), NULL));
    assert_true(finding_book_put(b, S("k/b"), one(a, "b", "too many")));
    assert_false(finding_book_put(b, S("k/b"), one(a, "b", "too many"))); /* as it was */
    assert_true(finding_book_put(b, S("k/b"), one(a, "b", "too few")));
    assert_true(finding_book_put(b, S("k/a"), one(a, "a", "too odd")));
    assert_int_equal(finding_book_count(b), 2);
    struct findings all, some;
    finding_init(&all, a);
    finding_init(&some, a);
    all.n_max = 10;
    some.n_max = 1;
    finding_book_list(b, &all);
    finding_book_list(b, &some);
    assert_int_equal(all.n, 2);
    assert_str(all.first->message, "too odd");
    assert_str(all.first->next->message, "too few");
    assert_str(all.first->next->name, "b");
    assert_int_equal(some.n, 2); /* counted */
    assert_null(some.first->next);
    assert_true(finding_book_put(b, S("k/a"), NULL));
    assert_int_equal(finding_book_count(b), 1);
    finding_book_free(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_stands)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
