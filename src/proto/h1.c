/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/h1.h"

#include "base/num.h"
#include "proto/h1_body.h"
#include "proto/h1_head.h"
#include "proto/h1_print.h"
#include "proto/hop.h"

/* The message that is read. */
enum reading {
    R_IDLE,     /* a message may begin; a client: was asked for */
    R_HEAD,     /* its head comes */
    R_BODY,     /* its body comes */
    R_TRAILERS, /* the trailer section comes */
    R_WAIT,     /* it came whole. A server: until its response is submitted; a client: until a request is */
    R_TUNNEL,   /* after 101: bytes, until the peer ends them */
    R_FAILED,   /* the peer broke the rules */
    R_DONE,     /* nothing more is read */
};
static const uint8_t moves[] = {
    [R_IDLE] = 1 << R_HEAD | 1 << R_FAILED | 1 << R_DONE,
    [R_HEAD] = 1 << R_HEAD | 1 << R_BODY | 1 << R_WAIT | 1 << R_TUNNEL | 1 << R_FAILED | 1 << R_DONE,
    [R_BODY] = 1 << R_TRAILERS | 1 << R_WAIT | 1 << R_FAILED | 1 << R_DONE,
    [R_TRAILERS] = 1 << R_WAIT | 1 << R_FAILED | 1 << R_DONE,
    [R_WAIT] = 1 << R_IDLE | 1 << R_TUNNEL | 1 << R_FAILED | 1 << R_DONE,
    [R_TUNNEL] = 1 << R_DONE,
    [R_FAILED] = 1 << R_DONE,
    [R_DONE] = 0,
};
/* The message that is submitted on the same stream. */
enum writing {
    W_NONE, /* no stream */
    W_HEAD, /* a server: its head is due */
    W_BODY,
    W_END, /* submitted to the end */
};
enum {
    BLANK_BYTES_MAX = 8,       /* CRLFs before a request line [RFC 9112 2.2] */
    INTERIM_MAX = 16,          /* heads of 1xx before a final one */
    DISCARD_BYTES_MAX = 65536, /* of a request's body that nobody waits for, to save the connection */
};
/* What only a message under way needs; between two, a codec that shares a pool has none. */
struct h1_work {
    void *next; /* the pool's */
    struct arena *arena;
    uint32_t *ends, ends_n; /* room for so many lines */
    struct h1_section section;
    struct buf partial; /* a head or trailers of which only a part came */
    struct h1_body body;
    size_t discarded;
    uint64_t out_left; /* of HTTP_BODY_LENGTH */
    struct h1_out out;
};
struct h1 { /* by size: there is one for each connection that is kept idle */
    struct codec codec;
    struct h1_work *work; /* nothing(): none */
    struct pool *works;   /* a server's: where that comes from and goes to; NULL: it is the codec's own */
    uint64_t body_bytes_max;
    uint32_t head_bytes_max, line_bytes_max, fields_max, trailer_bytes_max;
    uint32_t stream;
    uint32_t unread;  /* body bytes delivered and not consumed */
    uint8_t reading;  /* enum reading, by move() */
    uint8_t writing;  /* enum writing */
    uint8_t out_kind; /* enum http_body, as framed: NONE drops what is submitted */
    uint8_t body_kind;
    uint8_t why;          /* enum http_reason: R_FAILED */
    uint8_t failed;       /* err */
    uint8_t blank;        /* bytes of CRLFs before a request */
    uint8_t interim;      /* heads of 1xx that came */
    uint8_t turn;         /* messages that this read() took */
    uint8_t method_id;    /* of the request */
    uint8_t peer_version; /* a server's peer */
    bool server;
    bool close;     /* nothing begins after the stream that runs */
    bool draining;  /* close, as soon as it can be said */
    bool tunnel;    /* 101 was said: no framing, either way */
    bool expecting; /* the client waits for 100 before its body */
    bool upgrade;   /* the request asks for another protocol */
};
static_assert((int)HTTP_REASON_COUNT <= UINT8_MAX, "a reason fits");

