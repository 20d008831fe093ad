/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/object.h"
#include "plan/plan.h"

struct findings;

/* The names that a listener and a hostname of a route both take: an exact one of them, else the longer. */
str shadows_common_name(const struct plan_listener *l, str own);

/* Which matches others go before for all they take: those that ask for the same, and, where a listener's hostname makes names the same, wider ones
 * of routes whose own hostname is longer. Every rule claims, in the order of right of the routes (plan_route_order), before one is told of. */
struct shadows { /* to zero but for a and plan */
    struct arena *a;
    const struct plan *plan;
    struct map takers; /* what a match takes at a listener and a name -> the struct taker that has it */
    struct map paths;  /* kind, listener, name, path -> the struct takers that stand there */
};
void shadows_claim(struct shadows *k, const struct plan_route *route, const struct plan_rule *rule);
/* One finding for a rule that is never reached, else one for each match that is not. */
void shadows_tell(struct shadows *k, struct findings *f, const struct object *o,
                  const struct plan_route *route, const struct plan_rule *rule);
void shadows_fini(struct shadows *k);
