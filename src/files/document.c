/* SPDX-License-Identifier: Apache-2.0 */
#include "files/document.h"

#include "text/yaml.h"

/* A place of a new document where no good object came about; it may keep that of the document before. */
struct broken {
    struct broken *next;
    struct document *doc;
    uint32_t index;     /* of the item */
    enum api_kind kind; /* NONE: it can not be read which object it is */
    str ns, name;       /* name: "" when it can not be read */
};
struct update {
    struct document_file *file;
    struct window *window;
    struct claims *claims;
    struct arena *scratch, *kept; /* of one document, of the update */
    struct broken *broken;
    uint32_t decoded;
};

struct document_finding {
    struct document_finding *next;
    enum finding_class class;
    uint32_t line, column; /* line: 0 = not known, else 1 + distance from the document's first */
    str kind, ns, name, path, message, remedy;
    bool kept; /* the object before stays in force */
};

static str put_str(char **at, str s) {
    if (!s.p) return s;
    char *p = *at;
    if (s.n) memcpy(p, s.p, s.n);
    *at += s.n;
    return (str){p, s.n};
}

static struct document_finding *keep_finding(const struct finding *f, const struct document *d) {
    size_t bytes = f->kind.n + f->ns.n + f->name.n + f->path.n + f->message.n + f->remedy.n;
    struct document_finding *k = base_zalloc(sizeof *k + bytes);
    char *at = (char *)(k + 1);
    k->class = f->class;
    k->line = f->line >= d->line ? f->line - d->line + 1 : 0;
    k->column = f->column;
    k->kind = put_str(&at, f->kind), k->ns = put_str(&at, f->ns), k->name = put_str(&at, f->name);
    k->path = put_str(&at, f->path), k->message = put_str(&at, f->message);
    k->remedy = put_str(&at, f->remedy);
    return k;
}

static void free_items(struct document *d) {
    if (d->items != &d->one) free(d->items);
    d->items = NULL;
}

static void free_findings(struct document *d) {
    for (struct document_finding *k = d->findings, *next; k; k = next) {
        next = k->next;
        free(k);
    }
    d->findings = NULL;
}

static void free_document(struct document *d, struct claims *c) {
    for (uint32_t i = 0; i < d->items_n; i++) claim_leave(c, &d->items[i]);
    free_findings(d);
    free_items(d);
    free(d->item_lines);
    free(d);
}

uint32_t document_item_line(const struct document *d, uint32_t item) {
    return d->line + (d->item_lines ? d->item_lines[item] : d->object_line);
}

/* As far as the node tells which object it is. */
static void identify(struct arena *a, const struct node *n, struct broken *b) {
    str version = node_get_str(n, S("apiVersion")), kind = node_get_str(n, S("kind"));
    const struct node *meta = node_get(n, S("metadata"));
    bool has_meta = meta && meta->kind == NODE_MAP;
    str name = has_meta ? node_get_str(meta, S("name")) : S("");
    str ns = has_meta ? node_get_str(meta, S("namespace")) : S("");
    if (name.p) b->name = arena_str(a, name);
    size_t slash = version.p ? str_find(version, '/') : 0;
    str group = version.p && slash < version.n ? str_upto(version, slash) : S("");
    const struct api_type *t = version.p && kind.p && name.n ? api_type_find(group, kind) : NULL;
    if (!t) return;
    b->kind = t->kind;
    b->ns = !t->namespaced ? S("") : ns.n ? arena_str(a, ns) : S("default");
}

static void note_broken(struct update *u, struct document *d, uint32_t index, const struct node *n) {
    struct broken *b = arena_make(u->kept, struct broken);
    *b = (struct broken){.next = u->broken, .doc = d, .index = index, .name = S("")};
    if (n && n->kind == NODE_MAP) identify(u->kept, n, b);
    u->broken = b;
}

/* The object that the node describes, or NULL with findings: as much of it as who wrote it may say. */
static struct parcel *decode_object(struct update *u, struct arena *a, struct node *n, struct findings *f) {
    const struct tenant *t = u->file->tenant;
    struct object *o = NULL;
    if (t && !tenant_admit(a, t, n, f)) return NULL;
    if (api_decode(a, n, u->file->path, f, &o) != OK) return NULL;
    o->meta.generation = 0; /* the store counts; a cluster's count, as exported, would stand still */
    if (t) tenant_limit(t, n, o, f);
    struct parcel *p = parcel_new(o, u->file->source);
    api_free(o);
    return p;
}

static void give_item(struct update *u, struct document *d, uint32_t index, struct parcel *p) {
    struct claim_item *it = &d->items[index];
    it->doc = d, it->index = index;
    if (p) claim_take(u->claims, it, p);
}

