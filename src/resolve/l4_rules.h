/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/l4_route.h"
#include "resolve/rules.h"

/* The rule of a TLSRoute, TCPRoute or UDPRoute: its backends. Old versions take several rules; nothing tells them apart, so the first
 * has the traffic and the others are dropped and told. */
void l4_rules_resolve(struct pass *p, const struct l4_route *route, struct rules *ret);
