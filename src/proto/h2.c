/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/h2.h"

#include "base/num.h"
#include "proto/h2_core.h"

const char h2_preface[H2_PREFACE_BYTES + 1] = NGHTTP2_CLIENT_MAGIC;

static struct h2 *self(struct codec *c) { return container_of(c, struct h2, codec); }
static const struct h2 *self_const(const struct codec *c) { return container_of(c, const struct h2, codec); }

/* ---- streams ---- */

/* The library knows a request's stream once its head was written; those that wait are the last. */
struct h2_stream *h2_core_find(const struct h2 *h, uint32_t id) {
    struct h2_stream *s = nghttp2_session_get_stream_user_data(h->session, (int32_t)id);
    if (s || h->server) return s;
    for (struct link *l = h->streams.prev; l != &h->streams; l = l->prev) {
        s = container_of(l, struct h2_stream, on);
        if (s->id == id) return s;
        if (!s->head_waits) break;
    }
    return NULL;
}

static uint32_t first_window(const struct h2 *h) {
    return h->server ? H2_WINDOW_BYTES : H2_CLIENT_WINDOW_BYTES;
}

struct h2_stream *h2_core_begin(struct h2 *h, uint32_t id) {
    struct link *l = link_pop(&h->spare);
    struct h2_stream *s = l ? container_of(l, struct h2_stream, on) : NULL;
    if (s) {
        struct buf kept = s->kept;
        *s = (struct h2_stream){.kept = kept};
        h->spare_n--;
    } else {
        s = base_zalloc(sizeof *s);
        buf_init(&s->kept, 2 * (size_t)H2_STREAM_WAITING_MAX);
    }
    s->id = id;
    s->window = first_window(h);
    s->taken_us = h->now_us;
    link_append(&h->streams, &s->on);
    h->streams_n++;
    nghttp2_session_set_stream_user_data(h->session, (int32_t)id, s);
    return s;
}

static void free_stream(struct h2_stream *s) {
    buf_fini(&s->kept);
    free(s);
}

void h2_core_end(struct h2 *h, struct h2_stream *s) {
    h2_out_forget(h, s);
    h->grown -= s->window - first_window(h);
    link_remove(&s->on);
    h->streams_n--;
    if (h->spare_n == H2_SPARE_STREAMS) {
        free_stream(s);
        return;
    }
    if (s->kept.cap > H2_STREAM_KEPT_BYTES) buf_fini(&s->kept);
    h->spare_n++;
    link_prepend(&h->spare, &s->on);
}

/* ---- the connection ---- */

/* The first frames wait for the first call: bounds may be set until then. */
static void begin(struct h2 *h) {
    if (h->begun) return;
    h->begun = true;
    const nghttp2_settings_entry server[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
         h->limits.streams_max ? h->limits.streams_max : H2_STREAMS_MAX},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, h->limits.head_bytes_max},
        {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    const nghttp2_settings_entry client[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_CLIENT_WINDOW_BYTES},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, h->limits.head_bytes_max},
    };
    int rv = nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, h->server ? server : client,
                                     h->server ? COUNT_OF(server) : COUNT_OF(client));
    rv |= nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0, H2_CONN_WINDOW_BYTES);
    assert(rv == 0);
}

/* The connection is beyond repair: what ran on it is over, the streams' owners are told. */
static err fail(struct h2 *h, err e, enum http_reason why) {
    h->failed = e;
    h->why = h->server || why == REASON_OVERLOAD ? why : REASON_BACKEND_PROTOCOL;
    enum http_reason why_lost = e == ERR_PROTO ? REASON_BACKEND_PROTOCOL : REASON_BACKEND_RESET;
    while (!link_empty(&h->streams)) {
        struct h2_stream *s = container_of(h->streams.next, struct h2_stream, on);
        uint32_t id = s->id;
        bool tell = !s->mute, head = s->in == H2_IN_HEAD;
        nghttp2_session_set_stream_user_data(h->session, (int32_t)id, NULL);
        h2_core_end(h, s);
        if (tell)
            h->codec.sink->reset(h->codec.arg, id,
                                 h->server ? REASON_CLIENT_GONE
                                 : head    ? why_lost
                                           : REASON_BACKEND_CUT);
    }
    return e;
}

