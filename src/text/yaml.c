/* SPDX-License-Identifier: Apache-2.0 */
#include "text/yaml.h"

#include <yaml.h>

#include "base/map.h"
#include "base/num.h"
#include "text/rows.h"

/* 100,000 nodes are ten times the largest EndpointSlice. */
enum { NODES_MAX = 100000, DEPTH_MAX = 64 };

/* What an alias repeats. The children are shared, so an alias costs one node here; `nodes` counts what a reader will meet. */
struct anchor {
    struct node *node;
    uint32_t nodes, height;
};
/* An open mapping or sequence. */
struct frame {
    struct node *parent, **last;
    uint32_t nodes_before, height;
    str anchor;
    bool has_key;
    str key;
    uint32_t key_line, key_column;
};
struct reader {
    struct arena *a;
    str text;
    yaml_parser_t parser;
    uint32_t line; /* of the text's first line */
    uint32_t nodes, depth;
    struct frame frames[DEPTH_MAX];
    struct map anchors;
    struct node *root;
    bool ended; /* the first document is complete */
    str message;
    uint32_t at_line, at_column;
    /* yaml_parse_items: where each item goes; the arena of one item, which `a` is while one is read; where the one before ended */
    void (*item)(void *arg, struct node *n);
    void *item_arg;
    struct arena *whole, *items;
    size_t item_from;
    bool handed_over;
};

static str of_event(const yaml_char_t *p, size_t n) { return (str){(const char *)p, n}; }

static uint32_t line_of(const struct reader *r, yaml_mark_t m) { return r->line + (uint32_t)m.line; }

static err fail(struct reader *r, err e, yaml_mark_t at, str message) {
    r->message = message;
    r->at_line = line_of(r, at), r->at_column = (uint32_t)at.column + 1;
    return e;
}

static err count_nodes(struct reader *r, uint32_t n, yaml_mark_t at) {
    if (n <= NODES_MAX - r->nodes) {
        r->nodes += n;
        return OK;
    }
    return fail(
        r, ERR_LIMIT, at,
        arena_printf(r->a, "more than %d values in one document, aliases counted in full", NODES_MAX));
}

static err take_key(struct reader *r, struct frame *f, const struct node *n) {
    bool merge = n->kind == NODE_SCALAR && !n->quoted && str_eq(n->scalar, S("<<"));
    if (merge || n->kind == NODE_MAP || n->kind == NODE_SEQ) {
        r->message = merge ? S("merge keys (<<) are not supported; write the fields out")
                           : S("a key must be a scalar");
        r->at_line = n->line, r->at_column = n->column;
        return ERR_PROTO;
    }
    f->has_key = true;
    f->key = n->scalar, f->key_line = n->line, f->key_column = n->column;
    return OK;
}

/* What is open is the sequence at the top's key `items`. */
static bool is_in_items(const struct reader *r) {
    const struct frame *top = r->frames;
    return r->item && r->depth == 2 && top->has_key && str_eq(top->key, S("items")) &&
           r->frames[1].parent->kind == NODE_SEQ;
}

/* An item is complete: its reader gets it, and all that it was made of is forgotten. */
static void hand_over(struct reader *r, struct node *n) {
    struct frame *f = &r->frames[1];
    r->item(r->item_arg, n);
    f->parent->n++;
    r->nodes = f->nodes_before + 1;
    if (r->anchors.n) {
        map_fini(&r->anchors);
        map_init(&r->anchors);
    }
    arena_reset(r->items);
    r->handed_over = true;
}

/* Hangs a complete value into what is open. */
static err attach(struct reader *r, struct node *n, uint32_t height) {
    if (is_in_items(r)) {
        hand_over(r, n);
        return OK;
    }
    if (r->depth == 0) {
        r->root = n;
        return OK;
    }
    struct frame *f = &r->frames[r->depth - 1];
    if (f->parent->kind == NODE_MAP && !f->has_key) return take_key(r, f, n);
    if (f->parent->kind == NODE_MAP) {
        n->key = f->key, n->key_line = f->key_line, n->key_column = f->key_column;
        f->has_key = false;
    }
    *f->last = n;
    f->last = &n->next;
    f->parent->n++;
    if (f->height < height + 1) f->height = height + 1;
    return OK;
}

