/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "http/span.h"

struct exchange;
struct table_listener;
struct tracer;
/* An exchange's part of a trace, where its listener is traced: what it tells backends of it, and the spans it comes to. A trace that came is gone
 * on with, as it came when we have nothing to add to it; else one begins here.                              [W3C Trace Context 4] */
enum { TRACE_ATTEMPTS_MAX = 32 }; /* that get a span; what comes after is counted as dropped */
struct trace_attempt {
    struct trace_attempt *next;
    struct span_attempt a;
    bool over;
};
struct trace {                /* owner: worker; of the exchange's arena */
    struct trace_context now; /* what is told on: our own span of it */
    uint8_t parent_id[TRACE_SPAN_BYTES];
    bool has_parent;
    bool unchanged;                  /* what came goes on as it is */
    char parent[TRACE_PARENT_CHARS]; /* the value of traceparent; each attempt has a span of its own in it */
    char span[2 * TRACE_SPAN_BYTES];
    str state, route, span_name;
    struct tracer *to; /* counted; NULL: no span is made */
    uint32_t wishes_n, attempts_n;
    struct span_wish *wishes; /* a listener may go before the exchange does */
    struct trace_attempt *attempts, *last;
};
/* Its listener is known. */
void trace_begin(struct exchange *x, const struct table_listener *l);
/* The fields are set, before filters may change them. */
void trace_tell(struct exchange *x);
/* Its rule is known, and the path as it was matched. */
void trace_matched(struct exchange *x);
/* An attempt at an endpoint begins, and is over: why it failed, or the status that came. */
void trace_attempt(struct exchange *x);
void trace_attempt_over(struct exchange *x, enum http_reason why, uint16_t status);
/* It is over. */
void trace_report(struct exchange *x, const struct access_record *r);
