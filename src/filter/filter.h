/* SPDX-License-Identifier: Apache-2.0 */
/* What filters do to a message; one file each. Used by proxy/ and by `explain`, which shows what would be done.
 * In:    a rule's filters, a message, what is known of the request.     Out: the changed message, or a redirect to answer with.
 * Own:   what is added lives in the message's arena. Doors beside this one: forwarded.h, what a backend is told of the client; via.h.
 * Never: a socket, a clock; a hop-by-hop field or the framing set by a user. */
#pragma once
#include "http/http_msg.h"
#include "table/table.h"

struct filter_context {
    str host;               /* of the request: lower case, no port */
    bool tls;               /* the listener's side */
    uint16_t listener_port; /* spec.port */
    uint32_t prefix;        /* table_match.prefix */
};
/* Applies the filters of the request side (TABLE_REQUEST_HEADERS, TABLE_REWRITE) in their order. ERR_PROTO: the result can not be sent. */
err filter_request(const struct table_filter *filters, uint32_t n, const struct filter_context *cx,
                   struct http_msg *m);
/* A rule's filters, then those of the target that was chosen. The target may replace the prefix that the rule matched, unless the rule has
 * changed the path itself. */
err filter_request_all(const struct table_rule *r, const struct table_target *t,
                       const struct filter_context *cx, struct http_msg *m);
/* The rule's redirect, or NULL. */
const struct table_filter *filter_find_redirect(const struct table_filter *filters, uint32_t n);
/* The Location of a redirect for this request, in the message's arena.                          [GW HTTPRequestRedirectFilter] */
str filter_redirect_location(const struct table_filter *f, const struct filter_context *cx,
                             const struct http_msg *request);
/* The rule's or the target's own CORS filter; NULL: none. A rule's goes before a target's. */
const struct table_cors *filter_find_cors(const struct table_filter *filters, uint32_t n);
/* Is the request answered by the filter, without a backend? */
bool filter_is_preflight(const struct http_msg *request);
/* What the answer to a preflight says, added to it. */
void filter_preflight(const struct table_cors *c, const struct http_msg *request, struct http_msg *response);
/* What the response to another request says, after all other filters. origin: the request's, before filters changed it; "" for none. */
void filter_cors(const struct table_cors *c, str origin, struct http_msg *response);
/* Applies TABLE_RESPONSE_HEADERS in order. */
void filter_response(const struct table_filter *filters, uint32_t n, struct http_msg *m);
/* A session in words: "cookie sid path /". */
void filter_describe_session(struct buf *b, const struct table_session *s);
/* Attempts after the first, in words: "3 more, on 500,503, backoff 25 ms". */
void filter_describe_retry(struct buf *b, const struct table_retry *r);
/* One filter in words, without an end of line: "request header set X-Env: prod"; for explain. */
void filter_describe(struct buf *b, const struct table_filter *f);