/* Nothing is read, nothing waits to be written: what is looked at between messages. Nobody writes to it. */
static struct h1_work *nothing(void) {
    static const struct h1_work none;
    return (struct h1_work *)(uintptr_t)&none;
}

static struct h1 *self(struct codec *c) { return container_of(c, struct h1, codec); }
static const struct h1 *self_const(const struct codec *c) { return container_of(c, const struct h1, codec); }

static void move(struct h1 *h, enum reading to) {
    assert(moves[h->reading] >> to & 1);
    h->reading = (uint8_t)to;
}

static err fail(struct h1 *h, err e, enum http_reason why) {
    h->why = (uint8_t)(h->server || why == REASON_OVERLOAD ? why : REASON_BACKEND_PROTOCOL);
    h->failed = (uint8_t)e;
    h->close = true;
    move(h, R_FAILED);
    return e;
}

/* A server whose response ended reads the rest of the request for nobody. */
static bool discarding(const struct h1 *h) { return h->server && h->writing == W_END; }

/* After each step of either side: has the stream ended? */
static void settle(struct h1 *h) {
    if (!h->server || h->tunnel || h->writing != W_END) return;
    if (h->reading == R_FAILED || h->reading == R_DONE) return;
    if (h->close || (h->reading == R_WAIT && h->draining)) {
        move(h, R_DONE);
    } else if (h->reading == R_WAIT) {
        h->writing = W_NONE;
        h->blank = 0;
        move(h, R_IDLE);
    }
}

/* ---- what a message needs ---- */

/* New, or too small for as many fields as there may be now. */
__attribute__((noinline, cold)) static void prepare_work(struct h1_work *w, uint32_t fields_max) {
    if (!w->ends_n) h1_out_init(&w->out);
    w->ends_n = fields_max + 1;
    w->ends = base_realloc(w->ends, w->ends_n * sizeof *w->ends);
}

static void take_work(struct h1 *h) {
    bool fresh;
    if (h->work != nothing()) return;
    struct h1_work *w = h->works ? pool_take(h->works, &fresh) : base_zalloc(sizeof *w);
    h->work = w;
    if (w->ends_n <= h->fields_max) prepare_work(w, h->fields_max);
}

static void drop_work(void *item) {
    struct h1_work *w = item;
    h1_out_fini(&w->out);
    buf_fini(&w->partial);
    free(w->ends);
}

static void give_work(struct h1 *h) {
    struct h1_work *w = h->work;
    if (!h->works || w == nothing()) return;
    h->work = nothing();
    pool_give(h->works, w);
}

/* Between two messages, with all written? */
static void rest(struct h1 *h) {
    if (h->reading == R_IDLE && !h->work->out.pending) give_work(h);
}

/* ---- reading ---- */

static void begin_section(struct h1 *h, uint32_t bytes_max, uint32_t first_max) {
    struct h1_work *w = h->work;
    w->section = (struct h1_section){
        .ends = w->ends,
        .lines_max = h->fields_max + 1,
        .bytes_max = bytes_max,
        .first_max = first_max,
    };
}

static void begin_head(struct h1 *h) { begin_section(h, h->head_bytes_max, h->line_bytes_max); }

static err begin_message(struct h1 *h) {
    if (h->server) {
        take_work(h);
        h->stream++;
        h->writing = W_HEAD;
        h->method_id = HTTP_METHOD_OTHER;
        h->peer_version = 11;
        h->expecting = h->upgrade = false;
    }
    h->interim = 0;
    h->unread = 0;
    h->work->discarded = 0;
    move(h, R_HEAD);
    begin_head(h);
    h->work->arena = h->codec.sink->begin(h->codec.arg, h->stream);
    return h->work->arena ? OK : fail(h, ERR_LIMIT, REASON_OVERLOAD);
}

