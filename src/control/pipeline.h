/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "compile/compile.h"
#include "resolve/resolve.h"
#include "store/store.h"

/* Objects to table, without a thread: what the builder runs, and `check`, `explain` and the goldens as well. */
struct pipeline {
    struct store *store;
    struct facts facts;
    struct resolver *resolver;
    struct plan plan;
    struct compiler *compiler;
    struct table *table;             /* the newest, NULL before the first pass */
    int64_t again_s;                 /* when time alone changes a result */
    const char *sandbox;             /* what the process that serves it may still do; NULL: not told */
    const struct words_start *start; /* what the process that serves it was given; NULL: none does */
    struct resolve_work resolved;    /* of the last pass */
    struct compile_work compiled;
};
void pipeline_init(struct pipeline *p, str controller_name);
/* The newest table must have come home (pipeline_release) unless it was made for no worker. */
void pipeline_fini(struct pipeline *p);
/* One pass over what changed in store and facts. true: p->table is a new one (the caller now owns the duty to bring the one before home, which is
 * *ret_before, by pipeline_release). false: the plan did not change. */
bool pipeline_pass(struct pipeline *p, int64_t now_s, uint32_t workers, struct table **ret_before);
void pipeline_release(struct pipeline *p, struct table *t);
