/* SPDX-License-Identifier: Apache-2.0 */
/* The latest of each object by kind, namespace and name; who refers to whom; what changed since it was last asked; and, beside
 * it, the facts (facts.h): what statuses depend on besides objects.
 * In:    objects from files/ and kube/, facts from control/.     Out: objects, referrers, a change set.
 * Own:   the builder thread; the store owns its objects, and keeps those of kinds that come in great numbers in few bytes (api/parcel.h):
 *        what a caller asks for is read out of them into its arena. Doors beside this one: facts.h.
 * Never: a judgement of what an object means; a walk over all objects to answer for one. */
#pragma once
#include "api/parcel.h"
#include "store/facts.h"

struct store;
struct store *store_new(void);
void store_free(struct store *s);
DEFINE_CLEANUP(store)

/* Takes the object over. An equal one (api_hash) changes nothing but its place (source, line). generation: the one before, + 1 when
 * api_hash_spec differs, 1 at first, unless the object brings its own (a cluster's). Returns true when it is a change. */
bool store_put(struct store *s, struct object *o);
/* The same, of an object that is a parcel already. */
bool store_put_parcel(struct store *s, struct parcel *p);
/* Returns true when there was one. */
bool store_remove(struct store *s, enum api_kind kind, str ns, str name);
/* The object, in a or in the store: good until either the arena or the object in the store ends. */
const struct object *store_get(const struct store *s, struct arena *a, enum api_kind kind, str ns, str name);
bool store_has(const struct store *s, enum api_kind kind, str ns, str name);
size_t store_count(const struct store *s, enum api_kind kind);
struct store_key {
    str ns, name; /* in the store */
};
/* All of a kind, ordered by namespace and name; *ret_n of them, in a. The keys alone are much cheaper. */
const struct object **store_list(const struct store *s, struct arena *a, enum api_kind kind, size_t *ret_n);
struct store_key *store_keys(const struct store *s, struct arena *a, enum api_kind kind, size_t *ret_n);

/* Objects that name (kind, ns, name) in any reference field, in no useful order, in a. Kinds of referrers ("route": each kind):
 *   GatewayClass <- Gateway by gatewayClassName
 *   Gateway      <- route by parentRefs, ListenerSet by parentRef, XTelemetryPolicy by targetRefs     ListenerSet <- route by parentRefs
 *   Gateway, asked with ns and name "" <- route with useDefaultGateways All
 *   Service      <- route by backendRefs (and filters), EndpointSlice by its label kubernetes.io/service-name,
 *                   BackendTLSPolicy and XBackendTrafficPolicy by targetRefs, Gateway and ListenerSet by filters of their listeners,
 *                   XTelemetryPolicy by its provider
 *   XBackend     <- what names a Service, but for EndpointSlices
 *   XBackend, asked with xbackend_label() of its name <- EndpointSlice by its label postern.dev/xbackend
 *   Secret       <- Gateway and ListenerSet by certificateRefs, XBackend by clientCertificateRef
 *   ConfigMap, ClusterTrustBundle <- BackendTLSPolicy and XBackend by caCertificateRefs
 *   Namespace    <- every Gateway, ListenerSet, route and ReferenceGrant in it
 *   ReferenceGrant, asked with name "" <- Gateway, ListenerSet, route and XTelemetryPolicy that name something in the namespace from another one
 * A referrer is listed whether or not the target exists. */
const struct object **store_referrers(const struct store *s, struct arena *a, enum api_kind kind, str ns,
                                      str name, enum api_kind from, size_t *ret_n);
struct store_key *store_referrer_keys(const struct store *s, struct arena *a, enum api_kind kind, str ns,
                                      str name, enum api_kind from, size_t *ret_n);

/* What is named by any object, whether or not it exists: each target of a kind for which wanted() says yes of one of those that name it, once,
 * ordered by namespace and name; in a. */
struct store_target {
    enum api_kind kind;
    str ns, name;
};
struct store_target *store_targets(const struct store *s, struct arena *a, enum api_kind kind,
                                   bool (*wanted)(void *arg, const struct store_target *t,
                                                  const struct object *from),
                                   void *arg, size_t *ret_n);

/* One key that changed since the last store_changes(): put, replaced or removed (then store_get gives NULL). */
struct store_change {
    enum api_kind kind;
    str ns, name;
    bool spec_changed; /* false: labels, annotations or place alone */
    /* Of an EndpointSlice: the Service that its label named when changes were last asked for; not given when it was
     * not there or named none. */
    str service_before;
    str xbackend_before; /* and the XBackend */
};
/* The changes, each key once, ordered by kind; in a. They are forgotten here. */
struct store_change *store_changes(struct store *s, struct arena *a, size_t *ret_n);
