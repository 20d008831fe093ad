/* SPDX-License-Identifier: Apache-2.0 */
#include "files/claim.h"

#include "files/document.h"

void claim_init(struct claims *c) {
    map_init(&c->by_key);
    link_init(&c->dirty);
    link_init(&c->contested);
    c->scratch = arena_new();
}

static void free_claim(struct claims *c, struct claim *m) {
    map_take(&c->by_key, m->key);
    if (link_is_on(&m->dirty)) link_remove(&m->dirty);
    if (link_is_on(&m->contested)) link_remove(&m->contested);
    free(m);
}

void claim_fini(struct claims *c) {
    list_each (struct claim, m, &c->dirty, dirty) {
        assert(link_empty(&m->items));
        free_claim(c, m);
    }
    assert(c->by_key.n == 0);
    map_fini(&c->by_key);
    arena_free(c->scratch);
}

struct claim *claim_find(const struct claims *c, str key) {
    return map_get(&c->by_key, key);
}

static str put_str(char **at, str s) {
    char *p = *at;
    if (s.n) memcpy(p, s.p, s.n);
    *at += s.n;
    return (str){p, s.n};
}

static struct claim *claim_of(struct claims *c, const struct parcel *p) {
    arena_reset(c->scratch);
    str ns = parcel_ns(p), name = parcel_name(p), key = api_key(c->scratch, p->kind, ns, name);
    struct claim *m = map_get(&c->by_key, key);
    if (m) return m;
    m = base_zalloc(sizeof *m + key.n + ns.n + name.n + 1);
    char *at = (char *)(m + 1);
    m->kind = p->kind;
    m->key = put_str(&at, key);
    m->ns = put_str(&at, ns);
    m->name = put_str(&at, name);
    link_init(&m->items);
    map_put(&c->by_key, m->key, m);
    return m;
}

static void touch(struct claims *c, struct claim *m) {
    if (!link_is_on(&m->dirty)) link_append(&c->dirty, &m->dirty);
}

/* On the list of the contested exactly while two or more claim it. */
static void count(struct claims *c, struct claim *m) {
    bool contested = !link_empty(&m->items) && m->items.next != m->items.prev;
    if (contested && !link_is_on(&m->contested)) link_append(&c->contested, &m->contested);
    if (!contested && link_is_on(&m->contested)) link_remove(&m->contested);
}

void claim_take(struct claims *c, struct claim_item *it, struct parcel *p) {
    assert(!it->claim && !it->spare);
    struct claim *m = claim_of(c, p);
    it->claim = m, it->spare = p;
    link_append(&m->items, &it->link);
    count(c, m);
    touch(c, m);
}

void claim_leave(struct claims *c, struct claim_item *it) {
    struct claim *m = it->claim;
    if (!m) return;
    link_remove(&it->link);
    parcel_free(TAKE(it->spare));
    it->claim = NULL;
    if (m->winner == it) m->winner = NULL;
    count(c, m);
    touch(c, m);
}

void claim_move(struct claims *c, struct claim_item *from, struct claim_item *to) {
    struct claim *m = from->claim;
    assert(m && !to->claim);
    link_remove(&from->link);
    to->claim = m, to->spare = TAKE(from->spare);
    from->claim = NULL;
    link_prepend(&m->items, &to->link); /* where the next to ask for it meets it first */
    if (m->winner == from) m->winner = to;
    touch(c, m);
}

static bool is_before(const struct claim_item *a, const struct claim_item *b) {
    if (a->doc->file->rank != b->doc->file->rank) return a->doc->file->rank < b->doc->file->rank;
    int by_path = str_cmp(a->doc->file->path, b->doc->file->path);
    if (by_path) return by_path < 0;
    if (a->doc->index != b->doc->index) return a->doc->index < b->doc->index;
    return a->index < b->index;
}

static struct claim_item *first_of(const struct claim *m) {
    struct claim_item *best = NULL;
    list_each (struct claim_item, it, &m->items, link) {
        if (!best || is_before(it, best)) best = it;
    }
    return best;
}

uint32_t claim_settle(struct claims *c, struct store *s, void (*again)(void *arg, struct document *d),
                      void *arg) {
    uint32_t changed = 0;
    for (struct link *l; (l = link_pop(&c->dirty));) {
        struct claim *m = container_of(l, struct claim, dirty);
        struct claim_item *best = first_of(m);
        if (!best) {
            changed += store_remove(s, m->kind, m->ns, m->name);
            free_claim(c, m);
        } else if (best->spare) {
            m->winner = best;
            changed += store_put_parcel(s, TAKE(best->spare));
        } else if (best != m->winner) {
            again(arg, best->doc);
        }
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
    f->kind = str_of(api_type_of(m->kind)->name), f->ns = m->ns, f->name = m->name;
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

void claim_report(const struct claims *c, struct findings *f) {
    list_each (struct claim, m, &c->contested, contested) {
        const struct claim_item *best = first_of(m);
        list_each (struct claim_item, it, &m->items, link) {
            if (it != best) report_one(m, it, best, f);
        }
    }
}
