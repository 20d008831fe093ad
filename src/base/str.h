/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/base.h"

/* Bytes that someone else owns; not NUL-terminated, passed by value. p == NULL means "not given"; n == 0 with
 * p set means empty. */
typedef struct str {
    const char *p;
    size_t n;
} str;

#define S(lit)     ((str){"" lit, sizeof(lit) - 1})
#define STR_FMT    "%.*s"
#define STR_ARG(s) (int)(s).n, (s).p ? (s).p : ""
/* The bytes of a C string, without its NUL. */
static inline str str_of(const char *z) { return (str){z, z ? strlen(z) : 0}; }
static inline bool str_eq(str a, str b) { return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0); }
static inline bool str_starts(str s, str head) {
    return s.n >= head.n && (head.n == 0 || memcmp(s.p, head.p, head.n) == 0);
}
static inline bool str_ends(str s, str tail) {
    return s.n >= tail.n && (tail.n == 0 || memcmp(s.p + s.n - tail.n, tail.p, tail.n) == 0);
}
static inline str str_from(str s, size_t at) {
    return at < s.n ? (str){s.p + at, s.n - at} : (str){s.n ? s.p + s.n : s.p, 0};
}
static inline str str_upto(str s, size_t n) { return (str){s.p, n < s.n ? n : s.n}; }
static inline char str_lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c; }

/* Order of bytes, shorter first among equals: <0, 0, >0. */
int str_cmp(str a, str b);
/* Equal, ASCII letters without case. */
bool str_ieq(str a, str b);
/* Index of the first c, or s.n. */
size_t str_find(str s, char c);
/* Index of the last c, or s.n. */
size_t str_rfind(str s, char c);
/* Cuts *s at the first sep: returns what is before, leaves what is after (not given, p == NULL, when sep is
 * not there). */
str str_cut(str *s, char sep);
/* Without spaces and tabs at both ends. */
str str_trim(str s);
/* Damerau-Levenshtein distance of short names (either longer than 63: 64), to say "did you mean". */
unsigned str_distance(str a, str b);
/* A NUL-terminated copy; free() it. */
char *str_dup(str s);
