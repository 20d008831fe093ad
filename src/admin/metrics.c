/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/metrics.h"

/* One counter or gauge that is a field of worker_stats, summed over the workers. */
struct metric {
    const char *name, *type, *help;
    const char
        *labels; /* "{kind=\"full\"}"; "" none. Rows of one name follow each other; help is in the first. */
    size_t offset;
};
static const struct metric rows[] = {
    {"postern_connections_accepted_total", "counter", "Connections accepted from clients.", "",
     offsetof(struct worker_stats, connections_accepted)},
    {"postern_connections_open", "gauge", "Client connections open now.", "",
     offsetof(struct worker_stats, connections_open)},
    {"postern_tls_handshakes_total", "counter", "TLS handshakes with clients.", "{result=\"full\"}",
     offsetof(struct worker_stats, handshakes_full)},
    {"postern_tls_handshakes_total", "counter", NULL, "{result=\"resumed\"}",
     offsetof(struct worker_stats, handshakes_resumed)},
    {"postern_tls_handshakes_total", "counter", NULL, "{result=\"failed\"}",
     offsetof(struct worker_stats, handshakes_failed)},
    {"postern_requests_total", "counter", "Requests whose head had arrived.", "",
     offsetof(struct worker_stats, requests)},
    {"postern_requests_open", "gauge", "Requests under way now.", "",
     offsetof(struct worker_stats, requests_open)},
    {"postern_responses_total", "counter", "Responses by status class.", "{class=\"1xx\"}",
     offsetof(struct worker_stats, responses_by_class[1])},
    {"postern_responses_total", "counter", NULL, "{class=\"2xx\"}",
     offsetof(struct worker_stats, responses_by_class[2])},
    {"postern_responses_total", "counter", NULL, "{class=\"3xx\"}",
     offsetof(struct worker_stats, responses_by_class[3])},
    {"postern_responses_total", "counter", NULL, "{class=\"4xx\"}",
     offsetof(struct worker_stats, responses_by_class[4])},
    {"postern_responses_total", "counter", NULL, "{class=\"5xx\"}",
     offsetof(struct worker_stats, responses_by_class[5])},
    {"postern_body_bytes_total", "counter", "Bytes of bodies, from and to clients.", "{direction=\"in\"}",
     offsetof(struct worker_stats, bytes_in)},
    {"postern_body_bytes_total", "counter", NULL, "{direction=\"out\"}",
     offsetof(struct worker_stats, bytes_out)},
    {"postern_upstream_connects_total", "counter", "Connections made to backends.", "",
     offsetof(struct worker_stats, upstream_connects)},
    {"postern_upstream_connect_failures_total", "counter", "Connections to backends that could not be made.",
     "", offsetof(struct worker_stats, upstream_connect_failures)},
    {"postern_expressions_given_up_total", "counter",
     "Searches by a route's regular expression that reached the bound of a request; they count as no match.",
     "", offsetof(struct worker_stats, expressions_given_up)},
    {"postern_upstream_reused_total", "counter", "Requests sent on a pooled connection.", "",
     offsetof(struct worker_stats, upstream_reused)},
    {"postern_upstream_idle", "gauge", "Pooled connections to backends that are idle now.", "",
     offsetof(struct worker_stats, upstream_idle)},
    {"postern_retries_total", "counter", "Attempts to send a request to a backend after its first.", "",
     offsetof(struct worker_stats, retries)},
    {"postern_retries_stopped_total", "counter",
     "Requests that were not tried again though their rule says so, and why.", "{why=\"attempts\"}",
     offsetof(struct worker_stats, retries_stopped[RETRY_STOP_ATTEMPTS])},
    {"postern_retries_stopped_total", "counter", NULL, "{why=\"method\"}",
     offsetof(struct worker_stats, retries_stopped[RETRY_STOP_METHOD])},
    {"postern_retries_stopped_total", "counter", NULL, "{why=\"body\"}",
     offsetof(struct worker_stats, retries_stopped[RETRY_STOP_BODY])},
    {"postern_retries_stopped_total", "counter", NULL, "{why=\"time\"}",
     offsetof(struct worker_stats, retries_stopped[RETRY_STOP_TIME])},
    {"postern_retries_stopped_total", "counter", NULL, "{why=\"budget\"}",
     offsetof(struct worker_stats, retries_stopped[RETRY_STOP_BUDGET])},
    {"postern_access_ring_dropped_total", "counter", "Access log lines that found their worker's ring full.",
     "", offsetof(struct worker_stats, access_dropped)},
    {"postern_worker_turns_total", "counter", "Turns of the workers' loops.", "",
     offsetof(struct worker_stats, turns)},
    {"postern_worker_allocations_total", "counter",
     "Allocations for kept-alive requests after warm-up; should stay 0.", "",
     offsetof(struct worker_stats, allocations_after_warmup)},
};

