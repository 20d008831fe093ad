/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#ifdef __SSE2__
#include <immintrin.h>
#endif

#include "http/http_reason.h"

/* Where the lines of a head (or of trailers) end. One pass finds them and refuses every byte that no line may have: controls but HTAB, and
 * CR and LF but as a pair [RFC 9112 2.2]. It goes on where it stopped when more bytes come, with the same outcome for any cut. */
struct h1_section {
    uint32_t *ends; /* of each line: where its CRLF begins; room for lines_max */
    uint32_t lines, lines_max;
    uint32_t bytes_max; /* of the section, its last CRLF too */
    uint32_t first_max; /* of the first line without its CRLF */
    uint32_t at;        /* bytes that were looked at */
    uint32_t handled;   /* before this no line break is new */
};
/* OK: an empty line ended the section, which has *ret_n bytes. ERR_AGAIN: all of p was looked at, or all but a CR.
 * ERR_PROTO, ERR_LIMIT: with *ret_why as for a request. p begins with the section's first byte, at each call. */
err h1_scan_section(struct h1_section *s, const char *p, size_t n, size_t *ret_n, enum http_reason *ret_why);
err h1_scan_section_plain(struct h1_section *s, const char *p, size_t n, size_t *ret_n,
                          enum http_reason *ret_why);

/* Bytes that the scans below may read (and not use) behind the CR that ends them. */
enum { H1_SCAN_PADDING = 16 };
/* The first byte that is no tchar. */
const char *h1_scan_name_plain(const char *p);
/* The first byte that a request target may not have, or "?". */
const char *h1_scan_target(const char *p);
const char *h1_scan_target_plain(const char *p);
/* Are all bytes of it good in a request target? For strs of any origin. */
bool h1_scan_is_target(str s);
bool h1_scan_is_target_plain(str s);
/* Are all bytes of it good in a field value? */
bool h1_scan_is_value(str s);
bool h1_scan_is_value_plain(str s);

/* Sixteen bytes at a time, as long as all are letters or "-"; the table says what any other byte is. Inline: it runs for each field. */
static inline const char *h1_scan_name(const char *p) {
#ifdef __SSE2__
    for (;; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p),
                lower = _mm_or_si128(v, _mm_set1_epi8(0x20));
        __m128i letter = _mm_and_si128(_mm_cmpgt_epi8(lower, _mm_set1_epi8('a' - 1)),
                                       _mm_cmplt_epi8(lower, _mm_set1_epi8('z' + 1)));
        __m128i known = _mm_or_si128(letter, _mm_cmpeq_epi8(v, _mm_set1_epi8('-')));
        unsigned other = (unsigned)_mm_movemask_epi8(known) ^ 0xffff;
        if (!other) continue;
        p += __builtin_ctz(other);
        return *p == ':' ? p : h1_scan_name_plain(p);
    }
#else
    return h1_scan_name_plain(p);
#endif
}
