/* SPDX-License-Identifier: Apache-2.0 */
#include "api/gateway_class.h"

#include "api/kind_schema.h"
#include "api/meta.h"
#include "api/pattern.h"

static const struct field parameters_fields[] = {
    {"group", FIELD_STR, AT(parameters_reference, group), .flags = FIELD_REQUIRED, .max = 253,
     .pattern = &pattern_group},
    {"kind", FIELD_STR, AT(parameters_reference, kind), .flags = FIELD_REQUIRED, .min = 1, .max = 63,
     .pattern = &pattern_kind},
    {"name", FIELD_STR, AT(parameters_reference, name), .flags = FIELD_REQUIRED, .min = 1, .max = 253},
    {"namespace", FIELD_STR, AT(parameters_reference, ns), .min = 1, .max = 63, .pattern = &pattern_label},
};
static const struct schema parameters_schema = SCHEMA(parameters_reference, parameters_fields, NULL);

static const struct field spec_fields[] = {
    {"controllerName", FIELD_STR, AT(gateway_class, spec.controller_name), .flags = FIELD_REQUIRED, .min = 1,
     .max = 253, .pattern = &pattern_controller},
    {"parametersRef", FIELD_OPT_STRUCT, AT(gateway_class, spec.parameters_ref), .of = &parameters_schema},
    {"description", FIELD_STR, AT(gateway_class, spec.description), .max = 64},
};
static const struct schema spec_schema = SCHEMA(gateway_class, spec_fields, NULL);

static const struct field fields[] = {
    META_FIELDS(gateway_class),
    {"spec", FIELD_STRUCT, 0, .flags = FIELD_REQUIRED, .of = &spec_schema},
};
const struct schema gateway_class_schema = SCHEMA(gateway_class, fields, NULL);
