/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <unistd.h>

#include "io/sock.h"
#include "proto/h1.h"
#include "proto/h2.h"
#include "upstream/told.h"
#include "upstream/upstream_core.h"

static struct upstream_conn *of(struct conn *c) { return container_of(c, struct upstream_conn, conn); }

/* ---- what the codec says when nobody has asked: the rest of an answer that was given up ---- */

static struct arena *no_begin(void *arg, uint32_t stream) {
    (void)arg, (void)stream;
    return NULL;
}

static void no_head(void *arg, uint32_t stream, struct http_msg *m, bool end) {
    (void)arg, (void)stream, (void)m, (void)end;
}

static void no_body(void *arg, uint32_t stream, str bytes) {
    struct codec *c = ((struct upstream_conn *)arg)->conn.codec;
    c->ops->consume(c, stream, bytes.n);
}

static void no_end(void *arg, uint32_t stream, struct http_msg *trailers) {
    (void)arg, (void)stream, (void)trailers;
}

static void no_reset(void *arg, uint32_t stream, enum http_reason why) { (void)arg, (void)stream, (void)why; }

const struct codec_sink dial_nobody = {
    .begin = no_begin, .head = no_head, .body = no_body, .end = no_end, .reset = no_reset};

/* ---- events of the connection ---- */

/* A loan of it; NULL: none. */
static struct upstream_loan *first(const struct upstream_conn *u) {
    return u->mux ? mux_first(u->mux) : u->loan;
}

void dial_close(struct upstream_conn *u) {
    assert(!first(u));
    lane_leave(u);
    conn_close(&u->conn);
}

/* A WebSocket was to go by HTTP/1.1, and the handshake failed: perhaps for that alone. */
static bool wants_http2(const struct upstream_conn *u, enum http_reason why) {
    return why == REASON_BACKEND_TLS && u->loan && u->loan->websocket && !u->lane->no_http1 &&
           u->lane->websocket == H2_WEBSOCKET_UNKNOWN;
}

/* Another try with HTTP/2 will tell. */
static void offer_http2(struct upstream_conn *u, const char *words) {
    struct upstream_loan *l = u->loan;
    u->lane->no_http1 = true;
    upstream_end(l);
    l->again = true;
    l->events->failed(l, REASON_BACKEND_TLS, words);
    dial_close(u);
}

static void refuse(struct upstream_conn *u, enum http_reason why, const char *words) {
    if (wants_http2(u, why)) {
        offer_http2(u, words);
        return;
    }
    u->set->counts.connect_failures++;
    if (why == REASON_BACKEND_TLS) u->set->counts.tls_failures++;
    const struct upstream_loan *by = first(u);
    health_told(u->endpoint->vital, why, why == REASON_BACKEND_REFUSED ? u->conn.error : 0);
    balance_fault(u->endpoint, by ? by->balancing : NULL, HEALTH_UNREACHABLE, u->set->common->loop->now_us);
    for (struct upstream_loan *l; (l = first(u));) {
        upstream_end(l);
        l->events->failed(l, why, words);
    }
    dial_close(u);
}

/* Its only loan is the first of many. */
static void turn_mux(struct upstream_conn *u, struct upstream_loan *l) {
    mux_make(u);
    if (!l) return;
    u->loan = NULL;
    u->conn.codec->sink = &dial_nobody;
    u->conn.codec->arg = u;
    l->stream = 0;
    mux_begin(u, l);
}

static void on_opened(struct conn *c) {
    struct upstream_conn *u = of(c);
    bool h2 = c->tls ? str_eq(tls_alpn(c->tls), S("h2")) : u->only_h2;
    if (u->only_h2 && !h2) {
        refuse(u, REASON_BACKEND_TLS, "it does not speak HTTP/2");
        return;
    }
    if (h2) {
        struct upstream_loan *only = u->loan;
        if (!u->mux) turn_mux(u, only);
        mux_open(u);
        return;
    }
    u->lane->no_http1 = false;
    conn_deadline(c, UINT64_MAX);
    struct upstream_loan *l = u->loan;
    if (!l) {
        dial_close(u);
        return;
    }
    l->state = UPSTREAM_OPEN;
    l->events->opened(l);
}

