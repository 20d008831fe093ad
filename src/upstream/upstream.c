/* SPDX-License-Identifier: Apache-2.0 */
#include "upstream/upstream.h"

#include <errno.h>

#include "proto/h2.h"
#include "upstream/told.h"
#include "upstream/upstream_core.h"

enum { CONNS_KEPT = 4096 };

/* ---- loans ---- */

/* Where a connection has one loan at a time, its user hears the codec itself. */
static inline void begin(struct upstream_conn *u, struct upstream_loan *l) {
    struct balance_endpoint *e = u->endpoint;
    l->conn = u, l->endpoint = e;
    bool open = u->conn.state == CONN_OPEN && (!u->mux || mux_ready(u, l));
    l->state = open ? UPSTREAM_OPEN : UPSTREAM_WAITS;
    e->requests++;
    e->load->outstanding++;
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
    u->endpoint->load->outstanding--;
    if (u->mux) {
        mux_end(u, l);
        return;
    }
    u->loan = NULL;
    u->conn.codec->sink = &dial_nobody;
    u->conn.codec->arg = u;
}

const struct table_certificate *upstream_client_of(const struct upstream_want *w,
                                                   const struct balance_endpoint *e) {
    if (!e->reach || !e->reach->tls) return NULL;
    return e->reach->tls->client ? e->reach->tls->client : w->client;
}

