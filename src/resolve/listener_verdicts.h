/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/condition.h"
#include "resolve/resolver.h"

/* What statuses say of listeners, those of Gateways and of ListenerSets alike. */

/* How the sockets of an object's listeners stand. */
struct listener_tally {
    uint32_t accepted, usable, unresolved, programmed, pending;
    struct verdict first_bad; /* of the listeners that are accepted and not programmed */
};
/* Writes the status of one and counts it. Strings in p->scratch or of the states. */
void listener_verdicts_write(struct pass *p, const struct listener_state *l, struct listener_status *st,
                             struct listener_tally *t);
