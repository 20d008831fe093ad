/* SPDX-License-Identifier: Apache-2.0 */
#include "table/names.h"

#include "base/hash.h"
#include "base/num.h"

/* Entries of a shard on average: between copying shards (large ones) and copying pointers to them (small ones). */
enum { SHARD_FEW = 8, SHARD_USUAL = 24, SHARD_MANY = 48 };

static uint32_t label_bit(uint32_t dots) { return dots < 63 ? dots : 63; }
static uint32_t shard_of(const struct names *names, uint64_t hash) {
    return (uint32_t)(hash >> 32) & (names->shards_n - 1);
}

/* The entry of the key, or the free one where it would go. The shard is never full. */
static struct names_entry *find(const struct names_shard *s, str key, uint32_t hash) {
    for (uint32_t i = hash & s->mask;; i = (i + 1) & s->mask) {
        const struct names_entry *e = &s->v[i];
        if (!e->p || (e->hash == hash && str_eq((str){e->p, e->n}, key))) return (struct names_entry *)e;
    }
}

static const void *get(const struct names *names, str key) {
    uint64_t hash = hash_str(key);
    const struct names_shard *s = names->shards[shard_of(names, hash)];
    return s ? find(s, key, (uint32_t)hash)->value : NULL;
}

static uint32_t count_dots(str s) {
    uint32_t n = 0;
    for (size_t i = 0; i < s.n; i++) n += s.p[i] == '.';
    return n;
}

void names_start(struct names_walk *w, const struct names *names, str host) {
    *w = (struct names_walk){.names = names, .host = host, .at = 1};
    if (!names)
        w->next = NAMES_END;
    else if (!names->n)
        w->next = NAMES_ANY;
}

static const void *next_wildcard(struct names_walk *w) {
    while (w->at < w->host.n && w->dots) {
        size_t dot = w->at + str_find(str_from(w->host, w->at), '.');
        if (dot >= w->host.n) break;
        uint32_t labels = w->dots--;
        w->at = dot + 1;
        if (!(w->names->labels >> label_bit(labels) & 1)) continue;
        const void *v = get(w->names, str_from(w->host, dot));
        if (v) return v;
    }
    return NULL;
}

const void *names_next(struct names_walk *w) {
    const void *v = NULL;
    switch (w->next) {
    case NAMES_EXACT:
        w->next = w->names->labels ? NAMES_WILDCARD : NAMES_ANY;
        if (w->names->labels && w->host.n > 1) w->dots = count_dots(str_from(w->host, 1));
        /* keys that begin with a dot are wildcards, which a Host must not name */
        if (w->host.n && w->host.p[0] != '.' && (v = get(w->names, w->host))) return v;
        return names_next(w);
    case NAMES_WILDCARD:
        if ((v = next_wildcard(w))) return v;
        w->next = NAMES_ANY;
        return names_next(w);
    case NAMES_ANY: w->next = NAMES_END; return w->names->any;
    case NAMES_END: break;
    }
    return NULL;
}

const void *names_each(const struct names *names, struct names_cursor *c) {
    for (; names && c->shard < names->shards_n; c->shard++, c->at = 0) {
        const struct names_shard *s = names->shards[c->shard];
        while (s && c->at <= s->mask) {
            const struct names_entry *e = &s->v[c->at++];
            if (e->p) return e->value;
        }
    }
    bool any = names && c->shard == names->shards_n;
    c->shard += any;
    return any ? names->any : NULL;
}

static int in_order(const void *a, const void *b) {
    const struct names_item *x = a, *y = b;
    bool x_wild = x->key.p[0] == '.', y_wild = y->key.p[0] == '.';
    if (x_wild != y_wild) return x_wild ? 1 : -1;
    uint32_t x_dots = count_dots(x->key), y_dots = count_dots(y->key);
    if (x_wild && x_dots != y_dots) return x_dots > y_dots ? -1 : 1;
    return str_cmp(x->key, y->key);
}

struct names_item *names_sorted(const struct names *names, size_t *ret_n) {
    *ret_n = 0;
    if (!names) return NULL;
    struct names_item *items = base_alloc((names->n + (size_t)1) * sizeof *items);
    size_t n = 0;
    for (uint32_t i = 0; i < names->shards_n; i++) {
        const struct names_shard *s = names->shards[i];
        for (uint32_t k = 0; s && k <= s->mask; k++)
            if (s->v[k].p) items[n++] = (struct names_item){{s->v[k].p, s->v[k].n}, s->v[k].value};
    }
    assert(n == names->n);
    if (n) qsort(items, n, sizeof *items, in_order);
    if (names->any) items[n++] = (struct names_item){S(""), names->any};
    *ret_n = n;
    return items;
}

static void drop(const struct names_edit *e, void *block, uint64_t born) {
    if (born == e->born)
        free(block);
    else
        e->dead(e->arg, block);
}

static struct names_shard *new_shard(uint64_t born, uint32_t entries) {
    uint32_t cap = (uint32_t)num_power_of_two(entries + entries / 3 + 1); /* at most 3/4 full */
    struct names_shard *s = base_zalloc(sizeof *s + cap * sizeof s->v[0]);
    s->born = born;
    s->mask = cap - 1;
    return s;
}

