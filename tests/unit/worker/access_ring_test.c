/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/access_ring.h"

#include "../unit.h"

static void wraps_and_refuses(void **state) {
    (void)state;
    struct access_ring r;
    char out[64];
    access_ring_init(&r, 16);
    assert_ok(access_ring_put(&r, S("0123456789\n")));
    assert_int_equal(access_ring_put(&r, S("abcdef")), ERR_LIMIT); /* all or nothing */
    assert_int_equal(access_ring_take(&r, out, sizeof out), 11);
    assert_ok(access_ring_put(&r, S("ab\n")));
    assert_ok(access_ring_put(&r, S("cdefghi\n"))); /* over the edge */
    size_t n = access_ring_take(&r, out, 5);        /* whole lines alone */
    assert_str(((str){out, n}), "ab\n");
    n = access_ring_take(&r, out, sizeof out);
    assert_str(((str){out, n}), "cdefghi\n");
    assert_int_equal(access_ring_take(&r, out, sizeof out), 0);
    access_ring_fini(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(wraps_and_refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
