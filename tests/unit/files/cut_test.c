/* SPDX-License-Identifier: Apache-2.0 */
#include "files/cut.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void documents_have_their_places(void **state) {
    (void)state;
    struct cut c = cut_text(S("# nothing\n---\na: 1\n---\n# nothing\n---\nb: 2\nc: 3\n...\n---\na: 1\n"));
    assert_int_equal(c.n, 3);
    assert_int_equal(c.marks[0].line, 2);
    assert_int_equal(c.marks[1].line, 6);
    assert_int_equal(c.marks[2].line, 10);
    assert_true(str_eq((str){c.texts[1], c.marks[1].bytes}, S("---\nb: 2\nc: 3\n")));
    assert_true(cut_is_same(&c.marks[0], &c.marks[2]));
    assert_false(cut_is_same(&c.marks[0], &c.marks[1]));
    free(c.marks);
    free((void *)c.texts);
}

/* Of every length up to two rounds of the hash, each byte counts. */
static void every_byte_counts(void **state) {
    (void)state;
    char text[200];
    for (size_t n = 1; n <= 160; n++) {
        memset(text, 'a', sizeof text);
        struct cut before = cut_text((str){text, n});
        for (size_t i = 0; i < n; i++) {
            text[i] = 'b';
            struct cut after = cut_text((str){text, n});
            assert_int_equal(after.marks[0].bytes, before.marks[0].bytes);
            assert_false(cut_is_same(&after.marks[0], &before.marks[0]));
            assert_true(after.marks[0].hash);
            free(after.marks);
            free((void *)after.texts);
            text[i] = 'a';
        }
        free(before.marks);
        free((void *)before.texts);
    }
}

/* Words that trade places make another text. */
static void order_counts(void **state) {
    (void)state;
    char text[] = "11111111222222223333333344444444555555556666666677777777888888888", swapped[64];
    for (unsigned i = 0; i < 8; i++)
        for (unsigned k = 0; k < i; k++) {
            memcpy(swapped, text, 64);
            memcpy(swapped + 8 * i, text + 8 * k, 8);
            memcpy(swapped + 8 * k, text + 8 * i, 8);
            struct cut a = cut_text((str){text, 64}), b = cut_text((str){swapped, 64});
            assert_false(cut_is_same(a.marks, b.marks));
            free(a.marks), free((void *)a.texts), free(b.marks), free((void *)b.texts);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_have_their_places),
        cmocka_unit_test(every_byte_counts),
        cmocka_unit_test(order_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
