/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "http/http_msg.h"

/* Which fields belong to one connection, and which may not follow a body: the same for every version. */
#define HOP_BIT(id) (UINT32_C(1) << FIELD_##id)
enum {
    /* Of one connection only [RFC 9110 7.6.1]; TE stays in what was read, for the writer says "trailers" anew. */
    HOP_BY_HOP = (int)(HOP_BIT(CONNECTION) | HOP_BIT(KEEP_ALIVE) | HOP_BIT(PROXY_CONNECTION) |
                       HOP_BIT(TRANSFER_ENCODING) | HOP_BIT(UPGRADE) | HOP_BIT(HTTP2_SETTINGS)),
    /* Never written as it came: of the connection, or made anew from what the message says. */
    HOP_LEFT_OUT = (int)(HOP_BIT(CONNECTION) | HOP_BIT(KEEP_ALIVE) | HOP_BIT(PROXY_CONNECTION) |
                         HOP_BIT(TRANSFER_ENCODING) | HOP_BIT(UPGRADE) | HOP_BIT(HTTP2_SETTINGS) |
                         HOP_BIT(CONTENT_LENGTH) | HOP_BIT(TE)),
    /* Fields that change how a message is framed, routed or understood are no trailers [RFC 9110 6.5.1]. */
    HOP_NO_TRAILER =
        (int)(HOP_BIT(CONNECTION) | HOP_BIT(CONTENT_LENGTH) | HOP_BIT(CONTENT_TYPE) | HOP_BIT(DATE) |
              HOP_BIT(EXPECT) | HOP_BIT(FORWARDED) | HOP_BIT(HOST) | HOP_BIT(HTTP2_SETTINGS) |
              HOP_BIT(KEEP_ALIVE) | HOP_BIT(LOCATION) | HOP_BIT(PROXY_AUTHENTICATE) |
              HOP_BIT(PROXY_AUTHORIZATION) | HOP_BIT(PROXY_CONNECTION) | HOP_BIT(SET_COOKIE) | HOP_BIT(TE) |
              HOP_BIT(TRAILER) | HOP_BIT(TRANSFER_ENCODING) | HOP_BIT(UPGRADE) | HOP_BIT(X_FORWARDED_FOR) |
              HOP_BIT(X_FORWARDED_HOST) | HOP_BIT(X_FORWARDED_PORT) | HOP_BIT(X_FORWARDED_PROTO)),
};
/* Marks the fields of a set as gone. */
void hop_drop(struct http_msg *m, uint32_t which);
/* Is the name an option of a Connection field that is still there? Codecs take that field out: this is for messages made otherwise. */
bool hop_names(const struct http_msg *m, str name);
/* Does the message say that trailers are understood? [RFC 9110 10.1.4] */
bool hop_takes_trailers(const struct http_msg *m);
