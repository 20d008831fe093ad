/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "proxy/exchange.h"

/* Answers of our own, to the client's codec: the reason in words, the redirect of the exchange's rule, or what its CORS filter says to a preflight. The state is X_SEND afterwards, or
 * X_DONE when it could not be sent. */
void answer_reason(struct exchange *x, enum http_reason why);
void answer_redirect(struct exchange *x);
void answer_preflight(struct exchange *x);
/* An answer in others' words: its message, to be changed and sent. body: as long as the exchange. */
struct http_msg *answer_make(struct exchange *x, uint16_t status, str body);
void answer_send(struct exchange *x, struct http_msg *m, str body);
/* To a request for which there was no exchange. The connection is to be ended. */
void answer_overload(struct downstream *d);
/* The same, where the codec has answered by resetting the stream. */
void answer_refused(struct downstream *d);
