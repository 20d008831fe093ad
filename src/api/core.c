/* SPDX-License-Identifier: Apache-2.0 */
#include "api/core.h"

#include "api/kind_schema.h"
#include "api/meta.h"
#include "api/pattern.h"
#include "base/ip.h"
#include "schema/breach.h"

static const char *const protocols[] = {"TCP", "UDP", "SCTP", NULL};

static void check_label_name(struct schema_check *c, const struct object *o) {
    if (o->meta.name.n > 63 || !pattern_label.holds(o->meta.name))
        breach(c, S("metadata.name"), (str){0}, "invalid value \"" STR_FMT "\": %s, 63 at most",
               STR_ARG(o->meta.name), pattern_label.says);
}

static const struct field service_port_fields[] = {
    {"name", FIELD_STR, AT(service_port, name), .max = 63, .pattern = &pattern_namespace},
    {"protocol", FIELD_STR, AT(service_port, protocol), .initial = "TCP", .values = protocols},
    {"appProtocol", FIELD_STR, AT(service_port, app_protocol), .pattern = &pattern_qualified},
    {"port", FIELD_INT, AT(service_port, port), .flags = FIELD_REQUIRED, .min = 1, .max = 65535},
    {"targetPort", FIELD_INT_OR_STR, AT(service_port, target_port), .min = 1, .max = 65535,
     .pattern = &pattern_port_name},
    {"nodePort", FIELD_OPT_INT, AT(service_port, node_port), .max = 65535},
};
static const struct schema service_port_schema = SCHEMA(service_port, service_port_fields, NULL);

static void service_spec_rules(struct schema_check *c, const void *obj) {
    const struct service *s = obj;
    bool external = str_eq(s->spec.type, S("ExternalName")), headless = str_eq(s->spec.cluster_ip, S("None"));
    if (external && s->spec.external_name.n == 0)
        breach(c, S("externalName"), (str){0}, "is required when type is ExternalName");
    if (!external && !headless && s->spec.ports.n == 0)
        breach(c, S("ports"), (str){0},
               "is required but for a headless Service (clusterIP: None) or type ExternalName");
    for (uint32_t i = 0; i < s->spec.ports.n && s->spec.ports.n > 1; i++) {
        str name = s->spec.ports.p[i].name;
        if (name.n == 0)
            breach(c, breach_at(c, "ports[%u].name", i), (str){0},
                   "is required when there are several ports");
        for (uint32_t j = 0; name.n && j < i; j++)
            if (str_eq(name, s->spec.ports.p[j].name)) {
                breach(c, breach_at(c, "ports[%u].name", i), (str){0},
                       "the same as of ports[%u]; names must be unique", j);
                break;
            }
    }
}
static const char *const service_types[] = {"ClusterIP", "NodePort", "LoadBalancer", "ExternalName", NULL};
static const char *const affinities[] = {"None", "ClientIP", NULL};
static const struct field service_spec_fields[] = {
    {"type", FIELD_STR, AT(service, spec.type), .initial = "ClusterIP", .values = service_types},
    {"clusterIP", FIELD_STR, AT(service, spec.cluster_ip)},
    {"externalName", FIELD_STR, AT(service, spec.external_name), .max = 253},
    {"sessionAffinity", FIELD_STR, AT(service, spec.session_affinity), .initial = "None",
     .values = affinities},
    {"selector", FIELD_STR_MAP, AT(service, spec.selector), .item_max = 63, .pattern = &pattern_label_value,
     .key_pattern = &pattern_qualified},
    {"ports", FIELD_LIST, AT(service, spec.ports), .of = &service_port_schema, .keys = "port,protocol"},
    {"allocateLoadBalancerNodePorts", FIELD_IGNORED, 0},
    {"clusterIPs", FIELD_IGNORED, 0},
    {"externalIPs", FIELD_IGNORED, 0},
    {"externalTrafficPolicy", FIELD_IGNORED, 0},
    {"healthCheckNodePort", FIELD_IGNORED, 0},
    {"internalTrafficPolicy", FIELD_IGNORED, 0},
    {"ipFamilies", FIELD_IGNORED, 0},
    {"ipFamilyPolicy", FIELD_IGNORED, 0},
    {"loadBalancerClass", FIELD_IGNORED, 0},
    {"loadBalancerIP", FIELD_IGNORED, 0},
    {"loadBalancerSourceRanges", FIELD_IGNORED, 0},
    {"publishNotReadyAddresses", FIELD_IGNORED, 0},
    {"sessionAffinityConfig", FIELD_IGNORED, 0},
    {"trafficDistribution", FIELD_IGNORED, 0},
};
static const struct schema service_spec_schema = SCHEMA(service, service_spec_fields, service_spec_rules);

static void service_rules(struct schema_check *c, const void *obj) { check_label_name(c, obj); }
static const struct field service_fields[] = {
    META_FIELDS(service),
    {"spec", FIELD_STRUCT, 0, .flags = FIELD_REQUIRED, .of = &service_spec_schema},
};
const struct schema core_service_schema = SCHEMA(service, service_fields, service_rules);

