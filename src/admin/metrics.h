/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"
#include "table/census.h"
#include "worker/tally.h"
#include "worker/worker_stats.h"

/* What metrics tell besides the workers' counters; each is a row of metrics_table.c. */
struct metrics_gauges {
    uint64_t revision;       /* of the plan that every worker has adopted */
    uint64_t tables_alive;   /* generations that some worker has not let go of */
    uint64_t ready, workers; /* 0 or 1; threads */
    uint64_t start_s;        /* wall clock, when the process began */
    uint64_t deaths;         /* of serving processes by a signal, under this supervisor */
    uint64_t access_dropped; /* lines that the log's sink did not take (access_log.h) */
    uint64_t memory_resident, memory_limit, memory_pressure, memory_sheds; /* control/memory_watch.h */
    uint64_t findings;         /* breaches in manifests, as they stand now */
    uint64_t reloads;          /* passes that changed the table */
    uint64_t conditions_false; /* conditions of objects that say "not so", as they stand now */
    uint64_t routes_other;     /* that have no series of their own */
    uint64_t endpoints_in, endpoints_out;
    uint64_t status_written, status_conflicts, status_failures, status_waiting,
        events_dropped;            /* in a cluster */
    uint64_t names, names_failing; /* of XBackends */
};

/* The reader's side of all counters. It is bounded: of so many series at most (lines of the page) a part is for each metric that is always there,
 * a fifth of the rest for endpoints (metrics_endpoints.h), and what is left for requests by route. A route that has a number of its own (table_rule.tally) has its requests told apart by method and
 * status as long as there is room, and in one more line of all that there was no room for: what a route's series add up to is all of it.
 * Owner: the loop thread. */
struct metrics;
enum { METRICS_SERIES_USUAL = 1000, METRICS_SERIES_MIN = 300, METRICS_SERIES_MAX = 1000000 };
struct metrics *metrics_new(uint32_t series_max);
void metrics_free(struct metrics *m); /* NULL is fine */
/* How many routes can be counted apart. */
uint32_t metrics_routes_max(const struct metrics *m);
/* A number belongs to a route ("HTTPRoute/ns/name") from now on; route not given: to none. */
void metrics_name(struct metrics *m, uint32_t tally, uint32_t epoch, str route);

enum metrics_form {
    METRICS_PROMETHEUS,  /* text/plain; version=0.0.4 */
    METRICS_OPENMETRICS, /* application/openmetrics-text; version=1.0.0 */
};
/* By the Accept of whoever asks: OpenMetrics for those who want it at least as much.    [RFC 9110 12.5.1] */
enum metrics_form metrics_form_of(str accept);
str metrics_content_type(enum metrics_form f);

struct metrics_worker {
    const struct worker_stats *stats;
    const struct tally *tally;
    const struct census *census; /* NULL: it said nothing yet */
};
void metrics_print(struct metrics *m, struct buf *b, enum metrics_form form,
                   const struct metrics_worker *workers, size_t workers_n, const struct metrics_gauges *g);
