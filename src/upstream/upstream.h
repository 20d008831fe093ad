/* SPDX-License-Identifier: Apache-2.0 */
/* Upstream: which endpoint of a backend takes a request, and a connection to it, pooled or new.
 * In:    what a user wants: a backend of a rule, its bounds.     Out: a loan: one request and its answer on a connection; the events
 *        of that stream and of the connection, told to the user.
 * Own:   the connections to backends, idle ones too; what this worker knows of each endpoint (outstanding, refusals). A loan is the
 *        user's memory, embedded in whatever it is that asks: an exchange, a mirror, a check. Doors beside this one: errand.h (requests of our own), balance.h (the
 *        choice), told.h (the PROXY protocol).
 * Never: a choice of the backend (that is the rule's weights); a connection of one backend lent to another; a wait. */
#pragma once
#include "conn/conn.h"
#include "proto/proxy_protocol.h"
#include "table/table.h"
#include "upstream/balance.h"

enum { UPSTREAM_IDLE_MAX = 1024 }; /* of an endpoint and worker, reached in one way */

struct upstream;
struct upstream_loan;
struct upstream_mux;
struct told_client;
struct upstream_conn {
    struct conn
        conn; /* the first: a pooled item's first pointer is free to use, conn_open() sets all of it */
    struct upstream *set;
    struct balance_endpoint *endpoint; /* held */
    struct upstream_lane *lane;
    struct link place;          /* of the lane's idle ones, or those with room */
    struct upstream_loan *loan; /* NULL: idle, ending, or it carries many */
    struct upstream_mux *mux;   /* their loans; NULL: it carries one */
    struct codec *h1;           /* waits until conn.codec is over, which is of HTTP/2; else NULL */
    bool only_h2;               /* the backend is to speak HTTP/2, and nothing else */
    bool used;                  /* by a loan before the one it has */
    uint64_t idle_us;           /* how long it may be kept */
    struct proxy_protocol told; /* what it said first; version 0: nothing */
    struct told_client *client; /* whom it told of, and serves alone; NULL: nobody */
    struct link on_client;      /* told_client.conns */
    uint32_t conns_max;         /* of the backend, by its last user; 0: any number */
};

/* What a user is told of its loan; container_of() leads to the user. An event may end its own loan, and begin others. */
struct upstream_events {
    /* The answer: arg is the upstream_loan. reset(): the loan is over. */
    const struct codec_sink *sink;
    /* It has waited long enough, the loan is over: upstream_take() with in_turn may be called. Of users that wait. */
    void (*turn)(struct upstream_loan *l);
    /* There is a connection: upstream_submit() may be called. */
    void (*opened)(struct upstream_loan *l);
    /* No connection: BACKEND_REFUSED, BACKEND_TLS, BACKEND_TIMEOUT or BACKEND_NO_UPGRADE; words are for people, borrowed. The loan is over, but for l->endpoint
     * during the call. */
    void (*failed)(struct upstream_loan *l, enum http_reason why, const char *words);
    /* What was read concerned it, and all that was in it has been told. */
    void (*did_read)(struct upstream_loan *l);
    void (*wrote)(struct upstream_loan *l); /* conn_ops.wrote */
    /* The backend breaks the protocol (conn_ops.refused); its side ended (conn_ops.ended), l->why: NONE, or BACKEND_TLS when it let us know
     * that it wants no such connection. The loan is over. */
    void (*refused)(struct upstream_loan *l, err e, enum http_reason why);
    void (*ended)(struct upstream_loan *l, bool cut);
    void (*write_failed)(struct upstream_loan *l); /* what it has said before the end is read still */
};

/* One request on a connection. All zero but for events: none. */
enum upstream_loan_state { UPSTREAM_NONE, UPSTREAM_QUEUED, UPSTREAM_WAITS, UPSTREAM_OPEN };
struct upstream_loan { /* owner: who embeds it */
    const struct upstream_events *events;
    struct upstream_conn *conn;              /* OPEN: never NULL */
    struct balance_endpoint *endpoint;       /* WAITS, OPEN, and during the event that ends it */
    const struct table_balancing *balancing; /* as it was wanted */
    struct link on_conn;                     /* upstream_mux.loans */
    struct upstream *set;                    /* QUEUED: its */
    struct balance_backend *queue;           /* QUEUED: whose, on_conn is in it; NULL: the backend is gone */
    struct upstream_loan *next;              /* in upstream_mux.by_stream */
    size_t waiting;                          /* on such a connection: bytes that waited when last looked at */
    bool touched, writes; /* on such a connection: something was read for it; something is to be written */
    uint32_t stream;      /* of the codec, once submitted; 0: not yet */
    uint8_t state;        /* enum upstream_loan_state */
    uint8_t why;          /* enum http_reason: why upstream_take() gave ERR_IO, or it ended */
    bool websocket;       /* upstream_want.websocket */
    bool again;           /* failed(): the same endpoint takes it in another way, if it is asked again */
    bool reused;          /* the connection has carried others before; stays when the loan is over */
    const char *words;    /* with ERR_IO: why, for people; static */
};
static inline bool upstream_lent(const struct upstream_loan *l) { return l->state != UPSTREAM_NONE; }

struct upstream_counts {
    uint64_t connects, connect_failures, tls_failures, reused, idle;
    uint64_t checks_good, checks_bad;
    uint64_t open;            /* connections, or being made */
    uint64_t waited, waiting; /* requests for a connection: so far, and now */
    struct balance_counts balance;
};

