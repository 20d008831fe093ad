/* SPDX-License-Identifier: Apache-2.0 */
#include "api/listener_schema.h"

#include "api/pattern.h"
#include "api/reference_schema.h"
#include "schema/breach.h"

static const struct field requirement_fields[] = {
    {"key", FIELD_STR, AT(selector_requirement, key), .flags = FIELD_REQUIRED},
    {"operator", FIELD_STR, AT(selector_requirement, operator), .flags = FIELD_REQUIRED},
    {"values", FIELD_STR_LIST, AT(selector_requirement, values)},
};
static const struct schema requirement_schema = SCHEMA(selector_requirement, requirement_fields, NULL);

static const struct field selector_fields[] = {
    {"matchLabels", FIELD_STR_MAP, AT(label_selector, match_labels), .flags = FIELD_DROP_NULL},
    {"matchExpressions", FIELD_LIST, AT(label_selector, match_expressions), .of = &requirement_schema},
};
const struct schema listener_schema_selector = SCHEMA(label_selector, selector_fields, NULL);

static const char *const route_from_words[] = {"All", "Selector", "Same", NULL};
static const struct field route_namespaces_fields[] = {
    {"from", FIELD_ENUM, AT(namespaces_from, from), .values = route_from_words, .initial = "Same"},
    {"selector", FIELD_OPT_STRUCT, AT(namespaces_from, selector), .of = &listener_schema_selector},
};
static const struct schema route_namespaces_schema = SCHEMA(namespaces_from, route_namespaces_fields, NULL);

static const struct field kind_fields[] = {
    {"group", FIELD_STR, AT(route_group_kind, group), .initial = "gateway.networking.k8s.io", .max = 253,
     .pattern = &pattern_group},
    {"kind", FIELD_STR, AT(route_group_kind, kind), .flags = FIELD_REQUIRED, .min = 1, .max = 63,
     .pattern = &pattern_kind},
};
static const struct schema kind_schema = SCHEMA(route_group_kind, kind_fields, NULL);

static const struct field allowed_routes_fields[] = {
    {"namespaces", FIELD_STRUCT, AT(allowed_routes, namespaces), .of = &route_namespaces_schema,
     .initial = "{}"},
    {"kinds", FIELD_LIST, AT(allowed_routes, kinds), .of = &kind_schema, .max = 8},
};
static const struct schema allowed_routes_schema = SCHEMA(allowed_routes, allowed_routes_fields, NULL);

static void tls_rules(struct schema_check *c, const void *obj) {
    const struct listener_tls *t = obj;
    if (t->mode == TLS_MODE_TERMINATE && t->certificate_refs.n == 0 && t->options.n == 0)
        breach(c, S("certificateRefs"), S("name the Secret that holds certificate and key"),
               "certificateRefs or options are required when mode is Terminate");
}
static const char *const tls_modes[] = {"Terminate", "Passthrough", NULL};
static const struct field tls_fields[] = {
    {"mode", FIELD_ENUM, AT(listener_tls, mode), .values = tls_modes, .initial = "Terminate"},
    {"certificateRefs", FIELD_LIST, AT(listener_tls, certificate_refs), .of = &reference_schema_secret,
     .max = 64},
    {"options", FIELD_STR_MAP, AT(listener_tls, options), .flags = FIELD_DROP_NULL, .max = 16,
     .item_max = 4096},
};
static const struct schema tls_schema = SCHEMA(listener_tls, tls_fields, tls_rules);

static void filter_rules(struct schema_check *c, const void *obj) {
    const struct listener_filter *f = obj;
    enum { EXTERNAL_AUTH = 1, EXTENSION_REF };
    if (f->type == EXTERNAL_AUTH && !f->external_auth)
        breach(c, S("externalAuth"), (str){0}, "is required when type is ExternalAuth");
    if (f->type != EXTERNAL_AUTH && f->external_auth)
        breach(c, S("externalAuth"), S("remove it"), "is only for type ExternalAuth");
    if (f->type == EXTENSION_REF && !f->extension_ref)
        breach(c, S("extensionRef"), (str){0}, "is required when type is ExtensionRef");
    if (f->type != EXTENSION_REF && f->extension_ref)
        breach(c, S("extensionRef"), S("remove it"), "is only for type ExtensionRef");
}
static const char *const filter_types[] = {"ExternalAuth", "ExtensionRef", NULL};
static const struct field filter_fields[] = {
    {"type", FIELD_ENUM, AT(listener_filter, type), .flags = FIELD_REQUIRED, .values = filter_types},
    {"externalAuth", FIELD_OPT_STRUCT, AT(listener_filter, external_auth),
     .of = &reference_schema_external_auth},
    {"extensionRef", FIELD_OPT_STRUCT, AT(listener_filter, extension_ref), .of = &reference_schema_local},
};
static const struct schema filter_schema = SCHEMA(listener_filter, filter_fields, filter_rules);

