/* SPDX-License-Identifier: Apache-2.0 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/regex.h"

#include <pcre2.h>

/* A tenant's expression has a budget; past it there is no match. A backtracking step costs some 10 ns, so one search ends within a
 * millisecond. */
enum { PATTERN_BYTES_MAX = 4096, MATCH_STEPS_MAX = 100000, DEPTH_MAX = 1000, HEAP_KIB_MAX = 256 };
/* Most texts are taken or refused within the first few steps. PCRE2 does not tell how many a search took: one that ends is charged as many as it
 * was given, so they are given by and by. */
enum { WORK_KIB_MAX = 1024, STEPS_FIRST = 32, STEPS_TIMES = 8 };

struct regex {
    pcre2_code *code;
    uint32_t frame_bytes; /* what a step may have to copy */
};

static err compile(struct arena *a, str pattern, uint32_t more, struct regex **ret, str *ret_message) {
    if (pattern.n > PATTERN_BYTES_MAX) {
        *ret_message = arena_printf(a, "longer than %d bytes", PATTERN_BYTES_MAX);
        return ERR_PROTO;
    }
    int code = 0;
    PCRE2_SIZE at = 0;
    uint32_t options = PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C | PCRE2_NEVER_UTF | more;
    pcre2_code *compiled =
        pcre2_compile((PCRE2_SPTR)(pattern.n ? pattern.p : ""), pattern.n, options, &code, &at, NULL);
    if (!compiled) {
        char text[200] = "";
        pcre2_get_error_message(code, (PCRE2_UCHAR *)text, sizeof text);
        *ret_message = arena_printf(a, "%s at offset %zu", text, (size_t)at);
        return ERR_PROTO;
    }
    size_t frame = 0;
    pcre2_pattern_info(compiled, PCRE2_INFO_FRAMESIZE, &frame);
    *ret = base_alloc(sizeof **ret);
    **ret = (struct regex){compiled, (uint32_t)frame};
    return OK;
}

err regex_new(struct arena *a, str pattern, struct regex **ret, str *ret_message) {
    return compile(a, pattern, 0, ret, ret_message);
}

err regex_new_whole(struct arena *a, str expression, struct regex **ret, str *ret_message) {
    return compile(a, expression, PCRE2_ANCHORED | PCRE2_ENDANCHORED, ret, ret_message);
}

size_t regex_bytes(const struct regex *r) {
    size_t n = 0;
    pcre2_pattern_info(r->code, PCRE2_INFO_SIZE, &n);
    return sizeof *r + n;
}

void regex_free(struct regex *r) {
    if (!r) return;
    pcre2_code_free(r->code);
    free(r);
}

/* What one search needs comes from its own stack, so that a search allocates nothing and threads share nothing. */
struct scratch {
    size_t used;
    _Alignas(max_align_t) char bytes[1024];
};

