/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/stats.h"
#include "http/access.h"

/* How long requests took, by route and by what became of them: what http_server_request_duration_seconds shows. A block of counters a route,
 * made with its first request; one writer, the worker; anybody reads. A block has a few cells for the combinations that come first, and one for
 * all others, so that neither a client's methods nor a backend's statuses make anything grow. */
enum {
    TALLY_CELLS = 12,
    TALLY_BUCKETS = 10,
};
/* Upper bounds in microseconds. */
extern const uint32_t tally_bounds_us[TALLY_BUCKETS];

struct tally_cell {
    stats_counter buckets[TALLY_BUCKETS + 1]; /* the last: above all bounds */
    stats_counter sum_us;
};
struct tally_block {
    _Atomic uint32_t epoch;             /* whose counters they are; 0 while that changes */
    _Atomic uint32_t keys[TALLY_CELLS]; /* tally_key(); 0: not in use, nor are those behind it */
    struct tally_cell cells[TALLY_CELLS + 1];
};
struct tally {
    uint32_t n;
    _Atomic(struct tally_block *) *blocks; /* by table_rule.tally; NULL until its first request */
};
void tally_init(struct tally *t, uint32_t n);
void tally_fini(struct tally *t);

/* What a request was and became, as far as labels tell. */
struct tally_labels {
    uint8_t method_id; /* enum http_method */
    bool tls;
    uint16_t status;
    enum http_reason reason; /* of failures; NONE otherwise */
};
uint32_t tally_key(const struct access_record *r);
struct tally_labels tally_labels(uint32_t key);

/* Numbers past the end count as those of other routes. */
void tally_count(struct tally *t, const struct access_record *r);

/* A block as it was at one moment. false: there is nothing of that epoch. */
struct tally_reading {
    uint32_t keys[TALLY_CELLS], keys_n;
    uint64_t counts[TALLY_CELLS + 1][TALLY_BUCKETS + 1], sums_us[TALLY_CELLS + 1];
};
bool tally_read(const struct tally *t, uint32_t slot, uint32_t epoch, struct tally_reading *ret);
