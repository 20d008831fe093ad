/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/metrics_table.h"

static const struct metrics_row rows[] = {
    {"postern_start_time_seconds", METRICS_GAUGE, "When this process began, since 1970.", "", METRICS_GAUGES,
     offsetof(struct metrics_gauges, start_s)},
    {"postern_ready", METRICS_GAUGE, "1 while every worker serves by the newest table.", "", METRICS_GAUGES,
     offsetof(struct metrics_gauges, ready)},
    {"postern_workers", METRICS_GAUGE, "Worker threads.", "", METRICS_GAUGES,
     offsetof(struct metrics_gauges, workers)},
    {"postern_config_revision", METRICS_GAUGE, "Revision of the plan that every worker has adopted.", "",
     METRICS_GAUGES, offsetof(struct metrics_gauges, revision)},
    {"postern_config_changes_total", METRICS_COUNTER, "Changes of configuration that made a new table.", "",
     METRICS_GAUGES, offsetof(struct metrics_gauges, reloads)},
    {"postern_config_findings", METRICS_GAUGE, "Mistakes in manifests, as they stand now.", "",
     METRICS_GAUGES, offsetof(struct metrics_gauges, findings)},
    {"postern_conditions_false", METRICS_GAUGE, "Conditions of objects that say what is not so.", "",
     METRICS_GAUGES, offsetof(struct metrics_gauges, conditions_false)},
    {"postern_tables_alive", METRICS_GAUGE, "Generations of tables that a worker still uses.", "",
     METRICS_GAUGES, offsetof(struct metrics_gauges, tables_alive)},
    {"postern_routes_other", METRICS_GAUGE,
     "Routes whose requests are counted together, as route other: --metrics-series may be raised.", "",
     METRICS_GAUGES, offsetof(struct metrics_gauges, routes_other)},
    {"postern_access_log_dropped_total", METRICS_COUNTER, "Access log lines that their sink did not take.",
     "", METRICS_GAUGES, offsetof(struct metrics_gauges, access_dropped)},
    {"postern_status_writes_total", METRICS_COUNTER, "Writes of statuses to the API server.",
     "result=\"written\"", METRICS_GAUGES, offsetof(struct metrics_gauges, status_written)},
    {"postern_status_writes_total", METRICS_COUNTER, NULL, "result=\"conflict\"", METRICS_GAUGES,
     offsetof(struct metrics_gauges, status_conflicts)},
    {"postern_status_writes_total", METRICS_COUNTER, NULL, "result=\"failed\"", METRICS_GAUGES,
     offsetof(struct metrics_gauges, status_failures)},
    {"postern_status_writes_waiting", METRICS_GAUGE, "Objects whose statuses are still to be written.", "",
     METRICS_GAUGES, offsetof(struct metrics_gauges, status_waiting)},
    {"postern_events_dropped_total", METRICS_COUNTER,
     "Kubernetes Events that were not written, for their rate.", "", METRICS_GAUGES,
     offsetof(struct metrics_gauges, events_dropped)},
    {"postern_dns_names", METRICS_GAUGE, "Hostnames of XBackends that are followed.", "", METRICS_GAUGES,
     offsetof(struct metrics_gauges, names)},
    {"postern_dns_names_failing", METRICS_GAUGE,
     "Of these, those for which DNS gives no answer now, or none with an address.", "", METRICS_GAUGES,
     offsetof(struct metrics_gauges, names_failing)},
    {"postern_connections_accepted_total", METRICS_COUNTER, "Connections accepted from clients.", "",
     METRICS_WORKERS, offsetof(struct worker_stats, connections_accepted)},
    {"postern_connections_open", METRICS_GAUGE, "Client connections open now.", "", METRICS_WORKERS,
     offsetof(struct worker_stats, connections_open)},
    {"postern_tls_handshakes_total", METRICS_COUNTER, "TLS handshakes with clients.", "result=\"full\"",
     METRICS_WORKERS, offsetof(struct worker_stats, handshakes_full)},
    {"postern_tls_handshakes_total", METRICS_COUNTER, NULL, "result=\"resumed\"", METRICS_WORKERS,
     offsetof(struct worker_stats, handshakes_resumed)},
#define FAILURE(id, name, words)                                                                             \
    {"postern_tls_handshake_failures_total",                                                                 \
     METRICS_COUNTER,                                                                                        \
     id == TLS_CLOSED ? "TLS handshakes with clients that failed, by reason (docs/tls.md)." : NULL,          \
     "reason=\"" name "\"",                                                                                  \
     METRICS_WORKERS,                                                                                        \
     offsetof(struct worker_stats, handshakes_failed) + sizeof(stats_counter) * id},
    TLS_REASONS(FAILURE)
#undef FAILURE
        {"postern_proxy_headers_total", METRICS_COUNTER, "Headers of the PROXY protocol from clients.",
         "version=\"1\"", METRICS_WORKERS, offsetof(struct worker_stats, headers)},
    {"postern_proxy_headers_total", METRICS_COUNTER, NULL, "version=\"2\"", METRICS_WORKERS,
     offsetof(struct worker_stats, headers) + sizeof(stats_counter)},
#define FAULT(id, name, words)                                                                               \
    {"postern_proxy_header_failures_total",                                                                  \
     METRICS_COUNTER,                                                                                        \
     PROXY_PROTOCOL_##id == PROXY_PROTOCOL_CLOSED                                                            \
         ? "Connections that ended for want of a good PROXY protocol header, by reason (docs/settings.md)."  \
         : NULL,                                                                                             \
     "reason=\"" name "\"",                                                                                  \
     METRICS_WORKERS,                                                                                        \
     offsetof(struct worker_stats, headers_failed) + sizeof(stats_counter) * PROXY_PROTOCOL_##id},
    PROXY_PROTOCOL_FAULTS(FAULT)
#undef FAULT
        {"postern_requests_total", METRICS_COUNTER, "Requests whose head had arrived.", "", METRICS_WORKERS,
         offsetof(struct worker_stats, requests)},
    {"postern_requests_open", METRICS_GAUGE, "Requests under way now.", "", METRICS_WORKERS,
     offsetof(struct worker_stats, requests_open)},
    {"postern_upgraded_connections_open", METRICS_GAUGE, "Upgraded connections, as of WebSocket, open now.",
     "", METRICS_WORKERS, offsetof(struct worker_stats, tunnels_open)},
    {"postern_responses_total", METRICS_COUNTER, "Responses by status class.", "class=\"1xx\"",
     METRICS_WORKERS, offsetof(struct worker_stats, responses_by_class[1])},
    {"postern_responses_total", METRICS_COUNTER, NULL, "class=\"2xx\"", METRICS_WORKERS,
     offsetof(struct worker_stats, responses_by_class[2])},
    {"postern_responses_total", METRICS_COUNTER, NULL, "class=\"3xx\"", METRICS_WORKERS,
     offsetof(struct worker_stats, responses_by_class[3])},
    {"postern_responses_total", METRICS_COUNTER, NULL, "class=\"4xx\"", METRICS_WORKERS,
     offsetof(struct worker_stats, responses_by_class[4])},
    {"postern_responses_total", METRICS_COUNTER, NULL, "class=\"5xx\"", METRICS_WORKERS,
     offsetof(struct worker_stats, responses_by_class[5])},
    {"postern_body_bytes_total", METRICS_COUNTER, "Bytes of bodies, from and to clients.", "direction=\"in\"",
     METRICS_WORKERS, offsetof(struct worker_stats, bytes_in)},
    {"postern_body_bytes_total", METRICS_COUNTER, NULL, "direction=\"out\"", METRICS_WORKERS,
     offsetof(struct worker_stats, bytes_out)},
    {"postern_upstream_connects_total", METRICS_COUNTER, "Connections made to backends.", "", METRICS_WORKERS,
     offsetof(struct worker_stats, upstream_connects)},
    {"postern_upstream_connect_failures_total", METRICS_COUNTER,
     "Connections to backends that could not be made.", "", METRICS_WORKERS,
     offsetof(struct worker_stats, upstream_connect_failures)},
    {"postern_expressions_given_up_total", METRICS_COUNTER,
     "Searches by a route's regular expression that reached the bound of a request; they count as no match.",
     "", METRICS_WORKERS, offsetof(struct worker_stats, expressions_given_up)},
    {"postern_upstream_tls_failures_total", METRICS_COUNTER,
     "Connections to backends whose TLS failed, or that the backend refused for it.", "", METRICS_WORKERS,
     offsetof(struct worker_stats, upstream_tls_failures)},
    {"postern_upstream_reused_total", METRICS_COUNTER, "Requests sent on a pooled connection.", "",
     METRICS_WORKERS, offsetof(struct worker_stats, upstream_reused)},
    {"postern_upstream_idle", METRICS_GAUGE, "Pooled connections to backends that are idle now.", "",
     METRICS_WORKERS, offsetof(struct worker_stats, upstream_idle)},
    {"postern_mirrors_total", METRICS_COUNTER, "Copies of requests begun, by RequestMirror filters.", "",
     METRICS_WORKERS, offsetof(struct worker_stats, mirrors)},
    {"postern_mirrors_lost_total", METRICS_COUNTER,
     "Copies not begun or cut at a bound of the gateway, and those cut by their backend or client.",
     "why=\"bound\"", METRICS_WORKERS, offsetof(struct worker_stats, mirrors_dropped)},
    {"postern_mirrors_lost_total", METRICS_COUNTER, NULL, "why=\"backend\"", METRICS_WORKERS,
     offsetof(struct worker_stats, mirrors_failed)},
    {"postern_retries_total", METRICS_COUNTER, "Attempts to send a request to a backend after its first.", "",
     METRICS_WORKERS, offsetof(struct worker_stats, retries)},
    {"postern_retries_stopped_total", METRICS_COUNTER,
     "Requests that were not tried again though their rule says so, and why.", "why=\"attempts\"",
     METRICS_WORKERS, offsetof(struct worker_stats, retries_stopped[RETRY_STOP_ATTEMPTS])},
    {"postern_retries_stopped_total", METRICS_COUNTER, NULL, "why=\"method\"", METRICS_WORKERS,
     offsetof(struct worker_stats, retries_stopped[RETRY_STOP_METHOD])},
    {"postern_retries_stopped_total", METRICS_COUNTER, NULL, "why=\"body\"", METRICS_WORKERS,
     offsetof(struct worker_stats, retries_stopped[RETRY_STOP_BODY])},
    {"postern_retries_stopped_total", METRICS_COUNTER, NULL, "why=\"time\"", METRICS_WORKERS,
     offsetof(struct worker_stats, retries_stopped[RETRY_STOP_TIME])},
    {"postern_retries_stopped_total", METRICS_COUNTER, NULL, "why=\"budget\"", METRICS_WORKERS,
     offsetof(struct worker_stats, retries_stopped[RETRY_STOP_BUDGET])},
    {"postern_access_ring_dropped_total", METRICS_COUNTER,
     "Access log lines that found their worker's ring full.", "", METRICS_WORKERS,
     offsetof(struct worker_stats, access_dropped)},
    {"postern_worker_turns_total", METRICS_COUNTER, "Turns of the workers' loops.", "", METRICS_WORKERS,
     offsetof(struct worker_stats, turns)},
    {"postern_worker_allocations_total", METRICS_COUNTER,
     "Allocations for kept-alive requests after warm-up; should stay 0.", "", METRICS_WORKERS,
     offsetof(struct worker_stats, allocations_after_warmup)},
};

const struct metrics_row *metrics_table_rows(size_t *ret_n) {
    *ret_n = COUNT_OF(rows);
    return rows;
}
