/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"
#include "table/health_view.h"

/* What a worker knows of the endpoints of backends that it has sent to, or checks: a copy, made when somebody asks. */
enum { CENSUS_MAX = 1 << 16 }; /* endpoints; of further ones it is counted that they are there */
struct census_endpoint {
    str backend; /* table_backend.name; those of a backend follow each other */
    struct ip ip;
    uint16_t port;
    struct health_view view;
    uint64_t requests, failures[HEALTH_FAULT_COUNT]; /* so far; by enum health_fault */
    uint32_t open;                                   /* requests under way at its address, of any backend */
    uint32_t conns;
    uint32_t waiting; /* requests for a connection to the backend, to any of its endpoints */
};
struct census { /* owner: who asks, and the worker while it answers */
    struct arena *arena;
    struct census_endpoint *v;
    uint32_t n, cap, left_out;
    uint32_t slot; /* the worker's: how far it has come */
};
void census_init(struct census *c);
void census_fini(struct census *c);
/* The next one, all zero; NULL: there are too many. */
struct census_endpoint *census_add(struct census *c);
