/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/plan.h"

#include "base/hash.h"

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

struct plan_piece *plan_pack(const void *piece) {
    const struct plan_piece *from = piece;
    const struct schema *s = plan_schema(from->kind);
    assert(from->key.n);
    size_t bytes;
    struct plan_piece *p = schema_pack(s, piece, 0, &bytes);
    p->kind = from->kind;
    p->holds = 1;
    p->hash = hash_join(schema_hash(s, piece), from->kind + 1);
    return p;
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

void plan_init(struct plan *p) { *p = (struct plan){0}; }

void plan_fini(struct plan *p) {
    for (unsigned k = 0; k < PLAN_KIND_COUNT; k++) {
        map_each (e, &p->pieces[k]) plan_release(e->value);
        map_fini(&p->pieces[k]);
    }
    *p = (struct plan){0};
}

const void *plan_get(const struct plan *p, enum plan_kind kind, str key) {
    return map_get(&p->pieces[kind], key);
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
    struct plan_piece *before = map_get(&p->pieces[kind], key);
    if (same_piece(before, piece)) {
        if (piece && piece != before) plan_release(piece);
        return;
    }
    if (piece) {
        assert(piece->kind == kind && str_eq(piece->key, key));
        map_put(&p->pieces[kind], piece->key, piece);
    } else
        map_take(&p->pieces[kind], key);
    if (d)
        note_change(d, kind, piece ? piece->key : before->key, before, piece);
    else
        plan_release(before);
}
