/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/object.h"

/* The ways in which one object names another; defaults are filled in by the decoder, but for namespaces. */
struct local_ref {
    str group, kind, name;
};
struct object_ref {
    str group, kind, name, ns;
};
struct secret_ref {
    str group, kind, name, ns;
};
struct backend_object_ref {
    str group, kind, name, ns;
    struct opt_int port;
};
struct backend_ref {
    struct backend_object_ref ref; /* flattened in documents */
    int64_t weight;
};
/* [GW ParentReference] */
struct parent_ref {
    str group, kind, ns, name, section_name;
    struct opt_int port;
};
/* [GW HTTPExternalAuthFilter], experimental */
struct external_auth_grpc {
    LIST_OF(str) allowed_headers;
};
struct external_auth_http {
    str path;
    LIST_OF(str) allowed_headers, allowed_response_headers;
};
struct forward_body {
    struct opt_int max_size;
};
struct external_auth {
    uint8_t protocol; /* 1 HTTP, 2 GRPC */
    struct backend_object_ref backend_ref;
    struct external_auth_grpc *grpc;
    struct external_auth_http *http;
    struct forward_body *forward_body;
};
