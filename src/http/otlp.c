/* SPDX-License-Identifier: Apache-2.0 */
#include "http/otlp.h"

enum wire { WIRE_VARINT, WIRE_FIXED64, WIRE_BYTES, WIRE_FIXED32 = 5 };
/* Of opentelemetry/proto/common/v1 and trace/v1. */
enum {
    KEY_VALUE_KEY = 1,
    KEY_VALUE_VALUE = 2,
    ANY_STRING = 1,
    ANY_INT = 3,
    ANY_ARRAY = 5,
    ARRAY_VALUES = 1,
    REQUEST_RESOURCE_SPANS = 1,
    RESOURCE_SPANS_RESOURCE = 1,
    RESOURCE_SPANS_SCOPE_SPANS = 2,
    SCOPE_SPANS_SCOPE = 1,
    SCOPE_NAME = 1,
    SCOPE_VERSION = 2,
    RESPONSE_PARTIAL_SUCCESS = 1,
    PARTIAL_REJECTED = 1,
};

/* ---- numbers ---- */

static size_t varint_bytes(uint64_t v) {
    size_t n = 1;
    while (v >>= 7) n++;
    return n;
}

static void add_varint(struct buf *b, uint64_t v) {
    char bytes[10];
    size_t n = 0;
    for (; v >= 0x80; v >>= 7) bytes[n++] = (char)(v | 0x80);
    bytes[n++] = (char)v;
    buf_add(b, (str){bytes, n});
}

static void add_tag(struct buf *b, unsigned field, enum wire wire) {
    add_varint(b, (uint64_t)field << 3 | wire);
}
static size_t tag_bytes(unsigned field) { return varint_bytes((uint64_t)field << 3); }

static void add_fixed(struct buf *b, uint64_t v, size_t n) {
    char bytes[8];
    for (size_t i = 0; i < n; i++) bytes[i] = (char)(v >> 8 * i);
    buf_add(b, (str){bytes, n});
}

void otlp_uint(struct buf *b, unsigned field, uint64_t v) {
    add_tag(b, field, WIRE_VARINT);
    add_varint(b, v);
}

void otlp_fixed32(struct buf *b, unsigned field, uint32_t v) {
    add_tag(b, field, WIRE_FIXED32);
    add_fixed(b, v, 4);
}

void otlp_fixed64(struct buf *b, unsigned field, uint64_t v) {
    add_tag(b, field, WIRE_FIXED64);
    add_fixed(b, v, 8);
}

/* ---- bytes and text ---- */

static void add_length(struct buf *b, unsigned field, size_t n) {
    add_tag(b, field, WIRE_BYTES);
    add_varint(b, n);
}
/* Of a field of n bytes, all in all. */
static size_t bytes_of(unsigned field, size_t n) { return tag_bytes(field) + varint_bytes(n) + n; }

void otlp_bytes(struct buf *b, unsigned field, str s) {
    add_length(b, field, s.n);
    buf_add(b, s);
}

/* The length of the character that s begins with, when it is one of UTF-8; else 0. [RFC 3629 4] */
static size_t character(str s) {
    unsigned char c = (unsigned char)s.p[0];
    size_t n = c < 0x80                ? 1
               : c >= 0xc2 && c < 0xe0 ? 2
               : c >= 0xe0 && c < 0xf0 ? 3
               : c >= 0xf0 && c < 0xf5 ? 4
                                       : 0;
    if (n > s.n) return 0;
    for (size_t i = 1; i < n; i++)
        if (((unsigned char)s.p[i] & 0xc0) != 0x80) return 0;
    if (n < 3) return n;
    unsigned char second = (unsigned char)s.p[1];
    bool wrong = (c == 0xe0 && second < 0xa0) || (c == 0xed && second >= 0xa0) ||
                 (c == 0xf0 && second < 0x90) || (c == 0xf4 && second >= 0x90);
    return wrong ? 0 : n;
}

/* Cut to the bound, before a character rather than within. */
static str bounded(str s) {
    if (s.n <= OTLP_TEXT_BYTES_MAX) return s;
    size_t n = OTLP_TEXT_BYTES_MAX;
    for (int i = 0; i < 3 && ((unsigned char)s.p[n] & 0xc0) == 0x80; i++) n--;
    return str_upto(s, n);
}

/* As long as s: a byte that is of no character becomes "?". */
static void add_text(struct buf *b, str s) {
    size_t from = 0;
    for (size_t i = 0; i < s.n;) {
        size_t n = character(str_from(s, i));
        if (n) {
            i += n;
            continue;
        }
        buf_add(b, (str){s.p + from, i - from});
        buf_add_char(b, '?');
        from = ++i;
    }
    buf_add(b, str_from(s, from));
}

void otlp_text(struct buf *b, unsigned field, str s) {
    s = bounded(s);
    add_length(b, field, s.n);
    add_text(b, s);
}

