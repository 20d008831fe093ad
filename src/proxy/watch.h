/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "proxy/exchange.h"

/* How fast a client sends a body or takes one, looked at by a timer every few seconds, so that a request that is quick costs nothing. A client
 * that keeps us waiting at two looks in a row, and moved less than it has to in between, is slow: 408, or the end of its connection. What the
 * backend is to blame for has more time. */
enum watch {
    WATCH_NOBODY,
    WATCH_TAKES,  /* the client's kernel takes no more */
    WATCH_WINDOW, /* HTTP/2: its window of this stream does not */
    WATCH_SENDS,  /* the rest of its request is awaited */
};
void watch_look(struct exchange *x, uint64_t now_us);
