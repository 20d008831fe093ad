/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "proxy/exchange.h"

/* Sessions: the endpoint that a client's token names, for a target that has sessions, and a new token when another one has answered. */
void affinity_find(struct exchange *x);
/* Adds to the response what the client has to bring back. */
void affinity_say(struct exchange *x, struct http_msg *m);
