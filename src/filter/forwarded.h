/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "http/http_msg.h"

/* What a backend is told of the client: X-Forwarded-For, -Proto, -Host and -Port are set from the connection; what the client itself sent of
 * these, Forwarded and Proxy-Authorization is removed, since nobody vouches for it. Before any filter: a filter may change the result.
 * client must live as long as the message. */
void forwarded_set(struct http_msg *m, str client, bool tls, uint16_t port);
