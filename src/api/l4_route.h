/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/reference.h"

/* [GW TLSRoute, TCPRoute, UDPRoute] One struct for the three: a rule is its backends, and only a TLSRoute has hostnames. */
struct l4_route_rule {
    str name;
    LIST_OF(struct backend_ref) backend_refs;
};
struct l4_route {
    struct object obj;
    struct {
        LIST_OF(struct parent_ref) parent_refs;
        uint8_t use_default_gateways; /* enum all_or_none */
        LIST_OF(str) hostnames;
        LIST_OF(struct l4_route_rule)
        rules; /* one, but for TLSRoute v1alpha2, TCPRoute and UDPRoute v1alpha2 */
    } spec;
};