static err fail(struct upstream *s, const struct upstream_want *w, struct balance_endpoint *e, err how,
                struct upstream_loan *l) {
    s->counts.connect_failures++;
    s->counts.tls_failures += how == ERR_PROTO;
    if (how == ERR_LIMIT) { /* no descriptor is left: the endpoint has no part in that */
        l->why = REASON_OVERLOAD;
        balance_tried_add(w->tried, e);
        return ERR_IO;
    }
    l->why = how == ERR_PROTO ? REASON_BACKEND_TLS : REASON_BACKEND_REFUSED;
    health_told(e->vital, (enum http_reason)l->why, how == ERR_IO ? errno : 0);
    balance_fault(e, w->balancing, HEALTH_UNREACHABLE, s->common->loop->now_us);
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

struct upstream_conn *upstream_take_pooled(const struct upstream_want *w, const struct balance_endpoint *e,
                                           struct upstream_lane *lane) {
    if (w->fresh) return NULL;
    if (wants_told(e)) {
        struct proxy_protocol h = told_header(w, e->reach->proxy);
        if (h.told) return told_take(w, &h, lane);
    }
    struct upstream_conn *u = !w->http1 && !link_empty(&lane->open) ? mux_take(lane, w->websocket) : NULL;
    return u ? u : lane_take_idle(lane);
}

/* OK and none: the loan waits for one. */
static err connect_or_wait(struct upstream *s, const struct upstream_want *w, struct balance_endpoint *e,
                           struct upstream_lane *lane, const struct table_certificate *client,
                           struct upstream_loan *l, struct upstream_conn **ret) {
    _Atomic uint32_t *conns = &e->of->gate->conns;
    uint32_t most = w->balancing ? w->balancing->conns_max : 0;
    if (!gate_enter(conns, most ? most : UINT32_MAX)) {
        *ret = queue_any_ready(w, e->of);
        return *ret ? OK : queue_join(s, w, e->of, l);
    }
    err how = connect_to(s, w, e, lane, client, l, ret);
    if (how != OK) gate_leave(conns, 1);
    return how;
}

/* Of settings that want more than the usual: others may wait already. */
static bool must_queue(struct upstream *s, const struct upstream_want *w, struct balance_endpoint *e) {
    if (w->balancing->probe) probe_want(s, e->of, w->balancing);
    return w->balancing->conns_max && e->of->waiting_n && !w->in_turn;
}

err upstream_take(struct upstream *s, const struct upstream_want *w, struct upstream_loan *l) {
    assert(!upstream_lent(l));
    uint64_t now_us = s->common->loop->now_us;
    const struct table_balancing *by = w->balancing ? w->balancing : &health_usual;
    struct balance_endpoint *e = NULL;
    bool known = w->again | w->in_turn;
    if (w->tried->n >= BALANCE_TRIES) return ERR_ABSENT;
    if (w->preferred) e = balance_find(&s->balance, w->backend, w->preferred, w->tried, known, now_us);
    if (!e) e = balance_pick(&s->balance, w->backend, by, w->tried, known, now_us);
    if (!e) {
        const struct table_reach *r = balance_reach(&s->balance, w->backend);
        return r && r->refused.n ? ERR_REFUSED : ERR_ABSENT;
    }
    if (w->balancing && must_queue(s, w, e)) return queue_join(s, w, e->of, l);
    const struct table_certificate *client = upstream_client_of(w, e);
    struct upstream_lane *lane = lane_of(e, client ? client->id : 0);
    struct upstream_conn *u = upstream_take_pooled(w, e, lane);
    if (w->websocket && takes_no_websocket(u)) return no_websocket(w, e, l);
    if (!u) {
        TRY(connect_or_wait(s, w, e, lane, client, l, &u));
        if (!u) return OK;
    }
    l->websocket = w->websocket, l->again = false;
    u->idle_us = w->idle_us ? w->idle_us : s->config.idle_us;
    u->conns_max = by->conns_max;
    l->balancing = w->balancing;
    begin(u, l);
    if (u->mux) mux_settle(u);
    if (u->conn.state == CONN_OPEN && l->state == UPSTREAM_WAITS)
        conn_deadline(&u->conn,
                      s->common->loop->now_us + (w->connect_us ? w->connect_us : s->config.connect_us));
    return OK;
}

err upstream_take_fresh(struct upstream *s, struct balance_endpoint *e, uint64_t connect_us,
                        const struct table_balancing *by, struct upstream_loan *l) {
    const struct table_certificate *client = e->reach && e->reach->tls ? e->reach->tls->client : NULL;
    _Atomic uint32_t *conns = &e->of->gate->conns;
    struct upstream_conn *u;
    gate_enter(conns, UINT32_MAX);
    struct dial_way way = {.client = client};
    if (wants_told(e)) way.told = told_header(&(struct upstream_want){0}, e->reach->proxy);
    err how = dial_open(s, e, lane_of(e, client ? client->id : 0), &way, &u, &l->words);
    if (how != OK) gate_leave(conns, 1);
    TRY(how);
    conn_deadline(&u->conn, s->common->loop->now_us + connect_us);
    u->idle_us = s->config.idle_us;
    u->conns_max = 0;
    l->balancing = by;
    l->websocket = false;
    begin(u, l);
    if (u->mux) mux_settle(u);
    return OK;
}

static uint64_t now_of(const struct balance_endpoint *e) {
    return container_of(e->in, struct upstream, balance)->common->loop->now_us;
}

void upstream_judge(struct upstream_loan *l, uint16_t status) {
    balance_answered(l->endpoint, l->balancing, status, now_of(l->endpoint));
}

void upstream_failed(struct upstream_loan *l) {
    health_told(l->endpoint->vital, REASON_BACKEND_RESET, 0);
    balance_fault(l->endpoint, l->balancing, HEALTH_FAILURE, now_of(l->endpoint));
}

void upstream_drop(struct upstream_loan *l) {
    if (!upstream_lent(l)) return;
    struct upstream_conn *u = l->conn;
    if (l->state == UPSTREAM_QUEUED) {
        queue_leave(l->set, l);
        return;
    }
    if (u->mux) mux_give_up(l);
    upstream_end(l);
    if (u->mux)
        mux_settle(u);
    else
        dial_close(u);
}

void upstream_hand_over(struct upstream_loan *l, const struct upstream_events *to) {
    l->events = to;
    if (l->conn && !l->conn->mux) l->conn->conn.codec->sink = to->sink;
}

void upstream_release(struct upstream_loan *l) {
    struct upstream_conn *u = l->conn;
    upstream_end(l);
    if (u->mux)
        mux_settle(u);
    else if ((u->conns_max && queue_crowds(u)) || !lane_give_idle(u))
        dial_close(u);
    if (u->conns_max && u->set->waiting) queue_wake(u->set);
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

static void on_disband(void *arg, struct balance_backend *of) {
    queue_disband(arg, of);
    probe_end(of);
}

struct upstream *upstream_new(struct conn_common *k, const struct upstream_config *c) {
    struct upstream *s = base_zalloc(sizeof *s);
    s->common = k, s->config = *c;
    if (!s->config.workers) s->config.workers = 1;
    balance_init(&s->balance, c->seed, on_left, on_disband, s);
    link_init(&s->queues);
    link_init(&s->disbanded);
    link_init(&s->watches);
    link_init(&s->probes);
    link_init(&s->probes_over);
    timer_init(&s->look, queue_look);
    probe_scan_init(s);
    pool_init(&s->conns, sizeof(struct upstream_conn), CONNS_KEPT, drop_memory);
    return s;
}

void upstream_free(struct upstream *s) {
    if (!s) return;
    probe_end_all(s);
    assert(!s->waiting);
    timer_forget(&s->common->loop->timers, &s->look);
    timer_forget(&s->common->loop->timers, &s->scan);
    balance_fini(&s->balance);
    policy_free_all(s);
    pool_fini(&s->conns);
    tls_client_free(s->tls);
    free(s);
}

void upstream_adopt(struct upstream *s, const struct table *t) {
    balance_adopt(&s->balance, t, s->common->loop->now_us);
    probe_scan_adopt(s, t);
}

static void drain(void *arg, struct balance_endpoint *e) {
    (void)arg;
    lane_close_idle(e);
}

void upstream_close_idle(struct upstream *s) {
    balance_each(&s->balance, drain, s);
    pool_trim(&s->conns);
}

void upstream_drain(struct upstream *s) {
    s->draining = true;
    timer_clear(&s->scan);
    probe_end_all(s);
    balance_each(&s->balance, drain, s);
}

void upstream_count(const struct upstream *s, struct upstream_counts *ret) {
    *ret = s->counts;
    ret->waiting = s->waiting;
    ret->balance = s->balance.counts;
}

bool upstream_census(const struct upstream *s, struct census *c) {
    enum { SLOTS_A_TURN = 1024 };
    return balance_census(&s->balance, c, SLOTS_A_TURN, s->common->loop->now_us);
}

struct pool *upstream_pool(struct upstream *s) {
    return &s->conns;
}
uint64_t upstream_misses(const struct upstream *s) { return s->conns.misses; }
