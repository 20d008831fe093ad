/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api.h"

#include "api/core.h"
#include "api/kind_schema.h"
#include "api/meta.h"
#include "base/hash.h"
#include "text/node.h"

#define GATEWAY_GROUP      "gateway.networking.k8s.io"
#define EXPERIMENTAL_GROUP "gateway.networking.x-k8s.io"

static const char *const v1[] = {"v1", NULL};
static const char *const v1alpha1[] = {"v1alpha1", NULL};
static const char *const gateway_versions[] = {"v1", "v1beta1", NULL};
static const char *const tls_versions[] = {"v1", "v1alpha3", "v1alpha2", NULL};
static const char *const l4_versions[] = {"v1", "v1alpha2", NULL};
static const char *const policy_versions[] = {"v1", "v1alpha3", NULL};
static const char *const bundle_versions[] = {"v1", "v1beta1", "v1alpha1", NULL};

/* [GW] A version whose schema differs from the preferred one's has its own; the structs are the same. */
static const struct schema *const tls_schemas[] = {&l4_route_tls_schema, &l4_route_tls_schema,
                                                   &l4_route_tls_schema_v1alpha2};
static const struct schema *const l4_schemas[] = {&l4_route_schema, &l4_route_schema_v1alpha2};

#define STATUS(name) &condition_##name##_status_schema
static const struct api_type types[] = {
    {KIND_GATEWAY_CLASS, GATEWAY_GROUP, gateway_versions, "GatewayClass", "gatewayclasses", false,
     &gateway_class_schema, STATUS(class)},
    {KIND_GATEWAY, GATEWAY_GROUP, gateway_versions, "Gateway", "gateways", true, &gateway_schema,
     STATUS(gateway)},
    {KIND_LISTENER_SET, GATEWAY_GROUP, v1, "ListenerSet", "listenersets", true, &listener_set_schema,
     STATUS(listener_set)},
    {KIND_HTTP_ROUTE, GATEWAY_GROUP, gateway_versions, "HTTPRoute", "httproutes", true, &http_route_schema,
     STATUS(route)},
    {KIND_GRPC_ROUTE, GATEWAY_GROUP, v1, "GRPCRoute", "grpcroutes", true, &grpc_route_schema, STATUS(route)},
    {KIND_TLS_ROUTE, GATEWAY_GROUP, tls_versions, "TLSRoute", "tlsroutes", true, &l4_route_tls_schema,
     STATUS(route), tls_schemas},
    {KIND_TCP_ROUTE, GATEWAY_GROUP, l4_versions, "TCPRoute", "tcproutes", true, &l4_route_schema,
     STATUS(route), l4_schemas},
    {KIND_UDP_ROUTE, GATEWAY_GROUP, l4_versions, "UDPRoute", "udproutes", true, &l4_route_schema,
     STATUS(route), l4_schemas},
    {KIND_BACKEND_TLS_POLICY, GATEWAY_GROUP, policy_versions, "BackendTLSPolicy", "backendtlspolicies", true,
     &backend_tls_policy_schema, STATUS(policy)},
    {KIND_XBACKEND, EXPERIMENTAL_GROUP, v1alpha1, "XBackend", "xbackends", true, &xbackend_schema,
     STATUS(policy)},
    {KIND_XBACKEND_TRAFFIC_POLICY, EXPERIMENTAL_GROUP, v1alpha1, "XBackendTrafficPolicy",
     "xbackendtrafficpolicies", true, &xbackend_traffic_policy_schema, STATUS(policy)},
    {KIND_XMESH, EXPERIMENTAL_GROUP, v1alpha1, "XMesh", "xmeshes", false, &xmesh_schema, STATUS(xmesh)},
    {KIND_XTELEMETRY_POLICY, EXPERIMENTAL_GROUP, v1alpha1, "XTelemetryPolicy", "xtelemetrypolicies", true,
     &xtelemetry_policy_schema, STATUS(policy)},
    {KIND_SERVICE, "", v1, "Service", "services", true, &core_service_schema},
    {KIND_ENDPOINT_SLICE, "discovery.k8s.io", v1, "EndpointSlice", "endpointslices", true,
     &core_endpoint_slice_schema},
    {KIND_SECRET, "", v1, "Secret", "secrets", true, &core_secret_schema},
    {KIND_CONFIG_MAP, "", v1, "ConfigMap", "configmaps", true, &core_config_map_schema},
    {KIND_CLUSTER_TRUST_BUNDLE, "certificates.k8s.io", bundle_versions, "ClusterTrustBundle",
     "clustertrustbundles", false, &core_cluster_trust_bundle_schema},
    {KIND_NAMESPACE, "", v1, "Namespace", "namespaces", false, &core_namespace_schema},
    {KIND_REFERENCE_GRANT, GATEWAY_GROUP, gateway_versions, "ReferenceGrant", "referencegrants", true,
     &reference_grant_schema},
};
_Static_assert(COUNT_OF(types) == KIND_COUNT - 1, "each kind has its line, in the order of enum api_kind");

