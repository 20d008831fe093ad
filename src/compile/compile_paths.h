/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "compile/compiler.h"

/* The matches of a rule; without any it takes every request [GW HTTPRouteRule.matches]. */
uint32_t compile_paths_matches(const struct plan_rule *r);
const struct plan_match *compile_paths_match(const struct plan_rule *r, uint32_t i);
/* By its path; a holds what is in the making. */
uint64_t compile_paths_key(struct arena *a, const struct plan_match *m);

/* One match of one route among those of a shard. */
struct compile_paths_item {
    uint64_t key;
    const struct plan_match *match;
    const struct plan_route *route;
    const struct table_rule *rule;
    uint32_t rule_at, match_at;
    uint8_t headers_n, query_n; /* repeated names left out */
    uint8_t kind;               /* enum host_kind */
    uint8_t traits;             /* of host_alternative */
    str literal;                /* REGEX */
};
/* The rest of an item whose route, rules and places are set. */
void compile_paths_fill(struct arena *a, struct compile_paths_item *it, const struct plan_match *m);
/* The piece of a shard from its items, which get sorted. */
struct host_paths *compile_paths_make(struct compiler *c, struct compile_paths_item *items, uint32_t n);
/* Lets go of its expressions. NULL is fine. */
void compile_paths_free(struct compiler *c, struct host_paths *p);
