/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/reference.h"

/* [GW HTTPRoute] Enum members follow the order of the `values` of their fields, 0 = not given. */
enum path_match_type { PATH_UNSET, PATH_EXACT, PATH_PREFIX, PATH_REGEX };
enum value_match_type { VALUE_UNSET, VALUE_EXACT, VALUE_REGEX };
enum path_modifier_type { MODIFIER_UNSET, MODIFIER_FULL_PATH, MODIFIER_PREFIX_MATCH };
enum http_filter_type {
    FILTER_UNSET,
    FILTER_REQUEST_HEADER_MODIFIER,
    FILTER_RESPONSE_HEADER_MODIFIER,
    FILTER_REQUEST_MIRROR,
    FILTER_EXTENSION_REF, /* so far a GRPCRoute's, too */
    FILTER_REQUEST_REDIRECT,
    FILTER_URL_REWRITE,
    FILTER_CORS,
    FILTER_EXTERNAL_AUTH,
};
/* NULL-terminated. */
extern const char *const http_route_methods[];
enum session_type { SESSION_UNSET, SESSION_COOKIE, SESSION_HEADER };
enum lifetime_type { LIFETIME_UNSET, LIFETIME_PERMANENT, LIFETIME_SESSION };

struct path_match {
    uint8_t type; /* enum path_match_type */
    str value;
};
struct value_match { /* a header or a query parameter */
    uint8_t type;    /* enum value_match_type */
    str name, value;
};
struct http_route_match {
    struct path_match path;
    LIST_OF(struct value_match) headers;
    LIST_OF(struct value_match) query_params;
    uint8_t
        method; /* index of http_route_methods[] + 1: GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH */
};
struct http_header {
    str name, value;
};
struct header_modifier {
    LIST_OF(struct http_header) set, add;
    LIST_OF(str) remove;
};
struct path_modifier {
    uint8_t type; /* enum path_modifier_type */
    str replace_full_path, replace_prefix_match;
};
struct request_redirect {
    uint8_t scheme; /* 1 http, 2 https */
    str hostname;
    struct path_modifier *path;
    struct opt_int port;
    int64_t status_code;
};
struct url_rewrite {
    str hostname;
    struct path_modifier *path;
};
struct fraction {
    int64_t numerator, denominator;
};
struct request_mirror {
    struct backend_object_ref backend_ref;
    struct opt_int percent;
    struct fraction *fraction;
};
struct cors {
    LIST_OF(str) allow_origins, allow_methods, allow_headers, expose_headers;
    struct opt_bool allow_credentials;
    int64_t max_age;
};
struct http_route_filter {
    uint8_t type; /* enum http_filter_type */
    struct header_modifier *request_header_modifier, *response_header_modifier;
    struct request_mirror *request_mirror;
    struct request_redirect *request_redirect;
    struct url_rewrite *url_rewrite;
    struct local_ref *extension_ref;
    struct cors *cors;
    struct external_auth *external_auth;
};
struct http_backend_ref {
    struct backend_object_ref ref; /* flattened in documents */
    int64_t weight;
    LIST_OF(struct http_route_filter) filters;
};
struct http_route_timeouts {
    struct opt_int request, backend_request; /* microseconds; 0 = none */
};
struct http_route_retry {
    LIST_OF(int64_t) codes;
    struct opt_int attempts;
    struct opt_int backoff; /* microseconds */
};
struct session_cookie {
    str name, path;
    uint8_t lifetime_type; /* enum lifetime_type */
};
struct session_header {
    str name;
};
struct session_persistence {
    uint8_t type; /* enum session_type */
    struct opt_int absolute_timeout;
    struct session_cookie *cookie;
    struct session_header *header;
};
struct http_route_rule {
    str name;
    LIST_OF(struct http_route_match) matches;
    LIST_OF(struct http_route_filter) filters;
    LIST_OF(struct http_backend_ref) backend_refs;
    struct http_route_timeouts *timeouts;
    struct http_route_retry *retry;
    struct session_persistence *session_persistence;
};
struct http_route {
    struct object obj;
    struct {
        LIST_OF(struct parent_ref) parent_refs;
        uint8_t use_default_gateways; /* enum all_or_none */
        LIST_OF(str) hostnames;
        LIST_OF(struct http_route_rule) rules;
    } spec;
};
