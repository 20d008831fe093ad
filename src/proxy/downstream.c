/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/downstream.h"

#include <unistd.h>

#include "base/ip.h"
#include "base/num.h"
#include "proto/h1.h"
#include "proto/h2.h"
#include "proxy/answer.h"
#include "proxy/downstream_proxy.h"
#include "proxy/downstream_tls.h"
#include "proxy/exchange.h"
#include "proxy/relay.h"
#include "proxy/tunnel.h"

/* Of a request: a head of 32 kB with a line of 16 kB is more than browsers and common servers allow. */
static const struct codec_limits limits = {
    .head_bytes_max = 32 << 10, .line_bytes_max = 16 << 10, .fields_max = 128, .trailer_bytes_max = 8 << 10};

static struct downstream *of(struct conn *c) { return container_of(c, struct downstream, conn); }

/* ---- the client's codec ---- */

/* What is read mostly concerns the last that began. */
static struct exchange *find(struct downstream *d, uint32_t stream) {
    for (struct link *l = d->exchanges.prev; l != &d->exchanges; l = l->prev) {
        struct exchange *x = container_of(l, struct exchange, on_client);
        if (x->client_stream == stream) return x;
    }
    return NULL;
}
static struct exchange *last_exchange(struct downstream *d) {
    return link_empty(&d->exchanges) ? NULL : container_of(d->exchanges.prev, struct exchange, on_client);
}

static struct arena *on_begin(void *arg, uint32_t stream) {
    struct downstream *d = arg;
    d->asked = true;
    struct exchange *x = exchange_begin(d, stream);
    if (!x) d->refused_stream = stream;
    if (!x && downstream_is_shared(d)) answer_refused(d); /* the codec resets the stream */
    return x ? x->arena : NULL;
}

static void on_head(void *arg, uint32_t stream, struct http_msg *m, bool end) {
    struct exchange *x = find(arg, stream);
    if (x && x->state == X_HEAD) exchange_head(x, m, end);
}

static void on_body(void *arg, uint32_t stream, str bytes) {
    struct downstream *d = arg;
    struct exchange *x = find(d, stream);
    if (x)
        exchange_body(x, bytes);
    else
        d->conn.codec->ops->consume(d->conn.codec, stream, bytes.n);
}

static void on_end(void *arg, uint32_t stream, struct http_msg *trailers) {
    struct exchange *x = find(arg, stream);
    if (x) exchange_end(x, trailers);
}

static void on_reset(void *arg, uint32_t stream, enum http_reason why) {
    struct downstream *d = arg;
    struct exchange *x = find(d, stream);
    if (!x) return;
    exchange_abort(x, why == REASON_BAD_REQUEST ? why : REASON_CLIENT_GONE);
    downstream_next(d, false);
}

static void on_refused_stream(void *arg, uint32_t stream, enum http_reason why) {
    struct exchange *x = find(arg, stream);
    if (x && x->state != X_SEND) exchange_fail(x, why);
}

static const struct codec_sink sink = {.begin = on_begin,
                                       .head = on_head,
                                       .body = on_body,
                                       .end = on_end,
                                       .reset = on_reset,
                                       .refused = on_refused_stream};

static void limit_head(struct downstream *d, uint64_t bytes, uint64_t fields) {
    struct codec *c = d->conn.codec;
    d->head_bytes = (uint32_t)bytes, d->head_fields = (uint32_t)fields;
    c->ops->limit_head(c, d->head_bytes, d->head_fields);
}

/* Which version it is has shown. */
static struct codec *choose_codec(void *arg, bool h2) {
    struct downstream *d = arg;
    struct codec_limits own = limits;
    own.head_bytes_max = d->head_bytes, own.fields_max = d->head_fields;
    own.streams_max = d->streams;
    struct codec *c = h2 ? h2_server(&sink, d, &own) : d->h1;
    d->conn.codec = c;
    d->conn.gathers = h2;
    d->asked |= h2; /* whether its client has asked is the protocol's to know: GOAWAY says where it ends */
    limit_head(d, d->head_bytes, d->head_fields);
    if (d->proxy->draining || (!d->tls && !downstream_tls_at_home(d))) c->ops->drain(c);
    return c;
}

