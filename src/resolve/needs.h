/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "resolve/resolve.h"

/* What the world outside has to give to what is ours, as it stands after a pass: for whoever follows an API server and makes Services. */

/* A port that a listener of the Gateway, or of a ListenerSet on it, is to be reached at. */
struct need_port {
    uint16_t port;
    bool udp;
};
struct need_gateway {
    str ns, name;
    bool accepted;
    uint8_t service; /* enum settings_service: what its Service is to be */
    const struct need_port
        *ports; /* each once, in order; those of listeners that are accepted and in nobody's way */
    uint32_t ports_n;
};
/* Every Gateway of ours, ordered by namespace and name; in a. */
struct need_gateway *needs_gateways(const struct resolver *r, struct arena *a, size_t *ret_n);

/* Services that our routes, or settings, name; Secrets, ConfigMaps and ClusterTrustBundles that what is ours names and may use. */
struct need_object {
    enum api_kind kind;
    str ns, name;
};
/* Each once, ordered; in a. */
struct need_object *needs_objects(const struct resolver *r, const struct store *s, struct arena *a,
                                  size_t *ret_n);
/* Hostnames whose addresses the plan's XBackends have, each once; in a. They are others only when a pass resolved an XBackend. */
str *needs_names(const struct resolver *r, const struct plan *p, struct arena *a, size_t *ret_n);
