/* SPDX-License-Identifier: Apache-2.0 */
#include "io/memory.h"

#include <unistd.h>

#include "../unit.h"

static void quantities(void **state) {
    (void)state;
    static const struct {
        str text;
        uint64_t bytes;
    } good[] = {{S("0"), 0},
                {S("67108864"), 67108864},
                {S("64Mi"), 67108864},
                {S("64M"), 64000000},
                {S("5k"), 5000},
                {S("3Ki"), 3072},
                {S("2Gi"), UINT64_C(2) << 30},
                {S("1T"), UINT64_C(1000000000000)}};
    uint64_t v;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_ok(memory_parse(good[i].text, &v));
        assert_int_equal(v, good[i].bytes);
    }
    static const str bad[] = {S(""),      S("Mi"),   S("64 Mi"), S("-1"),
                              S("64MiB"), S("64mi"), S("1.5G"),  S("64KiMi")};
    for (size_t i = 0; i < COUNT_OF(bad); i++) assert_int_equal(memory_parse(bad[i], &v), ERR_PROTO);
    assert_int_equal(memory_parse(S("99999999999Ti"), &v), ERR_LIMIT);
}

static void what_is_resident(void **state) {
    (void)state;
    enum { BYTES = 32 << 20 };
    int fd = memory_open();
    uint64_t before = memory_resident(fd);
    assert_true(before > 0);
    char *p = base_alloc(BYTES);
    memset(p, 1, BYTES);
    assert_true(memory_resident(fd) >= before + BYTES / 2);
    free(p);
    close(fd);
    assert_int_equal(memory_resident(-1), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(quantities), cmocka_unit_test(what_is_resident)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
