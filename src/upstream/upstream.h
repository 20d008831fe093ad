/* SPDX-License-Identifier: Apache-2.0 */
/* Upstream: which endpoint of a backend takes the request, and a connection to it, pooled or new.
 * In:    a backend of a rule; the table's endpoints as they are now.     Out: a connection with a codec; its events, passed to the user.
 * Own:   the connections to backends, idle ones too; what this worker knows of each endpoint (outstanding, refusals). Door beside this
 *        one: balance.h (the choice).
 * Never: a choice of the backend (that is the rule's weights); a connection of one backend lent to another; a wait. */
#pragma once
#include "conn/conn.h"
#include "table/table.h"
#include "upstream/balance.h"

enum { UPSTREAM_IDLE_MAX = 1024 }; /* of an endpoint and worker */

struct upstream;
struct upstream_conn {
    struct conn
        conn; /* the first: a pooled item's first pointer is free to use, conn_open() sets all of it */
    struct upstream *set;
    struct balance_endpoint *endpoint;
    struct link idle;
    void *user; /* whom it is lent to; NULL: idle or ending */
    bool reused;
    uint64_t idle_us; /* how long it may be kept */
};

/* What the user is told; each concerns a lent connection. */
struct upstream_events {
    const struct codec_sink *sink; /* arg: the upstream_conn */
    void (*opened)(struct upstream_conn *u);
    /* No connection: refused, or timed_out. It is lent no more. */
    void (*failed)(struct upstream_conn *u, bool timed_out);
    void (*did_read)(struct upstream_conn *u);
    void (*wrote)(struct upstream_conn *u);
    void (*refused)(struct upstream_conn *u, err e, enum http_reason why); /* conn_ops.refused */
    void (*ended)(struct upstream_conn *u, bool cut);
    void (*write_failed)(struct upstream_conn *u);
};
struct upstream_counts {
    uint64_t connects, connect_failures, reused, idle;
};

struct upstream_config {
    const struct upstream_events *events;
    struct codec_limits codec;
    uint64_t connect_us, idle_us; /* how long connecting may take; a connection is kept idle */
    uint64_t seed;
};
struct upstream *upstream_new(struct conn_common *k, const struct upstream_config *c);
/* Every connection must be gone. */
void upstream_free(struct upstream *s);
/* Endpoints come from t from now on. Idle connections to endpoints that are gone are closed. */
void upstream_adopt(struct upstream *s, const struct table *t);
/* Lends a connection to an endpoint that is not among those tried. again: the rule may be of an older table than the endpoints.
 * fresh: no pooled one. It may still be connecting: opened() or failed() follows. ERR_ABSENT: the backend has no (further) endpoint.
 * ERR_IO: the system refused at once; the endpoint is among the tried now. */
err upstream_take(struct upstream *s, const struct table_backend *b, struct balance_tried *tried, bool again,
                  bool fresh, void *user, struct upstream_conn **ret);
/* A lent connection's own bounds instead of the usual ones; 0: those. */
void upstream_bound(struct upstream_conn *u, uint64_t connect_us, uint64_t idle_us);
/* The user is through with it: pooled when it can carry another request, else closed. */
void upstream_release(struct upstream_conn *u);
/* The user gives it up: closed. */
void upstream_drop(struct upstream_conn *u);
/* Closes what is idle, and pools nothing more. */
void upstream_drain(struct upstream *s);
const struct upstream_counts *upstream_counts(const struct upstream *s);
uint64_t upstream_misses(const struct upstream *s);
