/* SPDX-License-Identifier: Apache-2.0 */
#include "api/listener_set.h"

#include "api/kind_schema.h"
#include "api/listener_schema.h"
#include "api/meta.h"
#include "api/pattern.h"

static const struct field parent_fields[] = {
    {"group", FIELD_STR, AT(object_ref, group), .initial = "gateway.networking.k8s.io", .max = 253,
     .pattern = &pattern_group},
    {"kind", FIELD_STR, AT(object_ref, kind), .initial = "Gateway", .min = 1, .max = 63,
     .pattern = &pattern_kind},
    {"name", FIELD_STR, AT(object_ref, name), .flags = FIELD_REQUIRED, .min = 1, .max = 253},
    {"namespace", FIELD_STR, AT(object_ref, ns), .min = 1, .max = 63, .pattern = &pattern_label},
};
static const struct schema parent_schema = SCHEMA(object_ref, parent_fields, NULL);

static void spec_rules(struct schema_check *c, const void *obj) {
    const struct listener_set *s = obj;
    listener_schema_check(c, s->spec.listeners.p, s->spec.listeners.n);
}
static const struct field spec_fields[] = {
    {"parentRef", FIELD_STRUCT, AT(listener_set, spec.parent_ref), .flags = FIELD_REQUIRED,
     .of = &parent_schema},
    {"listeners", FIELD_LIST, AT(listener_set, spec.listeners), .flags = FIELD_REQUIRED,
     .of = &listener_schema_entry, .min = 1, .max = 64, .keys = "name"},
};
static const struct schema spec_schema = SCHEMA(listener_set, spec_fields, spec_rules);

static const struct field fields[] = {
    META_FIELDS(listener_set),
    {"spec", FIELD_STRUCT, 0, .flags = FIELD_REQUIRED, .of = &spec_schema},
};
const struct schema listener_set_schema = SCHEMA(listener_set, fields, NULL);