const struct api_type *api_type_of(enum api_kind kind) {
    assert(kind > KIND_NONE && kind < KIND_COUNT);
    return &types[kind - 1];
}

const struct api_type *api_type_find(str group, str kind) {
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (str_eq(kind, str_of(types[i].name)) && str_eq(group, str_of(types[i].group))) return &types[i];
    return NULL;
}

/* NULL: not served. */
static const struct schema *schema_of_version(const struct api_type *t, str version) {
    for (size_t i = 0; t->versions[i]; i++)
        if (str_eq(version, str_of(t->versions[i]))) return t->schemas ? t->schemas[i] : t->schema;
    return NULL;
}

static void say_unknown(struct findings *f, const struct node *at, str group, str kind) {
    str remedy = {0};
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (str_distance(kind, str_of(types[i].name)) <= 2)
            remedy = str_eq(group, str_of(types[i].group))
                         ? arena_printf(f->arena, "did you mean \"%s\"?", types[i].name)
                         : arena_printf(f->arena, "did you mean \"%s\" of %s/%s?", types[i].name,
                                        types[i].group, types[i].versions[0]);
    finding_add(f, FINDING_SCHEMA, at->line, at->column, S("kind"), remedy,
                "unknown kind \"" STR_FMT "\" in " STR_FMT, STR_ARG(str_upto(kind, 100)), STR_ARG(group));
}

static const struct node *required_word(const struct node *doc, str key, struct findings *f) {
    const struct node *n = node_get(doc, key);
    if (n && n->kind == NODE_SCALAR && n->scalar.n) return n;
    finding_add(f, FINDING_SCHEMA, n ? n->line : doc->line, n ? n->column : doc->column, key,
                S("every Kubernetes object has apiVersion, kind and metadata"),
                "is required and must be a string");
    return NULL;
}

/* What the document says it is. ERR_ABSENT: nothing that is read here; findings only when people would expect it to be. */
static err find_type(const struct node *doc, struct findings *f, const struct api_type **ret,
                     const struct schema **ret_schema) {
    if (doc->kind != NODE_MAP) {
        finding_add(f, FINDING_SCHEMA, doc->line, doc->column, S(""),
                    S("every document is one Kubernetes object"),
                    "expected an object with apiVersion, kind and metadata");
        return ERR_PROTO;
    }
    const struct node *version = required_word(doc, S("apiVersion"), f),
                      *kind = required_word(doc, S("kind"), f);
    if (!version || !kind) return ERR_PROTO;
    str v = version->scalar, group = S("");
    if (str_find(v, '/') < v.n) group = str_cut(&v, '/');
    const struct api_type *t = api_type_find(group, kind->scalar);
    const struct schema *s = t ? schema_of_version(t, v) : NULL;
    if (s) {
        *ret = t, *ret_schema = s;
        return OK;
    }
    if (t)
        finding_add(f, FINDING_SCHEMA, version->line, version->column, S("apiVersion"),
                    arena_printf(f->arena, "use %s%s%s", t->group, *t->group ? "/" : "", t->versions[0]),
                    "version \"" STR_FMT "\" of %s is not served", STR_ARG(str_upto(v, 100)), t->name);
    else if (str_eq(group, S(GATEWAY_GROUP)) || str_eq(group, S(EXPERIMENTAL_GROUP)))
        say_unknown(f, kind, group, kind->scalar);
    return ERR_ABSENT;
}

