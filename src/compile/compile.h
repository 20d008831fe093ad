/* SPDX-License-Identifier: Apache-2.0 */
/* A plan becomes a table: changed plan pieces become changed table pieces, the rest is shared with the table before.
 * In:    the plan's changes.     Out: a new spine; later, spines and rules that came home are freed.
 * Own:   the builder thread: the compiler owns all pieces. A piece that the next table does not show dies with the last table that does,
 *        once that and all tables before it are home: no count per piece, so a change touches nothing that did not change.
 * Never: work that grows with what did not change (but for one pointer a chunk of the spine's first level). */
#pragma once
#include "plan/plan.h"
#include "table/table.h"

struct compiler;
struct compiler *compiler_new(void);
/* Every table must be home. What graves hold that were not buried is freed as well: no worker may run any more. NULL is fine. */
void compiler_free(struct compiler *c);
DEFINE_CLEANUP(compiler)

/* Is the piece in the tables of this version? Pieces of other versions, and what resolve/ was told to take as served, may not be.
 * p: opened. */
bool compile_carries(const struct plan_piece *p);
/* How many routes at most are counted apart (table_rule.tally); none unless called, before the first table. */
void compile_tally_limit(struct compiler *c, uint32_t routes_max);
/* Numbers that were given to a route, or taken from it, since the last call: one a call, false when there are no more. */
struct compile_tally {
    uint32_t tally, epoch;
    str route; /* not given: it is free again. Valid until the next table is made */
};
bool compile_tally_next(struct compiler *c, struct compile_tally *ret);
uint32_t compile_tally_others(const struct compiler *c); /* routes without a number of their own */
/* Endpoints that tables show, each address and port once; how many of them are out now: to be read by any thread, lasts as the compiler does. */
uint32_t compile_endpoints_count(const struct compiler *c);
const struct health_tally *compile_endpoints_health(const struct compiler *c);
/* A backend's endpoints by its key in the plan, as the newest table has them; NULL: it is not in there, or has none. */
const struct table_endpoints *compile_endpoints_of(const struct compiler *c, str backend);
struct compile_work {
    uint32_t rules, hosts, listeners, endpoints,
        certificates; /* pieces made; a host counts once, whatever of it is new */
};
/* The next table; never NULL. The one before stays valid until compile_home(). workers: how many will let go of it (0: this caller alone,
 * by compile_home). The plan must be the one that d was made of. */
struct table *compile_apply(struct compiler *c, const struct plan *p, const struct plan_delta *d,
                            uint32_t workers, struct compile_work *ret_work);
/* A table that nobody reads any more: what died with it is freed, but for dead rules and the backends they name. */
void compile_home(struct compiler *c, struct table *t);
/* Rules that no table shows any more, but exchanges may hold: their slots, n of them; and certificates that nobody shows any more: their ids, of
 * which workers forget what they made. In a block that stays valid until compile_buried(). Each call gives those new since the last one; NULL
 * when there are none. */
struct compile_grave {
    struct compile_grave *next; /* the compiler's */
    atomic_uint workers;        /* the caller sets it: workers that may still use one of these */
    uint32_t n;
    const uint32_t *rule_slots;
    uint32_t certificates_n;
    const uint64_t *certificates;
};
struct compile_grave *compile_retired(struct compiler *c);
/* No exchange of any worker uses the grave's rules: they are freed, their slots may be used again. */
void compile_buried(struct compiler *c, struct compile_grave *g);
