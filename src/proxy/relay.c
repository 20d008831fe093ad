/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/relay.h"

#include "filter/filter.h"
#include "filter/upgrade.h"
#include "filter/via.h"
#include "proxy/affinity.h"
#include "proxy/attempt.h"
#include "proxy/auth_grpc.h"
#include "proxy/tunnel.h"

/* ---- the response ---- */

static struct exchange *of(void *loan) { return container_of(loan, struct exchange, up); }

static struct arena *on_begin(void *arg, uint32_t stream) {
    (void)stream;
    struct exchange *x = of(arg);
    x->response_begun = true;
    return x->arena;
}

/* What the client's codec can not say; to who has asked for a tunnel by CONNECT, that there is one when there is none. */
static void to_client_failed(struct exchange *x) {
    bool no_tunnel = x->state == X_WAIT && x->version >= 20 && x->request->upgrade.n && x->status / 100 == 2;
    exchange_fail(x, no_tunnel ? REASON_BACKEND_NO_UPGRADE : REASON_BACKEND_PROTOCOL);
}

/* An interim response is passed on; the codec leaves it out for a peer that knows none [RFC 9110 15.2]. */
static void interim(struct exchange *x, struct http_msg *m) {
    if (m->status == 101) {
        tunnel_begin(x, m);
        return;
    }
    struct conn *client = &x->client->conn;
    if (client->codec->ops->submit(client->codec, &x->client_stream, m, false) != OK)
        to_client_failed(x);
    else
        conn_want_flush(client);
}

/* Whoever passes on a response that has no Date says when it came; filters may still change that.  [RFC 9110 6.6.1] */
static void date(struct exchange *x, struct http_msg *m) {
    if (!http_msg_find_id(m, FIELD_DATE))
        http_msg_add(m, S("Date"), arena_str(x->arena, proxy_core_date(x->proxy)));
}

/* What is due then is due no earlier than what was set with the head, and a timer that comes early looks again. */
static void complete(struct exchange *x) {
    exchange_move(x, X_SEND);
    conn_want_flush(&x->client->conn);
}

/* Nothing of it is borrowed any more, and it will not be sent again. */
static void forget_kept(struct exchange *x) {
    if (!x->kept.n) return;
    kept_drop(&x->kept, &x->proxy->common.buffers);
    x->fed = (struct kept_at){0};
}

/* The head goes to the client as it is now. */
static void send_head(struct exchange *x, const struct http_msg *m, bool end) {
    struct conn *client = &x->client->conn;
    if (client->codec->ops->submit(client->codec, &x->client_stream, m, end) != OK) {
        to_client_failed(x);
        return;
    }
    exchange_move(x, X_RELAY);
    x->kept_lost = true;
    if (x->kept.n && !upstream_pending(&x->up) && attempt_is_fed(x)) forget_kept(x);
    conn_want_flush(client);
    exchange_set_timer(x);
    if (end) complete(x);
}

void relay_answer(struct exchange *x, struct http_msg *m, bool end) {
    x->first_byte_us = proxy_core_now(x->proxy) - x->start_us;
    x->status = m->status;
    x->record.response = m;
    date(x, m);
    if (m->upgrade.n) upgrade_response(m);
    if (x->via) via_add(m, *x->via);
    if (x->cors) filter_cors(x->cors, x->origin, m);
    send_head(x, m, end);
}

/* Who was asked for authorization may have a word on the response, too. */
static void filtered(struct exchange *x, struct http_msg *m) {
    if (x->target->filters_n) filter_response(x->target->filters, x->target->filters_n, m);
    if (x->rule->filters_n) filter_response(x->rule->filters, x->rule->filters_n, m);
    if (x->ask.call) auth_grpc_response(x, m);
    if (x->via) via_add(m, *x->via);
}

static void on_head(void *arg, uint32_t stream, struct http_msg *m, bool end) {
    (void)stream;
    struct exchange *x = of(arg);
    if (m->status >= 200 || m->status == 101) upstream_answered(&x->up, m->status);
    if (x->state != X_WAIT) return;
    exchange_progress(x);
    if (m->status < 200) {
        interim(x, m);
        return;
    }
    if (attempt_answered(x, m->status)) {
        x->response_ended = end;
        return;
    }
    x->first_byte_us = proxy_core_now(x->proxy) - x->start_us;
    x->status = m->status;
    x->record.response = m;
    date(x, m);
    if (m->upgrade.n) upgrade_response(m);
    if (x->target->filters_n || x->rule->filters_n || x->edits_response) filtered(x, m);
    if (x->cors) filter_cors(x->cors, x->origin, m);
    if (x->target->session) affinity_say(x, m);
    send_head(x, m, end);
}

static void on_body(void *arg, uint32_t stream, str bytes) {
    (void)stream;
    struct exchange *x = of(arg);
    if (x->state != X_RELAY && x->state != X_TUNNEL) {
        upstream_consume(&x->up, bytes.n);
        return;
    }
    struct conn *client = &x->client->conn;
    exchange_progress(x);
    x->bytes_out += bytes.n;
    x->owed_up += bytes.n;
    if (client->codec->ops->submit_body(client->codec, x->client_stream, bytes, false) != OK)
        to_client_failed(x);
    else
        conn_want_flush(client);
}

