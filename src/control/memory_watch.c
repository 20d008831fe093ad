/* SPDX-License-Identifier: Apache-2.0 */
#include "control/memory_watch.h"

#include <malloc.h>
#include <unistd.h>

#include "io/log.h"
#include "io/memory.h"

enum {
    CALM_US = 100000,  /* between looks, while there is plenty */
    NEAR_US = 5000,    /* from half of the bound on: 1 GB/s fills 5 MB in that time */
    AGAIN_US = 100000, /* how often the workers are told of what lasts */
    TRIM_US = 500000,  /* how often what malloc keeps is given back: it takes every arena's lock */
    TIGHT_FROM = 75,
    TIGHT_TO = 65,
    SHED_FROM = 90,
    SHED_TO = 80, /* percent */
};

enum pressure memory_watch_level(enum pressure before, uint64_t resident, uint64_t limit) {
    if (!limit) return PRESSURE_NONE;
    uint64_t percent = resident / (limit / 100 + 1);
    if (percent >= SHED_FROM || (before == PRESSURE_SHED && percent >= SHED_TO)) return PRESSURE_SHED;
    return percent >= TIGHT_FROM || (before != PRESSURE_NONE && percent >= TIGHT_TO) ? PRESSURE_TIGHT
                                                                                     : PRESSURE_NONE;
}

static void tell(struct memory_watch *m, enum pressure level, uint64_t now_us) {
    static const char *const words[] = {
        [PRESSURE_NONE] = "none",
        [PRESSURE_TIGHT] = "closing what is idle",
        [PRESSURE_SHED] = "refusing requests",
    };
    if (level != m->level)
        log_line(level > m->level ? LOG_WARN : LOG_INFO, "memory resident=%llu limit=%llu pressure=\"%s\"",
                 (unsigned long long)m->resident, (unsigned long long)m->limit, words[level]);
    if (level == PRESSURE_SHED && m->level != PRESSURE_SHED) m->sheds++;
    m->level = level, m->told_us = now_us;
    for (unsigned i = 0; i < m->workers_n; i++) worker_post_pressure(m->workers[i], level);
}

static void on_look(struct timer *t, uint64_t now_us) {
    struct memory_watch *m = container_of(t, struct memory_watch, timer);
    m->resident = memory_resident(m->fd);
    enum pressure level = memory_watch_level(m->level, m->resident, m->limit);
    if (level != m->level || (level && now_us - m->told_us >= AGAIN_US)) tell(m, level, now_us);
    if (level && now_us - m->trimmed_us >= TRIM_US) {
        malloc_trim(0);
        m->trimmed_us = now_us;
    }
    timer_set(&m->loop->timers, t, now_us + (m->resident >= m->limit / 2 ? NEAR_US : CALM_US));
}

void memory_watch_init(struct memory_watch *m, struct loop *l, uint64_t limit, struct worker **workers,
                       unsigned n) {
    *m = (struct memory_watch){
        .loop = l, .workers = workers, .workers_n = n, .limit = limit, .fd = memory_open()};
    timer_init(&m->timer, on_look);
    if (limit && m->fd >= 0) timer_set(&l->timers, &m->timer, l->now_us);
    if (limit && m->fd < 0)
        log_warn("memory limit=%llu err=\"/proc can not be read, nothing is shed\"",
                 (unsigned long long)limit);
}

void memory_watch_fini(struct memory_watch *m) {
    if (!m->loop) return;
    timer_forget(&m->loop->timers, &m->timer);
    if (m->fd >= 0) close(m->fd);
    m->loop = NULL;
}

uint64_t memory_watch_resident(struct memory_watch *m) { return m->loop ? memory_resident(m->fd) : 0; }
