/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"
#include "schema/schema.h"

/* Pods that XBackends select. For each a headless Service that nobody is meant to use: the API server makes the EndpointSlices of its pods, with its
 * labels, and these are the XBackend's endpoints (XBACKEND_LABEL). No clock, thread or socket: time comes in, writes go out by a callback. The
 * server's objects are the only record; one leader writes.                                       [GW EndpointSelectorBackend] */
struct selector_demand { /* of one XBackend */
    str ns, name, uid;
    uint16_t port;
    const struct str_pair *labels; /* ordered by key */
    uint32_t labels_n;
};
enum selector_what { SELECTOR_CREATE, SELECTOR_CHANGE, SELECTOR_REMOVE };
/* Borrowed for the call. */
struct selector_write {
    enum selector_what what;
    str ns, label; /* of the XBackend, for selector_book_done() */
    str name, uid; /* of the Service; CREATE: the server names it */
    str json;      /* CREATE: the object; CHANGE: a merge patch [RFC 7396] */
};
struct selector_service {
    str ns, name;
};
struct selector_book;
struct selector_book_config {
    str controller_name;
    void (*write)(void *arg, const struct selector_write *w);
    void (*tell)(void *arg); /* selector_book_services() gives others now */
    void *arg;
};
struct selector_book *selector_book_new(const struct selector_book_config *c);
void selector_book_free(struct selector_book *b); /* NULL is fine */
/* The value of the label app.kubernetes.io/managed-by that is on all of ours. */
str selector_book_label(const struct selector_book *b);
/* Replaces what was given before; copied. */
void selector_book_demand(struct selector_book *b, const struct selector_demand *v, size_t n);
/* Of Services with our label. object: JSON. */
void selector_book_seen(struct selector_book *b, str ns, str name, str uid, str object);
void selector_book_gone(struct selector_book *b, str ns, str name);
/* Everything there is was seen once. Before, and before a first demand, nothing is written. */
void selector_book_synced(struct selector_book *b);
void selector_book_lead(struct selector_book *b, bool leads);
/* What a write has come to. */
void selector_book_done(struct selector_book *b, str ns, str label, bool ok, uint64_t now_us);
/* Writes what is due. Returns when to call again although nothing happens; UINT64_MAX: never. */
uint64_t selector_book_work(struct selector_book *b, uint64_t now_us);
/* The Services whose EndpointSlices are wanted, ordered; in a. */
struct selector_service *selector_book_services(const struct selector_book *b, struct arena *a,
                                                size_t *ret_n);
