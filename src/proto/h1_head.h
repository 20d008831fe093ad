/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "http/http_msg.h"
#include "http/http_reason.h"
#include "proto/h1_scan.h"

/* A message, room for its fields and a copy of its section's bytes in one block of the arena. */
struct http_msg *h1_head_new(struct arena *a, bool is_request, str bytes, const struct h1_section *s,
                             const char **ret_bytes);
/* A section, whose lines are known, becomes a message whose strs point into it. bytes: followed by H1_SCAN_PADDING readable bytes.
 * m is of h1_head_new(). What belongs to the connection alone is marked as gone: Connection, what it names, and the like
 * [RFC 9110 7.6.1]. ERR_PROTO with *ret_why otherwise. */
err h1_head_request(const char *bytes, const struct h1_section *s, struct http_msg *m,
                    enum http_reason *ret_why);
/* method_id: of the request that it answers. */
err h1_head_response(const char *bytes, const struct h1_section *s, uint8_t method_id, struct http_msg *m);
/* Fields that change how a message is framed, routed or understood are marked as gone [RFC 9110 6.5.1]. */
err h1_head_trailers(const char *bytes, const struct h1_section *s, struct http_msg *m);
