/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/gateway.h"
#include "plan/plan.h"
#include "resolve/resolver.h"

/* Filters of a listener, which run before its requests are matched.                    [GW Listener.filters] */
struct listener_filters_result {
    struct verdict accepted, refs;
    struct plan_filter *v;
    uint32_t n;
};
/* All in p->scratch. A filter whose backend can not be had stays, and lets nobody pass. */
struct listener_filters_result listener_filters_map(struct pass *p, const struct listener_state *l,
                                                    const struct listener *spec);