/* Before the connection is closed or its memory goes. */
static void drop_codec(struct downstream *d) {
    struct codec *c = d->conn.codec;
    if (downstream_is_shared(d)) c->ops->free(c);
    h1_recycle(d->h1, &sink, d);
    d->conn.codec = d->h1;
}

/* ---- the connection ---- */

static void abort_all(struct downstream *d) {
    list_each (struct exchange, x, &d->exchanges, on_client) exchange_abort(x, REASON_CLIENT_GONE);
}

/* Nothing more is to be told but what waits already. */
static void finish(struct downstream *d, bool more) {
    if (downstream_is_shared(d)) {
        conn_flush(&d->conn);
        if (d->conn.state != CONN_OPEN) return;
        abort_all(d);
    }
    conn_finish(&d->conn, more);
}

/* The one that the whole connection has become, or NULL. */
static struct exchange *tunnel_on(const struct downstream *d) {
    if (downstream_is_shared(d) || link_empty(&d->exchanges)) return NULL;
    struct exchange *x = container_of(d->exchanges.next, struct exchange, on_client);
    return x->state == X_TUNNEL ? x : NULL;
}

static void set_idle_deadline(struct downstream *d) {
    struct proxy *p = d->proxy;
    conn_deadline(&d->conn, proxy_core_now(p) + (p->draining ? p->limits.drain_idle_us : d->idle_us));
}

static void on_opened(struct conn *c) {
    struct downstream *d = of(c);
    downstream_tls_done(d);
    choose_codec(d, str_eq(tls_alpn(c->tls), S("h2")));
    if (c->gathers) conn_want_flush(c); /* SETTINGS */
    set_idle_deadline(d);
}

static void on_failed(struct conn *c, const char *why) { downstream_tls_failed(of(c), tls_why(c->tls), why); }

/* The deadline of a head counts from its first byte: more bytes do not move it. */
static void note_head(struct downstream *d, struct exchange *x) {
    if (x->progress_us) return;
    exchange_progress(x);
    conn_deadline(&d->conn, proxy_core_now(d->proxy) + d->head_us);
}

/* Heads come one by one; what runs is held stream by stream. */
static void did_read_shared(struct downstream *d) {
    struct exchange *x = last_exchange(d);
    if (x && x->state == X_HEAD)
        note_head(d, x);
    else if (x)
        conn_deadline(&d->conn, UINT64_MAX);
}

static void on_did_read(struct conn *c) {
    struct downstream *d = of(c);
    if (downstream_is_shared(d)) {
        did_read_shared(d);
        return;
    }
    bool arriving = false, any = false;
    list_each (struct exchange, x, &d->exchanges, on_client) {
        any = true;
        if (x->state == X_HEAD)
            note_head(d, x), arriving = true;
        else if (x->state != X_SEND)
            relay_hold_client(x);
    }
    if (any && !arriving) conn_deadline(c, UINT64_MAX); /* the exchange's own hold from here on */
}

static void on_wrote(struct conn *c) {
    list_each (struct exchange, x, &of(c)->exchanges, on_client) relay_client_wrote(x);
}

/* The last that began is told; those before it have their answers, or wait for them. */
static void on_refused(struct conn *c, err e, enum http_reason why) {
    (void)e;
    struct downstream *d = of(c);
    if (downstream_is_shared(d)) { /* the codec has told every stream, and its GOAWAY waits */
        abort_all(d);
        finish(d, true);
        return;
    }
    if (link_empty(&d->exchanges)) {
        if (why == REASON_OVERLOAD) answer_overload(d);
        conn_finish(c, true);
        return;
    }
    struct exchange *x = last_exchange(d);
    if (x->state != X_SEND) exchange_fail(x, why == REASON_NONE ? REASON_BAD_REQUEST : why);
}

