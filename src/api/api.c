/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api.h"

#include "api/backend_tls_policy.h"
#include "api/core.h"
#include "api/grpc_route.h"
#include "api/kind_schema.h"
#include "api/l4_route.h"
#include "api/listener_set.h"
#include "api/meta.h"
#include "api/xbackend.h"
#include "api/xbackend_traffic_policy.h"
#include "api/xmesh.h"
#include "api/xtelemetry_policy.h"
#include "base/hash.h"
#include "text/node.h"

#define GATEWAY_GROUP      "gateway.networking.k8s.io"
#define EXPERIMENTAL_GROUP "gateway.networking.x-k8s.io"

static const char *const core_versions[] = {"v1", NULL};
static const char *const gateway_versions[] = {"v1", "v1beta1", NULL};

#define BARE(type)                                                                                           \
    static const struct field type##_bare_fields[] = {META_FIELDS(type)};                                    \
    static const struct schema type##_bare = SCHEMA(type, type##_bare_fields, NULL)
BARE(listener_set);
BARE(grpc_route);
BARE(l4_route);
BARE(backend_tls_policy);
BARE(xbackend);
BARE(xbackend_traffic_policy);
BARE(xmesh);
BARE(xtelemetry_policy);
BARE(config_map);
BARE(cluster_trust_bundle);

static const struct api_type types[] = {
    {KIND_GATEWAY_CLASS, GATEWAY_GROUP, gateway_versions, "GatewayClass", "gatewayclasses", false,
     &gateway_class_schema, &condition_class_status_schema},
    {KIND_GATEWAY, GATEWAY_GROUP, gateway_versions, "Gateway", "gateways", true, &gateway_schema,
     &condition_gateway_status_schema},
    {KIND_LISTENER_SET, GATEWAY_GROUP, core_versions, "ListenerSet", "listenersets", true, &listener_set_bare,
     NULL},
    {KIND_HTTP_ROUTE, GATEWAY_GROUP, gateway_versions, "HTTPRoute", "httproutes", true, &http_route_schema,
     &condition_route_status_schema},
    {KIND_GRPC_ROUTE, GATEWAY_GROUP, core_versions, "GRPCRoute", "grpcroutes", true, &grpc_route_bare, NULL},
    {KIND_TLS_ROUTE, GATEWAY_GROUP, core_versions, "TLSRoute", "tlsroutes", true, &l4_route_bare, NULL},
    {KIND_TCP_ROUTE, GATEWAY_GROUP, core_versions, "TCPRoute", "tcproutes", true, &l4_route_bare, NULL},
    {KIND_UDP_ROUTE, GATEWAY_GROUP, core_versions, "UDPRoute", "udproutes", true, &l4_route_bare, NULL},
    {KIND_BACKEND_TLS_POLICY, GATEWAY_GROUP, core_versions, "BackendTLSPolicy", "backendtlspolicies", true,
     &backend_tls_policy_bare, NULL},
    {KIND_XBACKEND, EXPERIMENTAL_GROUP, core_versions, "XBackend", "xbackends", true, &xbackend_bare, NULL},
    {KIND_XBACKEND_TRAFFIC_POLICY, EXPERIMENTAL_GROUP, core_versions, "XBackendTrafficPolicy",
     "xbackendtrafficpolicies", true, &xbackend_traffic_policy_bare, NULL},
    {KIND_XMESH, EXPERIMENTAL_GROUP, core_versions, "XMesh", "xmeshes", false, &xmesh_bare, NULL},
    {KIND_XTELEMETRY_POLICY, EXPERIMENTAL_GROUP, core_versions, "XTelemetryPolicy", "xtelemetrypolicies",
     true, &xtelemetry_policy_bare, NULL},
    {KIND_SERVICE, "", core_versions, "Service", "services", true, &core_service_schema, NULL},
    {KIND_ENDPOINT_SLICE, "discovery.k8s.io", core_versions, "EndpointSlice", "endpointslices", true,
     &core_endpoint_slice_schema, NULL},
    {KIND_SECRET, "", core_versions, "Secret", "secrets", true, &core_secret_schema, NULL},
    {KIND_CONFIG_MAP, "", core_versions, "ConfigMap", "configmaps", true, &config_map_bare, NULL},
    {KIND_CLUSTER_TRUST_BUNDLE, "certificates.k8s.io", core_versions, "ClusterTrustBundle",
     "clustertrustbundles", false, &cluster_trust_bundle_bare, NULL},
    {KIND_NAMESPACE, "", core_versions, "Namespace", "namespaces", false, &core_namespace_schema, NULL},
    {KIND_REFERENCE_GRANT, GATEWAY_GROUP, gateway_versions, "ReferenceGrant", "referencegrants", true,
     &reference_grant_schema, NULL},
};
_Static_assert(COUNT_OF(types) == KIND_COUNT - 1, "each kind has its line, in the order of enum api_kind");

