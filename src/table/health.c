/* SPDX-License-Identifier: Apache-2.0 */
#include "table/health.h"

#include "base/num.h"

enum { HALF = 0xffff, DOUBLINGS_MAX = 32 };

const struct table_balancing health_usual = {
    .failures = 5,
    .statuses = 0, /* what an application answers to one client says nothing of others */
    .share_percent = 80,
    .waiting_max = 1024,
    .wait_us = 5000000,
    .probe_failures = 3,
    .probe_successes = 2,
    .probe_interval_us = 10000000,
    .probe_timeout_us = 2000000,
    .probe_path = "/",
    .out_us = 1000000,
    .out_us_max = 30000000,
};

static uint64_t load(const _Atomic uint64_t *v) { return atomic_load_explicit(v, memory_order_relaxed); }

/* Whoever changes the word first has decided; what others saw of it is over. */
static bool change(struct health *h, uint64_t before, uint64_t after) {
    return atomic_compare_exchange_strong_explicit(&h->out_us, &before, after, memory_order_relaxed,
                                                   memory_order_relaxed);
}

static void tell(const struct health *h, uint32_t change) {
    if (h->among) atomic_fetch_add_explicit(&h->among->out, change, memory_order_relaxed);
}

void health_end(struct health *h) {
    if (load(&h->out_us)) tell(h, UINT32_MAX);
}

bool health_try(struct health *h, uint64_t now_us) {
    uint64_t out = load(&h->out_us);
    return out && out <= now_us && change(h, out, (now_us + HEALTH_TRIAL_US) | 1);
}

uint32_t health_share(const struct health *h, uint64_t slow_start_us, uint64_t now_us) {
    uint64_t since = load(&h->since_us), age = now_us - since;
    if (!since || now_us < since || age >= slow_start_us) return HEALTH_SHARE_FULL;
    uint64_t share = (uint64_t)((__uint128_t)age * HEALTH_SHARE_FULL / slow_start_us);
    return share < HEALTH_SHARE_LEAST ? HEALTH_SHARE_LEAST : (uint32_t)share;
}

void health_seen(struct health *h, uint64_t now_us) {
    uint64_t unknown = 0;
    atomic_compare_exchange_strong_explicit(&h->since_us, &unknown, now_us, memory_order_relaxed,
                                            memory_order_relaxed);
}

static struct health_why why_of(const struct health *h, enum health_cause cause, uint32_t times) {
    uint32_t last = atomic_load_explicit(&h->last, memory_order_relaxed);
    return (struct health_why){(uint8_t)cause, (uint8_t)last, (uint16_t)(last >> 16), times};
}

static void keep_why(struct health *h, struct health_why why) {
    uint64_t word;
    static_assert(sizeof word == sizeof why, "one word, so that what is read is of one time");
    memcpy(&word, &why, sizeof word);
    atomic_store_explicit(&h->why, word, memory_order_relaxed);
}

static bool put_out(struct health *h, const struct table_balancing *b, struct health_why why,
                    uint64_t now_us) {
    uint64_t out = load(&h->out_us);
    if (out > now_us && !(out & 1)) return false; /* requests that began before */
    uint8_t times = atomic_load_explicit(&h->times, memory_order_relaxed);
    if (!out && now_us - load(&h->since_us) > b->out_us_max) times = 0;
    uint64_t us = b->out_us > b->out_us_max >> times ? b->out_us_max : b->out_us << times;
    if (!change(h, out, (now_us + us) & ~UINT64_C(1))) return false;
    keep_why(h, why);
    atomic_store_explicit(&h->times, (uint8_t)(times + (times < DOUBLINGS_MAX)), memory_order_relaxed);
    if (!out) tell(h, 1);
    return true;
}

/* Adds one to the halves told, which stop at their end. Gives both as they are now. */
static uint32_t count(struct health *h, bool failure) {
    uint32_t old = atomic_load_explicit(&h->faults, memory_order_relaxed), now;
    do {
        uint32_t failures = old & HALF, statuses = old >> 16;
        failures = failure ? failures + (failures < HALF) : 0;
        statuses += statuses < HALF;
        now = statuses << 16 | failures;
    } while (!atomic_compare_exchange_weak_explicit(&h->faults, &old, now, memory_order_relaxed,
                                                    memory_order_relaxed));
    return now;
}

