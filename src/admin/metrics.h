/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"
#include "worker/worker_stats.h"

/* What metrics tell besides the workers' counters. */
struct metrics_gauges {
    uint64_t revision;     /* of the plan that every worker has adopted */
    uint64_t tables_alive; /* generations that some worker has not let go of */
    bool ready;
    int64_t start_s;           /* wall clock, when the process began */
    uint64_t access_dropped;   /* lines that the log's sink did not take (access_log.h) */
    uint64_t findings;         /* breaches in manifests, as they stand now */
    uint64_t reloads;          /* passes that changed the table */
    uint64_t conditions_false; /* conditions of objects that say "not so", as they stand now */
};
/* The exposition text of Prometheus, the workers' counters summed; names are postern_*. */
void metrics_print(struct buf *b, const struct worker_stats *const *workers, size_t workers_n,
                   const struct metrics_gauges *g);
