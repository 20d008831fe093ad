/* SPDX-License-Identifier: Apache-2.0 */
#include "api/l4_route.h"

#include "api/kind_schema.h"
#include "api/meta.h"
#include "api/pattern.h"
#include "api/reference_schema.h"
#include "base/ip.h"
#include "schema/breach.h"

static void backend_rules(struct schema_check *c, const void *obj) {
    reference_schema_check_port(c, &((const struct backend_ref *)obj)->ref);
}
static const struct field backend_fields[] = {
    REFERENCE_BACKEND_FIELDS(backend_ref, ref.),
    {"weight", FIELD_INT, AT(backend_ref, weight), .initial = "1", .max = 1000000},
};
static const struct schema backend_schema = SCHEMA(backend_ref, backend_fields, backend_rules);

static const struct field rule_fields[] = {
    {"name", FIELD_STR, AT(l4_route_rule, name), .min = 1, .max = 253, .pattern = &pattern_subdomain},
    {"backendRefs", FIELD_LIST, AT(l4_route_rule, backend_refs), .flags = FIELD_REQUIRED,
     .of = &backend_schema, .min = 1, .max = 16},
};
static const struct schema rule_schema = SCHEMA(l4_route_rule, rule_fields, NULL);

static void spec_rules(struct schema_check *c, const void *obj) {
    const struct l4_route *r = obj;
    reference_schema_check_parents(c, r->spec.parent_refs.p, r->spec.parent_refs.n);
    for (uint32_t i = 1; i < r->spec.rules.n; i++)
        for (uint32_t j = 0; r->spec.rules.p[i].name.p && j < i; j++)
            if (str_eq(r->spec.rules.p[i].name, r->spec.rules.p[j].name)) {
                breach(c, breach_at(c, "rules[%u].name", i), (str){0},
                       "the same as of rules[%u]; names must be unique", j);
                break;
            }
}

/* [RFC 6066 3] A server name is no address. */
static void tls_spec_rules(struct schema_check *c, const void *obj) {
    const struct l4_route *r = obj;
    struct ip ip;
    spec_rules(c, obj);
    for (uint32_t i = 0; i < r->spec.hostnames.n; i++)
        if (ip_parse(r->spec.hostnames.p[i], &ip) == OK)
            breach(c, breach_at(c, "hostnames[%u]", i), S("use a DNS name: TLS sends no address as its SNI"),
                   "\"" STR_FMT "\" is an IP address", STR_ARG(r->spec.hostnames.p[i]));
}

#define PARENTS                                                                                              \
    {"parentRefs", FIELD_LIST, AT(l4_route, spec.parent_refs), .of = &reference_schema_parent, .max = 32}, { \
        "useDefaultGateways", FIELD_ENUM, AT(l4_route, spec.use_default_gateways),                           \
            .flags = FIELD_EXPERIMENTAL, .values = reference_schema_scopes                                   \
    }
#define HOSTNAMES                                                                                            \
    "hostnames", FIELD_STR_LIST, AT(l4_route, spec.hostnames), .item_min = 1, .item_max = 253,               \
                                                               .pattern = &pattern_hostname, .max = 1024
#define RULES                                                                                                \
    "rules", FIELD_LIST, AT(l4_route, spec.rules), .flags = FIELD_REQUIRED, .of = &rule_schema, .min = 1

static const struct field spec_fields[] = {PARENTS, {RULES, .max = 1}};
static const struct field old_spec_fields[] = {PARENTS, {RULES, .max = 16}};
static const struct field tls_spec_fields[] = {
    PARENTS, {HOSTNAMES, .flags = FIELD_REQUIRED, .min = 1}, {RULES, .max = 1}};
static const struct field old_tls_spec_fields[] = {PARENTS, {HOSTNAMES}, {RULES, .max = 16}};

#define WHOLE(name, table, rules_fn, schema_name)                                                            \
    static const struct schema name##_spec_schema = SCHEMA(l4_route, table, rules_fn);                       \
    static const struct field name##_fields[] = {                                                            \
        META_FIELDS(l4_route),                                                                               \
        {"spec", FIELD_STRUCT, 0, .flags = FIELD_REQUIRED, .of = &name##_spec_schema},                       \
    };                                                                                                       \
    const struct schema schema_name = SCHEMA(l4_route, name##_fields, NULL)

WHOLE(plain, spec_fields, spec_rules, l4_route_schema);
WHOLE(plain_v1alpha2, old_spec_fields, spec_rules, l4_route_schema_v1alpha2);
WHOLE(tls, tls_spec_fields, tls_spec_rules, l4_route_tls_schema);
WHOLE(tls_v1alpha2, old_tls_spec_fields, spec_rules, l4_route_tls_schema_v1alpha2);
