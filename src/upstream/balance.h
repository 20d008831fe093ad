/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/link.h"
#include "base/map.h"
#include "base/rng.h"
#include "table/table.h"

struct upstream_lane;

/* The choice among a backend's endpoints: the one with fewer requests outstanding of two drawn at random; one that refused a connection
 * is passed over for a while when there are others. State is kept by backend slot and brought up to date when its version differs. What is
 * known of an endpoint's health is one for all backends that have it. */
enum {
    BALANCE_TRIES = 3,         /* endpoints of one request */
    BALANCE_SHUN_US = 1000000, /* after a refusal; doubles with each in a row */
    BALANCE_SHUN_US_MAX = 8000000,
};
enum { BALANCE_KEY_BYTES = sizeof(struct ip) + sizeof(uint16_t) };
struct balance_health {
    char key[BALANCE_KEY_BYTES]; /* address and port */
    uint32_t holds;              /* by endpoints */
    uint32_t outstanding;
    uint32_t failures; /* in a row */
    uint64_t shunned_until_us;
};
struct balance_endpoint {
    struct table_endpoint at;
    struct balance *in;
    struct balance_health *health;   /* held */
    const struct table_reach *reach; /* as the table says; not to be read once it is gone */
    struct upstream_lane *lanes;     /* its connections */
    uint32_t holds;                  /* the backend's state and every connection */
    bool gone;                       /* the backend has it no more */
};
struct balance_tried {
    struct balance_endpoint *v[BALANCE_TRIES]; /* held */
    uint32_t n;
};
struct balance {
    struct balance_backend **backends; /* by slot */
    struct map healths;                /* by address and port */
    uint32_t backends_n;
    struct rng rng;
    const struct table *table;
    /* An endpoint is gone, or reached otherwise: its idle connections are to be closed. */
    void (*gone)(void *arg, struct balance_endpoint *e);
    void *arg;
};
void balance_init(struct balance *b, uint64_t seed, void (*gone)(void *arg, struct balance_endpoint *e),
                  void *arg);
void balance_fini(struct balance *b);
void balance_adopt(struct balance *b, const struct table *t);
/* NULL: none that was not tried. known: only when the slot's state is of this very backend, for a rule older than the table. */
struct balance_endpoint *balance_pick(struct balance *b, const struct table_backend *backend,
                                      const struct balance_tried *tried, bool known, uint64_t now_us);
/* The endpoint at this address, if it may be taken as well as others; NULL: not so. */
struct balance_endpoint *balance_find(struct balance *b, const struct table_backend *backend,
                                      const struct table_endpoint *at, const struct balance_tried *tried,
                                      bool known, uint64_t now_us);
/* How a backend is reached, if any endpoint of it is known. */
const struct table_reach *balance_reach(const struct balance *b, const struct table_backend *backend);
/* Every endpoint that is known. */
void balance_each(struct balance *b, void (*visit)(void *arg, struct balance_endpoint *e), void *arg);
struct balance_endpoint *balance_hold(struct balance_endpoint *e);
void balance_release(struct balance_endpoint *e); /* NULL is fine */
void balance_tried_add(struct balance_tried *t, struct balance_endpoint *e);
void balance_tried_fini(struct balance_tried *t);
/* Forgets the first of them when it is full. */
void balance_tried_make_room(struct balance_tried *t);
void balance_refused(struct balance_endpoint *e, uint64_t now_us);
static inline void balance_opened(struct balance_endpoint *e) {
    e->health->failures = 0, e->health->shunned_until_us = 0;
}
