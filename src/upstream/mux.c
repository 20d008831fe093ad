/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/h2.h"
#include "upstream/told.h"
#include "upstream/upstream_core.h"

enum { BUCKETS = 64 };

struct upstream_mux {
    struct link loans; /* upstream_loan.on_conn, in the order they came */
    uint32_t n;
    bool idle;                                /* counted as such */
    struct upstream_loan *by_stream[BUCKETS]; /* numbers of streams go up by two */
};

static struct upstream_loan **bucket(struct upstream_mux *m, uint32_t stream) {
    return &m->by_stream[stream / 2 % BUCKETS];
}

static struct upstream_loan *find(struct upstream_mux *m, uint32_t stream) {
    struct upstream_loan *l = *bucket(m, stream);
    while (l && l->stream != stream) l = l->next;
    return l;
}

/* ---- what the codec says, to the loan of the stream ---- */

static struct upstream_loan *told(void *arg, uint32_t stream) {
    struct upstream_loan *l = find(((struct upstream_conn *)arg)->mux, stream);
    if (l) l->touched = true;
    return l;
}

static struct arena *on_begin(void *arg, uint32_t stream) {
    struct upstream_loan *l = told(arg, stream);
    return l ? l->events->sink->begin(l, stream) : NULL;
}

static void on_head(void *arg, uint32_t stream, struct http_msg *m, bool end) {
    struct upstream_loan *l = told(arg, stream);
    if (l) l->events->sink->head(l, stream, m, end);
}

static void on_body(void *arg, uint32_t stream, str bytes) {
    struct upstream_loan *l = told(arg, stream);
    struct codec *c = ((struct upstream_conn *)arg)->conn.codec;
    if (l)
        l->events->sink->body(l, stream, bytes);
    else
        c->ops->consume(c, stream, bytes.n);
}

static void on_end(void *arg, uint32_t stream, struct http_msg *trailers) {
    struct upstream_loan *l = told(arg, stream);
    if (l) l->events->sink->end(l, stream, trailers);
}

static void on_reset(void *arg, uint32_t stream, enum http_reason why) {
    struct upstream_loan *l = told(arg, stream);
    if (!l) return;
    struct upstream_conn *u = arg;
    u->lane->streams = h2_streams_max(u->conn.codec);
    upstream_end(l);
    l->why = (uint8_t)why;
    l->events->sink->reset(l, stream, why);
    mux_settle(u);
}

static const struct codec_sink sink = {
    .begin = on_begin, .head = on_head, .body = on_body, .end = on_end, .reset = on_reset};

/* ---- the connection ---- */

void mux_make(struct upstream_conn *u) {
    u->mux = base_zalloc(sizeof *u->mux);
    link_init(&u->mux->loans);
}

struct upstream_loan *mux_first(const struct upstream_mux *m) {
    return link_empty(&m->loans) ? NULL : container_of(m->loans.next, struct upstream_loan, on_conn);
}

bool mux_ready(const struct upstream_conn *u, const struct upstream_loan *l) {
    return !l->websocket || h2_websocket(u->conn.codec) == H2_WEBSOCKET_YES;
}

static bool waits(const struct upstream_mux *m) {
    list_each (struct upstream_loan, l, &m->loans, on_conn)
        if (l->state == UPSTREAM_WAITS) return true;
    return false;
}

/* The loans that wait, out of the way: an event may end its loan, and begin others here. */
static void set_aside(struct upstream_mux *m, struct link *aside) {
    link_init(aside);
    list_each (struct upstream_loan, l, &m->loans, on_conn) {
        if (l->state != UPSTREAM_WAITS) continue;
        link_remove(&l->on_conn);
        link_append(aside, &l->on_conn);
    }
}

static void open_loan(struct upstream_conn *u, struct upstream_loan *l) {
    link_append(&u->mux->loans, &l->on_conn);
    if (!mux_ready(u, l)) return;
    l->state = UPSTREAM_OPEN;
    l->events->opened(l);
}