struct upstream_config {
    struct codec_limits codec;
    uint64_t connect_us, idle_us; /* how long connecting may take; a connection is kept idle */
    uint64_t seed;
    uint32_t workers; /* who share a backend's connections */
    struct tls_scratch *
        *scratch;            /* made with the first of those who need it; outlives the set, as trust does */
    struct tls_trust *trust; /* NULL: the system is trusted in nobody */
};
struct upstream *upstream_new(struct conn_common *k, const struct upstream_config *c);
/* Every connection must be gone. */
void upstream_free(struct upstream *s);
/* Endpoints come from t from now on. Idle connections to endpoints that are gone are closed. */
void upstream_adopt(struct upstream *s, const struct table *t);

struct upstream_want {
    const struct table_backend *backend;
    struct balance_tried *tried; /* endpoints that are not to be taken */
    bool again;                  /* the rule may be of an older table than the endpoints */
    bool fresh;                  /* no pooled connection */
    bool waits, in_turn; /* when the backend has as many connections as it may; it has waited already */
    bool http1;          /* one that carries this alone: what is asked may take it over */
    bool websocket;      /* the same, or one of HTTP/2 that takes WebSocket [RFC 8441] */
    const struct table_endpoint *preferred; /* of the backend; NULL: none */
    /* What backends that speak TLS are shown, unless they ask for their own; NULL: none. */
    const struct table_certificate *client;
    /* Whom backends are told of that want the PROXY protocol: his connection, and his address as far as trusted proxies tell. NULL: the
     * connection is our own. */
    struct told_client *teller;
    const struct ip *sender;
    uint64_t connect_us, idle_us;            /* instead of the usual bounds; 0: those */
    const struct table_balancing *balancing; /* outlives the loan; NULL: as usual */
};
/* A Gateway's settings go with its table; whoever goes by them past that holds this worker's copy. */
const struct table_balancing *policy_hold(struct upstream *s, const struct table_balancing *b);
void policy_release(struct upstream *s, const struct table_balancing *b); /* NULL is fine */
/* What its user made of the endpoint, for the endpoint's health: a final response's head came; or none, and the backend is to blame. To be
 * called while it is lent, or in the event that ends it. A connection that could not be made is counted already. */
void upstream_judge(struct upstream_loan *l, uint16_t status);
void upstream_failed(struct upstream_loan *l);
static inline void upstream_answered(struct upstream_loan *l, uint16_t status) {
    if (status >= 500 || !health_is_spotless(l->endpoint->vital)) upstream_judge(l, status);
}

/* Begins a loan, l->events set, to an endpoint that was not tried. OK: it is OPEN, or WAITS and opened() or failed() follows, or QUEUED and
 * turn() follows. ERR_LIMIT: the backend has as many connections as it may, and nobody is to wait. ERR_ABSENT:
 * the backend has no (further) endpoint. ERR_REFUSED: how it is to be reached is not valid. ERR_IO: no connection can be begun, l->why and
 * l->words say why; the endpoint is among the tried now. */
err upstream_take(struct upstream *s, const struct upstream_want *w, struct upstream_loan *l);
/* The user is through with it: the request and its answer are complete, and the connection carries others. */
void upstream_release(struct upstream_loan *l);
/* The user gives it up, whatever it has come to. Nothing happens when it is over. */
void upstream_drop(struct upstream_loan *l);
/* Whoever has these events goes on with it; it may be over. */
void upstream_hand_over(struct upstream_loan *l, const struct upstream_events *to);

/* Of connections that carry many: ERR_AGAIN or ERR_END: this one takes no more, nothing was sent, and another may. */
err mux_submit(struct upstream_loan *l, const struct http_msg *m, bool end);
/* An OPEN loan's codec_ops, on its stream. The request goes out with upstream_flush(), or when the event ends. */
static inline err upstream_submit(struct upstream_loan *l, const struct http_msg *m, bool end) {
    if (l->conn->mux) return mux_submit(l, m, end);
    struct codec *c = l->conn->conn.codec;
    return c->ops->submit(c, &l->stream, m, end);
}
static inline err upstream_submit_body(struct upstream_loan *l, str bytes, bool end) {
    struct codec *c = l->conn->conn.codec;
    l->writes = true;
    return c->ops->submit_body(c, l->stream, bytes, end);
}
static inline err upstream_submit_end(struct upstream_loan *l, const struct http_msg *trailers) {
    struct codec *c = l->conn->conn.codec;
    l->writes = true;
    return c->ops->submit_end(c, l->stream, trailers);
}
static inline void upstream_consume(struct upstream_loan *l, size_t bytes) {
    struct codec *c = l->conn->conn.codec;
    c->ops->consume(c, l->stream, bytes);
    if (l->conn->mux) conn_want_flush(&l->conn->conn); /* a window opens */
}
static inline void upstream_flush(struct upstream_loan *l) { conn_want_flush(&l->conn->conn); }
/* Bytes of the request that wait to be written. */
static inline size_t upstream_pending(const struct upstream_loan *l) {
    const struct codec *c = l->conn->conn.codec;
    return l->conn->mux ? c->ops->stream_pending(c, l->stream) : conn_pending(&l->conn->conn);
}
/* Does its connection carry others at the same time? */
static inline bool upstream_shared(const struct upstream_loan *l) { return l->conn && l->conn->mux; }
/* A reused connection: has the backend not closed it, as far as the kernel knows? */
static inline bool upstream_alive(const struct upstream_loan *l) {
    return l->conn->mux || conn_alive(&l->conn->conn);
}

/* Closes what is idle. */
void upstream_close_idle(struct upstream *s);
/* Closes what is idle, and pools nothing more. */
void upstream_drain(struct upstream *s);
void upstream_count(const struct upstream *s, struct upstream_counts *ret);
/* Some of what is known of the endpoints; true: that was all. */
bool upstream_census(const struct upstream *s, struct census *c);
/* Of its connections. */
struct pool *upstream_pool(struct upstream *s);
uint64_t upstream_misses(const struct upstream *s);