static err on_connected(struct conn *c) {
    const struct upstream_conn *u = of(c);
    char space[PROXY_PROTOCOL_PRINT_BYTES];
    if (!u->told.version) return OK;
    return conn_send_first(c, (str){space, proxy_protocol_print(&u->told, space)});
}

static void on_failed(struct conn *c, const char *why) {
    struct upstream_conn *u = of(c);
    refuse(u, c->connected ? REASON_BACKEND_TLS : REASON_BACKEND_REFUSED, why);
}

static void on_did_read(struct conn *c) {
    struct upstream_loan *l = of(c)->loan;
    if (l)
        l->events->did_read(l);
    else if (of(c)->mux)
        mux_did_read(of(c));
}

static void on_wrote(struct conn *c) {
    struct upstream_loan *l = of(c)->loan;
    if (l)
        l->events->wrote(l);
    else if (of(c)->mux)
        mux_wrote(of(c));
}

/* One that waited for more than the connection has asked for nothing yet. */
static bool end_waiting(struct upstream_loan *l, enum http_reason why) {
    if (l->state != UPSTREAM_WAITS) return false;
    upstream_end(l);
    l->events->failed(l, why, "it ended the connection at once");
    return true;
}

static void on_refused(struct conn *c, err e, enum http_reason why) {
    struct upstream_conn *u = of(c);
    for (struct upstream_loan *l; (l = first(u));) {
        if (end_waiting(l, REASON_BACKEND_REFUSED)) continue;
        upstream_end(l);
        l->events->refused(l, e, why);
    }
    if (u->mux && c->state == CONN_OPEN) conn_flush(c); /* what is wrong is told */
    dial_close(u);
}

/* With TLS 1.3 a backend that wants another certificate, or one at all, says so only once the handshake is over for us. */
static void on_ended(struct conn *c, bool cut) {
    struct upstream_conn *u = of(c);
    bool barred = c->tls && tls_alerted(c->tls);
    u->set->counts.tls_failures += barred;
    lane_leave(u); /* nobody begins anything on it */
    for (struct upstream_loan *l; (l = first(u));) {
        if (end_waiting(l, barred ? REASON_BACKEND_TLS : REASON_BACKEND_REFUSED)) continue;
        upstream_end(l);
        l->why = barred ? REASON_BACKEND_TLS : REASON_NONE;
        l->events->ended(l, cut);
    }
    dial_close(u);
}

static void on_closing(struct conn *c, bool dead) {
    struct upstream_loan *l = of(c)->loan;
    if (!dead || !c->read_over || !l) return; /* what it still has to say is read first */
    c->write_over = true;
    l->events->write_failed(l);
}

static void on_write_failed(struct conn *c) {
    struct upstream_conn *u = of(c);
    if (!first(u)) {
        dial_close(u);
        return;
    }
    c->readable = true; /* a response may have come before the end, and why it ended */
    conn_resume(c);
    if (u->mux)
        mux_write_failed(u);
    else
        u->loan->events->write_failed(u->loan);
}

static void on_deadline(struct conn *c, uint64_t now_us) {
    (void)now_us;
    if (c->state == CONN_CONNECTING || c->state == CONN_HANDSHAKING)
        refuse(of(c), REASON_BACKEND_TIMEOUT, "connecting took too long");
    else if (first(of(c)))
        mux_late(of(c));
    else
        dial_close(of(c));
}

