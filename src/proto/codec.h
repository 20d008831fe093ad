/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "http/http_msg.h"
#include "http/http_reason.h"

/* One connection's protocol, without its socket: bytes become events, messages become bytes. The same face for HTTP/1.1 (the case of one
 * stream at a time) and HTTP/2. Time and bytes are arguments.
 *
 * Memory: a head's bytes are copied into an arena that the sink gives when a message begins; body slices are borrowed from `in` and
 * valid for the call. What is submitted as a body is borrowed, too, until the next write(); keep() makes what was not written the
 * codec's own. */
struct codec;
struct codec_sink {
    /* A message begins: the arena for its head. NULL refuses (the codec answers ERR_LIMIT). */
    struct arena *(*begin)(void *arg, uint32_t stream);
    /* A head is complete and checked; m lives in that arena. end: no body follows. 1xx heads come with m->status < 200, not as the end. */
    void (*head)(void *arg, uint32_t stream, struct http_msg *m, bool end);
    void (*body)(void *arg, uint32_t stream, str bytes);
    /* The body is complete; trailers (may be NULL) are in the message's arena. */
    void (*end)(void *arg, uint32_t stream, struct http_msg *trailers);
    /* The stream is over before its end. */
    void (*reset)(void *arg, uint32_t stream, enum http_reason why);
};
struct codec_ops {
    /* Takes bytes as far as it can: *ret_used of them. ERR_AGAIN: a stream must make room (consume) or end before more is taken.
     * ERR_PROTO, ERR_LIMIT: the peer broke the rules, *ret_why says how; a server answers with that reason's status and closes.
     * ERR_END: the connection is done, nothing more will be read. */
    err (*read)(struct codec *c, str in, uint64_t now_us, size_t *ret_used, enum http_reason *ret_why);
    /* The peer will send no more: ends a body that lasts to the close; ERR_END when no stream is cut, ERR_PROTO when one was. */
    err (*read_end)(struct codec *c, enum http_reason *ret_why);
    /* A head to send. Client side: a new stream, its number in *stream. m's framing fields are written by the codec, from m->body. */
    err (*submit)(struct codec *c, uint32_t *stream, const struct http_msg *m, bool end);
    /* Body bytes; borrowed until the next write. end: the last. */
    err (*submit_body)(struct codec *c, uint32_t stream, str bytes, bool end);
    /* Ends the body with trailers (NULL: none). */
    err (*submit_end)(struct codec *c, uint32_t stream, const struct http_msg *trailers);
    void (*reset)(struct codec *c, uint32_t stream, enum http_reason why);
    /* The reader took these body bytes: windows open again. */
    void (*consume)(struct codec *c, uint32_t stream, size_t bytes);
    /* What to send next: up to out_max pieces; then wrote() says how much of it went. */
    size_t (*write)(struct codec *c, str *out, size_t out_max);
    void (*wrote)(struct codec *c, size_t bytes);
    /* Copies what was borrowed and not written, so that the lender may reuse its bytes. */
    void (*keep)(struct codec *c);
    /* Bytes waiting to be written: back-pressure. */
    size_t (*pending)(const struct codec *c);
    /* Body bytes that may be moved past the codec in the direction of reading; 0: none. */
    uint64_t (*raw_bytes)(const struct codec *c, uint32_t stream);
    /* May another stream begin? false once the connection is to be closed after what runs. */
    bool (*reusable)(const struct codec *c);
    /* Finish what runs, begin nothing: Connection: close on the next response, GOAWAY. */
    void (*drain)(struct codec *c);
    void (*free)(struct codec *c);
};
struct codec {
    const struct codec_ops *ops;
    const struct codec_sink *sink;
    void *arg; /* the sink's */
};
struct codec_limits {
    uint32_t head_bytes_max; /* of a head: 431 (or 414 for its first line) */
    uint32_t line_bytes_max; /* of a request line */
    uint32_t fields_max;
    uint32_t trailer_bytes_max;
};
