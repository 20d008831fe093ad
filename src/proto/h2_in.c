/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"
#include "proto/h2_core.h"

static struct h2_stream *find(nghttp2_session *session, int32_t id) {
    return nghttp2_session_get_stream_user_data(session, id);
}
/* Body bytes and heads are told of as long as the message is awaited. */
static bool listens(const struct h2_stream *s) { return s && !s->mute && s->in < H2_IN_END; }
/* A server whose response was submitted to the end reads the rest of the request for nobody. */
static bool discards(const struct h2 *h, const struct h2_stream *s) {
    return s->in == H2_IN_DEAF || (h->server && s->out == H2_OUT_END && !s->tunnel);
}

/* The request of one stream can not be served; the connection goes on. */
static void refuse(struct h2 *h, struct h2_stream *s, enum http_reason why) {
    s->in = H2_IN_DEAF;
    h->codec.sink->refused(h->codec.arg, s->id, why);
}

/* ---- floods ---- */

/* 0, or what ends the reading: the peer makes more work than it is given. */
static int pay(struct h2 *h, uint64_t cost_us) {
    h->calm_us = num_max(h->calm_us, h->now_us) + cost_us;
    if (h->calm_us <= h->now_us + H2_CALM_US) return 0;
    h->flooded = true;
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* A stream that began and ended by our reset for what the peer sent costs what its own reset would; told of by on_stream_close(). Here: one
 * that did not even begin.                                                                                [RFC 9113 10.5] */
static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int why, void *arg) {
    struct h2 *h = arg;
    (void)why;
    return h->server && !find(session, frame->hd.stream_id) ? pay(h, H2_CALM_RESET_US) : 0;
}

/* The message is malformed: a stream error [RFC 9113 8.1.1]. Its end tells the owner. */
static void malformed(struct h2 *h, struct h2_stream *s) {
    s->in = H2_IN_DEAF;
    s->broken = h->server ? REASON_BAD_REQUEST : REASON_BACKEND_PROTOCOL;
    nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, (int32_t)s->id, NGHTTP2_PROTOCOL_ERROR);
}

static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *arg) {
    struct h2 *h = arg;
    struct h2_stream *s;
    if (h->flooded) return NGHTTP2_ERR_CALLBACK_FAILURE;
    switch (hd->type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_CONTINUATION:
    case NGHTTP2_WINDOW_UPDATE:
    case NGHTTP2_PUSH_PROMISE:
    case NGHTTP2_GOAWAY: return 0;
    case NGHTTP2_DATA:
        s = find(session, hd->stream_id);
        if (s) s->frames++;
        return hd->length == 0 && !(hd->flags & NGHTTP2_FLAG_END_STREAM) ? pay(h, H2_CALM_CONTROL_US) : 0;
    case NGHTTP2_RST_STREAM:
        s = find(session, hd->stream_id);
        if (s) s->end_came = true;
        return h->server ? pay(h, H2_CALM_RESET_US) : 0;
    case NGHTTP2_PRIORITY: return pay(h, H2_CALM_PRIORITY_US);
    default: return hd->flags & NGHTTP2_FLAG_ACK ? 0 : pay(h, H2_CALM_CONTROL_US);
    }
}

/* ---- heads ---- */

static void begin_request(struct h2 *h, uint32_t id) {
    struct h2_stream *s = h2_core_begin(h, id);
    s->arena = h->codec.sink->begin(h->codec.arg, id);
    if (++h->turn > CODEC_MESSAGES_MAX) h->pausing = true;
    if (s->arena) return;
    s->mute = true; /* nothing of it was processed: it may be sent again [RFC 9113 8.7] */
    s->in = H2_IN_DEAF;
    nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, (int32_t)id, NGHTTP2_REFUSED_STREAM);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg) {
    struct h2 *h = arg;
    if (frame->hd.type != NGHTTP2_HEADERS) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) begin_request(h, (uint32_t)frame->hd.stream_id);
    const struct h2_stream *s = find(session, frame->hd.stream_id);
    bool first = s && s->in == H2_IN_HEAD;
    h2_head_begin(&h->head, first ? h->limits.head_bytes_max : h->limits.trailer_bytes_max);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
                     const uint8_t *value, size_t value_n, uint8_t flags, void *arg) {
    struct h2 *h = arg;
    (void)flags;
    if (listens(find(session, frame->hd.stream_id)))
        h2_head_line(&h->head, (str){(const char *)name, name_n}, (str){(const char *)value, value_n});
    if (h->head.too_large && pay(h, H2_CALM_BYTE_US * (name_n + value_n)) != 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (!h->pausing) return 0;
    h->pausing = false;
    return NGHTTP2_ERR_PAUSE;
}

/* Left to itself the library would leave such a line out and go on. */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                             size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags, void *arg) {
    struct h2 *h = arg;
    (void)session, (void)frame, (void)name, (void)name_n, (void)value, (void)value_n, (void)flags;
    h->head.bad = true;
    return 0;
}