static void on_end(void *arg, uint32_t stream, struct http_msg *trailers) {
    (void)stream;
    struct exchange *x = of(arg);
    if (x->state == X_TUNNEL) {
        tunnel_backend_ended(x);
        return;
    }
    x->response_ended = true;
    if (x->state != X_RELAY) return;
    struct codec *c = x->client->conn.codec;
    if (c->ops->submit_end(c, x->client_stream, trailers) != OK)
        to_client_failed(x);
    else
        complete(x);
}

static void on_reset(void *arg, uint32_t stream, enum http_reason why) {
    (void)stream;
    struct exchange *x = of(arg);
    if (x->state == X_WAIT && why == REASON_BACKEND_REFUSED)
        attempt_refused(x);
    else if (x->state == X_WAIT)
        attempt_lost(x, why == REASON_BACKEND_PROTOCOL ? why : REASON_BACKEND_RESET, false);
    else if (x->state == X_TUNNEL)
        tunnel_backend_lost(x);
    else if (x->state != X_PAUSE)
        exchange_fail(x, REASON_BACKEND_CUT);
}

const struct codec_sink relay_sink = {
    .begin = on_begin, .head = on_head, .body = on_body, .end = on_end, .reset = on_reset};

/* ---- the request's body ---- */

/* What might have to be sent again is kept besides, as far as there is room for it. */
static void keep(struct exchange *x, str bytes) {
    size_t most = x->rule->retry ? RETRY_BODY_BYTES_MAX : CONN_BUFFER_BYTES;
    if (!retry_possible(x) || x->kept.n + bytes.n > most) {
        x->kept_lost = true;
        return;
    }
    kept_add(&x->kept, &x->proxy->common.buffers, bytes);
    x->fed = kept_end(&x->kept);
}

void relay_request_body(struct exchange *x, str bytes) {
    err e;
    if (x->state == X_TUNNEL) {
        e = upstream_submit_body(&x->up, bytes, false);
    } else if (attempt_is_fed(x)) {
        if (!x->kept_lost) keep(x, bytes);
        e = upstream_submit_body(&x->up, bytes, false);
    } else { /* after what waits already */
        kept_add(&x->kept, &x->proxy->common.buffers, bytes);
        e = attempt_feed(x);
    }
    if (e != OK)
        exchange_fail(x, REASON_BACKEND_PROTOCOL);
    else
        upstream_flush(&x->up);
}

void relay_request_end(struct exchange *x) {
    if (attempt_feed(x) != OK)
        exchange_fail(x, REASON_BACKEND_PROTOCOL);
    else
        upstream_flush(&x->up);
}

/* ---- back-pressure ---- */

void relay_hold_client(struct exchange *x) {
    bool connecting = exchange_holds(x);
    downstream_hold(x->client, connecting || (x->up.state == UPSTREAM_OPEN &&
                                              upstream_pending(&x->up) > CONN_HIGH_WATER_BYTES));
}

void relay_hold_backend(struct exchange *x) {
    struct conn *c = &x->up.conn->conn;
    if (!c->gathers && downstream_pending(x->client, x->client_stream) > CONN_HIGH_WATER_BYTES)
        c->held = true;
}

static void give_way(struct conn *from, uint32_t stream, size_t *owed) {
    bool waits = from->held || (*owed && from->blocked);
    if (*owed) from->codec->ops->consume(from->codec, stream, *owed);
    if (*owed && from->gathers) conn_want_flush(from); /* a window opens */
    *owed = 0;
    from->held = false;
    if (waits) conn_resume(from);
}

/* What others wrote on a shared connection is no progress of this exchange. */
static bool moved(struct exchange *x, size_t pending) {
    bool same = pending == x->to_client;
    x->to_client = pending;
    return !downstream_is_shared(x->client) || !same;
}

void relay_client_wrote(struct exchange *x) {
    if (x->state == X_HEAD) return; /* what was written is of the one before */
    if (x->state < X_RELAY && downstream_is_shared(x->client)) return;
    size_t pending = downstream_pending(x->client, x->client_stream);
    if (moved(x, pending)) exchange_progress(x);
    if (x->up.state == UPSTREAM_OPEN && pending <= CONN_HIGH_WATER_BYTES)
        give_way(&x->up.conn->conn, x->up.stream, &x->owed_up);
    if (x->state == X_TUNNEL)
        tunnel_check(x);
    else if (x->state == X_SEND && (pending == 0 || (x->over_at && x->client->conn.written >= x->over_at)))
        exchange_finish(x);
}

void relay_backend_wrote(struct exchange *x) {
    x->wrote_any = true;
    exchange_progress(x);
    if (x->state == X_TUNNEL) {
        if (upstream_pending(&x->up) <= CONN_HIGH_WATER_BYTES)
            give_way(&x->client->conn, x->client_stream, &x->owed_client);
        tunnel_check(x);
        return;
    }
    if ((x->state != X_WAIT && x->state != X_RELAY) || x->ask.denied) return;
    if (!attempt_is_fed(x) || (x->request_ended && !x->request_sent)) {
        relay_request_end(x);
        return;
    }
    if (x->kept_lost) forget_kept(x);
    if (upstream_pending(&x->up) <= CONN_HIGH_WATER_BYTES)
        give_way(&x->client->conn, x->client_stream, &x->owed_client);
}
