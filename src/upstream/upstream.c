/* SPDX-License-Identifier: Apache-2.0 */
#include "upstream/upstream.h"

#include "proto/h2.h"
#include "upstream/told.h"
#include "upstream/upstream_core.h"

enum { CONNS_KEPT = 4096 };

/* ---- loans ---- */

/* Where a connection has one loan at a time, its user hears the codec itself. */
static void begin(struct upstream_conn *u, struct upstream_loan *l) {
    l->conn = u, l->endpoint = u->endpoint;
    bool open = u->conn.state == CONN_OPEN && (!u->mux || mux_ready(u, l));
    l->state = open ? UPSTREAM_OPEN : UPSTREAM_WAITS;
    u->endpoint->health->outstanding++;
    if (u->mux) {
        l->stream = 0;
        mux_begin(u, l);
        return;
    }
    u->loan = l;
    l->reused = u->used;
    u->conn.codec->sink = l->events->sink;
    u->conn.codec->arg = l;
}

/* l->endpoint lasts as long as the connection, which is gone after the event. */
void upstream_end(struct upstream_loan *l) {
    struct upstream_conn *u = l->conn;
    l->conn = NULL;
    l->state = UPSTREAM_NONE;
    u->endpoint->health->outstanding--;
    if (u->mux) {
        mux_end(u, l);
        return;
    }
    u->loan = NULL;
    u->conn.codec->sink = &dial_nobody;
    u->conn.codec->arg = u;
}

static const struct table_certificate *client_of(const struct upstream_want *w,
                                                 const struct balance_endpoint *e) {
    if (!e->reach || !e->reach->tls) return NULL;
    return e->reach->tls->client ? e->reach->tls->client : w->client;
}

static err fail(struct upstream *s, const struct upstream_want *w, struct balance_endpoint *e, err how,
                struct upstream_loan *l) {
    s->counts.connect_failures++;
    s->counts.tls_failures += how == ERR_PROTO;
    l->why = how == ERR_PROTO ? REASON_BACKEND_TLS : REASON_BACKEND_REFUSED;
    balance_refused(e, s->common->loop->now_us);
    balance_tried_add(w->tried, e);
    return ERR_IO;
}

static bool wants_told(const struct balance_endpoint *e) { return e->reach && e->reach->proxy; }

static err connect_to(struct upstream *s, const struct upstream_want *w, struct balance_endpoint *e,
                      struct upstream_lane *lane, const struct table_certificate *client,
                      struct upstream_loan *l, struct upstream_conn **ret) {
    struct dial_way way = {.client = client};
    /* by HTTP/2 only where it is known that this is taken: by HTTP/1.1 everybody takes it who has that */
    way.http1 = w->http1 || (w->websocket && lane->websocket != H2_WEBSOCKET_YES && !lane->no_http1);
    if (wants_told(e)) way.told = told_header(w, e->reach->proxy);
    if (way.told.told) way.teller = w->teller;
    err how = dial_open(s, e, lane, &way, ret, &l->words);
    if (how != OK) return fail(s, w, e, how, l);
    uint64_t us = w->connect_us ? w->connect_us : s->config.connect_us;
    conn_deadline(&(*ret)->conn, s->common->loop->now_us + us);
    return OK;
}

/* A backend of HTTP/2 alone has said so on this very connection: nothing of the sort can be sent to it. */
static bool takes_no_websocket(const struct upstream_conn *u) {
    return u && u->mux && u->conn.state == CONN_OPEN && h2_websocket(u->conn.codec) == H2_WEBSOCKET_NO;
}

static err no_websocket(const struct upstream_want *w, struct balance_endpoint *e, struct upstream_loan *l) {
    l->why = REASON_BACKEND_NO_UPGRADE;
    l->words = "it speaks HTTP/2, and no WebSocket over it";
    balance_tried_add(w->tried, e);
    return ERR_IO;
}

