/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "proxy/exchange.h"

/* What a WebSocket handshake has in HTTP/1.1 and not in HTTP/2: the key. Where both sides are of HTTP/1.1 it is theirs, and passes; where only
 * the backend is, it is ours; where only the client is, the answer to it is ours.                               [RFC 8441 5] */
static inline bool websocket_asked(const struct exchange *x) {
    return x->request->upgrade.n && str_ieq(x->request->upgrade, S("websocket"));
}
/* Before the request goes out by a loan that is open. ERR_PROTO: the client's key is none. */
err websocket_ask(struct exchange *x);
/* The backend has agreed. ERR_PROTO: it is no answer to what it was asked. */
err websocket_agree(struct exchange *x, struct http_msg *m);
