/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/gateway_class.h"
#include "api/reference.h"

/* [GW Gateway] and its listeners. Enum members follow the order of the `values` of their fields, 0 = not given. */
enum from_namespaces { FROM_UNSET, FROM_ALL, FROM_SELECTOR, FROM_SAME, FROM_NONE };
enum tls_mode { TLS_MODE_UNSET, TLS_MODE_TERMINATE, TLS_MODE_PASSTHROUGH };
enum frontend_mode { FRONTEND_UNSET, FRONTEND_ALLOW_VALID_ONLY, FRONTEND_ALLOW_INSECURE_FALLBACK };
enum all_or_none { SCOPE_UNSET, SCOPE_ALL, SCOPE_NONE };

struct selector_requirement {
    str key;
    str operator; /* In, NotIn, Exists, DoesNotExist */
    LIST_OF(str) values;
};
struct label_selector {
    struct str_map match_labels;
    LIST_OF(struct selector_requirement) match_expressions;
};
struct namespaces_from {
    uint8_t from; /* enum from_namespaces */
    struct label_selector *selector;
};
struct route_group_kind {
    str group, kind;
};
struct allowed_routes {
    struct namespaces_from namespaces;
    LIST_OF(struct route_group_kind) kinds;
};
struct listener_tls {
    uint8_t mode; /* enum tls_mode */
    LIST_OF(struct secret_ref) certificate_refs;
    struct str_map options;
};
struct listener_filter {
    uint8_t type; /* 1 ExternalAuth, 2 ExtensionRef */
    struct external_auth *external_auth;
    struct local_ref *extension_ref;
};
struct listener_filters {
    LIST_OF(struct listener_filter) requests;
};
struct listener {
    str name, hostname, protocol;
    int64_t port;
    struct listener_tls *tls;
    struct allowed_routes allowed_routes;
    struct listener_filters *filters;
};
struct gateway_address {
    str type, value, routability;
};
struct gateway_infrastructure {
    struct str_map labels, annotations;
    struct parameters_reference *parameters_ref;
};
struct frontend_validation {
    LIST_OF(struct object_ref) ca_certificate_refs;
    uint8_t mode; /* enum frontend_mode */
};
struct frontend_tls {
    struct frontend_validation *validation;
};
struct frontend_port_tls {
    int64_t port;
    struct frontend_tls tls;
};
struct gateway_frontend_tls {
    struct frontend_tls initial; /* `default` */
    LIST_OF(struct frontend_port_tls) per_port;
};
struct gateway_backend_tls {
    struct secret_ref *client_certificate_ref;
};
struct gateway_tls {
    struct gateway_backend_tls *backend;
    struct gateway_frontend_tls *frontend;
};
struct allowed_listeners {
    struct namespaces_from namespaces;
};
struct gateway {
    struct object obj;
    struct {
        str gateway_class_name;
        LIST_OF(struct listener) listeners;
        LIST_OF(struct gateway_address) addresses;
        struct gateway_infrastructure *infrastructure;
        struct allowed_listeners *allowed_listeners;
        struct gateway_tls *tls;
        uint8_t default_scope; /* enum all_or_none */
    } spec;
};
