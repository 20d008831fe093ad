/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/reference.h"

/* What HTTPRoute, GRPCRoute and the routes of l4_route.h all begin with: a pointer to any of them may be cast to this. */
struct route {
    struct object obj;
    struct {
        LIST_OF(struct parent_ref) parent_refs;
        uint8_t use_default_gateways; /* enum all_or_none */
        LIST_OF(str) hostnames;       /* TCPRoute, UDPRoute: empty */
    } spec;
};
/* Is this a kind of route? */
bool route_is(enum api_kind kind);
