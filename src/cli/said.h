/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "control/pipeline.h"

/* The conditions of an object's status, whatever its kind: its own, those of its listeners, parents and ancestors. */
struct said {
    str place; /* "", "listener http: ", "parent g/http: " */
    str type, status, reason, message;
};
/* Calls each for every one; the words live in a. */
void said_each(struct arena *a, const struct pipeline *p, const struct object *o,
               void (*each)(void *arg, const struct said *s), void *arg);
