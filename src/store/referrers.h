/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/api.h"
#include "base/link.h"
#include "base/map.h"

/* Who refers to whom, kept with each put and remove: an edge stands on the list of its target and in the array of its
 * source, so that taking an object away costs what it refers to, however many others refer to the same. */
struct referrers_target;
struct referrers_edge {
    struct link link; /* on the target's list */
    struct referrers_target *target;
    struct referrers_source *source;
};
/* What each entry of the store embeds. */
struct referrers_source {
    struct object *object; /* the store sets it */
    struct referrers_edge *edges;
    uint32_t n;
};
struct referrers {
    struct map targets;
};
void referrers_fini(struct referrers *r); /* every source must have been cleared */
/* Notes whatever source->object names. */
void referrers_note(struct referrers *r, struct referrers_source *source);
void referrers_clear(struct referrers *r, struct referrers_source *source);
const struct object **referrers_list(const struct referrers *r, struct arena *a, enum api_kind kind, str ns,
                                     str name, enum api_kind from, size_t *ret_n);
/* As store_targets() of store.h. */
struct store_target;
struct store_target *referrers_targets(const struct referrers *r, struct arena *a, enum api_kind kind,
                                       bool (*wanted)(void *arg, const struct store_target *t,
                                                      const struct object *from),
                                       void *arg, size_t *ret_n);
/* The Service that an EndpointSlice belongs to; not given when its label names none. */
str referrers_service_of(const struct object *slice);
