/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdarg.h>

#include "base/str.h"

/* Bytes that grow up to a maximum; no buffer without one. Past it, `overflow` is set, the bytes are dropped
 * and adding is refused. */
struct buf {
    char *p;
    size_t n, cap, max;
    bool overflow;
};
void buf_init(struct buf *b, size_t bytes_max);
void buf_fini(struct buf *b);
static inline void buf_clear(struct buf *b) { b->n = 0, b->overflow = false; }
static inline str buf_str(const struct buf *b) { return (str){b->p ? b->p : "", b->n}; }
/* OK, or ERR_LIMIT and nothing is added. */
err buf_reserve(struct buf *b, size_t more);
/* These add all or set b->overflow: for text made piece by piece, checked once at the end. */
void buf_add(struct buf *b, str s);
void buf_add_char(struct buf *b, char c);
__attribute__((format(printf, 2, 3))) void buf_printf(struct buf *b, const char *fmt, ...);
void buf_vprintf(struct buf *b, const char *fmt, va_list args);
/* s as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void buf_add_json(struct buf *b, str s);
/* Drops the first n bytes. */
void buf_consume(struct buf *b, size_t n);
