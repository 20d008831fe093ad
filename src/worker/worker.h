/* SPDX-License-Identifier: Apache-2.0 */
/* One thread, one loop: adopts tables, accepts, runs connections and exchanges within budgets of a turn, drains.
 * In:    posts from control/: a table, sockets, a grave, drain.     Out: posts to its home mailbox: adopted, let go, closed; access
 *        records in its ring; counters.
 * Own:   a worker's connections, pools, timers and counters are its own; nothing else touches them but to read counters.
 * Never: a lock, a blocking call, memory from the system for a kept-alive request after warm-up. */
#pragma once
#include "http/access_format.h"
#include "io/mailbox.h"
#include "io/tls_seed.h"
#include "proxy/pressure.h"
#include "table/census.h"
#include "table/table.h"
#include "worker/tally.h"
#include "worker/worker_stats.h"

struct worker;
struct crowd;
struct tls_trust;
struct worker_config {
    unsigned index;
    unsigned workers;        /* there are; 0: it alone */
    enum access_form access; /* of Gateways that say nothing; ACCESS_OWN: access_program */
    str access_program;      /* outlives the worker */
    uint32_t tallies;        /* one past the highest number of a route that is counted apart */
    struct tls_seed seed;    /* of the keys of TLS tickets */
    uint8_t
        session_key[32]; /* of all workers, restarts and replicas that are to know one another's sessions */
    struct crowd *crowd; /* how many connections there are; outlives the worker; NULL: as many as come */
    struct tls_trust *trust; /* whom the system trusts; outlives the worker; NULL: nobody */
    struct mailbox
        *home; /* where what follows is posted to; the `done` posts below run there with home->receiver */
};
struct worker *worker_new(const struct worker_config *c);
/* Runs until drained or stopped; the thread's body. */
void worker_run(void *worker);
/* After its thread has ended. */
void worker_free(struct worker *w);

/* Messages to a worker, from any thread. Each is the caller's memory, and comes home by `done` (posted to home) when the worker is through
 * with it. */
struct worker_table { /* worker adopts t; done: adopted (so a status may say so). When a later one is
              adopted, or at the end, `released` tells that it let go of it; t->workers is the receiver's to lower. */
    struct post post;
    struct table *t;
    void (*adopted)(struct worker_table *m, void *home); /* runs at home: this worker serves by t */
    void (*released)(struct worker_table *m,
                     void *home); /* runs at home: this worker has let go of t; frees m */
    struct worker *by;
    struct post again; /* for the second way home */
};
void worker_post_table(struct worker *w, struct worker_table *m);
struct
    worker_socket { /* add: accept on fd for port_slot; done: it does (or has ended). remove: accept what is queued, then let go; done: fd is not
       used any more */
    struct post post;
    bool remove;
    int fd;
    uint32_t port_slot;
    void (*done)(struct worker_socket *m, void *home);
    struct worker *by;
};
void worker_post_socket(struct worker *w, struct worker_socket *m);
struct
    worker_grave { /* The certificates are forgotten. done: no exchange of this worker uses any of these rules */
    struct post post;
    uint32_t n;
    const uint32_t *rule_slots;
    uint32_t certificates_n;
    const uint64_t *certificates; /* ids */
    void *owner;                  /* the caller's */
    void (*done)(struct worker_grave *m, void *home);
    struct worker *by;
};
void worker_post_grave(struct worker *w, struct worker_grave *m);
/* Drain: accept no more, answer with Connection: close, end when idle or at deadline_us (monotonic). worker_run returns then. A further
 * one with an earlier deadline hurries it; it comes home at once, the first one at the end. */
struct worker_drain {
    struct post post;
    uint64_t deadline_us;
    void (*done)(struct worker_drain *m, void *home);
    struct worker *by;
};
void worker_post_drain(struct worker *w, struct worker_drain *m);
/* Fills the census with what the worker knows; some turns, so that traffic does not wait. done: runs at `to`. One that has ended knows nothing. */
struct worker_census {
    struct post post;
    struct census census; /* empty */
    struct mailbox *to;
    void (*done)(struct worker_census *m, void *receiver);
    struct worker *by;
};
void worker_post_census(struct worker *w, struct worker_census *m);

/* Memory is so short from now on. */
void worker_post_pressure(struct worker *w, enum pressure level);
/* For the report of a crash: reads the worker's memory as it is. */
struct crash_text;
void worker_tell_doing(const struct worker *w, struct crash_text *t);

/* Readable from any thread. */
const struct worker_stats *worker_stats(const struct worker *w);
const struct tally *worker_tally(const struct worker *w);
/* Moves what the access ring holds (whole lines) into b, as much as fits; any one thread. Lines that found the ring full are counted. */
size_t worker_access_take(struct worker *w, char *p, size_t n);
