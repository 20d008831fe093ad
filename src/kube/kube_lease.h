/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "kube/kube_client.h"

/* Of several of us, one leads: whoever holds a coordination.k8s.io/v1 Lease. A leader that can not renew is told that it leads
 * no more before anybody else may take the lease, by its own monotonic clock; others judge a lease by how long they have seen
 * it unchanged, so that no two clocks are compared. */
struct kube_lease;
struct kube_lease_config {
    str ns, name;
    str identity; /* unique among the candidates: pod name, or host and process */
    unsigned
        lease_s; /* 0: 15. Renewed each third of it; given up at two thirds without a renewal; looked at by others each
                          fifteenth. */
    void (*on_change)(void *arg, bool leads);
    void *arg;
};
/* Begins at once, not leading. client outlives it. */
struct kube_lease *kube_lease_new(struct kube_client *client, const struct kube_lease_config *config);
bool kube_lease_leads(const struct kube_lease *l);
/* Who holds it, as last seen; "" when nobody or not known. */
str kube_lease_holder(const struct kube_lease *l);
/* A clean stop: leads no more at once (on_change is called), then gives the lease back so that the next needs not wait.
 * on_released is called when that is done or after 3 s without success; then free it. */
void kube_lease_release(struct kube_lease *l, void (*on_released)(void *arg), void *arg);
void kube_lease_free(struct kube_lease *l); /* leaves the lease as it is; NULL is fine */
