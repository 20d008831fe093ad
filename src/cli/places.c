/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/places.h"

#include "text/yaml.h"

enum { FILE_BYTES_MAX = 256 << 20, PIECE_OF_FILE = 1 << 16 };

/* The document that was looked at last: problems come in the order of their places. */
struct reader {
    struct arena *arena;
    struct buf text;
    str file, rest;
    uint32_t next_line; /* of rest */
    uint32_t line;      /* of the document; 0: none */
    struct node *doc;
};

static void read_file(struct reader *r, str file) {
    char *path = str_dup(file);
    FILE *f = fopen(path, "re");
    free(path);
    buf_clear(&r->text);
    while (f && buf_reserve(&r->text, PIECE_OF_FILE) == OK) {
        size_t n = fread(r->text.p + r->text.n, 1, PIECE_OF_FILE, f);
        if (!n) break;
        r->text.n += n;
    }
    if (f) fclose(f);
    r->file = file, r->rest = buf_str(&r->text), r->next_line = 1, r->line = 0;
}

/* The document that the line is in. */
static const struct node *document_of(struct reader *r, str file, uint32_t line) {
    if (!r->file.p || !str_eq(r->file, file)) read_file(r, file);
    str rest = r->rest, document, last = {0};
    uint32_t next = r->next_line, at, last_at = 0;
    while (yaml_next_document(&rest, &next, &document, &at) && at <= line) {
        last = document, last_at = at;
        r->rest = rest, r->next_line = next;
    }
    if (!last_at) return r->line && r->line <= line ? r->doc : NULL;
    str message;
    uint32_t wrong_line, wrong_column;
    arena_reset(r->arena);
    r->line = last_at, r->doc = NULL;
    if (yaml_parse(r->arena, last, last_at, &r->doc, &message, &wrong_line, &wrong_column) != OK)
        r->doc = NULL;
    return r->doc;
}

static bool is_object(const struct node *n, const struct problem *p) {
    const struct node *meta = node_get(n, S("metadata"));
    if (!meta || meta->kind != NODE_MAP) return false;
    str ns = node_get_str(meta, S("namespace"));
    return str_eq(node_get_str(n, S("kind")), p->kind) && str_eq(node_get_str(meta, S("name")), p->name) &&
           (!ns.n || str_eq(ns, p->ns));
}

static const struct node *object_in(const struct node *doc, const struct problem *p) {
    if (!doc || doc->kind != NODE_MAP) return NULL;
    if (is_object(doc, p)) return doc;
    const struct node *items = node_get(doc, S("items"));
    for (const struct node *n = items ? items->child : NULL; n; n = n->next)
        if (n->kind == NODE_MAP && is_object(n, p)) return n;
    return NULL;
}

/* One step of a path: "name" or "[3]"; cut off *path. */
static const struct node *step(const struct node *n, str *path) {
    size_t end = 0;
    if (str_starts(*path, S("["))) {
        uint32_t index = 0;
        for (end = 1; end < path->n && path->p[end] >= '0' && path->p[end] <= '9' && index < 100000; end++)
            index = index * 10 + (uint32_t)(path->p[end] - '0');
        const struct node *c = n->kind == NODE_SEQ ? n->child : NULL;
        while (c && index--) c = c->next;
        *path = str_from(*path, end + 1);
        return c;
    }
    while (end < path->n && path->p[end] != '.' && path->p[end] != '[') end++;
    str name = str_upto(*path, end);
    *path = str_from(*path, end);
    return n->kind == NODE_MAP ? node_get(n, name) : NULL;
}

/* As deep as the path leads. */
static const struct node *walk(const struct node *n, str path) {
    while (path.n) {
        if (path.p[0] == '.') path = str_from(path, 1);
        const struct node *next = step(n, &path);
        if (!next) break;
        n = next;
    }
    return n;
}

static const struct node *listener_of(const struct node *object, str name) {
    const struct node *list = walk(object, S("spec.listeners"));
    for (const struct node *n = list->kind == NODE_SEQ ? list->child : NULL; n; n = n->next)
        if (n->kind == NODE_MAP && str_eq(node_get_str(n, S("name")), name)) return n;
    return NULL;
}

/* Of "parent NAME...: " the first reference to NAME. */
static const struct node *parent_of(const struct node *object, str words) {
    const struct node *list = walk(object, S("spec.parentRefs"));
    str kind = S("");
    if (str_starts(words, S("ListenerSet "))) kind = S("ListenerSet"), words = str_from(words, kind.n + 1);
    size_t end = 0;
    while (end < words.n && !strchr("/:", words.p[end])) end++;
    for (const struct node *n = list->kind == NODE_SEQ ? list->child : NULL; n; n = n->next)
        if (n->kind == NODE_MAP && str_eq(node_get_str(n, S("name")), str_upto(words, end)) &&
            (!kind.n || str_eq(node_get_str(n, S("kind")), kind)))
            return n;
    return NULL;
}

/* What stands before ": " and looks like a path. */
static str path_of(str words) {
    size_t n = 0;
    while (n < words.n &&
           (str_find(S(".[]"), words.p[n]) < 3 || (words.p[n] >= 'a' && words.p[n] <= 'z') ||
            (words.p[n] >= 'A' && words.p[n] <= 'Z') || (words.p[n] >= '0' && words.p[n] <= '9')))
        n++;
    return n == words.n || str_starts(str_from(words, n), S(":")) ? str_upto(words, n) : S("");
}

static const struct node *field_of(const struct node *object, const struct problem *p) {
    str where = path_of(p->where), told = path_of(p->message), rest = p->where;
    if (str_starts(where, S("spec."))) return walk(object, where);
    if (str_starts(told, S("spec."))) return walk(object, told);
    if (str_starts(rest, S("parent "))) return parent_of(object, str_from(rest, sizeof "parent " - 1));
    if (!str_starts(rest, S("listener "))) return NULL;
    rest = str_from(rest, sizeof "listener " - 1);
    const struct node *listener = listener_of(object, str_upto(rest, str_find(rest, ':')));
    return listener ? walk(listener, told) : NULL;
}

void places_find(struct problem *p, size_t n) {
    OWNED(arena) a = arena_new();
    struct reader r = {.arena = a};
    buf_init(&r.text, FILE_BYTES_MAX);
    for (size_t i = 0; i < n; i++) {
        if (p[i].column || !p[i].line || !p[i].file.n) continue;
        const struct node *object = object_in(document_of(&r, p[i].file, p[i].line), &p[i]);
        const struct node *field = object ? field_of(object, &p[i]) : NULL;
        if (!field || field == object || !field->line) continue;
        p[i].line = field->line, p[i].column = field->column;
    }
    buf_fini(&r.text);
}