/* The section so far and what comes now: as one, in `partial` when it came in parts. */
static err scan(struct h1 *h, str in, size_t *ret_used, str *ret_all) {
    enum http_reason why = REASON_NONE;
    size_t before = h->work->partial.n, n = 0;
    str all = in;
    if (before) {
        buf_add(&h->work->partial, str_upto(in, h->work->section.bytes_max - before));
        all = buf_str(&h->work->partial);
    }
    err e = h1_scan_section(&h->work->section, all.p, all.n, &n, &why);
    if (e == ERR_AGAIN && !before) {
        h->work->partial.max = h->work->section.bytes_max;
        buf_add(&h->work->partial, in);
    }
    *ret_used = (e == OK ? n : all.n) - before;
    *ret_all = str_upto(all, n);
    return e == OK || e == ERR_AGAIN ? e : fail(h, e, why);
}

/* The section is done with; its bytes were copied where they are needed. */
static void end_section(struct h1 *h) {
    struct buf *b = &h->work->partial;
    if (!b->n) return;
    buf_clear(b);
    if (b->cap > H1_OUT_KEPT_BYTES_MAX) buf_fini(b);
}

/* The message came whole. Said before its last event, so that the sink may begin the next within it. */
static void message_read(struct h1 *h, size_t rest) {
    h->turn++;
    /* A client that still sends, or was sent more than it asked for, has no connection that can be trusted. */
    if (!h->server && (h->writing != W_END || rest)) h->close = true;
    move(h, R_WAIT);
}

static void deliver_head(struct h1 *h, struct http_msg *m, size_t rest) {
    bool end = h1_body_done(&h->work->body);
    if (!m->keep_alive) h->close = true;
    if (end)
        message_read(h, rest);
    else
        move(h, R_BODY);
    h->codec.sink->head(h->codec.arg, h->stream, m, end);
    settle(h);
}

static err take_request_head(struct h1 *h, str all, size_t rest) {
    enum http_reason why;
    uint64_t body_bytes_max = h->body_bytes_max ? h->body_bytes_max : UINT64_MAX;
    const char *bytes;
    struct http_msg *m = h1_head_new(h->work->arena, true, all, &h->work->section, &bytes);
    end_section(h);
    err e = h1_head_request(bytes, &h->work->section, m, &why);
    h->method_id = m->method_id; /* even of a request that is refused: the answer to HEAD has no body */
    if (e != OK) return fail(h, e, why);
    h->peer_version = m->version;
    h->expecting = m->expect_continue;
    h->upgrade = m->upgrade.n > 0;
    h->body_kind = m->body;
    if (m->body == HTTP_BODY_LENGTH && m->content_length > body_bytes_max)
        return fail(h, ERR_LIMIT, REASON_BODY_TOO_LARGE);
    h1_body_begin(&h->work->body, m->body, m->content_length, body_bytes_max);
    deliver_head(h, m, rest);
    return OK;
}

/* Both sides go on without framing; the connection carries nothing else any more. */
static void begin_tunnel(struct h1 *h) {
    h->tunnel = h->close = true;
    h->unread = 0;
    h->writing = W_BODY;
    h->out_kind = HTTP_BODY_TO_CLOSE;
    move(h, R_TUNNEL);
}

/* 101 agrees to what was asked for, once all of the request was sent; else the backend does not know what it says.
 *                                                                          [RFC 9110 7.8] [RFC 9110 15.2.2] */
static err take_switch(struct h1 *h, struct http_msg *m) {
    if (!h->upgrade || !m->upgrade.n || h->writing != W_END)
        return fail(h, ERR_PROTO, REASON_BACKEND_PROTOCOL);
    begin_tunnel(h);
    h->codec.sink->head(h->codec.arg, h->stream, m, false);
    return OK;
}

static err take_response_head(struct h1 *h, str all, size_t rest) {
    const char *bytes;
    struct http_msg *m = h1_head_new(h->work->arena, false, all, &h->work->section, &bytes);
    end_section(h);
    if (h1_head_response(bytes, &h->work->section, h->method_id, m) != OK)
        return fail(h, ERR_PROTO, REASON_BACKEND_PROTOCOL);
    if (m->status == 101) return take_switch(h, m);
    if (m->status < 200) {
        if (++h->interim > INTERIM_MAX) return fail(h, ERR_PROTO, REASON_BACKEND_PROTOCOL);
        begin_head(h);
        h->codec.sink->head(h->codec.arg, h->stream, m, false);
        return OK;
    }
    /* without a body, the length is only told [RFC 9112 6.3] */
    bool bodyless = m->status == 304 || h->method_id == HTTP_HEAD;
    h->body_kind = bodyless ? HTTP_BODY_NONE : m->body;
    if (h->body_kind == HTTP_BODY_TO_CLOSE) h->close = true;
    h1_body_begin(&h->work->body, h->body_kind, m->content_length, UINT64_MAX);
    deliver_head(h, m, rest);
    return OK;
}

