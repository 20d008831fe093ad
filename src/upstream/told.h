/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "proto/proxy_protocol.h"
#include "upstream/upstream.h"

/* Backends that want the PROXY protocol: a connection to one tells of a client when it begins, so it carries that client's requests alone,
 * and ends with the client's own connection at the latest. What is nobody's (mirrors, checks, questions) is told as our own, and shared as
 * ever. */
enum { TOLD_IDLE_MAX = 4 }; /* of a client: the one that was used first ends for a fifth */
struct told_client {        /* owner: the client's connection */
    struct link conns;      /* upstream_conn.on_client */
    const struct conn *conn;
    struct ip peer, to; /* to: where the client connected; family 0: the socket is asked, once */
    uint16_t peer_port, to_port;
};
void told_init(struct told_client *k, const struct conn *conn);
/* The client's connection is over, and with it all that told of it; no request of it runs any more. */
void told_fini(struct told_client *k);
/* What a connection for this one says first. version 0: nothing. */
struct proxy_protocol told_header(const struct upstream_want *w, uint8_t version);
/* One that told the same and has room; NULL: none. */
struct upstream_conn *told_take(const struct upstream_want *w, const struct proxy_protocol *h,
                                const struct upstream_lane *lane);
/* It is idle from now on: too many are not kept. */
void told_idle(struct upstream_conn *u);