/* ---- attributes ---- */

/* A KeyValue up to its value, which has n bytes. */
static void begin_attribute(struct buf *b, unsigned field, str key, size_t n) {
    key = bounded(key);
    add_length(b, field, bytes_of(KEY_VALUE_KEY, key.n) + bytes_of(KEY_VALUE_VALUE, n));
    add_length(b, KEY_VALUE_KEY, key.n);
    add_text(b, key);
    add_length(b, KEY_VALUE_VALUE, n);
}

void otlp_attribute(struct buf *b, unsigned field, str key, str value) {
    value = bounded(value);
    begin_attribute(b, field, key, bytes_of(ANY_STRING, value.n));
    add_length(b, ANY_STRING, value.n);
    add_text(b, value);
}

void otlp_attribute_int(struct buf *b, unsigned field, str key, int64_t value) {
    begin_attribute(b, field, key, tag_bytes(ANY_INT) + varint_bytes((uint64_t)value));
    otlp_uint(b, ANY_INT, (uint64_t)value);
}

void otlp_attribute_list(struct buf *b, unsigned field, str key, const str *values, uint32_t n) {
    size_t all = 0;
    for (uint32_t i = 0; i < n; i++)
        all += bytes_of(ARRAY_VALUES, bytes_of(ANY_STRING, bounded(values[i]).n));
    begin_attribute(b, field, key, bytes_of(ANY_ARRAY, all));
    add_length(b, ANY_ARRAY, all);
    for (uint32_t i = 0; i < n; i++) {
        str v = bounded(values[i]);
        add_length(b, ARRAY_VALUES, bytes_of(ANY_STRING, v.n));
        add_length(b, ANY_STRING, v.n);
        add_text(b, v);
    }
}

/* ---- an export ---- */

void otlp_frame(struct buf *b, str resource, str scope, str version, size_t spans_bytes) {
    size_t scope_bytes = bytes_of(SCOPE_NAME, scope.n) + bytes_of(SCOPE_VERSION, version.n);
    size_t scope_spans = bytes_of(SCOPE_SPANS_SCOPE, scope_bytes) + spans_bytes;
    size_t resource_spans =
        bytes_of(RESOURCE_SPANS_RESOURCE, resource.n) + bytes_of(RESOURCE_SPANS_SCOPE_SPANS, scope_spans);
    add_length(b, REQUEST_RESOURCE_SPANS, resource_spans);
    otlp_bytes(b, RESOURCE_SPANS_RESOURCE, resource);
    add_length(b, RESOURCE_SPANS_SCOPE_SPANS, scope_spans);
    add_length(b, SCOPE_SPANS_SCOPE, scope_bytes);
    otlp_bytes(b, SCOPE_NAME, scope);
    otlp_bytes(b, SCOPE_VERSION, version);
}

/* ---- what comes back ---- */

static bool take_varint(str *s, uint64_t *ret) {
    uint64_t v = 0;
    for (unsigned i = 0; i < 10 && s->n; i++) {
        unsigned char c = (unsigned char)s->p[0];
        *s = str_from(*s, 1);
        v |= (uint64_t)(c & 0x7f) << 7 * i;
        if (c < 0x80) {
            *ret = v;
            return true;
        }
    }
    return false;
}

/* One field: its number, and its value as a number or as bytes. */
static bool take_field(str *s, unsigned *ret_field, uint64_t *ret_number, str *ret_bytes) {
    uint64_t tag, n;
    if (!take_varint(s, &tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff) return false;
    *ret_field = (unsigned)(tag >> 3);
    *ret_number = 0, *ret_bytes = (str){0};
    size_t fixed = (tag & 7) == WIRE_FIXED64 ? 8 : (tag & 7) == WIRE_FIXED32 ? 4 : 0;
    if ((tag & 7) == WIRE_VARINT) return take_varint(s, ret_number);
    if (fixed) {
        if (s->n < fixed) return false;
        *s = str_from(*s, fixed);
        return true;
    }
    if ((tag & 7) != WIRE_BYTES || !take_varint(s, &n) || n > s->n) return false;
    *ret_bytes = (str){s->p, (size_t)n};
    *s = str_from(*s, (size_t)n);
    return true;
}

err otlp_rejected(str response, uint64_t *ret) {
    uint64_t rejected = 0, number;
    unsigned field;
    str bytes;
    while (response.n) {
        if (!take_field(&response, &field, &number, &bytes)) return ERR_PROTO;
        if (field != RESPONSE_PARTIAL_SUCCESS || !bytes.p) continue;
        for (str rest = bytes; rest.n;) {
            if (!take_field(&rest, &field, &number, &bytes)) return ERR_PROTO;
            if (field == PARTIAL_REJECTED && !bytes.p) rejected = number;
        }
    }
    *ret = rejected;
    return OK;
}
