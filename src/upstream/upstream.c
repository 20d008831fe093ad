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

/* It is lent no more. */
static void end_loan(struct upstream_conn *u) {
    if (u->user) u->endpoint->outstanding--;
    u->user = NULL;
}

static void close_now(struct upstream_conn *u) {
    leave_idle(u);
    end_loan(u);
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
    if (u->user)
        u->set->config.events->opened(u);
    else
        close_now(u);
}

static void refuse(struct upstream_conn *u, bool timed_out) {
    u->set->counts.connect_failures++;
    balance_refused(u->endpoint, u->set->common->loop->now_us);
    if (u->user) u->set->config.events->failed(u, timed_out);
    close_now(u);
}

static void on_failed(struct conn *c, const char *why) {
    (void)why;
    refuse(of(c), false);
}

static void on_did_read(struct conn *c) {
    if (of(c)->user) of(c)->set->config.events->did_read(of(c));
}

static void on_wrote(struct conn *c) {
    if (of(c)->user) of(c)->set->config.events->wrote(of(c));
}

static void on_refused(struct conn *c, err e, enum http_reason why) {
    if (of(c)->user) of(c)->set->config.events->refused(of(c), e, why);
    close_now(of(c));
}

static void on_ended(struct conn *c, bool cut) {
    if (of(c)->user) of(c)->set->config.events->ended(of(c), cut);
    close_now(of(c));
}

static void on_closing(struct conn *c, bool dead) {
    (void)c, (void)dead; /* what it still has to say is read first */
}

static void on_write_failed(struct conn *c) {
    if (!of(c)->user) {
        close_now(of(c));
        return;
    }
    c->readable = true; /* a response may have come before the end, and why it ended */
    conn_resume(c);
    of(c)->set->config.events->write_failed(of(c));
}

static void on_deadline(struct conn *c, uint64_t now_us) {
    (void)now_us;
    if (c->state == CONN_CONNECTING)
        refuse(of(c), true);
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

static void lend(struct upstream_conn *u, void *user) {
    u->user = user;
    u->idle_us = u->set->config.idle_us;
    u->endpoint->outstanding++;
}

void upstream_bound(struct upstream_conn *u, uint64_t connect_us, uint64_t idle_us) {
    if (idle_us) u->idle_us = idle_us;
    if (connect_us && u->conn.state == CONN_CONNECTING)
        conn_deadline(&u->conn, u->set->common->loop->now_us + connect_us);
}

static struct upstream_conn *take_idle(struct upstream *s, struct balance_endpoint *e) {
    if (link_empty(&e->idle)) return NULL;
    struct upstream_conn *u = container_of(e->idle.next, struct upstream_conn, idle);
    leave_idle(u);
    conn_deadline(&u->conn, UINT64_MAX);
    u->reused = true;
    s->counts.reused++;
    return u;
}

/* ERR_IO: the system refused. */
static err dial(struct upstream *s, struct balance_endpoint *e, struct upstream_conn **ret) {
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
    u->set = s, u->user = NULL, u->reused = false, u->idle = (struct link){0};
    u->endpoint = balance_hold(e);
    u->conn.bulk = true; /* responses; of a request, as much as one read gives is kept in a usual buffer */
    if (codec)
        h1_recycle(codec, s->config.events->sink, u);
    else
        u->conn.codec = h1_client(s->config.events->sink, u, &s->config.codec);
    conn_deadline(&u->conn, s->common->loop->now_us + s->config.connect_us);
    *ret = u;
    return OK;
}

err upstream_take(struct upstream *s, const struct table_backend *b, struct balance_tried *tried, bool again,
                  bool fresh, void *user, struct upstream_conn **ret) {
    uint64_t now_us = s->common->loop->now_us;
    struct balance_endpoint *e =
        tried->n < BALANCE_TRIES ? balance_pick(&s->balance, b, tried, again, now_us) : NULL;
    if (!e) return ERR_ABSENT;
    struct upstream_conn *u = fresh ? NULL : take_idle(s, e);
    if (!u && dial(s, e, &u) != OK) {
        s->counts.connect_failures++;
        balance_refused(e, now_us);
        balance_tried_add(tried, e);
        return ERR_IO;
    }
    lend(u, user);
    *ret = u;
    return OK;
}

void upstream_drop(struct upstream_conn *u) { close_now(u); }

void upstream_release(struct upstream_conn *u) {
    struct upstream *s = u->set;
    end_loan(u);
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
