/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/gateway.h"
#include "resolve/conditions.h"

/* Addresses that a Gateway asks for, and those that it has.                             [GW GatewaySpec.addresses] */

/* g->addresses, shown, scopes, wishes and what could not be had; may set g->accepted and g->address. */
void gateway_addresses_judge(struct pass *p, struct gateway_state *g, const struct gateway *gw);
/* Why the Gateway is not programmed, as far as it is its addresses' fault. */
struct verdict gateway_addresses_failure(struct pass *p, const struct gateway_state *g);
/* status.addresses, and AddressesAssigned. */
void gateway_addresses_write(struct pass *p, const struct gateway_state *g, struct conditions *c,
                             struct gateway_status *st);
