/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/finding.h"

/* A page of findings is read by nobody; the rest is counted. */
enum { FINDINGS_MAX = 1000 };

void finding_init(struct findings *f, struct arena *a) {
    *f = (struct findings){
        .arena = a, .n_max = FINDINGS_MAX, .file = S(""), .kind = S(""), .ns = S(""), .name = S("")};
    f->last = &f->first;
}

static str copy_of(struct arena *a, str s) { return s.n ? arena_str(a, s) : S(""); }

struct finding *finding_add(struct findings *f, enum finding_class class, uint32_t line, uint32_t column,
                            str path, str remedy, const char *fmt, ...) {
    if (f->n++ >= f->n_max) return NULL;
    struct finding *one = arena_make(f->arena, struct finding);
    *one = (struct finding){.class = class,
                            .line = line,
                            .column = column,
                            .file = copy_of(f->arena, f->file),
                            .kind = copy_of(f->arena, f->kind),
                            .ns = copy_of(f->arena, f->ns),
                            .name = copy_of(f->arena, f->name),
                            .path = copy_of(f->arena, path),
                            .remedy = remedy.p ? arena_str(f->arena, remedy) : (str){0}};
    va_list args;
    va_start(args, fmt);
    one->message = arena_vprintf(f->arena, fmt, args);
    va_end(args);
    *f->last = one;
    f->last = &one->next;
    return one;
}

void finding_print(struct buf *b, const struct finding *f) {
    buf_add(b, f->file);
    if (f->line) buf_printf(b, "%s%u", f->file.n ? ":" : "line ", f->line);
    if (f->line && f->column) buf_printf(b, ":%u", f->column);
    if (f->file.n || f->line) buf_add(b, S(": "));
    if (f->kind.n) {
        buf_add(b, f->kind);
        if (f->name.n) buf_add_char(b, ' ');
        if (f->name.n && f->ns.n) buf_printf(b, STR_FMT "/", STR_ARG(f->ns));
        buf_add(b, f->name);
        buf_add(b, S(": "));
    }
    if (f->path.n) {
        buf_add(b, f->path);
        buf_add(b, S(": "));
    }
    buf_add(b, f->message);
    if (f->remedy.n) {
        buf_add(b, S("; "));
        buf_add(b, f->remedy);
    }
}