/* A connection that is there already; NULL: none. */
static struct upstream_conn *take_pooled(const struct upstream_want *w, const struct balance_endpoint *e,
                                         struct upstream_lane *lane) {
    if (w->fresh) return NULL;
    if (wants_told(e)) {
        struct proxy_protocol h = told_header(w, e->reach->proxy);
        if (h.told) return told_take(w, &h, lane);
    }
    struct upstream_conn *u = !w->http1 && !link_empty(&lane->open) ? mux_take(lane, w->websocket) : NULL;
    return u ? u : lane_take_idle(lane);
}

err upstream_take(struct upstream *s, const struct upstream_want *w, struct upstream_loan *l) {
    assert(!upstream_lent(l));
    uint64_t now_us = s->common->loop->now_us;
    struct balance_endpoint *e = NULL;
    if (w->tried->n >= BALANCE_TRIES) return ERR_ABSENT;
    if (w->preferred) e = balance_find(&s->balance, w->backend, w->preferred, w->tried, w->again, now_us);
    if (!e) e = balance_pick(&s->balance, w->backend, w->tried, w->again, now_us);
    if (!e) {
        const struct table_reach *r = balance_reach(&s->balance, w->backend);
        return r && r->refused.n ? ERR_REFUSED : ERR_ABSENT;
    }
    const struct table_certificate *client = client_of(w, e);
    struct upstream_lane *lane = lane_of(e, client ? client->id : 0);
    struct upstream_conn *u = take_pooled(w, e, lane);
    if (w->websocket && takes_no_websocket(u)) return no_websocket(w, e, l);
    if (!u) TRY(connect_to(s, w, e, lane, client, l, &u));
    l->websocket = w->websocket, l->again = false;
    u->idle_us = w->idle_us ? w->idle_us : s->config.idle_us;
    begin(u, l);
    if (u->mux) mux_settle(u);
    if (u->conn.state == CONN_OPEN && l->state == UPSTREAM_WAITS)
        conn_deadline(&u->conn,
                      s->common->loop->now_us + (w->connect_us ? w->connect_us : s->config.connect_us));
    return OK;
}

void upstream_drop(struct upstream_loan *l) {
    if (!upstream_lent(l)) return;
    struct upstream_conn *u = l->conn;
    if (u->mux) mux_give_up(l);
    upstream_end(l);
    if (u->mux)
        mux_settle(u);
    else
        dial_close(u);
}

void upstream_release(struct upstream_loan *l) {
    struct upstream_conn *u = l->conn;
    upstream_end(l);
    if (u->mux)
        mux_settle(u);
    else if (!lane_give_idle(u))
        dial_close(u);
}

/* ---- the set ---- */

static void drop_memory(void *item) {
    struct upstream_conn *u = item;
    conn_forget(&u->conn);
    if (u->conn.codec) u->conn.codec->ops->free(u->conn.codec);
}

static void on_left(void *arg, struct balance_endpoint *e) {
    (void)arg;
    lane_close_stale(e);
}

struct upstream *upstream_new(struct conn_common *k, const struct upstream_config *c) {
    struct upstream *s = base_zalloc(sizeof *s);
    s->common = k, s->config = *c;
    balance_init(&s->balance, c->seed, on_left, s);
    pool_init(&s->conns, sizeof(struct upstream_conn), CONNS_KEPT, drop_memory);
    return s;
}

void upstream_free(struct upstream *s) {
    if (!s) return;
    balance_fini(&s->balance);
    pool_fini(&s->conns);
    tls_client_free(s->tls);
    free(s);
}

void upstream_adopt(struct upstream *s, const struct table *t) { balance_adopt(&s->balance, t); }

static void drain(void *arg, struct balance_endpoint *e) {
    (void)arg;
    lane_close_idle(e);
}

void upstream_drain(struct upstream *s) {
    s->draining = true;
    balance_each(&s->balance, drain, s);
}

const struct upstream_counts *upstream_counts(const struct upstream *s) { return &s->counts; }

uint64_t upstream_misses(const struct upstream *s) { return s->conns.misses; }
