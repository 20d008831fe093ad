/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/gateway.h"
#include "api/http_route.h"

/* What we say of objects. Conditions carry no time here: whoever writes them merges transition times and the entries of others. */
enum condition_status { CONDITION_UNKNOWN, CONDITION_TRUE, CONDITION_FALSE };
struct condition {
    str type, reason, message;
    uint8_t status; /* enum condition_status */
    int64_t observed_generation;
};
struct supported_feature {
    str name;
};
struct gateway_class_status {
    LIST_OF(struct condition) conditions;
    LIST_OF(struct supported_feature) supported_features; /* ordered by name */
};
struct listener_status {
    str name;
    LIST_OF(struct route_group_kind) supported_kinds;
    int64_t attached_routes;
    LIST_OF(struct condition) conditions;
};
struct gateway_status_address {
    str type, value;
    str routability; /* "" is said, too */
};
struct gateway_status {
    LIST_OF(struct gateway_status_address) addresses;
    LIST_OF(struct condition) conditions;
    LIST_OF(struct listener_status) listeners;
    int64_t attached_listener_sets;
};
struct route_parent_status {
    struct parent_ref parent_ref;
    str controller_name;
    LIST_OF(struct condition) conditions;
};
struct route_status {
    LIST_OF(struct route_parent_status) parents;
};
struct listener_set_status {
    LIST_OF(struct condition) conditions;
    LIST_OF(struct listener_status) listeners;
};
/* Of BackendTLSPolicy, XBackend, XBackendTrafficPolicy and XTelemetryPolicy. */
struct policy_ancestor_status {
    struct parent_ref ancestor_ref;
    str controller_name;
    LIST_OF(struct condition) conditions;
};
struct policy_status {
    LIST_OF(struct policy_ancestor_status) ancestors;
};
struct xmesh_status {
    LIST_OF(struct condition) conditions;
    LIST_OF(struct supported_feature) supported_features; /* ordered by name */
};
/* Most types are good when True; of these True is the bad news: Conflicted, PartiallyInvalid, ... [GW ListenerConditionType] */
bool condition_is_negative(str type);
