/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "proxy/exchange.h"

/* An exchange after 101: bytes both ways, without framing, bounds of a body or the timeouts of a request, which end with the response's
 * head [GW HTTPRouteTimeouts]. Back-pressure is the relay's. Each direction ends for itself; the exchange is over when both have ended and all
 * is written, or when neither has moved for long. It holds neither rule nor table: what its record needs it has copied, so that one
 * that lasts for weeks keeps no generation. */

/* The backend said 101. */
void tunnel_begin(struct exchange *x, struct http_msg *m);
/* No more comes from the client; from the backend. */
void tunnel_client_ended(struct exchange *x);
void tunnel_backend_ended(struct exchange *x);
/* One side is down, both ways: what it has said is passed on still. */
void tunnel_client_lost(struct exchange *x);
void tunnel_backend_lost(struct exchange *x);
/* Has nothing moved for too long? */
void tunnel_look(struct exchange *x, uint64_t now_us);
/* Something was written: is it over? */
void tunnel_check(struct exchange *x);