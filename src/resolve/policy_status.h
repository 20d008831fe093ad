/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "resolve/conditions.h"
#include "resolve/resolver.h"

/* What is said of a policy, an XBackend or an XMesh: an entry for each of our Gateways that it matters to. */
enum {
    POLICY_STATUS_ANCESTORS_MAX = 16 /* [GW PolicyStatus.ancestors] */,
    POLICY_STATUS_XBACKEND_ANCESTORS_MAX = 32
};
struct ancestor {
    const struct gateway_state *gateway; /* NULL: there is none of that name */
    str ns, name;
    uint32_t targets, in_force, found, barred; /* of the policy, that this Gateway uses */
};
struct ancestors {
    struct ancestor v[POLICY_STATUS_XBACKEND_ANCESTORS_MAX];
    uint32_t n, max; /* max 0: as many as a policy has */
};
/* The least by name are kept when there are more than a status holds. NULL: not kept. */
struct ancestor *policy_status_ancestor(struct ancestors *all, const struct gateway_state *g);
/* A target that is nowhere. */
void policy_status_missing(struct ancestors *all, str ns, str name);
/* The Gateways that a route is attached to. */
void policy_status_add_gateways(const struct route_state *rs, struct ancestors *all);
/* Gateways that use the Service or XBackend, for routes or for themselves, by that port when it is not 0. */
void policy_status_add_users(const struct pass *p, enum api_kind kind, str ns, str name, int64_t port,
                             struct ancestors *all);
/* One entry for each; conditions by whoever knows the kind. None: it matters to nobody, and nothing is said. */
typedef void policy_status_judge(struct pass *p, const struct object *o, const struct ancestor *a,
                                 struct conditions *c);
void policy_status_tell(struct pass *p, struct policy_state *ps, const struct object *o,
                        struct ancestors *all, policy_status_judge *judge);
/* NULL: nothing is said. */
void policy_status_set(struct pass *p, struct policy_state *ps, const void *status);
/* Accepted=False: the kind is not served. a is not looked at. */
void policy_status_judge_unserved(struct pass *p, const struct object *o, const struct ancestor *a,
                                  struct conditions *c);
/* Of two that want the same the one that has it goes first: age, unknown last, then namespace and name. <0, 0, >0. */
int policy_status_order(const struct object *x, const struct object *y);
