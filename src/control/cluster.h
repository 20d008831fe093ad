/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/link.h"
#include "control/address_book.h"
#include "control/selector_book.h"
#include "io/loop.h"
#include "io/mailbox.h"

/* The loop thread's part of following an API server: client, objects that come in, lease, the Gateways' Services, and what goes out: statuses
 * and Events. The builder thread's part is follower.h; the two speak by posts. */
struct builder;
struct kube_want;
struct cluster_config {
    const char *kubeconfig, *context; /* NULL: as kube_config.h finds them */
    const str *namespaces;            /* to be bound to; none: the whole cluster */
    size_t namespaces_n;
    const char *identity; /* which of several we are: the pod's name, or host and process */
    str lease;            /* the name of what they contend for, in pod_namespace */
    str pod_namespace;    /* "" = not in a pod: the configuration's namespace */
    str pod_service;      /* the Service of postern's own pods, in pod_namespace */
    const str *pod_ips, *host_ips;
    uint32_t pod_ips_n, host_ips_n;
    enum address_type type; /* of Gateways' Services unless settings say otherwise */
};
struct cluster;
/* ERR_*: what is wrong was logged. */
err cluster_new(const struct cluster_config *c, const char *controller_name, struct loop *loop,
                struct builder *builder, struct cluster **ret);
/* This pod is to end. left() is called when no more connections are meant for it, at once where none ever were: when the API server has
 * EndpointSlices of every Gateway that name others instead. That may never be; and clients' nodes know of it a little later. Until
 * cluster_release() all goes on: whoever leads has to write just these. */
void cluster_leave(struct cluster *c, void (*left)(void *arg), void *arg);
/* Nothing more is written; the lease is given back; then released() is called, within seconds. */
void cluster_release(struct cluster *c, void (*released)(void *arg), void *arg);
/* The builder's thread has ended: nothing is posted to it any more, and what it posted is let go. */
void cluster_end(struct cluster *c);
void cluster_free(struct cluster *c); /* NULL is fine */

/* What the builder thread posts; each in an arena of its own, which the receiver frees. */
struct cluster_needs {
    struct post post;
    struct arena *arena;
    struct cluster *to;
    bool objects; /* `wants` is meant */
    const struct kube_want *wants;
    size_t wants_n;
    uint64_t revision;
    bool gateways; /* `demands` is meant */
    const struct address_demand *demands;
    size_t demands_n;
    bool selects; /* `selectors` is meant */
    const struct selector_demand *selectors;
    size_t selectors_n;
};
struct cluster_status {
    struct post post;
    struct link flight;
    struct arena *arena;
    struct cluster *to;
    enum api_kind kind;
    str ns, name, path, body;
};
struct cluster_event {
    struct post post;
    struct arena *arena;
    struct cluster *to;
    bool repeated; /* PATCH of one that was made */
    str path, body, share;
};
void cluster_deliver_needs(struct post *p, void *receiver);
void cluster_deliver_status(struct post *p, void *receiver);
void cluster_deliver_event(struct post *p, void *receiver);
