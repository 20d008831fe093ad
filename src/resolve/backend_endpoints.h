/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/ip.h"
#include "resolve/resolver.h"

/* The endpoints of one backend, gathered from slices and names, and into the plan: each once, in order. New requests go to those that are
 * ready; when there is none, to those that end and serve still.                          [Kubernetes EndpointConditions] */
struct backend_endpoint {
    struct ip ip;
    int64_t port;
    bool ending;
};
struct backend_endpoints {
    struct backend_endpoint *p; /* to free() */
    uint32_t n, cap;
};
struct endpoint_slice;
void backend_endpoints_add(struct backend_endpoints *all, const struct ip *ip, int64_t port);
/* The slice's that are ready or end, at that port. */
void backend_endpoints_add_slice(struct backend_endpoints *all, const struct endpoint_slice *s, int64_t port);
/* key: of the backend. Frees *all. */
void backend_endpoints_write(struct pass *p, str key, struct backend_endpoints *all);
