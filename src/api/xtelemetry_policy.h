/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/http_route.h"

/* [GW XTelemetryPolicy] Enum members follow the order of the `values` of their fields, 0 = not given. */
enum tracing_mode { TRACING_UNSET, TRACING_ENABLED, TRACING_DISABLED, TRACING_DEFAULT };
enum attribute_source { ATTRIBUTE_UNSET, ATTRIBUTE_HEADER, ATTRIBUTE_LITERAL, ATTRIBUTE_ATTRIBUTE };
struct tracing_provider {
    struct backend_object_ref backend_ref;
    LIST_OF(struct http_header) headers;
};
struct parent_sampling {
    uint8_t mode; /* enum tracing_mode */
    struct fraction *sampling_rate;
};
struct tracing_attribute {
    str name;
    uint8_t source_type; /* enum attribute_source: the one of these that is given */
    str header_name, literal_value, attribute_key;
};
struct tracing {
    uint8_t mode; /* enum tracing_mode; all else is given only when it is Enabled */
    struct tracing_provider *provider;
    struct fraction *sampling_rate;
    struct parent_sampling *parent_based_sampling;
    str service_name, span_name;
    LIST_OF(struct tracing_attribute) attributes;
};
struct xtelemetry_policy {
    struct object obj;
    struct {
        LIST_OF(struct local_ref) target_refs;
        struct tracing *tracing;
    } spec;
};
