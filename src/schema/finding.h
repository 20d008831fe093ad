/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

/* What is wrong with an object, where, and what to do. */
enum finding_class { FINDING_SCHEMA, FINDING_REFERENCE, FINDING_MEANING };
struct finding {
    enum finding_class class;
    str file;              /* as the user named it; "" when there is none */
    uint32_t line, column; /* from 1; 0: not known */
    str kind, ns, name;    /* "" when not known yet */
    str path;              /* "spec.rules[0].matches[1].path.value" */
    str message, remedy;   /* "unknown field \"foo\"", "did you mean \"for\"?" */
    struct finding *next;
};
struct findings {
    struct arena *arena; /* everything in the list lives here */
    struct finding *first, **last;
    uint32_t n, n_max;        /* past n_max they are only counted */
    str file, kind, ns, name; /* put into each finding made */
};
void finding_init(struct findings *f, struct arena *a);
/* Adds one; the text is copied. remedy may be not given. NULL past n_max: only counted. */
__attribute__((format(printf, 7, 8))) struct finding *finding_add(struct findings *f,
                                                                  enum finding_class class, uint32_t line,
                                                                  uint32_t column, str path, str remedy,
                                                                  const char *fmt, ...);
/* "file:line:column: Kind ns/name: path: message; remedy" */
void finding_print(struct buf *b, const struct finding *f);
