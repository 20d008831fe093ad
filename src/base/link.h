/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/base.h"

/* Intrusive circular list. The list never owns what is on it; a link that is on no list is all zero. */
struct link {
    struct link *prev, *next;
};
static inline void link_init(struct link *h) { h->prev = h->next = h; }
static inline bool link_empty(const struct link *h) { return h->next == h; }
static inline bool link_is_on(const struct link *l) { return l->next; }
static inline void link_append(struct link *h, struct link *l) {
    assert(!l->next && !l->prev);
    l->prev = h->prev, l->next = h;
    h->prev->next = l, h->prev = l;
}
static inline void link_prepend(struct link *h, struct link *l) { link_append(h->next, l); }
static inline void link_remove(struct link *l) {
    l->prev->next = l->next, l->next->prev = l->prev;
    *l = (struct link){0};
}
/* The first, or NULL; taken off the list. */
static inline struct link *link_pop(struct link *h) {
    if (link_empty(h)) return NULL;
    struct link *l = h->next;
    link_remove(l);
    return l;
}
/* Visits each; the visited one may be removed in the body. */
#define list_each(type, it, head, member)                                                                    \
    for (type *it = container_of((head)->next, type, member), *it##_next_;                                   \
         &it->member != (head) && (it##_next_ = container_of(it->member.next, type, member), 1);             \
         it = it##_next_)
