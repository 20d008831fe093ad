/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "cli/offline.h"

/* What `check` has to say, in the order of places: what the reader of files found and what conditions of objects tell. */
struct problem {
    enum finding_class class;
    bool warning; /* it works, but hardly as it is meant */
    str file;
    uint32_t line, column; /* 0: not known */
    str kind, ns, name;
    str where; /* a field's path, or "listener https: ResolvedRefs=False (InvalidCertificateRef)" */
    str message, remedy;
    uint32_t order; /* in which it was found: keeps the sort stable */
};
struct problem *problems_list(const struct offline *o, struct arena *a, size_t *ret_n);

enum problems_form { PROBLEMS_TEXT, PROBLEMS_JSON, PROBLEMS_GITHUB };
/* Something missing here may well be elsewhere, and a warning is none of an error: these fail only when strict. */
bool problems_fails(const struct problem *p, bool strict);
void problems_print(struct buf *b, enum problems_form form, const struct problem *p, size_t n, bool strict);
