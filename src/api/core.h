/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/object.h"

/* The kinds of Kubernetes itself that a gateway reads: Service, EndpointSlice, Secret, ConfigMap,
 * ClusterTrustBundle, Namespace. What their API has and a
 * gateway has no use for is in the field tables as FIELD_IGNORED, so that real manifests are accepted as they are. */
struct service_port {
    str name, protocol, app_protocol; /* protocol: TCP when not given */
    int64_t port;
    struct int_or_str target_port;
    struct opt_int node_port;
};
struct service {
    struct object obj;
    struct {
        str type; /* ClusterIP when not given */
        str cluster_ip, external_name, session_affinity;
        struct str_map selector;
        LIST_OF(struct service_port) ports;
    } spec;
};

struct endpoint_conditions {
    struct opt_bool ready, serving, terminating;
};
struct endpoint_target {
    str kind, ns, name, uid;
};
struct endpoint {
    LIST_OF(str) addresses;
    struct endpoint_conditions conditions;
    str hostname, node_name, zone;
    struct endpoint_target target_ref;
};
struct endpoint_port {
    str name, protocol, app_protocol;
    struct opt_int port;
};
struct endpoint_slice {
    struct object obj;
    str address_type; /* IPv4, IPv6, FQDN */
    LIST_OF(struct endpoint) endpoints;
    LIST_OF(struct endpoint_port) ports;
};

struct secret {
    struct object obj;
    str type;
    struct str_map data;        /* decoded; stringData has been merged in */
    struct str_map string_data; /* empty once decoded */
};

struct config_map {
    struct object obj;
    struct str_map data;        /* text */
    struct str_map binary_data; /* decoded */
};

struct cluster_trust_bundle {
    struct object obj;
    struct {
        str signer_name;
        str trust_bundle; /* PEM certificates */
    } spec;
};

struct namespace {
    struct object obj;
};
