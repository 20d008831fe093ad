/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/plan.h"

#include "base/hash.h"

enum { PIECE_BYTES_MAX = 64 << 20 };

static const char *const kind_names[PLAN_KIND_COUNT] = {
    [PLAN_LISTENER] = "listener",       [PLAN_ROUTE] = "route",
    [PLAN_BACKEND] = "backend",         [PLAN_ENDPOINTS] = "endpoints",
    [PLAN_CERTIFICATE] = "certificate",
};

const char *plan_kind_name(enum plan_kind kind) {
    assert(kind < PLAN_KIND_COUNT);
    return kind_names[kind];
}

int plan_route_order(const struct plan_route *x, const struct plan_route *y) {
    int64_t age = x->created_s ? x->created_s : INT64_MAX, other = y->created_s ? y->created_s : INT64_MAX;
    if (age != other) return age < other ? -1 : 1;
    int order = str_cmp(x->ns, y->ns);
    return order ? order : str_cmp(x->name, y->name);
}

static bool is_whole(enum plan_kind kind) { return kind == PLAN_LISTENER || kind == PLAN_CERTIFICATE; }

/* The kind's table but the key, which comes first in each. */
static struct schema fields_of(enum plan_kind kind) {
    struct schema rest = *plan_schema(kind);
    rest.fields++, rest.n--;
    return rest;
}

/* The head, the key, the fields. */
static struct plan_piece *pack_bytes(const struct plan_piece *from) {
    struct schema fields = fields_of(from->kind);
    struct buf b;
    buf_init(&b, PIECE_BYTES_MAX);
    buf_add(&b, from->key);
    schema_bytes_put(&b, &fields, from);
    assert(!b.overflow);
    struct plan_piece *p = base_alloc(sizeof *p + b.n);
    memcpy(p + 1, b.p, b.n);
    p->key = (str){(const char *)(p + 1), from->key.n};
    buf_fini(&b);
    return p;
}

struct plan_piece *plan_pack(const void *piece) {
    const struct plan_piece *from = piece;
    const struct schema *s = plan_schema(from->kind);
    assert(from->key.n);
    size_t bytes;
    struct plan_piece *p = is_whole(from->kind) ? schema_pack(s, piece, 0, &bytes) : pack_bytes(from);
    p->kind = from->kind;
    p->holds = 1;
    p->hash = hash_join(schema_hash(s, piece), from->kind + 1);
    return p;
}

const void *plan_open(struct arena *a, const struct plan_piece *p) {
    if (!p || is_whole(p->kind)) return p;
    struct schema fields = fields_of(p->kind);
    struct plan_piece *to = arena_bytes(a, fields.size);
    *to = *p;
    schema_bytes_get(a, &fields, p->key.p + p->key.n, to);
    return to;
}

struct plan_piece *plan_hold(struct plan_piece *p) {
    p->holds++;
    return p;
}

void plan_release(struct plan_piece *p) {
    if (!p) return;
    assert(p->holds);
    if (!--p->holds) free(p);
}

static str key_of(const void *piece) { return ((const struct plan_piece *)piece)->key; }

void plan_init(struct plan *p) {
    *p = (struct plan){0};
    for (unsigned k = 0; k < PLAN_KIND_COUNT; k++) p->pieces[k].key = key_of;
}

void plan_fini(struct plan *p) {
    for (unsigned k = 0; k < PLAN_KIND_COUNT; k++) {
        index_each (struct plan_piece, piece, &p->pieces[k]) plan_release(piece);
        index_fini(&p->pieces[k]);
    }
    p->revision = 0;
}

const struct plan_piece *plan_get(const struct plan *p, enum plan_kind kind, str key) {
    return index_get(&p->pieces[kind], key);
}

void plan_delta_fini(struct plan_delta *d) {
    for (uint32_t i = 0; i < d->n; i++) {
        plan_release(d->p[i].before);
        plan_release(d->p[i].after);
    }
    for (unsigned k = 0; k < PLAN_KIND_COUNT; k++) map_fini(&d->places[k]);
    free(d->p);
    *d = (struct plan_delta){0};
}

