/* SPDX-License-Identifier: Apache-2.0 */
#include "api/gateway.h"

#include "api/kind_schema.h"
#include "api/listener_schema.h"
#include "api/meta.h"
#include "api/pattern.h"
#include "api/reference_schema.h"
#include "base/ip.h"
#include "schema/breach.h"

/* "", Cluster, or a path below a domain that is not Kubernetes' own. */
static bool is_routability(str s) {
    if (s.n == 0 || str_eq(s, S("Cluster"))) return true;
    str domain = str_cut(&s, '/'), reserved = S("k8s.io");
    if (s.n == 0 || domain.n > 253 || !pattern_subdomain.holds(domain)) return false;
    return !str_eq(domain, reserved) && !str_ends(domain, S(".k8s.io"));
}

static void address_rules(struct schema_check *c, const void *obj) {
    const struct gateway_address *a = obj;
    struct ip ip;
    if (str_eq(a->type, S("IPAddress")) && a->value.p && ip_parse(a->value, &ip) != OK)
        breach(c, S("value"), S("leave it out to have one assigned"), "\"" STR_FMT "\" is no IP address",
               STR_ARG(a->value));
    if (str_eq(a->type, S("Hostname")) && a->value.p && !pattern_hostname.holds(a->value))
        breach(c, S("value"), (str){0}, "\"" STR_FMT "\" is no hostname: %s", STR_ARG(a->value),
               pattern_hostname.says);
    if (!is_routability(a->routability))
        breach(c, S("routability"), (str){0},
               "must be empty, Cluster or a domain and a path; k8s.io is reserved");
}
static const struct field address_fields[] = {
    {"type", FIELD_STR, AT(gateway_address, type), .initial = "IPAddress", .min = 1, .max = 253,
     .pattern = &pattern_address_type},
    {"value", FIELD_STR, AT(gateway_address, value), .max = 253},
    {"routability", FIELD_STR, AT(gateway_address, routability), .flags = FIELD_EXPERIMENTAL, .max = 253},
};
static const struct schema address_schema = SCHEMA(gateway_address, address_fields, address_rules);

static const struct field parameters_fields[] = {
    {"group", FIELD_STR, AT(parameters_reference, group), .flags = FIELD_REQUIRED, .max = 253,
     .pattern = &pattern_group},
    {"kind", FIELD_STR, AT(parameters_reference, kind), .flags = FIELD_REQUIRED, .min = 1, .max = 63,
     .pattern = &pattern_kind},
    {"name", FIELD_STR, AT(parameters_reference, name), .flags = FIELD_REQUIRED, .min = 1, .max = 253},
};
static const struct schema parameters_schema = SCHEMA(parameters_reference, parameters_fields, NULL);

static const struct field infrastructure_fields[] = {
    {"labels", FIELD_STR_MAP, AT(gateway_infrastructure, labels), .flags = FIELD_DROP_NULL, .max = 8,
     .item_max = 63, .pattern = &pattern_label_value, .key_pattern = &pattern_qualified},
    {"annotations", FIELD_STR_MAP, AT(gateway_infrastructure, annotations), .flags = FIELD_DROP_NULL,
     .max = 16, .item_max = 4096, .key_pattern = &pattern_qualified},
    {"parametersRef", FIELD_OPT_STRUCT, AT(gateway_infrastructure, parameters_ref), .of = &parameters_schema},
};
static const struct schema infrastructure_schema =
    SCHEMA(gateway_infrastructure, infrastructure_fields, NULL);

static void validation_rules(struct schema_check *c, const void *obj) {
    const struct frontend_validation *v = obj;
    for (uint32_t i = 0; i < v->ca_certificate_refs.n; i++) {
        const struct object_ref *r = &v->ca_certificate_refs.p[i];
        if (r->ns.p && str_eq(r->group, S("certificates.k8s.io")) && str_eq(r->kind, S("ClusterTrustBundle")))
            breach(c, breach_at(c, "caCertificateRefs[%u].namespace", i), S("remove it"),
                   "must not be given for a ClusterTrustBundle: it is cluster-scoped");
    }
}
static const char *const frontend_modes[] = {"AllowValidOnly", "AllowInsecureFallback", NULL};
static const struct field validation_fields[] = {
    {"caCertificateRefs", FIELD_LIST, AT(frontend_validation, ca_certificate_refs), .flags = FIELD_REQUIRED,
     .of = &reference_schema_object, .min = 1, .max = 16},
    {"mode", FIELD_ENUM, AT(frontend_validation, mode), .values = frontend_modes,
     .initial = "AllowValidOnly"},
};
static const struct schema validation_schema =
    SCHEMA(frontend_validation, validation_fields, validation_rules);

static const struct field frontend_tls_fields[] = {
    {"validation", FIELD_OPT_STRUCT, AT(frontend_tls, validation), .of = &validation_schema},
};
static const struct schema frontend_tls_schema = SCHEMA(frontend_tls, frontend_tls_fields, NULL);

