/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"
#include "http/http_msg.h"
#include "http/http_reason.h"

/* A field section that arrives: its lines are collected while HPACK is decoded, within bounds, and become a message when it is whole. Fields
 * beyond a bound are forgotten, for decoding must go on to the end. One is enough for a connection: sections never interleave
 * [RFC 9113 4.3]. */
struct h2_line {
    uint32_t name_at, name_n, value_at, value_n; /* in bytes */
};
struct h2_head {
    struct buf bytes;
    struct h2_line *lines;
    uint32_t lines_n, lines_max, lines_cap; /* pseudo fields among them; cap: of `lines` */
    uint32_t size, bytes_max;               /* as HTTP/1 would write the lines */
    bool bad;                               /* a line that no message may have */
    bool too_large;
};
void h2_head_init(struct h2_head *h, uint32_t fields_max);
/* The bound of sections that begin from now on. */
void h2_head_limit(struct h2_head *h, uint32_t fields_max);
void h2_head_fini(struct h2_head *h);
/* A section begins. */
void h2_head_begin(struct h2_head *h, uint32_t bytes_max);
void h2_head_line(struct h2_head *h, str name, str value);
/* The section is whole; *ret is in the arena and complete as far as it could be read, even of a request that is refused. end: no body follows.
 * What HTTP/1 refuses in a target, a name or a value is refused as well, for the message may go on by that version.
 * ERR_PROTO, ERR_LIMIT with *ret_why otherwise. */
err h2_head_request(const struct h2_head *h, struct arena *a, bool end, uint32_t line_bytes_max,
                    struct http_msg **ret, enum http_reason *ret_why);
/* method_id: of the request that it answers. */
err h2_head_response(const struct h2_head *h, struct arena *a, bool end, uint8_t method_id,
                     struct http_msg **ret);
err h2_head_trailers(const struct h2_head *h, struct arena *a, bool is_request, struct http_msg **ret);
