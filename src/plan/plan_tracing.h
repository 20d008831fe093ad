/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "schema/schema.h"

/* Spans that go to a collector: OTLP/HTTP, or OTLP/gRPC where its backend is H2C. Of new traces the share `sampled` is taken; of those that the
 * caller has sampled `sampled_of_parent`, and none of those that it has not.                [GW TracingConfig] */
struct plan_header {
    str name, value;
};
struct plan_share {
    int64_t numerator, denominator;
};
enum plan_tracing_source { PLAN_SPAN_UNSET, PLAN_SPAN_HEADER, PLAN_SPAN_LITERAL, PLAN_SPAN_ATTRIBUTE };
struct plan_tracing_attribute {
    str name, value; /* HEADER: its name, lower case; ATTRIBUTE: OpenTelemetry's, left out when not known */
    uint8_t source;  /* enum plan_tracing_source */
};
struct plan_tracing {
    str backend;   /* key of a PLAN_BACKEND; "" = spans are not made, traces told on alone */
    str authority; /* of the collector, for Host */
    LIST_OF(struct plan_header) headers; /* of each export; values FIELD_SECRET */
    struct plan_share sampled, sampled_of_parent;
    bool ignores_parent;                               /* every trace counts as new */
    str service_name, span_name;                       /* "" = the defaults */
    LIST_OF(struct plan_tracing_attribute) attributes; /* of each span */
    struct opt_int batch_spans, batch_time; /* an export begins with so many, or so long after the first */
};