static uint64_t sum(const struct worker_stats *const *workers, size_t n, size_t offset) {
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) v += stats_get((const void *)((const char *)workers[i] + offset));
    return v;
}

static void head(struct buf *b, const char *name, const char *type, const char *help) {
    buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void gauge(struct buf *b, const char *name, const char *type, const char *help, uint64_t v) {
    head(b, name, type, help);
    buf_printf(b, "%s %llu\n", name, (unsigned long long)v);
}

/* Why requests ended, for those that this gateway answered itself or that broke: the backend's own answers are responses_total. */
static void print_reasons(struct buf *b, const struct worker_stats *const *workers, size_t n) {
    head(b, "postern_reasons_total", "counter", "Requests that a backend did not answer in full, by reason.");
    for (int i = REASON_NONE + 1; i < HTTP_REASON_COUNT; i++) {
        uint64_t v =
            sum(workers, n, offsetof(struct worker_stats, reasons) + sizeof(stats_counter) * (size_t)i);
        buf_printf(b, "postern_reasons_total{reason=\"" STR_FMT "\"} %llu\n",
                   STR_ARG(http_reason_name((enum http_reason)i)), (unsigned long long)v);
    }
}

/* Seconds from microseconds, exactly. */
static void add_seconds(struct buf *b, uint64_t us) {
    buf_printf(b, "%llu.%06llu", (unsigned long long)(us / 1000000), (unsigned long long)(us % 1000000));
}

static void print_latency(struct buf *b, const struct worker_stats *const *workers, size_t n) {
    const char *name = "postern_request_duration_seconds";
    head(b, name, "histogram", "From a request's head to the end of its response.");
    uint64_t so_far = 0;
    for (size_t k = 0; k <= WORKER_LATENCY_BUCKETS; k++) {
        so_far += sum(workers, n, offsetof(struct worker_stats, latency) + sizeof(stats_counter) * k);
        buf_printf(b, "%s_bucket{le=\"", name);
        if (k < WORKER_LATENCY_BUCKETS) {
            add_seconds(b, (uint64_t)16 << k);
        } else {
            buf_add(b, S("+Inf"));
        }
        buf_printf(b, "\"} %llu\n", (unsigned long long)so_far);
    }
    buf_printf(b, "%s_sum ", name);
    add_seconds(b, sum(workers, n, offsetof(struct worker_stats, latency_sum_us)));
    buf_printf(b, "\n%s_count %llu\n", name, (unsigned long long)so_far);
}

void metrics_print(struct buf *b, const struct worker_stats *const *workers, size_t workers_n,
                   const struct metrics_gauges *g) {
    head(b, "postern_build_info", "gauge", "The version of this program.");
    buf_printf(b, "postern_build_info{version=\"%s\"} 1\n", POSTERN_VERSION);
    gauge(b, "postern_start_time_seconds", "gauge", "When this process began, since 1970.",
          (uint64_t)g->start_s);
    gauge(b, "postern_ready", "gauge", "1 while every worker serves by the newest table.", g->ready);
    gauge(b, "postern_workers", "gauge", "Worker threads.", workers_n);
    gauge(b, "postern_config_revision", "gauge", "Revision of the plan that every worker has adopted.",
          g->revision);
    gauge(b, "postern_config_changes_total", "counter", "Changes of configuration that made a new table.",
          g->reloads);
    gauge(b, "postern_config_findings", "gauge", "Mistakes in manifests, as they stand now.", g->findings);
    gauge(b, "postern_conditions_false", "gauge", "Conditions of objects that say what is not so.",
          g->conditions_false);
    gauge(b, "postern_tables_alive", "gauge", "Generations of tables that a worker still uses.",
          g->tables_alive);
    gauge(b, "postern_access_log_dropped_total", "counter", "Access log lines that their sink did not take.",
          g->access_dropped);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct metric *m = &rows[i];
        if (m->help) head(b, m->name, m->type, m->help);
        buf_printf(b, "%s%s %llu\n", m->name, m->labels,
                   (unsigned long long)sum(workers, workers_n, m->offset));
    }
    print_reasons(b, workers, workers_n);
    print_latency(b, workers, workers_n);
}
