/* SPDX-License-Identifier: Apache-2.0 */
#include "http/access.h"

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
static void add_signed(struct buf *b, int64_t v) {
    if (v < 0) buf_add_char(b, '-');
    add_number(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

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

static void add_address(struct buf *b, const struct ip *ip, uint16_t port) {
    bool v6 = ip->family == 6;
    if (v6) buf_add_char(b, '[');
    ip_print(b, ip);
    if (v6) buf_add_char(b, ']');
    buf_add_char(b, ':');
    add_number(b, port);
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

static void text_str(struct buf *b, str key, str value) {
    if (value.n == 0) return;
    buf_add_char(b, ' ');
    buf_add(b, key);
    buf_add(b, S("=\""));
    add_escaped(b, value);
    buf_add_char(b, '"');
}
static void text_number(struct buf *b, str key, uint64_t v) {
    buf_add_char(b, ' ');
    buf_add(b, key);
    buf_add_char(b, '=');
    add_number(b, v);
}

/* The common log format, then what is known besides as key=value; what does not apply is left out. */
void access_print_text(struct buf *b, const struct access_record *r) {
    ip_print(b, &r->client);
    buf_add(b, S(" - - "));
    add_date_common(b, r->time_us);
    buf_add(b, S(" \""));
    add_escaped(b, r->method);
    buf_add_char(b, ' ');
    add_escaped(b, r->path);
    add_escaped(b, r->query);
    buf_add_char(b, ' ');
    buf_add(b, version_text(r->version));
    buf_add(b, S("\" "));
    add_number(b, r->status);
    buf_add_char(b, ' ');
    add_number(b, r->bytes_out);
    buf_add(b, S(" reason="));
    buf_add(b, http_reason_name(r->reason));
    buf_add(b, r->tls ? S(" tls=true") : S(""));
    text_number(b, S("client_port"), r->client_port);
    text_str(b, S("authority"), r->authority);
    text_str(b, S("gateway"), r->gateway);
    text_str(b, S("listener"), r->listener);
    text_str(b, S("route"), r->route);
    if (r->rule >= 0) text_number(b, S("rule"), (uint64_t)r->rule);
    text_str(b, S("backend"), r->backend);
    if (r->endpoint.family) {
        buf_add(b, S(" endpoint="));
        add_address(b, &r->endpoint, r->endpoint_port);
    }
    text_number(b, S("bytes_in"), r->bytes_in);
    text_number(b, S("total_us"), r->total_us);
    text_number(b, S("connect_us"), r->connect_us);
    text_number(b, S("first_byte_us"), r->first_byte_us);
    text_str(b, S("user_agent"), r->user_agent);
    text_str(b, S("request_id"), r->request_id);
    buf_add_char(b, '\n');
}

static void json_key(struct buf *b, str key) {
    buf_add(b, S(",\""));
    buf_add(b, key);
    buf_add(b, S("\":"));
}
static void json_str(struct buf *b, str key, str value) {
    json_key(b, key);
    buf_add_json(b, value);
}
static void json_number(struct buf *b, str key, uint64_t v) {
    json_key(b, key);
    add_number(b, v);
}

/* Every key on every line: what does not apply is "", null or -1. */
void access_print_json(struct buf *b, const struct access_record *r) {
    buf_add(b, S("{\"time\":\""));
    add_date_rfc3339(b, r->time_us);
    buf_add(b, S("\",\"client\":\""));
    ip_print(b, &r->client);
    buf_add_char(b, '"');
    json_number(b, S("client_port"), r->client_port);
    json_str(b, S("version"), version_text(r->version));
    json_key(b, S("tls"));
    buf_add(b, r->tls ? S("true") : S("false"));
    json_str(b, S("method"), r->method);
    json_str(b, S("authority"), r->authority);
    json_str(b, S("path"), r->path);
    json_str(b, S("query"), r->query);
    json_number(b, S("status"), r->status);
    json_str(b, S("reason"), http_reason_name(r->reason));
    json_str(b, S("gateway"), r->gateway);
    json_str(b, S("listener"), r->listener);
    json_str(b, S("route"), r->route);
    json_key(b, S("rule"));
    add_signed(b, r->rule);
    json_str(b, S("backend"), r->backend);
    json_key(b, S("endpoint"));
    if (r->endpoint.family) {
        buf_add_char(b, '"');
        add_address(b, &r->endpoint, r->endpoint_port);
        buf_add_char(b, '"');
    } else {
        buf_add(b, S("null"));
    }
    json_number(b, S("bytes_in"), r->bytes_in);
    json_number(b, S("bytes_out"), r->bytes_out);
    json_number(b, S("total_us"), r->total_us);
    json_number(b, S("connect_us"), r->connect_us);
    json_number(b, S("first_byte_us"), r->first_byte_us);
    json_str(b, S("user_agent"), r->user_agent);
    json_str(b, S("request_id"), r->request_id);
    buf_add(b, S("}\n"));
}
