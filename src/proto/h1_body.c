/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/h1_body.h"

#include "base/num.h"
#include "http/http_chars.h"

enum {
    B_LENGTH,
    B_TO_CLOSE,
    B_SIZE,  /* hexadecimal digits */
    B_SPACE, /* white space after them: an extension has to follow */
    B_EXTENSION,
    B_SIZE_LF,
    B_DATA,
    B_DATA_CR,
    B_DATA_LF,
    B_DONE,
};
enum { DIGITS_MAX = 15 }; /* of a chunk's size: no overflow, no endless row of zeros */

void h1_body_begin(struct h1_body *b, enum http_body kind, uint64_t length, uint64_t bytes_max) {
    *b = (struct h1_body){.bytes_max = bytes_max, .left = length};
    switch (kind) {
    case HTTP_BODY_NONE: b->state = B_DONE; break;
    case HTTP_BODY_LENGTH: b->state = length ? B_LENGTH : B_DONE; break;
    case HTTP_BODY_CHUNKED: b->state = B_SIZE, b->left = 0; break;
    case HTTP_BODY_TO_CLOSE: b->state = B_TO_CLOSE; break;
    }
}

bool h1_body_done(const struct h1_body *b) { return b->state == B_DONE; }

static err end_size_line(struct h1_body *b) {
    if (b->left > b->bytes_max - b->total) return ERR_LIMIT;
    b->total += b->left;
    b->state = b->left ? B_DATA : B_DONE;
    b->digits = b->extension_bytes = 0;
    return OK;
}

static err take_extension(struct h1_body *b, char c) {
    if (!http_chars_has(c, HTTP_CHAR_VALUE)) return ERR_PROTO;
    bool over = ++b->extension_bytes > H1_BODY_EXTENSION_BYTES_MAX ||
                ++b->extensions_bytes > H1_BODY_EXTENSIONS_BYTES_MAX;
    return over ? ERR_PROTO : OK;
}

static err take_size(struct h1_body *b, char c) {
    int digit = num_hex(c);
    if (digit >= 0) {
        if (++b->digits > DIGITS_MAX) return ERR_PROTO;
        b->left = b->left << 4 | (unsigned)digit;
        return OK;
    }
    if (b->digits == 0) return ERR_PROTO;
    b->state = c == '\r' ? B_SIZE_LF : c == ';' ? B_EXTENSION : B_SPACE;
    return c == '\r' || c == ';' || c == ' ' || c == '\t' ? OK : ERR_PROTO;
}

/* chunk = 1*HEXDIG [ chunk-ext ] CRLF data CRLF; extensions are read over: no use is known [RFC 9112 7.1.1]. One byte of framing. */
static err take_framing(struct h1_body *b, char c) {
    switch (b->state) {
    case B_SIZE: return take_size(b, c);
    case B_SPACE:
        if (c == ';') b->state = B_EXTENSION;
        return c == ';' || c == ' ' || c == '\t' ? take_extension(b, c) : ERR_PROTO;
    case B_EXTENSION:
        if (c == '\r') b->state = B_SIZE_LF;
        return c == '\r' ? OK : take_extension(b, c);
    case B_SIZE_LF: return c == '\n' ? end_size_line(b) : ERR_PROTO;
    case B_DATA_CR: b->state = B_DATA_LF; return c == '\r' ? OK : ERR_PROTO;
    case B_DATA_LF: b->state = B_SIZE; return c == '\n' ? OK : ERR_PROTO;
    default: assert(false); return ERR_PROTO; /* no framing within data */
    }
}

static bool at_data(const struct h1_body *b) {
    return b->state == B_LENGTH || b->state == B_TO_CLOSE || b->state == B_DATA;
}

err h1_body_take(struct h1_body *b, str in, size_t room, size_t *ret_used, str *ret_data) {
    size_t i = 0;
    *ret_data = S("");
    *ret_used = 0;
    while (i < in.n && b->state != B_DONE && !at_data(b)) {
        TRY(take_framing(b, in.p[i]));
        *ret_used = ++i;
    }
    if (i == in.n || !at_data(b)) return OK;
    if (room == 0) return ERR_AGAIN;
    size_t n = num_min(in.n - i, room);
    if (b->state != B_TO_CLOSE) {
        n = num_min(n, b->left);
        b->left -= n;
        if (b->left == 0) b->state = b->state == B_DATA ? B_DATA_CR : B_DONE;
    }
    *ret_data = (str){in.p + i, n};
    *ret_used = i + n;
    return OK;
}