/* Streams that do not say otherwise share the connection evenly [RFC 9218 4.2]. */
static void share_evenly(struct h2 *h, uint32_t id, const struct http_msg *m) {
    const nghttp2_extpri even = {.urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1};
    if (!http_msg_find(m, S("priority")))
        nghttp2_session_change_extpri_stream_priority(h->session, (int32_t)id, &even, 0);
}

static void request_head(struct h2 *h, struct h2_stream *s, bool end) {
    struct http_msg *m;
    enum http_reason why = REASON_BAD_REQUEST;
    err e = h2_head_request(&h->head, s->arena, end, h->limits.line_bytes_max, &m, &why);
    s->method_id = m->method_id; /* even of a request that is refused: the answer to HEAD has no body */
    if (e == OK && h->limits.body_bytes_max && m->content_length > h->limits.body_bytes_max)
        e = ERR_LIMIT, why = REASON_BODY_TOO_LARGE;
    if (e != OK) {
        refuse(h, s, why);
        return;
    }
    s->tunnel = m->upgrade.n > 0;
    s->early_end = s->tunnel && end;
    s->in = s->tunnel ? H2_IN_ASKED : end ? H2_IN_END : H2_IN_BODY;
    share_evenly(h, s->id, m);
    h->codec.sink->head(h->codec.arg, s->id, m, end || s->tunnel);
}

/* 2xx says yes to a tunnel, everything else is an answer like others: of ours nothing more comes. */
static void tunnel_answered(struct h2_stream *s, struct http_msg *m) {
    if (m->status / 100 == 2) {
        m->status = 101;
        m->upgrade = S("websocket");
        m->body = HTTP_BODY_NONE, m->content_length = 0;
        return;
    }
    s->tunnel = false;
    s->refused = true;
    s->out = H2_OUT_END;
}

/* Its answer is whole: the stream is left as browsers do. An end of our own would be DATA, which some servers take for an error by now. */
static void leave_refused(struct h2 *h, const struct h2_stream *s) {
    if (s && s->refused && s->in == H2_IN_END && !s->mute)
        nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, (int32_t)s->id, NGHTTP2_CANCEL);
}

static void tell_end(struct h2 *h, struct h2_stream *s, struct http_msg *trailers) {
    if (s->in == H2_IN_ASKED || s->early_n) {
        s->early_end = true;
        return;
    }
    s->in = H2_IN_END;
    h->codec.sink->end(h->codec.arg, s->id, trailers);
}

static void response_head(struct h2 *h, struct h2_stream *s, bool end) {
    struct http_msg *m;
    if (!s->arena) s->arena = h->codec.sink->begin(h->codec.arg, s->id);
    if (!s->arena || h2_head_response(&h->head, s->arena, end, s->method_id, &m) != OK ||
        (m->status < 200 && ++s->interim > H2_INTERIM_MAX)) {
        malformed(h, s);
        return;
    }
    if (m->status >= 200 && s->tunnel) tunnel_answered(s, m);
    bool agreed = m->status == 101;
    if (m->status >= 200 || agreed) s->in = end && !agreed ? H2_IN_END : H2_IN_BODY;
    uint32_t id = s->id;
    h->codec.sink->head(h->codec.arg, id, m, end && !agreed);
    if (end && agreed && (s = h2_core_find(h, id)) && !s->mute) tell_end(h, s, NULL);
}

static void trailers_came(struct h2 *h, struct h2_stream *s, bool end) {
    struct http_msg *m;
    /* a tunnel has nothing but DATA [RFC 9113 8.5] */
    if (!end || s->tunnel || h2_head_trailers(&h->head, s->arena, h->server, &m) != OK)
        malformed(h, s);
    else
        tell_end(h, s, m->fields_n ? m : NULL);
}

static void headers_came(struct h2 *h, struct h2_stream *s, bool end) {
    if (s->mute || discards(h, s)) return;
    if (s->in == H2_IN_BODY || s->in == H2_IN_ASKED)
        trailers_came(h, s, end);
    else if (s->in == H2_IN_HEAD && h->server)
        request_head(h, s, end);
    else if (s->in == H2_IN_HEAD)
        response_head(h, s, end);
}

/* ---- bodies ---- */

/* A peer that does not wait for the answer: its window is the bound. */
static void keep_early(struct h2_stream *s, str bytes) {
    uint32_t all = s->early_n + (uint32_t)bytes.n;
    if (all > s->early_cap) {
        char *more = arena_raw(s->arena, s->early_cap = 2 * all);
        if (s->early_n) memcpy(more, s->early, s->early_n);
        s->early = more;
    }
    memcpy(s->early + s->early_n, bytes.p, bytes.n);
    s->early_n = all;
}

void h2_in_forget_early(struct h2 *h, struct h2_stream *s) {
    s->in = H2_IN_DEAF;
    s->early_n = 0, s->early_end = false;
    if (s->unread) nghttp2_session_consume_stream(h->session, (int32_t)s->id, s->unread);
    s->unread = 0;
}

