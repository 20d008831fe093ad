/* SPDX-License-Identifier: Apache-2.0 */
#include "io/clock.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static int64_t read_us(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

uint64_t clock_monotonic_us(void) { return (uint64_t)read_us(CLOCK_MONOTONIC); }

int64_t clock_wall_us(void) { return read_us(CLOCK_REALTIME); }

void clock_print_rfc3339(struct buf *b, int64_t wall_us) {
    time_t s = (time_t)(wall_us / 1000000);
    struct tm tm;
    gmtime_r(&s, &tm);
    buf_printf(b, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
               tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(wall_us / 1000 % 1000));
}

/* [timerfd_create(2) TFD_TIMER_CANCEL_ON_SET] */
static int arm(int fd) {
    struct itimerspec never = {.it_value.tv_sec = INT64_MAX / 1000000000};
    return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL);
}

int clock_watch(void) {
    int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (fd >= 0 && arm(fd) < 0) {
        int why = errno;
        close(fd);
        errno = why;
        return -1;
    }
    return fd;
}

bool clock_was_set(int watch) {
    uint64_t times;
    bool was = read(watch, &times, sizeof times) < 0 && errno == ECANCELED;
    if (was) arm(watch);
    return was;
}
