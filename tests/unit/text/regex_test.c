/* SPDX-License-Identifier: Apache-2.0 */
#include "text/regex.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static bool search(const char *pattern, str s) {
    OWNED(arena) a = arena_new();
    struct regex *r = NULL;
    str message;
    assert_int_equal(regex_new(a, str_of(pattern), &r, &message), OK);
    bool found = regex_search(r, s);
    regex_free(r);
    return found;
}

static void finds(void **state) {
    (void)state;
    assert_true(search("b+", S("abbc")));
    assert_false(search("^b", S("ab")));
    assert_true(search("^/users/[0-9]+$", S("/users/12")));
    assert_false(search("^a$", S("a\n")));
    assert_true(search("", (str){0}));
    assert_true(search("^a.b$", (str){"a\0b", 3}));
    regex_free(NULL);
}

static void tells_what_is_wrong(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct regex *r = NULL;
    str message = {0};
    assert_int_equal(regex_new(a, S("a(b"), &r, &message), ERR_PROTO);
    assert_true(message.n && memmem(message.p, message.n, "offset 3", 8));
    assert_int_equal(regex_new(a, S("\\C"), &r, &message), ERR_PROTO);
    assert_int_equal(regex_new(a, (str){arena_bytes(a, 5000), 5000}, &r, &message), ERR_PROTO);
    assert_null(r);
}

/* A step costs nanoseconds; without the budget this would take 2^40 of them. */
static void a_search_has_a_budget(void **state) {
    (void)state;
    assert_false(search("^(a+)+$", S("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab")));
}

static void a_long_subject_is_searched_without_much_stack(void **state) {
    (void)state;
    size_t n = 1 << 16;
    char *p = base_alloc(n);
    memset(p, 'a', n);
    assert_true(search("^a+$", (str){p, n}));
    (void)search("^(a|b)*$", (str){p, n}); /* may reach its budget; must not crash */
    free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(finds), cmocka_unit_test(tells_what_is_wrong),
                                       cmocka_unit_test(a_search_has_a_budget),
                                       cmocka_unit_test(a_long_subject_is_searched_without_much_stack)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
