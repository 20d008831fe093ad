/* SPDX-License-Identifier: Apache-2.0 */
#include "api/http_route.h"

#include "api/http_route_rules.h"
#include "api/http_schema.h"
#include "api/kind_schema.h"
#include "api/meta.h"
#include "api/pattern.h"
#include "api/reference_schema.h"

const char *const http_route_methods[] = {"GET",     "HEAD",    "POST",  "PUT",   "DELETE",
                                          "CONNECT", "OPTIONS", "TRACE", "PATCH", NULL};
const char *const http_route_filter_types[] = {"RequestHeaderModifier",
                                               "ResponseHeaderModifier",
                                               "RequestMirror",
                                               "ExtensionRef",
                                               "RequestRedirect",
                                               "URLRewrite",
                                               "CORS",
                                               "ExternalAuth",
                                               NULL};

static const char *const path_types[] = {"Exact", "PathPrefix", "RegularExpression", NULL};
static const struct field path_fields[] = {
    {"type", FIELD_ENUM, AT(path_match, type), .values = path_types, .initial = "PathPrefix"},
    {"value", FIELD_STR, AT(path_match, value), .initial = "/", .max = 1024},
};
static const struct schema path_schema = SCHEMA(path_match, path_fields, http_route_rules_path);

static const char *const value_types[] = {"Exact", "RegularExpression", NULL};
static const struct field header_match_fields[] = {
    {"type", FIELD_ENUM, AT(value_match, type), .values = value_types, .initial = "Exact"},
    {"name", FIELD_STR, AT(value_match, name), .flags = FIELD_REQUIRED, .min = 1, .max = 256,
     .pattern = &pattern_header_name},
    {"value", FIELD_STR, AT(value_match, value), .flags = FIELD_REQUIRED, .min = 1, .max = 4096,
     .pattern = &pattern_header_value},
};
static const struct schema header_match_schema = SCHEMA(value_match, header_match_fields, NULL);
static const struct field query_match_fields[] = {
    {"type", FIELD_ENUM, AT(value_match, type), .values = value_types, .initial = "Exact"},
    {"name", FIELD_STR, AT(value_match, name), .flags = FIELD_REQUIRED, .min = 1, .max = 256,
     .pattern = &pattern_header_name},
    {"value", FIELD_STR, AT(value_match, value), .flags = FIELD_REQUIRED, .min = 1, .max = 1024},
};
static const struct schema query_match_schema = SCHEMA(value_match, query_match_fields, NULL);

static const struct field match_fields[] = {
    {"path", FIELD_STRUCT, AT(http_route_match, path), .of = &path_schema, .initial = "{}"},
    {"headers", FIELD_LIST, AT(http_route_match, headers), .of = &header_match_schema, .max = 16,
     .keys = "name"},
    {"queryParams", FIELD_LIST, AT(http_route_match, query_params), .of = &query_match_schema, .max = 16,
     .keys = "name"},
    {"method", FIELD_ENUM, AT(http_route_match, method), .values = http_route_methods},
};
static const struct schema match_schema = SCHEMA(http_route_match, match_fields, NULL);

static const char *const modifier_types[] = {"ReplaceFullPath", "ReplacePrefixMatch", NULL};
static const struct field path_modifier_fields[] = {
    {"type", FIELD_ENUM, AT(path_modifier, type), .flags = FIELD_REQUIRED, .values = modifier_types},
    {"replaceFullPath", FIELD_STR, AT(path_modifier, replace_full_path), .max = 1024},
    {"replacePrefixMatch", FIELD_STR, AT(path_modifier, replace_prefix_match), .max = 1024},
};
static const struct schema path_modifier_schema =
    SCHEMA(path_modifier, path_modifier_fields, http_route_rules_modifier);

static const char *const schemes[] = {"http", "https", NULL};
static const char *const redirect_codes[] = {"301", "302", "303", "307", "308", NULL};
static const struct field redirect_fields[] = {
    {"scheme", FIELD_ENUM, AT(request_redirect, scheme), .values = schemes},
    {"hostname", FIELD_STR, AT(request_redirect, hostname), .min = 1, .max = 253,
     .pattern = &pattern_subdomain},
    {"path", FIELD_OPT_STRUCT, AT(request_redirect, path), .of = &path_modifier_schema},
    {"port", FIELD_OPT_INT, AT(request_redirect, port), .min = 1, .max = 65535},
    {"statusCode", FIELD_INT, AT(request_redirect, status_code), .values = redirect_codes, .initial = "302"},
};
static const struct schema redirect_schema = SCHEMA(request_redirect, redirect_fields, NULL);

static const struct field rewrite_fields[] = {
    {"hostname", FIELD_STR, AT(url_rewrite, hostname), .min = 1, .max = 253, .pattern = &pattern_subdomain},
    {"path", FIELD_OPT_STRUCT, AT(url_rewrite, path), .of = &path_modifier_schema},
};
static const struct schema rewrite_schema = SCHEMA(url_rewrite, rewrite_fields, NULL);

static const char *const cors_methods[] = {"GET",     "HEAD",  "POST",  "PUT", "DELETE", "CONNECT",
                                           "OPTIONS", "TRACE", "PATCH", "*",   NULL};
