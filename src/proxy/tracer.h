/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "proxy/proxy_core.h"

struct exchange;
struct span_attempt;
struct span_exchange;
/* Where the spans of one collector wait and from where they are sent, by OTLP over HTTP, as any request to a backend is: an export at a time, a
 * batch each. An export that fails is tried again after a while, and by what the collector says of it; meanwhile what comes waits, up to a bound,
 * and past that is dropped and counted. No exchange ever waits for it.                       [OTLP/HTTP] [OTLP/gRPC] */
enum {
    TRACER_WAITING_SPANS_MAX = 4096,
    TRACER_WAITING_BYTES_MAX = 2 << 20,
    TRACER_ALL_BYTES_MAX = 32 << 20, /* of all of a worker's */
    TRACERS_MAX = 256,
    TRACER_TRIES_MAX = 5,
};
/* Of the listener's collector, counted for an exchange; NULL: there are too many. */
struct tracer *tracer_hold(struct exchange *x, const struct table_listener *l);
void tracer_release(struct tracer *t);
/* The server's span, or that of an attempt. */
void tracer_add(struct tracer *t, struct span_exchange *s, const struct access_record *r,
                const struct span_attempt *a);
/* Spans that were not made. */
void tracer_lost(struct proxy *p, uint64_t n);
void tracer_setup(struct proxy *p);
/* What waits is sent at once, and tried once. */
void tracer_drain_all(struct proxy *p);
bool tracer_is_idle(const struct proxy *p);
void tracer_cut_all(struct proxy *p);
void tracer_free_all(struct proxy *p);
