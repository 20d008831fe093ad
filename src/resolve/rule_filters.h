/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/http_route.h"
#include "plan/plan.h"
#include "resolve/resolver.h"

/* Filters in the plan's words, in p->scratch; the verdict tells the first that can not be served. path: what messages
 * call the list, "spec.rules[0].filters". rule: whose matches a replacement of prefixes depends on. */
struct verdict rule_filters_map(struct pass *p, str path, const struct http_route_filter *filters, uint32_t n,
                                const struct http_route_rule *rule, bool of_backend, struct plan_filter **ret,
                                uint32_t *ret_n);