/* There is no asking it by HTTP/1.1. */
static bool only_http2(const struct upstream_conn *u) { return u->only_h2 || u->lane->no_http1; }

static void refuse_loan(struct upstream_conn *u, struct upstream_loan *l, enum http_reason why,
                        const char *words) {
    link_append(&u->mux->loans, &l->on_conn);
    upstream_end(l);
    l->again = why == REASON_BACKEND_NO_UPGRADE && !only_http2(u);
    l->events->failed(l, why, words);
}

/* The first SETTINGS have come: those that ask for WebSocket begin, or go elsewhere. */
static void hear_settings(struct upstream_conn *u) {
    struct link waiting;
    enum h2_websocket can = h2_websocket(u->conn.codec);
    if (can == H2_WEBSOCKET_UNKNOWN) return;
    u->lane->websocket = (uint8_t)can;
    if (!waits(u->mux)) return;
    set_aside(u->mux, &waiting);
    conn_deadline(&u->conn, UINT64_MAX);
    for (struct link *l; (l = link_pop(&waiting));) {
        struct upstream_loan *one = container_of(l, struct upstream_loan, on_conn);
        if (can == H2_WEBSOCKET_YES)
            open_loan(u, one);
        else
            refuse_loan(u, one, REASON_BACKEND_NO_UPGRADE, "it speaks HTTP/2, and no WebSocket over it");
    }
}

void mux_late(struct upstream_conn *u) {
    struct link waiting;
    set_aside(u->mux, &waiting);
    for (struct link *l; (l = link_pop(&waiting));)
        refuse_loan(u, container_of(l, struct upstream_loan, on_conn), REASON_BACKEND_TIMEOUT,
                    "its SETTINGS did not come");
    mux_settle(u);
}

void mux_open(struct upstream_conn *u) {
    struct conn *c = &u->conn;
    u->h1 = c->codec;
    c->codec = h2_client(&sink, u, &u->set->config.codec, c->tls != NULL);
    c->gathers = true;
    struct link waiting;
    set_aside(u->mux, &waiting);
    for (struct link *l; (l = link_pop(&waiting));)
        open_loan(u, container_of(l, struct upstream_loan, on_conn));
    if (!waits(u->mux)) conn_deadline(c, UINT64_MAX);
    mux_settle(u);
}

void mux_free(struct upstream_conn *u) {
    if (!u->mux) return;
    assert(!u->mux->n && !u->mux->idle);
    free(u->mux);
    u->mux = NULL;
    if (!u->h1) return; /* it never was open */
    u->conn.codec->ops->free(u->conn.codec);
    u->conn.codec = u->h1;
    u->h1 = NULL;
}

bool mux_is_idle(const struct upstream_conn *u) { return u->mux->idle; }

/* Before a connection says how many streams it takes, it is taken to be as those before it. */
static bool has_room(const struct upstream_conn *u) {
    uint32_t most = u->lane->streams ? u->lane->streams : H2_STREAMS_MAX;
    if (u->lane->stale || u->set->draining || u->mux->n >= most) return false;
    if (u->conn.state == CONN_CONNECTING || u->conn.state == CONN_HANDSHAKING) return true;
    const struct codec *c = u->conn.codec;
    return u->conn.state == CONN_OPEN && !u->conn.peer_shut && !u->conn.read_over && !u->conn.write_over &&
           c->ops->reusable(c);
}

static void set_idle(struct upstream_conn *u, bool idle) {
    if (u->mux->idle == idle) return;
    u->mux->idle = idle;
    if (idle)
        u->set->counts.idle++;
    else
        u->set->counts.idle--;
}

