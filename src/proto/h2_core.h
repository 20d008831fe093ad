/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <nghttp2/nghttp2.h>

#include "base/link.h"
#include "proto/codec.h"
#include "proto/h1_out.h"
#include "proto/h2.h"
#include "proto/h2_head.h"
#include "proto/h2_print.h"

/* What the files of HTTP/2 share. h2.c: the face, begin and end; h2_in.c: what the library reads; h2_out.c: what it writes. */
enum {
    H2_STREAM_PIECES = 6,           /* borrowed slices of a stream; more are copied */
    H2_STREAM_KEPT_BYTES = 4 << 10, /* of a buffer that a stream leaves to the next */
    H2_SPARE_STREAMS = 16,
    H2_BATCH_BYTES = 64 << 10, /* frames made ready at once */
    H2_INTERIM_MAX = 16,       /* heads of 1xx before a final one */
    H2_BULK_US = 200000,       /* half a window in less time is a body in bulk, if it comes */
    H2_BULK_FRAME_BYTES =
        1024, /* in frames of so many bytes, at least on average: small ones cost memory besides */
    /* What costs more to take than to send is counted in time: a peer may be this far ahead of what it is given. */
    H2_CALM_US = 10000000,
    H2_CALM_RESET_US =
        20000, /* a stream that the peer cancels, or makes us cancel: 500 at once, 50 a second */
    H2_CALM_CONTROL_US = 5000,  /* PING, SETTINGS, empty DATA: 2,000 at once, 200 a second */
    H2_CALM_PRIORITY_US = 1000, /* PRIORITY: 10,000 at once, 1,000 a second */
    H2_CALM_BYTE_US = 10, /* of a head beyond its bound, as HPACK tells it: 1 MB at once, 100 kB a second */
};

/* The message that is read on a stream. */
enum h2_in {
    H2_IN_HEAD,  /* its head is due */
    H2_IN_ASKED, /* a server: it asks for a tunnel, and what comes waits for the answer */
    H2_IN_BODY,
    H2_IN_END,  /* it came whole */
    H2_IN_DEAF, /* nobody listens: what comes is read over */
};
/* The message that is submitted on it. */
enum h2_out {
    H2_OUT_HEAD, /* a server: its head is due */
    H2_OUT_BODY,
    H2_OUT_DROP, /* a body that is not sent: to HEAD, with 204 and 304 */
    H2_OUT_END,  /* submitted to the end */
};

struct h2_stream {
    struct link on;   /* h2.streams */
    struct link lent; /* h2.lent, while it has borrowed bytes */
    uint32_t id;
    uint8_t in, out;   /* enum h2_in, h2_out */
    uint8_t method_id; /* of the request */
    uint8_t broken;    /* enum http_reason: it broke the rules */
    uint8_t interim;   /* heads of 1xx that came */
    bool mute;         /* the owner is not told of it any more */
    bool deferred;     /* the library asks for its body once it is resumed */
    bool head_waits;   /* submitted, not written */
    bool end_written;  /* the frame that ends our side was made */
    bool end_came;     /* the frame that ends the peer's side came */
    bool reset_came;   /* the peer gave it up: whatever its code says, nothing of what it sent was wrong */
    bool tunnel;    /* extended CONNECT, until it is refused: bytes both ways, each for itself [RFC 8441 5] */
    bool refused;   /* a client: it asked for a tunnel, and the answer is another */
    bool early_end; /* H2_IN_ASKED: the peer's side has ended */
    bool length_told;    /* of what is submitted: length_left to come */
    struct arena *arena; /* of the message that is read */
    char *early;         /* H2_IN_ASKED: bytes that came, in the arena; no more than the stream's window */
    uint32_t early_n, early_cap;
    size_t unread;          /* body bytes delivered and not consumed */
    uint32_t window;        /* what the peer may have on its way and we unread */
    uint32_t taken, frames; /* bytes consumed, and DATA frames that came, since taken_us */
    uint64_t taken_us;
    uint64_t came; /* body bytes in all */
    uint64_t length_left;
    struct buf kept; /* body bytes to be written, before the borrowed ones; from kept_at */
    size_t kept_at;
    str pieces[H2_STREAM_PIECES];
    uint32_t first, last; /* of pieces: from, up to */
    size_t waiting;       /* of both */
    struct h2_trailers *trailers;
};

struct h2 {
    struct codec codec;
    struct codec_limits limits;
    nghttp2_session *session;
    bool server, tls;
    bool begun;     /* SETTINGS were submitted */
    bool reading;   /* within the library's reading: nothing is written from there */
    bool draining;  /* GOAWAY was announced, or nothing more is to begin */
    bool away;      /* GOAWAY with the last stream was submitted */
    bool peer_away; /* one came */
    bool settled;   /* the peer's SETTINGS came */
    bool goaway;    /* GOAWAY with an error was made: nothing goes any more */
    bool flooded;
    bool pausing; /* the turn's messages came: stop at the next field */
    err failed;   /* OK, ERR_PROTO or ERR_LIMIT */
    enum http_reason why;
    uint32_t turn;       /* messages of this read() */
    uint64_t now_us;     /* of this read() */
    uint64_t calm_us;    /* paid for until then */
    struct link streams; /* in the order in which they began */
    struct link lent;    /* those with borrowed bytes */
    struct link spare;
    uint32_t streams_n, spare_n;
    size_t waiting; /* of all streams */
    size_t grown;   /* windows of streams, beyond those that they begin with */
    struct h2_head head;
    struct h2_print print;
    struct h1_out out;
};

/* h2.c */
struct h2_stream *h2_core_find(const struct h2 *h, uint32_t id);
struct h2_stream *h2_core_begin(struct h2 *h, uint32_t id);
void h2_core_end(struct h2 *h, struct h2_stream *s);
/* h2_in.c: what the library tells while it reads; a stream's end, also while it writes. */
void h2_in_callbacks(nghttp2_session_callbacks *c);
/* The tunnel was agreed to: tells what came ahead of the answer. */
void h2_in_tell_early(struct h2 *h, struct h2_stream *s);
/* It was not: nobody waits for what came. */
void h2_in_forget_early(struct h2 *h, struct h2_stream *s);
/* h2_out.c */
void h2_out_callbacks(nghttp2_session_callbacks *c);
ssize_t h2_out_body(nghttp2_session *session, int32_t id, uint8_t *to, size_t most, uint32_t *flags,
                    nghttp2_data_source *source, void *arg);
/* Takes body bytes: those that are few are copied, the others borrowed. */
void h2_out_add(struct h2 *h, struct h2_stream *s, str bytes);
void h2_out_resume(struct h2 *h, struct h2_stream *s);
/* Copies what was borrowed. */
void h2_out_keep(struct h2 *h);
/* Forgets what waits on the stream. */
void h2_out_forget(struct h2 *h, struct h2_stream *s);
/* Frames from the library, as many as make a batch. */
void h2_out_fill(struct h2 *h);
