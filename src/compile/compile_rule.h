/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "compile/compiler.h"

/* Of all that a table_rule holds; what it matches is the hosts'. */
uint64_t compile_rule_hash(const struct plan_route *route, const struct plan_rule *rule);
/* The rule with its filters, targets and strings in one block; it holds its backends. */
struct table_rule *compile_rule_make(struct compiler *c, const struct plan_route *route,
                                     const struct plan_rule *rule, uint64_t hash);