void h2_in_tell_early(struct h2 *h, struct h2_stream *s) {
    if (!listens(s) || s->in == H2_IN_ASKED) return;
    uint32_t id = s->id;
    str bytes = {s->early, s->early_n};
    bool end = s->early_end;
    s->early_n = 0, s->early_end = false;
    if (bytes.n) h->codec.sink->body(h->codec.arg, id, bytes);
    if (end && (s = h2_core_find(h, id)) && listens(s)) tell_end(h, s, NULL);
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p, size_t n,
                   void *arg) {
    struct h2 *h = arg;
    struct h2_stream *s = find(session, id);
    (void)flags;
    nghttp2_session_consume_connection(session, n);
    if (!listens(s) || discards(h, s)) {
        nghttp2_session_consume_stream(session, id, n);
        return 0;
    }
    s->came += n;
    s->unread += n;
    if (h->limits.body_bytes_max && s->came > h->limits.body_bytes_max) {
        nghttp2_session_consume_stream(session, id, s->unread);
        s->unread = 0;
        refuse(h, s, REASON_BODY_TOO_LARGE);
        return 0;
    }
    if (s->in == H2_IN_ASKED || s->early_n) { /* in order, behind what waits */
        if (n) keep_early(s, (str){(const char *)p, n});
        return 0;
    }
    h->codec.sink->body(h->codec.arg, s->id, (str){(const char *)p, n});
    return 0;
}

/* ---- frames that are whole ---- */

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg) {
    struct h2 *h = arg;
    bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    struct h2_stream *s;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        if (!(s = find(session, frame->hd.stream_id))) return 0;
        s->end_came |= end;
        headers_came(h, s, end);
        leave_refused(h, find(session, frame->hd.stream_id));
        return 0;
    case NGHTTP2_DATA:
        s = find(session, frame->hd.stream_id);
        if (!s || !end) return 0;
        s->end_came = true;
        if (listens(s) && !discards(h, s)) tell_end(h, s, NULL);
        leave_refused(h, find(session, frame->hd.stream_id));
        return 0;
    case NGHTTP2_RST_STREAM:
        s = find(session, frame->hd.stream_id);
        if (s) s->reset_came = true;
        return 0;
    case NGHTTP2_GOAWAY: h->peer_away = true; return 0;
    case NGHTTP2_SETTINGS: h->settled |= !(frame->hd.flags & NGHTTP2_FLAG_ACK); return 0;
    case NGHTTP2_PING: /* what was sent before the notice reached the client is here */
        if (!(frame->hd.flags & NGHTTP2_FLAG_ACK) || !h->server || !h->draining || h->away) return 0;
        h->away = true;
        nghttp2_submit_goaway(session, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session),
                              NGHTTP2_NO_ERROR, NULL, 0);
        return 0;
    default: return 0;
    }
}

/* ---- the end of a stream ---- */

static enum http_reason reason_of(const struct h2 *h, const struct h2_stream *s, uint32_t code) {
    if (s->broken) return (enum http_reason)s->broken;
    bool wrong = code == NGHTTP2_PROTOCOL_ERROR && !s->reset_came; /* the library's verdict */
    if (h->server) return wrong ? REASON_BAD_REQUEST : REASON_CLIENT_GONE;
    if (code == NGHTTP2_REFUSED_STREAM) return REASON_BACKEND_REFUSED;
    if (wrong) return REASON_BACKEND_PROTOCOL;
    return s->in == H2_IN_HEAD ? REASON_BACKEND_RESET : REASON_BACKEND_CUT;
}

/* The peer's fault, and not its own word. */
static bool is_provoked(const struct h2 *h, const struct h2_stream *s, uint32_t code) {
    bool fault =
        code == NGHTTP2_PROTOCOL_ERROR || code == NGHTTP2_FLOW_CONTROL_ERROR || code == NGHTTP2_STREAM_CLOSED;
    return h->server && fault && !s->reset_came;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg) {
    struct h2 *h = arg;
    struct h2_stream *s = find(session, id);
    if (!s) return 0;
    bool whole = s->tunnel   ? s->end_written && s->in == H2_IN_END
                 : h->server ? s->end_written
                             : s->in == H2_IN_END;
    bool tell = !s->mute && !whole;
    enum http_reason why = reason_of(h, s, code);
    uint32_t number = s->id;
    if (is_provoked(h, s, code)) (void)pay(h, H2_CALM_RESET_US); /* the next frame finds it */
    nghttp2_session_set_stream_user_data(session, id, NULL);
    h2_core_end(h, s);
    if (tell) h->codec.sink->reset(h->codec.arg, number, why);
    return 0;
}

void h2_in_callbacks(nghttp2_session_callbacks *c) {
    nghttp2_session_callbacks_set_on_begin_frame_callback(c, on_begin_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(c, on_invalid_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(c, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(c, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(c, on_invalid_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(c, on_stream_close);
}