static err take_head(struct h1 *h, str in, size_t *ret_used) {
    str all;
    err e = scan(h, in, ret_used, &all);
    if (e != OK) return e == ERR_AGAIN ? OK : e;
    size_t rest = in.n - *ret_used;
    return h->server ? take_request_head(h, all, rest) : take_response_head(h, all, rest);
}

/* A few CRLFs before a request line are read over [RFC 9112 2.2]; what is no CRLF belongs to the message, right or wrong. */
static err take_idle(struct h1 *h, str in, size_t *ret_used) {
    size_t i = 0;
    if (h->server)
        for (; i < in.n && h->blank < BLANK_BYTES_MAX && in.p[i] == (h->blank & 1 ? '\n' : '\r'); i++)
            h->blank++;
    *ret_used = i;
    if (i == in.n) return OK;
    bool cut = h->blank & 1;
    TRY(begin_message(h));
    if (cut) return fail(h, ERR_PROTO, REASON_BAD_REQUEST);
    err e = take_head(h, str_from(in, i), ret_used);
    *ret_used += i;
    return e;
}

static void end_message(struct h1 *h, struct http_msg *trailers, size_t rest) {
    bool heard = !discarding(h);
    message_read(h, rest);
    if (heard) h->codec.sink->end(h->codec.arg, h->stream, trailers);
    settle(h);
}

/* Once the response ended the arena may be gone: trailers are then read over. */
static err take_trailers(struct h1 *h, str in, size_t *ret_used) {
    str all;
    struct http_msg *trailers = NULL;
    err e = scan(h, in, ret_used, &all);
    if (e != OK) return e == ERR_AGAIN ? OK : e;
    if (h->work->section.lines && !discarding(h)) {
        const char *bytes;
        trailers = h1_head_new(h->work->arena, h->server, all, &h->work->section, &bytes);
        if (h1_head_trailers(bytes, &h->work->section, trailers) != OK)
            return fail(h, ERR_PROTO, REASON_BAD_REQUEST);
    }
    end_section(h);
    end_message(h, trailers, in.n - *ret_used);
    return OK;
}

static void deliver_body(struct h1 *h, str data) {
    h->expecting = false;
    if (!discarding(h)) {
        h->unread += (uint32_t)data.n;
        h->codec.sink->body(h->codec.arg, h->stream, data);
        return;
    }
    h->work->discarded += data.n;
    if (h->work->discarded > DISCARD_BYTES_MAX) h->close = true;
    settle(h);
}

static err take_body(struct h1 *h, str in, size_t *ret_used) {
    enum { TRAILERS_LEAST = 2 }; /* the empty section */
    str data;
    size_t room = discarding(h) ? SIZE_MAX : CODEC_WINDOW_BYTES - h->unread;
    err e = h1_body_take(&h->work->body, in, room, ret_used, &data);
    if (e == ERR_AGAIN) return e;
    if (e != OK) return fail(h, e, e == ERR_LIMIT ? REASON_BODY_TOO_LARGE : REASON_BAD_REQUEST);
    if (data.n) deliver_body(h, data);
    if (h->reading != R_BODY || !h1_body_done(&h->work->body)) return OK;
    if (h->body_kind == HTTP_BODY_CHUNKED) {
        move(h, R_TRAILERS);
        begin_section(h, (uint32_t)num_max(h->trailer_bytes_max, TRAILERS_LEAST), UINT32_MAX);
    } else {
        end_message(h, NULL, in.n - *ret_used);
    }
    return OK;
}

