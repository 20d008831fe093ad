/* SPDX-License-Identifier: Apache-2.0 */
/* Clients over HTTP/2, by nghttp2: several requests at once on one connection, windows of any size, streams that are given up. */
#include <nghttp2/nghttp2.h>
#include <stdlib.h>

#include "sim.h"

enum { PATIENCE_US = 300000000 };

struct client2;
struct stream {
    size_t sent;
    bool deferred, interim, aborts;
    uint16_t status;
    char from[24];
    struct sim_tunnel tunnel;
    struct buf out; /* of the tunnel */
    bool out_over;
    struct client2 *c;
};
struct client2 {
    struct fake_peer peer;
    nghttp2_session *session;
    uint32_t number, first, n;
    uint32_t begun, over, parallel;
    bool stopped, slow, no_more; /* no_more: GOAWAY */
    struct stream streams[SIM_REQUESTS_MAX];
    uint64_t moved_us;
    struct fake_event pump, watch;
};

static struct sim_request *request(struct client2 *c, uint32_t i) { return &sim_now->requests[c->first + i]; }

/* Which of its requests a stream is; n: none. */
static uint32_t index_of(struct client2 *c, int32_t stream) {
    return stream > 0 && (uint32_t)(stream - 1) / 2 < c->begun ? (uint32_t)(stream - 1) / 2 : c->n;
}

/* ---- the end ---- */

static void on_free(struct fake_event *e) {
    struct client2 *c = container_of(e, struct client2, pump);
    nghttp2_session_del(c->session);
    for (uint32_t i = 0; i < c->n; i++) buf_fini(&c->streams[i].out);
    free(c);
}

static void leave(struct client2 *c, const char *why) {
    if (c->stopped) return;
    fake_trace("client %u is through: %s", c->number, why);
    c->stopped = true;
    for (uint32_t i = 0; i < c->n; i++) {
        struct sim_request *q = request(c, i);
        q->over = true;
        q->behind_close |= !q->head; /* streams of a connection that ended */
        sim_tunnel_stop(&c->streams[i].tunnel);
    }
    fake_not(&c->watch), fake_not(&c->pump);
    c->pump.run = on_free;
    fake_in(&c->pump, 0);
    sim_client_done();
}

static void hang_up(struct client2 *c, bool hard, const char *why) {
    for (uint32_t i = 0; i < c->n; i++) sim_tunnel_tear(&c->streams[i].tunnel);
    if (hard)
        fake_reset(&c->peer);
    else
        fake_close(&c->peer);
    leave(c, why);
}

/* ---- sending ---- */

static void flush(struct client2 *c) {
    const uint8_t *p;
    for (ssize_t n; (n = nghttp2_session_mem_send(c->session, &p)) > 0;)
        fake_send(&c->peer, (str){(const char *)p, (size_t)n});
}

static ssize_t on_want_body(nghttp2_session *s, int32_t stream, uint8_t *to, size_t most, uint32_t *flags,
                            nghttp2_data_source *source, void *arg) {
    (void)s, (void)source;
    struct client2 *c = arg;
    uint32_t i = index_of(c, stream);
    struct sim_request *q = request(c, i);
    size_t left = q->body_n - c->streams[i].sent, n = left < most ? left : most;
    if (c->slow && fake_one_in(3)) {
        c->streams[i].deferred = true;
        fake_in(&c->pump, fake_below(2000000));
        return NGHTTP2_ERR_DEFERRED;
    }
    if (n > 1 && fake_one_in(2)) n = 1 + fake_below((uint32_t)n);
    struct buf b;
    buf_init(&b, 1 << 20);
    sim_body_add(&b, sim_request_key(q), c->streams[i].sent, n);
    memcpy(to, b.p ? b.p : "", n);
    buf_fini(&b);
    c->streams[i].sent += n;
    if (c->streams[i].sent == q->body_n) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        q->sent = true;
    }
    return (ssize_t)n;
}

/* What is to be said in a tunnel comes by and by. */
static ssize_t on_want_tunnel(nghttp2_session *s, int32_t stream, uint8_t *to, size_t most, uint32_t *flags,
                              nghttp2_data_source *source, void *arg) {
    (void)s, (void)source;
    struct client2 *c = arg;
    struct stream *st = &c->streams[index_of(c, stream)];
    size_t n = st->out.n < most ? st->out.n : most;
    if (!n && !st->out_over) return NGHTTP2_ERR_DEFERRED;
    if (n) memcpy(to, st->out.p, n);
    buf_consume(&st->out, n);
    if (!st->out.n && st->out_over) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static void add(nghttp2_nv *v, size_t *n, const char *name, const char *value) {
    v[(*n)++] =
        (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value), 0};
}