static const struct field conditions_fields[] = {
    {"ready", FIELD_OPT_BOOL, AT(endpoint_conditions, ready)},
    {"serving", FIELD_OPT_BOOL, AT(endpoint_conditions, serving)},
    {"terminating", FIELD_OPT_BOOL, AT(endpoint_conditions, terminating)},
};
static const struct schema conditions_schema = SCHEMA(endpoint_conditions, conditions_fields, NULL);
static const struct field target_fields[] = {
    {"kind", FIELD_STR, AT(endpoint_target, kind)},
    {"namespace", FIELD_STR, AT(endpoint_target, ns)},
    {"name", FIELD_STR, AT(endpoint_target, name)},
    {"uid", FIELD_STR, AT(endpoint_target, uid)},
    {"apiVersion", FIELD_IGNORED, 0},
    {"resourceVersion", FIELD_IGNORED, 0},
    {"fieldPath", FIELD_IGNORED, 0},
};
static const struct schema target_schema = SCHEMA(endpoint_target, target_fields, NULL);
static const struct field endpoint_fields[] = {
    {"addresses", FIELD_STR_LIST, AT(endpoint, addresses), .flags = FIELD_REQUIRED | FIELD_UNIQUE, .min = 1,
     .max = 100},
    {"conditions", FIELD_STRUCT, AT(endpoint, conditions), .of = &conditions_schema},
    {"hostname", FIELD_STR, AT(endpoint, hostname), .max = 63, .pattern = &pattern_label},
    {"nodeName", FIELD_STR, AT(endpoint, node_name), .max = 253, .pattern = &pattern_subdomain},
    {"zone", FIELD_STR, AT(endpoint, zone)},
    {"targetRef", FIELD_STRUCT, AT(endpoint, target_ref), .of = &target_schema},
    {"deprecatedTopology", FIELD_IGNORED, 0},
    {"hints", FIELD_IGNORED, 0},
};
static const struct schema endpoint_schema = SCHEMA(endpoint, endpoint_fields, NULL);
static const struct field endpoint_port_fields[] = {
    {"name", FIELD_STR, AT(endpoint_port, name), .initial = "", .max = 63, .pattern = &pattern_namespace},
    {"protocol", FIELD_STR, AT(endpoint_port, protocol), .initial = "TCP", .values = protocols},
    {"appProtocol", FIELD_STR, AT(endpoint_port, app_protocol), .pattern = &pattern_qualified},
    {"port", FIELD_OPT_INT, AT(endpoint_port, port), .min = 1, .max = 65535},
};
static const struct schema endpoint_port_schema = SCHEMA(endpoint_port, endpoint_port_fields, NULL);

static bool fits(str address, str type) {
    struct ip ip;
    if (str_eq(type, S("FQDN"))) return address.n <= 253 && pattern_subdomain.holds(address);
    return ip_parse(address, &ip) == OK && ip.family == (str_eq(type, S("IPv4")) ? 4 : 6);
}

static void slice_rules(struct schema_check *c, const void *obj) {
    const struct endpoint_slice *s = obj;
    for (uint32_t i = 0; i < s->endpoints.n; i++)
        for (uint32_t k = 0; k < s->endpoints.p[i].addresses.n; k++) {
            str address = s->endpoints.p[i].addresses.p[k];
            if (!fits(address, s->address_type))
                breach(c, breach_at(c, "endpoints[%u].addresses[%u]", i, k), (str){0},
                       "\"" STR_FMT "\" is no address of type " STR_FMT, STR_ARG(str_upto(address, 100)),
                       STR_ARG(s->address_type));
        }
}
static const char *const address_types[] = {"IPv4", "IPv6", "FQDN", NULL};
static const struct field slice_fields[] = {
    META_FIELDS(endpoint_slice),
    {"addressType", FIELD_STR, AT(endpoint_slice, address_type), .flags = FIELD_REQUIRED,
     .values = address_types},
    {"endpoints", FIELD_LIST, AT(endpoint_slice, endpoints), .of = &endpoint_schema, .max = 1000},
    {"ports", FIELD_LIST, AT(endpoint_slice, ports), .of = &endpoint_port_schema, .max = 100, .keys = "name"},
};
const struct schema core_endpoint_slice_schema = SCHEMA(endpoint_slice, slice_fields, slice_rules);

static bool has_key(const struct secret *s, str key) {
    return schema_map_get(&s->data, key).p || schema_map_get(&s->string_data, key).p;
}