static void on_ended(struct conn *c, bool cut) {
    struct downstream *d = of(c);
    struct exchange *tunnel = tunnel_on(d);
    if (tunnel) {
        tunnel_client_lost(tunnel);
        return;
    }
    if (c->peer_dead) abort_all(d);
    list_each (struct exchange, x, &d->exchanges, on_client) {
        if (cut && !x->request_ended && x->state != X_SEND)
            exchange_abort(x, REASON_CLIENT_GONE);
        else if (c->peer_shut || cut)
            exchange_half_closed(x);
    }
    if (link_empty(&d->exchanges))
        finish(d, !c->peer_shut); /* what is too much to be read over still comes */
}

static void on_closing(struct conn *c, bool dead) {
    struct downstream *d = of(c);
    struct exchange *tunnel = tunnel_on(d);
    if (tunnel) { /* what it still has to say is read first */
        if (dead && c->read_over) tunnel_client_lost(tunnel);
        return;
    }
    if (dead) {
        abort_all(d);
        conn_close(c);
        return;
    }
    list_each (struct exchange, x, &d->exchanges, on_client) {
        if (x->request_ended) exchange_half_closed(x);
    }
}

static void on_write_failed(struct conn *c) {
    struct exchange *tunnel = tunnel_on(of(c));
    if (tunnel) {
        tunnel_client_lost(tunnel);
        return;
    }
    abort_all(of(c));
    conn_close(c);
}

/* HTTP/2: the codec says so twice, the last time once the client has heard it; streams that run do so to their end [RFC 9113 6.8]. */
static void end_softly(struct downstream *d) {
    struct codec *c = d->conn.codec;
    d->ending = true;
    c->ops->drain(c);
    conn_want_flush(&d->conn);
    if (link_empty(&d->exchanges))
        conn_deadline(&d->conn, proxy_core_now(d->proxy) + d->proxy->limits.drain_idle_us);
}

/* An idle client is told before it is left; one that stops within a head stops all streams. */
static void shared_deadline(struct downstream *d) {
    if (link_empty(&d->exchanges) && !d->ending)
        end_softly(d);
    else if (link_empty(&d->exchanges) || last_exchange(d)->state == X_HEAD)
        finish(d, true);
}

static void on_deadline(struct conn *c, uint64_t now_us) {
    (void)now_us;
    struct downstream *d = of(c);
    if (c->state == CONN_PREAMBLE) {
        downstream_proxy_late(d);
        conn_close(c);
    } else if (c->state == CONN_HANDSHAKING) {
        downstream_tls_failed(d, TLS_TIMEOUT, NULL);
        conn_close(c);
    } else if (downstream_is_shared(d)) {
        shared_deadline(d);
    } else if (link_empty(&d->exchanges)) {
        conn_finish(c, true); /* a request may be on its way: it shall not meet a reset */
    } else {
        struct exchange *x = last_exchange(d);
        if (x->state == X_HEAD) exchange_fail(x, REASON_REQUEST_TIMEOUT);
    }
}

static void on_gone(struct conn *c) {
    struct downstream *d = of(c);
    abort_all(d);
    told_fini(&d->told);
    drop_codec(d);
    link_remove(&d->all);
    d->proxy->counts.connections_open--;
    if (d->proxy->crowd) crowd_leave(d->proxy->crowd, d->proxy->counts.connections_open);
    if (d->counted) crowd_leave_address(d->proxy->crowd, &d->peer);
    pool_give(&d->proxy->downstreams, d);
}

static const struct conn_ops ops = {
    .preamble = downstream_proxy_read,
    .opened = on_opened,
    .failed = on_failed,
    .did_read = on_did_read,
    .wrote = on_wrote,
    .refused = on_refused,
    .ended = on_ended,
    .closing = on_closing,
    .write_failed = on_write_failed,
    .deadline = on_deadline,
    .gone = on_gone,
};

void downstream_break(struct downstream *d, enum http_reason why) {
    list_each (struct exchange, x, &d->exchanges, on_client) exchange_abort(x, why);
    conn_break(&d->conn);
}

