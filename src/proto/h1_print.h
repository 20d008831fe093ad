/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "http/http_msg.h"
#include "proto/h1_out.h"

/* How a head's message is framed. */
struct h1_print {
    uint8_t body;        /* enum http_body; TO_CLOSE and NONE write no framing field */
    uint64_t length;     /* with HTTP_BODY_LENGTH */
    const char *options; /* of Connection, or NULL */
    str upgrade;         /* written when it is not empty; among the options then */
};
/* Writes a head whole, or nothing: ERR_PROTO when m can not be sent, ERR_AGAIN when too much is pending. */
err h1_print_request(struct h1_out *o, const struct http_msg *m, const struct h1_print *how);
err h1_print_response(struct h1_out *o, const struct http_msg *m, const struct h1_print *how);
/* The last chunk and the trailers (NULL: none). */
err h1_print_last_chunk(struct h1_out *o, const struct http_msg *trailers);
/* The line before a chunk of n bytes. */
void h1_print_chunk(struct h1_out *o, size_t n);
