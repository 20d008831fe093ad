/* SPDX-License-Identifier: Apache-2.0 */
#include "text/rows.h"

#include <setjmp.h>
#include <stdarg.h>

#include "base/rng.h"
#include <cmocka.h>

static void compare(str text) {
    uint32_t lines = 7, plain_lines = 7;
    size_t at = rows_to_marker(text, &lines), plain = rows_to_marker_plain(text, &plain_lines);
    assert_int_equal(at, plain);
    assert_int_equal(lines, plain_lines);
}

static void stops_where_a_document_may_end(void **state) {
    (void)state;
    uint32_t lines = 0;
    assert_int_equal(rows_to_marker(S("---\na: 1\n---\nb: 1\n"), &lines), 9);
    assert_int_equal(lines, 2);
    lines = 0;
    assert_int_equal(rows_to_marker(S("a\n--\n ---\nx---\n-.-\n"), &lines), 19);
    assert_int_equal(lines, 5);
    lines = 0;
    assert_int_equal(rows_to_marker(S("a: a rather long line, longer than a step is\n..."), &lines), 45);
    assert_int_equal(rows_to_marker((str){0}, &lines), 0);
}

/* At every offset and length, with the text in a block of its own so that a byte read past it shows. */
static void is_the_plain_walk(void **state) {
    (void)state;
    struct rng r = {1};
    static const char letters[] = "\n-.a\n--";
    for (unsigned i = 0; i < 20000; i++) {
        size_t n = rng_next(&r) % (i % 50 ? 80 : 9000);
        char *p = base_alloc(n + !n);
        unsigned bias = (unsigned)(rng_next(&r) % 3);
        for (size_t k = 0; k < n; k++) p[k] = bias && rng_next(&r) % 16 ? 'x' : letters[rng_next(&r) % 7];
        compare((str){p, n});
        free(p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stops_where_a_document_may_end),
        cmocka_unit_test(is_the_plain_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
