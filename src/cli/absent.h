/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "cli/offline.h"

/* What objects hang on and no manifest holds, where no status tells of it: the Gateway's class, parents of routes and ListenerSets, targets of
 * policies. (What a rule or a listener names is told by ResolvedRefs.) */
struct absent {
    const struct object *object;
    str where, message, remedy; /* in the arena that was given */
};
void absent_each(const struct offline *o, struct arena *a, void (*each)(void *arg, const struct absent *x),
                 void *arg);
