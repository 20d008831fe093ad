/* SPDX-License-Identifier: Apache-2.0 */
#include "io/clock.h"

#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "../unit.h"

static bool is_readable(int fd) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

/* To what it says already, which is all that the kernel asks for to tell of it. */
static void told_when_the_clock_is_set(void **state) {
    (void)state;
    int fd = clock_watch();
    assert_true(fd >= 0);
    assert_false(is_readable(fd));
    assert_false(clock_was_set(fd));
    for (int i = 0; i < 2; i++) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        if (clock_settime(CLOCK_REALTIME, &now) < 0) { /* it takes a right that tests need not have */
            assert_int_equal(errno, EPERM);
            assert_false(clock_was_set(fd));
            break;
        }
        assert_true(is_readable(fd));
        assert_true(clock_was_set(fd));
        assert_false(is_readable(fd));
    }
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(told_when_the_clock_is_set)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
