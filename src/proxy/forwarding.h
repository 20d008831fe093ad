/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "proxy/exchange.h"

/* What the backend is told of the client: X-Forwarded-For, -Proto, -Host and -Port are set from the connection; what the client itself
 * sent of these and Forwarded is removed, since nobody vouches for it. */
void forwarding_set(struct exchange *x);
