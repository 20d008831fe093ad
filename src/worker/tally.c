/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/tally.h"

#include "http/http_msg.h"
#include "table/table.h"

/* Of services that answer within milliseconds, and of the slow ones among them; few, for each is a series a cell. */
const uint32_t tally_bounds_us[TALLY_BUCKETS] = {1000,  2500,   5000,   10000,   25000,
                                                 50000, 100000, 250000, 1000000, 5000000};

static_assert(HTTP_REASON_COUNT <= 1 << 8 && HTTP_PATCH < 1 << 4, "labels fit in a key");

void tally_init(struct tally *t, uint32_t n) {
    t->n = n > TABLE_TALLY_FIRST ? n : TABLE_TALLY_FIRST;
    t->blocks = base_zalloc(t->n * sizeof *t->blocks);
}

void tally_fini(struct tally *t) {
    for (uint32_t i = 0; i < t->n; i++) free(atomic_load_explicit(&t->blocks[i], memory_order_relaxed));
    free((void *)t->blocks);
    *t = (struct tally){0};
}

/* A redirect is an answer, no failure. */
uint32_t tally_key(const struct access_record *r) {
    unsigned reason = r->reason == REASON_REDIRECT ? REASON_NONE : r->reason;
    return 1u << 31 | reason << 16 | (uint32_t)r->method_id << 12 | (uint32_t)r->tls << 11 |
           (r->status & 0x7ffu);
}

struct tally_labels tally_labels(uint32_t key) {
    return (struct tally_labels){.method_id = key >> 12 & 15,
                                 .tls = key >> 11 & 1,
                                 .status = key & 0x7ff,
                                 .reason = (enum http_reason)(key >> 16 & 255)};
}

static unsigned bucket_of(uint64_t us) {
    unsigned i = 0;
    while (i < TALLY_BUCKETS && us > tally_bounds_us[i]) i++;
    return i;
}

/* Another route has the number now; nobody counts for the one before any more. Who reads a counter that was set anew sees the 0 as well. */
static void begin(struct tally_block *b, uint32_t epoch) {
    atomic_store_explicit(&b->epoch, 0, memory_order_relaxed);
    for (unsigned i = 0; i < TALLY_CELLS; i++) atomic_store_explicit(&b->keys[i], 0, memory_order_release);
    for (unsigned i = 0; i <= TALLY_CELLS; i++) {
        for (unsigned k = 0; k <= TALLY_BUCKETS; k++)
            atomic_store_explicit(&b->cells[i].buckets[k].v, 0, memory_order_release);
        atomic_store_explicit(&b->cells[i].sum_us.v, 0, memory_order_release);
    }
    atomic_store_explicit(&b->epoch, epoch, memory_order_release);
}

static struct tally_block *block_of(struct tally *t, uint32_t slot, uint32_t epoch) {
    struct tally_block *b = atomic_load_explicit(&t->blocks[slot], memory_order_relaxed);
    if (!b) {
        b = base_zalloc(sizeof *b);
        atomic_store_explicit(&b->epoch, epoch, memory_order_relaxed);
        atomic_store_explicit(&t->blocks[slot], b, memory_order_release);
    } else if (atomic_load_explicit(&b->epoch, memory_order_relaxed) != epoch) {
        begin(b, epoch);
    }
    return b;
}

static struct tally_cell *cell_of(struct tally_block *b, uint32_t key) {
    for (unsigned i = 0; i < TALLY_CELLS; i++) {
        uint32_t have = atomic_load_explicit(&b->keys[i], memory_order_relaxed);
        if (have == key) return &b->cells[i];
        if (have) continue;
        atomic_store_explicit(&b->keys[i], key, memory_order_relaxed);
        return &b->cells[i];
    }
    return &b->cells[TALLY_CELLS];
}

/* The numbers of no route and of others have one epoch. */
void tally_count(struct tally *t, const struct access_record *r) {
    bool apart = r->tally >= TABLE_TALLY_FIRST && r->tally < t->n;
    uint32_t slot = apart ? r->tally : r->tally ? TABLE_TALLY_OTHER : TABLE_TALLY_NONE;
    struct tally_block *b = block_of(t, slot, apart ? r->tally_epoch : 1);
    struct tally_cell *c = cell_of(b, tally_key(r));
    /* an upgraded connection may last for weeks: what it took to get it counts */
    uint64_t us = r->status == 101 ? r->first_byte_us : r->total_us;
    stats_add(&c->buckets[bucket_of(us)], 1);
    stats_add(&c->sum_us, us);
}

static uint64_t read_counter(const stats_counter *c) {
    return atomic_load_explicit(&c->v, memory_order_acquire); /* before the epoch is looked at again */
}

bool tally_read(const struct tally *t, uint32_t slot, uint32_t epoch, struct tally_reading *ret) {
    const struct tally_block *b =
        slot < t->n ? atomic_load_explicit(&t->blocks[slot], memory_order_acquire) : NULL;
    if (!b || atomic_load_explicit(&b->epoch, memory_order_acquire) != epoch) return false;
    struct tally_reading r = {0};
    for (unsigned i = 0; i <= TALLY_CELLS; i++) {
        for (unsigned k = 0; k <= TALLY_BUCKETS; k++) r.counts[i][k] = read_counter(&b->cells[i].buckets[k]);
        r.sums_us[i] = read_counter(&b->cells[i].sum_us);
    }
    while (r.keys_n < TALLY_CELLS &&
           (r.keys[r.keys_n] = atomic_load_explicit(&b->keys[r.keys_n], memory_order_acquire)))
        r.keys_n++;
    if (atomic_load_explicit(&b->epoch, memory_order_relaxed) != epoch) return false;
    *ret = r;
    return true;
}