static void decode_item(struct update *u, struct document *d, uint32_t index, struct node *n,
                        struct findings *f) {
    struct parcel *p = decode_object(u, u->scratch, n, f);
    give_item(u, d, index, p);
    if (!p) note_broken(u, d, index, n);
}

static void give_items(struct document *d, uint32_t n) {
    d->items_n = n;
    d->items = n > 1 ? base_zalloc(n * sizeof *d->items) : n ? &d->one : NULL;
    d->one = (struct claim_item){0};
}

/* `kind: List`, or one of a kind's own lists, as `kubectl get -o yaml` writes them. */
static bool is_list(const struct node *n) {
    if (n->kind != NODE_MAP) return false;
    str kind = node_get_str(n, S("kind"));
    const struct node *items = node_get(n, S("items"));
    return str_eq(kind, S("List")) ||
           (kind.p && str_ends(kind, S("List")) && items && items->kind == NODE_SEQ);
}

static void decode_list(struct update *u, struct document *d, const struct node *n, struct findings *f) {
    const struct node *items = node_get(n, S("items"));
    if (!items || items->kind == NODE_NULL) return;
    if (items->kind != NODE_SEQ) {
        finding_add(f, FINDING_SCHEMA, items->line, items->column, S("items"), S("write one object an entry"),
                    "must be a list");
        note_broken(u, d, 0, NULL);
        give_items(d, 1);
        return;
    }
    give_items(d, items->n);
    d->item_lines = items->n ? base_zalloc(items->n * sizeof *d->item_lines) : NULL;
    uint32_t i = 0;
    for (struct node *item = items->child; item; item = item->next, i++) {
        d->item_lines[i] = item->line >= d->line ? item->line - d->line : 0;
        decode_item(u, d, i, item, f);
    }
}

/* A list past the size of a document, whose items are decoded as they are read; they count once the whole is known to be a list. */
struct long_list {
    struct update *u;
    struct document *d;
    struct findings *f;
    struct arena *one; /* of one item */
    struct long_item {
        struct parcel *p;
        uint32_t line;
    } * items;
    uint32_t n, cap;
};

static void on_item(void *arg, struct node *n) {
    struct long_list *l = arg;
    arena_reset(l->one);
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 1024;
        l->items = base_realloc(l->items, l->cap * sizeof *l->items);
    }
    struct parcel *p = decode_object(l->u, l->one, n, l->f);
    l->items[l->n] = (struct long_item){p, n->line >= l->d->line ? n->line - l->d->line : 0};
    if (!p) note_broken(l->u, l->d, l->n, n);
    l->n++;
}

static void take_long_items(struct long_list *l) {
    give_items(l->d, l->n);
    l->d->item_lines = l->n ? base_zalloc(l->n * sizeof *l->d->item_lines) : NULL;
    for (uint32_t i = 0; i < l->n; i++) {
        l->d->item_lines[i] = l->items[i].line;
        give_item(l->u, l->d, i, TAKE(l->items[i].p));
    }
}

/* What went wrong with a document as one, gone past its bounds. */
struct wrong {
    str why;
    uint32_t line, column;
};

/* false: it is no list, or a broken one, as *w tells. */
static bool decode_long(struct update *u, struct document *d, str text, struct findings *f, struct wrong *w) {
    OWNED(arena) one = arena_new();
    struct long_list l = {.u = u, .d = d, .f = f, .one = one};
    struct broken *broken = u->broken;
    struct findings before = *f;
    struct wrong of_list;
    struct node *rest = NULL;
    err e = yaml_parse_items(u->scratch, text, d->line, on_item, &l, &rest, &of_list.why, &of_list.line,
                             &of_list.column);
    bool list = e == OK && rest && is_list(rest);
    if (list) {
        take_long_items(&l);
    } else {
        u->broken = broken;
        *f = before;
        *f->last = NULL;
        if (e != OK && l.n) *w = of_list;
        for (uint32_t i = 0; i < l.n; i++) parcel_free(l.items[i].p);
    }
    free(l.items);
    return list;
}

static void decode_text(struct update *u, struct document *d, str text, struct findings *f) {
    struct node *n = NULL;
    struct wrong w;
    err e = yaml_parse(u->scratch, text, d->line, &n, &w.why, &w.line, &w.column);
    if (e == ERR_LIMIT && decode_long(u, d, text, f, &w)) return;
    if (e != OK) {
        finding_add(f, FINDING_SCHEMA, w.line, w.column, S(""), (str){0}, STR_FMT, STR_ARG(w.why));
        give_items(d, 1);
        note_broken(u, d, 0, NULL);
    } else if (n && is_list(n)) {
        decode_list(u, d, n, f);
    } else if (n) {
        give_items(d, 1);
        d->object_line = n->line >= d->line ? n->line - d->line : 0;
        decode_item(u, d, 0, n, f);
    }
}

