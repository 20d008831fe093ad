/* SPDX-License-Identifier: Apache-2.0 */
#include "api/xtelemetry_policy.h"

#include "api/http_schema.h"
#include "api/kind_schema.h"
#include "api/meta.h"
#include "api/pattern.h"
#include "api/reference_schema.h"
#include "schema/breach.h"

static void only_enabled(struct schema_check *c, uint8_t mode, bool given, const char *at) {
    if (given && mode != TRACING_ENABLED)
        breach(c, str_of(at), S("remove it, or set mode: Enabled"), "is only for mode Enabled");
}

static const struct field provider_fields[] = {
    {"backendRef", FIELD_STRUCT, AT(tracing_provider, backend_ref), .flags = FIELD_REQUIRED,
     .of = &reference_schema_backend},
    {"headers", FIELD_LIST, AT(tracing_provider, headers), .of = &http_schema_header, .max = 16,
     .keys = "name"},
};
static const struct schema provider_schema = SCHEMA(tracing_provider, provider_fields, NULL);

static const char *const modes[] = {"Enabled", "Disabled", "ImplementationDefault", NULL};
static void parent_rules(struct schema_check *c, const void *obj) {
    const struct parent_sampling *p = obj;
    only_enabled(c, p->mode, p->sampling_rate != NULL, "samplingRate");
}
static const struct field parent_fields[] = {
    {"mode", FIELD_ENUM, AT(parent_sampling, mode), .values = modes, .initial = "ImplementationDefault"},
    {"samplingRate", FIELD_OPT_STRUCT, AT(parent_sampling, sampling_rate), .of = &http_schema_fraction},
};
static const struct schema parent_schema = SCHEMA(parent_sampling, parent_fields, parent_rules);

static void attribute_rules(struct schema_check *c, const void *obj) {
    static const char *const types[] = {"Header", "Literal", "Attribute"};
    static const char *const members[] = {"headerName", "literalValue", "attributeKey"};
    const struct tracing_attribute *a = obj;
    const str values[] = {a->header_name, a->literal_value, a->attribute_key};
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        bool wanted = a->source_type == i + 1;
        if (wanted && !values[i].p)
            breach(c, str_of(members[i]), (str){0}, "is required when sourceType is %s", types[i]);
        if (!wanted && values[i].p)
            breach(c, str_of(members[i]), S("remove it"), "is only for sourceType %s", types[i]);
    }
}
static const char *const source_types[] = {"Header", "Literal", "Attribute", NULL};
static const struct field attribute_fields[] = {
    {"name", FIELD_STR, AT(tracing_attribute, name), .flags = FIELD_REQUIRED, .min = 1, .max = 256,
     .pattern = &pattern_telemetry_name},
    {"sourceType", FIELD_ENUM, AT(tracing_attribute, source_type), .flags = FIELD_REQUIRED,
     .values = source_types},
    {"headerName", FIELD_STR, AT(tracing_attribute, header_name), .min = 1, .max = 256,
     .pattern = &pattern_header_name},
    {"literalValue", FIELD_STR, AT(tracing_attribute, literal_value), .min = 1, .max = 1024},
    {"attributeKey", FIELD_STR, AT(tracing_attribute, attribute_key), .min = 1, .max = 256,
     .pattern = &pattern_attribute_key},
};
static const struct schema attribute_schema = SCHEMA(tracing_attribute, attribute_fields, attribute_rules);

static void tracing_rules(struct schema_check *c, const void *obj) {
    const struct tracing *t = obj;
    if (t->mode == TRACING_ENABLED && !t->provider)
        breach(c, S("provider"), S("name the collector's Service in provider.backendRef"),
               "is required when mode is Enabled");
    only_enabled(c, t->mode, t->provider != NULL, "provider");
    only_enabled(c, t->mode, t->sampling_rate != NULL, "samplingRate");
    only_enabled(c, t->mode, t->parent_based_sampling != NULL, "parentBasedSampling");
    only_enabled(c, t->mode, t->service_name.p != NULL, "serviceName");
    only_enabled(c, t->mode, t->span_name.p != NULL, "spanName");
    only_enabled(c, t->mode, t->attributes.p != NULL, "attributes");
}
static const struct field tracing_fields[] = {
    {"mode", FIELD_ENUM, AT(tracing, mode), .values = modes, .initial = "ImplementationDefault"},
    {"provider", FIELD_OPT_STRUCT, AT(tracing, provider), .of = &provider_schema},
    {"samplingRate", FIELD_OPT_STRUCT, AT(tracing, sampling_rate), .of = &http_schema_fraction},
    {"parentBasedSampling", FIELD_OPT_STRUCT, AT(tracing, parent_based_sampling), .of = &parent_schema},
    {"serviceName", FIELD_STR, AT(tracing, service_name), .min = 1, .max = 253,
     .pattern = &pattern_telemetry_name},
    {"spanName", FIELD_STR, AT(tracing, span_name), .min = 1, .max = 256, .pattern = &pattern_span_name},
    {"attributes", FIELD_LIST, AT(tracing, attributes), .of = &attribute_schema, .keys = "name"},
};
static const struct schema tracing_schema = SCHEMA(tracing, tracing_fields, tracing_rules);

static void spec_rules(struct schema_check *c, const void *obj) {
    const struct xtelemetry_policy *p = obj;
    if (!p->spec.tracing) breach(c, S(""), S("give it tracing"), "configures nothing");
}
static const struct field spec_fields[] = {
    {"targetRefs", FIELD_LIST, AT(xtelemetry_policy, spec.target_refs), .flags = FIELD_REQUIRED,
     .of = &reference_schema_local, .min = 1, .max = 16},
    {"tracing", FIELD_OPT_STRUCT, AT(xtelemetry_policy, spec.tracing), .of = &tracing_schema},
};
static const struct schema spec_schema = SCHEMA(xtelemetry_policy, spec_fields, spec_rules);

static const struct field fields[] = {
    META_FIELDS(xtelemetry_policy),
    {"spec", FIELD_STRUCT, 0, .flags = FIELD_REQUIRED, .of = &spec_schema},
};
const struct schema xtelemetry_policy_schema = SCHEMA(xtelemetry_policy, fields, NULL);
