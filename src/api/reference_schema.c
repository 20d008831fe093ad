/* SPDX-License-Identifier: Apache-2.0 */
#include "api/reference_schema.h"

#include "api/gateway_class.h"
#include "api/pattern.h"
#include "schema/breach.h"

#define GATEWAY_GROUP   "gateway.networking.k8s.io"
#define GROUP(type)     "group", FIELD_STR, AT(type, group), .max = 253, .pattern = &pattern_group
#define KIND(type)      "kind", FIELD_STR, AT(type, kind), .min = 1, .max = 63, .pattern = &pattern_kind
#define NAME(type)      "name", FIELD_STR, AT(type, name), .flags = FIELD_REQUIRED, .min = 1, .max = 253
#define NAMESPACE(type) "namespace", FIELD_STR, AT(type, ns), .min = 1, .max = 63, .pattern = &pattern_label

static const struct field local_fields[] = {
    {GROUP(local_ref), .flags = FIELD_REQUIRED},
    {KIND(local_ref), .flags = FIELD_REQUIRED},
    {NAME(local_ref)},
};
const struct schema reference_schema_local = SCHEMA(local_ref, local_fields, NULL);

static const struct field object_fields[] = {
    {GROUP(object_ref), .flags = FIELD_REQUIRED},
    {KIND(object_ref), .flags = FIELD_REQUIRED},
    {NAME(object_ref)},
    {NAMESPACE(object_ref)},
};
const struct schema reference_schema_object = SCHEMA(object_ref, object_fields, NULL);

static const struct field secret_fields[] = {
    {GROUP(secret_ref), .initial = ""},
    {KIND(secret_ref), .initial = "Secret"},
    {NAME(secret_ref)},
    {NAMESPACE(secret_ref)},
};
const struct schema reference_schema_secret = SCHEMA(secret_ref, secret_fields, NULL);

static const struct field parameters_fields[] = {
    {GROUP(parameters_reference), .flags = FIELD_REQUIRED},
    {KIND(parameters_reference), .flags = FIELD_REQUIRED},
    {NAME(parameters_reference)},
    {NAMESPACE(parameters_reference)},
};
const struct schema reference_schema_class_parameters = SCHEMA(parameters_reference, parameters_fields, NULL);

void reference_schema_check_port(struct schema_check *c, const struct backend_object_ref *ref) {
    bool service = ref->group.n == 0 && str_eq(ref->kind, S("Service"));
    bool backend = str_eq(ref->group, S("gateway.networking.x-k8s.io")) && str_eq(ref->kind, S("XBackend"));
    if (service && !ref->port.set)
        breach(c, S("port"), S("give the port of the Service, not of its pods"), "is required for a Service");
    if (backend && ref->port.set)
        breach(c, S("port"), S("remove it"), "must not be given for an XBackend: it has its own");
}

static void backend_rules(struct schema_check *c, const void *obj) { reference_schema_check_port(c, obj); }
static const struct field backend_fields[] = {REFERENCE_BACKEND_FIELDS(backend_object_ref, )};
const struct schema reference_schema_backend = SCHEMA(backend_object_ref, backend_fields, backend_rules);

static const struct field parent_fields[] = {
    {GROUP(parent_ref), .initial = GATEWAY_GROUP},
    {KIND(parent_ref), .initial = "Gateway"},
    {NAMESPACE(parent_ref)},
    {NAME(parent_ref)},
    {"sectionName", FIELD_STR, AT(parent_ref, section_name), .min = 1, .max = 253,
     .pattern = &pattern_subdomain},
    {"port", FIELD_OPT_INT, AT(parent_ref, port), .min = 1, .max = 65535},
};
const struct schema reference_schema_parent = SCHEMA(parent_ref, parent_fields, NULL);

static const struct field parent_status_fields[] = {
    {GROUP(parent_ref), .flags = FIELD_REQUIRED},
    {KIND(parent_ref), .flags = FIELD_REQUIRED},
    {NAMESPACE(parent_ref)},
    {NAME(parent_ref)},
    {"sectionName", FIELD_STR, AT(parent_ref, section_name), .min = 1, .max = 253,
     .pattern = &pattern_subdomain},
    {"port", FIELD_OPT_INT, AT(parent_ref, port), .min = 1, .max = 65535},
};
const struct schema reference_schema_parent_status = SCHEMA(parent_ref, parent_status_fields, NULL);

