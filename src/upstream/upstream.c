/* SPDX-License-Identifier: Apache-2.0 */
#include "upstream/upstream.h"

#include "io/sock.h"
#include "proto/h1.h"

enum { CONNS_KEPT = 4096 };

struct upstream { /* owner: worker */
    struct conn_common *common;
    struct upstream_config config;
    struct balance balance;
    struct pool conns;
    struct upstream_counts counts;
    bool draining;
};

static struct upstream_conn *of(struct conn *c) { return container_of(c, struct upstream_conn, conn); }

static void leave_idle(struct upstream_conn *u) {
    if (!link_is_on(&u->idle)) return;
    link_remove(&u->idle);
    u->endpoint->idle_n--;
    u->set->counts.idle--;
    u->conn.idle = false;
}

/* ---- loans ---- */

static struct upstream_loan *first_loan(struct upstream_conn *u) {
    return container_of(u->loans.next, struct upstream_loan, on_conn);
}

/* What the codec says when nobody has asked: what still comes of an answer that was given up. */
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
static const struct codec_sink nobody = {
    .begin = no_begin, .head = no_head, .body = no_body, .end = no_end, .reset = no_reset};

/* The connection has one loan at a time, whose user hears the codec itself. */
static void begin_loan(struct upstream_conn *u, struct upstream_loan *l) {
    link_append(&u->loans, &l->on_conn);
    l->conn = u, l->endpoint = u->endpoint;
    l->state = u->conn.state == CONN_OPEN ? UPSTREAM_OPEN : UPSTREAM_WAITS;
    l->reused = u->used;
    u->endpoint->outstanding++;
    u->conn.codec->sink = l->events->sink;
    u->conn.codec->arg = l;
}

/* l->endpoint lasts as long as the connection, which is gone after the event. */
static void end_loan(struct upstream_loan *l) {
    struct upstream_conn *u = l->conn;
    link_remove(&l->on_conn);
    l->state = UPSTREAM_NONE;
    l->conn = NULL;
    u->endpoint->outstanding--;
    u->conn.codec->sink = &nobody;
    u->conn.codec->arg = u;
}

static void close_now(struct upstream_conn *u) {
    assert(link_empty(&u->loans));
    leave_idle(u);
    conn_close(&u->conn);
}

static void close_idle(void *arg, struct balance_endpoint *e) {
    (void)arg;
    list_each (struct upstream_conn, u, &e->idle, idle) close_now(u);
}

/* ---- events of the connection ---- */

static void on_opened(struct conn *c) {
    struct upstream_conn *u = of(c);
    balance_opened(u->endpoint);
    conn_deadline(c, UINT64_MAX);
    if (link_empty(&u->loans)) {
        close_now(u);
        return;
    }
    list_each (struct upstream_loan, l, &u->loans, on_conn) {
        l->state = UPSTREAM_OPEN;
        l->events->opened(l);
    }
}

static void refuse(struct upstream_conn *u, enum http_reason why, const char *words) {
    u->set->counts.connect_failures++;
    balance_refused(u->endpoint, u->set->common->loop->now_us);
    while (!link_empty(&u->loans)) {
        struct upstream_loan *l = first_loan(u);
        end_loan(l);
        l->events->failed(l, why, words);
    }
    close_now(u);
}

static void on_failed(struct conn *c, const char *why) { refuse(of(c), REASON_BACKEND_REFUSED, why); }

static void on_did_read(struct conn *c) {
    list_each (struct upstream_loan, l, &of(c)->loans, on_conn) l->events->did_read(l);
}

static void on_wrote(struct conn *c) {
    list_each (struct upstream_loan, l, &of(c)->loans, on_conn) l->events->wrote(l);
}

static void on_refused(struct conn *c, err e, enum http_reason why) {
    struct upstream_conn *u = of(c);
    while (!link_empty(&u->loans)) {
        struct upstream_loan *l = first_loan(u);
        end_loan(l);
        l->events->refused(l, e, why);
    }
    close_now(u);
}

static void on_ended(struct conn *c, bool cut) {
    struct upstream_conn *u = of(c);
    while (!link_empty(&u->loans)) {
        struct upstream_loan *l = first_loan(u);
        end_loan(l);
        l->events->ended(l, cut);
    }
    close_now(u);
}

static void on_closing(struct conn *c, bool dead) {
    (void)c, (void)dead; /* what it still has to say is read first */
}

static void on_write_failed(struct conn *c) {
    struct upstream_conn *u = of(c);
    if (link_empty(&u->loans)) {
        close_now(u);
        return;
    }
    c->readable = true; /* a response may have come before the end, and why it ended */
    conn_resume(c);
    list_each (struct upstream_loan, l, &u->loans, on_conn) l->events->write_failed(l);
}

static void on_deadline(struct conn *c, uint64_t now_us) {
    (void)now_us;
    if (c->state == CONN_CONNECTING)
        refuse(of(c), REASON_BACKEND_TIMEOUT, "connecting took too long");
    else
        close_now(of(c));
}

