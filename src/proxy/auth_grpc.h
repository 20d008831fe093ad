/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "proxy/auth.h"

/* The same question by gRPC: one call of a Check, on a stream of its own. What is told and what comes back is proto/authz.h's. */
/* The head of a call, for the authorization server that is asked now; its body follows with auth_grpc_feed(). */
struct http_msg *auth_grpc_question(struct exchange *x);
/* OK also when not all of it can go yet: x->errand.sent tells. */
err auth_grpc_feed(struct exchange *x);
/* The answer as it comes. false: it is none. */
bool auth_grpc_head(struct exchange *x, const struct http_msg *m, bool end);
bool auth_grpc_body(struct exchange *x, str bytes);
/* Its end. true: it says yes, and what it changes is changed; or no, which auth_grpc_deny() tells the client. */
bool auth_grpc_end(struct exchange *x, const struct http_msg *trailers);
void auth_grpc_deny(struct exchange *x);
/* The fields that were promised to a response: it passes those who were asked from the last to the first. */
void auth_grpc_response(const struct exchange *x, struct http_msg *m);
