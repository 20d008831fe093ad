/* SPDX-License-Identifier: Apache-2.0 */
#include "api/xmesh.h"

#include "api/kind_schema.h"
#include "api/meta.h"
#include "api/pattern.h"
#include "api/reference_schema.h"

static const struct field spec_fields[] = {
    {"controllerName", FIELD_STR, AT(xmesh, spec.controller_name), .flags = FIELD_REQUIRED, .min = 1,
     .max = 253, .pattern = &pattern_controller},
    {"parametersRef", FIELD_OPT_STRUCT, AT(xmesh, spec.parameters_ref),
     .of = &reference_schema_class_parameters},
    {"description", FIELD_STR, AT(xmesh, spec.description), .max = 64},
};
static const struct schema spec_schema = SCHEMA(xmesh, spec_fields, NULL);

static const struct field fields[] = {
    META_FIELDS(xmesh),
    {"spec", FIELD_STRUCT, 0, .flags = FIELD_REQUIRED, .of = &spec_schema},
};
const struct schema xmesh_schema = SCHEMA(xmesh, fields, NULL);
