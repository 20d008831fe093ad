/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/ip.h"

/* When a request gets an X-Request-Id of ours: never, when it has none, unless a trusted proxy gave it one, always. */
enum table_request_id {
    TABLE_REQUEST_ID_OFF,
    TABLE_REQUEST_ID_IF_ABSENT,
    TABLE_REQUEST_ID_FROM_TRUSTED,
    TABLE_REQUEST_ID_ALWAYS
};
/* Which connections begin with a header of the PROXY protocol: none; all, and peers outside of the networks, where there are some, are refused;
 * those of peers in the networks. */
enum table_proxy { TABLE_PROXY_OFF, TABLE_PROXY_REQUIRED, TABLE_PROXY_FROM_TRUSTED };
struct table_balancing;
/* What a Gateway's settings say for a listener. */
struct table_settings {
    uint64_t request_timeout_us, backend_timeout_us; /* of rules that leave them unset; 0 = none */
    /* 0: as the proxy usually does */
    uint64_t connect_us, idle_us, backend_idle_us, upgraded_idle_us, head_us, handshake_us, body_bytes;
    uint32_t head_bytes, head_fields, streams, client_connections; /* the same */
    uint32_t least_bytes;                                          /* a second, when it is set; 0: no bound */
    bool least_bytes_set;
    uint32_t
        trusted_hops; /* proxies in a row before us whose word counts; 0: as many as are among `trusted` */
    uint32_t trusted_n;
    const struct ip_net *trusted; /* none: whoever is within trusted_hops */
    uint8_t access_form;          /* enum access_form */
    uint8_t proxy_protocol;       /* enum table_proxy, for its port */
    uint32_t proxy_trusted_n;
    const struct ip_net *proxy_trusted;
    bool forwarded;     /* Forwarded is told beside X-Forwarded-*, and believed with it */
    str via;            /* the name that Via gets; "" = none is added */
    bool via_own;       /* a request with it in its Via has come back: nobody else is named so */
    bool tells_more;    /* forwarded, or via */
    bool looks_first;   /* request_id, or via */
    uint8_t request_id; /* enum table_request_id */
    str access_program; /* ACCESS_OWN */
    const struct table_balancing *balancing; /* NULL: as usual */
    uint32_t upgrades_n;
    const str *upgrades; /* protocols besides WebSocket that a request may ask its backend for */
};
/* What holds on a connection before its listener is known: the most that one of the port's listeners gives. usual_*: one of them leaves it to
 * the proxy; 0: all do. */
struct table_port_settings {
    uint64_t idle_us, head_us, handshake_us;
    uint32_t head_bytes, head_fields, streams, client_connections;
    bool usual_idle, usual_head, usual_handshake, usual_bytes, usual_fields, usual_streams, usual_clients;
    uint8_t proxy_protocol; /* enum table_proxy: of all of them, as resolve/ sees to it */
    uint32_t proxy_trusted_n;
    const struct ip_net *proxy_trusted;
};