/* A file is written while it is read: what is told of it next has it as it will be. */
static void miss_text(struct update *u, struct document *d, struct findings *f) {
    finding_add(f, FINDING_SCHEMA, d->line, 1, S(""),
                S("replace files by a rename, so that nobody sees half of one"), "changed while it was read");
    give_items(d, 1);
    note_broken(u, d, 0, NULL);
    u->file->again = true;
}

/* The i-th of the cut. */
static void decode(struct update *u, struct document *d, struct cut *c, uint32_t i) {
    arena_reset(u->scratch);
    struct findings f;
    finding_init(&f, u->scratch);
    f.file = u->file->path;
    u->decoded++;
    str text;
    if (cut_read(c, i, u->window, &text)) {
        decode_text(u, d, text, &f);
    } else {
        miss_text(u, d, &f);
        c->marks[i].hash = 0;
    }
    struct document_finding **last = &d->findings;
    for (const struct finding *k = f.first; k; k = k->next) {
        *last = keep_finding(k, d);
        last = &(*last)->next;
    }
}

/* How many documents at the beginning and at the end are the old ones in their order. */
struct stretch {
    uint32_t head, tail;
};

static str hash_key(const struct cut_mark *m) { return (str){(const char *)&m->hash, sizeof m->hash}; }

/* docs[i] becomes the old document that says the same as the i-th of the cut, or stays NULL. What stands before and after a change is found by
 * place, the rest by hash. */
static struct stretch carry(const struct document_file *f, const struct cut *c, struct document **docs) {
    const struct cut_mark *old = f->marks, *now = c->marks;
    uint32_t head = 0, tail = 0, n = c->n;
    for (; head < n && head < f->n && cut_is_same(&old[head], &now[head]); head++) docs[head] = f->docs[head];
    while (tail < n - head && tail < f->n - head && cut_is_same(&old[f->n - 1 - tail], &now[n - 1 - tail])) {
        docs[n - 1 - tail] = f->docs[f->n - 1 - tail];
        tail++;
    }
    struct map by_hash;
    map_init(&by_hash);
    for (uint32_t i = f->n - tail; i-- > head;) {
        f->docs[i]->leaving = true;
        map_put(&by_hash, hash_key(&old[i]), f->docs[i]);
    }
    for (uint32_t i = head; by_hash.n && i < n - tail; i++) {
        struct document *d = map_get(&by_hash, hash_key(&now[i]));
        if (!d || !cut_is_same(&old[d->index], &now[i])) continue;
        map_take(&by_hash, hash_key(&now[i]));
        d->leaving = false;
        docs[i] = d;
    }
    map_fini(&by_hash);
    return (struct stretch){head, tail};
}

/* The item of a document that is leaving this file and defined the key; NULL when there is none or when a good document took it over. */
static struct claim_item *leaving_item(const struct update *u, const struct claim *m) {
    struct claim_item *found = NULL;
    if (!m) return NULL;
    for (struct claim_item *it = m->first; it; it = claim_next(it)) {
        if (it->doc->file != u->file) continue;
        if (!it->doc->leaving) return NULL;
        if (!found) found = it;
    }
    return found;
}

/* Who the broken place was: by name when it can be read, else by place. A readable name at the same place must be the same. */
static struct claim_item *before_broken(const struct update *u, const struct broken *b) {
    const struct document_file *f = u->file;
    if (b->kind) return leaving_item(u, claim_find(u->claims, b->kind, b->ns, b->name));
    uint32_t at = b->doc->index;
    if (at >= f->n || !f->docs[at]->leaving || b->index >= f->docs[at]->items_n) return NULL;
    struct claim_item *it = &f->docs[at]->items[b->index];
    if (!it->claim || (b->name.n && !str_eq(b->name, claim_name(it->claim)))) return NULL;
    return leaving_item(u, it->claim) == it ? it : NULL;
}

static void inherit_item(struct update *u, struct document *d, uint32_t index, struct claim_item *from) {
    struct claim_item *to = &d->items[index];
    to->doc = d, to->index = index;
    if (!from->claim || leaving_item(u, from->claim) != from) return;
    claim_move(u->claims, from, to);
    to->kept = true;
}

/* A whole document that can not be parsed takes over all of a list. */
static void inherit_list(struct update *u, struct document *d, struct document *was) {
    free_items(d);
    give_items(d, was->items_n);
    for (uint32_t i = 0; i < was->items_n; i++) inherit_item(u, d, i, &was->items[i]);
    if (was->item_lines) d->item_lines = base_zalloc(d->items_n * sizeof *d->item_lines);
}

