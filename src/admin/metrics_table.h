/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "admin/metrics.h"

/* Every metric that is one number: a counter of the workers, summed, or one that control/ gives. Who has one more adds the counter and a row. The
 * histogram by route and the reasons are metrics.c's; docs/metrics.md is made from both. */
enum metrics_type { METRICS_COUNTER, METRICS_GAUGE };
enum metrics_source { METRICS_WORKERS, METRICS_GAUGES };
struct metrics_row {
    const char *name; /* a counter's ends with _total */
    enum metrics_type type;
    const char *help;   /* of the first row of a name, which follow each other; NULL for the others */
    const char *labels; /* result="full"; "" none */
    enum metrics_source source;
    size_t offset; /* of a stats_counter in worker_stats, a uint64_t in metrics_gauges */
};
const struct metrics_row *metrics_table_rows(size_t *ret_n);
