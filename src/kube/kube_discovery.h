/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/object.h"
#include "kube/kube_client.h"

/* Which of our kinds the API server serves, and in which version. */
struct kube_found {
    char versions[KIND_COUNT][16]; /* the best that we read; "" = it has none */
    char server_version[32];       /* "v1.37.0"; "" = it does not say */
};
struct kube_discovery;
/* Nothing is asked before kube_discovery_ask(). on_found: each time all was answered, changed or not. on_trouble: it did not
 * work and is tried again, with backoff. */
struct kube_discovery *kube_discovery_new(struct kube_client *c,
                                          void (*on_found)(void *arg, const struct kube_found *f),
                                          void (*on_trouble)(void *arg, str message), void *arg);
void kube_discovery_free(struct kube_discovery *d); /* NULL is fine */
/* In a while; a question under way is asked again after its answer. */
void kube_discovery_ask(struct kube_discovery *d, uint64_t wait_us);
