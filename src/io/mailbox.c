/* SPDX-License-Identifier: Apache-2.0 */
#include "io/mailbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

static void on_ready(struct loop_fd *f, uint32_t events) {
    (void)events;
    struct mailbox *m = container_of(f, struct mailbox, watch);
    uint64_t posts;
    if (read(m->event, &posts, sizeof posts) < 0) return; /* taken by hand already */
    mailbox_deliver(m);
}

void mailbox_init(struct mailbox *m, void *receiver) {
    *m = (struct mailbox){.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .receiver = receiver};
    m->watch = (struct loop_fd){.fd = -1, .on_ready = on_ready};
    atomic_init(&m->head, NULL);
    assert(m->event >= 0);
}

void mailbox_fini(struct mailbox *m) {
    while (mailbox_deliver(m)) {}
    close(m->event);
    m->event = -1;
}

err mailbox_attach(struct mailbox *m, struct loop *l) { return loop_add_level(l, &m->watch, m->event); }

void mailbox_post(struct mailbox *m, struct post *p) {
    struct post *head = atomic_load_explicit(&m->head, memory_order_relaxed);
    do p->next = head;
    while (!atomic_compare_exchange_weak_explicit(&m->head, &head, p, memory_order_release,
                                                  memory_order_relaxed));
    if (head) return; /* whoever found it empty has rung the bell */
    uint64_t one = 1;
    ssize_t n = write(m->event, &one, sizeof one);
    assert(n == sizeof one);
}

unsigned mailbox_deliver(struct mailbox *m) {
    struct post *newest = atomic_exchange_explicit(&m->head, NULL, memory_order_acquire), *oldest = NULL;
    while (newest) {
        struct post *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    unsigned n = 0;
    for (struct post *next; oldest; oldest = next, n++) {
        next = oldest->next;
        oldest->deliver(oldest, m->receiver);
    }
    return n;
}
