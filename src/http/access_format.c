/* SPDX-License-Identifier: Apache-2.0 */
#include "http/access_format.h"

#include "http/access_program.h"
#include "http/http_chars.h"

enum { PROGRAM_BYTES_MAX = 4 * ACCESS_TEMPLATE_BYTES_MAX, WORD_BYTES_MAX = 255 };

/* ---- steps ---- */

static void add_step(struct buf *b, enum access_op op, unsigned first, unsigned second) {
    buf_add(b, (str){(char[3]){(char)op, (char)first, (char)second}, 3});
}
static void add_literal(struct buf *b, str s) {
    if (!s.n) return;
    assert(s.n <= UINT16_MAX);
    add_step(b, ACCESS_OP_LITERAL, (unsigned)s.n >> 8, (unsigned)s.n & 255);
    buf_add(b, s);
}
static void add_field(struct buf *b, enum access_field_id id, enum access_mode mode) {
    add_step(b, ACCESS_OP_FIELD, id, mode);
}

static str finish(struct arena *a, struct buf *b) {
    assert(
        !b->overflow); /* a step is no longer than four bytes of what it was made from, but for literals: as long */
    str program = arena_str(a, buf_str(b));
    buf_fini(b);
    return program;
}

/* ---- the forms with names ---- */

str access_format_json(struct arena *a) {
    struct buf b, key;
    buf_init(&b, PROGRAM_BYTES_MAX);
    buf_init(&key, WORD_BYTES_MAX);
    for (int i = 0; i < ACCESS_FIELD_COUNT; i++) {
        buf_clear(&key);
        buf_printf(&key, "%s\"" STR_FMT "\":", i ? "," : "{",
                   STR_ARG(access_field((enum access_field_id)i)->name));
        add_literal(&b, buf_str(&key));
        add_field(&b, (enum access_field_id)i, ACCESS_MODE_JSON);
    }
    add_literal(&b, S("}"));
    buf_fini(&key);
    return finish(a, &b);
}

static bool is_in(enum access_field_id id, const enum access_field_id *v, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (v[i] == id) return true;
    return false;
}

/* The common log format, then what is known besides as key=value; what does not apply is left out. */
str access_format_text(struct arena *a) {
    static const enum access_field_id before[] = {ACCESS_CLIENT,   ACCESS_TIME,     ACCESS_METHOD,
                                                  ACCESS_PATH,     ACCESS_QUERY,    ACCESS_STATUS,
                                                  ACCESS_PROTOCOL, ACCESS_BYTES_OUT};
    struct buf b;
    buf_init(&b, PROGRAM_BYTES_MAX);
    add_field(&b, ACCESS_CLIENT, ACCESS_MODE_BARE);
    add_literal(&b, S(" - - "));
    add_field(&b, ACCESS_TIME, ACCESS_MODE_COMMON);
    add_literal(&b, S(" \""));
    add_field(&b, ACCESS_METHOD, ACCESS_MODE_BARE);
    add_literal(&b, S(" "));
    add_field(&b, ACCESS_PATH, ACCESS_MODE_BARE);
    add_field(&b, ACCESS_QUERY, ACCESS_MODE_BARE);
    add_literal(&b, S(" "));
    add_field(&b, ACCESS_PROTOCOL, ACCESS_MODE_BARE);
    add_literal(&b, S("\" "));
    add_field(&b, ACCESS_STATUS, ACCESS_MODE_BARE);
    add_literal(&b, S(" "));
    add_field(&b, ACCESS_BYTES_OUT, ACCESS_MODE_BARE);
    for (int i = 0; i < ACCESS_FIELD_COUNT; i++)
        if (!is_in((enum access_field_id)i, before, COUNT_OF(before)))
            add_field(&b, (enum access_field_id)i, ACCESS_MODE_PAIR);
    return finish(a, &b);
}

/* ---- templates ---- */

struct reader {
    struct arena *arena;
    struct buf *to;
    struct access_fault *fault;
};

__attribute__((format(printf, 4, 5))) static err wrong(struct reader *r, size_t at, const char *remedy,
                                                       const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    r->fault->at = at;
    r->fault->message = arena_vprintf(r->arena, fmt, args);
    if (!r->fault->remedy.p) r->fault->remedy = str_of(remedy);
    va_end(args);
    return ERR_PROTO;
}

static bool is_mode(const struct access_field *f, str word, enum access_mode *ret) {
    bool duration = f && f->type == ACCESS_TYPE_DURATION;
    if (!word.p)
        *ret = ACCESS_MODE_BARE;
    else if (str_eq(word, S("json")))
        *ret = ACCESS_MODE_JSON;
    else if (duration && str_eq(word, S("us")))
        *ret = ACCESS_MODE_BARE;
    else if (duration && str_eq(word, S("ms")))
        *ret = ACCESS_MODE_MS;
    else if (duration && str_eq(word, S("s")))
        *ret = ACCESS_MODE_S;
    else if (f && f->type == ACCESS_TYPE_TIME && str_eq(word, S("common")))
        *ret = ACCESS_MODE_COMMON;
    else
        return false;
    return true;
}

static err read_mode(struct reader *r, size_t at, const struct access_field *f, str word,
                     enum access_mode *ret) {
    if (is_mode(f, word, ret)) return OK;
    const char *known = !f                                ? "known is json"
                        : f->type == ACCESS_TYPE_DURATION ? "known are us, ms, s and json"
                        : f->type == ACCESS_TYPE_TIME     ? "known are common and json"
                                                          : "known is json";
    return wrong(r, at, known, "\"" STR_FMT "\" is no way to print this", STR_ARG(word));
}