/* The library has given up on the input. */
static err broken(struct h2 *h, int rv) {
    bool flood = h->flooded || rv == NGHTTP2_ERR_FLOODED || rv == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS;
    uint32_t code = flood ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR;
    nghttp2_session_terminate_session(h->session, code);
    h2_out_fill(h);
    return fail(h, flood ? ERR_LIMIT : ERR_PROTO, flood ? REASON_OVERLOAD : REASON_BAD_REQUEST);
}

static bool over(const struct h2 *h) { return (h->away || h->peer_away) && h->streams_n == 0; }

static err h2_read(struct codec *c, str in, uint64_t now_us, size_t *ret_used, enum http_reason *ret_why) {
    struct h2 *h = self(c);
    ssize_t n = 0;
    *ret_used = 0;
    if (h->failed != OK) *ret_why = h->why;
    if (h->failed != OK) return h->failed;
    begin(h);
    h->now_us = now_us;
    h->turn = 0;
    h->pausing = false;
    h->reading = true;
    do { /* a pause behind the last byte: the end of that frame is still to be told */
        n = nghttp2_session_mem_recv(h->session, (const uint8_t *)in.p + *ret_used, in.n - *ret_used);
        if (n > 0) *ret_used += (size_t)n;
    } while (n > 0 && *ret_used == in.n && h->turn > CODEC_MESSAGES_MAX && (h->turn = 1));
    h->reading = false;
    err e = OK;
    if (n < 0) {
        *ret_used = in.n;
        e = broken(h, (int)n);
    } else {
        h2_out_fill(h);
        if (h->goaway) e = fail(h, ERR_PROTO, REASON_BAD_REQUEST);
    }
    if (e != OK) *ret_why = h->why;
    return e == OK && *ret_used == in.n && over(h) ? ERR_END : e;
}

static err h2_read_end(struct codec *c, enum http_reason *ret_why) {
    struct h2 *h = self(c);
    h->peer_away = true;
    if (h->streams_n == 0) return ERR_END;
    *ret_why = h->server ? REASON_CLIENT_GONE : REASON_BACKEND_CUT;
    return ERR_PROTO;
}

/* Half of the window was taken. A peer that fills it sooner than our word of that can reach it waits for us: it gets twice as much, as long as
 * the reader keeps up. What has been granted stays: one who stops reading holds that much. */
static void grow(struct h2 *h, struct h2_stream *s) {
    bool bulk = h->now_us - s->taken_us < H2_BULK_US && s->taken / H2_BULK_FRAME_BYTES >= s->frames;
    bool kept_up = s->unread <= s->window / 4;
    s->taken = s->frames = 0;
    s->taken_us = h->now_us;
    size_t more = num_min(s->window, num_min(H2_WINDOW_BYTES_MAX - s->window, H2_GROWN_BYTES_MAX - h->grown));
    if (!bulk || !kept_up || more == 0 || s->in != H2_IN_BODY || s->end_came) return;
    s->window += (uint32_t)more;
    h->grown += more;
    int rv = nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, (int32_t)s->id,
                                                   (int32_t)s->window);
    assert(rv == 0);
}

static void h2_consume(struct codec *c, uint32_t stream, size_t bytes) {
    struct h2 *h = self(c);
    struct h2_stream *s = h2_core_find(h, stream);
    if (!s) return;
    if (s->early_n || s->early_end) h2_in_tell_early(h, s);
    bytes = num_min(bytes, s->unread);
    s->unread -= bytes;
    s->taken += (uint32_t)bytes;
    if (s->taken >= s->window / 2) grow(h, s); /* first: one update tells of both */
    if (bytes) nghttp2_session_consume_stream(h->session, (int32_t)stream, bytes);
}

