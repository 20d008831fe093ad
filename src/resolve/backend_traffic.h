/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/xbackend_traffic_policy.h"
#include "plan/plan.h"
#include "resolve/resolver.h"

/* XBackendTrafficPolicies: which one holds for a Service or an XBackend, and what it says. */

/* The oldest that targets the backend, when such policies are served; NULL: none.    [GW BackendTrafficPolicySpec.targetRefs] */
const struct xbackend_traffic_policy *backend_traffic_find(const struct pass *p, enum api_kind kind, str ns,
                                                           str name);
/* In p->scratch; NULL: none. */
struct plan_retry_budget *backend_traffic_budget(const struct pass *p, enum api_kind kind, str ns, str name);
/* What is said of the policy. */
void backend_traffic_status(struct pass *p, struct policy_state *ps, const struct object *o);
