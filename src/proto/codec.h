/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "http/http_msg.h"
#include "http/http_reason.h"

/* One connection's protocol, without its socket: bytes become events, messages become bytes. The same face for HTTP/1.1 (the case of one
 * stream at a time) and HTTP/2. Time and bytes are arguments.
 *
 * Memory: a head's bytes are copied into an arena that the sink gives when a message begins; body slices are borrowed from `in` and
 * valid for the call. What is submitted as a body is borrowed, too, until the next write(); keep() makes what was not written the
 * codec's own: call it after a write that left something.
 * From within an event everything may be called but read() and free(). */
struct codec;
enum {
    CODEC_WINDOW_BYTES = 65536, /* HTTP/1: body bytes that may be delivered and not consumed yet */
    CODEC_MESSAGES_MAX = 16,    /* HTTP/1: requests that one read() takes; the rest is for the next turn */
};
struct codec_sink {
    /* A message begins with its first byte: the arena for its head. NULL refuses (read() returns ERR_LIMIT, REASON_OVERLOAD).
     * Once per stream; heads with a status of 1xx share it. multiplexed: NULL refuses that stream alone. */
    struct arena *(*begin)(void *arg, uint32_t stream);
    /* A head is complete and checked; m lives in that arena. end: no body follows. 1xx heads come with m->status < 200, not as the end.
     * After 101 (and in front once it was submitted) body() gives the bytes of a tunnel, and end() the end of the peer's. WebSocket by
     * extended CONNECT of HTTP/2 is such a GET with m->upgrade, too, and its answer such a 101. */
    void (*head)(void *arg, uint32_t stream, struct http_msg *m, bool end);
    void (*body)(void *arg, uint32_t stream, str bytes);
    /* The body is complete; trailers (may be NULL) are in the message's arena. */
    void (*end)(void *arg, uint32_t stream, struct http_msg *trailers);
    /* The stream is over before its end (HTTP/1 never says so: there, read() fails); also told while write() is called. Of a client:
     * BACKEND_REFUSED when the peer has processed nothing of it, BACKEND_RESET before a whole head, BACKEND_CUT, BACKEND_PROTOCOL. */
    void (*reset)(void *arg, uint32_t stream, enum http_reason why);
    /* A server: the request of this stream breaks the rules or a bound, in a way that concerns no other. That reason's status may still be
     * submitted; nothing more of the request will be told (HTTP/1 never says so: there, read() fails). */
    void (*refused)(void *arg, uint32_t stream, enum http_reason why);
};
struct codec_ops {
    /* Streams run side by side: none may hold up the connection, so each is held by consume() and stream_pending(). Frames of its own may
     * be due after read() and consume(): pending() tells. */
    bool multiplexed;
    /* Takes bytes as far as it can: *ret_used of them, whatever it returns; the rest is to be given again.
     * OK: all of them, or CODEC_MESSAGES_MAX requests (used < n): call again in a later turn.
     * ERR_AGAIN: a stream must make room (consume) or its response be submitted to the end before more is taken.
     * ERR_PROTO, ERR_LIMIT: the peer broke the rules, *ret_why says how, nothing more will be read and no event comes of it: the caller
     * tells the stream that began last. A server may still submit that reason's status to it, when no final head was; then close.
     * (multiplexed: every stream was told by reset(); write what is pending, then close.)
     * ERR_END: the connection is done, nothing more will be read: write what is pending, then close. Without bytes it tells how the
     * connection stands: OK or one of the last two. */
    err (*read)(struct codec *c, str in, uint64_t now_us, size_t *ret_used, enum http_reason *ret_why);
    /* The peer will send no more, and all that it sent was taken by read(): ends a body that lasts to the close; OK when it was a tunnel,
     * whose other direction may go on; ERR_END when no stream is cut (a server may still submit the response that is due), ERR_PROTO when one was: CLIENT_GONE, BACKEND_RESET (before a whole
     * head), BACKEND_CUT. */
    err (*read_end)(struct codec *c, enum http_reason *ret_why);
    /* A head to send. Client side: a new stream, its number is written to *stream. The codec writes the framing fields anew, from
     * m->body, and Host from m->authority; it leaves out what belongs to another connection. end: no body follows; a response to HEAD or
     * with 304 still tells the length that m->body says. A status of 1xx goes before the final head (nothing is sent to a peer of 1.0).
     * ERR_PROTO: m can not be sent as it is (a name, a value, the target, a length without a body); nothing was written.
     * ERR_AGAIN: one stream at a time, or too much is pending. ERR_END: this connection begins nothing more. ERR_ABSENT: no such stream
     * or its final head was submitted. ERR_REFUSED: CONNECT; 101 to a request that asks for nothing or has not come whole. */
    err (*submit)(struct codec *c, uint32_t *stream, const struct http_msg *m, bool end);
    /* Body bytes; borrowed until the next write. end: the last. ERR_AGAIN: too much is pending, nothing was taken. ERR_PROTO: more or less
     * than the length that was told: nothing was taken, the stream is to be reset. ERR_ABSENT: no such stream, or its body ended. */
    err (*submit_body)(struct codec *c, uint32_t stream, str bytes, bool end);
    /* Ends the body with trailers (NULL: none); a peer or a framing that has no trailers does without. Errors as submit_body. */
    err (*submit_end)(struct codec *c, uint32_t stream, const struct http_msg *trailers);
    /* Cuts the stream. HTTP/1: the connection is done after what is pending; nothing happens when the stream ended. */
    void (*reset)(struct codec *c, uint32_t stream, enum http_reason why);
    /* The reader took these body bytes: windows open again. A server that has agreed to a tunnel tells what came ahead of that from
     * within the first call (HTTP/1: with the next read()), even of 0 bytes. */
    void (*consume)(struct codec *c, uint32_t stream, size_t bytes);
    /* What to send next: up to out_max pieces; then wrote() says how much of it went. */
    size_t (*write)(struct codec *c, str *out, size_t out_max);
    void (*wrote)(struct codec *c, size_t bytes);
    /* Copies what was borrowed and not written, so that the lender may reuse its bytes. */
    void (*keep)(struct codec *c);
    /* Bytes waiting to be written: back-pressure. */
    size_t (*pending)(const struct codec *c);
    /* The same of one stream: 0 once all that was submitted on it is written, or made into frames that stop no other stream. */
    size_t (*stream_pending)(const struct codec *c, uint32_t stream);
    /* Body bytes that may be moved past the codec in the direction of reading; 0: none. */
    uint64_t (*raw_bytes)(const struct codec *c, uint32_t stream);
    /* May another stream begin? false once the connection is to be closed after what runs; for an HTTP/1 client also while one runs. */
    bool (*reusable)(const struct codec *c);
    /* Finish what runs, begin nothing: Connection: close on the next response, GOAWAY. */
    void (*drain)(struct codec *c);
    /* A server: the bounds of heads that begin from now on (codec_limits); a request line may have half of the bytes. */
    void (*limit_head)(struct codec *c, uint32_t bytes_max, uint32_t fields_max);
    /* multiplexed; otherwise NULL: is the peer's window what keeps bytes of this stream waiting? */
    bool (*stream_shut)(const struct codec *c, uint32_t stream);
    void (*free)(struct codec *c);
};
struct codec {
    const struct codec_ops *ops;
    const struct codec_sink *sink;
    void *arg; /* the sink's */
    bool
        shuts; /* a tunnel of HTTP/1 was submitted to its end: once all is written, the connection's sending side is to be shut */
};
struct codec_limits {
    uint32_t head_bytes_max; /* of a head: 431 (or 414 for its first line) */
    uint32_t line_bytes_max; /* of a request line */
    uint32_t fields_max;
    uint32_t streams_max; /* multiplexed, a server: at once; 0: as usual */
    uint32_t trailer_bytes_max;
    uint64_t body_bytes_max; /* of a request: 413; 0: none */
};
