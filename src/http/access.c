/* SPDX-License-Identifier: Apache-2.0 */
#include "http/access.h"

#include "http/access_program.h"
#include "http/http_msg.h"

/* Numbers are printed here by hand: a line has a dozen of them, and printf would cost more than the rest of it. */
static void add_padded(struct buf *b, uint64_t v, unsigned width) {
    char digits[20];
    size_t at = sizeof digits;
    do digits[--at] = (char)('0' + v % 10);
    while (v /= 10);
    while (sizeof digits - at < width) digits[--at] = '0';
    buf_add(b, (str){digits + at, sizeof digits - at});
}
static void add_number(struct buf *b, uint64_t v) { add_padded(b, v, 1); }

struct date {
    uint64_t year;
    unsigned month, day, hour, minute, second, us; /* month from 1 */
};

/* UTC, proleptic Gregorian. Years are counted from March, so that the leap day ends one; 400 of them have 146,097 days. */
static struct date date_of(int64_t time_us) {
    uint64_t us = time_us < 0 ? 0 : (uint64_t)time_us, seconds = us / 1000000,
             days = seconds / 86400 + 719468;
    uint64_t era = days / 146097, day = days % 146097;
    uint64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    uint64_t of_year = day - (365 * year + year / 4 - year / 100);
    uint64_t month = (5 * of_year + 2) / 153;
    struct date d = {
        .day = (unsigned)(of_year - (153 * month + 2) / 5 + 1),
        .month = (unsigned)(month < 10 ? month + 3 : month - 9),
        .hour = (unsigned)(seconds / 3600 % 24),
        .minute = (unsigned)(seconds / 60 % 60),
        .second = (unsigned)(seconds % 60),
        .us = (unsigned)(us % 1000000),
    };
    d.year = era * 400 + year + (d.month <= 2);
    return d;
}

static void add_clock(struct buf *b, const struct date *d) {
    add_padded(b, d->hour, 2);
    buf_add_char(b, ':');
    add_padded(b, d->minute, 2);
    buf_add_char(b, ':');
    add_padded(b, d->second, 2);
}

/* [RFC 3339 5.6], to the microsecond. */
static void add_date_rfc3339(struct buf *b, int64_t time_us) {
    struct date d = date_of(time_us);
    add_padded(b, d.year, 4);
    buf_add_char(b, '-');
    add_padded(b, d.month, 2);
    buf_add_char(b, '-');
    add_padded(b, d.day, 2);
    buf_add_char(b, 'T');
    add_clock(b, &d);
    buf_add_char(b, '.');
    add_padded(b, d.us, 6);
    buf_add_char(b, 'Z');
}

/* "[21/Nov/2026:03:57:00 +0000]", as the common log format has it. */
static void add_date_common(struct buf *b, int64_t time_us) {
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct date d = date_of(time_us);
    buf_add_char(b, '[');
    add_padded(b, d.day, 2);
    buf_add_char(b, '/');
    buf_add(b, (str){&months[3 * (d.month - 1)], 3});
    buf_add_char(b, '/');
    add_padded(b, d.year, 4);
    buf_add_char(b, ':');
    add_clock(b, &d);
    buf_add(b, S(" +0000]"));
}

static str version_text(uint8_t version) {
    return version == 10   ? S("HTTP/1.0")
           : version == 20 ? S("HTTP/2")
           : version == 30 ? S("HTTP/3")
                           : S("HTTP/1.1");
}

static void add_address(struct buf *b, const struct access_address *a) {
    bool v6 = a->ip.family == 6;
    if (v6) buf_add_char(b, '[');
    ip_print(b, &a->ip);
    if (v6) buf_add_char(b, ']');
    buf_add_char(b, ':');
    add_number(b, a->port);
}

/* A peer's text between quotes: what could end the quotes, the line or mislead a terminal is escaped. */
static void add_escaped(struct buf *b, str s) {
    static const char digits[] = "0123456789abcdef";
    size_t from = 0;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') continue;
        buf_add(b, (str){s.p + from, i - from});
        buf_add(b, (str){(char[4]){'\\', 'x', digits[c >> 4], digits[c & 15]}, 4});
        from = i + 1;
    }
    buf_add(b, str_from(s, from));
}

