/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "kube/kube_batch.h"
#include "kube/kube_client.h"

/* The objects of an API server that concern a gateway. Every kind that the server has and that we may read is followed; of
 * Services (with their EndpointSlices), Secrets, ConfigMaps and ClusterTrustBundles only those that were asked for. CRDs may
 * be missing, older or newer: kinds come and go as they do. */
struct kube_source;

/* What there is of one kind. A kind that is neither MISSING nor FORBIDDEN is (or is going to be) followed. */
enum kube_presence {
    KUBE_UNKNOWN, /* not yet asked */
    KUBE_MISSING, /* the server has no such resource in a version that we read: its CRD is not installed */
    KUBE_FORBIDDEN, /* RBAC does not let us list and watch it (in at least one of the namespaces); tried again */
    KUBE_LISTING,  /* being listed, or it failed and is tried again */
    KUBE_FOLLOWED, /* listed whole at least once */
};
struct kube_kind_facts {
    enum kube_presence presence;
    bool installed;          /* its CRD is there, as far as CRDs are ours to read */
    char version[16];        /* that we read it in: "v1" */
    char channel[16];        /* of its CRD: "standard", "experimental"; "" = not known */
    char bundle_version[32]; /* of its CRD: "v1.7.0"; "" = not known (or not ours to read) */
    char message[256];       /* FORBIDDEN, LISTING: what went wrong last; "" = nothing */
};
/* A plain value, to be copied and posted as it is. */
struct kube_facts {
    /* Every kind was asked for, and what can be read was listed whole once: the first pass may begin. Stays true. */
    bool complete;
    bool connected;    /* the last request was answered */
    char trouble[256]; /* why it can not be learned what the server has; "" = it can, or was not asked yet */
    char server_version[32]; /* "v1.37.0" */
    /* Of the Gateway API's CRDs: of GatewayClass, else of the first that says. "" = none is installed or readable. */
    char bundle_version[32], channel[16];
    struct kube_kind_facts kinds[KIND_COUNT]; /* [KIND_NONE] is not used */
};
struct kube_source_config {
    /* NULL: the whole cluster. Else everything namespaced is listed in these alone, and cluster-scoped kinds that RBAC does
     * not show are done without. */
    const str *namespaces;
    size_t namespaces_n;
    void (*on_batch)(void *arg, struct kube_batch *b); /* the receiver's from here on */
    void (*on_facts)(void *arg, const struct kube_facts *f);
    void *arg;
};
/* Begins at once. client outlives it. */
struct kube_source *kube_source_new(struct kube_client *client, const struct kube_source_config *config);
void kube_source_free(struct kube_source *s); /* NULL is fine */

/* One object that something accepted names. */
struct kube_want {
    enum api_kind
        kind; /* SERVICE (its EndpointSlices come with it), SECRET, CONFIG_MAP, CLUSTER_TRUST_BUNDLE */
    str ns, name;
};
/* Replaces the whole set, in any order, each any number of times. What is new is read and then followed; what is not in it any
 * more is let go (told as removed). KUBE_CHANGE_SETTLED with this revision follows everything that came of it. */
void kube_source_want(struct kube_source *s, const struct kube_want *wants, size_t n, uint64_t revision);
const struct kube_facts *kube_source_facts(const struct kube_source *s);
