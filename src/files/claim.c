/* SPDX-License-Identifier: Apache-2.0 */
#include "files/claim.h"

#include "files/document.h"

enum { KEY_BYTES_MAX = 2 * PARCEL_NAME_BYTES_MAX + 2, DIRTY_KEPT_MAX = 4096 };

static str key_of(char *space, enum api_kind kind, str ns, str name) {
    if (ns.n > PARCEL_NAME_BYTES_MAX || name.n > PARCEL_NAME_BYTES_MAX) return (str){0};
    space[0] = (char)kind;
    if (ns.n) memcpy(space + 1, ns.p, ns.n);
    space[1 + ns.n] = '/';
    if (name.n) memcpy(space + 2 + ns.n, name.p, name.n);
    return (str){space, 2 + ns.n + name.n};
}

static str claim_key(const void *value) {
    const struct claim *m = value;
    return (str){m->key, 2u + m->ns_n + m->name_n};
}

str claim_ns(const struct claim *m) { return (str){m->key + 1, m->ns_n}; }
str claim_name(const struct claim *m) { return (str){m->key + 2 + m->ns_n, m->name_n}; }

void claim_init(struct claims *c) { *c = (struct claims){.by_key.key = claim_key}; }

static void free_claim(struct claims *c, struct claim *m) {
    index_take(&c->by_key, claim_key(m));
    free(m);
}

void claim_fini(struct claims *c) {
    for (uint32_t i = 0; i < c->dirty_n; i++) {
        assert(!c->dirty[i]->first);
        free_claim(c, c->dirty[i]);
    }
    assert(c->by_key.n == 0);
    index_fini(&c->by_key);
    free(c->dirty);
}

struct claim *claim_find(const struct claims *c, enum api_kind kind, str ns, str name) {
    char space[KEY_BYTES_MAX];
    str key = key_of(space, kind, ns, name);
    return key.p ? index_get(&c->by_key, key) : NULL;
}

struct claim_item *claim_next(const struct claim_item *it) {
    struct claim_item *next = container_of(it->link.next, struct claim_item, link);
    return next == it->claim->first ? NULL : next;
}

static struct claim *claim_of(struct claims *c, const struct parcel *p) {
    char space[KEY_BYTES_MAX];
    str key = key_of(space, p->kind, parcel_ns(p), parcel_name(p));
    struct claim *m = index_get(&c->by_key, key);
    if (m) return m;
    m = base_zalloc(sizeof *m + key.n);
    m->kind = p->kind, m->ns_n = p->ns_n, m->name_n = p->name_n;
    memcpy(m->key, key.p, key.n);
    index_put(&c->by_key, m);
    return m;
}

static void touch(struct claims *c, struct claim *m) {
    if (m->dirty) return;
    m->dirty = true;
    if (c->dirty_n == c->dirty_cap) {
        c->dirty_cap = c->dirty_cap ? c->dirty_cap * 2 : 16;
        c->dirty = base_realloc(c->dirty, c->dirty_cap * sizeof *c->dirty);
    }
    c->dirty[c->dirty_n++] = m;
}

static bool is_contested(const struct claim *m) { return m->first && claim_next(m->first); }

/* Puts the item into the claim's ring: as its first, or behind all others. */
static void join(struct claims *c, struct claim *m, struct claim_item *it, bool first) {
    bool before = is_contested(m);
    it->claim = m;
    if (m->first)
        link_append(&m->first->link, &it->link);
    else
        link_init(&it->link);
    if (first || !m->first) m->first = it;
    c->contested += is_contested(m) && !before;
}

static void part(struct claims *c, struct claim_item *it) {
    struct claim *m = it->claim;
    bool before = is_contested(m);
    if (m->first == it) m->first = claim_next(it);
    link_remove(&it->link);
    it->claim = NULL;
    c->contested -= before && !is_contested(m);
}

void claim_take(struct claims *c, struct claim_item *it, struct parcel *p) {
    assert(!it->claim && !it->spare);
    it->spare = p;
    join(c, claim_of(c, p), it, false);
    touch(c, it->claim);
}

void claim_leave(struct claims *c, struct claim_item *it) {
    struct claim *m = it->claim;
    if (!m) return;
    part(c, it);
    parcel_free(TAKE(it->spare));
    if (m->winner == it) m->winner = NULL;
    touch(c, m);
}

