/* SPDX-License-Identifier: Apache-2.0 */
/* Backends over HTTP/2 in the clear, by nghttp2: windows of any size that open late, streams that are refused, reset or cut short,
 * connections that take no more (GOAWAY) or end without a word. */
#include <nghttp2/nghttp2.h>
#include <stdlib.h>

#include "base/link.h"
#include "sim.h"

struct backend2 { /* one connection */
    struct fake_peer peer;
    nghttp2_session *session;
    uint8_t backend;
    struct link streams;
    bool stopped, lazy, shutting;
    struct fake_event event;
};
struct stream2 {
    struct link on; /* backend2.streams */
    struct backend2 *b;
    int32_t id;
    char method[12], path[40], sim[12], protocol[12];
    struct sim_request *q; /* NULL: no head yet */
    int at;
    size_t got, owed; /* of the request: bytes; those that we have not made room for yet */
    size_t sent, until;
    enum { WHOLE, BY_RESET, BY_CONNECTION, BY_END } cut;
    struct sim_deed does;
    bool answered, deferred, request_over;
    struct sim_tunnel tunnel;
    struct buf out; /* of the tunnel */
    bool out_over;
    struct fake_event event;
};

static struct sim_receipt *receipt(const struct stream2 *st) { return &st->q->receipts[st->at]; }

/* ---- the end ---- */

static void forget(struct stream2 *st) {
    sim_tunnel_stop(&st->tunnel);
    buf_fini(&st->out);
    fake_not(&st->event);
    link_remove(&st->on);
    free(st);
}

static void on_free(struct fake_event *e) {
    struct backend2 *b = container_of(e, struct backend2, event);
    nghttp2_session_del(b->session);
    free(b);
    sim_now->backends_open--;
}

/* What was under way on it is lost, for the fault that there was, or for this. */
static void leave(struct backend2 *b) {
    if (b->stopped) return;
    b->stopped = true;
    list_each (struct stream2, st, &b->streams, on) {
        bool else_well = st->q && !receipt(st)->whole &&
                         (receipt(st)->fault == SIM_WELL || receipt(st)->fault == SIM_LATE);
        if (else_well) receipt(st)->fault = st->answered ? SIM_CUT : SIM_GONE;
        forget(st);
    }
    fake_not(&b->event);
    b->event.run = on_free;
    fake_in(&b->event, 0);
}

static void hang_up(struct backend2 *b, bool hard) {
    if (b->stopped) return;
    if (!b->shutting || hard || !link_empty(&b->streams)) sim_now->rude = true;
    list_each (struct stream2, st, &b->streams, on) sim_tunnel_tear(&st->tunnel);
    fake_trace("backend %c ends its connection%s", 'a' + b->backend, hard ? " by a reset" : "");
    if (hard)
        fake_reset(&b->peer);
    else
        fake_close(&b->peer);
    leave(b);
}

static void flush(struct backend2 *b) {
    const uint8_t *p;
    if (b->stopped) return;
    for (ssize_t n; (n = nghttp2_session_mem_send(b->session, &p)) > 0;)
        fake_send(&b->peer, (str){(const char *)p, (size_t)n});
}

static void reset(struct stream2 *st, uint32_t code) {
    fake_trace("backend %c resets the stream of %u.%d, code %u", 'a' + st->b->backend, st->q->id, st->at,
               code);
    nghttp2_submit_rst_stream(st->b->session, NGHTTP2_FLAG_NONE, st->id, code);
}

static uint32_t some_code(void) {
    static const uint32_t codes[] = {NGHTTP2_INTERNAL_ERROR,
                                     NGHTTP2_CANCEL,
                                     NGHTTP2_PROTOCOL_ERROR,
                                     NGHTTP2_NO_ERROR,
                                     0xfeedbeef,
                                     NGHTTP2_STREAM_CLOSED,
                                     NGHTTP2_CONNECT_ERROR,
                                     NGHTTP2_FLOW_CONTROL_ERROR};
    return codes[fake_below(COUNT_OF(codes))];
}

