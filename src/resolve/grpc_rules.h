/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/grpc_route.h"
#include "resolve/rules.h"

/* A GRPCRoute's rules in the plan's words; none when it has none.                                [GW GRPCRoute] */
void grpc_rules_resolve(struct pass *p, const struct grpc_route *route, struct rules *ret);