static void on_gone(struct conn *c) {
    struct upstream_conn *u = of(c);
    struct upstream *s = u->set;
    mux_free(u);
    if (u->client) link_remove(&u->on_client);
    u->client = NULL;
    u->lane->conns_n--;
    u->endpoint->conns--;
    s->counts.open--;
    if (u->endpoint->of) {
        u->endpoint->of->conns--;
        gate_leave(&u->endpoint->of->gate->conns, 1);
    }
    if (s->waiting) queue_wake(s);
    lane_end_unused(u->endpoint, u->lane);
    balance_release(u->endpoint);
    u->endpoint = NULL, u->lane = NULL;
    pool_give(&s->conns, u);
}

static const struct conn_ops ops = {
    .connected = on_connected,
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

/* ---- a new connection ---- */

enum { NAMES_MAX = 16 }; /* the API has five at most */

static err secure(struct upstream *s, int fd, const struct table_reach *r, struct upstream_lane *lane,
                  const struct table_certificate *client, bool http1, struct tls_conn **ret,
                  const char **ret_words) {
    const struct table_backend_tls *t = r->tls;
    struct tls_client_name names[NAMES_MAX];
    struct tls_client_identity who = {
        .id = r->id, .hostname = t->hostname, .ca_pem = t->ca_pem, .names = names};
    *ret_words = "too many names for its certificate";
    if (t->alt_names_n > NAMES_MAX) return ERR_PROTO;
    who.names_n = t->alt_names_n;
    for (uint32_t i = 0; i < t->alt_names_n; i++)
        names[i] = (struct tls_client_name){t->alt_names[i].uri, t->alt_names[i].value};
    if (client) {
        who.certificate_id = client->id;
        who.chain_pem = client->chain_pem;
        who.key_pem = client->key_pem;
    }
    if (!*s->config.scratch) *s->config.scratch = tls_scratch_new();
    if (!s->tls) s->tls = tls_client_new(*s->config.scratch, s->config.trust);
    enum tls_client_alpn alpn = r->protocol == TABLE_HTTP2 ? TLS_CLIENT_HTTP2
                                : http1                    ? TLS_CLIENT_HTTP1
                                                           : TLS_CLIENT_EITHER;
    return tls_client_connect(s->tls, fd, &who, alpn, &lane->session, ret, ret_words);
}

err dial_open(struct upstream *s, struct balance_endpoint *e, struct upstream_lane *lane,
              const struct dial_way *way, struct upstream_conn **ret, const char **ret_words) {
    int fd;
    struct tls_conn *tls = NULL;
    s->counts.connects++;
    *ret_words = "the system refuses";
    if (sock_connect(&e->at.ip, e->at.port, &fd) != OK) {
        bool ours = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
        return ours ? ERR_LIMIT : ERR_IO;
    }
    if (e->reach && e->reach->tls &&
        secure(s, fd, e->reach, lane, way->client, way->http1, &tls, ret_words) != OK) {
        close(fd);
        return ERR_PROTO;
    }
    bool fresh;
    struct upstream_conn *u = pool_take(&s->conns, &fresh);
    struct codec *codec = u->conn.codec;
    if (conn_open(&u->conn, fresh, s->common, &ops, fd, CONN_CONNECTING, tls) != OK) {
        pool_give(&s->conns, u);
        return ERR_IO;
    }
    u->set = s, u->used = false, u->place = (struct link){0}, u->loan = NULL;
    u->mux = NULL, u->h1 = NULL;
    u->told = way->told;
    u->client = way->teller, u->on_client = (struct link){0};
    if (u->client) link_append(&u->client->conns, &u->on_client);
    u->only_h2 = e->reach && e->reach->protocol == TABLE_HTTP2;
    u->endpoint = balance_hold(e);
    u->lane = lane;
    lane->conns_n++;
    e->conns++;
    s->counts.open++;
    e->of->conns++;
    u->conn.bulk = true; /* responses; of a request, as much as one read gives is kept in a usual buffer */
    if (codec)
        h1_recycle(codec, &dial_nobody, u);
    else
        u->conn.codec = h1_client(&dial_nobody, u, &s->config.codec);
    if (u->only_h2) mux_make(u);
    *ret = u;
    return OK;
}
