/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/h1_out.h"

#include "../unit.h"
#include "base/rng.h"

static void test_pieces_and_keep(void **state) {
    (void)state;
    struct h1_out o;
    h1_out_init(&o);
    char lent[1000];
    memset(lent, 'x', sizeof lent);
    h1_out_add(&o, S("head"));
    h1_out_add(&o, S("er"));
    h1_out_borrow(&o, (str){lent, sizeof lent});
    h1_out_borrow(&o, S("small")); /* copied */
    h1_out_add(&o, S("!"));
    assert_int_equal(o.pending, 6 + 1000 + 6);
    str out[4];
    assert_int_equal(h1_out_write(&o, out, 4), 3);
    assert_str(out[0], "header");
    assert_ptr_equal(out[1].p, lent);
    assert_str(out[2], "small!");
    h1_out_wrote(&o, 6 + 10);
    h1_out_keep(&o);
    memset(lent, '?', sizeof lent); /* the lender goes on */
    assert_int_equal(h1_out_write(&o, out, 4), 1);
    assert_int_equal(out[0].n, 990 + 6);
    assert_int_equal(out[0].p[0], 'x');
    assert_int_equal(out[0].p[989], 'x');
    assert_true(str_ends(out[0], S("small!")));
    h1_out_wrote(&o, 996);
    assert_int_equal(o.pending, 0);
    assert_int_equal(h1_out_write(&o, out, 4), 0);
    h1_out_fini(&o);
}

/* Many pieces, written in random parts: the same bytes, whatever was joined. */
static void test_order(void **state) {
    (void)state;
    struct rng rng = {3};
    struct h1_out o;
    struct buf wanted, got;
    static char lent[4096];
    for (size_t i = 0; i < sizeof lent; i++) lent[i] = (char)('a' + i % 26);
    h1_out_init(&o), buf_init(&wanted, 1 << 24), buf_init(&got, 1 << 24);
    for (int round = 0; round < 3000; round++) {
        str s = {lent + rng_below(&rng, 26), rng_below(&rng, 2) ? rng_below(&rng, 8) : rng_below(&rng, 2000)};
        if (!h1_out_takes(&o, s.n)) continue;
        if (rng_below(&rng, 2))
            h1_out_add(&o, s);
        else
            h1_out_borrow(&o, s);
        buf_add(&wanted, s);
        if (rng_below(&rng, 40)) continue;
        str out[3];
        size_t n = h1_out_write(&o, out, 3), all = 0;
        for (size_t i = 0; i < n; i++) all += out[i].n;
        size_t take = all ? rng_below(&rng, (uint32_t)all + 1) : 0, left = take;
        for (size_t i = 0; i < n; i++) {
            str part = str_upto(out[i], left);
            buf_add(&got, part);
            left -= part.n;
        }
        h1_out_wrote(&o, take);
        if (rng_below(&rng, 2)) h1_out_keep(&o);
    }
    while (o.pending) {
        str out[3];
        size_t n = h1_out_write(&o, out, 3), all = 0;
        for (size_t i = 0; i < n; i++) buf_add(&got, out[i]), all += out[i].n;
        h1_out_wrote(&o, all);
    }
    assert_int_equal(wanted.n, got.n);
    assert_memory_equal(wanted.p, got.p, got.n);
    buf_fini(&wanted), buf_fini(&got), h1_out_fini(&o);
}

static void test_bound(void **state) {
    (void)state;
    static char lent[1 << 16];
    struct h1_out o;
    h1_out_init(&o);
    while (h1_out_takes(&o, sizeof lent)) h1_out_borrow(&o, (str){lent, sizeof lent});
    assert_int_equal(o.pending, H1_OUT_BYTES_MAX);
    assert_true(h1_out_takes(&o, 0));
    assert_false(h1_out_takes(&o, 1));
    assert_false(h1_out_takes(&o, SIZE_MAX));
    h1_out_keep(&o);
    assert_int_equal(o.pending, H1_OUT_BYTES_MAX);
    h1_out_wrote(&o, H1_OUT_BYTES_MAX);
    assert_int_equal(o.bytes.cap + o.spare.cap, 0); /* large buffers do not stay */
    h1_out_fini(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_and_keep),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