static const struct field port_tls_fields[] = {
    {"port", FIELD_INT, AT(frontend_port_tls, port), .flags = FIELD_REQUIRED, .min = 1, .max = 65535},
    {"tls", FIELD_STRUCT, AT(frontend_port_tls, tls), .flags = FIELD_REQUIRED, .of = &frontend_tls_schema},
};
static const struct schema port_tls_schema = SCHEMA(frontend_port_tls, port_tls_fields, NULL);

static const struct field frontend_fields[] = {
    {"default", FIELD_STRUCT, AT(gateway_frontend_tls, initial), .flags = FIELD_REQUIRED,
     .of = &frontend_tls_schema},
    {"perPort", FIELD_LIST, AT(gateway_frontend_tls, per_port), .of = &port_tls_schema, .max = 64,
     .keys = "port"},
};
static const struct schema frontend_schema = SCHEMA(gateway_frontend_tls, frontend_fields, NULL);

static const struct field backend_fields[] = {
    {"clientCertificateRef", FIELD_OPT_STRUCT, AT(gateway_backend_tls, client_certificate_ref),
     .of = &reference_schema_secret},
};
static const struct schema backend_schema = SCHEMA(gateway_backend_tls, backend_fields, NULL);

static const struct field gateway_tls_fields[] = {
    {"backend", FIELD_OPT_STRUCT, AT(gateway_tls, backend), .of = &backend_schema},
    {"frontend", FIELD_OPT_STRUCT, AT(gateway_tls, frontend), .of = &frontend_schema},
};
static const struct schema gateway_tls_schema = SCHEMA(gateway_tls, gateway_tls_fields, NULL);

static const char *const listener_from_words[] = {"All", "Selector", "Same", "None", NULL};
static const struct field listener_namespaces_fields[] = {
    {"from", FIELD_ENUM, AT(namespaces_from, from), .values = listener_from_words, .initial = "None"},
    {"selector", FIELD_OPT_STRUCT, AT(namespaces_from, selector), .of = &listener_schema_selector},
};
static const struct schema listener_namespaces_schema =
    SCHEMA(namespaces_from, listener_namespaces_fields, NULL);

static const struct field allowed_listeners_fields[] = {
    {"namespaces", FIELD_STRUCT, AT(allowed_listeners, namespaces), .of = &listener_namespaces_schema,
     .initial = "{}"},
};
static const struct schema allowed_listeners_schema =
    SCHEMA(allowed_listeners, allowed_listeners_fields, NULL);

static void check_addresses(struct schema_check *c, const struct gateway *g) {
    for (uint32_t i = 1; i < g->spec.addresses.n; i++)
        for (uint32_t j = 0; j < i; j++) {
            const struct gateway_address *x = &g->spec.addresses.p[i], *y = &g->spec.addresses.p[j];
            bool checked = str_eq(x->type, S("IPAddress")) || str_eq(x->type, S("Hostname"));
            if (!checked || !str_eq(x->type, y->type) || !x->value.p || !y->value.p ||
                !str_eq(x->value, y->value))
                continue;
            breach(c, breach_at(c, "addresses[%u].value", i), S("remove one of them"),
                   "the same as in addresses[%u]", j);
            break;
        }
}

static void spec_rules(struct schema_check *c, const void *obj) {
    const struct gateway *g = obj;
    listener_schema_check(c, g->spec.listeners.p, g->spec.listeners.n);
    check_addresses(c, g);
}

static const struct field spec_fields[] = {
    {"gatewayClassName", FIELD_STR, AT(gateway, spec.gateway_class_name), .flags = FIELD_REQUIRED, .min = 1,
     .max = 253},
    {"listeners", FIELD_LIST, AT(gateway, spec.listeners), .flags = FIELD_REQUIRED,
     .of = &listener_schema_listener, .min = 1, .max = 64, .keys = "name"},
    {"addresses", FIELD_LIST, AT(gateway, spec.addresses), .of = &address_schema, .max = 16},
    {"infrastructure", FIELD_OPT_STRUCT, AT(gateway, spec.infrastructure), .of = &infrastructure_schema},
    {"allowedListeners", FIELD_OPT_STRUCT, AT(gateway, spec.allowed_listeners),
     .of = &allowed_listeners_schema},
    {"tls", FIELD_OPT_STRUCT, AT(gateway, spec.tls), .of = &gateway_tls_schema},
    {"defaultScope", FIELD_ENUM, AT(gateway, spec.default_scope), .flags = FIELD_EXPERIMENTAL,
     .values = reference_schema_scopes},
};
static const struct schema spec_schema = SCHEMA(gateway, spec_fields, spec_rules);

static const struct field fields[] = {
    META_FIELDS(gateway),
    {"spec", FIELD_STRUCT, 0, .flags = FIELD_REQUIRED, .of = &spec_schema},
};
const struct schema gateway_schema = SCHEMA(gateway, fields, NULL);
