/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "io/tls_client.h"
#include "table/walk.h"
#include "upstream/upstream.h"

/* What the files of this folder share. upstream.c: the set and its loans; lane.c: which connections an endpoint has;
 * dial.c: one connection from its socket to its end; mux.c: what is different when it carries many loans. */
struct upstream { /* owner: worker */
    struct conn_common *common;
    struct upstream_config config;
    struct tls_client *tls; /* once a backend asks for it */
    struct balance balance;
    struct pool conns;
    struct upstream_counts counts;
    struct map policies;   /* struct policy, by content */
    struct link queues;    /* balance_backend.queued: those whose requests wait */
    struct link disbanded; /* upstream_loan.on_conn: wait for nothing any more, and are to be told */
    struct timer look;     /* whether some can be served */
    uint32_t waiting;
    struct link watches, probes, probes_over; /* probe.c's */
    uint32_t probes_n;
    struct timer scan; /* probe_scan.c's */
    struct walk scanned;
    bool draining;
};

enum { UPSTREAM_POLICIES_KEPT = 64 }; /* though nobody goes by them */

/* The connections to one endpoint that serve the same: reached in the same way, as the same client. Nearly always an endpoint has one. */
struct upstream_lane {
    struct upstream_lane *next; /* of the endpoint, the latest made first */
    uint64_t reach_id, client_id;
    struct link idle; /* upstream_conn.place, the latest first: one loan at a time, and none now */
    struct link open; /* upstream_conn.place: carry many, and have room */
    struct link told; /* upstream_conn.place: either, of one client each */
    uint32_t idle_n, conns_n;
    uint32_t streams;  /* that the backend takes at once on a connection, as it said last; 0: it never did */
    uint8_t websocket; /* enum h2_websocket, as the backend said last */
    bool no_http1;     /* asked by ALPN for HTTP/1.1 alone, it made no connection */
    bool stale;        /* the endpoint is reached otherwise now, or gone: nothing more is pooled */
    struct tls_session *session;
};

/* lane.c */
struct upstream_lane *lane_of(struct balance_endpoint *e, uint64_t client_id);
/* Takes an idle connection from where it is. */
void lane_take(struct upstream_conn *u);
/* An idle connection that is nobody's; NULL: none. */
struct upstream_conn *lane_take_idle(struct upstream_lane *lane);
/* false: it can not be kept. */
bool lane_give_idle(struct upstream_conn *u);
void lane_leave(struct upstream_conn *u);
void lane_close_idle(struct balance_endpoint *e);
/* The endpoint is gone, or reached otherwise: what was of before ends with its loans. */
void lane_close_stale(struct balance_endpoint *e);
void lane_end_unused(struct balance_endpoint *e, struct upstream_lane *lane);
void lane_free_all(struct balance_endpoint *e);

/* dial.c */
struct dial_way {
    const struct table_certificate *client; /* shown in TLS; NULL: none */
    bool http1;                             /* and no other version */
    struct proxy_protocol told;             /* said first; version 0: nothing */
    struct told_client *teller;             /* whom it told of; NULL: nobody */
};
/* Counted at the backend's gate already. ERR_IO: the system refused. ERR_PROTO: nobody can be asked who it is. */
err dial_open(struct upstream *s, struct balance_endpoint *e, struct upstream_lane *lane,
              const struct dial_way *way, struct upstream_conn **ret, const char **ret_words);
void dial_close(struct upstream_conn *u);
extern const struct codec_sink dial_nobody; /* arg: the upstream_conn */

/* mux.c */
/* The connection carries many, from before it is open or from then on. */
void mux_make(struct upstream_conn *u);
void mux_open(struct upstream_conn *u);
void mux_free(struct upstream_conn *u);
struct upstream_loan *mux_first(const struct upstream_mux *m);
bool mux_is_idle(const struct upstream_conn *u);
/* Has it room, and may it take WebSocket if that is wanted? */
bool mux_may_take(const struct upstream_conn *u, bool websocket);
/* One of nobody's that may; NULL: none. */
struct upstream_conn *mux_take(struct upstream_lane *lane, bool websocket);
/* May the loan begin on this connection, which is open? It waits while that is not known. */
bool mux_ready(const struct upstream_conn *u, const struct upstream_loan *l);
/* What its loans waited for did not come. */
void mux_late(struct upstream_conn *u);
void mux_begin(struct upstream_conn *u, struct upstream_loan *l);
void mux_end(struct upstream_conn *u, struct upstream_loan *l);
/* After a loan has ended, or what the backend takes may have changed. */
void mux_settle(struct upstream_conn *u);
void mux_closed(struct upstream_conn *u);
/* Cuts its stream. */
void mux_give_up(struct upstream_loan *l);
void mux_did_read(struct upstream_conn *u);
void mux_wrote(struct upstream_conn *u);
void mux_write_failed(struct upstream_conn *u);

/* Closes an idle connection, so that another may be made. false: there is none. */
bool lane_close_one(struct balance_endpoint *e);

/* queue.c */
/* OK: it waits. ERR_LIMIT: it may not, or too many do. */
err queue_join(struct upstream *s, const struct upstream_want *w, struct balance_backend *of,
               struct upstream_loan *l);
void queue_leave(struct upstream *s, struct upstream_loan *l);
/* All are told that it is their turn, when the turn is over. */
void queue_disband(struct upstream *s, struct balance_backend *of);
/* A connection may have become free. */
void queue_wake(struct upstream *s);
void queue_look(struct timer *t, uint64_t now_us);
/* Is it better to let the connection go than to keep it idle? */
bool queue_crowds(const struct upstream_conn *u);
/* No further connection may be made: one that any endpoint of the backend has for the request. NULL: none; an idle one that does not do is closed. */
struct upstream_conn *queue_any_ready(const struct upstream_want *w, struct balance_backend *of);

/* probe.c */
/* Requests come that want the backend's endpoints checked. by: this worker's copy. */
void probe_want(struct upstream *s, struct balance_backend *b, const struct table_balancing *by);
void probe_end(struct balance_backend *b);
void probe_end_all(struct upstream *s);

/* probe_scan.c */
void probe_scan_init(struct upstream *s);
/* The set has adopted it; NULL: none. */
void probe_scan_adopt(struct upstream *s, const struct table *t);

/* policy.c */
void policy_free_all(struct upstream *s);

/* upstream.c */
/* A connection that is there already; NULL: none. */
struct upstream_conn *upstream_take_pooled(const struct upstream_want *w, const struct balance_endpoint *e,
                                           struct upstream_lane *lane);
/* A loan on a connection of its own, as nobody in particular, whatever limits say. */
err upstream_take_fresh(struct upstream *s, struct balance_endpoint *e, uint64_t connect_us,
                        const struct table_balancing *by, struct upstream_loan *l);
/* Who we are to the endpoint; NULL: nobody. */
const struct table_certificate *upstream_client_of(const struct upstream_want *w,
                                                   const struct balance_endpoint *e);
void upstream_end(struct upstream_loan *l);
