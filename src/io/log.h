/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/str.h"

/* logfmt to standard error, one line a fact: log_warn("listener bind addr=%s err=\"%s\"", ...). One write() a line. */
enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_FATAL };
void log_set_level(enum log_level l);
err log_parse_level(str s, enum log_level *ret);
bool log_on(enum log_level l);
__attribute__((format(printf, 2, 3))) void log_line(enum log_level l, const char *fmt, ...);
#define log_debug(...)                                                                                       \
    do {                                                                                                     \
        if (log_on(LOG_DEBUG)) log_line(LOG_DEBUG, __VA_ARGS__);                                             \
    } while (0)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
