/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "resolve/resolver.h"

/* The status of a route in few bytes: there may be 100,000, and most say "accepted, resolved" of one parent. It is made
 * a struct route_status again when somebody asks. */
struct parent_verdict {
    const struct parent_ref *ref;
    struct verdict accepted, refs, partial; /* partial.reason NULL: no such condition */
};
/* In a; *ret_n bytes. */
char *verdicts_pack(struct arena *a, int64_t generation, const struct parent_verdict *v, uint32_t n,
                    uint32_t *ret_n);
struct route_status *verdicts_expand(struct arena *a, const char *packed, uint32_t n, str controller_name);
