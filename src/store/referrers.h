/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/parcel.h"
#include "base/index.h"

/* Who refers to whom, kept with each put and remove: each thing that is referred to has the set of those that do, so that taking an object away
 * costs what it refers to, however many others refer to the same. */
struct referrers {
    struct index targets;
};
void referrers_init(struct referrers *r);
void referrers_fini(struct referrers *r); /* every parcel must have been cleared */
/* Notes whatever p's object names; o is that object. */
void referrers_note(struct referrers *r, const struct parcel *p, const struct object *o);
/* It names nothing any more. */
void referrers_clear(struct referrers *r, const struct parcel *p, const struct object *o);
/* n of them, in no useful order, in a. */
const struct parcel **referrers_list(const struct referrers *r, struct arena *a, enum api_kind kind, str ns,
                                     str name, enum api_kind from, size_t *ret_n);
/* As store_targets() of store.h. */
struct store_target;
struct store_target *referrers_targets(const struct referrers *r, struct arena *a, enum api_kind kind,
                                       bool (*wanted)(void *arg, const struct store_target *t,
                                                      const struct object *from),
                                       void *arg, size_t *ret_n);
/* The Service that an EndpointSlice belongs to; not given when its label names none. */
str referrers_service_of(const struct object *slice);
/* And the XBackend, by the value of its label. */
str referrers_xbackend_of(const struct object *slice);
