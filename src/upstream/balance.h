/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/link.h"
#include "base/map.h"
#include "base/rng.h"
#include "table/census.h"
#include "table/table.h"

struct upstream_lane;

/* The choice among a backend's endpoints: the one with fewer requests outstanding of two drawn at random; one that is out (table/health.h)
 * is passed over when there are others, unless too many are. State is kept by backend slot and brought up to date when its version differs. */
enum { BALANCE_TRIES = 3 /* endpoints of one request */ };
enum { BALANCE_KEY_BYTES = sizeof(struct ip) + sizeof(uint16_t) };
struct balance_load {            /* of this worker, one for all backends that have the endpoint */
    char key[BALANCE_KEY_BYTES]; /* address and port */
    uint32_t holds;              /* by endpoints */
    uint32_t outstanding;
    struct health own; /* of one that no table shows any more: nobody goes by it */
};
struct balance_endpoint {
    struct table_endpoint at;
    struct balance *in;
    struct balance_load *load;                       /* held */
    struct health *vital;                            /* the table's, until it is gone */
    const struct table_reach *reach;                 /* as the table says; not to be read once it is gone */
    struct upstream_lane *lanes;                     /* its connections */
    struct balance_backend *of;                      /* NULL: none any more */
    uint32_t conns;                                  /* open, or being made */
    uint32_t holds;                                  /* the backend's state and every connection */
    uint64_t requests, failures[HEALTH_FAULT_COUNT]; /* of this worker, so far */
    bool gone;                                       /* the backend has it no more */
};
struct balance_backend {
    uint64_t id;      /* table_backend.id; 0: not known */
    char *name;       /* table_backend.name */
    uint64_t version; /* table_endpoints.version; 0: to be read again */
    const struct table_reach *reach;
    uint64_t reach_id; /* 0: none */
    uint32_t n;
    uint32_t turn; /* whose it is, in round robin */
    struct balance_endpoint **v;
    struct gate_state *gate;
    uint32_t conns; /* of v, of this worker */
    uint32_t waiting_n;
    struct link waiting;       /* upstream_loan.on_conn, the first that came first */
    struct probe_watch *watch; /* NULL: its endpoints are not checked */
    struct link queued;        /* upstream.queues, while some wait */
};
struct balance_tried {
    struct balance_endpoint *v[BALANCE_TRIES]; /* held */
    uint32_t n;
};
struct balance_counts {
    uint64_t put_out, back; /* endpoints, by what this worker saw */
    uint64_t trials;
    uint64_t panics; /* choices as if none was out */
};
struct balance {
    struct balance_backend **backends; /* by slot */
    struct map loads;                  /* by address and port */
    uint32_t backends_n;
    struct rng rng;
    const struct table *table;
    struct balance_counts counts;
    /* An endpoint is gone, or reached otherwise: its idle connections are to be closed. */
    void (*gone)(void *arg, struct balance_endpoint *e);
    /* The backend is no more what its waiting requests and its checks are for. */
    void (*disband)(void *arg, struct balance_backend *s);
    void *arg;
};
void balance_init(struct balance *b, uint64_t seed, void (*gone)(void *arg, struct balance_endpoint *e),
                  void (*disband)(void *arg, struct balance_backend *s), void *arg);
void balance_fini(struct balance *b);
void balance_adopt(struct balance *b, const struct table *t, uint64_t now_us);
/* NULL: none that was not tried. known: only when the slot's state is of this very backend, for a rule older than the table. */
struct balance_endpoint *balance_pick(struct balance *b, const struct table_backend *backend,
                                      const struct table_balancing *by, const struct balance_tried *tried,
                                      bool known, uint64_t now_us);
/* The endpoint at this address, if it may be taken as well as others; NULL: not so. */
struct balance_endpoint *balance_find(struct balance *b, const struct table_backend *backend,
                                      const struct table_endpoint *at, const struct balance_tried *tried,
                                      bool known, uint64_t now_us);
/* The state of a backend of the table that was adopted last, brought up to date. */
struct balance_backend *balance_state(struct balance *b, const struct table_backend *backend,
                                      uint64_t now_us);
/* How a backend is reached, if any endpoint of it is known. */
const struct table_reach *balance_reach(const struct balance *b, const struct table_backend *backend);
/* Every endpoint that is known. */
void balance_each(struct balance *b, void (*visit)(void *arg, struct balance_endpoint *e), void *arg);
/* Tells of so many backends' endpoints at most, from c->slot on. true: that was the last one. */
bool balance_census(const struct balance *b, struct census *c, uint32_t slots_max, uint64_t now_us);
struct balance_endpoint *balance_hold(struct balance_endpoint *e);
void balance_release(struct balance_endpoint *e); /* NULL is fine */
bool balance_was_tried(const struct balance_tried *t, const struct balance_endpoint *e);
void balance_tried_add(struct balance_tried *t, struct balance_endpoint *e);
void balance_tried_fini(struct balance_tried *t);
/* Forgets the first of them when it is full. */
void balance_tried_make_room(struct balance_tried *t);
/* What became of a request there. by: NULL, as usual. */
void balance_fault(struct balance_endpoint *e, const struct table_balancing *by, enum health_fault f,
                   uint64_t now_us);
void balance_answered(struct balance_endpoint *e, const struct table_balancing *by, uint16_t status,
                      uint64_t now_us);
