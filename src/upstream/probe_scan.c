/* SPDX-License-Identifier: Apache-2.0 */
#include "upstream/upstream_core.h"

/* Endpoints that routes name are checked before requests come, and when none do: every now and then each worker looks through the routes of
 * listeners that want checks. A backend that is new to it has the first checks of its endpoints spread over an interval, so that a
 * configuration makes no burst of them. */
enum {
    FIRST_US_MAX = 1000000, /* after the table came; by chance, as workers are to differ */
    AGAIN_US = 10000000,    /* well within the time that checks go on without requests */
    PAUSE_US = 1000,
    RULES_A_TURN = 2048,
};

static void spread(struct upstream *s, const struct balance_backend *b, const struct table_balancing *by) {
    uint64_t now_us = s->common->loop->now_us;
    for (uint32_t i = 0; i < b->n; i++) {
        uint64_t share = rng_below(&s->balance.rng, UINT16_MAX + 1);
        health_probe_first(b->v[i]->vital, now_us + by->probe_interval_us * share / (UINT16_MAX + 1));
    }
}

static void on_rule(void *set, const struct table_rule *r, const struct table_balancing *settings) {
    struct upstream *s = set;
    const struct table_balancing *by = policy_hold(s, settings);
    for (uint32_t k = 0; k < r->targets_n; k++) {
        const struct table_target *t = &r->targets[k];
        struct balance_backend *b =
            t->backend && t->weight ? balance_state(&s->balance, t->backend, s->common->loop->now_us) : NULL;
        if (!b) continue;
        if (!b->watch) spread(s, b, by);
        probe_want(s, b, by);
    }
    policy_release(s, by);
}

static void on_scan(struct timer *t, uint64_t now_us) {
    struct upstream *s = container_of(t, struct upstream, scan);
    bool more = walk_rules(s->balance.table, &s->scanned, RULES_A_TURN, on_rule, s);
    if (!more) s->scanned = (struct walk){0};
    timer_set(&s->common->loop->timers, t, now_us + (more ? PAUSE_US : AGAIN_US));
}

void probe_scan_init(struct upstream *s) { timer_init(&s->scan, on_scan); }

void probe_scan_adopt(struct upstream *s, const struct table *t) {
    s->scanned = (struct walk){0};
    if (!t || !t->checks || s->draining)
        timer_clear(&s->scan);
    else if (s->scan.due_us == UINT64_MAX)
        timer_set(&s->common->loop->timers, &s->scan,
                  s->common->loop->now_us + rng_below(&s->balance.rng, FIRST_US_MAX));
}
