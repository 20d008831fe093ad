/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/diff.h"

#include "text/regex.h"

/* Reads an expression and writes a text that it takes: of alternatives the first, of repetitions the fewest, of sets what reads best. What is
 * not understood (assertions, references back, properties) gives none, and what was made is held against the expression itself. */
enum { SAMPLE_BYTES_MAX = 1024, SAMPLE_DEPTH_MAX = 32 };

struct sampler {
    str in;
    size_t at;
    struct buf out;
    unsigned depth;
    bool lost; /* something was not understood */
};

static char peek(const struct sampler *s) { return s->at < s->in.n ? s->in.p[s->at] : '\0'; }
static char take(struct sampler *s) { return s->at < s->in.n ? s->in.p[s->at++] : '\0'; }
static bool take_if(struct sampler *s, char c) {
    if (peek(s) != c || s->at >= s->in.n) return false;
    s->at++;
    return true;
}

/* What an escape stands for: a set's letter gives one of it, an assertion nothing; false: not understood. */
static bool escape_of(char c, str *ret) {
    static const struct {
        char c;
        str text;
    } known[] = {{'d', S("0")}, {'w', S("a")},  {'s', S(" ")},  {'D', S("a")},  {'W', S("-")},
                 {'S', S("a")}, {'n', S("\n")}, {'t', S("\t")}, {'r', S("\r")}, {'b', S("")},
                 {'A', S("")},  {'z', S("")},   {'Z', S("")}};
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (known[i].c == c) {
            *ret = known[i].text;
            return true;
        }
    return false;
}
static bool is_alnum(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Sets. */

static void set_range(bool *in, unsigned char from, unsigned char to) {
    for (unsigned c = from; c <= to; c++) in[c] = true;
}
static bool set_escape(bool *in, char c) {
    switch (c) {
    case 'd': set_range(in, '0', '9'); return true;
    case 's': in[' '] = in['\t'] = true; return true;
    case 'w':
        set_range(in, 'a', 'z'), set_range(in, 'A', 'Z'), set_range(in, '0', '9'), in['_'] = true;
        return true;
    default: return false;
    }
}
static void take_set_item(struct sampler *s, bool *in) {
    char c = take(s);
    if (c == '[' && peek(s) == ':') s->lost = true;
    if (c == '\\') {
        c = take(s);
        if (set_escape(in, c)) return;
        str text;
        if (is_alnum(c)) { /* \n and the like */
            s->lost |= !escape_of(c, &text) || text.n != 1 || !strchr("ntr", c);
            if (!s->lost) in[(unsigned char)text.p[0]] = true;
            return;
        }
    }
    unsigned char from = (unsigned char)c, to = from;
    if (peek(s) == '-' && s->at + 1 < s->in.n && s->in.p[s->at + 1] != ']') {
        s->at++;
        to = (unsigned char)take(s);
        if (to == '\\') to = (unsigned char)take(s);
    }
    if (to < from) s->lost = true;
    set_range(in, from, to);
}
static void take_set(struct sampler *s) {
    static const char best[] =
        "a0A-_./~bcdefghijklmnopqrstuvwxyz123456789BCDEFGHIJKLMNOPQRSTUVWXYZ!$&'()*+,;=:@% \"#<>?[\\]^`{|}";
    bool in[256] = {false}, not = take_if(s, '^'), first = true;
    while (!s->lost && s->at < s->in.n && (first || peek(s) != ']')) {
        take_set_item(s, in);
        first = false;
    }
    s->lost |= !take_if(s, ']');
    for (const char *c = best; *c; c++)
        if (in[(unsigned char)*c] != not ) {
            buf_add_char(&s->out, *c);
            return;
        }
    s->lost = true;
}

/* Repetitions of what was written from `from` on. */
static void take_repetition(struct sampler *s, size_t from) {
    unsigned least = 1;
    if (take_if(s, '*') || take_if(s, '?')) {
        least = 0;
    } else if (peek(s) == '{' && s->at + 1 < s->in.n && s->in.p[s->at + 1] >= '0' &&
               s->in.p[s->at + 1] <= '9') {
        s->at++;
        for (least = 0; peek(s) >= '0' && peek(s) <= '9' && least <= SAMPLE_BYTES_MAX;)
            least = least * 10 + (unsigned)(take(s) - '0');
        while (peek(s) && peek(s) != '}') s->at++;
        s->lost |= !take_if(s, '}');
    } else if (!take_if(s, '+')) {
        return;
    }
    if (!take_if(s, '?')) take_if(s, '+'); /* lazy, possessive: the fewest is the same */
    size_t n = s->out.n - from;
    if (!least) s->out.n = from;
    for (unsigned i = 1; i < least && n && !s->out.overflow; i++) {
        char copy[SAMPLE_BYTES_MAX];
        memcpy(copy, s->out.p + from, n);
        buf_add(&s->out, (str){copy, n});
    }
}

static void take_alternatives(struct sampler *s);

/* "(?i)": whatever is taken as it is written is taken in any case. */
static bool take_options(struct sampler *s) {
    size_t end = s->at;
    while (end < s->in.n && s->in.p[end] && strchr("ims", s->in.p[end])) end++;
    if (end == s->at || end == s->in.n || s->in.p[end] != ')') return false;
    s->at = end + 1;
    return true;
}

static void take_group(struct sampler *s) {
    if (take_if(s, '?')) {
        if (take_options(s)) return;
        if (take_if(s, 'P') || peek(s) == '<') {
            take_if(s, '<');
            s->lost |= peek(s) == '=' || peek(s) == '!';
            while (peek(s) && peek(s) != '>') s->at++;
            s->lost |= !take_if(s, '>');
        } else {
            s->lost |= !take_if(s, ':');
        }
    }
    take_alternatives(s);
    s->lost |= !take_if(s, ')');
}

static void take_escape(struct sampler *s) {
    char c = take(s);
    str text;
    if (escape_of(c, &text))
        buf_add(&s->out, text);
    else if (is_alnum(c) || !c)
        s->lost = true;
    else
        buf_add_char(&s->out, c);
}

static void take_one(struct sampler *s) {
    size_t from = s->out.n;
    char c = take(s);
    switch (c) {
    case '(': take_group(s); break;
    case '[': take_set(s); break;
    case '\\': take_escape(s); break;
    case '.': buf_add_char(&s->out, 'a'); break;
    case '^':
    case '$': return;
    default: buf_add_char(&s->out, c);
    }
    take_repetition(s, from);
}

static void take_alternatives(struct sampler *s) {
    if (s->depth++ == SAMPLE_DEPTH_MAX) s->lost = true;
    size_t end = SIZE_MAX; /* of the first */
    while (!s->lost && !s->out.overflow && s->at < s->in.n && peek(s) != ')') {
        if (take_if(s, '|')) {
            if (end == SIZE_MAX) end = s->out.n;
        } else {
            take_one(s);
        }
    }
    if (end != SIZE_MAX) s->out.n = end;
    s->depth--;
}

static bool holds(struct arena *a, str expression, str text) {
    struct regex *r;
    str message;
    uint32_t budget = REGEX_BUDGET;
    if (regex_new_whole(a, expression, &r, &message) != OK) return false;
    struct regex_work *w = regex_work_new();
    bool takes = regex_takes(r, text, w, &budget) == REGEX_YES;
    regex_work_free(w);
    regex_free(r);
    return takes;
}

str diff_sample(struct arena *a, str expression) {
    struct sampler s = {.in = expression};
    buf_init(&s.out, SAMPLE_BYTES_MAX);
    take_alternatives(&s);
    str sample = {0};
    if (!s.lost && !s.out.overflow && s.at == expression.n) sample = arena_str(a, buf_str(&s.out));
    buf_fini(&s.out);
    return sample.p && holds(a, expression, sample) ? sample : (str){0};
}