static void begin(struct client2 *c) {
    uint32_t i = c->begun++;
    struct sim_request *q = request(c, i);
    char path[32], id[12], length[24];
    nghttp2_nv v[12];
    size_t n = 0;
    snprintf(path, sizeof path, "/r%u/%u", q->route, q->id);
    snprintf(id, sizeof id, "%u", q->id);
    snprintf(length, sizeof length, "%zu", q->body_n);
    if (q->tunnel) add(v, &n, ":protocol", "websocket"), add(v, &n, "sec-websocket-version", "13");
    add(v, &n, ":method", q->tunnel ? "CONNECT" : q->method), add(v, &n, ":scheme", "http");
    add(v, &n, ":authority", "sim.example"), add(v, &n, ":path", path), add(v, &n, "x-sim", id);
    if (q->body_n && !q->chunked) add(v, &n, "content-length", length);
    nghttp2_data_provider body = {.read_callback = q->tunnel ? on_want_tunnel : on_want_body};
    bool has_body = q->body_n || q->chunked || q->tunnel;
    int32_t stream = nghttp2_submit_request(c->session, NULL, v, n, has_body ? &body : NULL, NULL);
    if (stream != (int32_t)(2 * i + 1)) fake_fail("a stream has the number %d", stream);
    q->begun = true;
    q->sent = !has_body || q->tunnel;
    fake_trace("client %u sends %u on stream %d: %s /r%u, %zu bytes", c->number, q->id, stream, q->method,
               q->route, q->body_n);
}