/* Each broken place takes over what its document before defined. */
static void inherit(struct update *u) {
    for (struct broken *b = u->broken; b; b = b->next) {
        struct document *d = b->doc;
        struct claim_item *it = before_broken(u, b);
        if (!it) continue;
        bool nameless = !b->kind && !b->name.n;
        if (nameless && d->items_n == 1 && it->doc->items_n > 1)
            inherit_list(u, d, it->doc);
        else
            inherit_item(u, d, b->index, it);
        if (d->findings) d->findings->kept = true;
    }
}

/* The new documents of the middle are decoded, the old ones that are not among them leave. */
static void replace_middle(struct update *u, struct cut *c, struct document **docs,
                           const struct stretch *same) {
    struct document_file *f = u->file;
    uint32_t to = c->n - same->tail;
    for (uint32_t i = same->head; i < to; i++) {
        if (docs[i]) continue;
        docs[i] = base_zalloc(sizeof *docs[i]);
        *docs[i] = (struct document){.file = f, .line = c->marks[i].line, .index = i};
        decode(u, docs[i], c, i);
        f->findings_n += docs[i]->findings != NULL;
    }
    inherit(u);
    for (uint32_t i = same->head; i < f->n - same->tail; i++) {
        if (!f->docs[i]->leaving) continue;
        f->findings_n -= f->docs[i]->findings != NULL;
        free_document(f->docs[i], u->claims);
    }
}

/* The marks behind the documents, in one block. */
static struct cut_mark *keep_marks(struct document ***docs, struct cut *c) {
    size_t pointers = c->n * sizeof **docs, marks = c->n * sizeof *c->marks;
    *docs = base_realloc(*docs, pointers + marks + !c->n);
    struct cut_mark *to = (struct cut_mark *)(void *)(*docs + c->n);
    if (marks) memcpy(to, c->marks, marks);
    free(TAKE(c->marks));
    return to;
}

const char *document_update(struct document_file *f, struct window *w, struct claims *claims,
                            struct arena *scratch, uint32_t *decoded) {
    struct cut c = cut_text(w);
    if (c.trouble) {
        free(c.marks);
        free(c.places);
        return c.trouble;
    }
    OWNED(arena) kept = arena_new();
    struct update u = {.file = f, .window = w, .claims = claims, .scratch = scratch, .kept = kept};
    struct document **docs = base_zalloc((c.n + 1) * sizeof(struct document *));
    struct stretch same = carry(f, &c, docs);
    replace_middle(&u, &c, docs, &same);
    bool moved = same.tail && (c.n != f->n || c.marks[c.n - 1].line != f->marks[f->n - 1].line);
    for (uint32_t i = same.head; i < (moved ? c.n : c.n - same.tail); i++)
        docs[i]->index = i, docs[i]->line = c.marks[i].line;
    free(c.places);
    free(f->docs);
    f->docs = docs, f->n = c.n;
    f->marks = keep_marks(&f->docs, &c);
    *decoded += u.decoded;
    return NULL;
}

void document_file_init(struct document_file *f, str path, enum document_rank rank) {
    *f = (struct document_file){.source = parcel_source_new(path), .rank = (uint8_t)rank};
    f->path = (str){f->source->path, f->source->n};
}

void document_file_fini(struct document_file *f) {
    assert(!f->n);
    free(f->trouble);
    parcel_source_release(f->source);
}

void document_decode_again(struct document *d) { d->file->marks[d->index].hash = 0; }

void document_hush(struct document_file *f) {
    for (uint32_t i = 0; f->findings_n && i < f->n; i++) free_findings(f->docs[i]);
    f->findings_n = 0;
}

void document_clear(struct document_file *f, struct claims *c) {
    for (uint32_t i = 0; i < f->n; i++) free_document(f->docs[i], c);
    free(f->docs);
    f->docs = NULL, f->marks = NULL, f->n = 0, f->findings_n = 0;
}

void document_report(const struct document_file *f, struct findings *out) {
    out->file = f->path;
    for (uint32_t i = 0; f->findings_n && i < f->n; i++) {
        const struct document *d = f->docs[i];
        for (const struct document_finding *k = d->findings; k; k = k->next) {
            out->kind = k->kind, out->ns = k->ns, out->name = k->name;
            finding_add(out, k->class, k->line ? d->line + k->line - 1 : 0, k->column, k->path, k->remedy,
                        STR_FMT "%s", STR_ARG(k->message),
                        k->kept ? " (what it said before stays in force)" : "");
        }
    }
    out->kind = out->ns = out->name = (str){0};
}
