/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "kube/kube_feed.h"

/* Of Services, EndpointSlices, Secrets, ConfigMaps and ClusterTrustBundles: those that are asked for by name. Services and their
 * slices are watched whole and all but the wanted ones passed over; the others have a watch each, or, where a namespace has many,
 * one for all of a type if RBAC lets us. */
struct kube_wanted;
struct kube_wanted *kube_wanted_new(struct kube_source *s);
void kube_wanted_free(struct kube_wanted *w);
bool kube_wanted_is_kind(enum api_kind kind);
void kube_wanted_set(struct kube_wanted *w, const struct kube_want *wants, size_t n, uint64_t revision);
/* At the end of a turn: what feeds have learnt is acted upon, and once all is there, SETTLED is told. */
void kube_wanted_tick(struct kube_wanted *w);
