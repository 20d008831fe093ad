/* SPDX-License-Identifier: Apache-2.0 */
#include "control/memory_watch.h"

#include "../unit.h"

static void rises_at_once_falls_later(void **state) {
    (void)state;
    const uint64_t mb = 1 << 20, limit = 64 * mb;
    static const struct {
        uint64_t resident;
        enum pressure then;
    } steps[] = {{10, PRESSURE_NONE},  {47, PRESSURE_NONE},  {49, PRESSURE_TIGHT}, {43, PRESSURE_TIGHT},
                 {41, PRESSURE_NONE},  {43, PRESSURE_NONE},  {58, PRESSURE_SHED},  {52, PRESSURE_SHED},
                 {50, PRESSURE_TIGHT}, {57, PRESSURE_TIGHT}, {64, PRESSURE_SHED},  {400, PRESSURE_SHED},
                 {5, PRESSURE_NONE}};
    enum pressure level = PRESSURE_NONE;
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        level = memory_watch_level(level, steps[i].resident * mb, limit);
        assert_int_equal(level, steps[i].then);
    }
    assert_int_equal(memory_watch_level(PRESSURE_NONE, UINT64_MAX, 0), PRESSURE_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(rises_at_once_falls_later)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
