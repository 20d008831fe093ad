/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/scalar.h"

#include "base/num.h"

static const struct unit {
    str name;
    int64_t us;
} units[] = {{{"h", 1}, 3600000000}, {{"ms", 2}, 1000}, {{"m", 1}, 60000000}, {{"s", 1}, 1000000}};

err scalar_duration_parse(str s, int64_t *ret_us) {
    int64_t sum = 0;
    unsigned parts = 0;
    while (s.n) {
        size_t digits = 0;
        while (digits < s.n && s.p[digits] >= '0' && s.p[digits] <= '9') digits++;
        uint64_t v;
        if (++parts > 4 || digits > 5 || num_parse(str_upto(s, digits), 99999, &v) != OK) return ERR_PROTO;
        s = str_from(s, digits);
        const struct unit *u = units;
        while (u < units + COUNT_OF(units) && !str_starts(s, u->name)) u++;
        if (u == units + COUNT_OF(units)) return ERR_PROTO;
        sum += (int64_t)v * u->us;
        s = str_from(s, u->name.n);
    }
    if (parts == 0) return ERR_PROTO;
    *ret_us = sum;
    return OK;
}

void scalar_duration_print(struct buf *b, int64_t us) {
    if (us == 0) buf_add(b, S("0s"));
    if (us >= 3600000000) buf_printf(b, "%lldh", (long long)(us / 3600000000));
    us %= 3600000000;
    if (us >= 60000000) buf_printf(b, "%lldm", (long long)(us / 60000000));
    us %= 60000000;
    if (us >= 1000000) buf_printf(b, "%llds", (long long)(us / 1000000));
    us %= 1000000;
    if (us >= 1000) buf_printf(b, "%lldms", (long long)(us / 1000));
    us %= 1000;
    if (us) buf_printf(b, "%lldus", (long long)us);
}

/* Exactly n digits at *s, which moves on. */
static bool take_digits(str *s, size_t n, int64_t min, int64_t max, int64_t *ret) {
    uint64_t v;
    if (s->n < n || num_parse(str_upto(*s, n), (uint64_t)max, &v) != OK || (int64_t)v < min) return false;
    *s = str_from(*s, n);
    *ret = (int64_t)v;
    return true;
}

static bool take_char(str *s, char c) {
    if (s->n == 0 || str_lower(s->p[0]) != c) return false;
    *s = str_from(*s, 1);
    return true;
}

/* Days since 1970-01-01 of a date of the proleptic Gregorian calendar: the year is begun in March, so that a leap day comes last. */
static int64_t days_of(int64_t y, int64_t m, int64_t d) {
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400;
    int64_t doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static bool take_offset(str *s, int64_t *ret) {
    *ret = 0;
    if (take_char(s, 'z')) return true;
    if (s->n == 0 || (s->p[0] != '+' && s->p[0] != '-')) return false;
    int64_t sign = s->p[0] == '-' ? -1 : 1, h, m;
    *s = str_from(*s, 1);
    if (!take_digits(s, 2, 0, 23, &h) || !take_char(s, ':') || !take_digits(s, 2, 0, 59, &m)) return false;
    *ret = sign * (h * 3600 + m * 60);
    return true;
}

err scalar_time_parse(str s, int64_t *ret_s) {
    static const uint8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t y, mo, d, h, mi, sec, offset;
    if (!take_digits(&s, 4, 0, 9999, &y) || !take_char(&s, '-') || !take_digits(&s, 2, 1, 12, &mo) ||
        !take_char(&s, '-') || !take_digits(&s, 2, 1, 31, &d) || !take_char(&s, 't') ||
        !take_digits(&s, 2, 0, 23, &h) || !take_char(&s, ':') || !take_digits(&s, 2, 0, 59, &mi) ||
        !take_char(&s, ':') || !take_digits(&s, 2, 0, 60, &sec))
        return ERR_PROTO;
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    if (d > lengths[mo - 1] + (mo == 2 && leap)) return ERR_PROTO;
    if (take_char(&s, '.')) {
        size_t digits = 0;
        while (digits < s.n && s.p[digits] >= '0' && s.p[digits] <= '9') digits++;
        if (digits == 0) return ERR_PROTO;
        s = str_from(s, digits);
    }
    if (!take_offset(&s, &offset) || s.n) return ERR_PROTO;
    *ret_s = days_of(y, mo, d) * 86400 + h * 3600 + mi * 60 + sec - offset;
    return OK;
}

void scalar_time_print(struct buf *b, int64_t s) {
    int64_t days = s / 86400, left = s % 86400;
    if (left < 0) left += 86400, days--;
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    int64_t d = doy - (153 * mp + 2) / 5 + 1, m = mp < 10 ? mp + 3 : mp - 9, y = yoe + era * 400 + (m <= 2);
    buf_printf(b, "%04lld-%02lld-%02lldT%02lld:%02lld:%02lldZ", (long long)y, (long long)m, (long long)d,
               (long long)(left / 3600), (long long)(left / 60 % 60), (long long)(left % 60));
}

size_t scalar_length(str s) {
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
    return n;
}
