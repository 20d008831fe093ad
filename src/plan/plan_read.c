/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/plan_read.h"

#include "base/num.h"
#include "schema/finding.h"
#include "text/yaml.h"

/* Pieces are parsed one by one, so that the bounds on a document hold for a piece and not for a plan of many. */
struct reader {
    struct arena *a;
    const char *at, *end;
    uint32_t line;
    str *ret_message;
};

static err wrong(struct reader *r, str what) {
    *r->ret_message = arena_printf(r->a, "line %u: " STR_FMT, r->line, STR_ARG(what));
    return ERR_PROTO;
}

static char next(struct reader *r) {
    for (; r->at < r->end; r->at++) {
        if (*r->at == '\n') r->line++;
        if (*r->at != ' ' && *r->at != '\t' && *r->at != '\r' && *r->at != '\n') return *r->at;
    }
    return '\0';
}

static err take(struct reader *r, char c) {
    if (next(r) != c || r->at == r->end) return wrong(r, arena_printf(r->a, "wanted '%c'", c));
    r->at++;
    return OK;
}

/* Past a string whose opening quote is at r->at. */
static err skip_string(struct reader *r) {
    for (r->at++; r->at < r->end && *r->at != '"'; r->at++) {
        if (*r->at == '\\') r->at++;
    }
    if (r->at >= r->end) return wrong(r, S("the text ends in a string"));
    r->at++;
    return OK;
}

static err take_name(struct reader *r, str *ret) {
    if (next(r) != '"') return wrong(r, S("wanted a member's name"));
    const char *from = r->at + 1;
    TRY(skip_string(r));
    *ret = (str){from, (size_t)(r->at - from - 1)};
    return take(r, ':');
}

/* The text of an object, by its braces alone. */
static err take_object(struct reader *r, str *ret, uint32_t *ret_line) {
    if (next(r) != '{') return wrong(r, S("wanted '{'"));
    const char *from = r->at;
    uint32_t depth = 0;
    *ret_line = r->line;
    while (r->at < r->end) {
        if (*r->at == '"') {
            TRY(skip_string(r));
            continue;
        }
        if (*r->at == '\n') r->line++;
        if (*r->at == '{') depth++;
        if (*r->at++ == '}' && !--depth) {
            *ret = (str){from, (size_t)(r->at - from)};
            return OK;
        }
    }
    return wrong(r, S("the text ends in an object"));
}

static err decode_piece(struct reader *r, enum plan_kind kind, str text, uint32_t line,
                        struct plan_piece **ret) {
    OWNED(arena) scratch = arena_new();
    struct node *n;
    struct findings f;
    str message;
    uint32_t column;
    finding_init(&f, scratch);
    err e = yaml_parse(scratch, text, line, &n, &message, &line, &column);
    if (e != OK) {
        r->line = line;
        *r->ret_message = arena_printf(r->a, "line %u: " STR_FMT, line, STR_ARG(message));
        return e;
    }
    const struct schema *s = plan_schema(kind);
    struct plan_piece *piece = arena_bytes(scratch, s->size);
    if (schema_decode(scratch, s, n, S(""), &f, piece) != OK) {
        r->line = f.first->line;
        return wrong(r, arena_printf(scratch, "%s: " STR_FMT ": " STR_FMT, plan_kind_name(kind),
                                     STR_ARG(f.first->path), STR_ARG(f.first->message)));
    }
    piece->kind = kind;
    if (!piece->key.n) {
        r->line = line;
        return wrong(r, arena_printf(scratch, "a %s without a key", plan_kind_name(kind)));
    }
    *ret = plan_pack(piece);
    return OK;
}

static err take_pieces(struct reader *r, enum plan_kind kind, struct plan *p, struct plan_delta *d) {
    TRY(take(r, '['));
    while (next(r) != ']') {
        str text = {0};
        uint32_t line = 0;
        struct plan_piece *piece = NULL;
        TRY(take_object(r, &text, &line));
        TRY(decode_piece(r, kind, text, line, &piece));
        plan_set(p, kind, piece->key, piece, d);
        if (next(r) != ',') break;
        r->at++;
    }
    return take(r, ']');
}

static err take_member(struct reader *r, struct plan *p, struct plan_delta *d) {
    str name = {0};
    TRY(take_name(r, &name));
    if (str_eq(name, S("revision"))) {
        next(r);
        const char *from = r->at;
        while (r->at < r->end && *r->at >= '0' && *r->at <= '9') r->at++;
        if (num_parse((str){from, (size_t)(r->at - from)}, UINT64_MAX, &p->revision) != OK)
            return wrong(r, S("the revision is no number"));
        return OK;
    }
    for (enum plan_kind k = 0; k < PLAN_KIND_COUNT; k++)
        if (str_eq(name, str_of(plan_kind_name(k)))) return take_pieces(r, k, p, d);
    return wrong(
        r, arena_printf(r->a, "\"" STR_FMT "\" is no kind of piece that this version knows", STR_ARG(name)));
}

err plan_read(struct arena *a, str json, struct plan *p, struct plan_delta *d, str *ret_message) {
    struct reader r = {.a = a, .at = json.p, .end = json.p + json.n, .line = 1, .ret_message = ret_message};
    TRY(take(&r, '{'));
    while (next(&r) != '}') {
        TRY(take_member(&r, p, d));
        if (next(&r) != ',') break;
        r.at++;
    }
    TRY(take(&r, '}'));
    return next(&r) || r.at < r.end ? wrong(&r, S("something follows the plan")) : OK;
}
