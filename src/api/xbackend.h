/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/backend_tls_policy.h"
#include "api/http_route.h"

/* [GW XBackend] Enum members follow the order of the `values` of their fields, 0 = not given. */
enum xbackend_type { XBACKEND_UNSET, XBACKEND_EXTERNAL_HOSTNAME, XBACKEND_ENDPOINT_SELECTOR };
enum xbackend_tls_mode {
    XBACKEND_TLS_UNSET,
    XBACKEND_TLS_NONE,
    XBACKEND_TLS_SERVER_ONLY,
    XBACKEND_TLS_CLIENT_AND_SERVER,
};
enum xbackend_protocol {
    XBACKEND_PROTOCOL_UNSET,
    XBACKEND_TCP,
    XBACKEND_HTTP,
    XBACKEND_HTTP2,
    XBACKEND_HTTP11,
    XBACKEND_H2C,
    XBACKEND_MCP,
    XBACKEND_GRPC,
    XBACKEND_WSS,
};
struct external_hostname {
    str hostname;
};
struct endpoint_selector {
    struct str_map match_labels;
};
struct xbackend_port {
    struct opt_int number; /* always given */
};
struct xbackend_tls {
    uint8_t mode; /* enum xbackend_tls_mode; None when there is no tls */
    struct secret_ref *client_certificate_ref;
    struct backend_tls_validation *validation;
};
/* EndpointSlices with this label are the endpoints of the XBackend of their namespace that its value names (xbackend_label). */
#define XBACKEND_LABEL "postern.dev/xbackend"
struct xbackend {
    struct object obj;
    struct {
        uint8_t type; /* enum xbackend_type */
        struct external_hostname *external_hostname;
        struct endpoint_selector *endpoint_selector;
        struct xbackend_port port;
        uint8_t protocol; /* enum xbackend_protocol */
        struct xbackend_tls tls;
        struct session_persistence *session_persistence;
    } spec;
};
struct arena;
/* The name as the value of a label, which has 63 characters at most: a longer one is cut and told apart by a hash. */
str xbackend_label(struct arena *a, str name);
