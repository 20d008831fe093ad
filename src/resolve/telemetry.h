/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "plan/plan.h"
#include "resolve/resolver.h"

/* Telemetry policies: what is traced of a Gateway's requests.                           [GW XTelemetryPolicy] */

/* By the policy that holds for the Gateway, in p->scratch; NULL: nothing is traced. */
struct plan_tracing *telemetry_map(struct pass *p, const struct gateway_state *g);
/* A Gateway of ours that the policy targets; NULL: the i-th target is none. */
const struct gateway_state *telemetry_target(const struct pass *p, const struct object *policy, uint32_t i);
void telemetry_status(struct pass *p, struct policy_state *ps, const struct object *o);
/* Marks those whose collector is the Service or XBackend; of a ReferenceGrant, with name "": those whose collector lies in its namespace. */
void telemetry_mark_referrers(struct pass *p, enum api_kind kind, str ns, str name);
/* Does the collector stand that the Gateway's settings name, and no policy goes before? */
struct verdict telemetry_judge_settings(struct pass *p, const struct gateway_state *g);
/* Marks the backend that is that Service, and the statuses of its Gateways, where settings name it: no object refers to it then. */
void telemetry_mark_collectors(struct pass *p, str ns, str name);
