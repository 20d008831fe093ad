/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "proxy/exchange.h"

/* What flows once the request goes out: the response's events from the backend's codec, and back-pressure both ways: a side is not read
 * further while more than CONN_HIGH_WATER_BYTES of it wait to be written on the other. */
extern const struct codec_sink relay_sink; /* arg: the upstream_loan of an exchange */
/* The answer of somebody else than the backend, in X_ASK: to the client as it is, its body follows. */
void relay_answer(struct exchange *x, struct http_msg *m, bool end);
void relay_request_body(struct exchange *x, str bytes);
void relay_request_end(struct exchange *x);
/* After a side was read: hold it when the other has enough. After a side was written: let the other be read again. */
void relay_hold_client(struct exchange *x);
void relay_hold_backend(struct exchange *x);
void relay_client_wrote(struct exchange *x);
void relay_backend_wrote(struct exchange *x);