static err take_tunnel(struct h1 *h, str in, size_t *ret_used) {
    size_t n = num_min(in.n, CODEC_WINDOW_BYTES - h->unread);
    if (n == 0) return ERR_AGAIN;
    h->unread += (uint32_t)n;
    *ret_used = n;
    h->codec.sink->body(h->codec.arg, h->stream, str_upto(in, n));
    return OK;
}

static err take(struct h1 *h, str in, size_t *ret_used) {
    *ret_used = 0;
    switch ((enum reading)h->reading) {
    case R_IDLE: return take_idle(h, in, ret_used);
    case R_HEAD: return take_head(h, in, ret_used);
    case R_BODY: return take_body(h, in, ret_used);
    case R_TRAILERS: return take_trailers(h, in, ret_used);
    case R_WAIT:
        return h->server ? ERR_AGAIN : fail(h, ERR_PROTO, REASON_BACKEND_PROTOCOL); /* nobody asked */
    case R_TUNNEL: return take_tunnel(h, in, ret_used);
    case R_FAILED: return (err)h->failed;
    case R_DONE: break;
    }
    return ERR_END;
}

static err h1_read(struct codec *c, str in, uint64_t now_us, size_t *ret_used, enum http_reason *ret_why) {
    struct h1 *h = self(c);
    size_t used = 0;
    err e = OK;
    (void)now_us; /* deadlines are the connection's */
    h->turn = 0;
    while (e == OK && used < in.n && (h->turn < CODEC_MESSAGES_MAX || h->reading != R_IDLE)) {
        size_t n;
        e = take(h, str_from(in, used), &n);
        used += n;
    }
    if (e == OK && (h->reading == R_FAILED || h->reading == R_DONE))
        e = h->reading == R_DONE ? ERR_END : (err)h->failed;
    if (h->reading == R_FAILED) *ret_why = (enum http_reason)h->why;
    *ret_used = used;
    rest(h);
    return e;
}

static err h1_read_end(struct codec *c, enum http_reason *ret_why) {
    struct h1 *h = self(c);
    enum http_reason why = h->server ? REASON_CLIENT_GONE : REASON_BACKEND_RESET;
    h->close = true;
    switch ((enum reading)h->reading) {
    case R_IDLE:
        if (h->server) move(h, R_DONE);
        if (h->server) return ERR_END;
        break;
    case R_HEAD: break;
    case R_BODY:
        if (h->body_kind == HTTP_BODY_TO_CLOSE) {
            end_message(h, NULL, 0);
            return ERR_END;
        } /* fall through */
    case R_TRAILERS:
        if (discarding(h)) {
            move(h, R_DONE);
            return ERR_END;
        }
        if (!h->server) why = REASON_BACKEND_CUT;
        break;
    case R_TUNNEL:
        move(h, R_DONE);
        h->codec.sink->end(h->codec.arg, h->stream, NULL);
        return OK;
    case R_WAIT:
    case R_FAILED:
    case R_DONE: return ERR_END;
    }
    h->why = (uint8_t)(*ret_why = why);
    h->failed = ERR_PROTO;
    move(h, R_FAILED);
    return ERR_PROTO;
}

static void h1_consume(struct codec *c, uint32_t stream, size_t bytes) {
    struct h1 *h = self(c);
    if (stream == h->stream) h->unread -= (uint32_t)num_min(bytes, h->unread);
}

/* ---- writing ---- */

/* Once the request came whole: the client can not begin before that, either [RFC 9110 7.8]. */
static err submit_switch(struct h1 *h, const struct http_msg *m) {
    if (!h->upgrade || !m->upgrade.n || h->reading != R_WAIT) return ERR_REFUSED;
    TRY(h1_print_response(&h->work->out, m, &(struct h1_print){.options = "upgrade", .upgrade = m->upgrade}));
    begin_tunnel(h);
    return OK;
}

static err submit_interim(struct h1 *h, const struct http_msg *m) {
    if (m->status == 101) return submit_switch(h, m);
    if (h->peer_version < 11) return OK; /* it would not understand [RFC 9110 15.2] */
    TRY(h1_print_response(&h->work->out, m, &(struct h1_print){0}));
    if (m->status == 100) h->expecting = false;
    return OK;
}

