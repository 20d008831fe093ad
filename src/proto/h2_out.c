/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"
#include "proto/h2_core.h"

enum { FRAME_HEAD_BYTES = 9, ROUND_PIECES = H1_OUT_PIECES - 4 };

/* ---- bodies that wait on their stream ---- */

/* The borrowed slices become the stream's own. Frames that are ready may point into `kept`: they are made independent first. */
static void keep_stream(struct h2 *h, struct h2_stream *s, size_t more) {
    size_t all = more;
    for (uint32_t i = s->first; i < s->last; i++) all += s->pieces[i].n;
    h1_out_keep(&h->out);
    if (s->kept_at == s->kept.n) buf_clear(&s->kept), s->kept_at = 0;
    if (s->kept_at > s->kept.n / 2) buf_consume(&s->kept, s->kept_at), s->kept_at = 0;
    err e = buf_reserve(&s->kept, all);
    assert(e == OK); /* bounded by H2_STREAM_WAITING_MAX */
    for (uint32_t i = s->first; i < s->last; i++) buf_add(&s->kept, s->pieces[i]);
    s->first = s->last = 0;
    if (link_is_on(&s->lent)) link_remove(&s->lent);
}

void h2_out_add(struct h2 *h, struct h2_stream *s, str bytes) {
    if (bytes.n <= H1_OUT_COPIED_MAX || s->last == H2_STREAM_PIECES) {
        keep_stream(h, s, bytes.n);
        buf_add(&s->kept, bytes);
    } else {
        s->pieces[s->last++] = bytes;
        if (!link_is_on(&s->lent)) link_append(&h->lent, &s->lent);
    }
    s->waiting += bytes.n;
    h->waiting += bytes.n;
}

void h2_out_keep(struct h2 *h) {
    h1_out_keep(&h->out);
    while (!link_empty(&h->lent)) keep_stream(h, container_of(h->lent.next, struct h2_stream, lent), 0);
}

void h2_out_forget(struct h2 *h, struct h2_stream *s) {
    h->waiting -= s->waiting;
    s->waiting = 0;
    s->first = s->last = 0;
    if (link_is_on(&s->lent)) link_remove(&s->lent);
    /* frames that are ready may point into it */
    if (s->kept.n) h1_out_keep(&h->out);
    buf_clear(&s->kept);
    s->kept_at = 0;
    free(s->trailers);
    s->trailers = NULL;
}

void h2_out_resume(struct h2 *h, struct h2_stream *s) {
    if (!s->deferred) return;
    s->deferred = false;
    int rv = nghttp2_session_resume_data(h->session, (int32_t)s->id);
    assert(rv != NGHTTP2_ERR_NOMEM);
}

/* ---- what the library asks ---- */

static void submit_trailers(struct h2 *h, struct h2_stream *s, uint32_t *flags) {
    *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    int rv = nghttp2_submit_trailer(h->session, (int32_t)s->id, s->trailers->v, s->trailers->n);
    assert(rv == 0);
    free(s->trailers);
    s->trailers = NULL;
}

ssize_t h2_out_body(nghttp2_session *session, int32_t id, uint8_t *to, size_t most, uint32_t *flags,
                    nghttp2_data_source *source, void *arg) {
    struct h2 *h = arg;
    struct h2_stream *s = nghttp2_session_get_stream_user_data(session, id);
    (void)to, (void)source;
    size_t n = s ? num_min(most, s->waiting) : 0;
    bool all = s && s->out == H2_OUT_END && n == s->waiting;
    if (!s || s->mute || (n == 0 && !all)) {
        if (s) s->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (all) *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (all && s->trailers) submit_trailers(h, s, flags);
    if (n) *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    return (ssize_t)n;
}

static void take_kept(struct h2 *h, struct h2_stream *s, size_t *n) {
    size_t part = num_min(*n, s->kept.n - s->kept_at);
    if (part == 0) return;
    h1_out_borrow(&h->out, (str){s->kept.p + s->kept_at, part});
    s->kept_at += part;
    *n -= part;
}

static void take_pieces(struct h2 *h, struct h2_stream *s, size_t n) {
    while (n) {
        str *piece = &s->pieces[s->first];
        str part = str_upto(*piece, n);
        h1_out_borrow(&h->out, part);
        *piece = str_from(*piece, part.n);
        n -= part.n;
        if (piece->n == 0) s->first++;
    }
    if (s->first == s->last && s->first) {
        s->first = s->last = 0;
        link_remove(&s->lent);
    }
}

/* A DATA frame is due: its head, and what it carries, as it lies. */
static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *frame_head, size_t n,
                        nghttp2_data_source *source, void *arg) {
    struct h2 *h = arg;
    struct h2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    (void)source;
    assert(s && n <= s->waiting);
    h1_out_add(&h->out, (str){(const char *)frame_head, FRAME_HEAD_BYTES});
    s->waiting -= n;
    h->waiting -= n;
    take_kept(h, s, &n);
    take_pieces(h, s, n);
    return 0;
}

/* ---- frames ---- */

/* The end was announced: what answers a PING behind it has heard of it. */
static void goaway_sent(struct h2 *h, const nghttp2_goaway *frame) {
    if (frame->error_code != NGHTTP2_NO_ERROR)
        h->goaway = true;
    else if (h->server && !h->away)
        nghttp2_submit_ping(h->session, NGHTTP2_FLAG_NONE, NULL);
}

static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *arg) {
    struct h2 *h = arg;
    uint8_t type = frame->hd.type;
    if (type == NGHTTP2_GOAWAY) goaway_sent(h, &frame->goaway);
    if (type != NGHTTP2_HEADERS && type != NGHTTP2_DATA) return 0;
    struct h2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!s) return 0;
    if (type == NGHTTP2_HEADERS) s->head_waits = false;
    if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
    s->end_written = true;
    /* the client need not send the rest of a request that was answered [RFC 9113 8.1] */
    if (h->server && !s->end_came && !s->tunnel)
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    return 0;
}

void h2_out_callbacks(nghttp2_session_callbacks *c) {
    nghttp2_session_callbacks_set_send_data_callback(c, on_send_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(c, on_frame_sent);
}

void h2_out_fill(struct h2 *h) {
    if (h->reading) return;
    while (h->out.pending < H2_BATCH_BYTES && h->out.end - h->out.first < ROUND_PIECES) {
        const uint8_t *p;
        ssize_t n = nghttp2_session_mem_send(h->session, &p);
        if (n <= 0) {
            assert(n == 0); /* only memory or our own callbacks fail */
            return;
        }
        h1_out_add(&h->out, (str){(const char *)p, (size_t)n});
    }
}