/* ---- submitting ---- */

static nghttp2_data_provider body_of(void) { return (nghttp2_data_provider){.read_callback = h2_out_body}; }

static err submit_interim(struct h2 *h, struct h2_stream *s, const struct http_msg *m) {
    TRY(h2_print_response(&h->print, m, (struct h2_length){0}));
    int rv = nghttp2_submit_headers(h->session, NGHTTP2_FLAG_NONE, (int32_t)s->id, NULL, h->print.v,
                                    h->print.n, NULL);
    return rv == 0 ? OK : ERR_PROTO;
}

static void begin_out(struct h2_stream *s, struct h2_length length, bool end) {
    s->out = end ? H2_OUT_END : H2_OUT_BODY;
    s->length_told = length.told;
    s->length_left = length.bytes;
    s->head_waits = true;
}

/* Yes to a tunnel: 200, and what follows is no body of a message. */
static err submit_agreement(struct h2 *h, struct h2_stream *s, const struct http_msg *m) {
    if (s->in != H2_IN_ASKED) return ERR_REFUSED;
    TRY(h2_print_response(&h->print, m, (struct h2_length){0}));
    nghttp2_data_provider body = body_of();
    if (nghttp2_submit_response(h->session, (int32_t)s->id, h->print.v, h->print.n, &body) != 0)
        return ERR_PROTO;
    begin_out(s, (struct h2_length){0}, false);
    s->in = H2_IN_BODY;
    return OK;
}

/* No: the answer is as to any request, but that 2xx would mean yes. */
static err submit_refusal(struct h2 *h, struct h2_stream *s, const struct http_msg *m) {
    if (m->status < 300) return ERR_REFUSED;
    s->tunnel = false;
    h2_in_forget_early(h, s);
    return OK;
}

static err submit_response(struct h2 *h, uint32_t stream, const struct http_msg *m, bool end) {
    struct h2_stream *s = h2_core_find(h, stream);
    if (!s || s->mute || s->out != H2_OUT_HEAD) return ERR_ABSENT;
    if (m->status == 101) return submit_agreement(h, s, m);
    if (m->status < 200) return submit_interim(h, s, m);
    if (s->in == H2_IN_ASKED) TRY(submit_refusal(h, s, m));
    struct h2_length length = {.told = m->body == HTTP_BODY_LENGTH, .bytes = m->content_length};
    bool bodyless = s->method_id == HTTP_HEAD || m->status == 204 || m->status == 304;
    if (m->status == 204) length.told = false; /* [RFC 9110 8.6] */
    if (end && !bodyless) {
        if (length.told && length.bytes) return ERR_PROTO;
        length = (struct h2_length){.told = true};
    }
    TRY(h2_print_response(&h->print, m, length));
    nghttp2_data_provider body = body_of();
    int rv = nghttp2_submit_response(h->session, (int32_t)stream, h->print.v, h->print.n,
                                     end || bodyless ? NULL : &body);
    if (rv != 0) return ERR_PROTO;
    begin_out(s, length, end);
    if (bodyless && !end) s->out = H2_OUT_DROP;
    return OK;
}

static bool expects_content(uint8_t method_id) {
    return method_id == HTTP_POST || method_id == HTTP_PUT || method_id == HTTP_PATCH;
}