/* ---- answers ---- */

static void add(nghttp2_nv *v, size_t *n, const char *name, const char *value) {
    v[(*n)++] =
        (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value), 0};
}

static void interim(struct stream2 *st, const char *status) {
    nghttp2_nv v[1];
    size_t n = 0;
    add(v, &n, ":status", status);
    nghttp2_submit_headers(st->b->session, NGHTTP2_FLAG_NONE, st->id, NULL, v, n, NULL);
}

/* All of it is said. */
static void finish(struct stream2 *st) {
    struct backend2 *b = st->b;
    receipt(st)->whole = true;
    fake_trace("backend %c has answered %u.%d", 'a' + b->backend, st->q->id, st->at);
    if (st->does.early && fake_one_in(2)) /* it does not need the rest of the request [RFC 9113 8.1] */
        fake_in(&st->event, 0);
    if (sim_now->bad.closes_idle && fake_one_in(3)) fake_in(&b->event, fake_below(5000));
}

static void end_body(struct stream2 *st, uint32_t *flags) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (st->cut == BY_END) return;
    finish(st);
    if (!fake_one_in(4)) return;
    nghttp2_nv v[1];
    size_t n = 0;
    add(v, &n, "x-trailer", "yes");
    *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    nghttp2_submit_trailer(st->b->session, st->id, v, n);
}

static ssize_t on_want_answer(nghttp2_session *s, int32_t stream, uint8_t *to, size_t most, uint32_t *flags,
                              nghttp2_data_source *source, void *arg) {
    (void)s, (void)stream, (void)arg;
    struct stream2 *st = source->ptr;
    size_t left = st->until - st->sent, n = left < most ? left : most;
    bool slow = st->does.slow && fake_one_in(2);
    if (slow || (!left && (st->cut == BY_RESET || st->cut == BY_CONNECTION))) {
        st->deferred = true;
        fake_in(&st->event, slow ? fake_below(400000) : 0);
        return NGHTTP2_ERR_DEFERRED;
    }
    if (n > 1 && fake_one_in(2)) n = 1 + fake_below((uint32_t)n);
    struct buf b;
    buf_init(&b, 1 << 20);
    sim_body_add(&b, sim_answer_key(st->q, st->at), st->sent, n);
    memcpy(to, b.p ? b.p : "", n);
    buf_fini(&b);
    st->sent += n;
    if (st->sent == st->until && (st->cut == WHOLE || st->cut == BY_END)) end_body(st, flags);
    return (ssize_t)n;
}

/* ---- tunnels ---- */

