/* SPDX-License-Identifier: Apache-2.0 */
#include "api/policy_schema.h"

#include "api/pattern.h"
#include "api/reference_schema.h"
#include "schema/breach.h"

static void alt_name_rules(struct schema_check *c, const void *obj) {
    const struct subject_alt_name *n = obj;
    bool hostname = n->type == ALT_NAME_HOSTNAME, uri = n->type == ALT_NAME_URI;
    if (hostname && !n->hostname.n) breach(c, S("hostname"), (str){0}, "is required when type is Hostname");
    if (!hostname && n->hostname.n) breach(c, S("hostname"), S("remove it"), "is only for type Hostname");
    if (uri && !n->uri.n) breach(c, S("uri"), (str){0}, "is required when type is URI");
    if (!uri && n->uri.n) breach(c, S("uri"), S("remove it"), "is only for type URI");
}
static const char *const alt_name_types[] = {"Hostname", "URI", NULL};
static const struct field alt_name_fields[] = {
    {"type", FIELD_ENUM, AT(subject_alt_name, type), .flags = FIELD_REQUIRED, .values = alt_name_types},
    {"hostname", FIELD_STR, AT(subject_alt_name, hostname), .min = 1, .max = 253,
     .pattern = &pattern_hostname},
    {"uri", FIELD_STR, AT(subject_alt_name, uri), .min = 1, .max = 253, .pattern = &pattern_uri},
};
static const struct schema alt_name_schema = SCHEMA(subject_alt_name, alt_name_fields, alt_name_rules);

static void validation_rules(struct schema_check *c, const void *obj) {
    const struct backend_tls_validation *v = obj;
    bool refs = v->ca_certificate_refs.n, known = v->well_known_ca_certificates.p;
    if (refs && known)
        breach(c, S("wellKnownCACertificates"), S("remove one of them"),
               "caCertificateRefs and wellKnownCACertificates exclude each other");
    if (!refs && !known)
        breach(c, S(""), S("name a ConfigMap, or use wellKnownCACertificates: System"),
               "needs caCertificateRefs or wellKnownCACertificates");
}
static const struct field validation_fields[] = {
    {"caCertificateRefs", FIELD_LIST, AT(backend_tls_validation, ca_certificate_refs),
     .of = &reference_schema_local, .min = 1, .max = 8},
    {"wellKnownCACertificates", FIELD_STR, AT(backend_tls_validation, well_known_ca_certificates), .min = 1,
     .max = 253, .pattern = &pattern_well_known},
    {"hostname", FIELD_STR, AT(backend_tls_validation, hostname), .flags = FIELD_REQUIRED, .min = 1,
     .max = 253, .pattern = &pattern_subdomain},
    {"subjectAltNames", FIELD_LIST, AT(backend_tls_validation, subject_alt_names), .of = &alt_name_schema,
     .max = 5},
};
const struct schema policy_schema_validation =
    SCHEMA(backend_tls_validation, validation_fields, validation_rules);