uint32_t h2_streams_max(const struct codec *c) {
    uint32_t most =
        nghttp2_session_get_remote_settings(self_const(c)->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    return (uint32_t)num_min(most, H2_STREAMS_MAX);
}

enum h2_websocket h2_websocket(const struct codec *c) {
    const struct h2 *h = self_const(c);
    if (!h->settled) return H2_WEBSOCKET_UNKNOWN;
    return nghttp2_session_get_remote_settings(h->session, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL)
               ? H2_WEBSOCKET_YES
               : H2_WEBSOCKET_NO;
}

/* May another stream begin? */
static bool has_room(const struct h2 *h) { return h->streams_n < h2_streams_max(&h->codec); }

static err submit_request(struct h2 *h, uint32_t *ret_stream, const struct http_msg *m, bool end) {
    struct h2_length length = {.told = m->body == HTTP_BODY_LENGTH, .bytes = m->content_length};
    if (h->failed != OK || h->draining || h->peer_away) return ERR_END;
    if (!has_room(h)) return ERR_AGAIN;
    bool tunnel = str_ieq(m->upgrade, S("websocket"));
    if (m->method_id == HTTP_CONNECT || (tunnel && (!end || h2_websocket(&h->codec) != H2_WEBSOCKET_YES)))
        return ERR_REFUSED;
    if (tunnel) {
        end = false;
        length.told = false;
    } else if (end) {
        if (length.told && length.bytes) return ERR_PROTO;
        length.told = m->body != HTTP_BODY_NONE || expects_content(m->method_id); /* [RFC 9110 8.6] */
        length.bytes = 0;
    }
    TRY(h2_print_request(&h->print, m, length, h->tls, tunnel));
    nghttp2_data_provider body = body_of();
    int32_t id = nghttp2_submit_request(h->session, NULL, h->print.v, h->print.n, end ? NULL : &body, NULL);
    if (id < 0) return id == NGHTTP2_ERR_STREAM_ID_NOT_AVAILABLE ? ERR_END : ERR_PROTO;
    struct h2_stream *s = h2_core_begin(h, (uint32_t)id);
    s->method_id = m->method_id;
    s->tunnel = tunnel;
    begin_out(s, length, end);
    *ret_stream = (uint32_t)id;
    return OK;
}

static err h2_submit(struct codec *c, uint32_t *stream, const struct http_msg *m, bool end) {
    struct h2 *h = self(c);
    assert(m->is_request != h->server);
    begin(h);
    return h->server ? submit_response(h, *stream, m, end) : submit_request(h, stream, m, end);
}

static err h2_submit_body(struct codec *c, uint32_t stream, str bytes, bool end) {
    struct h2 *h = self(c);
    struct h2_stream *s = h2_core_find(h, stream);
    if (!s || s->mute || (s->out != H2_OUT_BODY && s->out != H2_OUT_DROP)) return ERR_ABSENT;
    if (s->out == H2_OUT_BODY && s->length_told &&
        (end ? bytes.n != s->length_left : bytes.n > s->length_left))
        return ERR_PROTO;
    if (s->out == H2_OUT_BODY) {
        if (bytes.n > H2_STREAM_WAITING_MAX - num_min(s->waiting, H2_STREAM_WAITING_MAX)) return ERR_AGAIN;
        s->length_left -= s->length_told ? bytes.n : 0;
        if (bytes.n) h2_out_add(h, s, bytes);
        if (bytes.n || end) h2_out_resume(h, s);
    }
    if (end) s->out = H2_OUT_END;
    return OK;
}

static err h2_submit_end(struct codec *c, uint32_t stream, const struct http_msg *trailers) {
    struct h2 *h = self(c);
    struct h2_stream *s = h2_core_find(h, stream);
    if (!s || s->mute || (s->out != H2_OUT_BODY && s->out != H2_OUT_DROP)) return ERR_ABSENT;
    if (s->out == H2_OUT_BODY) {
        if (s->length_told && s->length_left) return ERR_PROTO;
        if (trailers) TRY(h2_print_trailers(&h->print, trailers));
        if (trailers && h->print.n) s->trailers = h2_print_copy(&h->print);
        h2_out_resume(h, s);
    }
    s->out = H2_OUT_END;
    return OK;
}

/* [RFC 9113 7]; REFUSED_STREAM says that the request may be sent again: nothing of it was processed. */
static uint32_t code_of(const struct h2 *h, const struct h2_stream *s, enum http_reason why) {
    if (!h->server) return why == REASON_BACKEND_PROTOCOL ? NGHTTP2_PROTOCOL_ERROR : NGHTTP2_CANCEL;
    if (why == REASON_CLIENT_SLOW) return NGHTTP2_CANCEL;
    if (s->tunnel && s->out != H2_OUT_HEAD) return NGHTTP2_CANCEL; /* [RFC 8441 5.1] */
    bool untouched = why == REASON_OVERLOAD || why == REASON_DRAINING;
    if (untouched && s->out == H2_OUT_HEAD) return NGHTTP2_REFUSED_STREAM;
    return why == REASON_NONE ? NGHTTP2_NO_ERROR : NGHTTP2_INTERNAL_ERROR;
}

static void h2_reset(struct codec *c, uint32_t stream, enum http_reason why) {
    struct h2 *h = self(c);
    struct h2_stream *s = h2_core_find(h, stream);
    if (!s || s->mute) return;
    s->mute = true;
    s->in = H2_IN_DEAF;
    h2_out_forget(h, s);
    nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, (int32_t)stream, code_of(h, s, why));
    if (s->unread) nghttp2_session_consume_stream(h->session, (int32_t)stream, s->unread);
    s->unread = 0;
}

