/* SPDX-License-Identifier: Apache-2.0 */
/* What an object is: each kind declared once, as a field table over a plain struct, its cross-field rules beside it.
 * In:    one document's nodes.     Out: a packed object, or findings that name every breach of the kind's schema.
 * Own:   a packed object belongs to whoever holds it (the store); api_free() ends it. Doors beside this one:
 *        parcel.h object.h reference.h condition.h route.h; gateway_class.h gateway.h listener_set.h http_route.h grpc_route.h l4_route.h
 *        backend_tls_policy.h xbackend.h xbackend_traffic_policy.h xmesh.h xtelemetry_policy.h core.h settings.h
 *        reference_grant.h.
 * Never: a look at another object; what objects mean together is resolve/'s. */
#pragma once
#include "api/object.h"
#include "schema/finding.h"

struct node;

/* One kind that postern reads. */
struct api_type {
    enum api_kind kind;
    const char *group;           /* "" for core */
    const char *const *versions; /* NULL-terminated, the preferred one first */
    const char *name;            /* "HTTPRoute" */
    const char *plural;          /* "httproutes" */
    bool namespaced;
    const struct schema *schema;         /* of the whole struct, in the preferred version */
    const struct schema *status_schema;  /* of struct ..._status (condition.h), or NULL */
    const struct schema *const *schemas; /* of each of versions; NULL: `schema` for all */
};
/* KIND_NONE < kind < KIND_COUNT. */
const struct api_type *api_type_of(enum api_kind kind);
/* By group and kind as documents write them; NULL when postern does not read that kind. */
const struct api_type *api_type_find(str group, str kind);

/* Decodes one document: ERR_PROTO with findings when it breaks its schema; ERR_ABSENT with one finding of class schema when no
 * such kind or version is known (the finding says which are); the scratch arena is used on the way and may be reset afterwards.
 * *ret is packed: free it with api_free(). A `List` is not decoded here: files/ takes its items apart. */
err api_decode(struct arena *scratch, const struct node *doc, str source, struct findings *f,
               struct object **ret);
void api_free(struct object *o); /* NULL is fine */

/* The hash of everything but metadata that only the API server or we write (generation, uid, resourceVersion, managedFields). */
uint64_t api_hash(const struct object *o);
/* The hash of the spec (all outside metadata and status): a change of it is a new generation. */
uint64_t api_hash_spec(const struct object *o);
/* "HTTPRoute/ns/name", "GatewayClass/name": the key of the store and of messages; in a. */
str api_key(struct arena *a, enum api_kind kind, str ns, str name);
