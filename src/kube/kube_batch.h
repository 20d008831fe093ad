/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/api.h"
#include "io/mailbox.h"

/* What happened, in order. Made in the loop thread; whoever it is given to owns it. */
enum kube_change_what {
    KUBE_CHANGE_PUT, /* `object` is the newest; `findings` are what of it is not read (unknown fields) */
    KUBE_CHANGE_REFUSED, /* the newest can't be read; `findings` say why; the one before stays in force, if there was one */
    KUBE_CHANGE_REMOVE, /* it is gone, or nothing names it any more */
    KUBE_CHANGE_SYNCED, /* every object of `kind` that there is was told once; again after each gap */
    KUBE_CHANGE_SETTLED, /* all that kube_source_want() asked for by `revision` was told, as far as it exists and can be read */
};
struct kube_change {
    struct kube_change *next;
    enum kube_change_what what;
    enum api_kind kind;
    str ns, name; /* of all but SYNCED and SETTLED */
    struct object
        *object; /* PUT: packed, with the server's generation, uid and resourceVersion. Taken with TAKE(). */
    str status;  /* PUT of a kind whose status we write: the `status` it has, as compact JSON; "" = none */
    const struct finding *findings; /* PUT, REFUSED: they replace those told of this object before */
    uint64_t revision;              /* SETTLED */
};
struct kube_batch {
    struct post post; /* the receiver's, to send it on: control/ sets `deliver` */
    struct arena *arena;
    struct kube_change *first, **last;
    uint32_t n;
};
struct kube_batch *kube_batch_new(void);
/* At the end; the texts are copied. */
struct kube_change *kube_batch_add(struct kube_batch *b, enum kube_change_what what, enum api_kind kind,
                                   str ns, str name);
void kube_batch_free(struct kube_batch *b); /* with the objects that nobody took; NULL is fine */