void downstream_cut(struct downstream *d, uint32_t stream, enum http_reason why) {
    struct codec *c = d->conn.codec;
    if (!downstream_is_shared(d)) {
        conn_close(&d->conn);
        return;
    }
    c->ops->reset(c, stream, why);
    conn_want_flush(&d->conn);
    downstream_next(d, false);
}

static void next_shared(struct downstream *d) {
    struct conn *c = &d->conn;
    if (!link_empty(&d->exchanges)) return;
    if (c->read_over || !c->codec->ops->reusable(c->codec))
        finish(d, true);
    else
        set_idle_deadline(d);
}

void downstream_next(struct downstream *d, bool more) {
    struct conn *c = &d->conn;
    if (c->state != CONN_OPEN) return;
    if (downstream_is_shared(d)) {
        next_shared(d);
        return;
    }
    c->held = false;
    if (!link_empty(&d->exchanges)) {
        conn_resume(c);
    } else if (c->read_over || !c->codec->ops->reusable(c->codec)) {
        conn_finish(c, more);
    } else {
        set_idle_deadline(d);
        conn_resume(c);
    }
}

/* Who was accepted and has not asked yet gets an answer: its request may be under way. Between two requests a connection may end any time. */
void downstream_drain(struct downstream *d) {
    if (d->conn.state == CONN_OPEN && downstream_is_shared(d)) {
        end_softly(d);
        return;
    }
    d->conn.codec->ops->drain(d->conn.codec);
    if (d->conn.state != CONN_OPEN || !d->asked)
        conn_deadline(&d->conn, proxy_core_now(d->proxy) + d->proxy->limits.drain_idle_us);
    else if (link_empty(&d->exchanges))
        conn_finish(&d->conn, true);
}

/* ---- how many there may be ---- */

err downstream_count(struct downstream *d, const struct table_port_settings *s) {
    struct proxy *p = d->proxy;
    if (!p->crowd) return OK;
    uint32_t most = s->usual_clients ? 0 : s->client_connections; /* 0: the most that there may be */
    d->counted = crowd_enter_address(p->crowd, &d->peer, most);
    if (d->counted) return OK;
    p->counts.connections_refused++;
    return ERR_LIMIT;
}

static uint64_t most_of(uint64_t set, bool usual_too, uint64_t usual) {
    if (!set) return usual;
    return usual_too ? num_max(set, usual) : set;
}

/* A plain connection carries requests for any listener of its port: heads are bounded before theirs is known. */
static void settle_by_port(struct downstream *d, const struct table_port_settings *s) {
    const struct proxy_limits *usual = &d->proxy->limits;
    d->idle_us = most_of(s->idle_us, s->usual_idle, usual->idle_us);
    d->head_us = most_of(s->head_us, s->usual_head, usual->head_us);
    d->handshake_us = most_of(s->handshake_us, s->usual_handshake, usual->handshake_us);
    d->streams = (uint32_t)most_of(s->streams, s->usual_streams, H2_STREAMS_MAX);
    limit_head(d, most_of(s->head_bytes, s->usual_bytes, limits.head_bytes_max),
               most_of(s->head_fields, s->usual_fields, limits.fields_max));
}

static void settle_by_listener(struct downstream *d, const struct table_settings *s) {
    const struct proxy_limits *usual = &d->proxy->limits;
    d->idle_us = most_of(s->idle_us, false, usual->idle_us);
    d->head_us = most_of(s->head_us, false, usual->head_us);
    d->streams = (uint32_t)most_of(s->streams, false, H2_STREAMS_MAX);
    limit_head(d, most_of(s->head_bytes, false, limits.head_bytes_max),
               most_of(s->head_fields, false, limits.fields_max));
}

