/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "schema/schema.h"

/* The expressions that the CRDs and Kubernetes itself put on strings. */
extern const struct pattern pattern_label;          /* DNS label [RFC 1123 2.1] */
extern const struct pattern pattern_namespace;      /* the same, or empty: not given */
extern const struct pattern pattern_subdomain;      /* labels with dots */
extern const struct pattern pattern_group;          /* the same, or empty */
extern const struct pattern pattern_kind;           /* HTTPRoute */
extern const struct pattern pattern_hostname;       /* *.example.com */
extern const struct pattern pattern_controller;     /* example.com/name */
extern const struct pattern pattern_protocol;       /* HTTP, example.com/name */
extern const struct pattern pattern_address_type;   /* IPAddress, example.com/name */
extern const struct pattern pattern_header_name;    /* token [RFC 9110 5.6.2] */
extern const struct pattern pattern_header_value;   /* visible ASCII, single spaces or tabs inside */
extern const struct pattern pattern_path;           /* characters of a URI's path [RFC 3986 3.3] */
extern const struct pattern pattern_cors_origin;    /* an origin, or "*" for all */
extern const struct pattern pattern_label_value;    /* of a label: 63 characters are allowed besides */
extern const struct pattern pattern_qualified;      /* key of a label: [prefix/]name */
extern const struct pattern pattern_data_key;       /* key of a Secret's data */
extern const struct pattern pattern_port_name;      /* name of a port [RFC 6335 5.1] */
extern const struct pattern pattern_bundle_name;    /* of a ClusterTrustBundle: example.com:signer:name */
extern const struct pattern pattern_uri;            /* scheme://... [RFC 3986 3] */
extern const struct pattern pattern_well_known;     /* System, example.com/name */
extern const struct pattern pattern_grpc_service;   /* package.Service */
extern const struct pattern pattern_grpc_method;    /* Method */
extern const struct pattern pattern_telemetry_name; /* letters, digits and _.:/- */
extern const struct pattern pattern_span_name;      /* the same in words */
extern const struct pattern pattern_attribute_key;  /* lower-case letters, digits and _.- */
