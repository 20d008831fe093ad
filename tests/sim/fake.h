/* SPDX-License-Identifier: Apache-2.0 */
/* A kernel for one worker: descriptors, readiness, TCP and the clock, all in this process and all decided by one seed. The linker sends the
 * product's system calls here (--wrap); descriptors that are not ours go to the true kernel.
 * Time stands still but for what is due: waiting for readiness goes on to the next event at once. What a true kernel may do, this one does
 * often: deliver a byte at a time, have no room, wake for nothing, mix up the events of a turn, let a FIN or an RST come between two calls. */
#pragma once
#include "base/buf.h"
#include "base/heap.h"
#include "base/ip.h"
#include "base/rng.h"

enum {
    FAKE_FD_FIRST = 500,
    FAKE_BEGIN_US = 1000000000, /* the machine is up for a while */
    FAKE_FDS_MAX = 1000,
    FAKE_TRACE_BYTES_MAX = 64 << 20,
    FAKE_IDLE_TURNS_MAX = 200,
};

/* Something that happens at a time. */
struct fake_event {
    struct heap_item item; /* key: microseconds */
    void (*run)(struct fake_event *e);
};

/* ---- the other side of a connection ---- */

struct fake_tcp;
struct fake_peer {
    const struct fake_peer_ops *ops;
    struct fake_tcp *tcp; /* NULL: not connected, or over */
};
struct fake_peer_ops {
    void (*opened)(struct fake_peer *p);
    void (*bytes)(struct fake_peer *p, str bytes); /* may close or reset */
    void (*ended)(struct fake_peer *p);            /* nothing more comes; our direction goes on */
    void (*reset)(struct fake_peer *p);            /* over, both ways; p->tcp is NULL */
};
void fake_dial(struct fake_peer *p, uint16_t port);
void fake_send(struct fake_peer *p, str bytes);
void fake_shut(struct fake_peer *p);
/* What still comes is answered by a reset. p->tcp is NULL from now on. */
void fake_close(struct fake_peer *p);
/* What is still on its way may be lost. */
void fake_reset(struct fake_peer *p);
/* Nothing is taken until then. */
void fake_pause(struct fake_peer *p, uint64_t until_us);
/* Bytes that we sent and the other side's kernel has not got yet. */
size_t fake_unsent(const struct fake_peer *p);

/* ---- the kernel ---- */

enum fake_welcome { FAKE_ACCEPTED, FAKE_REFUSED, FAKE_NO_ANSWER, FAKE_UNREACHABLE };
struct fake_file;
struct fake { /* owner: the run */
    uint64_t seed, now_us;
    uint64_t hours; /* that the wall clock is ahead: it jumps, ahead and back, and nothing may come of it */
    struct rng rng;
    struct heap events;
    struct fake_file *files[FAKE_FDS_MAX];
    uint32_t files_n, files_top; /* open; one past the highest that ever was */
    struct buf trace;
    uint64_t trace_hash;
    uint64_t progress, progress_seen; /* changes with whatever happens */
    uint32_t idle_turns;
    uint64_t turns, sockets, connects, accepts;
    uint64_t tcps, tcps_open;
    uint32_t out_of_files; /* calls that will find no descriptor free */
    /* To whom the worker connects; ACCEPTED: *ret_peer is that side. */
    enum fake_welcome (*welcome)(void *arg, const struct ip *ip, uint16_t port, struct fake_peer **ret_peer);
    /* What belongs to other threads in earnest: between two turns. */
    void (*between)(void *arg);
    void *arg;
};
/* The one that runs; calls go there. */
extern struct fake *fake_now;
void fake_init(struct fake *k, uint64_t seed);
void fake_fini(struct fake *k);
static inline uint32_t fake_below(uint32_t n) { return rng_below(&fake_now->rng, n); }
static inline bool fake_one_in(uint32_t n) { return fake_below(n) == 0; }
void fake_at(struct fake_event *e, uint64_t us);
static inline void fake_in(struct fake_event *e, uint64_t us) { fake_at(e, fake_now->now_us + us); }
static inline void fake_not(struct fake_event *e) { heap_remove(&fake_now->events, &e->item); }
__attribute__((format(printf, 1, 2))) void fake_trace(const char *fmt, ...);
/* What must not be: tells the seed and how it came, and ends the process. */
__attribute__((format(printf, 1, 2))) _Noreturn void fake_fail(const char *fmt, ...);
/* Everything that is still to happen. */
void fake_rest(void);
void fake_tell(void); /* the seed and the end of the trace */