static void remember(struct reader *r, str name, struct node *n, uint32_t nodes, uint32_t height) {
    if (!name.p) return;
    struct anchor *an = arena_make(r->a, struct anchor);
    *an = (struct anchor){n, nodes, height};
    map_put(&r->anchors, name, an);
}

static struct node *new_node(struct reader *r, enum node_kind kind, yaml_mark_t at) {
    struct node *n = node_new(r->a, kind);
    n->line = line_of(r, at), n->column = (uint32_t)at.column + 1;
    return n;
}

static str anchor_name(struct reader *r, const yaml_char_t *z) {
    return z ? arena_str(r->a, str_of((const char *)z)) : (str){0};
}

/* Kubernetes' objects are of the core schema's types alone. */
static err check_tag(struct reader *r, const yaml_char_t *tag, yaml_mark_t at) {
    static const char *const known[] = {"str", "int", "bool", "null", "float", "map", "seq"};
    str t = str_of((const char *)tag), head = S("tag:yaml.org,2002:");
    if (t.n == 0 || str_eq(t, S("!"))) return OK;
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (str_starts(t, head) && str_eq(str_from(t, head.n), str_of(known[i]))) return OK;
    return fail(r, ERR_PROTO, at, arena_printf(r->a, "tag %s is not supported", (const char *)tag));
}

static err on_scalar(struct reader *r, const yaml_event_t *e) {
    yaml_mark_t at = e->start_mark;
    str tag = str_of((const char *)e->data.scalar.tag);
    TRY(check_tag(r, e->data.scalar.tag, at));
    TRY(count_nodes(r, 1, at));
    struct node *n = new_node(r, NODE_SCALAR, at);
    n->scalar = arena_str(r->a, of_event(e->data.scalar.value, e->data.scalar.length));
    n->quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    if (tag.n) n->quoted = str_eq(tag, S("!")) || str_ends(tag, S(":str"));
    if (yaml_meaning(n) == YAML_IS_NULL) n->kind = NODE_NULL;
    remember(r, anchor_name(r, e->data.scalar.anchor), n, 1, 0);
    return attach(r, n, 0);
}

static err open_collection(struct reader *r, enum node_kind kind, const yaml_char_t *anchor,
                           const yaml_char_t *tag, yaml_mark_t at) {
    TRY(check_tag(r, tag, at));
    if (r->depth == DEPTH_MAX)
        return fail(r, ERR_LIMIT, at, arena_printf(r->a, "nested deeper than %d levels", DEPTH_MAX));
    uint32_t before = r->nodes;
    TRY(count_nodes(r, 1, at));
    struct node *n = new_node(r, kind, at);
    r->frames[r->depth++] = (struct frame){
        .parent = n, .last = &n->child, .nodes_before = before, .anchor = anchor_name(r, anchor)};
    if (is_in_items(r)) r->a = r->items, r->item_from = at.index;
    return OK;
}

static err close_collection(struct reader *r) {
    if (is_in_items(r)) r->a = r->whole;
    struct frame f = r->frames[--r->depth];
    remember(r, f.anchor, f.parent, r->nodes - f.nodes_before, f.height);
    return attach(r, f.parent, f.height);
}

static err on_alias(struct reader *r, const yaml_event_t *e) {
    const char *name = (const char *)e->data.alias.anchor;
    const struct anchor *an = map_get(&r->anchors, str_of(name));
    if (!an)
        return fail(r, ERR_PROTO, e->start_mark,
                    arena_printf(r->a, "alias *%s: no complete value has this anchor", name));
    if (r->depth + an->height > DEPTH_MAX)
        return fail(r, ERR_LIMIT, e->start_mark,
                    arena_printf(r->a, "nested deeper than %d levels", DEPTH_MAX));
    TRY(count_nodes(r, an->nodes, e->start_mark));
    struct node *n = arena_make(r->a, struct node);
    *n = *an->node;
    n->next = NULL, n->key = (str){0};
    n->line = line_of(r, e->start_mark), n->column = (uint32_t)e->start_mark.column + 1;
    return attach(r, n, an->height);
}

