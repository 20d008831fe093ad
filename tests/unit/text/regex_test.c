/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "base/rng.h"
#include "text/regex.h"

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

static enum regex_verdict takes(const char *expression, str s, uint32_t *budget) {
    OWNED(arena) a = arena_new();
    struct regex *r = NULL;
    str message;
    assert_int_equal(regex_new_whole(a, str_of(expression), &r, &message), OK);
    struct regex_work *w = regex_work_new();
    enum regex_verdict v = regex_takes(r, s, w, budget);
    regex_work_free(w);
    regex_free(r);
    return v;
}

static void a_whole_text_is_taken_or_nothing(void **state) {
    (void)state;
    static const struct {
        const char *expression, *text;
        enum regex_verdict wanted;
    } cases[] = {
        {"/a", "/a", REGEX_YES},
        {"/a", "/ab", REGEX_NO},
        {"/a", "x/a", REGEX_NO},
        {"a|b", "b", REGEX_YES},
        {"a|ab", "ab", REGEX_YES},
        {"a|b", "ab", REGEX_NO},
        {"(?x) a b # of two", "ab", REGEX_YES},
        {"a$", "a\n", REGEX_NO},
        {"", "", REGEX_YES},
        {"a*?", "aaa", REGEX_YES},
        {"^/x/[0-9]{2}$", "/x/12", REGEX_YES},
        {"(?i)/X", "/x", REGEX_YES},
        {"(*LIMIT_MATCH=1)(a|b)*c", "aaac", REGEX_GIVEN_UP},
    };
    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        uint32_t budget = REGEX_BUDGET;
        if (takes(cases[i].expression, str_of(cases[i].text), &budget) != cases[i].wanted)
            fail_msg("%s on %s", cases[i].expression, cases[i].text);
        assert_true(budget < REGEX_BUDGET);
    }
}

/* Whatever they are, searches cost what the budget has, and each leaves something to the next. */
static void searches_share_a_budget(void **state) {
    (void)state;
    str text = S("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab");
    uint32_t budget = REGEX_BUDGET, before = budget;
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(takes("(a+)+", text, &budget), REGEX_GIVEN_UP);
        assert_in_range(budget, before - before / 4, before - before / 8);
        before = budget;
    }
    assert_int_equal(takes("[a]+b", text, &budget), REGEX_YES);
    budget = 0;
    assert_int_equal(takes("a", S("a"), &budget), REGEX_GIVEN_UP);
}

static void literals_are_found(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    static const struct {
        const char *expression, *wanted;
    } cases[] = {
        {"/api/v[0-9]+/x", "/api/v"},
        {"^/a\\.b/.*", "/a.b/"},
        {"/ab*", "/a"},
        {"/ab+", "/ab"},
        {"/a|/b", ""},
        {"/a(b|c)", "/a"},
        {"/a[|]b", "/a"},
        {"(?i)/a", ""},
        {".*x", ""},
        {"/ab{0}", "/a"},
        {"/ab\\E*", "/a"},
        {"/ab(?#c)*", "/a"},
        {"/a[[:alpha:](]|x", ""},
        {"/a\\d|x", ""},
        {"/a\\Q(\\E|x", ""},
        {"/a[\\c\\]|x", ""},
        {"/a[\\E](]|x", ""},
        {"/a[\\E^](]|x", ""},
        {"", ""},
        {"/x\\-1$", "/x-1"},
    };
    for (unsigned i = 0; i < COUNT_OF(cases); i++)
        assert_str(regex_literal(a, str_of(cases[i].expression)), cases[i].wanted);
}

/* Random expressions: what one takes begins with what its literal says. */
static void literals_are_sound(void **state) {
    (void)state;
    static const char *const parts[] = {"a",    "b",   "a",   "(",     ")",    "(?:",  "|",     "*",
                                        "+",    "?",   "{0}", "{1,2}", "[ab]", "[|(]", ".",     "^",
                                        "$",    "\\Q", "\\E", "[",     "]",    "\\c",  "(?#x)", "(?i)",
                                        "(?x)", "\\.", "\\d", "(?=a)", "(?C)"};
    static const char *const texts[] = {"",  "a", "b", "ab", "ba", "aab", "abab", "bb",
                                        "(", ".", "|", "1",  "A",  "aA",  "*"};
    struct rng rng = {.state = 1};
    OWNED(arena) a = arena_new();
    struct regex_work *w = regex_work_new();
    unsigned taken = 0;
    for (unsigned i = 0; i < 60000; i++) {
        str e = S("");
        struct regex *r = NULL;
        str message;
        arena_reset(a);
        for (unsigned n = 1 + rng_below(&rng, 9); n; n--)
            e = arena_printf(a, STR_FMT "%s", STR_ARG(e), parts[rng_below(&rng, COUNT_OF(parts))]);
        if (regex_new_whole(a, e, &r, &message) != OK) continue;
        str literal = regex_literal(a, e);
        for (unsigned k = 0; k < COUNT_OF(texts); k++) {
            uint32_t budget = REGEX_BUDGET;
            if (regex_takes(r, str_of(texts[k]), w, &budget) != REGEX_YES) continue;
            taken += literal.n > 0;
            if (!str_starts(str_of(texts[k]), literal)) fail_msg(STR_FMT " takes %s", STR_ARG(e), texts[k]);
        }
        regex_free(r);
    }
    regex_work_free(w);
    print_message("%u texts were taken by expressions with a literal\n", taken);
    assert_true(taken > 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_whole_text_is_taken_or_nothing),
                                       cmocka_unit_test(searches_share_a_budget),
                                       cmocka_unit_test(literals_are_found),
                                       cmocka_unit_test(literals_are_sound),
                                       cmocka_unit_test(finds),
                                       cmocka_unit_test(tells_what_is_wrong),
                                       cmocka_unit_test(a_search_has_a_budget),
                                       cmocka_unit_test(a_long_subject_is_searched_without_much_stack)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