/* ---- writing ---- */

static size_t h2_write(struct codec *c, str *out, size_t out_max) {
    struct h2 *h = self(c);
    begin(h);
    h2_out_fill(h);
    return h1_out_write(&h->out, out, out_max);
}
static void h2_wrote(struct codec *c, size_t bytes) { h1_out_wrote(&self(c)->out, bytes); }
static void h2_keep(struct codec *c) { h2_out_keep(self(c)); }
static size_t h2_pending(const struct codec *c) {
    const struct h2 *h = self_const(c);
    bool frames = !h->begun || nghttp2_session_want_write(h->session);
    return h->out.pending + h->waiting + frames;
}
static size_t h2_stream_pending(const struct codec *c, uint32_t stream) {
    const struct h2 *h = self_const(c);
    const struct h2_stream *s = h2_core_find(h, stream);
    if (!s) return 0;
    return s->waiting + (s->head_waits || (s->out == H2_OUT_END && !s->end_written && !s->refused));
}

static bool h2_stream_shut(const struct codec *c, uint32_t stream) {
    const struct h2 *h = self_const(c);
    const struct h2_stream *s = h2_core_find(h, stream);
    if (!s || !s->waiting) return false;
    return nghttp2_session_get_remote_window_size(h->session) <= 0 ||
           nghttp2_session_get_stream_remote_window_size(h->session, (int32_t)stream) <= 0;
}

static uint64_t h2_raw_bytes(const struct codec *c, uint32_t stream) {
    (void)c, (void)stream;
    return 0; /* all is framed */
}

static bool h2_reusable(const struct codec *c) {
    const struct h2 *h = self_const(c);
    if (h->failed != OK || h->goaway || h->away || h->peer_away) return false;
    return h->server || (!h->draining && has_room(h) && nghttp2_session_check_request_allowed(h->session));
}

/* First that an end is near, then, once the client must have heard it, which stream is the last [RFC 9113 6.8]. */
static void h2_drain(struct codec *c) {
    struct h2 *h = self(c);
    if (h->draining) return;
    h->draining = true;
    if (!h->server) return;
    begin(h);
    nghttp2_submit_shutdown_notice(h->session);
}

static void h2_limit_head(struct codec *c, uint32_t bytes_max, uint32_t fields_max) {
    struct h2 *h = self(c);
    h2_head_limit(&h->head, fields_max);
    h->limits.head_bytes_max = bytes_max;
    h->limits.line_bytes_max = bytes_max / 2;
}

static void h2_free(struct codec *c) {
    struct h2 *h = self(c);
    list_each (struct h2_stream, s, &h->streams, on) {
        free(s->trailers);
        free_stream(s);
    }
    list_each (struct h2_stream, s, &h->spare, on) free_stream(s);
    nghttp2_session_del(h->session);
    h2_head_fini(&h->head);
    h2_print_fini(&h->print);
    h1_out_fini(&h->out);
    free(h);
}

