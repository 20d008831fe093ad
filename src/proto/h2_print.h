/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <nghttp2/nghttp2.h>

#include "http/http_msg.h"

/* A message as the list of fields that the library takes. Names and values point into the message and here. */
struct h2_print {
    nghttp2_nv *v;
    size_t n, cap;
    char *scratch; /* a path with its query */
    size_t scratch_cap;
    char number[24], status[4];
};
/* How its body is told. */
struct h2_length {
    bool told;
    uint64_t bytes;
};
void h2_print_fini(struct h2_print *p);
/* ERR_PROTO: m can not be sent (a name, a value, the target). tls: of the connection that it goes by. tunnel: as extended CONNECT. */
err h2_print_request(struct h2_print *p, const struct http_msg *m, struct h2_length length, bool tls,
                     bool tunnel);
/* 101 is 200 here [RFC 8441 5]. */
err h2_print_response(struct h2_print *p, const struct http_msg *m, struct h2_length length);
err h2_print_trailers(struct h2_print *p, const struct http_msg *m);
/* A copy in one block, for later; free() it. */
struct h2_trailers {
    size_t n;
    nghttp2_nv v[];
};
struct h2_trailers *h2_print_copy(const struct h2_print *p);