static void on_gone(struct conn *c) {
    struct upstream_conn *u = of(c);
    leave_idle(u);
    balance_release(u->endpoint);
    u->endpoint = NULL;
    pool_give(&u->set->conns, u);
}

static const struct conn_ops ops = {
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

/* ---- the set ---- */

static void drop_memory(void *item) {
    struct upstream_conn *u = item;
    conn_forget(&u->conn);
    if (u->conn.codec) u->conn.codec->ops->free(u->conn.codec);
}

struct upstream *upstream_new(struct conn_common *k, const struct upstream_config *c) {
    struct upstream *s = base_zalloc(sizeof *s);
    s->common = k, s->config = *c;
    balance_init(&s->balance, c->seed, close_idle, s);
    pool_init(&s->conns, sizeof(struct upstream_conn), CONNS_KEPT, drop_memory);
    return s;
}

void upstream_free(struct upstream *s) {
    if (!s) return;
    balance_fini(&s->balance);
    pool_fini(&s->conns);
    free(s);
}

void upstream_adopt(struct upstream *s, const struct table *t) { balance_adopt(&s->balance, t); }

static struct upstream_conn *take_idle(struct upstream *s, struct balance_endpoint *e) {
    if (link_empty(&e->idle)) return NULL;
    struct upstream_conn *u = container_of(e->idle.next, struct upstream_conn, idle);
    leave_idle(u);
    conn_deadline(&u->conn, UINT64_MAX);
    u->used = true;
    s->counts.reused++;
    return u;
}

/* ERR_IO: the system refused. */
static err dial(struct upstream *s, struct balance_endpoint *e, uint64_t connect_us,
                struct upstream_conn **ret) {
    int fd;
    s->counts.connects++;
    TRY(sock_connect(&e->at.ip, e->at.port, &fd));
    bool fresh;
    struct upstream_conn *u = pool_take(&s->conns, &fresh);
    struct codec *codec = u->conn.codec;
    if (conn_open(&u->conn, fresh, s->common, &ops, fd, CONN_CONNECTING, NULL) != OK) {
        pool_give(&s->conns, u);
        return ERR_IO;
    }
    u->set = s, u->used = false, u->idle = (struct link){0};
    link_init(&u->loans);
    u->endpoint = balance_hold(e);
    u->conn.bulk = true; /* responses; of a request, as much as one read gives is kept in a usual buffer */
    if (codec)
        h1_recycle(codec, &nobody, u);
    else
        u->conn.codec = h1_client(&nobody, u, &s->config.codec);
    conn_deadline(&u->conn, s->common->loop->now_us + connect_us);
    *ret = u;
    return OK;
}

err upstream_take(struct upstream *s, const struct upstream_want *w, struct upstream_loan *l) {
    assert(!upstream_lent(l));
    uint64_t now_us = s->common->loop->now_us;
    struct balance_tried *tried = w->tried;
    if (tried->n >= BALANCE_TRIES) return ERR_ABSENT;
    struct balance_endpoint *e = NULL;
    if (w->preferred) e = balance_find(&s->balance, w->backend, w->preferred, tried, w->again, now_us);
    if (!e) e = balance_pick(&s->balance, w->backend, tried, w->again, now_us);
    if (!e) return ERR_ABSENT;
    struct upstream_conn *u = w->fresh ? NULL : take_idle(s, e);
    if (!u && dial(s, e, w->connect_us ? w->connect_us : s->config.connect_us, &u) != OK) {
        s->counts.connect_failures++;
        balance_refused(e, now_us);
        balance_tried_add(tried, e);
        return ERR_IO;
    }
    u->idle_us = w->idle_us ? w->idle_us : s->config.idle_us;
    begin_loan(u, l);
    return OK;
}

void upstream_drop(struct upstream_loan *l) {
    if (!upstream_lent(l)) return;
    struct upstream_conn *u = l->conn;
    end_loan(l);
    close_now(u);
}

void upstream_release(struct upstream_loan *l) {
    struct upstream_conn *u = l->conn;
    struct upstream *s = u->set;
    end_loan(l);
    bool keep = conn_reusable(&u->conn) && !u->endpoint->gone && !s->draining &&
                u->endpoint->idle_n < UPSTREAM_IDLE_MAX;
    if (!keep) {
        close_now(u);
        return;
    }
    link_prepend(&u->endpoint->idle, &u->idle);
    u->endpoint->idle_n++;
    s->counts.idle++;
    u->conn.idle = true;
    conn_deadline(&u->conn, s->common->loop->now_us + u->idle_us);
    conn_resume(&u->conn); /* when something is left to read, nobody asked for it */
}

void upstream_drain(struct upstream *s) {
    s->draining = true;
    balance_each(&s->balance, close_idle, s);
}

const struct upstream_counts *upstream_counts(const struct upstream *s) { return &s->counts; }

uint64_t upstream_misses(const struct upstream *s) { return s->conns.misses; }
