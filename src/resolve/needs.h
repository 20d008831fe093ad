/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "resolve/resolve.h"

/* What the world outside has to give to what is ours, as it stands after a pass: for whoever follows an API server and makes Services. */

/* A port that a listener of the Gateway, or of a ListenerSet on it, is to be reached at. */
struct need_port {
    uint16_t port;
    bool udp;
};
/* An entry of spec.addresses that can be had, as far as it can be judged by itself. */
struct need_address {
    uint32_t index;  /* in spec.addresses */
    str value;       /* "" = any */
    str routability; /* "" = as usual; "Cluster"; what else is only passed through */
};
struct need_gateway {
    str ns, name;
    bool accepted;   /* and has an address that can be had */
    uint8_t service; /* enum settings_service: what its Service is to be */
    const struct need_port
        *ports; /* each once, in order; those of listeners that are accepted and in nobody's way */
    uint32_t ports_n;
    const struct need_address *addresses; /* none: whatever there is */
    uint32_t addresses_n;
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
/* Pods that the plan's XBackends select; each once, ordered; in a. */
struct need_selector {
    str ns, name, uid;
    uint16_t port;
    const struct str_pair *labels;
    uint32_t labels_n;
};
struct need_selector *needs_selectors(const struct resolver *r, const struct store *s, const struct plan *p,
                                      struct arena *a, size_t *ret_n);
/* Hostnames whose addresses the plan's XBackends have, each once; in a. They are others only when a pass resolved an XBackend. */
str *needs_names(const struct resolver *r, const struct plan *p, struct arena *a, size_t *ret_n);