/* How a response is framed for this peer; *ret_bodyless: whatever is submitted as its body is not sent [RFC 9110 8.6] [RFC 9112 6]. */
static err response_framing(const struct h1 *h, const struct http_msg *m, bool end, struct h1_print *how,
                            bool *ret_bodyless) {
    bool head = h->method_id == HTTP_HEAD, chunks = h->peer_version >= 11;
    *ret_bodyless = head || m->status == 204 || m->status == 304;
    if (*ret_bodyless) {
        bool tell = m->status != 204 &&
                    (m->body == HTTP_BODY_LENGTH || (m->body == HTTP_BODY_CHUNKED && head && chunks));
        how->body = tell ? m->body : HTTP_BODY_NONE;
        how->length = m->content_length;
    } else if (end) {
        if (m->body == HTTP_BODY_LENGTH && m->content_length) return ERR_PROTO;
        how->body = HTTP_BODY_LENGTH;
    } else if (m->body == HTTP_BODY_LENGTH) {
        how->body = HTTP_BODY_LENGTH;
        how->length = m->content_length;
    } else {
        how->body = chunks ? HTTP_BODY_CHUNKED : HTTP_BODY_TO_CLOSE;
    }
    return OK;
}

/* A request that did not come whole: can the connection go on when the response ends first? Not when the client may or may not send
 * a body that it expected to be asked for [RFC 9110 10.1.1], nor when too much would have to be read over. */
static bool request_lost(const struct h1 *h, bool end) {
    switch ((enum reading)h->reading) {
    case R_BODY:
        return h->expecting ||
               (end && h->body_kind == HTTP_BODY_LENGTH && h->work->body.left > DISCARD_BYTES_MAX);
    case R_WAIT:
    case R_TRAILERS: return false;
    case R_IDLE:
    case R_HEAD:
    case R_TUNNEL:
    case R_FAILED:
    case R_DONE: break;
    }
    return true;
}

static void begin_out(struct h1 *h, const struct h1_print *how, bool bodyless, bool end) {
    h->out_kind = bodyless ? HTTP_BODY_NONE : how->body;
    h->work->out_left = how->length;
    h->writing = end ? W_END : W_BODY;
}

static err submit_response(struct h1 *h, uint32_t stream, const struct http_msg *m, bool end) {
    struct h1_print how = {0};
    bool bodyless;
    if (stream != h->stream || h->writing != W_HEAD) return ERR_ABSENT;
    if (m->status < 200) return submit_interim(h, m);
    TRY(response_framing(h, m, end, &how, &bodyless));
    bool close =
        h->close || h->draining || request_lost(h, end) || (how.body == HTTP_BODY_TO_CLOSE && !bodyless);
    how.options = close ? "close" : h->peer_version < 11 ? "keep-alive" : NULL;
    if (m->upgrade.n && h->peer_version >= 11) {
        how.upgrade = m->upgrade;
        how.options = close ? "close, upgrade" : "upgrade";
    }
    TRY(h1_print_response(&h->work->out, m, &how));
    h->close = close;
    begin_out(h, &how, bodyless, end);
    settle(h);
    return OK;
}

static bool expects_content(uint8_t method_id) {
    return method_id == HTTP_POST || method_id == HTTP_PUT || method_id == HTTP_PATCH;
}

static err submit_request(struct h1 *h, uint32_t *ret_stream, const struct http_msg *m, bool end) {
    struct h1_print how = {.length = m->body == HTTP_BODY_LENGTH ? m->content_length : 0};
    if (h->close || h->draining || h->reading == R_FAILED || h->reading == R_DONE) return ERR_END;
    if (h->reading != R_WAIT || h->writing != W_END) return ERR_AGAIN;
    if (m->method_id == HTTP_CONNECT) return ERR_REFUSED;
    if (end && how.length) return ERR_PROTO;
    if (!end)
        how.body = m->body == HTTP_BODY_LENGTH ? HTTP_BODY_LENGTH : HTTP_BODY_CHUNKED;
    else if (m->body != HTTP_BODY_NONE || expects_content(m->method_id)) /* [RFC 9110 8.6] */
        how.body = HTTP_BODY_LENGTH;
    bool te = hop_takes_trailers(m);
    how.upgrade = m->upgrade;
    how.options = m->upgrade.n ? te ? "te, upgrade" : "upgrade" : te ? "te" : NULL;
    take_work(h);
    TRY(h1_print_request(&h->work->out, m, &how));
    h->upgrade = m->upgrade.n > 0;
    h->method_id = m->method_id;
    begin_out(h, &how, false, end);
    move(h, R_IDLE);
    *ret_stream = ++h->stream;
    return OK;
}

