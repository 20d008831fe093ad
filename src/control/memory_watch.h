/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "io/loop.h"
#include "worker/worker.h"

/* Looks at what the process holds of its memory, the oftener the less is left, and tells the workers before the kernel ends it all: it
 * is better to refuse some than to lose everybody. */
struct memory_watch { /* owner: loop thread */
    struct loop *loop;
    struct timer timer;
    struct worker **workers;
    unsigned workers_n;
    int fd;
    uint64_t limit, resident; /* bytes; 0: none, not known */
    enum pressure level;
    uint64_t told_us, trimmed_us;
    uint64_t sheds; /* how often it came to that */
};
/* The level that follows on another: it falls later than it rises, so that it does not swing. */
enum pressure memory_watch_level(enum pressure before, uint64_t resident, uint64_t limit);
/* limit 0: nothing is bounded, and what is held is known all the same. The workers outlive it. */
void memory_watch_init(struct memory_watch *m, struct loop *l, uint64_t limit, struct worker **workers,
                       unsigned n);
void memory_watch_fini(struct memory_watch *m);
/* As it is now. */
uint64_t memory_watch_resident(struct memory_watch *m);