/* Tunnels may be asked for once it is said that they are understood. [RFC 8441 3] */
static bool may_begin(const struct client2 *c) {
    return !sim_now->requests[c->first + c->begun].tunnel ||
           nghttp2_session_get_remote_settings(c->session, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
}

static void on_pump(struct fake_event *e) {
    struct client2 *c = container_of(e, struct client2, pump);
    if (c->stopped) return;
    for (uint32_t i = 0; i < c->begun; i++) {
        if (!c->streams[i].deferred) continue;
        c->streams[i].deferred = false;
        nghttp2_session_resume_data(c->session, (int32_t)(2 * i + 1));
    }
    while (!c->no_more && c->begun < c->n && c->begun - c->over < c->parallel && may_begin(c)) begin(c);
    flush(c);
}

/* ---- tunnels ---- */

static struct stream *of_tunnel(struct sim_tunnel *t) { return container_of(t, struct stream, tunnel); }
static int32_t id_of(const struct stream *st) { return (int32_t)(2 * (st - st->c->streams) + 1); }
static void go_on(struct stream *st) {
    nghttp2_session_resume_data(st->c->session, id_of(st));
    fake_in(&st->c->pump, 0);
}
static void tunnel_send(struct sim_tunnel *t, str bytes) {
    buf_add(&of_tunnel(t)->out, bytes);
    go_on(of_tunnel(t));
}
static void tunnel_end(struct sim_tunnel *t) {
    of_tunnel(t)->out_over = true;
    go_on(of_tunnel(t));
}
static void tunnel_reset(struct sim_tunnel *t) {
    struct stream *st = of_tunnel(t);
    sim_tunnel_stop(t);
    nghttp2_submit_rst_stream(st->c->session, NGHTTP2_FLAG_NONE, id_of(st), NGHTTP2_CANCEL);
    fake_in(&st->c->pump, 0);
}
static void tunnel_close(struct sim_tunnel *t) { (void)t; } /* the library does */
static const struct sim_tunnel_ops tunnel_ops = {tunnel_send, tunnel_end, tunnel_reset, tunnel_close};

/* 2xx says yes to a tunnel, and is 101 to everybody else. */
static void tunnel_answered(struct client2 *c, uint32_t i) {
    struct stream *st = &c->streams[i];
    struct sim_request *q = request(c, i);
    if (st->status / 100 == 2) {
        sim_answer_head(q, 101, str_of(st->from));
        buf_init(&st->out, 1 << 20);
        st->c = c;
        st->tunnel = (struct sim_tunnel){.ops = &tunnel_ops, .client = true};
        sim_tunnel_begin(&st->tunnel, q, q->from);
    } else {
        sim_answer_head(q, st->status, str_of(st->from));
        st->out_over = true;
        nghttp2_session_resume_data(c->session, (int32_t)(2 * i + 1));
    }
}

/* ---- answers ---- */

static int on_header(nghttp2_session *s, const nghttp2_frame *f, const uint8_t *name, size_t name_n,
                     const uint8_t *value, size_t value_n, uint8_t flags, void *arg) {
    (void)s, (void)flags;
    struct client2 *c = arg;
    uint32_t i = index_of(c, f->hd.stream_id);
    if (i == c->n) fake_fail("a head on a stream that there is not");
    str k = {(const char *)name, name_n}, v = {(const char *)value, value_n};
    if (str_eq(k, S(":status"))) {
        c->streams[i].status = (uint16_t)strtoul(v.p, NULL, 10);
        c->streams[i].from[0] = 0;
    } else if (str_eq(k, S("x-sim-answer"))) {
        snprintf(c->streams[i].from, sizeof c->streams[i].from, STR_FMT, STR_ARG(v));
    }
    return 0;
}

static int on_frame(nghttp2_session *s, const nghttp2_frame *f, void *arg) {
    (void)s;
    struct client2 *c = arg;
    c->moved_us = fake_now->now_us;
    if (f->hd.type == NGHTTP2_SETTINGS && !c->pump.item.place) fake_in(&c->pump, 0);
    if (f->hd.type == NGHTTP2_GOAWAY) {
        c->no_more = true;
        return 0;
    }
    uint32_t i = index_of(c, f->hd.stream_id);
    if (i == c->n || (f->hd.type != NGHTTP2_HEADERS && f->hd.type != NGHTTP2_DATA)) return 0;
    struct sim_request *q = request(c, i);
    if (f->hd.type == NGHTTP2_HEADERS && c->streams[i].status >= 200 && !q->head) {
        if (q->tunnel)
            tunnel_answered(c, i);
        else
            sim_answer_head(q, c->streams[i].status, str_of(c->streams[i].from));
    }
    if (!(f->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
    if (c->streams[i].tunnel.q)
        sim_tunnel_ended(&c->streams[i].tunnel);
    else
        sim_answer_end(q);
    return 0;
}

static int on_data(nghttp2_session *s, uint8_t flags, int32_t stream, const uint8_t *p, size_t n, void *arg) {
    (void)flags;
    struct client2 *c = arg;
    uint32_t i = index_of(c, stream);
    if (c->streams[i].tunnel.q)
        sim_tunnel_got(&c->streams[i].tunnel, (str){(const char *)p, n});
    else
        sim_answer_body(request(c, i), (str){(const char *)p, n});
    if (c->streams[i].aborts && fake_one_in(2)) {
        sim_tunnel_tear(&c->streams[i].tunnel);
        nghttp2_submit_rst_stream(s, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
    }
    if (c->slow && fake_one_in(4)) fake_pause(&c->peer, fake_now->now_us + fake_below(5000000));
    return 0;
}

static int on_close(nghttp2_session *s, int32_t stream, uint32_t code, void *arg) {
    (void)s;
    struct client2 *c = arg;
    uint32_t i = index_of(c, stream);
    if (i == c->n) return 0;
    struct sim_request *q = request(c, i);
    fake_trace("client %u: the stream of %u is closed, code %u", c->number, q->id, code);
    sim_tunnel_stop(&c->streams[i].tunnel);
    q->over = true;
    q->behind_close = code == NGHTTP2_REFUSED_STREAM && !q->head;
    c->over++;
    if (c->over == c->n || (c->no_more && c->over == c->begun))
        fake_in(&c->watch, fake_one_in(6) ? fake_below(90000000) : 0);
    else
        fake_in(&c->pump, fake_below(2000));
    return 0;
}

static int on_invalid(nghttp2_session *s, const nghttp2_frame *f, int code, void *arg) {
    (void)s, (void)f, (void)arg;
    fake_fail("the gateway's frames are not valid: %s", nghttp2_strerror(code));
}

/* ---- the connection ---- */

static void on_opened(struct fake_peer *p) {
    struct client2 *c = container_of(p, struct client2, peer);
    static const uint32_t windows[] = {100, 900, 9000, 65535, 1000000};
    uint32_t window = windows[fake_below(COUNT_OF(windows))];
    for (uint32_t i = 0; i < c->n; i++) request(c, i)->unhurried = window < 9000;
    nghttp2_session_callbacks *calls;
    nghttp2_session_callbacks_new(&calls);
    nghttp2_session_callbacks_set_on_header_callback(calls, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(calls, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(calls, on_close);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(calls, on_invalid);
    nghttp2_session_client_new(&c->session, calls, c);
    nghttp2_session_callbacks_del(calls);
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window},
        {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, fake_one_in(4) ? 0 : 4096},
    };
    nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings, COUNT_OF(settings));
    c->moved_us = fake_now->now_us;
    uint8_t told = 0;
    if (sim_now->proxied) sim_proxy_header(p, &told);
    for (uint32_t i = 0; i < c->n; i++) request(c, i)->client = told;
    on_pump(&c->pump);
}

static void on_bytes(struct fake_peer *p, str bytes) {
    struct client2 *c = container_of(p, struct client2, peer);
    ssize_t n = nghttp2_session_mem_recv(c->session, (const uint8_t *)bytes.p, bytes.n);
    if (n != (ssize_t)bytes.n) fake_fail("what the gateway sends is no HTTP/2: %s", nghttp2_strerror((int)n));
    if (!c->stopped) flush(c);
}
static void on_ended(struct fake_peer *p) {
    hang_up(container_of(p, struct client2, peer), false, "the gateway has closed");
}
static void on_reset(struct fake_peer *p) {
    leave(container_of(p, struct client2, peer), "the gateway has reset");
}
static const struct fake_peer_ops ops = {on_opened, on_bytes, on_ended, on_reset};

static void abort_some(struct client2 *c) {
    for (uint32_t i = 0; i < c->begun; i++) {
        struct sim_request *q = request(c, i);
        if (!c->streams[i].aborts || q->over || !fake_one_in(3)) continue;
        fake_trace("client %u resets the stream of %u", c->number, q->id);
        sim_tunnel_tear(&c->streams[i].tunnel);
        sim_tunnel_stop(&c->streams[i].tunnel);
        nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, (int32_t)(2 * i + 1), NGHTTP2_CANCEL);
    }
    flush(c);
}

static void on_watch(struct fake_event *e) {
    struct client2 *c = container_of(e, struct client2, watch);
    if (c->over == c->n || (c->no_more && c->over == c->begun)) {
        hang_up(c, false, "all is answered");
        return;
    }
    if (c->session) abort_some(c);
    bool tunnels = false;
    for (uint32_t i = 0; i < c->begun; i++) tunnels |= c->streams[i].tunnel.q && !request(c, i)->over;
    if (fake_now->now_us - c->moved_us > PATIENCE_US && !tunnels) {
        for (uint32_t i = 0; i < c->begun; i++)
            if (!request(c, i)->over) request(c, i)->gave_up = request(c, i)->spoiled = true;
        hang_up(c, true, "its patience is over");
        return;
    }
    bool aborts = false;
    for (uint32_t i = 0; i < c->n; i++) aborts |= c->streams[i].aborts && !request(c, i)->over;
    fake_in(&c->watch, aborts ? fake_below(400000) : PATIENCE_US / 4);
}

static void on_dial(struct fake_event *e) {
    struct client2 *c = container_of(e, struct client2, watch);
    c->watch.run = on_watch;
    c->moved_us = fake_now->now_us;
    fake_dial(&c->peer, SIM_PORT);
    fake_in(&c->watch, 1000);
}

void sim_client2_start(uint32_t first, uint32_t n) {
    struct sim *s = sim_now;
    struct client2 *c = base_zalloc(sizeof *c);
    *c = (struct client2){.peer.ops = &ops, .number = s->clients_n++, .first = first, .n = n};
    c->pump.run = on_pump, c->watch.run = on_dial;
    c->parallel = 1 + fake_below(8);
    c->slow = s->bad.slow_clients && fake_one_in(4);
    for (uint32_t i = 0; i < n; i++) {
        struct sim_request *q = request(c, i);
        sim_request_roll(q, first + i + 1);
        q->old = q->expects = q->closes = false;
        if (fake_one_in(8)) sim_request_to_tunnel(q);
        c->streams[i].aborts = s->bad.aborts && fake_one_in(4);
        q->spoiled = c->slow || c->streams[i].aborts;
    }
    s->clients_open++;
    fake_in(&c->watch, fake_below(3000000));
}