static err h1_submit(struct codec *c, uint32_t *stream, const struct http_msg *m, bool end) {
    struct h1 *h = self(c);
    assert(m->is_request != h->server);
    return h->server ? submit_response(h, *stream, m, end) : submit_request(h, stream, m, end);
}

static void end_out(struct h1 *h) {
    h->writing = W_END;
    h->codec.shuts = h->tunnel;
    settle(h);
}

static err h1_submit_body(struct codec *c, uint32_t stream, str bytes, bool end) {
    enum { CHUNK_FRAMING_MAX = 64 }; /* its size line, its CRLF, the last chunk */
    struct h1 *h = self(c);
    if (stream != h->stream || h->writing != W_BODY) return ERR_ABSENT;
    if (h->out_kind == HTTP_BODY_LENGTH && (end ? bytes.n != h->work->out_left : bytes.n > h->work->out_left))
        return ERR_PROTO;
    if (!h1_out_takes(&h->work->out, bytes.n + CHUNK_FRAMING_MAX)) return ERR_AGAIN;
    if (h->out_kind == HTTP_BODY_LENGTH) h->work->out_left -= bytes.n;
    bool chunked = h->out_kind == HTTP_BODY_CHUNKED;
    if (bytes.n && h->out_kind != HTTP_BODY_NONE) {
        if (chunked) h1_print_chunk(&h->work->out, bytes.n);
        h1_out_borrow(&h->work->out, bytes);
        if (chunked) h1_out_add(&h->work->out, S("\r\n"));
    }
    if (!end) return OK;
    if (chunked) h1_out_add(&h->work->out, S("0\r\n\r\n"));
    end_out(h);
    return OK;
}

static err h1_submit_end(struct codec *c, uint32_t stream, const struct http_msg *trailers) {
    struct h1 *h = self(c);
    if (stream != h->stream || h->writing != W_BODY) return ERR_ABSENT;
    if (h->out_kind == HTTP_BODY_LENGTH && h->work->out_left) return ERR_PROTO;
    if (h->out_kind == HTTP_BODY_CHUNKED) TRY(h1_print_last_chunk(&h->work->out, trailers));
    end_out(h);
    return OK;
}

static void h1_reset(struct codec *c, uint32_t stream, enum http_reason why) {
    struct h1 *h = self(c);
    (void)why; /* HTTP/1 has no word for it but the close */
    bool over =
        h->server ? h->writing == W_NONE || h->writing == W_END : h->reading == R_WAIT && h->writing == W_END;
    if (stream != h->stream || over) return;
    h->writing = W_END;
    h->close = true;
    if (h->reading != R_DONE) move(h, R_DONE);
}

static size_t h1_write(struct codec *c, str *out, size_t out_max) {
    return h1_out_write(&self(c)->work->out, out, out_max);
}
static void h1_wrote(struct codec *c, size_t bytes) {
    struct h1 *h = self(c);
    if (bytes && h1_out_wrote(&h->work->out, bytes) && h->reading == R_IDLE && h->works) give_work(h);
}
static void h1_keep(struct codec *c) { h1_out_keep(&self(c)->work->out); }
static size_t h1_pending(const struct codec *c) { return self_const(c)->work->out.pending; }

static size_t h1_stream_pending(const struct codec *c, uint32_t stream) {
    (void)stream;
    return self_const(c)->work->out.pending;
}

