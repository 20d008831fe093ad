/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"
#include "control/pipeline.h"
#include "worker/worker.h"

/* Tables and sockets to workers, in the order that serves nobody wrongly: sockets that a new table has no port for are taken away first, once all
 * that has begun there is in their queues, and the queues are empty; then the table is adopted by every worker, then sockets for its new ports are opened and given out, then facts tell so. Tables and rules that nobody
 * holds any more come home. All of it in the builder's thread; one table is on its way at a time. */
struct publish_config {
    struct pipeline *pipeline;
    struct worker *const *workers;
    unsigned workers_n;
    int supervisor;
    struct tls_trust *trust; /* read before a table goes out that asks for it */
    struct loop *loop;
    /* Every worker serves by the table (or a socket came or was refused later): facts have changed. */
    void (*changed)(void *arg);
    void (*drained)(void *arg); /* every worker has ended */
    void *arg;
};
struct publish_generation;
struct publish_port;
struct publish_grave;
struct publish {
    struct publish_config c;
    struct publish_generation *generations; /* that are out, the newest first */
    struct publish_port *ports;
    struct publish_grave *graves;
    struct timer retry; /* of sockets that could not be bound */
    struct timer calm;  /* until handshakes with ports that are going are over; then: */
    void (*then)(struct publish *p);
    unsigned looks;
    bool adopting, draining;
    bool drains_sent;
    uint64_t drain_until_us;
    bool held;      /* the pipeline's newest table waits to go out: sockets stay as the one before has them */
    unsigned ended; /* workers */
    bool *worker_ended;
    struct arena *drains; /* the messages; a worker that has ended never gives them back */
    unsigned alive;       /* tables that are out */
};
void publish_init(struct publish *p, const struct publish_config *c);
/* After the workers' threads have ended and the mailbox is empty. */
void publish_fini(struct publish *p);
/* The pipeline's table goes out. Only when none is being adopted. */
void publish_table(struct publish *p);
/* Takes all sockets away and drains the workers; again with an earlier deadline to hurry them. No table goes out afterwards. hands_over: another
 * process takes from the same sockets, so nothing is done to them. */
void publish_drain(struct publish *p, uint64_t deadline_us, bool hands_over);