static void insert(struct names_shard *s, const struct names_entry *entry) {
    *find(s, (str){entry->p, entry->n}, entry->hash) = *entry;
    s->n++;
}

/* A new shard of the old one's entries, without `but`, with room for `more`. */
static struct names_shard *rebuild(const struct names_edit *e, struct names_shard *old,
                                   const struct names_entry *but, uint32_t more) {
    uint32_t n = (old ? old->n : 0) - (but != NULL) + more;
    struct names_shard *s = n ? new_shard(e->born, n) : NULL;
    for (uint32_t i = 0; s && old && i <= old->mask; i++)
        if (old->v[i].p && &old->v[i] != but) insert(s, &old->v[i]);
    if (old) drop(e, old, old->born);
    return s;
}

static struct names *new_top(uint64_t born, uint32_t shards_n) {
    struct names *t = base_zalloc(sizeof *t + shards_n * sizeof t->shards[0]);
    t->born = born;
    t->shards_n = shards_n;
    return t;
}

/* The top, and the shards when `shards`, become this generation's own. */
static struct names *own_top(const struct names_edit *e, struct names *old) {
    if (!old) return new_top(e->born, 1);
    if (old->born == e->born) return old;
    size_t bytes = sizeof *old + old->shards_n * sizeof old->shards[0];
    struct names *t = base_alloc(bytes);
    memcpy(t, old, bytes);
    t->born = e->born;
    e->dead(e->arg, old);
    return t;
}

static struct names_shard *own_shard(const struct names_edit *e, struct names_shard *old) {
    if (old->born == e->born) return old;
    size_t bytes = sizeof *old + (old->mask + (size_t)1) * sizeof old->v[0];
    struct names_shard *s = base_alloc(bytes);
    memcpy(s, old, bytes);
    s->born = e->born;
    e->dead(e->arg, old);
    return s;
}

/* Spreads the entries over another number of shards. */
static struct names *respread(const struct names_edit *e, struct names *old) {
    struct names *t = new_top(e->born, (uint32_t)num_power_of_two(old->n / SHARD_USUAL + 1));
    t->n = old->n;
    t->any = old->any;
    for (uint32_t i = 0; i < old->shards_n; i++) {
        struct names_shard *s = old->shards[i];
        for (uint32_t k = 0; s && k <= s->mask; k++) {
            if (!s->v[k].p) continue;
            str key = {s->v[k].p, s->v[k].n};
            struct names_shard **to = &t->shards[shard_of(t, hash_str(key))];
            if (!*to) *to = new_shard(e->born, SHARD_USUAL);
            if (((*to)->n + 1) * 4 > ((*to)->mask + 1) * 3) *to = rebuild(e, *to, NULL, (*to)->n);
            insert(*to, &s->v[k]);
            if (key.p[0] == '.') t->labels |= (uint64_t)1 << label_bit(count_dots(key));
        }
        if (s) drop(e, s, s->born);
    }
    drop(e, old, old->born);
    return t;
}

static void put(const struct names_edit *e, struct names *t, str key, uint64_t hash, const void *value) {
    struct names_shard **s = &t->shards[shard_of(t, hash)];
    struct names_entry *there = *s ? find(*s, key, (uint32_t)hash) : NULL;
    struct names_entry entry = {(uint32_t)hash, (uint32_t)key.n, key.p, value};
    bool wild = key.p[0] == '.';
    if (there && there->p) {
        ptrdiff_t at = there - (*s)->v;
        *s = own_shard(e, *s);
        (*s)->v[at] = entry; /* the key's bytes are the new piece's */
        return;
    }
    if (!*s || (*s)->born != e->born || ((*s)->n + 1) * 4 > ((*s)->mask + 1) * 3)
        *s = rebuild(e, *s, NULL, *s && (*s)->born == e->born ? (*s)->n : 1);
    insert(*s, &entry);
    t->n++;
    if (wild) t->labels |= (uint64_t)1 << label_bit(count_dots(key));
}

static void take(const struct names_edit *e, struct names *t, str key, uint64_t hash) {
    struct names_shard **s = &t->shards[shard_of(t, hash)];
    struct names_entry *there = *s ? find(*s, key, (uint32_t)hash) : NULL;
    if (!there || !there->p) return;
    *s = rebuild(e, *s, there, 0);
    t->n--;
}

void names_set(const struct names_edit *e, struct names **names, str hostname, const void *value) {
    if (!*names && !value) return;
    struct names *t = own_top(e, *names);
    str key = hostname.n && hostname.p[0] == '*' ? str_from(hostname, 1) : hostname;
    if (!key.n)
        t->any = value;
    else if (value)
        put(e, t, key, hash_str(key), value);
    else
        take(e, t, key, hash_str(key));
    if (t->n > t->shards_n * SHARD_MANY || (t->shards_n > 1 && t->n < t->shards_n * SHARD_FEW))
        t = respread(e, t);
    if (!t->n && !t->any) {
        drop(e, t, t->born);
        t = NULL;
    }
    *names = t;
}

void names_free(struct names *names) {
    if (!names) return;
    for (uint32_t i = 0; i < names->shards_n; i++) free(names->shards[i]);
    free(names);
}
