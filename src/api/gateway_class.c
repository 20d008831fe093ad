/* SPDX-License-Identifier: Apache-2.0 */
#include "api/gateway_class.h"

#include "api/kind_schema.h"
#include "api/meta.h"
#include "api/pattern.h"
#include "api/reference_schema.h"

static const struct field spec_fields[] = {
    {"controllerName", FIELD_STR, AT(gateway_class, spec.controller_name), .flags = FIELD_REQUIRED, .min = 1,
     .max = 253, .pattern = &pattern_controller},
    {"parametersRef", FIELD_OPT_STRUCT, AT(gateway_class, spec.parameters_ref),
     .of = &reference_schema_class_parameters},
    {"description", FIELD_STR, AT(gateway_class, spec.description), .max = 64},
};
static const struct schema spec_schema = SCHEMA(gateway_class, spec_fields, NULL);

static const struct field fields[] = {
    META_FIELDS(gateway_class),
    {"spec", FIELD_STRUCT, 0, .flags = FIELD_REQUIRED, .of = &spec_schema},
};
const struct schema gateway_class_schema = SCHEMA(gateway_class, fields, NULL);
