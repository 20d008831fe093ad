/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/kept.h"

#include "../unit.h"

static char byte_at(size_t i) { return (char)('a' + i * 31 % 26); }

/* All of k from a place on, read in steps of at most `step`, is what was put in. */
static void check(const struct kept *k, struct kept_at at, size_t step) {
    str s;
    while ((s = kept_next(k, &at)).n) {
        assert_ptr_equal(kept_next(k, &at).p, s.p); /* asking changes nothing */
        if (s.n > step) s.n = step;
        for (size_t i = 0; i < s.n; i++) assert_int_equal(s.p[i], byte_at(at.n + i));
        kept_step(&at, s.n);
    }
    assert_int_equal(at.n, k->n);
}

static void gives_back_what_was_put_in(void **state) {
    (void)state;
    static const size_t sizes[] = {
        0, 1, KEPT_PIECE_BYTES - 1, KEPT_PIECE_BYTES, KEPT_PIECE_BYTES + 1, 3 * KEPT_PIECE_BYTES, 65536};
    static const size_t steps[] = {1000, KEPT_PIECE_BYTES, SIZE_MAX};
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        for (size_t k = 0; k < COUNT_OF(steps); k++) {
            struct pool buffers;
            struct kept kept = {0};
            pool_init(&buffers, CONN_BUFFER_BYTES, 16, NULL);
            for (size_t at = 0; at < sizes[i];) {
                char bytes[777];
                size_t n = sizes[i] - at < sizeof bytes ? sizes[i] - at : sizeof bytes;
                for (size_t b = 0; b < n; b++) bytes[b] = byte_at(at + b);
                kept_add(&kept, &buffers, (str){bytes, n});
                at += n;
            }
            assert_int_equal(kept.n, sizes[i]);
            check(&kept, (struct kept_at){0}, steps[k]);
            check(&kept, (struct kept_at){0}, steps[k]); /* as often as one likes */
            assert_int_equal(pool_lent(&buffers), (sizes[i] + KEPT_PIECE_BYTES - 1) / KEPT_PIECE_BYTES);
            kept_drop(&kept, &buffers);
            assert_int_equal(pool_lent(&buffers), 0);
            pool_fini(&buffers);
        }
}

static void goes_on_from_its_end(void **state) {
    (void)state;
    for (size_t before = 0; before <= 2 * KEPT_PIECE_BYTES; before += KEPT_PIECE_BYTES / 2) {
        struct pool buffers;
        struct kept kept = {0};
        pool_init(&buffers, CONN_BUFFER_BYTES, 16, NULL);
        for (size_t i = 0; i < before; i++) kept_add(&kept, &buffers, (str){(char[]){byte_at(i)}, 1});
        struct kept_at at = kept_end(&kept);
        assert_int_equal(kept_next(&kept, &at).n, 0);
        for (size_t i = before; i < before + 100; i++)
            kept_add(&kept, &buffers, (str){(char[]){byte_at(i)}, 1});
        check(&kept, at, SIZE_MAX);
        kept_drop(&kept, &buffers);
        pool_fini(&buffers);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_back_what_was_put_in),
        cmocka_unit_test(goes_on_from_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