void claim_move(struct claims *c, struct claim_item *from, struct claim_item *to) {
    struct claim *m = from->claim;
    assert(m && !to->claim);
    part(c, from);
    to->spare = TAKE(from->spare);
    join(c, m, to, true); /* where the next to ask for it meets it first */
    if (m->winner == from) m->winner = to;
    touch(c, m);
    c->moves++;
}

static bool is_before(const struct claim_item *a, const struct claim_item *b) {
    if (a->doc->file->rank != b->doc->file->rank) return a->doc->file->rank < b->doc->file->rank;
    int by_path = str_cmp(a->doc->file->path, b->doc->file->path);
    if (by_path) return by_path < 0;
    if (a->doc->index != b->doc->index) return a->doc->index < b->doc->index;
    return a->index < b->index;
}

static struct claim_item *first_of(const struct claim *m) {
    struct claim_item *best = m->first;
    for (struct claim_item *it = best; it; it = claim_next(it))
        if (is_before(it, best)) best = it;
    return best;
}

static bool settle(struct claims *c, struct claim *m, struct store *s,
                   void (*again)(void *arg, struct document *d), void *arg) {
    struct claim_item *best = first_of(m);
    bool changed = false;
    if (!best) {
        changed = store_remove(s, m->kind, claim_ns(m), claim_name(m));
        free_claim(c, m);
    } else if (best->spare) {
        m->winner = best;
        changed = store_put_parcel(s, TAKE(best->spare));
    } else if (best != m->winner) {
        again(arg, best->doc);
    }
    return changed;
}

uint32_t claim_settle(struct claims *c, struct store *s, void (*again)(void *arg, struct document *d),
                      void *arg) {
    uint32_t changed = 0;
    for (uint32_t i = 0; i < c->dirty_n; i++) {
        c->dirty[i]->dirty = false;
        changed += settle(c, c->dirty[i], s, again, arg);
    }
    c->dirty_n = 0;
    if (c->dirty_cap > DIRTY_KEPT_MAX) {
        free(TAKE(c->dirty));
        c->dirty_cap = 0;
    }
    return changed;
}

/* Where the other definition is, is told to who may read it: not to a tenant, but of its own folders. */
static bool may_know(const struct document *d, const struct document *b) {
    const struct tenant *t = d->file->tenant, *of = b->file->tenant;
    return !t || (of && strcmp(t->ns, of->ns) == 0);
}

static void report_one(const struct claim *m, const struct claim_item *loser, const struct claim_item *best,
                       struct findings *f) {
    const struct document *d = loser->doc, *b = best->doc;
    f->file = d->file->path;
    f->kind = str_of(api_type_of(m->kind)->name), f->ns = claim_ns(m), f->name = claim_name(m);
    uint32_t line = document_item_line(d, loser->index);
    if (!may_know(d, b))
        finding_add(f, FINDING_MEANING, line, 1, S("metadata.name"), S("give it another name"),
                    "exists already from outside this folder, and stays as it is there");
    else if (b->file->rank == DOCUMENT_PAIR)
        finding_add(f, FINDING_MEANING, line, 1, S(""), S("remove one of the two; until then --tls counts"),
                    "is given already by --tls, from " STR_FMT, STR_ARG(b->file->path));
    else
        finding_add(f, FINDING_MEANING, line, 1, S(""),
                    S("remove one of the two; until then the first in order of path counts"),
                    "is defined already at " STR_FMT ":%u", STR_ARG(b->file->path),
                    document_item_line(b, best->index));
}

static int by_key(const void *a, const void *b) {
    return str_cmp(claim_key(*(const struct claim *const *)a), claim_key(*(const struct claim *const *)b));
}

void claim_report(const struct claims *c, struct findings *f) {
    if (!c->contested) return;
    const struct claim **all = base_alloc(c->contested * sizeof *all);
    uint32_t n = 0;
    index_each (const struct claim, m, &c->by_key)
        if (is_contested(m)) all[n++] = m;
    assert(n == c->contested);
    qsort(all, n, sizeof *all, by_key);
    for (uint32_t i = 0; i < n; i++) {
        const struct claim_item *best = first_of(all[i]);
        for (const struct claim_item *it = all[i]->first; it; it = claim_next(it))
            if (it != best) report_one(all[i], it, best, f);
    }
    free((void *)all);
}
