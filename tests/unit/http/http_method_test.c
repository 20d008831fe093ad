/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"
#include "http/http_msg.h"

static void test_methods(void **state) {
    (void)state;
    for (enum http_method m = HTTP_GET; m <= HTTP_PATCH; m++)
        assert_int_equal(http_method_of(http_method_name(m)), m);
    static const char *const others[] = {"",       "G",       "get",      "PUTT",  "POSH", "HEAP",
                                         "DELETS", "OPTIONZ", "CONNECT ", "TRACK", "PRI"};
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_int_equal(http_method_of(str_of(others[i])), HTTP_METHOD_OTHER);
    assert_int_equal(http_method_name(HTTP_METHOD_OTHER).n, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_methods)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