static err read_head_field(struct reader *r, size_t at, enum access_op op, str name, str mode_word) {
    enum access_mode mode = ACCESS_MODE_BARE;
    if (!name.n || name.n > WORD_BYTES_MAX || !http_chars_all(name.p, name.n, HTTP_CHAR_TOKEN))
        return wrong(r, at, "write it as %{request.header.referer}",
                     "\"" STR_FMT "\" is no name of a header field", STR_ARG(name));
    TRY(read_mode(r, at, NULL, mode_word, &mode));
    add_step(r->to, op, mode, (unsigned)name.n);
    buf_add(r->to, name);
    return OK;
}

static err unknown(struct reader *r, size_t at, str name) {
    unsigned nearest = name.n > 4 ? 3 : 2; /* further away is another word, not a slip of the hand */
    for (int i = 0; i < ACCESS_FIELD_COUNT; i++) {
        str known = access_field((enum access_field_id)i)->name;
        unsigned d = str_distance(name, known);
        if (d >= nearest) continue;
        nearest = d;
        r->fault->remedy = arena_printf(r->arena, "did you mean \"" STR_FMT "\"?", STR_ARG(known));
    }
    return wrong(r, at,
                 "docs/observing.md lists them; headers are request.header.NAME and response.header.NAME",
                 "there is no field \"" STR_FMT "\"", STR_ARG(name));
}

/* What stands between %{ and }. at: where, in the template. */
static err read_field(struct reader *r, size_t at, str inside) {
    static const str request = {"request.header.", 15}, response = {"response.header.", 16};
    str mode_word = inside, name = str_cut(&mode_word, ':');
    if (str_starts(name, request))
        return read_head_field(r, at, ACCESS_OP_REQUEST, str_from(name, request.n), mode_word);
    if (str_starts(name, response))
        return read_head_field(r, at, ACCESS_OP_RESPONSE, str_from(name, response.n), mode_word);
    for (int i = 0; i < ACCESS_FIELD_COUNT; i++) {
        const struct access_field *f = access_field((enum access_field_id)i);
        if (!str_eq(f->name, name)) continue;
        enum access_mode mode = ACCESS_MODE_BARE;
        TRY(read_mode(r, at + name.n + 1, f, mode_word, &mode));
        add_field(r->to, (enum access_field_id)i, mode);
        return OK;
    }
    return unknown(r, at, name);
}

static err read_template(struct reader *r, str text) {
    size_t from = 0, fields = 0;
    for (size_t i = 0; i < text.n;) {
        unsigned char c = (unsigned char)text.p[i];
        if (c < 0x20 || c == 0x7f)
            return wrong(r, i, "a line of the log is one line: write the template as one, too",
                         "holds a control character");
        if (c != '%') {
            i++;
            continue;
        }
        char next = i + 1 < text.n ? text.p[i + 1] : 0;
        add_literal(r->to, (str){text.p + from, i - from + (next == '%')});
        if (next == '%') {
            from = i += 2;
            continue;
        }
        if (next != '{')
            return wrong(r, i, "write %% for a percent sign, %{status} for a field",
                         "a percent sign that is neither");
        size_t end = i + 2 + str_find(str_from(text, i + 2), '}');
        if (end >= text.n) return wrong(r, i, "close it with }", "%%{ without an end");
        TRY(read_field(r, i + 2, (str){text.p + i + 2, end - i - 2}));
        fields++;
        from = i = end + 1;
    }
    add_literal(r->to, str_from(text, from));
    return fields ? OK
                  : wrong(r, 0, "write off, json, text, or a template such as %{client} %{status}",
                          "\"" STR_FMT "\" is no form, and no template: it names no field", STR_ARG(text));
}

err access_format_parse(struct arena *a, str text, enum access_form *ret_form, str *ret_program,
                        struct access_fault *fault) {
    static const struct {
        str name;
        enum access_form form;
    } named[] = {{S("off"), ACCESS_OFF}, {S("json"), ACCESS_JSON}, {S("text"), ACCESS_TEXT}};
    *fault = (struct access_fault){0};
    for (size_t i = 0; i < COUNT_OF(named); i++) {
        if (!str_eq(text, named[i].name)) continue;
        *ret_form = named[i].form, *ret_program = (str){0};
        return OK;
    }
    struct buf to;
    buf_init(&to, PROGRAM_BYTES_MAX);
    struct reader r = {.arena = a, .to = &to, .fault = fault};
    err e = text.n > ACCESS_TEMPLATE_BYTES_MAX ? wrong(&r, ACCESS_TEMPLATE_BYTES_MAX, "make it shorter",
                                                       "longer than %d bytes", ACCESS_TEMPLATE_BYTES_MAX)
                                               : read_template(&r, text);
    str program = finish(a, &to);
    if (e != OK) return e;
    *ret_form = ACCESS_OWN, *ret_program = program;
    return OK;
}

bool access_format_tells(str program, enum access_field_id id) {
    const char *p = program.p, *end = p + program.n;
    while (p < end) {
        enum access_op op = (enum access_op)(unsigned char)p[0];
        unsigned a = (unsigned char)p[1], b = (unsigned char)p[2];
        if (op == ACCESS_OP_FIELD && a == id) return true;
        p += 3;
        if (op != ACCESS_OP_FIELD) p += op == ACCESS_OP_LITERAL ? a << 8 | b : b;
    }
    return false;
}
