/* SPDX-License-Identifier: Apache-2.0 */
/* The API server: who we are to it, requests, lists and watches, the objects that concern us, a lease.
 * In:    a kubeconfig or a pod's ServiceAccount; what control/ wants of Services, Secrets and ConfigMaps.
 * Out:   batches of packed objects in the order in which the server told them (kube_batch.h), what it has and lets us read
 *        (struct kube_facts), answers to requests, whether we lead.
 * Own:   the loop thread owns all of it; everything is a callback of its loop. A batch is the receiver's: control/ posts it
 *        to the builder thread. Doors beside this one, from the bottom: kube_config.h kube_client.h kube_path.h kube_backoff.h
 *        kube_watch.h kube_batch.h kube_source.h kube_lease.h. A callback may call whatever is declared there, but may free
 *        nothing that the callback came from unless its header says so.
 * Never: a blocking call; a judgement of what an object means; an object kept that nothing of ours names; libcurl in a process
 *        that does not follow an API server (kube_curl.c loads it when a client is made: it costs 4 MB). */
#pragma once
#include "base/base.h"