static ssize_t on_want_tunnel(nghttp2_session *s, int32_t stream, uint8_t *to, size_t most, uint32_t *flags,
                              nghttp2_data_source *source, void *arg) {
    (void)s, (void)stream, (void)arg;
    struct stream2 *st = source->ptr;
    size_t n = st->out.n < most ? st->out.n : most;
    if (!n && !st->out_over) return NGHTTP2_ERR_DEFERRED;
    if (n) memcpy(to, st->out.p, n);
    buf_consume(&st->out, n);
    if (!st->out.n && st->out_over) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static struct stream2 *of_tunnel(struct sim_tunnel *t) { return container_of(t, struct stream2, tunnel); }
static void tunnel_end(struct sim_tunnel *t) {
    struct stream2 *st = of_tunnel(t);
    st->out_over = true;
    nghttp2_session_resume_data(st->b->session, st->id);
    fake_in(&st->event, 0);
}
static void tunnel_send(struct sim_tunnel *t, str bytes) {
    struct stream2 *st = of_tunnel(t);
    buf_add(&st->out, bytes);
    nghttp2_session_resume_data(st->b->session, st->id);
    fake_in(&st->event, 0);
}
static void tunnel_reset(struct sim_tunnel *t) {
    struct stream2 *st = of_tunnel(t);
    sim_tunnel_stop(t);
    reset(st, some_code());
    fake_in(&st->event, 0);
}
static void tunnel_close(struct sim_tunnel *t) { (void)t; } /* the library does */
static const struct sim_tunnel_ops tunnel_ops = {tunnel_send, tunnel_end, tunnel_reset, tunnel_close};

static void agree(struct stream2 *st) {
    char from[24];
    nghttp2_nv v[2];
    size_t n = 0;
    snprintf(from, sizeof from, "%u.%d", st->q->id, st->at);
    add(v, &n, ":status", "200"), add(v, &n, "x-sim-answer", from);
    nghttp2_data_provider body = {.source.ptr = st, .read_callback = on_want_tunnel};
    nghttp2_submit_response(st->b->session, st->id, v, n, &body);
    st->answered = receipt(st)->whole = true;
    buf_init(&st->out, 1 << 20);
    st->tunnel = (struct sim_tunnel){.ops = &tunnel_ops};
    sim_tunnel_begin(&st->tunnel, st->q, st->at);
    if (st->request_over) sim_tunnel_ended(&st->tunnel);
}

static void answer(struct stream2 *st) {
    struct sim_receipt *r = receipt(st);
    char status[8], from[24], length[24], large[6000];
    nghttp2_nv v[12];
    size_t n = 0;
    bool tells = fake_one_in(2) && r->status != 204 && r->status != 304;
    if (fake_one_in(8)) interim(st, "103");
    snprintf(status, sizeof status, "%u", r->status);
    snprintf(from, sizeof from, "%u.%d", st->q->id, st->at);
    snprintf(length, sizeof length, "%zu", r->body_n);
    memset(large, '~', sizeof large - 1), large[sizeof large - 1] = 0;
    add(v, &n, ":status", status), add(v, &n, "x-sim-answer", from);
    if (tells && !sim_is_head(st->q)) add(v, &n, "content-length", length);
    for (int i = 0; fake_one_in(16) && i < 3; i++) add(v, &n, "x-large", large);
    st->until = r->body_n;
    if (r->fault == SIM_CUT && !r->body_n) r->fault = SIM_WELL;
    if (r->fault == SIM_CUT) {
        st->until = fake_below((uint32_t)r->body_n);
        st->cut = tells && fake_one_in(3) ? BY_END : fake_one_in(2) ? BY_RESET : BY_CONNECTION;
    }
    nghttp2_data_provider body = {.source.ptr = st, .read_callback = on_want_answer};
    bool has_body = r->body_n || (!r->no_body && fake_one_in(2));
    st->answered = true;
    r->told = tells && has_body;
    nghttp2_submit_response(st->b->session, st->id, v, n, has_body ? &body : NULL);
    if (!has_body) finish(st);
}

/* What is not HTTP: a connection full of it, or a head without a status. */
static void talk_nonsense(struct stream2 *st) {
    struct backend2 *b = st->b;
    if (fake_one_in(2)) {
        const uint8_t id[] = {(uint8_t)(st->id >> 24), (uint8_t)(st->id >> 16), (uint8_t)(st->id >> 8),
                              (uint8_t)st->id};
        const char head[] = "\0\0\x05\x01\x05", field[] = "\0\1x\1y";
        flush(b);
        fake_send(&b->peer, (str){head, 5});
        fake_send(&b->peer, (str){(const char *)id, 4});
        fake_send(&b->peer, (str){field, 5});
        return;
    }
    list_each (struct stream2, other, &b->streams, on)
        if (other->q && !receipt(other)->whole) receipt(other)->fault = SIM_NO_HTTP;
    sim_now->rude = true;
    fake_send(&b->peer, S("220 this is a mail server, and no other\r\n\r\n"));
    hang_up(b, fake_one_in(2));
}

static void on_stream_event(struct fake_event *e) {
    struct stream2 *st = container_of(e, struct stream2, event);
    struct backend2 *b = st->b;
    struct sim_receipt *r = receipt(st);
    if (st->owed) {
        nghttp2_session_consume(b->session, st->id, st->owed);
        st->owed = 0;
    }
    if (st->tunnel.q) {
    } else if (r->whole) {
        if (st->got < st->q->body_n) reset(st, NGHTTP2_NO_ERROR);
    } else if (st->deferred) {
        st->deferred = false;
        bool cuts = st->sent == st->until;
        if (cuts && st->cut == BY_RESET)
            reset(st, some_code());
        else if (cuts && st->cut == BY_CONNECTION)
            hang_up(b, st->does.resets);
        else
            nghttp2_session_resume_data(b->session, st->id);
    } else if (st->answered || r->fault == SIM_SILENT) {
    } else if (r->fault == SIM_NO_HTTP) {
        st->answered = true;
        talk_nonsense(st);
    } else if (r->fault != SIM_GONE && r->status == 101) {
        agree(st);
    } else if (r->fault != SIM_GONE) {
        answer(st);
    } else if (fake_one_in(2)) {
        if (fake_one_in(8)) interim(st, "103");
        st->answered = true;
        reset(st, some_code());
    } else {
        hang_up(b, st->does.resets);
    }
    flush(b);
}

/* ---- requests ---- */

static struct stream2 *of_stream(struct backend2 *b, int32_t id) {
    return nghttp2_session_get_stream_user_data(b->session, id);
}

static int on_begin(nghttp2_session *s, const nghttp2_frame *f, void *arg) {
    struct backend2 *b = arg;
    if (f->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    struct stream2 *st = base_zalloc(sizeof *st);
    *st = (struct stream2){.b = b, .id = f->hd.stream_id, .event.run = on_stream_event};
    link_append(&b->streams, &st->on);
    nghttp2_session_set_stream_user_data(s, st->id, st);
    return 0;
}

static void keep(char *to, size_t n, str v) { snprintf(to, n, STR_FMT, STR_ARG(v)); }

static int on_header(nghttp2_session *s, const nghttp2_frame *f, const uint8_t *name, size_t name_n,
                     const uint8_t *value, size_t value_n, uint8_t flags, void *arg) {
    (void)s, (void)flags;
    struct stream2 *st = of_stream(arg, f->hd.stream_id);
    if (!st) return 0;
    str k = {(const char *)name, name_n}, v = {(const char *)value, value_n};
    if (str_eq(k, S(":method"))) keep(st->method, sizeof st->method, v);
    if (str_eq(k, S(":path"))) keep(st->path, sizeof st->path, v);
    if (str_eq(k, S(":protocol"))) keep(st->protocol, sizeof st->protocol, v);
    if (str_eq(k, S("x-sim"))) keep(st->sim, sizeof st->sim, v);
    if (str_eq(k, S(":authority")) && !str_eq(v, S("sim.example")))
        fake_fail("the authority is " STR_FMT, STR_ARG(v));
    return 0;
}

/* Nothing was done for the streams after that one, and nothing will be. */
static void say_goodbye(struct backend2 *b, int32_t last) {
    fake_trace("backend %c takes no stream after %d", 'a' + b->backend, last);
    list_each (struct stream2, st, &b->streams, on)
        if (st->id > last && st->q) receipt(st)->refused = true;
    sim_now->refusals++;
    b->shutting = true;
    nghttp2_submit_goaway(b->session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0);
    fake_in(&b->event, fake_below(5000));
}

static void on_request(struct stream2 *st) {
    struct backend2 *b = st->b;
    bool asked = str_eq(str_of(st->method), S("CONNECT")) && str_eq(str_of(st->protocol), S("websocket"));
    str method = asked ? S("GET") : str_of(st->method);
    st->q = sim_receipt_new(b->backend, str_of(st->sim), method, str_of(st->path), &st->at);
    st->does = sim_receipt_roll(st->q, receipt(st));
    if (asked && !st->q->tunnel) fake_fail("%u comes as a tunnel, and is none", st->q->id);
    if (asked && (fake_below(4) || receipt(st)->status / 100 == 2)) {
        *receipt(st) = (struct sim_receipt){
            .backend = b->backend, .fault = receipt(st)->fault, .status = 101, .no_body = true};
        if (receipt(st)->fault == SIM_CUT) receipt(st)->fault = SIM_WELL;
    }
    if (asked) st->does.early = true; /* its side goes on */
    fake_trace("backend %c got the head of %u.%d on stream %d, fault %u", 'a' + b->backend, st->q->id, st->at,
               st->id, receipt(st)->fault);
    if (sim_now->bad.refused_streams && fake_one_in(4)) {
        receipt(st)->refused = true;
        receipt(st)->fault = SIM_SILENT;
        sim_now->refusals++;
        reset(st, NGHTTP2_REFUSED_STREAM);
        return;
    }
    if (sim_now->bad.goaways && fake_one_in(6) && !b->shutting) {
        if (fake_one_in(3)) nghttp2_submit_shutdown_notice(b->session);
        say_goodbye(b, fake_one_in(2) ? st->id : st->id > 2 ? st->id - 2 : 0);
        if (receipt(st)->refused) return;
    }
    if (st->q->expects && fake_one_in(2)) interim(st, "100");
    if (st->does.early) fake_in(&st->event, st->does.wait_us);
}

static int on_frame(nghttp2_session *s, const nghttp2_frame *f, void *arg) {
    (void)s;
    struct stream2 *st = f->hd.stream_id ? of_stream(arg, f->hd.stream_id) : NULL;
    if (!st || (f->hd.type != NGHTTP2_HEADERS && f->hd.type != NGHTTP2_DATA)) return 0;
    if (f->hd.type == NGHTTP2_HEADERS && !st->q) on_request(st);
    if (!(f->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
    st->request_over = true;
    if (st->tunnel.q) sim_tunnel_ended(&st->tunnel);
    if (receipt(st)->status == 101) return 0;
    bool unasked = receipt(st)->backend == SIM_AUTH && !st->got; /* it is not shown every body */
    if (st->got != st->q->body_n && !unasked)
        fake_fail("%zu bytes of %zu of the body of %u", st->got, st->q->body_n, st->q->id);
    receipt(st)->request = true;
    if (!st->does.early && !receipt(st)->refused) fake_in(&st->event, st->does.wait_us);
    return 0;
}

static int on_data(nghttp2_session *s, uint8_t flags, int32_t stream, const uint8_t *p, size_t n, void *arg) {
    (void)flags;
    struct backend2 *b = arg;
    struct stream2 *st = of_stream(b, stream);
    if (!st) {
        nghttp2_session_consume(s, stream, n);
        return 0;
    }
    str bytes = {(const char *)p, n};
    if (st->tunnel.q)
        sim_tunnel_got(&st->tunnel, bytes);
    else if (receipt(st)->status == 101)
        fake_fail("bytes for a tunnel that was not agreed to");
    else
        sim_body_check(sim_request_key(st->q), st->got, bytes, "request's body", st->q->id);
    st->got += n;
    if (b->lazy && !st->event.item.place && fake_one_in(3)) {
        st->owed += n;
        fake_in(&st->event, fake_below(20000));
    } else {
        nghttp2_session_consume(s, stream, n);
    }
    return 0;
}

static int on_close(nghttp2_session *s, int32_t stream, uint32_t code, void *arg) {
    (void)arg;
    struct stream2 *st = nghttp2_session_get_stream_user_data(s, stream);
    if (!st) return 0;
    if (st->q)
        fake_trace("backend %c: the stream of %u.%d is closed, code %u", 'a' + st->b->backend, st->q->id,
                   st->at, code);
    if (st->q && code == NGHTTP2_REFUSED_STREAM) receipt(st)->refused = true; /* it came behind a GOAWAY */
    if (st->owed) nghttp2_session_consume_connection(s, st->owed);
    forget(st);
    return 0;
}

/* More streams than it takes, before the gateway knows how many those are, are refused by nghttp2. */
static int on_invalid(nghttp2_session *s, const nghttp2_frame *f, int code, void *arg) {
    (void)s, (void)arg;
    if (code != NGHTTP2_ERR_REFUSED_STREAM)
        fake_fail("the gateway's frame of type %u on stream %d is not valid: %s", f->hd.type, f->hd.stream_id,
                  nghttp2_strerror(code));
    sim_now->refusals++;
    return 0;
}

static ssize_t on_pad(nghttp2_session *s, const nghttp2_frame *f, size_t most, void *arg) {
    (void)s, (void)arg;
    size_t room = most - f->hd.length;
    if (!fake_one_in(4)) return (ssize_t)f->hd.length;
    return (ssize_t)(f->hd.length + (room ? fake_below((uint32_t)(room < 255 ? room : 255) + 1) : 0));
}

/* ---- the connection ---- */

static void submit_settings(struct backend2 *b) {
    static const uint32_t windows[] = {300, 900, 9000, 65535, 1000000}, streams[] = {1, 2, 10, 100};
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, windows[fake_below(COUNT_OF(windows))]},
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, streams[fake_below(COUNT_OF(streams))]},
        {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, fake_one_in(4) ? 0 : 4096},
        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, fake_one_in(4) ? 100000 : 16384},
        {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1}, /* the last: it may be left out */
    };
    nghttp2_submit_settings(b->session, NGHTTP2_FLAG_NONE, settings,
                            COUNT_OF(settings) - !sim_now->connects[b->backend]);
}