/* Kinds of the Gateway API that this version does not serve. */
static const char *const unserved[] = {
    "GRPCRoute",   "TLSRoute",         "TCPRoute",    "UDPRoute",
    "ListenerSet", "BackendTLSPolicy", "XBackend",    "XBackendTrafficPolicy",
    "XMesh",       "XTelemetryPolicy", "XListenerSet"};

const struct api_type *api_type_of(enum api_kind kind) {
    assert(kind > KIND_NONE && kind < KIND_COUNT);
    return &types[kind - 1];
}

const struct api_type *api_type_find(str group, str kind) {
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (types[i].schema->n > META_FIELDS_N && str_eq(kind, str_of(types[i].name)) &&
            str_eq(group, str_of(types[i].group)))
            return &types[i];
    return NULL;
}

static bool is_version(const struct api_type *t, str version) {
    for (const char *const *v = t->versions; *v; v++)
        if (str_eq(version, str_of(*v))) return true;
    return false;
}

static void say_unserved(struct findings *f, const struct node *at, str group, str kind) {
    for (size_t i = 0; i < COUNT_OF(unserved); i++)
        if (str_eq(kind, str_of(unserved[i]))) {
            finding_add(f, FINDING_SCHEMA, at->line, at->column, S("kind"), S("remove the object"),
                        "postern " POSTERN_VERSION " does not serve %s yet", unserved[i]);
            return;
        }
    str remedy = {0};
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (str_distance(kind, str_of(types[i].name)) <= 2)
            remedy = arena_printf(f->arena, "did you mean \"%s\"?", types[i].name);
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
static err find_type(const struct node *doc, struct findings *f, const struct api_type **ret) {
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
    if (t && is_version(t, v)) {
        *ret = t;
        return OK;
    }
    if (t)
        finding_add(f, FINDING_SCHEMA, version->line, version->column, S("apiVersion"),
                    arena_printf(f->arena, "use %s%s%s", t->group, *t->group ? "/" : "", t->versions[0]),
                    "version \"" STR_FMT "\" of %s is not served", STR_ARG(str_upto(v, 100)), t->name);
    else if (str_eq(group, S(GATEWAY_GROUP)) || str_eq(group, S(EXPERIMENTAL_GROUP)))
        say_unserved(f, kind, group, kind->scalar);
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

static err decode_as(struct arena *scratch, const struct api_type *t, const struct node *doc, str source,
                     struct findings *f, struct object **ret) {
    struct object *o = arena_bytes(scratch, t->schema->size);
    uint32_t before = f->n;
    err e = schema_decode(scratch, t->schema, doc, S(""), f, o);
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
    f->file = source.p ? source : S("");
    f->kind = kind.p ? kind : S(""), f->name = name.p ? name : S(""), f->ns = ns.p ? ns : S("");
    err e = find_type(doc, f, &t);
    if (e == OK) {
        if (!ns.n && t->namespaced) f->ns = S("default");
        e = decode_as(scratch, t, doc, source, f, ret);
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
    if (!t->namespaced) return arena_printf(a, "%s/" STR_FMT, t->name, STR_ARG(name));
    return arena_printf(a, "%s/" STR_FMT "/" STR_FMT, t->name, STR_ARG(ns), STR_ARG(name));
}
