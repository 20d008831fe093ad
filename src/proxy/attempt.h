/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "proxy/exchange.h"

/* The backend's side up to the response: endpoint, connection, request, another attempt. */
void attempt_start(struct exchange *x, bool fresh);
/* Keeps body bytes that can not be sent yet, or might have to be sent again. */
void attempt_keep_body(struct exchange *x, str bytes);
/* The loan ends: pooled when request and response are complete. */
void attempt_let_go(struct exchange *x);
void attempt_drop(struct exchange *x);
/* The connection ended before a final response: tried again where that is safe, else 502. */
void attempt_lost(struct exchange *x, enum http_reason why);
/* Is the body kept for another attempt? */
bool attempt_may_repeat(const struct exchange *x);
/* What upstream/ tells. */
const struct upstream_events *attempt_events(void);
