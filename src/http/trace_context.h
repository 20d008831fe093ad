/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"

/* What a request says of the trace it belongs to: the fields traceparent and tracestate.                       [W3C Trace Context] */
enum {
    TRACE_ID_BYTES = 16,
    TRACE_SPAN_BYTES = 8,
    TRACE_PARENT_CHARS = 55, /* "00-", 32 digits, "-", 16, "-", 2 */
    TRACE_ID_AT = 3,
    TRACE_SPAN_AT = 36,
    TRACE_STATE_CHARS_MAX = 512, /* of a tracestate that is passed on */
    TRACE_STATE_MEMBERS_MAX = 32,
};
enum trace_flag { TRACE_SAMPLED = 1, TRACE_RANDOM = 2 };
struct trace_context {
    uint8_t trace_id[TRACE_ID_BYTES];
    uint8_t span_id[TRACE_SPAN_BYTES]; /* of whoever sends it */
    uint8_t flags;                     /* of enum trace_flag; others are not kept */
};
/* ERR_PROTO: it is none, and counts as not sent. A later version is read as far as this one goes.        [W3C Trace Context 3.2, 4.3] */
err trace_context_parse(str s, struct trace_context *ret);
/* As version 00: TRACE_PARENT_CHARS, no NUL. */
void trace_context_print(const struct trace_context *c, char *to);
void trace_context_print_span(const uint8_t *span_id, char *to); /* 16 digits */

/* A tracestate, all its fields joined by commas, as it may be passed on: itself, or in a cut to the bound, long members first, then the last
 * ones. Not given: it is none, or not to be trusted.                                        [W3C Trace Context 3.3, 3.3.1.5] */
str trace_context_state(struct arena *a, str s);

/* A share of all traces by their id, so that whoever takes the same share takes the same ones: the least value of its last 56 bits that is
 * taken. TRACE_NEVER: none.                                                                [OTEP 235: consistent probability sampling] */
#define TRACE_NEVER (UINT64_C(1) << 56)
uint64_t trace_context_threshold(int64_t numerator, int64_t denominator);
bool trace_context_takes(const uint8_t *trace_id, uint64_t threshold);
