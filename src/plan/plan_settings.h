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
/* What its Gateway's settings say; each "not set": as the proxy usually does. Times in microseconds. */
struct plan_settings {
    struct opt_int request_timeout, backend_timeout; /* of rules that say nothing of their own; 0 = none */
    struct opt_int connect_timeout, idle_timeout, backend_idle_timeout, upgraded_idle_timeout, head_timeout;
    struct opt_int head_bytes, body_bytes; /* of a request */
    LIST_OF(str) trusted_proxies;          /* networks whose word on the client counts */
    struct opt_int trusted_hops;           /* and how many proxies in a row */
    str access_log;                        /* what http/access_format.h reads; "" = as the process does it */
    uint8_t proxy_protocol;     /* enum plan_proxy_protocol: which connections begin with its header */
    LIST_OF(str) proxy_trusted; /* networks; REQUIRED: empty: all */
    bool forwarded;             /* Forwarded is told, and believed of those whose word counts */
    uint8_t request_id;         /* enum plan_request_id: when X-Request-Id is made anew */
    LIST_OF(str) upgrades; /* protocols besides WebSocket that requests may ask backends for, by Upgrade */
};