void downstream_settle(struct downstream *d, const struct table_port *port, const struct table_listener *l) {
    const struct table *t = d->proxy->table;
    if (d->settled == l->settings && d->settled_by == t->generation) return; /* as with the request before */
    d->settled = l->settings, d->settled_by = t->generation;
    if (d->tls) {
        settle_by_listener(d, l->settings);
        return;
    }
    settle_by_port(d, table_port_settings(port));
    d->idle_us = most_of(l->settings->idle_us, false, d->proxy->limits.idle_us);
}

const struct table_settings *downstream_settings(const struct downstream *d, str host) {
    const struct table *t = d->proxy->table;
    const struct table_port *port = t ? table_port(t, d->port_slot) : NULL;
    const struct table_listener *l = port ? table_listener_for(port, host) : NULL;
    return l ? l->settings : NULL;
}

void downstream_set_peer(struct downstream *d, const struct ip *peer, uint16_t port) {
    d->peer = d->told.peer = *peer, d->peer_port = d->told.peer_port = port;
    struct buf b = {.p = d->peer_text, .cap = sizeof d->peer_text, .max = sizeof d->peer_text};
    ip_print(&b, peer); /* fits: nothing is allocated */
    d->peer_text_n = (uint8_t)b.n;
}

void downstream_begin(struct downstream *d) {
    if (d->tls)
        conn_deadline(&d->conn, proxy_core_now(d->proxy) + d->handshake_us);
    else
        set_idle_deadline(d);
}

void downstream_accept(struct proxy *p, int fd, const struct ip *peer, uint16_t peer_port,
                       uint32_t port_slot) {
    static const struct table_port_settings none;
    bool fresh, tls = port_slot < p->ports_n && p->port_tls[port_slot];
    const struct table_port *port = p->table ? table_port(p->table, port_slot) : NULL;
    const struct table_port_settings *settings = port ? table_port_settings(port) : &none;
    enum downstream_proxy_verdict header = downstream_proxy_judge(p, port_slot, settings, peer);
    p->counts.connections_accepted++;
    if (header == DOWNSTREAM_PROXY_REFUSED ||
        (p->sheds && tls)) { /* a handshake is the dearest of all beginnings */
        close(fd);
        return;
    }
    enum conn_state first = header ? CONN_PREAMBLE : tls ? CONN_HANDSHAKING : CONN_OPEN;
    struct downstream *d = pool_take(&p->downstreams, &fresh);
    int64_t wall_s = tls ? proxy_core_wall_us(p) / 1000000 : 0;
    struct tls_conn *t = tls ? tls_server_accept(p->tls, fd, wall_s, downstream_tls_choose, d) : NULL;
    if (conn_open(&d->conn, fresh, &p->common, &ops, fd, first, t) != OK) {
        pool_give(&p->downstreams, d);
        return;
    }
    if (p->crowd) crowd_enter(p->crowd, p->counts.connections_open);
    p->counts.connections_open++;
    slack_opened(&p->slack);
    d->conn.share =
        (uint8_t)(1 + port_slot % (CONN_SHARES - 1)); /* until it is known whose route it asks for */
    d->counted = false;
    d->proxy = p, d->port_slot = port_slot, d->tls = tls, d->asked = d->ending = false;
    d->listener_id = 0;
    d->settled = NULL;
    told_init(&d->told, &d->conn);
    downstream_set_peer(d, peer, peer_port);
    d->all = (struct link){0};
    link_append(&p->clients, &d->all);
    link_init(&d->exchanges);
    if (!d->h1) {
        d->h1 = h1_server(&sink, d, &limits);
        h1_share(d->h1, &p->common.works);
    }
    detect_init(&d->detect, choose_codec, d);
    d->conn.codec = tls ? d->h1 : &d->detect.codec;
    settle_by_port(d, settings);
    if (header)
        conn_deadline(&d->conn, proxy_core_now(p) + d->head_us);
    else if (downstream_count(d, settings) == OK)
        downstream_begin(d);
    else
        conn_break(&d->conn); /* nothing is owed to it, and the kernel keeps nothing of it either */
}

void downstream_drop(void *item) {
    struct downstream *d = item;
    conn_forget(&d->conn);
    if (d->h1) d->h1->ops->free(d->h1);
}
