/* SPDX-License-Identifier: Apache-2.0 */
#include "api/route.h"

#include "api/grpc_route.h"
#include "api/http_route.h"
#include "api/l4_route.h"

#define SAME_PLACES(type)                                                                                    \
    _Static_assert(AT(type, spec.parent_refs) == AT(route, spec.parent_refs) &&                              \
                       AT(type, spec.use_default_gateways) == AT(route, spec.use_default_gateways) &&        \
                       AT(type, spec.hostnames) == AT(route, spec.hostnames),                                \
                   "begins as every route does")
SAME_PLACES(http_route);
SAME_PLACES(grpc_route);
SAME_PLACES(l4_route);

bool route_is(enum api_kind kind) {
    return kind == KIND_HTTP_ROUTE || kind == KIND_GRPC_ROUTE || kind == KIND_TLS_ROUTE ||
           kind == KIND_TCP_ROUTE || kind == KIND_UDP_ROUTE;
}
