/* SPDX-License-Identifier: Apache-2.0 */
#include "api/http_schema.h"

#include "api/http_route_rules.h"
#include "api/pattern.h"
#include "api/reference_schema.h"

static const struct field header_fields[] = {
    {"name", FIELD_STR, AT(http_header, name), .flags = FIELD_REQUIRED, .min = 1, .max = 256,
     .pattern = &pattern_header_name},
    {"value", FIELD_STR, AT(http_header, value), .flags = FIELD_REQUIRED, .min = 1, .max = 4096,
     .pattern = &pattern_header_value},
};
const struct schema http_schema_header = SCHEMA(http_header, header_fields, NULL);
static const struct field header_modifier_fields[] = {
    {"set", FIELD_LIST, AT(header_modifier, set), .of = &http_schema_header, .max = 16, .keys = "name"},
    {"add", FIELD_LIST, AT(header_modifier, add), .of = &http_schema_header, .max = 16, .keys = "name"},
    {"remove", FIELD_STR_LIST, AT(header_modifier, remove), .flags = FIELD_UNIQUE, .max = 16},
};
const struct schema http_schema_header_modifier = SCHEMA(header_modifier, header_modifier_fields, NULL);

static const struct field fraction_fields[] = {
    {"numerator", FIELD_INT, AT(fraction, numerator), .flags = FIELD_REQUIRED, .max = INT32_MAX},
    {"denominator", FIELD_INT, AT(fraction, denominator), .initial = "100", .min = 1, .max = INT32_MAX},
};
const struct schema http_schema_fraction = SCHEMA(fraction, fraction_fields, http_route_rules_fraction);
static const struct field mirror_fields[] = {
    {"backendRef", FIELD_STRUCT, AT(request_mirror, backend_ref), .flags = FIELD_REQUIRED,
     .of = &reference_schema_backend},
    {"percent", FIELD_OPT_INT, AT(request_mirror, percent), .max = 100},
    {"fraction", FIELD_OPT_STRUCT, AT(request_mirror, fraction), .of = &http_schema_fraction},
};
const struct schema http_schema_mirror = SCHEMA(request_mirror, mirror_fields, http_route_rules_mirror);

static const char *const lifetimes[] = {"Permanent", "Session", NULL};
static const struct field cookie_fields[] = {
    {"name", FIELD_STR, AT(session_cookie, name), .min = 1, .max = 256, .pattern = &pattern_header_name},
    {"path", FIELD_STR, AT(session_cookie, path), .initial = "/", .max = 1024},
    {"lifetimeType", FIELD_ENUM, AT(session_cookie, lifetime_type), .values = lifetimes,
     .initial = "Session"},
};
static const struct schema cookie_schema = SCHEMA(session_cookie, cookie_fields, NULL);
static const struct field session_header_fields[] = {
    {"name", FIELD_STR, AT(session_header, name), .flags = FIELD_REQUIRED, .min = 1, .max = 256,
     .pattern = &pattern_header_name},
};
static const struct schema session_header_schema = SCHEMA(session_header, session_header_fields, NULL);
static const char *const session_types[] = {"Cookie", "Header", NULL};
static const struct field session_fields[] = {
    {"type", FIELD_ENUM, AT(session_persistence, type), .values = session_types, .initial = "Cookie"},
    {"absoluteTimeout", FIELD_DURATION, AT(session_persistence, absolute_timeout)},
    {"cookie", FIELD_OPT_STRUCT, AT(session_persistence, cookie), .of = &cookie_schema},
    {"header", FIELD_OPT_STRUCT, AT(session_persistence, header), .of = &session_header_schema},
};
const struct schema http_schema_session =
    SCHEMA(session_persistence, session_fields, http_route_rules_session);
