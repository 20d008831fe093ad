/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "resolve/resolver.h"

/* The conditions of one object or listener, in the making. */
enum { CONDITIONS_MAX = 8 }; /* the API's bound */
struct conditions {
    struct arena *arena;
    int64_t generation;
    struct condition *p;
    uint32_t n;
};
struct conditions conditions_begin(struct arena *a, int64_t generation);
void conditions_add(struct conditions *c, const char *type, enum condition_status status, const char *reason,
                    str message);
/* True with the reason and message, or False with the verdict's. */
void conditions_judge(struct conditions *c, const char *type, struct verdict v, const char *good_reason,
                      str good_message);
