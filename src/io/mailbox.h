/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdatomic.h>

#include "base/link.h"
#include "io/loop.h"

/* Messages to a thread. Any thread posts; the receiver's loop is woken by an eventfd only when the box was empty. Lock-free: one atomic
 * exchange a post, one a take. A post is a struct of the sender's that begins with struct post and belongs to the receiver afterwards. */
struct post {
    struct post *next;
    void (*deliver)(struct post *p,
                    void *receiver); /* runs in the receiver's thread; frees or returns the post */
};
struct mailbox {
    _Atomic(struct post *) head;
    int event;
    struct loop_fd watch;
    void *receiver;
};
void mailbox_init(struct mailbox *m, void *receiver);
void mailbox_fini(struct mailbox *m); /* what is still in it is delivered first */
/* The receiver's loop delivers from now on. */
err mailbox_attach(struct mailbox *m, struct loop *l);
void mailbox_post(struct mailbox *m, struct post *p);
/* Delivers all, oldest first; returns how many. */
unsigned mailbox_deliver(struct mailbox *m);
