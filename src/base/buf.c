/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

void buf_init(struct buf *b, size_t bytes_max) { *b = (struct buf){.max = bytes_max}; }

void buf_fini(struct buf *b) {
    free(b->p);
    *b = (struct buf){.max = b->max};
}

err buf_reserve(struct buf *b, size_t more) {
    if (b->overflow || more > b->max - b->n) return ERR_LIMIT;
    if (b->cap - b->n >= more) return OK;
    size_t cap = b->cap ? b->cap * 2 : 256;
    if (cap < b->n + more) cap = b->n + more;
    if (cap > b->max) cap = b->max;
    b->p = base_realloc(b->p, cap);
    b->cap = cap;
    return OK;
}

void buf_add(struct buf *b, str s) {
    if (s.n == 0) return;
    if (buf_reserve(b, s.n) != OK) {
        b->overflow = true;
        return;
    }
    memcpy(b->p + b->n, s.p, s.n);
    b->n += s.n;
}

void buf_add_char(struct buf *b, char c) { buf_add(b, (str){&c, 1}); }

void buf_vprintf(struct buf *b, const char *fmt, va_list args) {
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    assert(n >= 0);
    /* one byte more for the NUL that vsnprintf insists on */
    if (buf_reserve(b, (size_t)n + 1) == OK) {
        vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again);
        b->n += (size_t)n;
    } else {
        b->overflow = true;
    }
    va_end(again);
}

void buf_printf(struct buf *b, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    buf_vprintf(b, fmt, args);
    va_end(args);
}

/* Length of the UTF-8 sequence at s, or 0 where there is none. */
static size_t utf8_length(str s) {
    unsigned char c = (unsigned char)s.p[0];
    size_t n = c < 0x80                ? 1
               : c >= 0xC2 && c < 0xE0 ? 2
               : c >= 0xE0 && c < 0xF0 ? 3
               : c >= 0xF0 && c < 0xF5 ? 4
                                       : 0;
    if (n == 0 || n > s.n) return 0;
    for (size_t i = 1; i < n; i++)
        if (((unsigned char)s.p[i] & 0xC0) != 0x80) return 0;
    unsigned char d = n > 1 ? (unsigned char)s.p[1] : 0;
    bool bad = (c == 0xE0 && d < 0xA0) || (c == 0xED && d > 0x9F) || (c == 0xF0 && d < 0x90) ||
               (c == 0xF4 && d > 0x8F);
    return bad ? 0 : n;
}

void buf_add_json(struct buf *b, str s) {
    buf_add_char(b, '"');
    for (size_t i = 0; i < s.n;) {
        char c = s.p[i];
        size_t n = utf8_length(str_from(s, i));
        if (c == '"' || c == '\\')
            buf_printf(b, "\\%c", c);
        else if (c == '\n')
            buf_add(b, S("\\n"));
        else if (c == '\t')
            buf_add(b, S("\\t"));
        else if (n == 1 && ((unsigned char)c < 0x20 || c == 0x7f))
            buf_printf(b, "\\u%04x", (unsigned)c);
        else if (n == 0)
            buf_add(b, S("\\ufffd"));
        else
            buf_add(b, (str){s.p + i, n});
        i += n ? n : 1;
    }
    buf_add_char(b, '"');
}

void buf_consume(struct buf *b, size_t n) {
    assert(n <= b->n);
    if (n) memmove(b->p, b->p + n, b->n - n);
    b->n -= n;
}
