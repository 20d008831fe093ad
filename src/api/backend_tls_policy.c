/* SPDX-License-Identifier: Apache-2.0 */
#include "api/backend_tls_policy.h"

#include "api/kind_schema.h"
#include "api/meta.h"
#include "api/pattern.h"
#include "api/policy_schema.h"
#include "schema/breach.h"

static bool same_target(const struct policy_target *x, const struct policy_target *y) {
    return str_eq(x->group, y->group) && str_eq(x->kind, y->kind) && str_eq(x->name, y->name);
}

static void spec_rules(struct schema_check *c, const void *obj) {
    const struct backend_tls_policy *b = obj;
    for (uint32_t i = 1; i < b->spec.target_refs.n; i++)
        for (uint32_t j = 0; j < i; j++) {
            const struct policy_target *x = &b->spec.target_refs.p[i], *y = &b->spec.target_refs.p[j];
            if (!same_target(x, y)) continue;
            bool alike = !x->section_name.p == !y->section_name.p;
            if (alike && !str_eq(x->section_name, y->section_name)) continue;
            breach(c, breach_at(c, "targetRefs[%u]", i), S("give each its own sectionName"),
                   alike ? "the same target as in targetRefs[%u]"
                         : "the same target as in targetRefs[%u], and only one of them has a sectionName",
                   j);
            break;
        }
}

static const struct field target_fields[] = {
    {"group", FIELD_STR, AT(policy_target, group), .flags = FIELD_REQUIRED, .max = 253,
     .pattern = &pattern_group},
    {"kind", FIELD_STR, AT(policy_target, kind), .flags = FIELD_REQUIRED, .min = 1, .max = 63,
     .pattern = &pattern_kind},
    {"name", FIELD_STR, AT(policy_target, name), .flags = FIELD_REQUIRED, .min = 1, .max = 253},
    {"sectionName", FIELD_STR, AT(policy_target, section_name), .min = 1, .max = 253,
     .pattern = &pattern_subdomain},
};
static const struct schema target_schema = SCHEMA(policy_target, target_fields, NULL);

static const struct field spec_fields[] = {
    {"targetRefs", FIELD_LIST, AT(backend_tls_policy, spec.target_refs), .flags = FIELD_REQUIRED,
     .of = &target_schema, .min = 1, .max = 16},
    {"validation", FIELD_STRUCT, AT(backend_tls_policy, spec.validation), .flags = FIELD_REQUIRED,
     .of = &policy_schema_validation},
    {"options", FIELD_STR_MAP, AT(backend_tls_policy, spec.options), .flags = FIELD_DROP_NULL, .max = 16,
     .item_max = 4096},
};
static const struct schema spec_schema = SCHEMA(backend_tls_policy, spec_fields, spec_rules);

static const struct field fields[] = {
    META_FIELDS(backend_tls_policy),
    {"spec", FIELD_STRUCT, 0, .flags = FIELD_REQUIRED, .of = &spec_schema},
};
const struct schema backend_tls_policy_schema = SCHEMA(backend_tls_policy, fields, NULL);