static str change_key(const struct plan_change *c) { return c->after ? c->after->key : c->before->key; }

static void *place_of(uint32_t index) { return (void *)((uintptr_t)index + 1); }

static void move_change(struct plan_delta *d, uint32_t from, uint32_t to) {
    if (from == to) return;
    d->p[to] = d->p[from];
    map_put(&d->places[d->p[to].kind], change_key(&d->p[to]), place_of(to));
}

/* One past the last change of the kind. */
static uint32_t end_of_kind(const struct plan_delta *d, enum plan_kind kind) {
    uint32_t end = 0;
    for (unsigned k = 0; k <= kind; k++) end += d->of_kind[k];
    return end;
}

/* Room for one more change at the end of its kind: each later kind gives its first place and takes one at its end,
 * so that the changes stay in order of kinds at the price of a few moves. */
static void insert_change(struct plan_delta *d, struct plan_change c) {
    if (d->n == d->cap) {
        d->cap = d->cap ? d->cap * 2 : 16;
        d->p = base_realloc(d->p, d->cap * sizeof *d->p);
    }
    for (unsigned k = PLAN_KIND_COUNT - 1; k > c.kind; k--) {
        uint32_t end = end_of_kind(d, k);
        if (d->of_kind[k]) move_change(d, end - d->of_kind[k], end);
    }
    uint32_t at = end_of_kind(d, c.kind);
    d->of_kind[c.kind]++;
    d->n++;
    d->p[at] = c;
    map_put(&d->places[c.kind], change_key(&c), place_of(at));
}

static void remove_change(struct plan_delta *d, uint32_t at) {
    enum plan_kind kind = d->p[at].kind;
    map_take(&d->places[kind], change_key(&d->p[at]));
    plan_release(d->p[at].before);
    plan_release(d->p[at].after);
    uint32_t hole = end_of_kind(d, kind) - 1;
    move_change(d, hole, at);
    for (unsigned k = kind + 1; k < PLAN_KIND_COUNT; k++) {
        uint32_t last = end_of_kind(d, k) - 1;
        if (d->of_kind[k]) move_change(d, last, hole), hole = last;
    }
    d->of_kind[kind]--;
    d->n--;
}

static bool same_piece(const struct plan_piece *a, const struct plan_piece *b) {
    return a == b || (a && b && a->hash == b->hash);
}

/* before is let go here: its hold passes to the delta. */
static void note_change(struct plan_delta *d, enum plan_kind kind, str key, struct plan_piece *before,
                        struct plan_piece *after) {
    uintptr_t place = (uintptr_t)map_get(&d->places[kind], key);
    if (!place) {
        insert_change(d, (struct plan_change){kind, before, after ? plan_hold(after) : NULL});
        return;
    }
    struct plan_change *c = &d->p[place - 1];
    assert_slow(same_piece(c->after, before));
    struct plan_piece *between = c->after;
    if (after)
        map_put(&d->places[kind], after->key, (void *)place);
    else
        map_put(&d->places[kind], c->before ? c->before->key : between->key, (void *)place);
    c->after = after ? plan_hold(after) : NULL;
    bool vanished = same_piece(c->before, c->after);
    if (!c->after && !c->before) c->after = TAKE(between); /* its key is needed for the removal */
    if (vanished) remove_change(d, (uint32_t)(place - 1));
    plan_release(between);
    plan_release(before);
}

void plan_set(struct plan *p, enum plan_kind kind, str key, struct plan_piece *piece, struct plan_delta *d) {
    struct plan_piece *before = index_get(&p->pieces[kind], key);
    if (same_piece(before, piece)) {
        if (piece && piece != before) plan_release(piece);
        return;
    }
    if (piece) {
        assert(piece->kind == kind && str_eq(piece->key, key));
        index_put(&p->pieces[kind], piece);
    } else
        index_take(&p->pieces[kind], key);
    if (d)
        note_change(d, kind, piece ? piece->key : before->key, before, piece);
    else
        plan_release(before);
}
