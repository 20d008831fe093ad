/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/api.h"
#include "base/arena.h"

/* What an API server has of our statuses against what we say: which objects' statuses are to be written, when, and with what. No clock, thread
 * or socket: the builder thread calls it once what statuses say is so in the data plane, a callback carries the writes away.
 * One write an object is on its way; the first few go at once, further ones of the same object no closer than a second, so that a Gateway which
 * 1,000 routes attach to is written tens of times; no object waits for another's. */
struct node;
struct status_book;
/* Borrowed for the call. */
struct status_write {
    enum api_kind kind;
    str ns, name;
    str resource_version; /* that the server must still have, else it is a conflict */
    str status;           /* the whole of it, as JSON */
};
enum status_outcome {
    STATUS_WRITTEN,
    STATUS_CONFLICT, /* the object is another one by now: it is going to be seen */
    STATUS_GONE,
    STATUS_FAILED, /* tried again, with backoff */
};
struct status_book_config {
    str controller_name; /* outlives the book */
    /* Ours of an object, as resolve_status(); NULL: nothing. */
    const void *(*ours)(void *arg, enum api_kind kind, str ns, str name);
    /* Answered by status_book_done(), later. */
    void (*write)(void *arg, const struct status_write *w);
    /* One was written; before: NULL when there was none. NULL: nobody asks. */
    void (*written)(void *arg, enum api_kind kind, str ns, str name, const struct node *before,
                    const struct node *after);
    void *arg;
};
struct status_book *status_book_new(const struct status_book_config *c);
void status_book_free(struct status_book *b); /* NULL is fine */

/* What the server has of an object now, and that it has it no more. */
void status_book_seen(struct status_book *b, enum api_kind kind, str ns, str name, str resource_version,
                      str status);
void status_book_gone(struct status_book *b, enum api_kind kind, str ns, str name);
/* What we say of it is something else. */
void status_book_changed(struct status_book *b, enum api_kind kind, str ns, str name);
/* Whether we are the one who writes. Whoever comes to lead looks at every object, and writes what differs. */
void status_book_lead(struct status_book *b, bool leads);
/* Writes what is due. What `ours` says must be so in the data plane. between: two tables, so that what says Pending may be so no more: it waits.
 * Returns when to call again; UINT64_MAX: never. */
uint64_t status_book_flush(struct status_book *b, uint64_t now_us, int64_t now_s, bool between);
/* resource_version: of the object as it was written, or not given. */
void status_book_done(struct status_book *b, enum api_kind kind, str ns, str name,
                      enum status_outcome outcome, str resource_version, uint64_t now_us);

struct status_book_stats {
    uint64_t written, conflicts, failures;
    uint32_t objects, waiting, flying; /* now */
};
struct status_book_stats status_book_stats(const struct status_book *b);
