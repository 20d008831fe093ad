/* SPDX-License-Identifier: Apache-2.0 */
#include "files/cut.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include "base/rng.h"
#include <cmocka.h>

static struct cut cut(str text) {
    struct window w = window_of_text(text);
    return cut_text(&w);
}

static void drop(struct cut *c) {
    free(c->marks);
    free(c->places);
}

static void documents_have_their_places(void **state) {
    (void)state;
    str text = S("# nothing\n---\na: 1\n---\n# nothing\n---\nb: 2\nc: 3\n...\n---\na: 1\n");
    struct cut c = cut(text);
    assert_int_equal(c.n, 3);
    assert_int_equal(c.marks[0].line, 2);
    assert_int_equal(c.marks[1].line, 6);
    assert_int_equal(c.marks[2].line, 10);
    assert_true(str_eq((str){text.p + c.places[1], c.marks[1].bytes}, S("---\nb: 2\nc: 3\n")));
    assert_true(cut_is_same(&c.marks[0], &c.marks[2]));
    assert_false(cut_is_same(&c.marks[0], &c.marks[1]));
    drop(&c);
}

/* Of every length up to two rounds of the hash, each byte counts. */
static void every_byte_counts(void **state) {
    (void)state;
    char text[200];
    for (size_t n = 1; n <= 160; n++) {
        memset(text, 'a', sizeof text);
        struct cut before = cut((str){text, n});
        for (size_t i = 0; i < n; i++) {
            text[i] = 'b';
            struct cut after = cut((str){text, n});
            assert_int_equal(after.marks[0].bytes, before.marks[0].bytes);
            assert_false(cut_is_same(&after.marks[0], &before.marks[0]));
            assert_true(after.marks[0].hash);
            drop(&after);
            text[i] = 'a';
        }
        drop(&before);
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
            struct cut a = cut((str){text, 64}), b = cut((str){swapped, 64});
            assert_false(cut_is_same(a.marks, b.marks));
            drop(&a), drop(&b);
        }
}

/* Whatever its documents are and wherever the pieces end, a file is cut like a text. */
static void pieces_do_not_show(void **state) {
    (void)state;
    static const char *const rows[] = {"a: 1\n", "---\n",       "...\n", "# no\n",   "--- b\n",
                                       "---x\n", "%YAML 1.1\n", "\n",    "b:\n  c\n"};
    enum { BYTES = 3 * WINDOW_BYTES };
    char *bytes = base_alloc(BYTES + 64), name[] = "postern-cut-XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    unlink(name);
    for (uint64_t seed = 0; seed < 12; seed++) {
        struct rng r = {.state = seed};
        size_t n = 0, wanted = seed < 4 ? rng_below(&r, 100) : BYTES - rng_below(&r, 1000);
        uint32_t markers = seed % 3 ? 2 : 2000; /* how rare they are */
        while (n < wanted) {
            const char *row = rows[rng_below(&r, markers) ? 0 : rng_below(&r, COUNT_OF(rows))];
            memcpy(bytes + n, row, strlen(row));
            n += strlen(row);
        }
        n -= rng_below(&r, 5) < n ? rng_below(&r, 5) % (n + 1) : 0;
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(pwrite(fd, bytes, n, 0), n);
        struct window file = window_of_file(fd), text = window_of_text((str){bytes, n});
        struct cut x = cut_text(&file), y = cut_text(&text);
        assert_int_equal(x.n, y.n);
        for (uint32_t i = 0; i < x.n; i++) {
            str from_file, from_text;
            assert_true(cut_is_same(&x.marks[i], &y.marks[i]) && x.marks[i].line == y.marks[i].line);
            assert_int_equal(x.places[i], y.places[i]);
            if (i % 64) continue;
            assert_true(cut_read(&x, i, &file, &from_file) && cut_read(&y, i, &text, &from_text));
            assert_true(str_eq(from_file, from_text));
        }
        drop(&x), drop(&y);
        window_fini(&file);
    }
    close(fd);
    free(bytes);
}

/* What was cut is not what is read: somebody writes to the file. */
static void a_text_that_changes_is_noticed(void **state) {
    (void)state;
    char text[] = "a: 1\n---\nb: 2\n";
    struct window w = window_of_text(str_of(text));
    struct cut c = cut_text(&w);
    str doc;
    assert_true(cut_read(&c, 1, &w, &doc));
    text[sizeof text - 3] = '3';
    assert_false(cut_read(&c, 1, &w, &doc));
    w = window_of_text((str){text, 10});
    assert_false(cut_read(&c, 1, &w, &doc));
    drop(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_do_not_show),
        cmocka_unit_test(a_text_that_changes_is_noticed),
        cmocka_unit_test(documents_have_their_places),
        cmocka_unit_test(every_byte_counts),
        cmocka_unit_test(order_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
