/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/h1_scan.h"

#include "http/http_chars.h"

static err over(const struct h1_section *s, enum http_reason *ret_why) {
    bool first = s->lines == 0 && s->at > s->first_max;
    *ret_why = first ? REASON_URI_TOO_LONG : REASON_HEAD_TOO_LARGE;
    return ERR_LIMIT;
}

/* A control other than HTAB at `at`. OK: a line ended, go on. ERR_END: the section ended. */
static inline err on_control(struct h1_section *s, const char *p, uint32_t n, uint32_t at,
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

static err walk_plain(struct h1_section *s, const char *p, uint32_t n, enum http_reason *ret_why) {
    for (uint32_t i = s->at; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        if ((c >= 0x20 && c != 0x7f) || c == '\t') continue;
        err e = on_control(s, p, n, i, ret_why);
        if (e != OK) return e;
    }
    s->at = n;
    return ERR_AGAIN;
}

/* More than the bound is never of use: a head beyond it is refused whatever follows. */
static uint32_t bounded(const struct h1_section *s, size_t n) {
    return n < s->bytes_max ? (uint32_t)n : s->bytes_max;
}

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

static const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;

/* Bytes from i on, eight at a time: *i moves on. The last eight are some of those before again; fewer than eight in all, but four or more, are
 * their first and last four. */
static inline uint64_t next_bytes(str s, size_t *i) {
    uint64_t v;
    uint32_t first, last;
    if (s.n < 8) {
        memcpy(&first, s.p, 4), memcpy(&last, s.p + s.n - 4, 4);
        *i = s.n;
        return (uint64_t)last << 32 | first;
    }
    if (s.n - *i < 8) *i = s.n - 8;
    memcpy(&v, s.p + *i, 8);
    *i += 8;
    return v;
}

/* A byte below 0x21, above 0x7e, or "#" sets its high bit [RFC 3986 2]. */
bool h1_scan_is_target(str s) {
    uint64_t bad = 0;
    if (s.n < 4) return h1_scan_is_target_plain(s);
    for (size_t i = 0; i < s.n;) {
        uint64_t v = next_bytes(s, &i), mark = v ^ (ones * '#');
        bad |= v | (v + ones) | (((v | high) - ones * 0x21) ^ high) | ((mark - ones) & ~mark);
    }
    return !(bad & high);
}

/* The same for bytes below 0x20 and DEL; HTAB is one of the first, and rare: then each byte is looked at. */
bool h1_scan_is_value(str s) {
    uint64_t bad = 0;
    if (s.n < 4) return h1_scan_is_value_plain(s);
    for (size_t i = 0; i < s.n;) {
        uint64_t v = next_bytes(s, &i), del = v ^ (ones * 0x7f);
        bad |= ((v - ones * 0x20) | (del - ones)) & ~v;
    }
    return !(bad & high) || h1_scan_is_value_plain(s);
}

bool h1_scan_is_value_plain(str s) { return http_chars_all(s.p, s.n, HTTP_CHAR_VALUE); }

bool h1_scan_is_target_plain(str s) { return http_chars_all(s.p, s.n, HTTP_CHAR_TARGET); }

#ifdef __SSE2__
static inline __m128i load(const char *p) { return _mm_loadu_si128((const __m128i *)(const void *)p); }
static inline unsigned controls(__m128i v) {
    __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v);
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(low, _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f))));
}
static inline unsigned equal(__m128i v, char c) {
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8(c)));
}

/* Each control of sixteen bytes by itself. */
static err judge(struct h1_section *s, const char *p, uint32_t n, uint32_t base, unsigned found,
                 enum http_reason *ret_why) {
    for (; found; found &= found - 1) {
        uint32_t at = base + (uint32_t)__builtin_ctz(found);
        if (p[at] == '\t') continue;
        err e = on_control(s, p, n, at, ret_why);
        if (e != OK) return e;
    }
    return OK;
}

/* What a walk moves on; kept in registers. */
struct walk {
    uint32_t lines, handled, at;
};
/* Sixteen bytes whose controls are just whole CRLFs end lines at the places of their CRs. ERR_AGAIN: they are to be judged one by one. */
static inline err take_lines(const struct h1_section *s, struct walk *w, uint32_t base, unsigned found,
                             unsigned cr, unsigned lf) {
    unsigned due =
        cr << 1 | (w->handled == base + 1); /* a CR as the last byte is not whole: its LF is not seen */
    if (found != (cr | lf) || lf != due) return ERR_AGAIN;
    for (; cr; cr &= cr - 1) {
        uint32_t at = base + (uint32_t)__builtin_ctz(cr);
        w->at = at;
        if (at == w->handled) return ERR_END;
        if (w->lines == s->lines_max || (w->lines == 0 && at > s->first_max)) return ERR_AGAIN;
        s->ends[w->lines++] = at;
        w->handled = at + 2;
    }
    return OK;
}

/* The controls of up to sixteen bytes from base on, of which v shows the last at its end. */
static inline err take_controls(struct h1_section *s, struct walk *w, const char *p, uint32_t n,
                                uint32_t base, __m128i v, unsigned before, enum http_reason *ret_why) {
    unsigned found = controls(v) >> before;
    if (!found) return OK;
    err e = take_lines(s, w, base, found, equal(v, '\r') >> before, equal(v, '\n') >> before);
    s->lines = w->lines, s->handled = w->handled;
    if (e == ERR_END) s->at = w->at;
    if (e != ERR_AGAIN) return e;
    e = judge(s, p, n, base, found, ret_why);
    w->lines = s->lines, w->handled = s->handled;
    return e;
}

static err walk_wide(struct h1_section *s, const char *p, uint32_t n, enum http_reason *ret_why) {
    struct walk w = {.lines = s->lines, .handled = s->handled};
    uint32_t i = s->at;
    for (; i + 16 <= n; i += 16) {
        err e = take_controls(s, &w, p, n, i, load(p + i), 0, ret_why);
        if (e != OK) return e;
    }
    s->at = i;
    if (n < 16 || i == n) return walk_plain(s, p, n, ret_why);
    err e = take_controls(s, &w, p, n, i, load(p + n - 16), 16 - (n - i), ret_why);
    if (e != OK) return e;
    s->at = n;
    return ERR_AGAIN;
}

err h1_scan_section(struct h1_section *s, const char *p, size_t n, size_t *ret_n, enum http_reason *ret_why) {
    return stopped(s, walk_wide(s, p, bounded(s, n), ret_why), ret_n, ret_why);
}

const char *h1_scan_target(const char *p) {
    for (;; p += 16) {
        /* as signed bytes: what is above 0x7f is below 0x21 */
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i stop =
            _mm_or_si128(_mm_cmplt_epi8(v, _mm_set1_epi8(0x21)), _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f)));
        __m128i mark =
            _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('?')), _mm_cmpeq_epi8(v, _mm_set1_epi8('#')));
        unsigned found = (unsigned)_mm_movemask_epi8(_mm_or_si128(stop, mark));
        if (found) return p + __builtin_ctz(found);
    }
}
#else
err h1_scan_section(struct h1_section *s, const char *p, size_t n, size_t *ret_n, enum http_reason *ret_why) {
    return h1_scan_section_plain(s, p, n, ret_n, ret_why);
}
const char *h1_scan_target(const char *p) { return h1_scan_target_plain(p); }
#endif
