/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/protobuf.h"

/* ---- reading ---- */

static err take_varint(str *s, uint64_t *ret) {
    uint64_t v = 0;
    for (unsigned i = 0; i < 10 && i < s->n; i++) {
        uint8_t b = (uint8_t)s->p[i];
        if (i == 9 && b > 1) return ERR_PROTO;
        v |= (uint64_t)(b & 0x7f) << 7 * i;
        if (b & 0x80) continue;
        *s = str_from(*s, i + 1);
        *ret = v;
        return OK;
    }
    return ERR_PROTO;
}

static err take_fixed(str *s, unsigned n, uint64_t *ret) {
    if (s->n < n) return ERR_PROTO;
    *ret = 0;
    for (unsigned i = 0; i < n; i++) *ret |= (uint64_t)(uint8_t)s->p[i] << 8 * i;
    *s = str_from(*s, n);
    return OK;
}

static err take_bytes(str *s, str *ret) {
    uint64_t n;
    TRY(take_varint(s, &n));
    if (n > s->n) return ERR_PROTO;
    *ret = str_upto(*s, n);
    *s = str_from(*s, n);
    return OK;
}

err protobuf_next(str *message, struct protobuf_field *ret) {
    str s = *message;
    uint64_t tag;
    if (s.n == 0) return ERR_END;
    TRY(take_varint(&s, &tag));
    struct protobuf_field f = {.number = (uint32_t)(tag >> 3), .wire = tag & 7};
    if (tag > UINT32_MAX || f.number == 0) return ERR_PROTO;
    switch (f.wire) {
    case PROTOBUF_VARINT: TRY(take_varint(&s, &f.value)); break;
    case PROTOBUF_FIXED64: TRY(take_fixed(&s, 8, &f.value)); break;
    case PROTOBUF_BYTES: TRY(take_bytes(&s, &f.bytes)); break;
    case PROTOBUF_FIXED32: TRY(take_fixed(&s, 4, &f.value)); break;
    default: return ERR_PROTO;
    }
    *message = s;
    *ret = f;
    return OK;
}

/* ---- writing ---- */

static void add(struct protobuf_out *o, const char *p, size_t n) {
    if (o->to && n) memcpy(o->to + o->n, p, n);
    o->n += n;
}

static void add_varint(struct protobuf_out *o, uint64_t v) {
    char bytes[10];
    size_t n = 0;
    for (; v > 0x7f; v >>= 7) bytes[n++] = (char)(v | 0x80);
    bytes[n++] = (char)v;
    add(o, bytes, n);
}

void protobuf_number(struct protobuf_out *o, uint32_t number, uint64_t value) {
    if (!value) return;
    add_varint(o, (uint64_t)number << 3 | PROTOBUF_VARINT);
    add_varint(o, value);
}

void protobuf_begin(struct protobuf_out *o, uint32_t number, size_t n) {
    add_varint(o, (uint64_t)number << 3 | PROTOBUF_BYTES);
    add_varint(o, n);
}

void protobuf_raw(struct protobuf_out *o, str bytes) { add(o, bytes.p, bytes.n); }

static bool all_utf8(str s) {
    struct protobuf_utf8 u = {0};
    protobuf_utf8_add(&u, s);
    return protobuf_utf8_ok(&u);
}

/* The bytes of the character at the front, 1 when it is none. */
static size_t character(str s) {
    for (size_t n = 1; n <= 4 && n <= s.n; n++)
        if (all_utf8(str_upto(s, n))) return n;
    return 1;
}

static void add_mended(struct protobuf_out *o, str s) {
    for (size_t n; s.n; s = str_from(s, n)) {
        n = character(s);
        if (n > 1 || !((uint8_t)*s.p & 0x80))
            add(o, s.p, n);
        else
            add(o, "\xef\xbf\xbd", 3);
    }
}

void protobuf_text(struct protobuf_out *o, uint32_t number, str text) {
    if (!text.n) return;
    struct protobuf_out mended = {0};
    bool fine = all_utf8(text);
    if (!fine) add_mended(&mended, text);
    protobuf_begin(o, number, fine ? text.n : mended.n);
    if (fine)
        protobuf_raw(o, text);
    else
        add_mended(o, text);
}

/* ---- UTF-8 ---- */

static void begin_character(struct protobuf_utf8 *u, uint8_t b) {
    u->low = 0x80, u->high = 0xBF;
    if (b < 0x80) return;
    if (b < 0xC2 || b > 0xF4) {
        u->bad = true;
        return;
    }
    u->left = b < 0xE0 ? 1 : b < 0xF0 ? 2 : 3;
    if (b == 0xE0) u->low = 0xA0;  /* not longer than it needs to be */
    if (b == 0xED) u->high = 0x9F; /* no surrogates */
    if (b == 0xF0) u->low = 0x90;
    if (b == 0xF4) u->high = 0x8F; /* up to U+10FFFF */
}

void protobuf_utf8_add(struct protobuf_utf8 *u, str bytes) {
    for (size_t i = 0; i < bytes.n && !u->bad; i++) {
        uint8_t b = (uint8_t)bytes.p[i];
        if (!u->left) {
            begin_character(u, b);
            continue;
        }
        u->bad = b < u->low || b > u->high;
        u->low = 0x80, u->high = 0xBF;
        u->left--;
    }
}
