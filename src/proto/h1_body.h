/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "http/http_msg.h"

/* The framing of a body that is read [RFC 9112 6.2] [RFC 9112 7.1]. */
struct h1_body {
    uint8_t state;                              /* of h1_body.c */
    uint64_t left;                              /* of the length, or of the chunk */
    uint64_t bytes_max;                         /* of a chunked body */
    uint64_t total;                             /* announced by the chunks until now */
    uint32_t digits;                            /* of the chunk's size */
    uint32_t extension_bytes, extensions_bytes; /* of the chunk; of the message */
};
/* The bounds of RFC 9112 7.1.1; more than any signature that is sent as an extension. */
enum { H1_BODY_EXTENSION_BYTES_MAX = 256, H1_BODY_EXTENSIONS_BYTES_MAX = 16384 };
void h1_body_begin(struct h1_body *b, enum http_body kind, uint64_t length, uint64_t bytes_max);
/* Reads up to the end of one slice of data: *ret_data (may be empty) of at most room bytes. *ret_used bytes are done with.
 * ERR_AGAIN: data is next and room is 0. ERR_PROTO: no chunk; ERR_LIMIT: a body over bytes_max. */
err h1_body_take(struct h1_body *b, str in, size_t room, size_t *ret_used, str *ret_data);
/* All data came; after a chunked body its trailers follow. */
bool h1_body_done(const struct h1_body *b);
