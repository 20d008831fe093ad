/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/core.h"
#include "schema/finding.h"

/* What a ConfigMap named by a parametersRef says, of a GatewayClass or of a Gateway's infrastructure: one schema for both. Its data has the keys
 * below, as in `timeouts.request: 30s`; docs/settings.md tells them to people.
 * X(ID, "key", served): not served: the key is known, and refused until the data plane does what it says. */
#define SETTINGS(X)                                                                                          \
    X(REQUEST, "timeouts.request", 1)                                                                        \
    X(BACKEND_REQUEST, "timeouts.backendRequest", 1)                                                         \
    X(CONNECT, "timeouts.connect", 1)                                                                        \
    X(IDLE, "timeouts.idle", 1)                                                                              \
    X(BACKEND_IDLE, "timeouts.backendIdle", 1)                                                               \
    X(UPGRADED_IDLE, "timeouts.upgradedIdle", 1)                                                             \
    X(HEAD, "timeouts.head", 1)                                                                              \
    X(HEAD_BYTES, "limits.headBytes", 1)                                                                     \
    X(BODY_BYTES, "limits.bodyBytes", 1)                                                                     \
    X(TRUSTED_PROXIES, "trustedProxies", 1)                                                                  \
    X(HANDSHAKE, "timeouts.handshake", 1)                                                                    \
    X(HEAD_FIELDS, "limits.headFields", 1)                                                                   \
    X(STREAMS, "limits.streams", 1)                                                                          \
    X(CLIENT_CONNECTIONS, "limits.clientConnections", 1)                                                     \
    X(LEAST_BYTES, "limits.leastBytesPerSecond", 1)                                                          \
    X(TRUSTED_HOPS, "trustedHops", 1)                                                                        \
    X(FORWARDED, "forwarded", 1)                                                                             \
    X(VIA, "via", 1)                                                                                         \
    X(REQUEST_ID, "requestId", 1)                                                                            \
    X(UPGRADES, "upgrades", 1)                                                                               \
    X(PROXY_PROTOCOL, "proxyProtocol", 1)                                                                    \
    X(PROXY_TRUSTED, "proxyProtocol.trusted", 1)                                                             \
    X(BALANCING, "balancing", 1)                                                                             \
    X(EJECTION_FAILURES, "ejection.failures", 1)                                                             \
    X(EJECTION_STATUSES, "ejection.statuses", 1)                                                             \
    X(EJECTION_TIME, "ejection.time", 1)                                                                     \
    X(EJECTION_TIME_MAX, "ejection.timeMax", 1)                                                              \
    X(EJECTION_SHARE, "ejection.share", 1)                                                                   \
    X(BACKEND_CONNECTIONS, "limits.backendConnections", 1)                                                   \
    X(BACKEND_WAITING, "limits.backendWaiting", 1)                                                           \
    X(BACKEND_WAIT, "timeouts.backendWait", 1)                                                               \
    X(CHECK_PROTOCOL, "check.protocol", 1)                                                                   \
    X(CHECK_PATH, "check.path", 1)                                                                           \
    X(CHECK_STATUS, "check.status", 1)                                                                       \
    X(CHECK_INTERVAL, "check.interval", 1)                                                                   \
    X(CHECK_TIMEOUT, "check.timeout", 1)                                                                     \
    X(CHECK_FAILURES, "check.failures", 1)                                                                   \
    X(CHECK_SUCCESSES, "check.successes", 1)                                                                 \
    X(SLOW_START, "slowStart", 1)                                                                            \
    X(ADDRESSES_SERVICE, "addresses.service", 1) /* in a cluster */                                          \
    X(ACCESS_LOG, "accessLog", 1)                                                                            \
    X(TRACING_COLLECTOR, "tracing.collector", 1)                                                             \
    X(TRACING_SAMPLING, "tracing.sampling", 1)                                                               \
    X(TRACING_PARENT, "tracing.parent", 1)                                                                   \
    X(TRACING_SERVICE, "tracing.serviceName", 1)                                                             \
    X(TRACING_HEADERS, "tracing.headers", 1)                                                                 \
    X(TRACING_ATTRIBUTES, "tracing.attributes", 1)                                                           \
    X(TRACING_BATCH_SPANS, "tracing.batchSpans", 1)                                                          \
    X(TRACING_BATCH_TIME, "tracing.batchTime", 1)
#define SETTINGS_ID(id, key, served) SETTINGS_##id,
enum settings_key { SETTINGS(SETTINGS_ID) SETTINGS_COUNT };
#undef SETTINGS_ID
/* Bits by enum settings_key: what this binary serves, and all of them (for goldens of what is to come). */
#define SETTINGS_BIT(id, key, served) | (uint64_t)(served) << SETTINGS_##id
#define SETTINGS_SERVED               (UINT64_C(0) SETTINGS(SETTINGS_BIT))
/* Of those, what there is to set in a cluster alone. */
#define SETTINGS_OF_CLUSTER (UINT64_C(1) << SETTINGS_ADDRESSES_SERVICE)
#define SETTINGS_ALL        ((UINT64_C(1) << SETTINGS_COUNT) - 1)

