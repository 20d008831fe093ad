/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/api.h"
#include "text/node.h"

/* What of a written status a person should be told by an Event: conditions that became "not so" or say it for another reason, and that a Gateway
 * takes connections. What the status before said already is not told again, so that neither a restart nor another leader repeats anything.
 * Equal ones within ten minutes are one Event with a count; each object, and all of them, have a rate. No clock: time comes in. */
struct event_book;
struct event_out {
    enum api_kind kind;
    str ns, name;
    bool warning;
    str reason, action, note;
    uint64_t id;              /* of the Event: the same for what is repeated */
    uint32_t count;           /* 1: a new one; else its series has so many by now */
    int64_t first_us, now_us; /* wall clock, of the first and of this one */
};
struct event_book_config {
    str controller_name; /* outlives the book */
    void (*emit)(void *arg, const struct event_out *e);
    void *arg;
};
struct event_book *event_book_new(const struct event_book_config *c);
void event_book_free(struct event_book *b); /* NULL is fine */
/* The status was written. before: what stood there; NULL: nothing. */
void event_book_note(struct event_book *b, enum api_kind kind, str ns, str name, const struct node *before,
                     const struct node *after, int64_t wall_us);
uint64_t event_book_dropped(const struct event_book *b); /* for the rate */
