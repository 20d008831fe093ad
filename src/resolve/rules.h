/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/http_route.h"
#include "plan/plan.h"
#include "resolve/resolver.h"

/* A route's rules in the plan's words. A rule that asks for what this binary does not serve is left out whole; a target
 * that is wrong keeps its share and answers 500. */
struct rules {
    struct plan_rule *good;
    uint32_t good_n, bad_n;
    struct verdict bad;  /* of the first that was left out, */
    str bad_rules;       /* and "Rule 0, 3": which */
    struct verdict refs; /* ResolvedRefs */
};
void rules_resolve(struct pass *p, const struct http_route *route, struct rules *ret);
