/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "schema/schema.h"

/* Kinds in the order in which a table of contents would name them. */
enum api_kind {
    KIND_NONE,
    KIND_GATEWAY_CLASS,
    KIND_GATEWAY,
    KIND_LISTENER_SET,
    KIND_HTTP_ROUTE,
    KIND_GRPC_ROUTE,
    KIND_TLS_ROUTE,
    KIND_TCP_ROUTE,
    KIND_UDP_ROUTE,
    KIND_BACKEND_TLS_POLICY,
    KIND_XBACKEND,
    KIND_XBACKEND_TRAFFIC_POLICY,
    KIND_XMESH,
    KIND_XTELEMETRY_POLICY,
    KIND_SERVICE,
    KIND_ENDPOINT_SLICE,
    KIND_SECRET,
    KIND_CONFIG_MAP,
    KIND_CLUSTER_TRUST_BUNDLE,
    KIND_NAMESPACE,
    KIND_REFERENCE_GRANT,
    KIND_COUNT
};

/* ObjectMeta, as far as a gateway reads it. */
struct owner_reference {
    str api_version, kind, name, uid;
    struct opt_bool controller, block_owner_deletion;
};
struct meta {
    str name, generate_name, ns; /* ns: "" for cluster-scoped kinds; "default" is filled in for others */
    str uid, resource_version;
    int64_t generation;
    int64_t created_s; /* creationTimestamp; 0: not known */
    int64_t deleted_s; /* deletionTimestamp; 0: not being deleted */
    struct opt_int deletion_grace_s;
    struct str_map labels, annotations;
    LIST_OF(str) finalizers;
    LIST_OF(struct owner_reference) owner_references;
};

/* Every object begins with this. Immutable once decoded, but for what the store says of its place (generation, uid).
 * A packed object is one block; api_free() ends it. */
struct object {
    enum api_kind kind;
    uint32_t line; /* of the document in its file */
    str api_version;
    str kind_name;
    str source; /* the file it came from; "" when from elsewhere */
    struct meta meta;
};
