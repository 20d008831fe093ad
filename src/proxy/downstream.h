/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "proxy/proxy_core.h"

/* A client's connection and the exchanges on it. */
struct downstream { /* owner: worker */
    struct conn conn;
    struct proxy *proxy;
    struct link all;       /* proxy.clients */
    struct link exchanges; /* exchange.on_client; HTTP/1 has one at most that is not over */
    struct ip peer;
    uint16_t peer_port;
    uint32_t port_slot;
    uint32_t listener_id;    /* TLS: chosen by the server name; 0: none */
    uint32_t refused_stream; /* the last that got no exchange */
    uint64_t idle_us,
        head_us; /* as the settings of its listener say, or of its port while that is not known */
    bool tls;
    bool asked; /* a request has begun on it */
    uint8_t peer_text_n;
    char peer_text[46]; /* X-Forwarded-For */
};
void downstream_accept(struct proxy *p, int fd, const struct ip *peer, uint16_t peer_port,
                       uint32_t port_slot);
/* A request for this listener has come: what its settings say of the connection holds from now on. */
void downstream_settle(struct downstream *d, const struct table_port *port, const struct table_listener *l);
/* An exchange on it is over: what comes next is read, or the connection ends. more: the client may still be sending its request. */
void downstream_next(struct downstream *d, bool more);
void downstream_drain(struct downstream *d);
/* Before pooled memory goes. */
void downstream_drop(void *item);
