/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdatomic.h>

#include "base/ip.h"
#include "http/http_reason.h"
#include "table/gate.h"

/* What is known of an endpoint's health: one for all backends that have it and all workers, who read and change it at once. All is in
 * words of their own that no other depends on, so a relaxed load tells what matters: is anything wrong? Only what goes wrong costs an atomic
 * change. Times are monotonic, of one clock for all threads.
 *
 *     in -> out -> trial -> in       out: nobody is sent there until its time is over; then one request is let in, the trial, for
 *            ^-------/               others it stays out. What comes of that decides.
 */

enum table_probe { TABLE_PROBE_NONE, TABLE_PROBE_TCP, TABLE_PROBE_HTTP };
enum table_order { TABLE_LEAST_REQUESTS, TABLE_ROUND_ROBIN };
/* By what rules requests are spread over a backend's endpoints. No padding: two are compared as bytes. */
struct table_balancing {
    uint32_t failures;      /* in a row: out; 0: never */
    uint32_t statuses;      /* 5xx in a row, failures among them: out; 0: never */
    uint32_t share_percent; /* of a backend's endpoints; when more are out, it is as if none was */
    uint32_t order;         /* enum table_order */
    uint32_t conns_max;     /* of a backend, in all workers; 0: as many as it takes */
    uint32_t waiting_max;   /* requests that wait for one then */
    uint64_t wait_us;       /* how long */
    /* Checks: how, and how many in a row tell */
    uint32_t probe;        /* enum table_probe */
    uint32_t probe_status; /* 0: 200 to 399 */
    uint32_t probe_failures, probe_successes;
    uint64_t probe_interval_us, probe_timeout_us;
    char probe_path[128]; /* zeroes to its end */
    uint64_t
        slow_start_us; /* the share of an endpoint that came, or came back, grows for so long; 0: at once */
    uint64_t out_us,
        out_us_max; /* how long; twice as long each time, but for one that was in for out_us_max before */
};
extern const struct table_balancing health_usual;

enum { HEALTH_TRIAL_US = 5000000 }; /* a trial that nobody tells the end of: another may follow */
enum health_fault {
    HEALTH_UNREACHABLE, /* no connection: out at once, unless failures are 0 */
    HEALTH_FAILURE,     /* no answer: reset, out of time, not HTTP */
    HEALTH_STATUS,      /* 5xx */
    HEALTH_FAULT_COUNT,
};
/* What it is out for, or fails at; for people. */
#define HEALTH_CAUSES(X)                                                                                     \
    X(NONE, "")                                                                                              \
    X(CONNECT, "connect")     /* no connection could be made */                                              \
    X(NO_ANSWER, "no_answer") /* requests in a row */                                                        \
    X(STATUS, "5xx")          /* the same */                                                                 \
    X(CHECKS, "checks")       /* the same */
#define HEALTH_CAUSE_ID(id, name) HEALTH_BY_##id,
enum health_cause { HEALTH_CAUSES(HEALTH_CAUSE_ID) HEALTH_CAUSE_COUNT };
#undef HEALTH_CAUSE_ID
struct health_why {
    uint8_t cause;   /* enum health_cause */
    uint8_t reason;  /* enum http_reason: of the last time; NONE: it answered, or it is not known */
    uint16_t detail; /* BACKEND_REFUSED: an errno; NONE: the status; 0: not known */
    uint32_t times;  /* in a row */
};

struct health_tally { /* of all there are */
    _Atomic uint32_t out;
};
struct health {
    struct health_tally *among; /* NULL: counted nowhere */
    _Atomic uint64_t out_us;    /* until when it is out; 0: it is in; odd: a trial is under way */
    _Atomic uint64_t since_us;  /* it came, or came back; 0: it is not known */
    _Atomic uint64_t probe_us;  /* when the next check is due */
    _Atomic uint64_t why;       /* struct health_why: it was put out for */
    _Atomic uint64_t slow_us;   /* its start takes, by whoever sent to it last */
    _Atomic uint32_t faults;    /* in a row: failures, and in the upper half statuses */
    _Atomic uint32_t probes;    /* in a row: good ones, and in the upper half bad ones */
    _Atomic uint32_t last; /* what went wrong last: health_why.reason, and in the upper half its detail */
    _Atomic uint8_t unfit; /* 1: checks say that it is to be out */
    _Atomic uint8_t times; /* it was put out, since it was in for long: 32 at most */
};
static inline bool health_is_in(const struct health *h) {
    return !atomic_load_explicit(&h->out_us, memory_order_relaxed);
}
static inline bool health_is_out(const struct health *h, uint64_t now_us) {
    return atomic_load_explicit(&h->out_us, memory_order_relaxed) > now_us;
}
/* Its time is over: true for one caller, whose request is the trial. */
bool health_try(struct health *h, uint64_t now_us);
/* true: it is put out by that. */
bool health_fault(struct health *h, const struct table_balancing *b, enum health_fault f, uint64_t now_us);
/* It answered. true: it is back by that. */
bool health_well(struct health *h, uint64_t now_us);
static inline bool health_is_spotless(const struct health *h) {
    return health_is_in(h) && !atomic_load_explicit(&h->faults, memory_order_relaxed);
}
enum { HEALTH_SHARE_FULL = 1 << 16, HEALTH_SHARE_LEAST = HEALTH_SHARE_FULL / 10 };
/* Its share of what others like it get, while it starts. */
uint32_t health_share(const struct health *h, uint64_t slow_start_us, uint64_t now_us);
/* A check is due: true for one caller, who makes it. */
bool health_probe_due(struct health *h, const struct table_balancing *b, uint64_t now_us);
/* When the first check is due, unless one was made or is set already. */
void health_probe_first(struct health *h, uint64_t due_us);
/* What came of it. Out by checks is out until they say otherwise, or end. */
void health_probed(struct health *h, const struct table_balancing *b, bool good, uint64_t now_us);
/* What goes wrong now; to be told before it is counted. */
static inline void health_told(struct health *h, enum http_reason reason, int detail) {
    atomic_store_explicit(&h->last, (uint32_t)reason | (uint32_t)detail << 16, memory_order_relaxed);
}
/* Before its memory goes. */
void health_end(struct health *h);
/* A worker has seen it: the first one tells since when. */
void health_seen(struct health *h, uint64_t now_us);

struct table_endpoint {
    struct ip ip;
    uint16_t port;
    struct health *health; /* of all backends that have it; lives as long as a table that shows it */
};
