/* SPDX-License-Identifier: Apache-2.0 */
#include "io/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <unistd.h>

#include "io/clock.h"

enum { LINE_BYTES_MAX = 4096 };
static _Atomic int level = LOG_INFO;
static const char *const names[] = {"debug", "info", "warn", "error", "fatal"};

void log_set_level(enum log_level l) { atomic_store_explicit(&level, (int)l, memory_order_relaxed); }

err log_parse_level(str s, enum log_level *ret) {
    for (int i = LOG_DEBUG; i <= LOG_ERROR; i++)
        if (str_eq(s, str_of(names[i]))) {
            *ret = (enum log_level)i;
            return OK;
        }
    return ERR_PROTO;
}

bool log_on(enum log_level l) { return (int)l >= atomic_load_explicit(&level, memory_order_relaxed); }

void log_line(enum log_level l, const char *fmt, ...) {
    if (!log_on(l)) return;
    struct buf b;
    buf_init(&b, LINE_BYTES_MAX);
    buf_add(&b, S("ts="));
    clock_print_rfc3339(&b, clock_wall_us());
    buf_printf(&b, " level=%s ", names[l]);
    size_t head = b.n;
    va_list args;
    va_start(args, fmt);
    buf_vprintf(&b, fmt, args);
    va_end(args);
    if (b.overflow) { /* the fact that was too long is told by its beginning */
        b.overflow = false;
        b.n = head;
        buf_add(&b, str_upto(str_of(fmt), 512));
        buf_add(&b, S(" truncated=true"));
    }
    for (size_t i = head; i < b.n; i++)
        if (b.p[i] == '\n' || b.p[i] == '\r') b.p[i] = ' ';
    buf_add_char(&b, '\n');
    if (write(STDERR_FILENO, b.p, b.n) < 0) { /* nowhere to tell it */
    }
    buf_fini(&b);
}
