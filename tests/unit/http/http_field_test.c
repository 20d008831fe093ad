/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"
#include "base/arena.h"
#include "http/http_msg.h"

/* Every name is found in any case, and nothing else: not a letter less, more or other. */
static void test_every_name(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    for (enum http_field_id id = FIELD_OTHER + 1; id < HTTP_FIELD_ID_COUNT; id++) {
        str name = http_field_name(id);
        assert_true(name.n > 1);
        assert_int_equal(http_field_id_of(name), id);
        char *other = base_alloc(name.n + 1);
        for (size_t i = 0; i < name.n; i++)
            other[i] = name.p[i] >= 'a' ? (char)(name.p[i] - 0x20) : name.p[i];
        assert_int_equal(http_field_id_of((str){other, name.n}), id);
        for (size_t i = 0; i < name.n; i++) {
            char was = other[i];
            for (int c = 0; c < 256; c++) {
                other[i] = (char)c;
                bool equal = str_ieq((str){other, name.n}, name);
                if (!equal)
                    assert_int_not_equal(http_field_id_of((str){other, name.n}), id);
                else
                    assert_int_equal(http_field_id_of((str){other, name.n}), id);
            }
            other[i] = was;
        }
        assert_int_not_equal(http_field_id_of((str){other, name.n - 1}), id);
        other[name.n] = 'x';
        assert_int_not_equal(http_field_id_of((str){other, name.n + 1}), id);
        free(other);
    }
    assert_int_equal(http_field_id_of(S("")), FIELD_OTHER);
    assert_int_equal(http_field_id_of(S("x")), FIELD_OTHER);
    assert_int_equal(http_field_id_of(S("accept")), FIELD_OTHER);
    assert_int_equal(http_field_name(FIELD_OTHER).n, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_name)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
