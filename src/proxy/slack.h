/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/pool.h"
#include "io/loop.h"

/* What many connections needed at once goes back to the system once they are gone: of the pools what was not used for a while, a part at a time,
 * and what malloc keeps of it after a large drop. */
enum {
    SLACK_POOLS = 7,
    SLACK_WHILE_US = 10000000, /* what was not used for so long is not kept */
    SLACK_STEP_US = 100000,    /* between the parts, so that no request waits for all of them */
    SLACK_DROP = 256,          /* connections: by so many, and by half of the most, is a large drop */
};
struct slack { /* owner: worker */
    struct loop *loop;
    struct timer timer;
    struct pool *pools[SLACK_POOLS];
    uint32_t shrinking; /* those of which more may go in this round, by bit */
    const uint64_t *open;
    uint64_t most; /* open at once since malloc was asked to give back */
    uint64_t trims;
};
/* open: how many connections are. The pools outlive it. */
void slack_init(struct slack *s, struct loop *l, struct pool *const pools[SLACK_POOLS], const uint64_t *open);
void slack_fini(struct slack *s);
/* Another connection was opened. */
static inline void slack_opened(struct slack *s) {
    if (*s->open > s->most) s->most = *s->open;
    if (s->timer.due_us == UINT64_MAX)
        timer_set(&s->loop->timers, &s->timer, s->loop->now_us + SLACK_WHILE_US);
}
