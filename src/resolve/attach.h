/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/route.h"
#include "resolve/resolver.h"
#include "resolve/verdicts.h"

/* Where a route is attached: for each of its parents that is ours a judgement, and all listeners that take it. */
enum { ATTACH_PARENTS_MAX = 32 /* [GW RouteStatus.parents] */ };
struct attach_listener {
    struct listener_state *listener;
    str *hostnames; /* the route's own that meet the listener's, lower case; one "" when it has none */
    uint32_t hostnames_n;
};
struct attach {
    struct parent_verdict *parents;
    uint32_t parents_n;
    struct attach_listener *listeners; /* each once */
    uint32_t listeners_n;
};
struct label_selector;
struct namespaces_from;
/* Do the labels of the namespace fit? A namespace always carries its name as one. */
bool attach_selector_takes(const struct pass *p, const struct label_selector *s, str ns);
/* own_ns: what Same means. */
bool attach_namespace_allowed(const struct pass *p, const struct namespaces_from *from, str own_ns, str ns);
void attach_route(struct pass *p, const struct route *route, struct attach *ret);
