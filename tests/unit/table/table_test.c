/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "table/dump.h"

/* By SAN, most specific first; else the first [GW 11.5: certificateRefs]. */
static void test_certificate_by_name(void **state) {
    (void)state;
    str a[] = {S("*.example.com"), S("example.com")}, b[] = {S("www.example.com")},
        c[] = {S("*.a.example.com")};
    const struct table_certificate certificates[] = {{.id = 1, .names_n = 2, .names = a},
                                                     {.id = 2, .names_n = 1, .names = b},
                                                     {.id = 3, .names_n = 1, .names = c}};
    const struct table_certificate *v[] = {&certificates[0], &certificates[1], &certificates[2]};
    const struct table_listener l = {.certificates_n = 3, .certificates = v};
    static const struct {
        const char *name;
        uint64_t id;
    } cases[] = {{"www.example.com", 2}, {"WWW.example.com", 2},   {"x.example.com", 1}, {"example.com", 1},
                 {"x.a.example.com", 3}, {"a.a.a.example.com", 1}, {"other", 1},         {"", 1}};
    for (unsigned i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(table_certificate_for(&l, str_of(cases[i].name), UINT32_MAX)->id, cases[i].id);
    const struct table_listener none = {0};
    assert_null(table_certificate_for(&none, S("a"), UINT32_MAX));
}

static void test_filter_words(void **state) {
    (void)state;
    struct table_filter f = {.type = TABLE_REDIRECT, .status = 302, .hostname = S("b"), .port = 81};
    struct buf b;
    buf_init(&b, 1000);
    dump_filter(&f, &b);
    assert_str(buf_str(&b), "redirect 302 host b port 81");
    buf_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_certificate_by_name),
                                       cmocka_unit_test(test_filter_words)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
