/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kube_line.h"

struct kube_share {
    struct link turn; /* of kube_line.turns, while something waits */
    struct link items;
    size_t name_n;
    char name[];
};

void kube_line_init(struct kube_line *l) {
    map_init(&l->shares);
    link_init(&l->turns);
    l->n = 0;
}

void kube_line_fini(struct kube_line *l) {
    map_each (e, &l->shares) free(e->value);
    map_fini(&l->shares);
}

void kube_line_add(struct kube_line *l, str share, struct link *item) {
    struct kube_share *s = map_get(&l->shares, share);
    if (!s) {
        s = base_zalloc(sizeof *s + share.n);
        link_init(&s->items);
        s->name_n = share.n;
        if (share.n) memcpy(s->name, share.p, share.n);
        map_put(&l->shares, (str){s->name, s->name_n}, s);
    }
    if (!link_is_on(&s->turn)) link_append(&l->turns, &s->turn);
    link_append(&s->items, item);
    l->n++;
}

/* A share that nothing waits in is forgotten: there are as many as namespaces that ever wrote. */
static void forget(struct kube_line *l, struct kube_share *s) {
    map_take(&l->shares, (str){s->name, s->name_n});
    free(s);
}

struct link *kube_line_pop(struct kube_line *l) {
    struct link *turn = link_pop(&l->turns);
    if (!turn) return NULL;
    struct kube_share *s = container_of(turn, struct kube_share, turn);
    struct link *item = link_pop(&s->items);
    l->n--;
    if (link_empty(&s->items))
        forget(l, s);
    else
        link_append(&l->turns, &s->turn);
    return item;
}

void kube_line_leave(struct kube_line *l, struct link *item) {
    bool last = item->prev == item->next;
    struct link *head = item->next;
    link_remove(item);
    l->n--;
    if (!last) return;
    struct kube_share *s = container_of(head, struct kube_share, items);
    link_remove(&s->turn);
    forget(l, s);
}
