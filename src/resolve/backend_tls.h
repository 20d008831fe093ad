/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/backend_tls_policy.h"
#include "plan/plan.h"
#include "resolve/resolver.h"

/* BackendTLSPolicies: which one holds for a port of a Service, and whether it can be kept. */

/* Of those that target the port the one for its name before one for the whole Service, then the oldest, then by name; NULL: none.
 *                                                                                    [GW BackendTLSPolicySpec.targetRefs] */
const struct backend_tls_policy *backend_tls_find(const struct pass *p, str ns, str service, str port_name);
/* The oldest with exactly this target, section_name "" being the whole Service; NULL: none. */
const struct backend_tls_policy *backend_tls_first(const struct pass *p, str ns, str service,
                                                   str section_name);
/* The policy by itself: Accepted and ResolvedRefs; ret_tls (strings in p->scratch) is filled when it is accepted. */
struct verdict backend_tls_judge(struct pass *p, const struct backend_tls_policy *policy,
                                 struct verdict *ret_refs, struct plan_backend_tls *ret_tls);
/* How certificates are verified, wherever it is said; path: what messages call the validation. ns: of its ConfigMaps. */
struct verdict backend_tls_validate(struct pass *p, str ns, const char *path,
                                    const struct backend_tls_validation *from, struct verdict *ret_refs,
                                    struct plan_backend_tls *ret_tls);
/* Sets tls or refused of the piece when a policy holds for the port. */
void backend_tls_apply(struct pass *p, str ns, str service, str port_name, struct plan_backend *piece);
/* What is said of the policy. */
void backend_tls_status(struct pass *p, struct policy_state *ps, const struct object *o);
