/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/api.h"

/* What we say of an object, put into the status that it has: for whoever writes it back. Conditions of types that are not ours,
 * entries of other controllers and fields that we do not know stay as they are, in their order; lastTransitionTime moves with the
 * status alone; a condition of ours that is no longer said goes.                                 [GW 15: Writing status]
 * existing: the object's `status`, or NULL. ours: the struct of the kind's status_schema; NULL: nothing any more, which takes our
 * entries out of parents and ancestors and leaves every other status alone.
 * The merged status in a (parts of it are existing's); *ret_changed: it says something else than the existing one. When that was
 * written for a later generation than ours, it comes back unchanged. */
struct node *status_merge(struct arena *a, enum api_kind kind, const struct node *existing, const void *ours,
                          str controller_name, int64_t now_s, bool *ret_changed);
