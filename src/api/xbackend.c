/* SPDX-License-Identifier: Apache-2.0 */
#include "api/xbackend.h"

#include "api/http_schema.h"
#include "api/kind_schema.h"
#include "api/meta.h"
#include "api/pattern.h"
#include "api/policy_schema.h"
#include "api/reference_schema.h"
#include "schema/breach.h"
#include "text/base64.h"

static void hostname_rules(struct schema_check *c, const void *obj) {
    const struct external_hostname *e = obj;
    if (str_ends(e->hostname, S(".cluster.local")))
        breach(c, S("hostname"), S("reference the Service itself"),
               "must not be a name of the cluster's own DNS");
}
static const struct field hostname_fields[] = {
    {"hostname", FIELD_STR, AT(external_hostname, hostname), .flags = FIELD_REQUIRED, .min = 1, .max = 253,
     .pattern = &pattern_subdomain},
};
static const struct schema hostname_schema = SCHEMA(external_hostname, hostname_fields, hostname_rules);

static const struct field selector_fields[] = {
    {"matchLabels", FIELD_STR_MAP, AT(endpoint_selector, match_labels),
     .flags = FIELD_REQUIRED | FIELD_DROP_NULL, .min = 1, .max = 64, .item_max = 63,
     .pattern = &pattern_label_value, .key_pattern = &pattern_qualified},
};
static const struct schema selector_schema = SCHEMA(endpoint_selector, selector_fields, NULL);

static const struct field port_fields[] = {
    {"number", FIELD_OPT_INT, AT(xbackend_port, number), .min = 1, .max = 65535},
};
static const struct schema port_schema = SCHEMA(xbackend_port, port_fields, NULL);

static void tls_rules(struct schema_check *c, const void *obj) {
    const struct xbackend_tls *t = obj;
    bool both = t->mode == XBACKEND_TLS_CLIENT_AND_SERVER, none = t->mode == XBACKEND_TLS_NONE;
    if (both && !t->client_certificate_ref)
        breach(c, S("clientCertificateRef"), (str){0}, "is required when mode is ClientAndServer");
    if (!both && t->client_certificate_ref)
        breach(c, S("clientCertificateRef"), S("remove it"), "is only for mode ClientAndServer");
    if (!none && !t->validation) breach(c, S("validation"), (str){0}, "is required unless mode is None");
    if (none && t->validation)
        breach(c, S("validation"), S("remove it"), "must not be given when mode is None");
}
static const char *const tls_modes[] = {"None", "ServerOnly", "ClientAndServer", NULL};
static const struct field tls_fields[] = {
    {"mode", FIELD_ENUM, AT(xbackend_tls, mode), .flags = FIELD_REQUIRED, .values = tls_modes},
    {"clientCertificateRef", FIELD_OPT_STRUCT, AT(xbackend_tls, client_certificate_ref),
     .of = &reference_schema_secret},
    {"validation", FIELD_OPT_STRUCT, AT(xbackend_tls, validation), .of = &policy_schema_validation},
};
static const struct schema tls_schema = SCHEMA(xbackend_tls, tls_fields, tls_rules);

static const char *const types[] = {"ExternalHostname", "EndpointSelector", NULL};
static const char *const protocols[] = {"TCP", "HTTP", "HTTP2", "HTTP11", "H2C", "MCP", "GRPC", "WSS", NULL};

static void check_tls(struct schema_check *c, const struct xbackend *b) {
    bool tls = b->spec.tls.mode != XBACKEND_TLS_NONE;
    uint8_t protocol = b->spec.protocol;
    if (protocol == XBACKEND_H2C && tls)
        breach(c, S("tls.mode"), S("use protocol HTTP2 for HTTP/2 over TLS"),
               "must be None when protocol is H2C");
    if ((protocol == XBACKEND_HTTP2 || protocol == XBACKEND_WSS) && !tls)
        breach(c, S("tls"),
               protocol == XBACKEND_HTTP2 ? S("use protocol H2C for HTTP/2 without TLS") : S("set tls.mode"),
               "is required when protocol is %s", protocols[protocol - 1]);
}

static void spec_rules(struct schema_check *c, const void *obj) {
    const struct xbackend *b = obj;
    bool external = b->spec.type == XBACKEND_EXTERNAL_HOSTNAME,
         selects = b->spec.type == XBACKEND_ENDPOINT_SELECTOR;
    if (external && !b->spec.external_hostname)
        breach(c, S("externalHostname"), (str){0}, "is required when type is ExternalHostname");
    if (!external && b->spec.external_hostname)
        breach(c, S("externalHostname"), S("remove it"), "is only for type ExternalHostname");
    if (selects && !b->spec.endpoint_selector)
        breach(c, S("endpointSelector"), (str){0}, "is required when type is EndpointSelector");
    if (!selects && b->spec.endpoint_selector)
        breach(c, S("endpointSelector"), S("remove it"), "is only for type EndpointSelector");
    if (!selects && b->spec.session_persistence)
        breach(c, S("sessionPersistence"), S("remove it"), "is only for type EndpointSelector");
    check_tls(c, b);
}
static const struct field spec_fields[] = {
    {"type", FIELD_ENUM, AT(xbackend, spec.type), .flags = FIELD_REQUIRED, .values = types},
    {"externalHostname", FIELD_OPT_STRUCT, AT(xbackend, spec.external_hostname), .of = &hostname_schema},
    {"endpointSelector", FIELD_OPT_STRUCT, AT(xbackend, spec.endpoint_selector), .of = &selector_schema},
    {"port", FIELD_STRUCT, AT(xbackend, spec.port), .flags = FIELD_REQUIRED, .of = &port_schema, .min = 1},
    {"protocol", FIELD_ENUM, AT(xbackend, spec.protocol), .values = protocols},
    {"tls", FIELD_STRUCT, AT(xbackend, spec.tls), .of = &tls_schema, .initial = "{\"mode\":\"None\"}"},
    {"sessionPersistence", FIELD_OPT_STRUCT, AT(xbackend, spec.session_persistence),
     .of = &http_schema_session},
};
static const struct schema spec_schema = SCHEMA(xbackend, spec_fields, spec_rules);

static const struct field fields[] = {
    META_FIELDS(xbackend),
    {"spec", FIELD_STRUCT, 0, .flags = FIELD_REQUIRED, .of = &spec_schema},
};
const struct schema xbackend_schema = SCHEMA(xbackend, fields, NULL);

str xbackend_label(struct arena *a, str name) {
    enum { LABEL_BYTES_MAX = 63, KEPT = 54, DIGITS = 8 };
    if (name.n <= LABEL_BYTES_MAX) return name;
    return arena_printf(a, STR_FMT "-" STR_FMT, STR_ARG(str_upto(name, KEPT)),
                        STR_ARG(str_upto(base64_sha256_hex(a, name), DIGITS)));
}
