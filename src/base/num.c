/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"

uint64_t num_power_of_two(uint64_t n) {
    uint64_t p = 1;
    while (p < n) p <<= 1;
    return p;
}

err num_parse(str s, uint64_t max, uint64_t *ret) {
    uint64_t v = 0;
    if (s.n == 0) return ERR_PROTO;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') return ERR_PROTO;
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
            return ERR_LIMIT;
    }
    if (v > max) return ERR_LIMIT;
    *ret = v;
    return OK;
}

err num_parse_port(str s, uint16_t *ret) {
    uint64_t v;
    TRY(num_parse(s, UINT16_MAX, &v));
    if (v == 0) return ERR_LIMIT;
    *ret = (uint16_t)v;
    return OK;
}

err num_parse_signed(str s, int64_t *ret) {
    bool negative = s.n && s.p[0] == '-';
    uint64_t v;
    TRY(num_parse(negative ? str_from(s, 1) : s, INT64_MAX, &v));
    *ret = negative ? -(int64_t)v : (int64_t)v;
    return OK;
}

int num_hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c = str_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