static void secret_rules(struct schema_check *c, const void *obj) {
    const struct secret *s = obj;
    size_t bytes = 0;
    for (uint32_t i = 0; i < s->data.n; i++) bytes += s->data.p[i].value.n;
    if (bytes > 1 << 20) breach(c, S("data"), (str){0}, "more than 1 MiB in all");
    if (!str_eq(s->type, S("kubernetes.io/tls"))) return;
    if (!has_key(s, S("tls.crt")))
        breach(c, S("data"), (str){0}, "a Secret of type kubernetes.io/tls needs the key tls.crt");
    if (!has_key(s, S("tls.key")))
        breach(c, S("data"), (str){0}, "a Secret of type kubernetes.io/tls needs the key tls.key");
}
static const struct field secret_fields[] = {
    META_FIELDS(secret),
    {"type", FIELD_STR, AT(secret, type), .initial = "Opaque"},
    {"data", FIELD_BYTES_MAP, AT(secret, data), .flags = FIELD_SECRET, .key_pattern = &pattern_data_key},
    {"stringData", FIELD_STR_MAP, AT(secret, string_data), .flags = FIELD_SECRET,
     .key_pattern = &pattern_data_key},
    {"immutable", FIELD_IGNORED, 0},
};
const struct schema core_secret_schema = SCHEMA(secret, secret_fields, secret_rules);

/* Both maps are ordered; on the same key y wins. */
static struct str_map merge(struct arena *a, const struct str_map *x, const struct str_map *y) {
    struct str_map m = {arena_array(a, struct str_pair, (size_t)x->n + y->n), 0};
    uint32_t i = 0, k = 0;
    while (i < x->n || k < y->n) {
        int d = i == x->n ? 1 : k == y->n ? -1 : str_cmp(x->p[i].key, y->p[k].key);
        m.p[m.n++] = d < 0 ? x->p[i] : y->p[k];
        i += d <= 0, k += d >= 0;
    }
    return m;
}

void core_merge_string_data(struct arena *a, struct secret *s) {
    if (s->string_data.n) s->data = merge(a, &s->data, &s->string_data);
    s->string_data = (struct str_map){0};
}

static void config_map_rules(struct schema_check *c, const void *obj) {
    const struct config_map *m = obj;
    size_t bytes = 0;
    for (uint32_t i = 0; i < m->data.n; i++) bytes += m->data.p[i].key.n + m->data.p[i].value.n;
    for (uint32_t i = 0; i < m->binary_data.n; i++) {
        const struct str_pair *pair = &m->binary_data.p[i];
        bytes += pair->key.n + pair->value.n;
        if (schema_map_get(&m->data, pair->key).p)
            breach(c, breach_at(c, "binaryData." STR_FMT, STR_ARG(pair->key)), S("remove one of them"),
                   "the same key as in data");
    }
    if (bytes > 1 << 20) breach(c, S(""), (str){0}, "more than 1 MiB of data in all");
}
static const struct field config_map_fields[] = {
    META_FIELDS(config_map),
    {"data", FIELD_STR_MAP, AT(config_map, data), .key_pattern = &pattern_data_key},
    {"binaryData", FIELD_BYTES_MAP, AT(config_map, binary_data), .key_pattern = &pattern_data_key},
    {"immutable", FIELD_IGNORED, 0},
};
const struct schema core_config_map_schema = SCHEMA(config_map, config_map_fields, config_map_rules);

/* The name begins with the signer's, with ':' for '/', when there is one; it has no ':' when there is none. */
static void bundle_rules(struct schema_check *c, const void *obj) {
    const struct cluster_trust_bundle *b = obj;
    str name = b->obj.meta.name, signer = b->spec.signer_name;
    bool fits = name.n > signer.n + 1 && name.p[signer.n] == ':';
    for (size_t i = 0; fits && i < signer.n; i++)
        fits = name.p[i] == (signer.p[i] == '/' ? ':' : signer.p[i]);
    if (signer.n ? !fits : str_find(name, ':') < name.n)
        breach(c, S("metadata.name"), (str){0},
               signer.n ? "must begin with the signer's name and ':', with ':' for '/'"
                        : "must have no ':' without spec.signerName");
}
static const struct field bundle_spec_fields[] = {
    {"signerName", FIELD_STR, AT(cluster_trust_bundle, spec.signer_name), .initial = "", .max = 571},
    {"trustBundle", FIELD_STR, AT(cluster_trust_bundle, spec.trust_bundle), .flags = FIELD_REQUIRED, .min = 1,
     .max = 1 << 20},
};
static const struct schema bundle_spec_schema = SCHEMA(cluster_trust_bundle, bundle_spec_fields, NULL);
static const struct field bundle_fields[] = {
    META_FIELDS_OF(cluster_trust_bundle, meta_bundle_schema),
    {"spec", FIELD_STRUCT, 0, .flags = FIELD_REQUIRED, .of = &bundle_spec_schema},
};
const struct schema core_cluster_trust_bundle_schema =
    SCHEMA(cluster_trust_bundle, bundle_fields, bundle_rules);

static void namespace_rules(struct schema_check *c, const void *obj) { check_label_name(c, obj); }
static const struct field namespace_fields[] = {
    META_FIELDS(namespace),
    {"spec", FIELD_IGNORED, 0},
};
const struct schema core_namespace_schema = SCHEMA(namespace, namespace_fields, namespace_rules);

void core_label_namespace(struct arena *a, struct namespace *ns) {
    struct str_pair pair = {S("kubernetes.io/metadata.name"), ns->obj.meta.name};
    ns->obj.meta.labels = merge(a, &ns->obj.meta.labels, &(struct str_map){&pair, 1});
}