/* A connection that takes no more ends with its last loan, be it made or not: nobody would close it later. */
void mux_settle(struct upstream_conn *u) {
    bool open = u->conn.state == CONN_OPEN, room = has_room(u);
    bool making = u->conn.state == CONN_CONNECTING || u->conn.state == CONN_HANDSHAKING;
    if (u->conn.state == CONN_CLOSED) return;
    if (!room && link_is_on(&u->place)) link_remove(&u->place);
    if (room && !link_is_on(&u->place)) link_append(u->client ? &u->lane->told : &u->lane->open, &u->place);
    if (room && u->set->waiting) queue_wake(u->set);
    if (u->mux->n || (!open && (room || !making))) return;
    if (!room || (u->conns_max && queue_crowds(u))) {
        dial_close(u);
        return;
    }
    bool was = u->mux->idle;
    set_idle(u, true);
    if (u->client && !was) told_idle(u);
    conn_deadline(&u->conn, u->set->common->loop->now_us + u->idle_us);
}

/* Nobody knows what one that is not open will say. Of HTTP/2 alone one that has said no is found, too, and not another opened. */
static bool may_tunnel(const struct upstream_conn *u) {
    return only_http2(u) || u->conn.state != CONN_OPEN || h2_websocket(u->conn.codec) != H2_WEBSOCKET_NO;
}

bool mux_may_take(const struct upstream_conn *u, bool websocket) {
    return has_room(u) && (!websocket || may_tunnel(u));
}

struct upstream_conn *mux_take(struct upstream_lane *lane, bool websocket) {
    list_each (struct upstream_conn, u, &lane->open, place) {
        if (mux_may_take(u, websocket)) return u;
        if (!has_room(u)) mux_settle(u);
    }
    return NULL;
}

void mux_closed(struct upstream_conn *u) {
    if (link_is_on(&u->place)) link_remove(&u->place);
    set_idle(u, false);
}

void mux_begin(struct upstream_conn *u, struct upstream_loan *l) {
    struct upstream_mux *m = u->mux;
    link_append(&m->loans, &l->on_conn);
    l->reused = m->idle || m->n;
    if (l->reused) u->set->counts.reused++;
    m->n++;
    if (!m->idle) return;
    set_idle(u, false);
    conn_deadline(&u->conn, UINT64_MAX);
}

void mux_end(struct upstream_conn *u, struct upstream_loan *l) {
    struct upstream_loan **at = bucket(u->mux, l->stream);
    while (*at && *at != l) at = &(*at)->next;
    if (*at) *at = l->next;
    l->next = NULL;
    link_remove(&l->on_conn);
    u->mux->n--;
}

/* ---- events ---- */

void mux_did_read(struct upstream_conn *u) {
    list_each (struct upstream_loan, l, &u->mux->loans, on_conn) {
        if (!l->touched) continue;
        l->touched = false;
        l->events->did_read(l);
    }
    u->lane->streams = h2_streams_max(u->conn.codec);
    hear_settings(u);
    mux_settle(u); /* the backend may want the end, or have said how many it takes */
}

void mux_wrote(struct upstream_conn *u) {
    list_each (struct upstream_loan, l, &u->mux->loans, on_conn) {
        if (!l->writes) continue;
        size_t pending = upstream_pending(l);
        bool others = pending && pending == l->waiting; /* it was not of this one what was written */
        l->waiting = pending;
        l->writes = pending > 0;
        if (!others) l->events->wrote(l);
    }
}

void mux_write_failed(struct upstream_conn *u) {
    list_each (struct upstream_loan, l, &u->mux->loans, on_conn) l->events->write_failed(l);
}

err mux_submit(struct upstream_loan *l, const struct http_msg *m, bool end) {
    struct upstream_conn *u = l->conn;
    struct codec *c = u->conn.codec;
    err e = c->ops->submit(c, &l->stream, m, end);
    l->writes = true;
    if (e != OK) {
        l->stream = 0;
        if (link_is_on(&u->place)) link_remove(&u->place);
        return e;
    }
    struct upstream_loan **at = bucket(u->mux, l->stream);
    l->next = *at;
    *at = l;
    return OK;
}

void mux_give_up(struct upstream_loan *l) {
    struct codec *c = l->conn->conn.codec;
    if (l->state != UPSTREAM_OPEN || !l->stream) return;
    c->ops->reset(c, l->stream, REASON_CLIENT_GONE);
    conn_want_flush(&l->conn->conn);
}
