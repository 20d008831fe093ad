/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "http/span.h"
#include "table/table.h"

/* What a listener does about the traces that its requests belong to: which it takes, and where their spans go. */
enum { TABLE_COLLECTOR_ID = 24 };
struct table_collector {
    const struct table_backend *backend;
    char id[TABLE_COLLECTOR_ID]; /* a digest of all that follows: equal ids are the same collector */
    bool grpc;                   /* OTLP/gRPC, over HTTP/2; else OTLP/HTTP */
    str authority;
    str service_name;
    uint32_t headers_n, batch_spans;
    uint64_t batch_us;
    const struct table_header *headers; /* of each export */
};
struct table_tracing {
    uint64_t sampled, sampled_of_parent; /* as trace_context_threshold() gives them */
    bool ignores_parent;                 /* what the caller has decided counts for nothing */
    str span_name;                       /* "" = of the method and the route */
    uint32_t wishes_n;
    const struct span_wish *wishes;
    const struct table_collector *collector; /* NULL: traces are told on, but no spans are made */
};