/* ---- one field ---- */

#define FIELD(id, name, type, member, help)                                                                  \
    [ACCESS_##                                                                                               \
        id] = {{name, sizeof(name) - 1}, ACCESS_TYPE_##type, offsetof(struct access_record, member), help},
static const struct access_field fields[ACCESS_FIELD_COUNT] = {ACCESS_FIELDS(FIELD)};
#undef FIELD

const struct access_field *access_field(enum access_field_id id) { return &fields[id]; }

static uint64_t number_of(const struct access_field *f, const void *at) {
    switch (f->type) {
    case ACCESS_TYPE_BYTE: return *(const uint8_t *)at;
    case ACCESS_TYPE_SHORT: return *(const uint16_t *)at;
    case ACCESS_TYPE_NUMBER:
    case ACCESS_TYPE_DURATION: return *(const uint64_t *)at;
    case ACCESS_TYPE_INDEX: return (uint64_t) * (const int64_t *)at;
    case ACCESS_TYPE_TIME:
    case ACCESS_TYPE_ADDRESS:
    case ACCESS_TYPE_BOOL:
    case ACCESS_TYPE_IP:
    case ACCESS_TYPE_REASON:
    case ACCESS_TYPE_TEXT:
    case ACCESS_TYPE_TAIL:
    case ACCESS_TYPE_VERSION: break;
    }
    abort(); /* of the callers none asks */
}

/* Has it a value at all? Durations always have one; that of a phase there was not is 0. */
static bool is_there(const struct access_field *f, const void *at) {
    if (f->type == ACCESS_TYPE_TEXT || f->type == ACCESS_TYPE_TAIL) return ((const str *)at)->n > 0;
    if (f->type == ACCESS_TYPE_INDEX) return *(const int64_t *)at >= 0;
    if (f->type == ACCESS_TYPE_VERSION) return *(const uint8_t *)at != 0;
    if (f->type == ACCESS_TYPE_IP || f->type == ACCESS_TYPE_ADDRESS)
        return ((const struct ip *)at)->family != 0;
    return true;
}

/* Text that cannot end quotes or a line, without quotes of its own. */
static void add_bare(struct buf *b, const struct access_field *f, const void *at) {
    switch (f->type) {
    case ACCESS_TYPE_TEXT:
    case ACCESS_TYPE_TAIL: add_escaped(b, *(const str *)at); break;
    case ACCESS_TYPE_TIME: add_date_rfc3339(b, *(const int64_t *)at); break;
    case ACCESS_TYPE_IP: ip_print(b, at); break;
    case ACCESS_TYPE_ADDRESS: add_address(b, at); break;
    case ACCESS_TYPE_BOOL: buf_add(b, *(const bool *)at ? S("true") : S("false")); break;
    case ACCESS_TYPE_REASON: buf_add(b, http_reason_name(*(const enum http_reason *)at)); break;
    case ACCESS_TYPE_VERSION: buf_add(b, version_text(*(const uint8_t *)at)); break;
    case ACCESS_TYPE_BYTE:
    case ACCESS_TYPE_SHORT:
    case ACCESS_TYPE_NUMBER:
    case ACCESS_TYPE_DURATION:
    case ACCESS_TYPE_INDEX: add_number(b, number_of(f, at)); break;
    }
}

static bool is_quoted(const struct access_field *f) {
    return f->type == ACCESS_TYPE_TEXT || f->type == ACCESS_TYPE_TAIL || f->type == ACCESS_TYPE_TIME ||
           f->type == ACCESS_TYPE_IP || f->type == ACCESS_TYPE_ADDRESS || f->type == ACCESS_TYPE_REASON ||
           f->type == ACCESS_TYPE_VERSION;
}

static void add_json(struct buf *b, const struct access_field *f, const void *at) {
    if (!is_there(f, at)) {
        buf_add(b, S("null"));
    } else if (f->type == ACCESS_TYPE_TEXT || f->type == ACCESS_TYPE_TAIL) {
        buf_add_json(b, *(const str *)at);
    } else {
        bool quoted = is_quoted(f);
        if (quoted) buf_add_char(b, '"');
        add_bare(b, f, at); /* needs no escapes */
        if (quoted) buf_add_char(b, '"');
    }
}

/* A duration in a larger unit, with all that is known of it behind the point. */
static void add_scaled(struct buf *b, uint64_t us, unsigned digits) {
    uint64_t unit = digits == 3 ? 1000 : 1000000;
    add_number(b, us / unit);
    buf_add_char(b, '.');
    add_padded(b, us % unit, digits);
}

/* " key=value" */
static void add_pair(struct buf *b, const struct access_field *f, const void *at) {
    bool empty = !is_there(f, at) || (f->type == ACCESS_TYPE_DURATION && number_of(f, at) == 0) ||
                 (f->type == ACCESS_TYPE_BOOL && !*(const bool *)at);
    if (empty) return;
    bool quoted = f->type == ACCESS_TYPE_TEXT || f->type == ACCESS_TYPE_TAIL;
    buf_add_char(b, ' ');
    buf_add(b, f->name);
    buf_add_char(b, '=');
    if (quoted) buf_add_char(b, '"');
    add_bare(b, f, at);
    if (quoted) buf_add_char(b, '"');
}

static void add_field(struct buf *b, const struct access_field *f, const void *at, enum access_mode mode) {
    switch (mode) {
    case ACCESS_MODE_JSON: add_json(b, f, at); break;
    case ACCESS_MODE_PAIR: add_pair(b, f, at); break;
    case ACCESS_MODE_MS: add_scaled(b, number_of(f, at), 3); break;
    case ACCESS_MODE_S: add_scaled(b, number_of(f, at), 6); break;
    case ACCESS_MODE_COMMON: add_date_common(b, *(const int64_t *)at); break;
    case ACCESS_MODE_BARE:
        if (is_there(f, at))
            add_bare(b, f, at);
        else if (f->type != ACCESS_TYPE_TAIL)
            buf_add_char(b, '-');
        break;
    }
}

/* ---- a field of a message's head ---- */

/* As it was received: what filters took away is told, what they added is not. */
static str received(const struct access_record *r, str name) {
    for (uint32_t i = 0; r->request && i < r->request_fields_n; i++)
        if (str_ieq(r->request->fields[i].name, name)) return r->request->fields[i].value;
    return (str){0};
}

static str sent(const struct access_record *r, str name) {
    const struct http_field *f = r->response ? http_msg_find(r->response, name) : NULL;
    return f ? f->value : (str){0};
}

static void add_value(struct buf *b, str value, enum access_mode mode) {
    if (mode == ACCESS_MODE_JSON && value.p)
        buf_add_json(b, value);
    else if (mode == ACCESS_MODE_JSON)
        buf_add(b, S("null"));
    else if (value.p)
        add_escaped(b, value);
    else
        buf_add_char(b, '-');
}

/* ---- a line ---- */

void access_print(struct buf *b, str program, const struct access_record *r) {
    const char *p = program.p, *end = p + program.n;
    while (p < end) {
        enum access_op op = (enum access_op)(unsigned char)p[0];
        unsigned a = (unsigned char)p[1], c = (unsigned char)p[2];
        p += 3;
        if (op == ACCESS_OP_FIELD) {
            const struct access_field *f = &fields[a];
            add_field(b, f, (const char *)r + f->offset, (enum access_mode)c);
            continue;
        }
        str word = {p, op == ACCESS_OP_LITERAL ? a << 8 | c : c};
        p += word.n;
        if (op == ACCESS_OP_LITERAL)
            buf_add(b, word);
        else
            add_value(b, op == ACCESS_OP_REQUEST ? received(r, word) : sent(r, word), (enum access_mode)a);
    }
    buf_add_char(b, '\n');
}
