/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/h1_scan.h"

#include "http/http_chars.h"
#ifdef __SSE2__
#include <immintrin.h>
#endif

static err over(const struct h1_section *s, enum http_reason *ret_why) {
    bool first = s->lines == 0 && s->at > s->first_max;
    *ret_why = first ? REASON_URI_TOO_LONG : REASON_HEAD_TOO_LARGE;
    return ERR_LIMIT;
}

/* A control other than HTAB at `at`. OK: a line ended, go on. ERR_END: the section ended. */
static inline err on_control(struct h1_section *s, const char *p, size_t n, uint32_t at,
                             enum http_reason *ret_why) {
    if (at < s->handled) return OK; /* the LF of a CRLF */
    s->at = at;
    if ((s->lines == 0 && at > s->first_max) || at + 2 > s->bytes_max) return over(s, ret_why);
    if (p[at] != '\r') goto refused;
    if (at + 1 == n) return ERR_AGAIN;
    if (p[at + 1] != '\n') goto refused;
    if (at == s->handled) return ERR_END;
    if (s->lines == s->lines_max) return over(s, ret_why);
    s->ends[s->lines++] = at;
    s->handled = at + 2;
    return OK;
refused:
    *ret_why = REASON_BAD_REQUEST;
    return ERR_PROTO;
}

/* What stopped the walk, or that everything was looked at. */
static err stopped(struct h1_section *s, err e, size_t *ret_n, enum http_reason *ret_why) {
    if (e == ERR_END) {
        *ret_n = s->at + 2;
        return OK;
    }
    if (e != ERR_AGAIN) return e;
    bool full = (s->lines == 0 && s->at > s->first_max) || s->at >= s->bytes_max;
    return full ? over(s, ret_why) : ERR_AGAIN;
}

static err walk_plain(struct h1_section *s, const char *p, size_t n, enum http_reason *ret_why) {
    for (uint32_t i = s->at; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        if ((c >= 0x20 && c != 0x7f) || c == '\t') continue;
        err e = on_control(s, p, n, i, ret_why);
        if (e != OK) return e;
    }
    s->at = (uint32_t)n;
    return ERR_AGAIN;
}

/* More than the bound is never of use: a head beyond it is refused whatever follows. */
static size_t bounded(const struct h1_section *s, size_t n) { return n < s->bytes_max ? n : s->bytes_max; }

err h1_scan_section_plain(struct h1_section *s, const char *p, size_t n, size_t *ret_n,
                          enum http_reason *ret_why) {
    return stopped(s, walk_plain(s, p, bounded(s, n), ret_why), ret_n, ret_why);
}

const char *h1_scan_name_plain(const char *p) {
    while (http_chars_has(*p, HTTP_CHAR_TOKEN)) p++;
    return p;
}

const char *h1_scan_target_plain(const char *p) {
    while (http_chars_has(*p, HTTP_CHAR_TARGET) && *p != '?') p++;
    return p;
}

#ifdef __SSE2__
static err walk_wide(struct h1_section *s, const char *p, size_t n, enum http_reason *ret_why) {
    const __m128i below = _mm_set1_epi8(0x1f), tab = _mm_set1_epi8('\t'), del = _mm_set1_epi8(0x7f);
    uint32_t i = s->at;
    for (; i + 16 <= n; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        __m128i low = _mm_andnot_si128(_mm_cmpeq_epi8(v, tab), _mm_cmpeq_epi8(_mm_min_epu8(v, below), v));
        unsigned found = (unsigned)_mm_movemask_epi8(_mm_or_si128(low, _mm_cmpeq_epi8(v, del)));
        for (; found; found &= found - 1) {
            err e = on_control(s, p, n, i + (uint32_t)__builtin_ctz(found), ret_why);
            if (e != OK) return e;
        }
    }
    s->at = i;
    return walk_plain(s, p, n, ret_why);
}

err h1_scan_section(struct h1_section *s, const char *p, size_t n, size_t *ret_n, enum http_reason *ret_why) {
    return stopped(s, walk_wide(s, p, bounded(s, n), ret_why), ret_n, ret_why);
}

/* Sixteen at a time as long as all are letters, digits or "-"; the table says what any other byte is. */
const char *h1_scan_name(const char *p) {
    const __m128i bit = _mm_set1_epi8(0x20), dash = _mm_set1_epi8('-');
    for (;;) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p), lower = _mm_or_si128(v, bit);
        __m128i letter = _mm_and_si128(_mm_cmpgt_epi8(lower, _mm_set1_epi8('a' - 1)),
                                       _mm_cmplt_epi8(lower, _mm_set1_epi8('z' + 1)));
        __m128i digit = _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8('0' - 1)),
                                      _mm_cmplt_epi8(v, _mm_set1_epi8('9' + 1)));
        __m128i known = _mm_or_si128(_mm_or_si128(letter, digit), _mm_cmpeq_epi8(v, dash));
        unsigned other = ~(unsigned)_mm_movemask_epi8(known) & 0xffff;
        p += other ? __builtin_ctz(other) : 16;
        if (!other) continue;
        return *p == ':' ? p : h1_scan_name_plain(p);
    }
}

const char *h1_scan_target(const char *p) {
    const __m128i least = _mm_set1_epi8(0x21), del = _mm_set1_epi8(0x7f);
    for (;;) {
        /* as signed bytes: what is above 0x7f is below 0x21 */
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i stop = _mm_or_si128(_mm_cmplt_epi8(v, least), _mm_cmpeq_epi8(v, del));
        __m128i mark =
            _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('?')), _mm_cmpeq_epi8(v, _mm_set1_epi8('#')));
        unsigned found = (unsigned)_mm_movemask_epi8(_mm_or_si128(stop, mark));
        if (found) return p + __builtin_ctz(found);
        p += 16;
    }
}
#else
err h1_scan_section(struct h1_section *s, const char *p, size_t n, size_t *ret_n, enum http_reason *ret_why) {
    return h1_scan_section_plain(s, p, n, ret_n, ret_why);
}
const char *h1_scan_name(const char *p) { return h1_scan_name_plain(p); }
const char *h1_scan_target(const char *p) { return h1_scan_target_plain(p); }
#endif
