/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "http/http_reason.h"
#include "table/table.h"

struct exchange;

/* When a request is sent again. What a backend may have processed goes out twice only when it is idempotent; whoever has sent a body that
 * is not kept any more can not be repeated at all.
 * Without a `retry` of its rule: another endpoint when no connection could be made, or the backend says that it has not touched the
 * request (REFUSED_STREAM, or a stream above the last one of its GOAWAY; the same endpoint again if there is no other); a fresh connection, once, when a pooled one turns out to have been closed.
 * With one: so many attempts, each after a wait, for the same causes and for the statuses it lists; a connection that breaks is a 502
 * then, and a try that takes too long a 504.
 * Past the budget of its backend it is not sent again: 503 [GW RetryConstraint]. A pooled connection's end, which costs the backend nothing, does
 * not count.                                     [GW HTTPRouteRetry] [RFC 9110 9.2.2] */
enum { RETRY_BODY_BYTES_MAX = 64 << 10, RETRY_TOLD_MAX = 8 };
/* Why nothing more was tried. */
enum retry_stop {
    RETRY_NOT_STOPPED,
    RETRY_STOP_ATTEMPTS,
    RETRY_STOP_METHOD,
    RETRY_STOP_BODY,
    RETRY_STOP_TIME,
    RETRY_STOP_BUDGET,
    RETRY_STOP_COUNT,
};
struct retry {       /* of an exchange */
    uint32_t n;      /* attempts that its rule has allowed so far */
    uint8_t stop;    /* enum retry_stop */
    bool elsewhere;  /* an endpoint would not look at it: another one, if there is any */
    bool on_fresh;   /* a pooled connection was found closed: no pooled ones any more */
    uint64_t due_us; /* of the next attempt */
    uint32_t told_n;
    str told; /* for the record: "503,backend_refused" */
};
/* How far a backend may have come with a request that has failed. */
enum retry_fault {
    RETRY_UNSENT, /* it has processed nothing, for sure */
    RETRY_POOLED, /* the pooled connection may have been closed before the request came */
    RETRY_MAYBE,
};
enum retry_verdict {
    RETRY_NO,
    RETRY_NOW,
    RETRY_LATER, /* at x->retry.due_us */
    RETRY_SPENT, /* not any more: the backend's budget is used up, which is a 503 of its own */
};
enum retry_verdict retry_fault(struct exchange *x, enum retry_fault f, enum http_reason why);
/* The same for an answer; NO: it goes to the client. */
enum retry_verdict retry_status(struct exchange *x, uint16_t status);
/* Might it still be sent again, so that its body is worth keeping? */
bool retry_possible(const struct exchange *x);
/* May it be sent twice?                                                                                      [RFC 9110 9.2.2] */
bool retry_idempotent(const struct http_msg *m);
/* Not even a pooled connection's end may be found out by trying. */
bool retry_forbidden(const struct exchange *x);
/* The wait before the attempt after the nth retry (from 0): up to the base and twice as much each time, to ten times the base, anywhere in
 * that span, so that those who failed together do not come back together. random: all 64 bits. */
uint64_t retry_wait_us(uint64_t base_us, uint32_t nth, uint64_t random);
/* "attempts", "body", ...; "" for NOT_STOPPED. */
str retry_stop_name(enum retry_stop s);
