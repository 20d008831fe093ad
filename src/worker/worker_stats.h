/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/stats.h"
#include "http/http_reason.h"
#include "io/tls.h"
#include "proto/proxy_protocol.h"
#include "proxy/retry.h"

/* Counters of one worker: it alone writes, anybody reads. */
struct worker_stats {
    stats_counter connections_accepted, connections_open, pressure_closed;
    stats_counter connections_refused, connections_shed, pauses;
    stats_counter handshakes_full, handshakes_resumed, handshakes_failed[TLS_REASON_COUNT], handshakes_untold;
    stats_counter headers[2], headers_failed[PROXY_PROTOCOL_FAULT_COUNT];
    stats_counter requests, requests_open, tunnels_open, expressions_given_up;
    stats_counter responses_by_class[6]; /* [1]..[5] */
    stats_counter reasons[HTTP_REASON_COUNT];
    stats_counter bytes_in, bytes_out; /* of bodies */
    stats_counter upstream_connects, upstream_connect_failures, upstream_tls_failures, upstream_reused,
        upstream_idle, upstream_waited, upstream_waiting, upstream_open;
    stats_counter checks_good, checks_bad;
    stats_counter endpoints_put_out, endpoints_back, endpoint_trials, balancing_panics;
    stats_counter mirrors, mirrors_dropped, mirrors_failed;
    stats_counter spans, spans_sent, spans_dropped, exports, exports_failed;
    stats_counter retries, retries_stopped[RETRY_STOP_COUNT];
    stats_counter access_dropped;
    stats_counter turns, allocations_after_warmup;
    stats_counter tables_held; /* generations this worker has not let go of */
};