static err take_event(struct reader *r, const yaml_event_t *e) {
    switch (e->type) {
    case YAML_SCALAR_EVENT: return on_scalar(r, e);
    case YAML_ALIAS_EVENT: return on_alias(r, e);
    case YAML_SEQUENCE_START_EVENT:
        return open_collection(r, NODE_SEQ, e->data.sequence_start.anchor, e->data.sequence_start.tag,
                               e->start_mark);
    case YAML_MAPPING_START_EVENT:
        return open_collection(r, NODE_MAP, e->data.mapping_start.anchor, e->data.mapping_start.tag,
                               e->start_mark);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT: return close_collection(r);
    case YAML_DOCUMENT_START_EVENT:
        if (r->ended) return fail(r, ERR_PROTO, e->start_mark, S("a second document begins here"));
        return OK;
    case YAML_DOCUMENT_END_EVENT: r->ended = true; return OK;
    case YAML_STREAM_END_EVENT: return ERR_END;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT: return OK;
    }
    return OK;
}

static yaml_mark_t place_of(str text, size_t offset) {
    yaml_mark_t m = {0};
    for (size_t i = 0; i < offset && i < text.n; i++)
        if (text.p[i] == '\n')
            m.line++, m.column = 0;
        else
            m.column += ((unsigned char)text.p[i] & 0xC0) != 0x80;
    return m;
}

static err library_error(struct reader *r) {
    const yaml_parser_t *p = &r->parser;
    if (p->error == YAML_MEMORY_ERROR) base_out_of_memory(0);
    const char *what = p->problem ? p->problem : "not readable";
    bool has_place = p->problem_mark.line || p->problem_mark.column;
    yaml_mark_t at = has_place ? p->problem_mark : p->context_mark;
    if (p->error == YAML_READER_ERROR) at = place_of(r->text, p->problem_offset);
    if (p->context)
        return fail(
            r, ERR_PROTO, at,
            arena_printf(r->a, "%s %s (begun on line %u)", what, p->context, line_of(r, p->context_mark)));
    return fail(r, ERR_PROTO, at, str_of(what));
}

/* An item, too, is no larger than an object may be. */
static err check_item(struct reader *r, const yaml_event_t *e) {
    if (r->handed_over) r->item_from = e->end_mark.index;
    r->handed_over = false;
    if (!r->items || r->a != r->items || e->end_mark.index - r->item_from <= YAML_DOCUMENT_BYTES_MAX)
        return OK;
    return fail(r, ERR_LIMIT, e->start_mark,
                arena_printf(r->a, "an item of more than %d bytes", YAML_DOCUMENT_BYTES_MAX));
}

static err read_events(struct reader *r) {
    for (;;) {
        yaml_event_t e;
        if (!yaml_parser_parse(&r->parser, &e)) {
            err broken = library_error(r);
            r->message = arena_str(r->whole, r->message);
            return broken;
        }
        err step = take_event(r, &e);
        if (step == OK) step = check_item(r, &e);
        yaml_event_delete(&e);
        if (step != OK) return step == ERR_END ? OK : step;
    }
}

static int hex4(str s, size_t at) {
    int v = 0;
    for (size_t i = at; i < at + 4; i++) {
        int d = i < s.n ? num_hex(s.p[i]) : -1;
        if (d < 0) return -1;
        v = v << 4 | d;
    }
    return v;
}

/* The first thing in the text, past comments and a marker, is a brace or a bracket. */
static bool is_json(str text) {
    for (;;) {
        while (text.n && memchr(" \t\r\n", text.p[0], 4)) text = str_from(text, 1);
        bool skip = text.n && (text.p[0] == '#' || str_starts(text, S("---")));
        if (!skip) return text.n && (text.p[0] == '{' || text.p[0] == '[');
        text = text.p[0] == '#' ? str_from(text, str_find(text, '\n')) : str_from(text, 3);
    }
}

/* JSON writes characters past U+FFFF as two escapes [RFC 8259 7], which YAML does not know: they become one. */
static str join_surrogates(struct arena *a, str text) {
    char *out = NULL;
    size_t n = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '"') in_string = !in_string;
        bool escape = in_string && c == '\\' && i + 1 < text.n;
        int high = escape && text.p[i + 1] == 'u' ? hex4(text, i + 2) : -1;
        int low = high >= 0xD800 && high < 0xDC00 && str_starts(str_from(text, i + 6), S("\\u"))
                      ? hex4(text, i + 8)
                      : -1;
        if (low >= 0xDC00 && low < 0xE000) {
            if (!out) {
                out = arena_bytes(a, text.n + 1);
                memcpy(out, text.p, n);
            }
            int point = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
            n += (size_t)snprintf(out + n, 11, "\\U%08X", (unsigned)point);
            i += 11;
            continue;
        }
        size_t take = escape ? 2 : 1;
        if (out) memcpy(out + n, text.p + i, take);
        n += take, i += take - 1;
    }
    return out ? (str){out, n} : text;
}