static bool same_parent(const struct parent_ref *x, const struct parent_ref *y) {
    return str_eq(x->group, y->group) && str_eq(x->kind, y->kind) && str_eq(x->name, y->name) &&
           str_eq(x->ns, y->ns);
}

/* [GW CommonRouteSpec.parentRefs] */
void reference_schema_check_parents(struct schema_check *c, const struct parent_ref *p, uint32_t n) {
    for (uint32_t i = 1; i < n; i++)
        for (uint32_t j = 0; j < i; j++) {
            const struct parent_ref *x = &p[i], *y = &p[j];
            if (!same_parent(x, y)) continue;
            bool alike = !x->section_name.n == !y->section_name.n && x->port.set == y->port.set;
            bool equal = str_eq(x->section_name, y->section_name) && x->port.v == y->port.v;
            if (alike && !equal) continue;
            breach(
                c, breach_at(c, "parentRefs[%u]", i), S("give each its own sectionName or port"),
                alike
                    ? "the same parent as in parentRefs[%u]"
                    : "the same parent as in parentRefs[%u], and only one of them has a sectionName or port",
                j);
            break;
        }
}

const char *const reference_schema_scopes[] = {"All", "None", NULL};

static const struct field grpc_fields[] = {
    {"allowedHeaders", FIELD_STR_LIST, AT(external_auth_grpc, allowed_headers), .flags = FIELD_UNIQUE,
     .max = 64},
};
static const struct schema grpc_schema = SCHEMA(external_auth_grpc, grpc_fields, NULL);
static const struct field http_fields[] = {
    {"path", FIELD_STR, AT(external_auth_http, path), .max = 1024, .pattern = &pattern_path},
    {"allowedHeaders", FIELD_STR_LIST, AT(external_auth_http, allowed_headers), .flags = FIELD_UNIQUE,
     .max = 64},
    {"allowedResponseHeaders", FIELD_STR_LIST, AT(external_auth_http, allowed_response_headers),
     .flags = FIELD_UNIQUE, .max = 64},
};
static const struct schema http_schema = SCHEMA(external_auth_http, http_fields, NULL);
static const struct field forward_body_fields[] = {
    {"maxSize", FIELD_OPT_INT, AT(forward_body, max_size), .max = INT32_MAX},
};
static const struct schema forward_body_schema = SCHEMA(forward_body, forward_body_fields, NULL);

static void external_auth_rules(struct schema_check *c, const void *obj) {
    const struct external_auth *x = obj;
    enum { HTTP = 1, GRPC };
    if (x->protocol == GRPC && !x->grpc)
        breach(c, S("grpc"), S("give \"grpc: {}\" at least"), "is required when protocol is GRPC");
    if (x->protocol != GRPC && x->grpc) breach(c, S("grpc"), S("remove it"), "is only for protocol GRPC");
    if (x->protocol == HTTP && !x->http)
        breach(c, S("http"), S("give \"http: {}\" at least"), "is required when protocol is HTTP");
    if (x->protocol != HTTP && x->http) breach(c, S("http"), S("remove it"), "is only for protocol HTTP");
}

static const char *const auth_protocols[] = {"HTTP", "GRPC", NULL};
static const struct field external_auth_fields[] = {
    {"protocol", FIELD_ENUM, AT(external_auth, protocol), .flags = FIELD_REQUIRED, .values = auth_protocols},
    {"backendRef", FIELD_STRUCT, AT(external_auth, backend_ref), .flags = FIELD_REQUIRED,
     .of = &reference_schema_backend},
    {"grpc", FIELD_OPT_STRUCT, AT(external_auth, grpc), .of = &grpc_schema},
    {"http", FIELD_OPT_STRUCT, AT(external_auth, http), .of = &http_schema},
    {"forwardBody", FIELD_OPT_STRUCT, AT(external_auth, forward_body), .of = &forward_body_schema},
};
const struct schema reference_schema_external_auth =
    SCHEMA(external_auth, external_auth_fields, external_auth_rules);
