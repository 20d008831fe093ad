/* SPDX-License-Identifier: Apache-2.0 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/regex.h"

#include <pcre2.h>

/* A tenant's expression has a budget; past it there is no match. A backtracking step costs some 10 ns, so one search ends within a
 * millisecond. */
enum { PATTERN_BYTES_MAX = 4096, MATCH_STEPS_MAX = 100000, DEPTH_MAX = 1000, HEAP_KIB_MAX = 256 };

struct regex {
    pcre2_code *code;
};

err regex_new(struct arena *a, str pattern, struct regex **ret, str *ret_message) {
    if (pattern.n > PATTERN_BYTES_MAX) {
        *ret_message = arena_printf(a, "longer than %d bytes", PATTERN_BYTES_MAX);
        return ERR_PROTO;
    }
    int code = 0;
    PCRE2_SIZE at = 0;
    uint32_t options = PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C | PCRE2_NEVER_UTF;
    pcre2_code *compiled =
        pcre2_compile((PCRE2_SPTR)(pattern.n ? pattern.p : ""), pattern.n, options, &code, &at, NULL);
    if (!compiled) {
        char text[200] = "";
        pcre2_get_error_message(code, (PCRE2_UCHAR *)text, sizeof text);
        *ret_message = arena_printf(a, "%s at offset %zu", text, (size_t)at);
        return ERR_PROTO;
    }
    *ret = base_alloc(sizeof **ret);
    (*ret)->code = compiled;
    return OK;
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
