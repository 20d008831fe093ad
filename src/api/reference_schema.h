/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/reference.h"

struct schema_check;

/* The tables of reference.h. */
extern const struct schema reference_schema_local;
extern const struct schema reference_schema_object;
extern const struct schema reference_schema_secret;
extern const struct schema reference_schema_class_parameters; /* struct parameters_reference */
extern const struct schema reference_schema_backend;
extern const struct schema reference_schema_parent;
extern const struct schema reference_schema_parent_status; /* group and kind are always printed */
extern const struct schema reference_schema_external_auth;
/* What a port means to this kind of backend: [GW BackendObjectReference] */
void reference_schema_check_port(struct schema_check *c, const struct backend_object_ref *ref);
/* [GW CommonRouteSpec.parentRefs] No parent twice, but by sections or ports. */
void reference_schema_check_parents(struct schema_check *c, const struct parent_ref *p, uint32_t n);
/* enum all_or_none */
extern const char *const reference_schema_scopes[];
/* The fields of a BackendObjectReference at `type`.`at`, alone or flattened into a larger struct. */
#define REFERENCE_BACKEND_FIELDS(type, at)                                                                   \
    {"group", FIELD_STR, AT(type, at group), .initial = "", .max = 253, .pattern = &pattern_group},          \
        {"kind",   FIELD_STR, AT(type, at kind),       .initial = "Service",                                 \
         .min = 1, .max = 63, .pattern = &pattern_kind},                                                     \
        {"name", FIELD_STR, AT(type, at name), .flags = FIELD_REQUIRED, .min = 1, .max = 253},               \
        {"namespace", FIELD_STR, AT(type, at ns), .min = 1, .max = 63, .pattern = &pattern_label}, {         \
        "port", FIELD_OPT_INT, AT(type, at port), .min = 1, .max = 65535                                     \
    }
