/* SPDX-License-Identifier: Apache-2.0 */
#include "files/holdover.h"

#include "base/hash.h"
#include "base/num.h"

enum { NAME_BYTES_MAX = 16 << 10 };
#define WORD_FILE "file"
#define WORD_PAIR "pair"

static bool is_kept(const struct claim_item *it, bool whole) { return it->claim && (whole || it->kept); }

static bool keeps(const struct document *d, bool whole) {
    if (!whole && !d->findings) return false;
    for (uint32_t i = 0; i < d->items_n; i++)
        if (is_kept(&d->items[i], whole)) return true;
    return false;
}

bool holdover_any(const struct document_file *f, bool whole) {
    if (!whole && !f->findings_n) return false;
    for (uint32_t i = 0; i < f->n; i++)
        if (keeps(f->docs[i], whole)) return true;
    return false;
}

uint64_t holdover_sign(const struct document_file *f, bool whole) {
    uint64_t h = hash_join(hash_str(f->path), whole);
    for (uint32_t i = 0; i < f->n; i++)
        if (keeps(f->docs[i], whole)) h = hash_join(hash_join(h, i), f->marks[i].hash);
    return h;
}

/* ---- out ---- */

/* The store has it when it is this one that counts; else it is with the claim, or was not kept. */
static void put_item(struct buf *b, const struct claim_item *it, const struct store *s, struct arena *a) {
    const struct claim *m = it->claim;
    const struct object *o = it->spare         ? parcel_open(a, it->spare)
                             : it != m->winner ? NULL
                                               : store_get(s, a, m->kind, claim_ns(m), claim_name(m));
    if (o)
        schema_json(b, api_type_of(o->kind)->schema, o, false, true);
    else
        buf_add(b, S("null"));
    arena_reset(a);
}

static void put_document(struct buf *b, const struct document *d, bool whole, const struct store *s,
                         struct arena *a) {
    bool list = d->items_n > 1 || d->item_lines;
    if (list) buf_add(b, S("{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":["));
    for (uint32_t i = 0; i < d->items_n; i++) {
        if (i) buf_add_char(b, ',');
        if (is_kept(&d->items[i], whole))
            put_item(b, &d->items[i], s, a);
        else
            buf_add(b, S("null"));
    }
    buf_add(b, list ? S("]}\n") : S("\n"));
}

static void put_documents(struct buf *b, const struct document_file *f, bool whole, const struct store *s) {
    OWNED(arena) a = arena_new();
    for (uint32_t i = 0, put = 0; i < f->n; i++) {
        if (!keeps(f->docs[i], whole)) continue;
        for (; put < i; put++) buf_add(b, S("---\nnull\n"));
        buf_add(b, S("---\n"));
        put_document(b, f->docs[i], whole, s, a);
        put++;
    }
}

void holdover_put(struct buf *b, str name, bool pair, const struct document_file *f, bool whole,
                  const struct store *s) {
    struct buf text;
    buf_init(&text, b->max);
    put_documents(&text, f, whole, s);
    buf_printf(b, "%s %zu %zu\n" STR_FMT, pair ? WORD_PAIR : WORD_FILE, name.n, text.n, STR_ARG(name));
    buf_add(b, buf_str(&text));
    b->overflow |= text.overflow;
    buf_fini(&text);
}

/* ---- in ---- */

static str take(str *rest, size_t n) {
    str s = str_upto(*rest, n);
    *rest = str_from(*rest, n);
    return s;
}

err holdover_next(str *rest, struct holdover_record *ret) {
    if (!rest->n) return ERR_END;
    str text = *rest;
    size_t end = str_find(text, '\n');
    if (end == text.n) return ERR_PROTO;
    str row = take(&text, end);
    take(&text, 1);
    str word = str_cut(&row, ' '), name_n = str_cut(&row, ' ');
    uint64_t names = 0, bytes = 0;
    bool pair = str_eq(word, S(WORD_PAIR));
    if ((!pair && !str_eq(word, S(WORD_FILE))) || !row.p) return ERR_PROTO;
    if (num_parse(name_n, NAME_BYTES_MAX, &names) != OK || num_parse(row, text.n, &bytes) != OK)
        return ERR_PROTO;
    if (!names || names + bytes > text.n) return ERR_PROTO;
    str name = take(&text, names);
    if (memchr(name.p, 0, name.n)) return ERR_PROTO;
    *ret = (struct holdover_record){pair, name, take(&text, bytes)};
    *rest = text;
    return OK;
}

void holdover_take(struct document_file *f, str text, struct claims *c, struct arena *scratch) {
    uint32_t decoded = 0;
    struct window w = window_of_text(text);
    const char *why = document_update(f, &w, c, scratch, &decoded);
    assert(!why); /* it is all there */
    document_hush(f);
}
