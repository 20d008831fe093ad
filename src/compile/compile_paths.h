/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "compile/compiler.h"

/* The matches of a rule; without any it takes every request [GW HTTPRouteRule.matches]. */
uint32_t compile_paths_matches(const struct plan_rule *r);
const struct plan_match *compile_paths_match(const struct plan_rule *r, uint32_t i);
uint64_t compile_paths_key(const struct plan_match *m);

/* One match of one route among those of a shard. */
struct compile_paths_item {
    uint64_t key;
    const struct plan_match *match;
    const struct plan_route *route;
    const struct table_rule *rule;
    uint32_t rule_at, match_at;
    uint8_t headers_n, query_n; /* repeated names left out */
};
void compile_paths_fill(struct compile_paths_item *it, const struct plan_match *m);
/* The piece of a shard from its items, which get sorted. */
struct host_paths *compile_paths_make(struct compile_paths_item *items, uint32_t n);
