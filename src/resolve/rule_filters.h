/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/http_route.h"
#include "api/route.h"
#include "plan/plan.h"
#include "resolve/resolver.h"

/* Filters in the plan's words, in p->scratch; the verdict tells the first that can not be served. path: what messages
 * call the list, "spec.rules[0].filters". rule: whose matches a replacement of prefixes depends on. */
struct verdict rule_filters_map(struct pass *p, const struct route *route, str path,
                                const struct http_route_filter *filters, uint32_t n,
                                const struct http_route_rule *rule, bool of_backend, struct plan_filter **ret,
                                uint32_t *ret_n);
/* Is there one that may keep requests out? A rule that is left out must not leave them to a wider rule then.
 *                                                                                  [GW HTTPRouteFilter.extensionRef] */
bool rule_filters_guard(const struct http_route_filter *filters, uint32_t n);

/* One filter on its way; for the files that know its kind. */
struct filter_mapping {
    struct pass *p;
    struct arena *a;
    const struct route *route;
    str path; /* of the filter: "spec.rules[0].filters[1]" */
    const struct http_route_filter *from;
    const struct http_route_rule *rule;
    uint32_t mirrors; /* before this one */
    bool of_backend;
};
struct verdict rule_filters_not_served(const struct filter_mapping *m, enum feature f);
/* Framing, routing and the connection are the gateway's own: no filter may write them. */
bool rule_filters_reserved(str field);
