/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/slack.h"

#include <malloc.h>

/* A part of each that had some the last time; a new while begins for each that has none. */
static void shrink(struct slack *s) {
    for (uint32_t i = 0; i < SLACK_POOLS; i++)
        if (s->shrinking >> i & 1 && !pool_shrink(s->pools[i])) s->shrinking &= ~(1U << i);
}

static bool keeps_some(const struct slack *s) {
    for (uint32_t i = 0; i < SLACK_POOLS; i++)
        if (pool_kept(s->pools[i])) return true;
    return false;
}

/* It takes the lock of each of malloc's arenas for as long as it looks through what is free there: seldom, then. */
static void trim_after_drop(struct slack *s) {
    if (*s->open + SLACK_DROP > s->most || *s->open > s->most / 2) return;
    malloc_trim(0);
    s->most = *s->open;
    s->trims++;
}

static void on_due(struct timer *t, uint64_t now_us) {
    struct slack *s = container_of(t, struct slack, timer);
    if (!s->shrinking) s->shrinking = (1U << SLACK_POOLS) - 1;
    shrink(s);
    if (s->shrinking) {
        timer_set(&s->loop->timers, t, now_us + SLACK_STEP_US);
        return;
    }
    trim_after_drop(s);
    if (*s->open || keeps_some(s)) timer_set(&s->loop->timers, t, now_us + SLACK_WHILE_US);
}

void slack_init(struct slack *s, struct loop *l, struct pool *const pools[SLACK_POOLS],
                const uint64_t *open) {
    *s = (struct slack){.loop = l, .open = open};
    memcpy(s->pools, pools, sizeof s->pools);
    timer_init(&s->timer, on_due);
}

void slack_fini(struct slack *s) { timer_forget(&s->loop->timers, &s->timer); }
