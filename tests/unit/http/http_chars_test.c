/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_chars.h"

#include "../unit.h"

/* The table against the grammars' words. */
static void test_table(void **state) {
    (void)state;
    for (int c = 0; c < 256; c++) {
        bool visible = c > 0x20 && c < 0x7f;
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'), digit = c >= '0' && c <= '9';
        bool token = letter || digit || (c && strchr("!#$%&'*+-.^_`|~", c));
        assert_int_equal(http_chars_has((char)c, HTTP_CHAR_TOKEN), token);
        assert_int_equal(http_chars_has((char)c, HTTP_CHAR_VALUE),
                         c == '\t' || c == ' ' || visible || c >= 0x80);
        assert_int_equal(http_chars_has((char)c, HTTP_CHAR_TARGET), visible && c != '#');
        assert_int_equal(http_chars_has((char)c, HTTP_CHAR_PLAIN), visible && !strchr("#?%\\.", c));
        assert_int_equal(http_chars_has((char)c, HTTP_CHAR_NAME),
                         letter || digit || (c && strchr("-._~", c)));
        assert_int_equal(http_chars_has((char)c, HTTP_CHAR_UPPER), c >= 'A' && c <= 'Z');
        assert_int_equal(http_chars_has((char)c, HTTP_CHAR_DOT), c == '.');
    }
    assert_true(http_chars_all("", 0, HTTP_CHAR_TOKEN));
    assert_false(http_chars_all("a b", 3, HTTP_CHAR_TOKEN));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_table)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
