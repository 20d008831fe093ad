/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "proto/detect.h"
#include "proxy/proxy_core.h"
#include "upstream/told.h"

/* A client's connection and the exchanges on it. */
struct downstream { /* owner: worker */
    struct conn conn;
    struct codec *h1;     /* stays when the memory is reused; that of HTTP/2 goes with its connection */
    struct detect detect; /* until the first bytes told which it is */
    struct proxy *proxy;
    struct link all;       /* proxy.clients */
    struct link exchanges; /* exchange.on_client; HTTP/1 has one at most that is not over */
    struct ip peer;
    struct told_client told; /* for backends that want the PROXY protocol */
    uint16_t peer_port;
    uint32_t port_slot;
    uint32_t listener_id;            /* TLS: chosen by the server name; 0: none */
    char session[TLS_SESSION_BYTES]; /* of that listener, as it was then */
    uint32_t refused_stream;         /* the last that got no exchange */
    /* as the settings of its listener say, or of its port while that is not known */
    uint64_t idle_us, head_us, handshake_us;
    const struct table_settings *settled; /* those that were looked at; compared, not followed */
    uint64_t settled_by;                  /* of that generation */
    bool tls;
    bool counted;                              /* in the crowd, by its address */
    bool asked;                                /* a request has begun on it */
    bool ending;                               /* HTTP/2: the client was told that nothing more is to begin */
    uint32_t head_bytes, head_fields, streams; /* of a request, and of HTTP/2, as the settings say */
    uint8_t peer_text_n;
    char peer_text[IP_TEXT_BYTES]; /* X-Forwarded-For */
};
/* Who the client is, as far as the connection tells. */
void downstream_set_peer(struct downstream *d, const struct ip *peer, uint16_t port);
/* Counts it by that address. ERR_LIMIT: there are too many of it. */
err downstream_count(struct downstream *d, const struct table_port_settings *s);
/* It may send its first request, or begin its handshake: it has so long from now on. */
void downstream_begin(struct downstream *d);
void downstream_accept(struct proxy *p, int fd, const struct ip *peer, uint16_t peer_port,
                       uint32_t port_slot);
/* HTTP/2: exchanges run side by side, and each has its own share of everything. */
static inline bool downstream_is_shared(const struct downstream *d) { return d->conn.gathers; }
/* Bytes of an exchange's answer that wait to be written. */
static inline size_t downstream_pending(const struct downstream *d, uint32_t stream) {
    struct codec *c = d->conn.codec;
    return downstream_is_shared(d) ? c->ops->stream_pending(c, stream) : conn_pending(&d->conn);
}
/* HTTP/1: nothing more is read meanwhile. Elsewhere an exchange holds its stream by not consuming. */
static inline void downstream_hold(struct downstream *d, bool hold) {
    if (!downstream_is_shared(d)) d->conn.held = hold;
}
/* A request for this listener has come: what its settings say of the connection holds from now on. */
void downstream_settle(struct downstream *d, const struct table_port *port, const struct table_listener *l);
/* The client can not or shall not have the rest of an exchange that is over: its stream is reset, a connection of HTTP/1 closed. */
void downstream_cut(struct downstream *d, uint32_t stream, enum http_reason why);
/* An exchange on it is over: what comes next is read, or the connection ends. more: the client may still be sending its request. */
void downstream_next(struct downstream *d, bool more);
/* The settings of the listener that a request for this host came by, as they are now; NULL: it is gone. */
const struct table_settings *downstream_settings(const struct downstream *d, str host);
/* It ends by a reset: everything on it is over for this reason. */
void downstream_break(struct downstream *d, enum http_reason why);
void downstream_drain(struct downstream *d);
/* Before pooled memory goes. */
void downstream_drop(void *item);