static void *scratch_take(PCRE2_SIZE n, void *data) {
    struct scratch *s = data;
    n = (n + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    if (n > sizeof s->bytes - s->used) return base_alloc(n);
    void *p = s->bytes + s->used;
    s->used += n;
    return p;
}

static void scratch_give(void *p, void *data) {
    struct scratch *s = data;
    if ((char *)p < s->bytes || (char *)p >= s->bytes + sizeof s->bytes) free(p);
}

bool regex_search(const struct regex *r, str s) {
    struct scratch scratch;
    scratch.used = 0;
    pcre2_general_context *general = pcre2_general_context_create(scratch_take, scratch_give, &scratch);
    pcre2_match_context *limits = pcre2_match_context_create(general);
    pcre2_set_match_limit(limits, MATCH_STEPS_MAX);
    pcre2_set_depth_limit(limits, DEPTH_MAX);
    pcre2_set_heap_limit(limits, HEAP_KIB_MAX);
    pcre2_match_data *found = pcre2_match_data_create(1, general);
    int n = pcre2_match(r->code, (PCRE2_SPTR)(s.n ? s.p : ""), s.n, 0, 0, found, limits);
    pcre2_match_data_free(found);
    pcre2_match_context_free(limits);
    pcre2_general_context_free(general);
    return n >= 0;
}

struct regex_work {
    pcre2_match_data *found;
    pcre2_match_context *limits;
};

struct regex_work *regex_work_new(void) {
    struct regex_work *w = base_alloc(sizeof *w);
    *w = (struct regex_work){pcre2_match_data_create(1, NULL), pcre2_match_context_create(NULL)};
    if (!w->found || !w->limits) abort(); /* memory */
    pcre2_set_heap_limit(w->limits, WORK_KIB_MAX);
    pcre2_set_depth_limit(w->limits, UINT32_MAX); /* depth is memory */
    return w;
}

void regex_work_free(struct regex_work *w) {
    if (!w) return;
    pcre2_match_data_free(w->found);
    pcre2_match_context_free(w->limits);
    free(w);
}

enum regex_verdict regex_takes(const struct regex *r, str s, struct regex_work *w, uint32_t *budget) {
    uint64_t step = 1 + s.n / 64 + r->frame_bytes / 256, share = *budget / 4;
    for (uint64_t steps = STEPS_FIRST; share >= step; steps *= STEPS_TIMES) {
        if (steps * step > share) steps = share / step;
        share -= steps * step;
        *budget -= (uint32_t)(steps * step);
        pcre2_set_match_limit(w->limits, (uint32_t)steps);
        int n = pcre2_match(r->code, (PCRE2_SPTR)(s.n ? s.p : ""), s.n, 0, 0, w->found, w->limits);
        if (n >= 0) return REGEX_YES;
        if (n == PCRE2_ERROR_NOMATCH) return REGEX_NO;
        if (n != PCRE2_ERROR_MATCHLIMIT) break;
    }
    return REGEX_GIVEN_UP;
}

/* ---- literals ---- */

static bool is_alnum(char c) {
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';
}

static char at(str s, size_t i) { return i < s.n ? s.p[i] : 0; }

/* Where the set that begins at i ends; SIZE_MAX: not understood here, as quotes and \c, which takes any character with it, are not. */
static size_t set_end(str e, size_t i) {
    if (at(e, ++i) == '^') i++;
    if (at(e, i) == ']') i++;
    for (; i < e.n && e.p[i] != ']'; i++) {
        if (e.p[i] == '[') return SIZE_MAX;
        if (e.p[i] == '\\' && strchr("QEc", at(e, ++i))) return SIZE_MAX;
    }
    return i;
}

/* May the expression be one of several, side by side? Yes, too, when its groups are not plain. */
static bool has_choice(str e) {
    if (str_find(e, '|') == e.n) return false;
    unsigned depth = 0;
    for (size_t i = 0; i < e.n; i++) {
        switch (e.p[i]) {
        case '\\':
            if (is_alnum(at(e, ++i)) && !strchr("dDsSwWbBAzZ", e.p[i])) return true;
            break;
        case '[': i = set_end(e, i); break;
        case '(':
            if (at(e, i + 1) == '*' || (at(e, i + 1) == '?' && at(e, i + 2) != ':')) return true;
            depth++;
            break;
        case ')': depth -= depth > 0; break;
        case '|':
            if (!depth) return true;
            break;
        default: break;
        }
        if (i == SIZE_MAX) return true;
    }
    return false;
}

/* What stands between an item and its repetition without being one. */
static bool is_nothing(str e, size_t i) {
    if (at(e, i) == '\\') return at(e, i + 1) == 'Q' || at(e, i + 1) == 'E';
    return at(e, i) == '(' && at(e, i + 1) == '?' && (at(e, i + 2) == '#' || at(e, i + 2) == 'C');
}

static bool may_repeat(str e, size_t i) {
    return at(e, i) == '*' || at(e, i) == '?' || at(e, i) == '{' || is_nothing(e, i);
}

str regex_literal(struct arena *a, str expression) {
    str e = expression;
    if (has_choice(e)) return S("");
    char *to = arena_bytes(a, e.n + 1);
    size_t n = 0, i = at(e, 0) == '^';
    while (i < e.n) {
        char c = e.p[i++];
        if (c == '\\') {
            if (i == e.n || is_alnum(e.p[i])) break;
            c = e.p[i++];
        } else if (!c || strchr("^$.[]|()?*+{}", c)) {
            break;
        }
        if (may_repeat(e, i)) break;
        to[n++] = c;
    }
    return (str){to, n};
}
