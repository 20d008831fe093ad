/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/diff.h"

/* Objects, and those pieces of the plan that no request shows: listeners and endpoints. */

static void add_object(struct diff *d, char sign, const struct object *o) {
    DIFF_ROOM(d, objects);
    d->objects[d->objects_n++] = (struct diff_object){
        sign, arena_printf(d->arena, STR_FMT " " STR_FMT "%s" STR_FMT, STR_ARG(o->kind_name),
                           STR_ARG(o->meta.ns), o->meta.ns.n ? "/" : "", STR_ARG(o->meta.name))};
}

static void compare_kind(struct diff *d, enum api_kind kind) {
    size_t before_n, after_n;
    const struct store *a = d->a->pipeline.store, *b = d->b->pipeline.store;
    const struct object **before = store_list(a, d->arena, kind, &before_n);
    const struct object **after = store_list(b, d->arena, kind, &after_n);
    for (size_t i = 0; i < before_n; i++) {
        const struct object *now = store_get(b, d->arena, kind, before[i]->meta.ns, before[i]->meta.name);
        if (!now) {
            add_object(d, '-', before[i]);
        } else if (api_hash(now) != api_hash(before[i])) {
            add_object(d, '~', now);
        }
    }
    for (size_t i = 0; i < after_n; i++) {
        if (!store_has(a, kind, after[i]->meta.ns, after[i]->meta.name)) add_object(d, '+', after[i]);
    }
}

static str piece_words(struct arena *a, const struct plan_piece *p) {
    if (!p) return (str){0};
    if (p->kind == PLAN_ENDPOINTS) {
        uint32_t n = ((const struct plan_endpoints *)plan_open(a, p))->endpoints.n;
        return arena_printf(a, "%u endpoint%s", n, n == 1 ? "" : "s");
    }
    const struct plan_listener *l = plan_open(a, p);
    return arena_printf(a, "port %lld, hostname %s" STR_FMT ", %u certificate%s", (long long)l->port,
                        l->hostname.n ? "" : "*", STR_ARG(l->hostname), l->certificates.n,
                        l->certificates.n == 1 ? "" : "s");
}

static void add_piece(struct diff *d, const struct plan_piece *before, const struct plan_piece *after) {
    const struct plan_piece *any = after ? after : before;
    assert(any);
    DIFF_ROOM(d, pieces);
    d->pieces[d->pieces_n++] = (struct diff_piece){
        .sign = !before  ? '+'
                : !after ? '-'
                         : '~',
        .name = arena_printf(d->arena, "%s " STR_FMT,
                             any->kind == PLAN_ENDPOINTS ? "backend" : plan_kind_name(any->kind),
                             STR_ARG(any->key)),
        .before = piece_words(d->arena, before),
        .after = piece_words(d->arena, after)};
}

static void compare_pieces(struct diff *d, enum plan_kind kind) {
    const struct plan *a = &d->a->pipeline.plan, *b = &d->b->pipeline.plan;
    void **all = index_sorted(&a->pieces[kind]);
    for (uint32_t i = 0; i < a->pieces[kind].n; i++) {
        const struct plan_piece *before = all[i], *after = plan_get(b, kind, before->key);
        if (!after || after->hash != before->hash) add_piece(d, before, after);
    }
    free(all);
    all = index_sorted(&b->pieces[kind]);
    for (uint32_t i = 0; i < b->pieces[kind].n; i++) {
        const struct plan_piece *after = all[i];
        if (!plan_get(a, kind, after->key)) add_piece(d, NULL, after);
    }
    free(all);
}

void diff_objects(struct diff *d) {
    for (int k = KIND_NONE + 1; k < KIND_COUNT; k++) compare_kind(d, (enum api_kind)k);
    compare_pieces(d, PLAN_LISTENER);
    compare_pieces(d, PLAN_ENDPOINTS);
}