/* Which connections begin with a header of the PROXY protocol: none, all (and those from elsewhere than the trusted networks, where these are
 * given, are closed), those from the trusted networks. */
enum settings_proxy_protocol {
    SETTINGS_PROXY_UNSET,
    SETTINGS_PROXY_OFF,
    SETTINGS_PROXY_REQUIRED,
    SETTINGS_PROXY_FROM_TRUSTED
};
enum settings_forwarded { SETTINGS_FORWARDED_UNSET, SETTINGS_FORWARDED_OFF, SETTINGS_FORWARDED_ON };
/* X-Request-Id is made anew: never, for a request without one, unless a trusted proxy gave one, for each request. */
enum settings_request_id {
    SETTINGS_REQUEST_ID_UNSET,
    SETTINGS_REQUEST_ID_OFF,
    SETTINGS_REQUEST_ID_IF_ABSENT,
    SETTINGS_REQUEST_ID_FROM_TRUSTED,
    SETTINGS_REQUEST_ID_ALWAYS
};
enum settings_check { SETTINGS_CHECK_UNSET, SETTINGS_CHECK_OFF, SETTINGS_CHECK_TCP, SETTINGS_CHECK_HTTP };
enum settings_balancing { SETTINGS_BALANCING_UNSET, SETTINGS_LEAST_REQUESTS, SETTINGS_ROUND_ROBIN };
enum settings_parent { SETTINGS_PARENT_UNSET, SETTINGS_PARENT_FOLLOW, SETTINGS_PARENT_IGNORE };
enum { SETTINGS_SHARE_WHOLE = 100000000, SETTINGS_HEADERS_MAX = 16 };
/* What a Gateway's Service is; in the order of control's address types. */
enum settings_service {
    SETTINGS_SERVICE_UNSET,
    SETTINGS_LOAD_BALANCER,
    SETTINGS_NODE_PORT,
    SETTINGS_CLUSTER_IP,
    SETTINGS_HOST_PORT
};
struct settings { /* each "not set" when not given: the built-in default holds, or the class's */
    /* microseconds; request and backend_request: of rules that say nothing of their own; 0 = none. The others are bounds that must be:
     * never 0 */
    struct opt_int request, backend_request, connect, idle, backend_idle, upgraded_idle, head, handshake;
    struct opt_int head_bytes, body_bytes, head_fields, streams, client_connections;
    struct opt_int least_bytes; /* a second; 0 = no bound */
    struct opt_int ejection_failures, ejection_statuses, ejection_time, ejection_time_max, ejection_share;
    struct opt_int check_status, check_interval, check_timeout, check_failures, check_successes;
    struct opt_int slow_start, backend_connections, backend_waiting, backend_wait;
    LIST_OF(str) trusted_proxies; /* networks; ip_parse_net takes each */
    struct opt_int trusted_hops;
    LIST_OF(str) proxy_trusted; /* networks */
    LIST_OF(str) upgrades;      /* tokens of Upgrade */
    uint8_t check;              /* enum settings_check */
    str check_path;
    uint8_t proxy_protocol, balancing, service, request_id, forwarded;
    str via;        /* Off, On, or a pseudonym */
    str access_log; /* a format of http/access_format.h */
    /* A Service that spans are sent to, "NS/NAME:PORT"; a share as settings_share() reads it; a line "Name: value" for each header. */
    str tracing_collector, tracing_sampling, tracing_service, tracing_headers;
    uint8_t tracing_parent;          /* enum settings_parent */
    LIST_OF(str) tracing_attributes; /* "key=value" */
    struct opt_int tracing_batch_spans, tracing_batch_time;
};
extern const struct schema settings_schema;

/* Reads the ConfigMap; lists live in a, strings may be m's. served: SETTINGS_SERVED. ERR_PROTO with a finding for each thing that is wrong, its path
 * "data.KEY": the whole of it is refused then (InvalidParameters), and *ret is as it was. */
err settings_read(struct arena *a, const struct config_map *m, uint64_t served, struct settings *ret,
                  struct findings *f);
/* "5%", "0.01%": of SETTINGS_SHARE_WHOLE. ERR_PROTO: it is none. */
err settings_share(str s, int64_t *ret);
/* Takes the next header off the lines; false when there is none. Without a name: the line is none. */
bool settings_header(str *lines, str *ret_name, str *ret_value);
/* Key by key: what `above` (the Gateway's) does not say is as `below` (its class's) has it. Lists are shared. */
struct settings settings_over(const struct settings *below, const struct settings *above);
/* false: backend_request is longer than request, as when one is the class's and the other the Gateway's. */
bool settings_fit(const struct settings *s);
/* false: FROM_TRUSTED, and no network is given, here or below. */
bool settings_proxy_fits(const struct settings *s);
