/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/str.h"

/* From hostnames to pieces: exact names and wildcards by hash in shards, so that a change copies one shard and the pointers to shards, not
 * every entry. Used twice: the listeners of a port, the hosts of a listener. Immutable once published; a block whose `born` is the
 * generation in the making is still the builder's alone and changed in place. */
struct names_entry {
    uint32_t hash, n;
    const char *p; /* in the value's piece; a wildcard without its "*": ".example.com". NULL: free */
    const void *value;
};
struct names_shard {
    uint64_t born;
    uint32_t n, mask;
    struct names_entry v[];
};
struct names {
    uint64_t born;
    uint64_t labels; /* bit min(k, 63): perhaps a wildcard of k labels */
    uint32_t n;      /* entries, without `any` */
    uint32_t shards_n;
    const void *any; /* of the hostname "" */
    struct names_shard *shards[];
};

/* What a host falls under, the most specific first: itself, the wildcards from most labels to fewest, "". [GW Listener.hostname] */
struct names_walk {
    const struct names *names;
    str host;
    size_t at; /* where the search for the next wildcard's dot begins */
    uint32_t dots;
    enum { NAMES_EXACT, NAMES_WILDCARD, NAMES_ANY, NAMES_END } next;
};
/* names may be NULL (nothing in it). host: lower case, without port. */
void names_start(struct names_walk *w, const struct names *names, str host);
const void *names_next(struct names_walk *w);
/* The next of all values, in no order; NULL: there was the last. It holds while these names do. */
struct names_cursor { /* all zero: before the first */
    uint32_t shard, at;
};
const void *names_each(const struct names *names, struct names_cursor *c);
/* All values in the order of matching: exact names by their bytes, wildcards by labels and bytes, ""; to free(). */
struct names_item {
    str key; /* as in names_entry; "" for the last */
    const void *value;
};
struct names_item *names_sorted(const struct names *names, size_t *ret_n);

/* The builder's side. dead: gets each block that published tables may still show. */
struct names_edit {
    uint64_t born;
    void (*dead)(void *arg, void *block);
    void *arg;
};
/* Puts the value of a hostname ("*.x" = wildcard, "" = any), whose bytes live in the value's piece; NULL removes it. *names is NULL while
 * nothing is in it. */
void names_set(const struct names_edit *e, struct names **names, str hostname, const void *value);
/* Frees the blocks at once, not the values. NULL is fine. */
void names_free(struct names *names);
