/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "schema/schema.h"

enum plan_request_id {
    PLAN_REQUEST_ID_UNSET,
    PLAN_REQUEST_ID_IF_ABSENT,
    PLAN_REQUEST_ID_FROM_TRUSTED,
    PLAN_REQUEST_ID_ALWAYS
};
enum plan_proxy_protocol { PLAN_PROXY_UNSET, PLAN_PROXY_REQUIRED, PLAN_PROXY_FROM_TRUSTED };
enum plan_check { PLAN_CHECK_UNSET, PLAN_CHECK_OFF, PLAN_CHECK_TCP, PLAN_CHECK_HTTP };
enum plan_order { PLAN_ORDER_UNSET, PLAN_LEAST_REQUESTS, PLAN_ROUND_ROBIN };
/* How a Gateway wants its requests spread over a backend's endpoints; each "not set": as the proxy usually does. Times in microseconds. */
struct plan_balancing {
    struct opt_int failures, statuses; /* in a row put an endpoint out; 0 = never */
    struct opt_int out, out_max;       /* how long at first, and at most */
    struct opt_int share;              /* percent of the endpoints that may be out at once */
    struct opt_int conns, waiting;     /* most connections of a backend; most requests that wait for one */
    struct opt_int wait;               /* how long */
    struct opt_int slow_start;         /* how long the share of one that came grows */
    uint8_t check;                     /* enum plan_check: of endpoints that routes name */
    str check_path;                    /* HTTP; "" = "/" */
    struct opt_int check_status;       /* HTTP; not set: 200 to 399 */
    struct opt_int check_interval, check_timeout, check_failures, check_successes;
    uint8_t order; /* enum plan_order */
};
/* What its Gateway's settings say; each "not set": as the proxy usually does. Times in microseconds. */
struct plan_settings {
    struct opt_int request_timeout, backend_timeout; /* of rules that say nothing of their own; 0 = none */
    struct opt_int connect_timeout, idle_timeout, backend_idle_timeout, upgraded_idle_timeout, head_timeout,
        handshake_timeout;
    struct opt_int head_bytes, head_fields, body_bytes; /* of a request */
    struct opt_int streams;                             /* of a connection of HTTP/2 */
    struct opt_int client_connections;                  /* of one client's address */
    struct opt_int least_bytes;                         /* a second, of bodies; 0 = no bound */
    LIST_OF(str) trusted_proxies;                       /* networks whose word on the client counts */
    struct opt_int trusted_hops;                        /* and how many proxies in a row */
    str access_log;                   /* what http/access_format.h reads; "" = as the process does it */
    uint8_t proxy_protocol;           /* enum plan_proxy_protocol: which connections begin with its header */
    LIST_OF(str) proxy_trusted;       /* networks; REQUIRED: empty: all */
    bool forwarded;                   /* Forwarded is told, and believed of those whose word counts */
    str via;                          /* the name that Via gets; "" = none is added */
    bool via_own;                     /* nobody else's: a request with it in its Via has come back */
    uint8_t request_id;               /* enum plan_request_id: when X-Request-Id is made anew */
    struct plan_balancing *balancing; /* NULL: as usual */
    LIST_OF(str) upgrades; /* protocols besides WebSocket that requests may ask backends for, by Upgrade */
};
