/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "http/http_msg.h"
#include "table/table.h"

/* Which other protocol a request may ask its backend for: WebSocket, by GET, and what the settings list; the first of those that the client
 * names. All else the request goes on without, as one that asks for nothing: so h2c is never passed on, and nobody is asked before the
 * request is whole. Sets m->upgrade.                                                         [RFC 9110 7.8] [RFC 6455 4.1] */
void upgrade_request(struct http_msg *m, bool bodyless, const struct table_settings *s);
/* Of a response that is not 101: 426 may tell that WebSocket is wanted; what else backends offer of themselves is for their own connections.
 *                                                                                            [RFC 9110 15.5.22] */
void upgrade_response(struct http_msg *m);
/* Does 101 agree to what was asked for?                                                               [RFC 9110 15.2.2] */
bool upgrade_agrees(const struct http_msg *request, const struct http_msg *response);
