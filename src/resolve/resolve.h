/* SPDX-License-Identifier: Apache-2.0 */
/* What the objects and facts mean together. resolve.c lists the passes in order: classes, gateways and listeners, certificates,
 * attachment, backends, rules, statuses. What one route resolves to is kept until something it depends on changes.
 * In:    the store's changes, facts, the time.     Out: the plan's changes, a status for every object, when to look again.
 * Own:   the builder thread; statuses live in the resolver until the next pass that changes them. Doors beside: features.h resolve_warnings.h.
 * Never: a failure: any input gives a plan and a status; a clock; a message that tells one tenant of another's objects. */
#pragma once
#include "api/condition.h"
#include "plan/plan.h"
#include "store/store.h"

struct resolver;
struct resolver *resolver_new(void);
void resolver_free(struct resolver *r);
DEFINE_CLEANUP(resolver)

/* What a pass did; counted so that tests can hold "cost follows the change". */
struct resolve_work {
    uint32_t gateways, routes, backends; /* resolved anew */
    uint32_t xbackends;                  /* among these */
    uint32_t statuses;                   /* that differ from before */
};
/* Takes the store's changes and the facts and brings the plan up to date; *d gets what changed in it.
 * now_s: seconds since 1970. *ret_again_s: when time alone would change a result (a certificate expires); INT64_MAX: never. */
void resolve_pass(struct resolver *r, struct store *s, struct facts *f, int64_t now_s, struct plan *p,
                  struct plan_delta *d, struct resolve_work *ret_work, int64_t *ret_again_s);

/* The status of an object by its kind: struct gateway_class_status, gateway_status,
 * listener_set_status, route_status, policy_status, xmesh_status; NULL when it has none (not ours).
 * Valid until the next pass, or until they are let go. */
const void *resolve_status(const struct resolver *r, enum api_kind kind, str ns, str name);
/* Statuses given out so far are looked at no more: for who goes through very many. */
void resolve_let_go(struct resolver *r);
/* Keys of objects whose status changed in the last pass, as struct store_change, in a. */
struct store_change *resolve_changed_statuses(const struct resolver *r, struct arena *a, size_t *ret_n);
