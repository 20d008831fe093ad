/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "proxy/exchange.h"

/* The backend's side up to the response: endpoint, connection, request, another attempt (retry.h says when). */
void attempt_start(struct exchange *x, bool fresh);
/* What was kept of the body goes on to the backend, as far as it takes it. */
err attempt_feed(struct exchange *x);
/* Has all that was kept gone, so that what comes may go past it? */
static inline bool attempt_is_fed(const struct exchange *x) { return x->fed.n == x->kept.n; }
/* The loan ends: pooled when request and response are complete. */
void attempt_let_go(struct exchange *x);
void attempt_drop(struct exchange *x);
/* No connection could be made: another endpoint, or an answer of ours. */
void attempt_failed(struct exchange *x, enum http_reason why);
/* It ended before a final response: tried again where that is safe, else an answer of ours. untouched: the backend says that it has not
 * processed the request. */
void attempt_lost(struct exchange *x, enum http_reason why, bool untouched);
/* The backend would not look at it: its stream was refused, or is above the last one of its GOAWAY.               [RFC 9113 8.7] */
void attempt_refused(struct exchange *x);
/* A final response has come. true: it is thrown away, for another attempt follows. */
bool attempt_answered(struct exchange *x, uint16_t status);
/* It takes longer than one attempt may. */
void attempt_late(struct exchange *x);
/* The wait is over. */
void attempt_again(struct exchange *x);
/* What upstream/ tells. */
const struct upstream_events *attempt_events(void);
