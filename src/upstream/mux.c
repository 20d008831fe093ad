/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/h2.h"
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

void mux_open(struct upstream_conn *u) {
    struct conn *c = &u->conn;
    u->h1 = c->codec;
    c->codec = h2_client(&sink, u, &u->set->config.codec, c->tls != NULL);
    c->gathers = true;
    struct link waiting; /* an event may end its loan, and begin others here */
    link_init(&waiting);
    for (struct link *l; (l = link_pop(&u->mux->loans));) link_append(&waiting, l);
    for (struct link *l; (l = link_pop(&waiting));) {
        struct upstream_loan *one = container_of(l, struct upstream_loan, on_conn);
        link_append(&u->mux->loans, l);
        one->state = UPSTREAM_OPEN;
        one->events->opened(one);
    }
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

/* Before a connection says how many streams it takes, it is taken to be as those before it. */
static bool may_take(const struct upstream_conn *u) {
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

/* A connection that takes no more ends with its last loan. */
void mux_settle(struct upstream_conn *u) {
    bool open = u->conn.state == CONN_OPEN, room = may_take(u);
    if (u->conn.state == CONN_CLOSED) return;
    if (!room && link_is_on(&u->place)) link_remove(&u->place);
    if (room && !link_is_on(&u->place)) link_append(&u->lane->open, &u->place);
    if (u->mux->n || !open) return;
    if (!room) {
        dial_close(u);
        return;
    }
    set_idle(u, true);
    conn_deadline(&u->conn, u->set->common->loop->now_us + u->idle_us);
}

struct upstream_conn *mux_take(struct upstream_lane *lane) {
    list_each (struct upstream_conn, u, &lane->open, place) {
        if (may_take(u)) return u;
        mux_settle(u);
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
    mux_settle(u); /* the backend may want the end, or have said how many it takes */
}

void mux_wrote(struct upstream_conn *u) {
    list_each (struct upstream_loan, l, &u->mux->loans, on_conn) {
        if (!l->writes) continue;
        l->writes = upstream_pending(l) > 0;
        l->events->wrote(l);
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
