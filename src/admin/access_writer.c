/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/access_writer.h"

#include <errno.h>

#include "admin/access_log.h"
#include "io/clock.h"
#include "io/mailbox.h"
#include "io/thread.h"

enum {
    PERIOD_US = 100000,
    BUSY_US = 10000, /* while the rings are found well filled */
    REST_US = 1000000,
    MEND_US = 1000000,
    CHUNK = 1 << 16,
    ROUNDS_MAX = 64, /* a ring is emptied by turns, so that one does not keep the others waiting */
};

struct access_writer { /* owner: its thread, but for `dropped` */
    struct loop loop;
    struct mailbox box;
    struct timer timer;
    uint64_t mend_us;
    bool usual;
    struct access_log log;
    struct worker *const *workers;
    unsigned workers_n;
    char *chunk;
    stats_counter dropped;
    struct thread *thread;
};

/* Lines taken; *ret_busy: more are coming than a period should wait for. */
static size_t drain(struct access_writer *a, bool *ret_busy) {
    size_t taken = 0;
    *ret_busy = false;
    for (unsigned i = 0; i < a->workers_n; i++) {
        for (unsigned round = 0; round < ROUNDS_MAX && access_log_flush(&a->log); round++) {
            size_t n = worker_access_take(a->workers[i], a->chunk, CHUNK);
            if (!n) break;
            access_log_add(&a->log, (str){a->chunk, n});
            taken += n;
            *ret_busy |= n > CHUNK / 2;
        }
    }
    access_log_flush(&a->log);
    stats_set(&a->dropped, a->log.dropped);
    return taken;
}

static void on_due(struct timer *t, uint64_t now_us) {
    struct access_writer *a = container_of(t, struct access_writer, timer);
    bool busy;
    if (now_us >= a->mend_us) {
        access_log_mend(&a->log);
        a->mend_us = now_us + MEND_US;
    }
    size_t taken = drain(a, &busy);
    uint64_t pause = busy ? BUSY_US : taken || a->usual ? PERIOD_US : REST_US;
    timer_set(&a->loop.timers, t, now_us + pause);
}

static void run(void *arg) {
    struct access_writer *a = arg;
    timer_set(&a->loop.timers, &a->timer, clock_monotonic_us() + PERIOD_US);
    loop_run(&a->loop, NULL, NULL);
    bool busy;
    while (drain(a, &busy)) {}
}

static void dispose(struct access_writer *a) {
    mailbox_fini(&a->box);
    timer_forget(&a->loop.timers, &a->timer);
    loop_fini(&a->loop);
    access_log_fini(&a->log);
    free(a->chunk);
    free(a);
}

err access_writer_new(const char *to, bool usual, struct worker *const *workers, unsigned n,
                      struct access_writer **ret) {
    struct access_writer *a = base_zalloc(sizeof *a);
    a->usual = usual, a->workers = workers, a->workers_n = n;
    a->chunk = base_alloc(CHUNK);
    loop_init(&a->loop);
    mailbox_init(&a->box, a);
    timer_init(&a->timer, on_due);
    err e = access_log_open(&a->log, to);
    if (e == OK) e = mailbox_attach(&a->box, &a->loop);
    if (e == OK) e = thread_start(&a->thread, "access-log", run, a);
    if (e != OK) {
        int why = errno;
        dispose(a);
        errno = why;
        return e;
    }
    *ret = a;
    return OK;
}

static void deliver_reopen(struct post *p, void *receiver) {
    struct access_writer *a = receiver;
    bool busy;
    free(p);
    drain(a, &busy); /* what was told before belongs into the file of before */
    access_log_reopen(&a->log);
}

static void deliver_stop(struct post *p, void *receiver) {
    struct access_writer *a = receiver;
    free(p);
    loop_stop(&a->loop);
}

static void send_post(struct access_writer *a, void (*deliver)(struct post *p, void *receiver)) {
    struct post *p = base_zalloc(sizeof *p);
    p->deliver = deliver;
    mailbox_post(&a->box, p);
}

void access_writer_reopen(struct access_writer *a) { send_post(a, deliver_reopen); }

void access_writer_free(struct access_writer *a) {
    if (!a) return;
    send_post(a, deliver_stop);
    thread_join(a->thread);
    dispose(a);
}

uint64_t access_writer_dropped(const struct access_writer *a) { return a ? stats_get(&a->dropped) : 0; }
