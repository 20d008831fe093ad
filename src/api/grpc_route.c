/* SPDX-License-Identifier: Apache-2.0 */
#include "api/grpc_route.h"

#include "api/http_route_rules.h"
#include "api/http_schema.h"
#include "api/kind_schema.h"
#include "api/meta.h"
#include "api/pattern.h"
#include "api/reference_schema.h"
#include "schema/breach.h"

enum { MATCHES_MAX = 128 };

static void check_word(struct schema_check *c, const char *at, str s, const struct pattern *p) {
    if (s.p && !p->holds(s))
        breach(c, str_of(at), (str){0}, "invalid value \"" STR_FMT "\": %s", STR_ARG(str_upto(s, 100)),
               p->says);
}

static void method_rules(struct schema_check *c, const void *obj) {
    const struct grpc_method_match *m = obj;
    if (!m->service.p && !m->method.p)
        breach(c, S(""), S("leave the method out to match every call"), "needs service, method or both");
    if (m->type != VALUE_EXACT) return;
    check_word(c, "service", m->service, &pattern_grpc_service);
    check_word(c, "method", m->method, &pattern_grpc_method);
}
static const char *const match_types[] = {"Exact", "RegularExpression", NULL};
static const struct field method_fields[] = {
    {"type", FIELD_ENUM, AT(grpc_method_match, type), .values = match_types, .initial = "Exact"},
    {"service", FIELD_STR, AT(grpc_method_match, service), .max = 1024},
    {"method", FIELD_STR, AT(grpc_method_match, method), .max = 1024},
};
static const struct schema method_schema = SCHEMA(grpc_method_match, method_fields, method_rules);

static const struct field header_fields[] = {
    {"type", FIELD_ENUM, AT(value_match, type), .values = match_types, .initial = "Exact"},
    {"name", FIELD_STR, AT(value_match, name), .flags = FIELD_REQUIRED, .min = 1, .max = 256,
     .pattern = &pattern_header_name},
    {"value", FIELD_STR, AT(value_match, value), .flags = FIELD_REQUIRED, .min = 1, .max = 4096},
};
static const struct schema header_schema = SCHEMA(value_match, header_fields, NULL);

static const struct field match_fields[] = {
    {"method", FIELD_OPT_STRUCT, AT(grpc_route_match, method), .of = &method_schema},
    {"headers", FIELD_LIST, AT(grpc_route_match, headers), .of = &header_schema, .max = 16, .keys = "name"},
};
static const struct schema match_schema = SCHEMA(grpc_route_match, match_fields, NULL);

/* The first of http_route_filter_types. */
static const char *const filter_types[] = {"RequestHeaderModifier", "ResponseHeaderModifier", "RequestMirror",
                                           "ExtensionRef", NULL};
static const struct field filter_fields[] = {
    {"type", FIELD_ENUM, AT(http_route_filter, type), .flags = FIELD_REQUIRED, .values = filter_types},
    {"requestHeaderModifier", FIELD_OPT_STRUCT, AT(http_route_filter, request_header_modifier),
     .of = &http_schema_header_modifier},
    {"responseHeaderModifier", FIELD_OPT_STRUCT, AT(http_route_filter, response_header_modifier),
     .of = &http_schema_header_modifier},
    {"requestMirror", FIELD_OPT_STRUCT, AT(http_route_filter, request_mirror), .of = &http_schema_mirror},
    {"extensionRef", FIELD_OPT_STRUCT, AT(http_route_filter, extension_ref), .of = &reference_schema_local},
};
static const struct schema filter_schema = SCHEMA(http_route_filter, filter_fields, http_route_rules_filter);

static const struct field backend_fields[] = {
    REFERENCE_BACKEND_FIELDS(http_backend_ref, ref.),
    {"weight", FIELD_INT, AT(http_backend_ref, weight), .initial = "1", .max = 1000000},
    {"filters", FIELD_LIST, AT(http_backend_ref, filters), .of = &filter_schema, .max = 16},
};
static const struct schema backend_schema =
    SCHEMA(http_backend_ref, backend_fields, http_route_rules_backend);

static void rule_rules(struct schema_check *c, const void *obj) {
    const struct grpc_route_rule *r = obj;
    http_route_rules_filters(c, r->filters.p, r->filters.n);
}
static const struct field rule_fields[] = {
    {"name", FIELD_STR, AT(grpc_route_rule, name), .min = 1, .max = 253, .pattern = &pattern_subdomain},
    {"matches", FIELD_LIST, AT(grpc_route_rule, matches), .of = &match_schema, .max = 64},
    {"filters", FIELD_LIST, AT(grpc_route_rule, filters), .of = &filter_schema, .max = 16},
    {"backendRefs", FIELD_LIST, AT(grpc_route_rule, backend_refs), .of = &backend_schema, .max = 16},
    {"sessionPersistence", FIELD_OPT_STRUCT, AT(grpc_route_rule, session_persistence),
     .flags = FIELD_EXPERIMENTAL, .of = &http_schema_session},
};
static const struct schema rule_schema = SCHEMA(grpc_route_rule, rule_fields, rule_rules);

static void spec_rules(struct schema_check *c, const void *obj) {
    const struct grpc_route *r = obj;
    uint32_t matches = 0;
    reference_schema_check_parents(c, r->spec.parent_refs.p, r->spec.parent_refs.n);
    for (uint32_t i = 0; i < r->spec.rules.n; i++) {
        matches += r->spec.rules.p[i].matches.n;
        str name = r->spec.rules.p[i].name;
        for (uint32_t j = 0; name.p && j < i; j++)
            if (str_eq(name, r->spec.rules.p[j].name)) {
                breach(c, breach_at(c, "rules[%u].name", i), (str){0},
                       "the same as of rules[%u]; names must be unique", j);
                break;
            }
    }
    if (matches > MATCHES_MAX)
        breach(c, S("rules"), S("split the route"), "%u matches in all rules; at most %d are allowed",
               matches, MATCHES_MAX);
}
static const struct field spec_fields[] = {
    {"parentRefs", FIELD_LIST, AT(grpc_route, spec.parent_refs), .of = &reference_schema_parent, .max = 32},
    {"useDefaultGateways", FIELD_ENUM, AT(grpc_route, spec.use_default_gateways), .flags = FIELD_EXPERIMENTAL,
     .values = reference_schema_scopes},
    {"hostnames", FIELD_STR_LIST, AT(grpc_route, spec.hostnames), .max = 16, .item_min = 1, .item_max = 253,
     .pattern = &pattern_hostname},
    {"rules", FIELD_LIST, AT(grpc_route, spec.rules), .of = &rule_schema, .max = 16},
};
static const struct schema spec_schema = SCHEMA(grpc_route, spec_fields, spec_rules);

static const struct field fields[] = {
    META_FIELDS(grpc_route),
    {"spec", FIELD_STRUCT, 0, .flags = FIELD_REQUIRED, .of = &spec_schema},
};
const struct schema grpc_route_schema = SCHEMA(grpc_route, fields, NULL);
