/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "proto/codec.h"

/* HTTP/2 [RFC 9113], by libnghttp2: framing, HPACK and flow control are the library's, what a message may say is h2_head.h's.
 * A stream's number is that of the protocol. Streams run side by side: one that is not consumed holds up no other (each has its window, the
 * connection's is opened as bytes come), one that the peer does not read keeps its body to itself. A window grows while it is what holds the
 * peer up.
 * Extended CONNECT for WebSocket is told and submitted as what it is in HTTP/1.1: a GET with m->upgrade that 101 agrees to. Nothing of the
 * handshake's key is done here.                                                                            [RFC 8441 4] */
enum {
    H2_STREAMS_MAX = 100,               /* at once, of a client of ours */
    H2_WINDOW_BYTES = 65535,            /* of a stream, of a request's body */
    H2_CLIENT_WINDOW_BYTES = 128 << 10, /* of a stream, of a response's body */
    H2_CONN_WINDOW_BYTES = 4 << 20,     /* of a connection: what may be on its way */
    H2_WINDOW_BYTES_MAX = 16 * 65535, /* that of a stream whose body comes in bulk and is taken as it comes */
    H2_GROWN_BYTES_MAX =
        4 << 20, /* of a connection: what the windows of its streams have grown by, together */
    H2_STREAM_WAITING_MAX =
        2 << 20,           /* bytes submitted on a stream and not written; nothing is taken above it */
    H2_PREFACE_BYTES = 24, /* what a client says first [RFC 9113 3.4] */
};
extern const char h2_preface[H2_PREFACE_BYTES + 1];
struct codec *h2_server(const struct codec_sink *sink, void *arg, const struct codec_limits *limits);
/* tls: what the scheme of its requests is. */
struct codec *h2_client(const struct codec_sink *sink, void *arg, const struct codec_limits *limits,
                        bool tls);
/* Of a client: how many streams it may have at once, as far as the server has told. */
uint32_t h2_streams_max(const struct codec *c);
/* Of a client: does the server take WebSocket by extended CONNECT? It says so, if ever, with its first frame, and nobody may ask before.
 *                                                                                                      [RFC 8441 3] */
enum h2_websocket { H2_WEBSOCKET_UNKNOWN, H2_WEBSOCKET_NO, H2_WEBSOCKET_YES };
enum h2_websocket h2_websocket(const struct codec *c);
