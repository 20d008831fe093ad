/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/parcel.h"
#include "base/index.h"
#include "base/link.h"
#include "schema/finding.h"
#include "store/store.h"

/* Who defines an object: each document that has it claims its key; the first in order of rank (--tls, the operator,
 * tenants), path and place wins and is the one in the store, the others are findings and take over when it goes. */
struct document;
struct claim;
struct claim_item {
    struct link link;     /* with the claim's others, in a ring without a head */
    struct claim *claim;  /* NULL: this place of the document holds no good object */
    struct parcel *spare; /* decoded and not in the store (yet); owned */
    struct document *doc;
    uint32_t index; /* in the document */
    bool kept;      /* what the document before said: this one is broken here */
};
struct claim {
    struct claim_item *first;
    struct claim_item *winner; /* whose object the store has; NULL: of one that has gone, or none */
    bool dirty;
    uint8_t kind; /* enum api_kind */
    uint8_t ns_n, name_n;
    char key[]; /* the kind as one byte, "ns/name" */
};
struct claims {
    struct index by_key;
    struct claim **dirty; /* to be settled */
    uint32_t dirty_n, dirty_cap;
    uint32_t contested; /* claims of two or more */
    uint64_t moves;     /* claim_move() was called so often */
};
void claim_init(struct claims *c);
void claim_fini(struct claims *c); /* every item must have left */
/* The item defines what p is from now on; p is taken over. */
void claim_take(struct claims *c, struct claim_item *it, struct parcel *p);
/* It does not any more. Nothing happens when it had no claim. */
void claim_leave(struct claims *c, struct claim_item *it);
/* What `from` defines is defined by `to` now, which had no claim; the object stays. */
void claim_move(struct claims *c, struct claim_item *from, struct claim_item *to);
struct claim *claim_find(const struct claims *c, enum api_kind kind, str ns, str name);
str claim_ns(const struct claim *m);
str claim_name(const struct claim *m);
/* The next item of the same claim; NULL after the last. */
struct claim_item *claim_next(const struct claim_item *it);
/* Brings the store up to date with who wins. again() is told of each document whose object must be decoded again, because the one before it has
 * gone and its own was not kept. Returns how many objects changed. */
uint32_t claim_settle(struct claims *c, struct store *s, void (*again)(void *arg, struct document *d),
                      void *arg);
/* One finding for each claim of an object that another document defines. */
void claim_report(const struct claims *c, struct findings *f);
