/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "schema/schema.h"

/* The tables of whole objects, one for each kind; api.c lists them. */
extern const struct schema gateway_class_schema;
extern const struct schema gateway_schema;
extern const struct schema http_route_schema;
extern const struct schema listener_set_schema;
extern const struct schema grpc_route_schema;
extern const struct schema l4_route_schema; /* TCPRoute, UDPRoute */
extern const struct schema l4_route_schema_v1alpha2;
extern const struct schema l4_route_tls_schema;
extern const struct schema l4_route_tls_schema_v1alpha2;
extern const struct schema backend_tls_policy_schema;
extern const struct schema xbackend_schema;
extern const struct schema xbackend_traffic_policy_schema;
extern const struct schema xmesh_schema;
extern const struct schema xtelemetry_policy_schema;
extern const struct schema reference_grant_schema;
extern const struct schema core_service_schema;
extern const struct schema core_endpoint_slice_schema;
extern const struct schema core_secret_schema;
extern const struct schema core_config_map_schema;
extern const struct schema core_cluster_trust_bundle_schema;
extern const struct schema core_namespace_schema;
/* Of statuses. */
extern const struct schema condition_class_status_schema;
extern const struct schema condition_gateway_status_schema;
extern const struct schema condition_route_status_schema;
extern const struct schema condition_listener_set_status_schema;
extern const struct schema condition_policy_status_schema;
extern const struct schema condition_xmesh_status_schema;

struct arena;
struct secret;
struct namespace;
/* Puts stringData over data and forgets it. */
void core_merge_string_data(struct arena *a, struct secret *s);
/* Every namespace has the label kubernetes.io/metadata.name. */
void core_label_namespace(struct arena *a, struct namespace *ns);
