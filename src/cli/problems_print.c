/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/problems.h"

enum { LINE_BYTES_MAX = 200 };

static void add_place(struct buf *b, const struct problem *p) {
    buf_add(b, p->file);
    if (p->line) buf_printf(b, ":%u", p->line);
    if (p->column) buf_printf(b, ":%u", p->column);
}

static void add_words(struct buf *b, const struct problem *p) {
    if (p->kind.n) {
        buf_printf(b, STR_FMT " " STR_FMT "%s" STR_FMT ": ", STR_ARG(p->kind), STR_ARG(p->ns),
                   p->ns.n ? "/" : "", STR_ARG(p->name));
    }
    if (p->where.n) buf_printf(b, STR_FMT ": ", STR_ARG(p->where));
    buf_add(b, p->message);
    if (p->remedy.n) buf_printf(b, "; " STR_FMT, STR_ARG(p->remedy));
}

/* The line of a file that was looked at last: problems come in the order of their places, so each file is read once. */
struct source {
    str file;
    FILE *stream; /* NULL: it can not be read */
    uint32_t line;
    char *text;
    size_t cap;
    ssize_t n;
};

static void source_fini(struct source *s) {
    if (s->stream) fclose(s->stream);
    free(s->text);
}

/* The line without its end; not given when there is none such. */
static str source_line(struct source *s, str file, uint32_t line) {
    if (!s->file.p || !str_eq(s->file, file) || line < s->line) {
        if (s->stream) fclose(s->stream);
        char *path = str_dup(file);
        s->stream = fopen(path, "re");
        free(path);
        s->file = file, s->line = 0, s->n = 0;
    }
    for (; s->stream && s->line < line && s->n >= 0; s->line++) s->n = getline(&s->text, &s->cap, s->stream);
    if (!s->stream || s->n <= 0) return (str){0};
    str text = {s->text, (size_t)s->n};
    if (str_ends(text, S("\n"))) text.n--;
    if (str_ends(text, S("\r"))) text.n--;
    return str_upto(text, LINE_BYTES_MAX);
}

/* The line of the file, with a caret below the column. */
static void add_source(struct buf *b, struct source *s, const struct problem *p) {
    str text = p->line ? source_line(s, p->file, p->line) : (str){0};
    if (!text.p) return;
    buf_printf(b, "%6u | " STR_FMT "\n", p->line, STR_ARG(text));
    if (!p->column || p->column > text.n + 1) return;
    buf_add(b, S("       | "));
    for (uint32_t i = 0; i + 1 < p->column; i++) buf_add_char(b, text.p[i] == '\t' ? '\t' : ' ');
    buf_add(b, S("^\n"));
}

static void add_text(struct buf *b, struct source *s, const struct problem *p, bool strict) {
    add_place(b, p);
    buf_add(b, problems_fails(p, strict) ? S(": ") : p->warning ? S(": warning: ") : S(": note: "));
    add_words(b, p);
    buf_add_char(b, '\n');
    if (p->column) add_source(b, s, p);
}

/* Properties and data of a workflow command: its three special characters, and in properties two more. */
static void add_escaped(struct buf *b, str s, bool property) {
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '%' || c == '\r' || c == '\n' || (property && (c == ':' || c == ','))) {
            buf_printf(b, "%%%02X", (unsigned char)c);
        } else {
            buf_add_char(b, c);
        }
    }
}

static void add_github(struct buf *b, const struct problem *p, bool strict) {
    buf_printf(b, "::%s file=", problems_fails(p, strict) ? "error" : "warning");
    add_escaped(b, p->file, true);
    if (p->line) buf_printf(b, ",line=%u", p->line);
    if (p->column) buf_printf(b, ",col=%u", p->column);
    buf_add(b, S("::"));
    struct buf words;
    buf_init(&words, 1 << 16);
    add_words(&words, p);
    add_escaped(b, buf_str(&words), false);
    buf_fini(&words);
    buf_add_char(b, '\n');
}

static void add_member(struct buf *b, const char *name, str value) {
    buf_printf(b, "\"%s\": ", name);
    buf_add_json(b, value);
    buf_add(b, S(", "));
}

static void add_json(struct buf *b, const struct problem *p, bool strict) {
    static const char *const classes[] = {
        [FINDING_SCHEMA] = "schema", [FINDING_REFERENCE] = "reference", [FINDING_MEANING] = "meaning"};
    buf_printf(b, "  {\"class\": \"%s\", \"warning\": %s, \"fails\": %s, ", classes[p->class],
               p->warning ? "true" : "false", problems_fails(p, strict) ? "true" : "false");
    add_member(b, "file", p->file);
    buf_printf(b, "\"line\": %u, \"column\": %u, ", p->line, p->column);
    add_member(b, "kind", p->kind);
    add_member(b, "namespace", p->ns);
    add_member(b, "name", p->name);
    add_member(b, "where", p->where);
    add_member(b, "message", p->message);
    buf_add(b, S("\"remedy\": "));
    buf_add_json(b, p->remedy);
    buf_add_char(b, '}');
}

void problems_print(struct buf *b, enum problems_form form, const struct problem *p, size_t n, bool strict) {
    struct source source = {0};
    if (form == PROBLEMS_JSON) buf_add(b, S("["));
    for (size_t i = 0; i < n; i++) {
        switch (form) {
        case PROBLEMS_TEXT: add_text(b, &source, &p[i], strict); break;
        case PROBLEMS_GITHUB: add_github(b, &p[i], strict); break;
        case PROBLEMS_JSON:
            buf_add(b, i ? S(",\n") : S("\n"));
            add_json(b, &p[i], strict);
            break;
        }
    }
    if (form == PROBLEMS_JSON) buf_add(b, S("\n]\n"));
    source_fini(&source);
}
