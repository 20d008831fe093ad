/* SPDX-License-Identifier: Apache-2.0 */
#include "text/rows.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static bool is_marked(const char *p, size_t n) {
    return n >= 3 && (p[0] == '-' || p[0] == '.') && p[1] == p[0] && p[2] == p[0];
}

size_t rows_to_marker_plain(str text, uint32_t *lines) {
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] != '\n') continue;
        (*lines)++;
        if (is_marked(text.p + i + 1, text.n - i - 1)) return i + 1;
    }
    return text.n;
}

#ifdef __SSE2__
static inline __m128i load(const char *p) { return _mm_loadu_si128((const __m128i *)(const void *)p); }
static inline __m128i equal(__m128i v, char c) { return _mm_cmpeq_epi8(v, _mm_set1_epi8(c)); }

/* Each of the sixteen counters has counted at most 255. */
static uint32_t sum(__m128i counters) {
    __m128i two = _mm_sad_epu8(counters, _mm_setzero_si128());
    return (uint32_t)_mm_cvtsi128_si32(two) + (uint32_t)_mm_cvtsi128_si32(_mm_srli_si128(two, 8));
}

/* Sixteen bytes a step. Three bytes that follow them are looked at, too; the end of the text is left to the plain walk. */
size_t rows_to_marker(str text, uint32_t *lines) {
    size_t i = 0;
    for (__m128i counters = _mm_setzero_si128(); i + 20 <= text.n;) {
        size_t room = i + 255 * 16 < text.n ? i + 255 * 16 : text.n;
        unsigned found = 0;
        for (; i + 19 <= room; i += 16) {
            __m128i ends = equal(load(text.p + i), '\n'), one = load(text.p + i + 1);
            __m128i two = load(text.p + i + 2), three = load(text.p + i + 3);
            __m128i same = _mm_and_si128(_mm_cmpeq_epi8(one, two), _mm_cmpeq_epi8(two, three));
            __m128i mark = _mm_or_si128(equal(one, '-'), equal(one, '.'));
            found = (unsigned)_mm_movemask_epi8(_mm_and_si128(ends, _mm_and_si128(same, mark)));
            if (found) break;
            counters = _mm_sub_epi8(counters, ends);
        }
        *lines += sum(counters);
        counters = _mm_setzero_si128();
        if (!found) continue;
        size_t at = (size_t)__builtin_ctz(found) + 1;
        (void)rows_to_marker_plain((str){text.p + i, at}, lines);
        return i + at;
    }
    size_t rest = rows_to_marker_plain(str_from(text, i), lines);
    return i + rest;
}
#else
size_t rows_to_marker(str text, uint32_t *lines) { return rows_to_marker_plain(text, lines); }
#endif
