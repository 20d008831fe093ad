/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/http_route.h"
#include "api/route.h"
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
void rules_resolve(struct pass *p, const struct route *route, struct rules *ret);

/* ---- for the kinds' own files ---- */

/* The backends that a rule names; the verdict is of their filters. from: for replacements of prefixes. */
struct verdict rules_map_targets(struct pass *p, const struct route *route, str path,
                                 const struct http_backend_ref *refs, uint32_t n,
                                 const struct http_route_rule *from, struct plan_rule *to, struct rules *out);
/* One backend as the next target of the rule. */
struct plan_target *rules_add_target(struct pass *p, const struct route *route, str where,
                                     const struct backend_object_ref *ref, int64_t weight,
                                     struct plan_rule *to, struct rules *out);
/* A rule without backends answers 500. to->targets has room. */
void rules_answer_500(struct arena *a, str path, struct plan_rule *to);
/* References of mirrors count for ResolvedRefs. */
void rules_judge_mirrors(struct pass *p, const struct route *route, str path,
                         const struct http_route_filter *filters, uint32_t n, struct rules *out);
struct verdict rules_not_served(struct arena *a, str path, const char *field, enum feature f);
/* Header matches, or those of query parameters. */
struct verdict rules_map_values(struct arena *a, str path, const char *field, const struct value_match *from,
                                uint32_t n, bool headers, struct plan_value_match **ret, uint32_t *ret_n);
/* Puts the i-th rule where its verdict belongs. */
void rules_sort(struct arena *a, struct rules *out, uint32_t i, const struct plan_rule *rule,
                struct verdict v);