static const struct codec_ops ops = {
    .multiplexed = true,
    .read = h2_read,
    .read_end = h2_read_end,
    .submit = h2_submit,
    .submit_body = h2_submit_body,
    .submit_end = h2_submit_end,
    .reset = h2_reset,
    .consume = h2_consume,
    .write = h2_write,
    .wrote = h2_wrote,
    .keep = h2_keep,
    .pending = h2_pending,
    .stream_pending = h2_stream_pending,
    .raw_bytes = h2_raw_bytes,
    .reusable = h2_reusable,
    .drain = h2_drain,
    .limit_head = h2_limit_head,
    .stream_shut = h2_stream_shut,
    .free = h2_free,
};

/* ---- the library's session ---- */

static nghttp2_option *make_options(uint32_t head_bytes_max) {
    /* CONTINUATIONS_LEAST: the library counts one for each read() that a frame's head is spread over.
     * RESETS_*: its own bound, by a clock of its own, stays out of the way of H2_CALM_RESET_US. */
    enum {
        SENT_HEAD_BYTES_MAX = 256 << 10,
        ACKS_MAX = 500,
        CONTINUATIONS_LEAST = 24,
        FRAME_BYTES_LEAST = 16 << 10, /* that a peer may fill */
        RESETS_AT_ONCE = 100000,
        RESETS_A_SECOND = 10000
    };
    nghttp2_option *o;
    if (nghttp2_option_new(&o) != 0) base_out_of_memory(1);
    nghttp2_option_set_no_auto_window_update(o, 1);
    nghttp2_option_set_no_closed_streams(o, 1);
    nghttp2_option_set_max_outbound_ack(o, ACKS_MAX);
    nghttp2_option_set_max_continuations(o, CONTINUATIONS_LEAST + head_bytes_max / FRAME_BYTES_LEAST);
    nghttp2_option_set_stream_reset_rate_limit(o, RESETS_AT_ONCE, RESETS_A_SECOND);
    nghttp2_option_set_max_send_header_block_length(o, SENT_HEAD_BYTES_MAX);
    nghttp2_option_set_peer_max_concurrent_streams(o, H2_STREAMS_MAX);
    nghttp2_option_set_server_fallback_rfc7540_priorities(o, 0);
    return o;
}

static void make_session(struct h2 *h) {
    nghttp2_session_callbacks *calls;
    nghttp2_option *options = make_options(h->limits.head_bytes_max);
    if (nghttp2_session_callbacks_new(&calls) != 0) base_out_of_memory(sizeof *h);
    h2_in_callbacks(calls);
    h2_out_callbacks(calls);
    int rv = h->server ? nghttp2_session_server_new2(&h->session, calls, h, options)
                       : nghttp2_session_client_new2(&h->session, calls, h, options);
    if (rv != 0) base_out_of_memory(sizeof *h);
    nghttp2_session_callbacks_del(calls);
    nghttp2_option_del(options);
}

static struct codec *new_codec(bool server, bool tls, const struct codec_sink *sink, void *arg,
                               const struct codec_limits *limits) {
    struct h2 *h = base_zalloc(sizeof *h);
    h->codec = (struct codec){.ops = &ops, .sink = sink, .arg = arg};
    h->server = server, h->tls = tls;
    h->limits = *limits;
    link_init(&h->streams), link_init(&h->lent), link_init(&h->spare);
    h2_head_init(&h->head, limits->fields_max);
    h1_out_init(&h->out);
    make_session(h);
    return &h->codec;
}

struct codec *h2_server(const struct codec_sink *sink, void *arg, const struct codec_limits *limits) {
    return new_codec(true, false, sink, arg, limits);
}
struct codec *h2_client(const struct codec_sink *sink, void *arg, const struct codec_limits *limits,
                        bool tls) {
    return new_codec(false, tls, sink, arg, limits);
}
