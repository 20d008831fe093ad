/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/http_route.h"

/* [GW GRPCRoute] Its filters and backends are those of an HTTPRoute; of the filters it has the first four. */
struct grpc_method_match {
    uint8_t type;        /* enum value_match_type */
    str service, method; /* not given: any; one of them is given */
};
struct grpc_route_match {
    struct grpc_method_match *method; /* not given: any method */
    LIST_OF(struct value_match) headers;
};
struct grpc_route_rule {
    str name;
    LIST_OF(struct grpc_route_match) matches; /* empty: every call */
    LIST_OF(struct http_route_filter) filters;
    LIST_OF(struct http_backend_ref) backend_refs;
    struct session_persistence *session_persistence;
};
struct grpc_route {
    struct object obj;
    struct {
        LIST_OF(struct parent_ref) parent_refs;
        uint8_t use_default_gateways; /* enum all_or_none */
        LIST_OF(str) hostnames;
        LIST_OF(struct grpc_route_rule) rules; /* may be empty */
    } spec;
};
