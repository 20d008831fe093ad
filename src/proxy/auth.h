/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "table/table.h"

struct auth_call;
struct exchange;
struct http_msg;

/* External authorization: before anything else is done with a request its rule's authorization server is asked, then its target's; and
 * before it is matched at all, its listener's (table_listener.gate). 200 lets it in, with what that answer says in fields; any other answer
 * goes to the client as it is. Whoever can not be asked lets nobody in. By gRPC the server says yes or no in a message, auth_grpc.h.
 * The question is the exchange's own loan while its state is X_ASK.                          [GW HTTPExternalAuthFilter] */
enum { AUTH_ALL_BYTES_MAX = 64 << 20 }; /* of bodies that a worker keeps for questions: 503 */
struct auth {                           /* of an exchange */
    const struct table_auth *now;
    uint32_t at; /* of its filters, the next to be looked at */
    size_t held; /* counted in proxy.auth_bytes */
    uint64_t since_us;
    bool collects; /* the body comes first */
    bool allowed, denied;
    struct auth_call *call; /* gRPC: what was asked last, and before it */
};
/* Asks all there are, then exchange_let_in(). */
void auth_begin(struct exchange *x);
/* Body bytes are kept; the request is complete. */
void auth_body(struct exchange *x);
void auth_end(struct exchange *x);
/* No answer in time, or none at all. */
void auth_fail(struct exchange *x);
/* Of an exchange that has asked. */
void auth_fini(struct exchange *x);