static const struct field filters_fields[] = {
    {"requests", FIELD_LIST, AT(listener_filters, requests), .of = &filter_schema, .max = 16},
};
static const struct schema filters_schema = SCHEMA(listener_filters, filters_fields, NULL);

static bool is_one_of(str s, const char *const *words) {
    for (; *words; words++)
        if (str_eq(s, str_of(*words))) return true;
    return false;
}

static void listener_rules(struct schema_check *c, const void *obj) {
    static const char *const without_tls[] = {"HTTP", "TCP", "UDP", NULL};
    static const char *const without_names[] = {"TCP", "UDP", NULL};
    const struct listener *l = obj;
    if (l->tls && is_one_of(l->protocol, without_tls))
        breach(c, S("tls"), S("remove it, or use HTTPS or TLS"), "must not be given for protocol " STR_FMT,
               STR_ARG(l->protocol));
    if (str_eq(l->protocol, S("HTTPS")) && l->tls && l->tls->mode != TLS_MODE_TERMINATE)
        breach(c, S("tls.mode"), S("use protocol TLS to pass TLS through"),
               "must be Terminate for protocol HTTPS");
    if (str_eq(l->protocol, S("TLS")) && !l->tls)
        breach(c, S("tls"), S("give tls.mode: Terminate or Passthrough"), "is required for protocol TLS");
    if (l->hostname.n && is_one_of(l->protocol, without_names))
        breach(c, S("hostname"), S("remove it"), "must not be given for protocol " STR_FMT,
               STR_ARG(l->protocol));
}

/* A Gateway's alone: the ListenerSet's CRD does not ask for it. */
static void gateway_listener_rules(struct schema_check *c, const void *obj) {
    static const char *const with_filters[] = {"HTTP", "HTTPS", NULL};
    const struct listener *l = obj;
    listener_rules(c, obj);
    if (l->filters && !is_one_of(l->protocol, with_filters))
        breach(c, S("filters"), S("remove them"), "may only be given for protocol HTTP or HTTPS");
}

static const struct field listener_fields[] = {
    {"name", FIELD_STR, AT(listener, name), .flags = FIELD_REQUIRED, .min = 1, .max = 253,
     .pattern = &pattern_subdomain},
    {"hostname", FIELD_STR, AT(listener, hostname), .min = 1, .max = 253, .pattern = &pattern_hostname},
    {"port", FIELD_INT, AT(listener, port), .flags = FIELD_REQUIRED, .min = 1, .max = 65535},
    {"protocol", FIELD_STR, AT(listener, protocol), .flags = FIELD_REQUIRED, .min = 1, .max = 255,
     .pattern = &pattern_protocol},
    {"tls", FIELD_OPT_STRUCT, AT(listener, tls), .of = &tls_schema},
    {"allowedRoutes", FIELD_STRUCT, AT(listener, allowed_routes), .of = &allowed_routes_schema,
     .initial = "{}"},
    {"filters", FIELD_OPT_STRUCT, AT(listener, filters), .flags = FIELD_EXPERIMENTAL, .of = &filters_schema},
};
const struct schema listener_schema_listener = SCHEMA(listener, listener_fields, gateway_listener_rules);
const struct schema listener_schema_entry = SCHEMA(listener, listener_fields, listener_rules);

void listener_schema_check(struct schema_check *c, const struct listener *p, uint32_t n) {
    for (uint32_t i = 1; i < n; i++)
        for (uint32_t j = 0; j < i; j++) {
            const struct listener *x = &p[i], *y = &p[j];
            if (x->port != y->port || !str_eq(x->protocol, y->protocol) || !str_eq(x->hostname, y->hostname))
                continue;
            breach(c, breach_at(c, "listeners[%u]", i), (str){0},
                   "the same port, protocol and hostname as listeners[%u] (" STR_FMT
                   "); listeners must differ in one of them",
                   j, STR_ARG(y->name));
            break;
        }
}
