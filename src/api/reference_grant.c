/* SPDX-License-Identifier: Apache-2.0 */
#include "api/reference_grant.h"

#include "api/kind_schema.h"
#include "api/meta.h"
#include "api/pattern.h"

static const struct field from_fields[] = {
    {"group", FIELD_STR, AT(grant_from, group), .flags = FIELD_REQUIRED, .max = 253,
     .pattern = &pattern_group},
    {"kind", FIELD_STR, AT(grant_from, kind), .flags = FIELD_REQUIRED, .min = 1, .max = 63,
     .pattern = &pattern_kind},
    {"namespace", FIELD_STR, AT(grant_from, ns), .flags = FIELD_REQUIRED, .min = 1, .max = 63,
     .pattern = &pattern_label},
};
static const struct schema from_schema = SCHEMA(grant_from, from_fields, NULL);

static const struct field to_fields[] = {
    {"group", FIELD_STR, AT(grant_to, group), .flags = FIELD_REQUIRED, .max = 253, .pattern = &pattern_group},
    {"kind", FIELD_STR, AT(grant_to, kind), .flags = FIELD_REQUIRED, .min = 1, .max = 63,
     .pattern = &pattern_kind},
    {"name", FIELD_STR, AT(grant_to, name), .min = 1, .max = 253},
};
static const struct schema to_schema = SCHEMA(grant_to, to_fields, NULL);

static const struct field spec_fields[] = {
    {"from", FIELD_LIST, AT(reference_grant, spec.from), .flags = FIELD_REQUIRED, .of = &from_schema,
     .min = 1, .max = 16},
    {"to", FIELD_LIST, AT(reference_grant, spec.to), .flags = FIELD_REQUIRED, .of = &to_schema, .min = 1,
     .max = 16},
};
static const struct schema spec_schema = SCHEMA(reference_grant, spec_fields, NULL);

static const struct field fields[] = {
    META_FIELDS(reference_grant),
    {"spec", FIELD_STRUCT, 0, .flags = FIELD_REQUIRED, .of = &spec_schema},
};
const struct schema reference_grant_schema = SCHEMA(reference_grant, fields, NULL);
