/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/http_route.h"
#include "api/route.h"
#include "plan/plan.h"
#include "resolve/resolver.h"

/* A route's rules in the plan's words. A rule that asks for what this binary does not serve is left out whole; a target
 * that is wrong keeps its share and answers 500. A rule left out that might have kept requests out is closed instead: it takes what it
 * matches, and answers 500. */
struct rules {
    struct plan_rule *good; /* closed ones among them */
    uint32_t good_n, closed_n, bad_n;
    struct verdict bad;          /* of the first that was left out or closed, */
    str bad_rules, closed_rules; /* and "0, 3": which */
    struct verdict refs;         /* ResolvedRefs */
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
/* References of filters count for ResolvedRefs. */
void rules_judge_filters(struct pass *p, const struct route *route, str path,
                         const struct http_route_filter *filters, uint32_t n, struct rules *out);
struct verdict rules_not_served(struct arena *a, str path, const char *field, enum feature f);
/* Header matches, or those of query parameters. */
struct verdict rules_map_values(struct pass *p, str path, const char *field, const struct value_match *from,
                                uint32_t n, bool headers, struct plan_value_match **ret, uint32_t *ret_n);
/* Has the rule or a backend of it a filter that may keep requests out? */
bool rules_guarded(const struct http_route_filter *filters, uint32_t n, const struct http_backend_ref *refs,
                   uint32_t refs_n);
/* One expression of a match by itself, and whether it fits with those of its route before it. */
struct verdict rules_check_regex(struct pass *p, str path, const char *field, str expression);
/* Puts the i-th rule where its verdict belongs. close: its matches stand, and nobody else may have what they take. */
void rules_sort(struct arena *a, struct rules *out, uint32_t i, struct plan_rule *rule, struct verdict v,
                bool close);
