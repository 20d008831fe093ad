/* SPDX-License-Identifier: Apache-2.0 */
#include "http/trace_context.h"

#include "base/num.h"

enum { MEMBER_LONG = 128, KEY_MAX = 256, VALUE_MAX = 256 };

/* ---- traceparent ---- */

/* Lower case alone, and not all zero where it is an id. [W3C Trace Context 3.2.2] */
static bool read_hex(const char *p, uint8_t *to, size_t n) {
    uint8_t any = 0;
    for (size_t i = 0; i < n; i++) {
        char high = p[2 * i], low = p[2 * i + 1];
        if (num_hex(high) < 0 || num_hex(low) < 0 || (high >= 'A' && high <= 'F') ||
            (low >= 'A' && low <= 'F'))
            return false;
        to[i] = (uint8_t)(num_hex(high) << 4 | num_hex(low));
        any |= to[i];
    }
    return any != 0 || n == 1;
}

err trace_context_parse(str s, struct trace_context *ret) {
    struct trace_context c;
    uint8_t version, flags;
    if (s.n < TRACE_PARENT_CHARS || s.p[2] != '-' || s.p[35] != '-' || s.p[52] != '-') return ERR_PROTO;
    if (!read_hex(s.p, &version, 1) || version == 0xff) return ERR_PROTO;
    if (s.n > TRACE_PARENT_CHARS && (version == 0 || s.p[TRACE_PARENT_CHARS] != '-')) return ERR_PROTO;
    if (!read_hex(s.p + TRACE_ID_AT, c.trace_id, TRACE_ID_BYTES) ||
        !read_hex(s.p + TRACE_SPAN_AT, c.span_id, TRACE_SPAN_BYTES) || !read_hex(s.p + 53, &flags, 1))
        return ERR_PROTO;
    c.flags = flags & (TRACE_SAMPLED | TRACE_RANDOM);
    *ret = c;
    return OK;
}

static void print_hex(const uint8_t *v, size_t n, char *to) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) to[2 * i] = digits[v[i] >> 4], to[2 * i + 1] = digits[v[i] & 15];
}

void trace_context_print(const struct trace_context *c, char *to) {
    memcpy(to, "00-", 3);
    print_hex(c->trace_id, TRACE_ID_BYTES, to + TRACE_ID_AT);
    to[35] = to[52] = '-';
    print_hex(c->span_id, TRACE_SPAN_BYTES, to + TRACE_SPAN_AT);
    print_hex(&c->flags, 1, to + 53);
}

void trace_context_print_span(const uint8_t *span_id, char *to) { print_hex(span_id, TRACE_SPAN_BYTES, to); }

/* ---- tracestate ---- */

static bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* A key, with at most one "@" before the system's part; a value of printable bytes. [W3C Trace Context 3.3.1.3] */
static bool is_member(str m) {
    size_t equals = str_find(m, '=');
    if (!equals || equals >= m.n - 1 || equals > KEY_MAX || m.n - equals - 1 > VALUE_MAX) return false;
    unsigned ats = 0;
    for (size_t i = 0; i < equals; i++) {
        char c = m.p[i];
        if (c == '@') ats++;
        bool fine = is_lower(c) || is_digit(c) || (i && (c == '_' || c == '-' || c == '*' || c == '/')) ||
                    (c == '@' && i && i + 1 < equals);
        if (!fine || ats > 1) return false;
    }
    for (size_t i = equals + 1; i < m.n; i++)
        if (m.p[i] < 0x20 || m.p[i] > 0x7e || m.p[i] == ',' || m.p[i] == '=') return false;
    return true;
}

struct members {
    str v[TRACE_STATE_MEMBERS_MAX];
    uint32_t n;
};

/* Empty members are allowed and say nothing; a key may be there once. */
static bool read_members(str s, struct members *to) {
    while (s.p) {
        str m = str_trim(str_cut(&s, ','));
        if (!m.n) continue;
        if (to->n == TRACE_STATE_MEMBERS_MAX || !is_member(m)) return false;
        str key = str_upto(m, str_find(m, '='));
        for (uint32_t i = 0; i < to->n; i++)
            if (str_eq(str_upto(to->v[i], str_find(to->v[i], '=')), key)) return false;
        to->v[to->n++] = m;
    }
    return true;
}

static size_t length_of(const struct members *m) {
    size_t n = m->n ? m->n - 1 : 0;
    for (uint32_t i = 0; i < m->n; i++) n += m->v[i].n;
    return n;
}

static void drop(struct members *m, uint32_t i) {
    m->n--;
    for (; i < m->n; i++) m->v[i] = m->v[i + 1];
}

str trace_context_state(struct arena *a, str s) {
    struct members m = {.n = 0};
    if (!s.p || !read_members(s, &m) || !m.n) return (str){0};
    if (s.n <= TRACE_STATE_CHARS_MAX) return s;
    for (uint32_t i = m.n; i-- && length_of(&m) > TRACE_STATE_CHARS_MAX;)
        if (m.v[i].n > MEMBER_LONG) drop(&m, i);
    while (length_of(&m) > TRACE_STATE_CHARS_MAX) drop(&m, m.n - 1);
    if (!m.n) return (str){0};
    char *to = arena_raw(a, length_of(&m)), *at = to;
    for (uint32_t i = 0; i < m.n; i++) {
        if (i) *at++ = ',';
        memcpy(at, m.v[i].p, m.v[i].n);
        at += m.v[i].n;
    }
    return (str){to, (size_t)(at - to)};
}

/* ---- sampling ---- */

uint64_t trace_context_threshold(int64_t numerator, int64_t denominator) {
    if (numerator <= 0 || denominator <= 0) return TRACE_NEVER;
    if (numerator >= denominator) return 0;
    return TRACE_NEVER - (uint64_t)(((__uint128_t)(uint64_t)numerator << 56) / (uint64_t)denominator);
}

bool trace_context_takes(const uint8_t *trace_id, uint64_t threshold) {
    uint64_t random = 0;
    for (int i = TRACE_ID_BYTES - 7; i < TRACE_ID_BYTES; i++) random = random << 8 | trace_id[i];
    return random >= threshold;
}