/* All of the text, whatever its length. */
static err parse(struct reader *r, str text, struct node **ret) {
    if (is_json(text)) text = join_surrogates(r->whole, text);
    r->text = text;
    map_init(&r->anchors);
    if (!yaml_parser_initialize(&r->parser)) base_out_of_memory(sizeof r->parser);
    yaml_parser_set_input_string(&r->parser, (const unsigned char *)(text.n ? text.p : ""), text.n);
    err e = read_events(r);
    yaml_parser_delete(&r->parser);
    map_fini(&r->anchors);
    if (e == OK) *ret = r->root && r->root->kind == NODE_NULL ? NULL : r->root;
    return e;
}

static struct reader *reader_in(struct arena *a, uint32_t line) {
    struct reader *r = arena_make(a, struct reader);
    r->a = r->whole = a, r->line = line, r->at_line = line, r->at_column = 1;
    return r;
}

err yaml_parse(struct arena *a, str text, uint32_t line, struct node **ret, str *ret_message,
               uint32_t *ret_line, uint32_t *ret_column) {
    struct reader *r = reader_in(a, line);
    err e = ERR_LIMIT;
    if (text.n > YAML_DOCUMENT_BYTES_MAX)
        r->message = arena_printf(a, "a document of %zu bytes; at most %d are read: split it", text.n,
                                  YAML_DOCUMENT_BYTES_MAX);
    else
        e = parse(r, text, ret);
    if (e != OK) *ret_message = r->message, *ret_line = r->at_line, *ret_column = r->at_column;
    return e;
}

err yaml_parse_items(struct arena *a, str text, uint32_t line, void (*item)(void *arg, struct node *n),
                     void *arg, struct node **ret, str *ret_message, uint32_t *ret_line,
                     uint32_t *ret_column) {
    OWNED(arena) items = arena_new();
    struct reader *r = reader_in(a, line);
    r->item = item, r->item_arg = arg, r->items = items;
    err e = parse(r, text, ret);
    if (e != OK) *ret_message = arena_str(a, r->message), *ret_line = r->at_line, *ret_column = r->at_column;
    return e;
}

static bool is_marker(str line, const char *three) {
    return line.n >= 3 && memcmp(line.p, three, 3) == 0 &&
           (line.n == 3 || line.p[3] == ' ' || line.p[3] == '\t' || line.p[3] == '\r');
}

/* Spaces and a comment: nothing that a document is made of. */
static bool is_blank(str s) {
    while (s.n && memchr(" \t\r", s.p[0], 3)) s = str_from(s, 1);
    return s.n == 0 || s.p[0] == '#';
}

bool yaml_next_document(str *text, uint32_t *line, str *ret_document, uint32_t *ret_line) {
    str rest = *text, start = rest, bom = S("\xEF\xBB\xBF");
    uint32_t now = *line, start_line = now;
    bool content = false, directive = false, first = true;
    while (rest.n) {
        size_t end = str_find(rest, '\n');
        str row = str_upto(rest, end), after = str_from(rest, end + 1);
        if (first && str_starts(row, bom)) row = str_from(row, bom.n);
        first = false;
        bool begins = is_marker(row, "---"), ends = is_marker(row, "...");
        if (begins && content) break;
        if (ends && content) {
            rest = after, now++;
            *text = rest, *line = now;
            *ret_document = (str){start.p, (size_t)(row.p - start.p)}, *ret_line = start_line;
            return true;
        }
        if (begins && !directive) start = rest, start_line = now;
        if (ends) start = after, start_line = now + 1, directive = false;
        if (begins)
            directive = false, content = !is_blank(str_from(row, 3));
        else if (!content && row.n && row.p[0] == '%')
            directive = true;
        else if (!ends && !is_blank(row))
            content = true;
        if (content)
            rest = str_from(rest, rows_to_marker(rest, &now));
        else
            rest = after, now++;
    }
    *text = rest, *line = now;
    if (!content) return false;
    *ret_document = (str){start.p, (size_t)(rest.p - start.p)}, *ret_line = start_line;
    return true;
}