bool health_fault(struct health *h, const struct table_balancing *b, enum health_fault f, uint64_t now_us) {
    if (!b->failures && !b->statuses) return false;
    uint32_t faults = count(h, f != HEALTH_STATUS);
    bool by_failures = b->failures && f != HEALTH_STATUS;
    bool trial = load(&h->out_us) & 1;
    bool bad = (b->failures && (f == HEALTH_UNREACHABLE || (faults & HALF) >= b->failures)) ||
               (b->statuses && faults >> 16 >= b->statuses) || (trial && (by_failures || b->statuses));
    if (!bad) return false;
    static const uint8_t causes[] = {[HEALTH_UNREACHABLE] = HEALTH_BY_CONNECT,
                                     [HEALTH_FAILURE] = HEALTH_BY_NO_ANSWER,
                                     [HEALTH_STATUS] = HEALTH_BY_STATUS};
    return put_out(h, b, why_of(h, causes[f], f == HEALTH_STATUS ? faults >> 16 : faults & HALF), now_us);
}

bool health_well(struct health *h, uint64_t now_us) {
    uint64_t out = load(&h->out_us);
    if (out && !(out & 1)) return false; /* of a request that began before, or while too many were out */
    atomic_store_explicit(&h->faults, 0, memory_order_relaxed);
    if (!out || !change(h, out, 0)) return false;
    atomic_store_explicit(&h->since_us, now_us, memory_order_relaxed);
    tell(h, UINT32_MAX);
    return true;
}

bool health_probe_due(struct health *h, const struct table_balancing *b, uint64_t now_us) {
    uint64_t due = load(&h->probe_us);
    return due <= now_us &&
           atomic_compare_exchange_strong_explicit(&h->probe_us, &due, now_us + b->probe_interval_us,
                                                   memory_order_relaxed, memory_order_relaxed);
}

void health_probe_first(struct health *h, uint64_t due_us) {
    uint64_t never = 0;
    atomic_compare_exchange_strong_explicit(&h->probe_us, &never, due_us, memory_order_relaxed,
                                            memory_order_relaxed);
}

/* Out until some checks later: when they end, a trial follows as after any time out. */
static void hold_out(struct health *h, const struct table_balancing *b, uint64_t now_us) {
    enum { INTERVALS = 3 };
    uint64_t until = (now_us + INTERVALS * b->probe_interval_us + b->probe_timeout_us) & ~UINT64_C(1);
    for (uint64_t out; (out = load(&h->out_us)) < until;) {
        if (!change(h, out, until)) continue;
        if (!out) tell(h, 1);
        return;
    }
}

void health_probed(struct health *h, const struct table_balancing *b, bool good, uint64_t now_us) {
    uint32_t before = atomic_load_explicit(&h->probes, memory_order_relaxed);
    uint32_t goods = before & HALF, bads = before >> 16;
    goods = good ? goods + (goods < HALF) : 0;
    bads = good ? 0 : bads + (bads < HALF);
    atomic_store_explicit(&h->probes, bads << 16 | goods, memory_order_relaxed);
    bool unfit = atomic_load_explicit(&h->unfit, memory_order_relaxed);
    if (!good && (unfit || bads >= b->probe_failures)) {
        atomic_store_explicit(&h->unfit, 1, memory_order_relaxed);
        hold_out(h, b, now_us);
    } else if (good && unfit && goods >= b->probe_successes) {
        atomic_store_explicit(&h->unfit, 0, memory_order_relaxed);
        atomic_store_explicit(&h->faults, 0, memory_order_relaxed);
        uint64_t out = load(&h->out_us);
        if (!out || !change(h, out, 0)) return;
        atomic_store_explicit(&h->since_us, now_us, memory_order_relaxed);
        tell(h, UINT32_MAX);
    }
}
