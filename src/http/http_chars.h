/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/base.h"

/* What a byte may be, by its value: one table for every grammar of HTTP. */
enum {
    HTTP_CHAR_TOKEN = 1,  /* tchar [RFC 9110 5.6.2] */
    HTTP_CHAR_VALUE = 2,  /* in a field value: HTAB, SP, VCHAR, obs-text [RFC 9110 5.5] */
    HTTP_CHAR_TARGET = 4, /* in a request target: VCHAR but "#" */
    HTTP_CHAR_PLAIN = 8,  /* in a path, where it never needs a change: VCHAR but # ? % \ and . */
    HTTP_CHAR_NAME = 16,  /* in a host name: letters, digits, - . _ ~ */
    HTTP_CHAR_UPPER = 32,
    HTTP_CHAR_DOT = 64,
};
extern const uint8_t http_chars[256];
static inline bool http_chars_has(char c, int what) { return http_chars[(unsigned char)c] & what; }
static inline bool http_chars_all(const char *p, size_t n, int what) {
    for (size_t i = 0; i < n; i++)
        if (!http_chars_has(p[i], what)) return false;
    return true;
}
