/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "schema/finding.h"
#include "schema/schema.h"

/* A place in a document as a chain of steps, written out only when something is wrong there. */
struct breach_step {
    const struct breach_step *up;
    str name;       /* not given: the index counts */
    uint32_t index; /* of a list's item */
};
str breach_path(struct arena *a, const struct breach_step *at);

/* What a cross-field rule gets: where the struct stands, to say what is wrong in it. */
struct schema_check {
    struct findings *findings;
    const struct node *node; /* the mapping that became the struct; NULL when a default did */
    uint32_t line, column;   /* of the mapping */
    const struct breach_step *at;
};
/* A place below the struct, as "listeners[2].tls". */
__attribute__((format(printf, 2, 3))) str breach_at(struct schema_check *c, const char *fmt, ...);
/* A finding of class schema at this place ("" = the struct itself), with the line of the nearest node that exists. remedy may be not given. */
__attribute__((format(printf, 4, 5))) void breach(struct schema_check *c, str at, str remedy, const char *fmt,
                                                  ...);