/* The end of a connection: once its last stream is over when it has said so, else soon, whether a request is on its way or not. */
static void on_event(struct fake_event *e) {
    struct backend2 *b = container_of(e, struct backend2, event);
    if (!link_empty(&b->streams)) {
        if (b->shutting) fake_in(e, fake_below(20000));
        return;
    }
    if (!b->shutting && fake_one_in(2)) {
        say_goodbye(b, nghttp2_session_get_last_proc_stream_id(b->session));
        flush(b);
        return;
    }
    hang_up(b, !b->shutting && !fake_unsent(&b->peer) && fake_one_in(4));
}

static void on_opened(struct fake_peer *p) {
    struct backend2 *b = container_of(p, struct backend2, peer);
    nghttp2_session_callbacks *calls;
    nghttp2_option *option;
    nghttp2_session_callbacks_new(&calls);
    nghttp2_session_callbacks_set_on_begin_headers_callback(calls, on_begin);
    nghttp2_session_callbacks_set_on_header_callback(calls, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(calls, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(calls, on_close);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(calls, on_invalid);
    nghttp2_session_callbacks_set_select_padding_callback(calls, on_pad);
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_session_server_new2(&b->session, calls, b, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(calls);
    submit_settings(b);
    flush(b);
}

static void on_bytes(struct fake_peer *p, str bytes) {
    struct backend2 *b = container_of(p, struct backend2, peer);
    ssize_t n = nghttp2_session_mem_recv(b->session, (const uint8_t *)bytes.p, bytes.n);
    if (n != (ssize_t)bytes.n) fake_fail("what the gateway sends is no HTTP/2: %s", nghttp2_strerror((int)n));
    if (!b->stopped && fake_one_in(100)) nghttp2_submit_ping(b->session, NGHTTP2_FLAG_NONE, NULL);
    if (!b->stopped && fake_one_in(100)) submit_settings(b);
    flush(b);
}
static void on_ended(struct fake_peer *p) {
    struct backend2 *b = container_of(p, struct backend2, peer);
    b->shutting = true; /* the gateway wants the end, too */
    hang_up(b, false);
}
static void on_reset(struct fake_peer *p) { leave(container_of(p, struct backend2, peer)); }
static const struct fake_peer_ops ops = {on_opened, on_bytes, on_ended, on_reset};

struct fake_peer *sim_backend2_new(uint8_t backend) {
    struct backend2 *b = base_zalloc(sizeof *b);
    *b = (struct backend2){.peer.ops = &ops, .backend = backend, .event.run = on_event};
    b->lazy = fake_one_in(3);
    link_init(&b->streams);
    sim_now->backends_open++;
    return &b->peer;
}
