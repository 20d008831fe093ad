/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"
#include "base/ip.h"

/* The field Forwarded: an element for each proxy that a request has passed, the latest last. [RFC 7239 4] */
struct http_forwarded {
    str node, by, host, proto; /* `node` is the parameter for=; not given (p == NULL) when it is not there */
};
/* Takes the last element off a list: from its end, so that what a stranger wrote before it can not hide it behind a quote of his. */
str http_forwarded_last(str *list);
/* Strictly by the grammar: each parameter once, no white space within. Strings may be the element's, or a's. ERR_PROTO. */
err http_forwarded_read(struct arena *a, str element, struct http_forwarded *ret);
/* The address of a node, its port left out. ERR_ABSENT: the node does not tell, "unknown" or a name of its own. ERR_PROTO. [RFC 7239 6] */
err http_forwarded_address(str node, struct ip *ret);
/* "for=...;host=...;proto=...". ip: as printed; host, proto: "" leaves it out. */
void http_forwarded_print(struct buf *b, str ip, str host, str proto);
