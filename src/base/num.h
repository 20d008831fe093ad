/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/str.h"

static inline size_t num_round_up(size_t n, size_t multiple) {
    return (n + multiple - 1) / multiple * multiple;
}
static inline uint64_t num_min(uint64_t a, uint64_t b) { return a < b ? a : b; }
static inline uint64_t num_max(uint64_t a, uint64_t b) { return a > b ? a : b; }
/* The least power of two that is not below n; n <= 2^63. */
uint64_t num_power_of_two(uint64_t n);
enum { NUM_DIGITS_MAX = 20 };
/* In decimal, at the end of digits. */
static inline str num_print(uint64_t v, char digits[NUM_DIGITS_MAX]) {
    size_t at = NUM_DIGITS_MAX;
    do digits[--at] = (char)('0' + v % 10);
    while (v /= 10);
    return (str){digits + at, NUM_DIGITS_MAX - at};
}
/* All of s as a decimal number, 1 to 20 digits, no sign: ERR_PROTO when it is none, ERR_LIMIT above max. */
err num_parse(str s, uint64_t max, uint64_t *ret);
/* All of s as a port: 1 to 65535. */
err num_parse_port(str s, uint16_t *ret);
/* All of s as a decimal number with an optional '-'. */
err num_parse_signed(str s, int64_t *ret);
/* The value of a hexadecimal digit, or -1. */
int num_hex(char c);
