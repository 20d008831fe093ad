/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/h1_scan.h"

#include "../unit.h"
#include "base/rng.h"

enum { LINES_MAX = 8, BYTES_MAX = 160, FIRST_MAX = 60 };
struct outcome {
    err e;
    size_t n;
    enum http_reason why;
    uint32_t lines, ends[LINES_MAX];
};
typedef err scan_fn(struct h1_section *, const char *, size_t, size_t *, enum http_reason *);

/* Scans bytes that arrive in steps of `step`. */
static struct outcome scan(scan_fn *fn, const char *p, size_t n, size_t step) {
    struct outcome o = {.e = ERR_AGAIN};
    struct h1_section s = {
        .ends = o.ends, .lines_max = LINES_MAX, .bytes_max = BYTES_MAX, .first_max = FIRST_MAX};
    for (size_t have = 0; have < n && o.e == ERR_AGAIN;) {
        have = n - have > step ? have + step : n;
        char *block = base_alloc(have); /* of just that size: what is read beyond it is seen */
        memcpy(block, p, have);
        o.e = fn(&s, block, have, &o.n, &o.why);
        free(block);
    }
    o.lines = s.lines;
    return o;
}

static void same(const struct outcome *a, const struct outcome *b) {
    assert_int_equal(a->e, b->e);
    if (a->e == ERR_AGAIN) return;
    assert_int_equal(a->n, b->n);
    assert_int_equal(a->why, b->why);
    assert_int_equal(a->lines, b->lines);
    assert_memory_equal(a->ends, b->ends, a->lines * sizeof *a->ends);
}

/* Random sections, most of them nearly right: the wide and the plain scan agree, for any cut. */
static void test_wide_is_plain(void **state) {
    (void)state;
    static const char odd[] = "\r\n\t\x7f\x01\x1f\x80\xff :";
    struct rng rng = {7};
    unsigned outcomes[3] = {0};
    for (int round = 0; round < 20000; round++) {
        char text[256];
        size_t n = 0;
        unsigned lines = rng_below(&rng, 10);
        for (unsigned i = 0; i < lines; i++) {
            for (uint32_t left = 1 + rng_below(&rng, i ? 24 : 72); left; left--)
                text[n++] = (char)(0x20 + rng_below(&rng, 0x5f));
            text[n++] = '\r', text[n++] = '\n';
            if (n > 180) break;
        }
        text[n++] = '\r', text[n++] = '\n';
        for (uint32_t i = rng_below(&rng, 3); i; i--)
            text[rng_below(&rng, (uint32_t)n)] = odd[rng_below(&rng, sizeof odd - 1)];
        struct outcome plain = scan(h1_scan_section_plain, text, n, n),
                       wide = scan(h1_scan_section, text, n, n);
        same(&plain, &wide);
        for (size_t step = 1; step < 40; step += 1 + rng_below(&rng, 12)) {
            wide = scan(h1_scan_section, text, n, step);
            same(&plain, &wide);
            plain = scan(h1_scan_section_plain, text, n, step);
            same(&plain, &wide);
        }
        outcomes[plain.e == OK ? 0 : plain.e == ERR_LIMIT ? 1 : 2]++;
    }
    for (size_t i = 0; i < COUNT_OF(outcomes); i++) assert_true(outcomes[i] > 500);
}

/* Every byte in every place of a step. */
static void test_names_and_targets(void **state) {
    (void)state;
    for (unsigned at = 0; at < 40; at++) {
        for (unsigned c = 0; c < 256; c++) {
            char text[80 + H1_SCAN_PADDING];
            memset(text, 'a' + (int)at % 26, sizeof text);
            text[at] = (char)c;
            text[64] = '\r';
            assert_ptr_equal(h1_scan_name(text), h1_scan_name_plain(text));
            assert_ptr_equal(h1_scan_target(text), h1_scan_target_plain(text));
        }
    }
    assert_int_equal(*h1_scan_name("Content-Length: 5\r\n              "), ':');
    assert_int_equal(*h1_scan_target("/a/b?c HTTP/1.1\r\n                "), '?');
}

/* Every byte in every place of a str of any length up to three steps. */
static void test_is_target(void **state) {
    (void)state;
    for (size_t n = 0; n <= 24; n++) {
        char text[24];
        memset(text, '/', sizeof text);
        assert_true(h1_scan_is_target((str){text, n}));
        for (size_t at = 0; at < n; at++) {
            for (unsigned c = 0; c < 256; c++) {
                text[at] = (char)c;
                assert_int_equal(h1_scan_is_target((str){text, n}), h1_scan_is_target_plain((str){text, n}));
            }
            text[at] = '/';
        }
    }
}

/* Each byte at each place of a value, beside bytes that a carry could come from. */
static void test_is_value(void **state) {
    (void)state;
    static const char beside[] = {'a', '\t', (char)0x80, (char)0xff, 0x20};
    for (size_t k = 0; k < sizeof beside; k++) {
        char text[40];
        memset(text, beside[k], sizeof text);
        for (size_t n = 0; n < sizeof text; n++) {
            assert_true(h1_scan_is_value((str){text, n}));
            for (size_t at = 0; at < n; at++) {
                for (int c = 0; c < 256; c++) {
                    text[at] = (char)c;
                    assert_int_equal(h1_scan_is_value((str){text, n}),
                                     h1_scan_is_value_plain((str){text, n}));
                }
                text[at] = beside[k];
            }
        }
    }
}

static void test_lines(void **state) {
    (void)state;
    str text = S("GET / HTTP/1.1\r\nHost: a\r\n\r\nmore");
    struct outcome o = scan(h1_scan_section, text.p, text.n, text.n);
    assert_int_equal(o.e, OK);
    assert_int_equal(o.n, text.n - 4);
    assert_int_equal(o.lines, 2);
    assert_int_equal(o.ends[0], 14);
    assert_int_equal(o.ends[1], 23);
    o = scan(h1_scan_section, "\r\n", 2, 2);
    assert_int_equal(o.e, OK);
    assert_int_equal(o.n, 2);
    assert_int_equal(o.lines, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wide_is_plain), cmocka_unit_test(test_names_and_targets),
        cmocka_unit_test(test_is_target),     cmocka_unit_test(test_is_value),
        cmocka_unit_test(test_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