static const struct field cors_fields[] = {
    {"allowOrigins", FIELD_STR_LIST, AT(cors, allow_origins), .flags = FIELD_UNIQUE, .max = 64, .item_min = 1,
     .item_max = 253, .pattern = &pattern_cors_origin},
    {"allowCredentials", FIELD_OPT_BOOL, AT(cors, allow_credentials)},
    {"allowMethods", FIELD_STR_LIST, AT(cors, allow_methods), .flags = FIELD_UNIQUE, .max = 9,
     .values = cors_methods},
    {"allowHeaders", FIELD_STR_LIST, AT(cors, allow_headers), .flags = FIELD_UNIQUE, .max = 64, .item_min = 1,
     .item_max = 256, .pattern = &pattern_header_name},
    {"exposeHeaders", FIELD_STR_LIST, AT(cors, expose_headers), .flags = FIELD_UNIQUE, .max = 64,
     .item_min = 1, .item_max = 256, .pattern = &pattern_header_name},
    {"maxAge", FIELD_INT, AT(cors, max_age), .initial = "5", .min = 1, .max = INT32_MAX},
};
static const struct schema cors_schema = SCHEMA(cors, cors_fields, http_route_rules_cors);

static const struct field filter_fields[] = {
    {"type", FIELD_ENUM, AT(http_route_filter, type), .flags = FIELD_REQUIRED,
     .values = http_route_filter_types},
    {"requestHeaderModifier", FIELD_OPT_STRUCT, AT(http_route_filter, request_header_modifier),
     .of = &http_schema_header_modifier},
    {"responseHeaderModifier", FIELD_OPT_STRUCT, AT(http_route_filter, response_header_modifier),
     .of = &http_schema_header_modifier},
    {"requestMirror", FIELD_OPT_STRUCT, AT(http_route_filter, request_mirror), .of = &http_schema_mirror},
    {"requestRedirect", FIELD_OPT_STRUCT, AT(http_route_filter, request_redirect), .of = &redirect_schema},
    {"urlRewrite", FIELD_OPT_STRUCT, AT(http_route_filter, url_rewrite), .of = &rewrite_schema},
    {"extensionRef", FIELD_OPT_STRUCT, AT(http_route_filter, extension_ref), .of = &reference_schema_local},
    {"cors", FIELD_OPT_STRUCT, AT(http_route_filter, cors), .of = &cors_schema},
    {"externalAuth", FIELD_OPT_STRUCT, AT(http_route_filter, external_auth), .flags = FIELD_EXPERIMENTAL,
     .of = &reference_schema_external_auth},
};
static const struct schema filter_schema = SCHEMA(http_route_filter, filter_fields, http_route_rules_filter);

static const struct field backend_fields[] = {
    REFERENCE_BACKEND_FIELDS(http_backend_ref, ref.),
    {"weight", FIELD_INT, AT(http_backend_ref, weight), .initial = "1", .max = 1000000},
    {"filters", FIELD_LIST, AT(http_backend_ref, filters), .of = &filter_schema, .max = 16},
};
static const struct schema backend_schema =
    SCHEMA(http_backend_ref, backend_fields, http_route_rules_backend);

static const struct field timeouts_fields[] = {
    {"request", FIELD_DURATION, AT(http_route_timeouts, request)},
    {"backendRequest", FIELD_DURATION, AT(http_route_timeouts, backend_request)},
};
static const struct schema timeouts_schema =
    SCHEMA(http_route_timeouts, timeouts_fields, http_route_rules_timeouts);

static const struct field retry_fields[] = {
    {"codes", FIELD_INT_LIST, AT(http_route_retry, codes), .flags = FIELD_UNIQUE, .item_min = 400,
     .item_max = 599},
    {"attempts", FIELD_OPT_INT, AT(http_route_retry, attempts), .initial = "1", .max = INT64_MAX},
    {"backoff", FIELD_DURATION, AT(http_route_retry, backoff)},
};
static const struct schema retry_schema = SCHEMA(http_route_retry, retry_fields, NULL);

static const struct field rule_fields[] = {
    {"name", FIELD_STR, AT(http_route_rule, name), .min = 1, .max = 253, .pattern = &pattern_subdomain},
    {"matches", FIELD_LIST, AT(http_route_rule, matches), .of = &match_schema, .initial = "[{}]", .max = 64},
    {"filters", FIELD_LIST, AT(http_route_rule, filters), .of = &filter_schema, .max = 16},
    {"backendRefs", FIELD_LIST, AT(http_route_rule, backend_refs), .of = &backend_schema, .max = 16},
    {"timeouts", FIELD_OPT_STRUCT, AT(http_route_rule, timeouts), .of = &timeouts_schema},
    {"retry", FIELD_OPT_STRUCT, AT(http_route_rule, retry), .of = &retry_schema},
    {"sessionPersistence", FIELD_OPT_STRUCT, AT(http_route_rule, session_persistence),
     .flags = FIELD_EXPERIMENTAL, .of = &http_schema_session},
};
static const struct schema rule_schema = SCHEMA(http_route_rule, rule_fields, http_route_rules_rule);

static const struct field spec_fields[] = {
    {"parentRefs", FIELD_LIST, AT(http_route, spec.parent_refs), .of = &reference_schema_parent, .max = 32},
    {"useDefaultGateways", FIELD_ENUM, AT(http_route, spec.use_default_gateways), .flags = FIELD_EXPERIMENTAL,
     .values = reference_schema_scopes},
    {"hostnames", FIELD_STR_LIST, AT(http_route, spec.hostnames), .max = 16, .item_min = 1, .item_max = 253,
     .pattern = &pattern_hostname},
    {"rules", FIELD_LIST, AT(http_route, spec.rules), .of = &rule_schema, .initial = "[{}]", .min = 1,
     .max = 16},
};
static const struct schema spec_schema = SCHEMA(http_route, spec_fields, http_route_rules_spec);

static const struct field fields[] = {
    META_FIELDS(http_route),
    {"spec", FIELD_STRUCT, 0, .flags = FIELD_REQUIRED, .of = &spec_schema},
};
const struct schema http_route_schema = SCHEMA(http_route, fields, NULL);
