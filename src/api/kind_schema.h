/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "schema/schema.h"

/* The tables of whole objects, one for each kind; api.c lists them. */
extern const struct schema gateway_class_schema;
extern const struct schema gateway_schema;
extern const struct schema http_route_schema;
extern const struct schema reference_grant_schema;
extern const struct schema core_service_schema;
extern const struct schema core_endpoint_slice_schema;
extern const struct schema core_secret_schema;
extern const struct schema core_namespace_schema;
/* Of statuses. */
extern const struct schema condition_class_status_schema;
extern const struct schema condition_gateway_status_schema;
extern const struct schema condition_route_status_schema;

struct arena;
struct secret;
struct namespace;
/* Puts stringData over data and forgets it. */
void core_merge_string_data(struct arena *a, struct secret *s);
/* Every namespace has the label kubernetes.io/metadata.name. */
void core_label_namespace(struct arena *a, struct namespace *ns);
