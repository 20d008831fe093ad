/* SPDX-License-Identifier: Apache-2.0 */
#include "api/condition.h"

#include "api/kind_schema.h"
#include "api/reference_schema.h"

/* The words follow enum condition_status, whose 0 is Unknown. */
static const char *const statuses[] = {"True", "False", NULL};
static const struct field condition_fields[] = {
    {"type", FIELD_STR, AT(condition, type), .flags = FIELD_REQUIRED},
    {"status", FIELD_ENUM, AT(condition, status), .flags = FIELD_REQUIRED, .values = statuses,
     .initial = "Unknown"},
    {"observedGeneration", FIELD_INT, AT(condition, observed_generation)},
    {"reason", FIELD_STR, AT(condition, reason), .flags = FIELD_REQUIRED},
    {"message", FIELD_STR, AT(condition, message), .flags = FIELD_REQUIRED},
};
static const struct schema condition_schema = SCHEMA(condition, condition_fields, NULL);

static const struct field feature_fields[] = {
    {"name", FIELD_STR, AT(supported_feature, name), .flags = FIELD_REQUIRED},
};
static const struct schema feature_schema = SCHEMA(supported_feature, feature_fields, NULL);
static const struct field class_fields[] = {
    {"conditions", FIELD_LIST, AT(gateway_class_status, conditions), .of = &condition_schema, .keys = "type"},
    {"supportedFeatures", FIELD_LIST, AT(gateway_class_status, supported_features), .of = &feature_schema,
     .keys = "name"},
};
const struct schema condition_class_status_schema = SCHEMA(gateway_class_status, class_fields, NULL);

static const struct field kind_fields[] = {
    {"group", FIELD_STR, AT(route_group_kind, group), .flags = FIELD_REQUIRED},
    {"kind", FIELD_STR, AT(route_group_kind, kind), .flags = FIELD_REQUIRED},
};
static const struct schema kind_schema = SCHEMA(route_group_kind, kind_fields, NULL);
static const struct field listener_fields[] = {
    {"name", FIELD_STR, AT(listener_status, name), .flags = FIELD_REQUIRED},
    {"supportedKinds", FIELD_LIST, AT(listener_status, supported_kinds), .flags = FIELD_KEEP_EMPTY,
     .of = &kind_schema},
    {"attachedRoutes", FIELD_INT, AT(listener_status, attached_routes), .flags = FIELD_REQUIRED},
    {"conditions", FIELD_LIST, AT(listener_status, conditions), .flags = FIELD_KEEP_EMPTY,
     .of = &condition_schema, .keys = "type"},
};
static const struct schema listener_schema = SCHEMA(listener_status, listener_fields, NULL);
static const struct field address_fields[] = {
    {"type", FIELD_STR, AT(gateway_status_address, type), .flags = FIELD_REQUIRED},
    {"value", FIELD_STR, AT(gateway_status_address, value), .flags = FIELD_REQUIRED},
    {"routability", FIELD_STR, AT(gateway_status_address, routability), .flags = FIELD_EXPERIMENTAL},
};
static const struct schema address_schema = SCHEMA(gateway_status_address, address_fields, NULL);
static const struct field gateway_fields[] = {
    {"addresses", FIELD_LIST, AT(gateway_status, addresses), .of = &address_schema},
    {"conditions", FIELD_LIST, AT(gateway_status, conditions), .of = &condition_schema, .keys = "type"},
    {"listeners", FIELD_LIST, AT(gateway_status, listeners), .of = &listener_schema, .keys = "name"},
    {"attachedListenerSets", FIELD_INT, AT(gateway_status, attached_listener_sets)},
};
const struct schema condition_gateway_status_schema = SCHEMA(gateway_status, gateway_fields, NULL);

static const struct field parent_fields[] = {
    {"parentRef", FIELD_STRUCT, AT(route_parent_status, parent_ref), .flags = FIELD_REQUIRED,
     .of = &reference_schema_parent_status},
    {"controllerName", FIELD_STR, AT(route_parent_status, controller_name), .flags = FIELD_REQUIRED},
    {"conditions", FIELD_LIST, AT(route_parent_status, conditions), .flags = FIELD_KEEP_EMPTY,
     .of = &condition_schema, .keys = "type"},
};
static const struct schema parent_schema = SCHEMA(route_parent_status, parent_fields, NULL);
static const struct field route_fields[] = {
    {"parents", FIELD_LIST, AT(route_status, parents), .flags = FIELD_KEEP_EMPTY, .of = &parent_schema},
};
const struct schema condition_route_status_schema = SCHEMA(route_status, route_fields, NULL);

static const struct field listener_set_fields[] = {
    {"conditions", FIELD_LIST, AT(listener_set_status, conditions), .of = &condition_schema, .keys = "type"},
    {"listeners", FIELD_LIST, AT(listener_set_status, listeners), .of = &listener_schema, .keys = "name"},
};
const struct schema condition_listener_set_status_schema =
    SCHEMA(listener_set_status, listener_set_fields, NULL);

static const struct field ancestor_fields[] = {
    {"ancestorRef", FIELD_STRUCT, AT(policy_ancestor_status, ancestor_ref), .flags = FIELD_REQUIRED,
     .of = &reference_schema_parent_status},
    {"controllerName", FIELD_STR, AT(policy_ancestor_status, controller_name), .flags = FIELD_REQUIRED},
    {"conditions", FIELD_LIST, AT(policy_ancestor_status, conditions), .flags = FIELD_KEEP_EMPTY,
     .of = &condition_schema, .keys = "type"},
};
static const struct schema ancestor_schema = SCHEMA(policy_ancestor_status, ancestor_fields, NULL);
static const struct field policy_fields[] = {
    {"ancestors", FIELD_LIST, AT(policy_status, ancestors), .flags = FIELD_KEEP_EMPTY,
     .of = &ancestor_schema},
};
const struct schema condition_policy_status_schema = SCHEMA(policy_status, policy_fields, NULL);

static const struct field xmesh_fields[] = {
    {"conditions", FIELD_LIST, AT(xmesh_status, conditions), .of = &condition_schema, .keys = "type"},
    {"supportedFeatures", FIELD_LIST, AT(xmesh_status, supported_features), .of = &feature_schema,
     .keys = "name"},
};
const struct schema condition_xmesh_status_schema = SCHEMA(xmesh_status, xmesh_fields, NULL);

bool condition_is_negative(str type) {
    static const char *const types[] = {"Conflicted", "PartiallyInvalid", "OverlappingTLSConfig",
                                        "InsecureFrontendValidationMode", "Detached"};
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (str_eq(type, str_of(types[i]))) return true;
    return false;
}