/* None: moving a body past the codec needs both sides to be told, and is worth it for bodies that are larger than most. */
static uint64_t h1_raw_bytes(const struct codec *c, uint32_t stream) {
    (void)c, (void)stream;
    return 0;
}

static bool h1_reusable(const struct codec *c) {
    const struct h1 *h = self_const(c);
    if (h->close || h->draining || h->reading == R_FAILED || h->reading == R_DONE) return false;
    return h->server || (h->reading == R_WAIT && h->writing == W_END);
}

static void h1_drain(struct codec *c) { self(c)->draining = true; }

static void h1_free(struct codec *c) {
    struct h1 *h = self(c);
    give_work(h);
    if (h->work != nothing()) {
        drop_work(h->work);
        free(h->work);
    }
    free(h);
}

/* A request line that does not fit in a head is too long as a line. */
static void set_head_bytes(struct h1 *h, uint32_t most, uint32_t line) {
    h->head_bytes_max = most;
    h->line_bytes_max = !h->server ? UINT32_MAX : line < most ? line : most - 1;
}

/* A section that is being read goes on by the bounds that it began with. */
static void h1_limit_head(struct codec *c, uint32_t bytes_max, uint32_t fields_max) {
    struct h1 *h = self(c);
    bool busy = h->work != nothing(), within = h->reading == R_HEAD || h->reading == R_TRAILERS;
    h->fields_max = busy && within ? (uint32_t)num_min(fields_max, h->work->ends_n - 1) : fields_max;
    if (busy && h->work->ends_n <= h->fields_max) prepare_work(h->work, h->fields_max);
    set_head_bytes(h, bytes_max, bytes_max / 2);
}

static const struct codec_ops ops = {
    .read = h1_read,
    .read_end = h1_read_end,
    .submit = h1_submit,
    .submit_body = h1_submit_body,
    .submit_end = h1_submit_end,
    .reset = h1_reset,
    .consume = h1_consume,
    .write = h1_write,
    .wrote = h1_wrote,
    .keep = h1_keep,
    .pending = h1_pending,
    .stream_pending = h1_stream_pending,
    .raw_bytes = h1_raw_bytes,
    .reusable = h1_reusable,
    .drain = h1_drain,
    .limit_head = h1_limit_head,
    .free = h1_free,
};

void h1_recycle(struct codec *c, const struct codec_sink *sink, void *arg) {
    struct h1 *h = self(c);
    h->codec = (struct codec){.ops = &ops, .sink = sink, .arg = arg};
    h->close = h->draining = h->expecting = h->tunnel = h->upgrade = false;
    h->stream = 0;
    h->blank = 0;
    h->unread = 0;
    h->reading = h->server ? R_IDLE : R_WAIT;
    h->writing = h->server ? W_NONE : W_END;
    if (h->work == nothing()) return;
    h1_out_clear(&h->work->out);
    end_section(h);
    give_work(h);
}

static struct codec *new_codec(bool server, const struct codec_sink *sink, void *arg,
                               const struct codec_limits *limits) {
    assert(limits->head_bytes_max > 0);
    struct h1 *h = base_zalloc(sizeof *h);
    h->server = server;
    set_head_bytes(h, limits->head_bytes_max, limits->line_bytes_max);
    h->fields_max = limits->fields_max;
    h->trailer_bytes_max = limits->trailer_bytes_max;
    h->body_bytes_max = limits->body_bytes_max;
    h->work = nothing();
    h1_recycle(&h->codec, sink, arg);
    return &h->codec;
}

struct codec *h1_server(const struct codec_sink *sink, void *arg, const struct codec_limits *limits) {
    return new_codec(true, sink, arg, limits);
}
struct codec *h1_client(const struct codec_sink *sink, void *arg, const struct codec_limits *limits) {
    return new_codec(false, sink, arg, limits);
}

void h1_pool_init(struct pool *p, uint32_t keep_max) {
    pool_init(p, sizeof(struct h1_work), keep_max, drop_work);
}

void h1_share(struct codec *c, struct pool *p) {
    assert(self(c)->server && self(c)->work == nothing());
    self(c)->works = p;
}
