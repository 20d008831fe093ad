/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kube_batch.h"

struct kube_batch *kube_batch_new(void) {
    struct kube_batch *b = base_zalloc(sizeof *b);
    b->arena = arena_new();
    b->last = &b->first;
    return b;
}

struct kube_change *kube_batch_add(struct kube_batch *b, enum kube_change_what what, enum api_kind kind,
                                   str ns, str name) {
    struct kube_change *c = arena_make(b->arena, struct kube_change);
    *c = (struct kube_change){.what = what,
                              .kind = kind,
                              .ns = ns.n ? arena_str(b->arena, ns) : S(""),
                              .name = name.n ? arena_str(b->arena, name) : S(""),
                              .status = S("")};
    *b->last = c;
    b->last = &c->next;
    b->n++;
    return c;
}

void kube_batch_free(struct kube_batch *b) {
    if (!b) return;
    for (struct kube_change *c = b->first; c; c = c->next) api_free(c->object);
    arena_free(b->arena);
    free(b);
}