static bool is_one_of(str s, const char *const *words) {
    for (; *words; words++)
        if (str_eq(s, str_of(*words))) return true;
    return false;
}

static const char *const truths[] = {"true", "True", "TRUE", "yes", "Yes", "YES",
                                     "on",   "On",   "ON",   "y",   "Y",   NULL};
static const char *const lies[] = {"false", "False", "FALSE", "no", "No", "NO",
                                   "off",   "Off",   "OFF",   "n",  "N",  NULL};
static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
static const char *const not_finite[] = {".nan",  ".NaN",  ".NAN",  ".inf",  ".Inf",  ".INF", "+.inf",
                                         "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF", NULL};

bool yaml_is_null(const struct node *n) { return n->kind == NODE_NULL; }

bool yaml_bool(const struct node *n, bool *ret) {
    if (n->kind != NODE_SCALAR || n->quoted) return false;
    bool yes = is_one_of(n->scalar, truths);
    if (!yes && !is_one_of(n->scalar, lies)) return false;
    *ret = yes;
    return true;
}

/* [-+]? then 0x, 0o, 0b or a leading 0 say the base; _ between digits is skipped. false: no integer, or past 64 bits. */
static bool parse_int(str s, int64_t *ret) {
    bool negative = s.n && s.p[0] == '-';
    if (s.n && (s.p[0] == '-' || s.p[0] == '+')) s = str_from(s, 1);
    int base = 10;
    if (s.n > 2 && s.p[0] == '0' && memchr("xob", str_lower(s.p[1]), 3)) {
        base = str_lower(s.p[1]) == 'x' ? 16 : str_lower(s.p[1]) == 'o' ? 8 : 2;
        s = str_from(s, 2);
    } else if (s.n > 1 && s.p[0] == '0') {
        base = 8;
    }
    if (s.n == 0 || s.p[0] == '_') return false;
    int64_t v = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '_') continue;
        int d = num_hex(s.p[i]);
        if (d < 0 || d >= base) return false;
        if (__builtin_mul_overflow(v, base, &v) || __builtin_sub_overflow(v, d, &v)) return false;
    }
    if (!negative && __builtin_sub_overflow(0, v, &v)) return false;
    *ret = v;
    return true;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool is_float(str s) {
    size_t i = 0, digits = 0;
    if (s.n && (s.p[0] == '-' || s.p[0] == '+')) i++;
    for (; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++) digits++;
    if (i < s.n && s.p[i] == '.')
        for (i++; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++) digits++;
    if (digits == 0) return false;
    if (i == s.n) return true;
    if (str_lower(s.p[i++]) != 'e') return false;
    if (i < s.n && (s.p[i] == '-' || s.p[i] == '+')) i++;
    if (i == s.n) return false;
    for (; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9') return false;
    return true;
}

enum yaml_meaning yaml_meaning(const struct node *n) {
    if (n->kind == NODE_NULL) return YAML_IS_NULL;
    if (n->quoted) return YAML_IS_STRING;
    str s = n->scalar;
    int64_t ignored;
    bool truth;
    if (is_one_of(s, nulls)) return YAML_IS_NULL;
    if (s.n <= 5 && yaml_bool(n, &truth)) return YAML_IS_BOOL;
    bool numeric = (s.p[0] >= '0' && s.p[0] <= '9') || memchr("+-.", s.p[0], 3);
    if (!numeric) return YAML_IS_STRING;
    if (parse_int(s, &ignored)) return YAML_IS_INT;
    return is_float(s) || is_one_of(s, not_finite) ? YAML_IS_FLOAT : YAML_IS_STRING;
}

bool yaml_int(const struct node *n, int64_t *ret) {
    if (n->kind != NODE_SCALAR || n->quoted) return false;
    if (parse_int(n->scalar, ret)) return true;
    char z[64];
    if (n->scalar.n >= sizeof z || !is_float(n->scalar)) return false;
    memcpy(z, n->scalar.p, n->scalar.n);
    z[n->scalar.n] = 0;
    double d = strtod(z, NULL);
    if (!(d >= -9007199254740992.0 && d <= 9007199254740992.0) || d != (double)(int64_t)d) return false;
    *ret = (int64_t)d;
    return true;
}
