/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"

/* What `postern top` reads of /metrics, and what two such pages say of the time between them. */
enum { TOP_BUCKETS_MAX = 64 };
struct top_route {
    str name;                              /* "HTTPRoute/ns/name", "other"; "" no route */
    uint64_t count, client_errors, errors; /* 4xx; 5xx and those that ended without a status */
    uint64_t buckets[TOP_BUCKETS_MAX + 1]; /* each alone, the last above all bounds */
    double sum_s;
};
struct top_endpoint {
    str backend, address; /* "ns/name:port"; address and port */
    str state, cause;     /* health_view_state(), health_view_cause() */
    uint64_t requests, failures, open, conns;
};
struct top_page {
    struct top_route *routes;
    size_t n;
    struct top_endpoint *endpoints;
    size_t endpoints_n;
    uint64_t endpoints_other; /* that the page leaves out */
    double bounds_s[TOP_BUCKETS_MAX];
    size_t bounds_n;
    uint64_t requests_open, connections_open, bytes_in, bytes_out, routes_other, start_s;
};
/* The page lives in a, and borrows text. ERR_PROTO: that is no such page. */
err top_page_read(struct arena *a, str text, struct top_page *ret);

/* What happened between two pages. A counter that went down began anew. */
struct top_rate {
    str name;
    double per_s, client_errors, errors; /* requests a second; shares of them, 0 to 1 */
    double p50_s, p90_s, p99_s;          /* 0: there were none; INFINITY: above all bounds */
    uint64_t count;                      /* since the start */
};
struct top_endpoint_rate {
    const struct top_endpoint *at;
    double per_s, failures; /* requests a second; the share of them */
};
struct top_rates {
    struct top_rate *v;
    size_t n;
    struct top_endpoint_rate *endpoints; /* those that do not serve as they should first, then by rate */
    size_t endpoints_n;
    struct top_rate all;
    double in_per_s, out_per_s; /* bytes of bodies */
};
enum top_sort { TOP_BY_RATE, TOP_BY_ERRORS, TOP_BY_P99, TOP_BY_NAME };
void top_page_compare(struct arena *a, const struct top_page *before, const struct top_page *now,
                      double seconds, enum top_sort sort, struct top_rates *ret);