static void check_namespace(struct findings *f, const struct node *doc, const struct api_type *t,
                            struct object *o) {
    if (t->namespaced) {
        if (o->meta.ns.n == 0) o->meta.ns = S("default");
        return;
    }
    const struct node *n = node_get(node_get(doc, S("metadata")), S("namespace"));
    if (o->meta.ns.n)
        finding_add(f, FINDING_SCHEMA, n->line, n->column, S("metadata.namespace"), S("remove it"),
                    "must not be given: %s is cluster-scoped", t->name);
    o->meta.ns = S("");
}

static err decode_as(struct arena *scratch, const struct api_type *t, const struct schema *s,
                     const struct node *doc, str source, struct findings *f, struct object **ret) {
    struct object *o = arena_bytes(scratch, s->size);
    uint32_t before = f->n;
    err e = schema_decode(scratch, s, doc, S(""), f, o);
    check_namespace(f, doc, t, o);
    if (e != OK || f->n != before) return ERR_PROTO;
    o->kind = t->kind;
    o->line = doc->line;
    o->source = source.p ? source : S("");
    if (t->kind == KIND_SECRET) core_merge_string_data(scratch, (struct secret *)o);
    if (t->kind == KIND_NAMESPACE) core_label_namespace(scratch, (struct namespace *)o);
    size_t bytes;
    *ret = schema_pack(t->schema, o, 0, &bytes);
    return OK;
}

err api_decode(struct arena *scratch, const struct node *doc, str source, struct findings *f,
               struct object **ret) {
    struct findings before = *f;
    const struct node *meta = node_get(doc, S("metadata"));
    str ns = node_get_str(meta, S("namespace")), name = node_get_str(meta, S("name")),
        kind = node_get_str(doc, S("kind"));
    const struct api_type *t = NULL;
    const struct schema *s = NULL;
    f->file = source.p ? source : S("");
    f->kind = kind.p ? kind : S(""), f->name = name.p ? name : S(""), f->ns = ns.p ? ns : S("");
    err e = find_type(doc, f, &t, &s);
    if (e == OK) {
        if (!ns.n && t->namespaced) f->ns = S("default");
        e = decode_as(scratch, t, s, doc, source, f, ret);
    }
    f->file = before.file, f->kind = before.kind, f->ns = before.ns, f->name = before.name;
    return e;
}

void api_free(struct object *o) { free(o); }

/* The whole table but apiVersion, kind and metadata, which come first in each. */
uint64_t api_hash_spec(const struct object *o) {
    struct schema rest = *api_type_of(o->kind)->schema;
    rest.fields += META_FIELDS_N, rest.n -= META_FIELDS_N;
    return schema_hash(&rest, o);
}

uint64_t api_hash(const struct object *o) {
    uint64_t h = hash_join((uint64_t)o->kind, schema_hash(&meta_hashed, &o->meta));
    return hash_join(h, api_hash_spec(o));
}

str api_key(struct arena *a, enum api_kind kind, str ns, str name) {
    const struct api_type *t = api_type_of(kind);
    if (!t->namespaced) return ARENA_JOIN(a, str_of(t->name), S("/"), name);
    return ARENA_JOIN(a, str_of(t->name), S("/"), ns, S("/"), name);
}
