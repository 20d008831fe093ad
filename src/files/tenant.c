/* SPDX-License-Identifier: Apache-2.0 */
#include "files/tenant.h"

#include "api/api.h"
#include "api/core.h"
#include "text/node.h"

#define GATEWAY_GROUP      "gateway.networking.k8s.io"
#define EXPERIMENTAL_GROUP "gateway.networking.x-k8s.io"

static const struct {
    const char *group, *kind;
} admitted[] = {
    {GATEWAY_GROUP, "HTTPRoute"},
    {GATEWAY_GROUP, "GRPCRoute"},
    {GATEWAY_GROUP, "TLSRoute"},
    {GATEWAY_GROUP, "TCPRoute"},
    {GATEWAY_GROUP, "UDPRoute"},
    {GATEWAY_GROUP, "ListenerSet"},
    {GATEWAY_GROUP, "ReferenceGrant"},
    {GATEWAY_GROUP, "BackendTLSPolicy"},
    {EXPERIMENTAL_GROUP, "XListenerSet"},
    {EXPERIMENTAL_GROUP, "XBackendTrafficPolicy"},
    {EXPERIMENTAL_GROUP, "XTelemetryPolicy"},
    {"discovery.k8s.io", "EndpointSlice"},
    {"", "Service"},
    {"", "Secret"},
    {"", "ConfigMap"},
};

static bool is_admitted(str group, str kind) {
    for (size_t i = 0; i < COUNT_OF(admitted); i++)
        if (str_eq(kind, str_of(admitted[i].kind)) && str_eq(group, str_of(admitted[i].group))) return true;
    return false;
}

/* Kinds that mean something to a gateway; all others mean nothing in any folder. */
static bool is_meant(str group, str kind) {
    return str_eq(group, S(GATEWAY_GROUP)) || str_eq(group, S(EXPERIMENTAL_GROUP)) ||
           api_type_find(group, kind);
}

static bool check_kind(const struct node *doc, struct findings *f) {
    const struct node *kind = node_get(doc, S("kind"));
    str v = node_get_str(doc, S("apiVersion")), group = S("");
    if (!kind || kind->kind != NODE_SCALAR || !v.p) return true; /* the decoder tells what is missing */
    if (str_find(v, '/') < v.n) group = str_cut(&v, '/');
    if (is_admitted(group, kind->scalar) || !is_meant(group, kind->scalar)) return true;
    finding_add(f, FINDING_MEANING, kind->line, kind->column, S("kind"),
                S("ask the operator for it; here go Routes, Services, EndpointSlices, Secrets, ConfigMaps, "
                  "ReferenceGrants, ListenerSets and policies"),
                "a tenant's folder may not define a " STR_FMT, STR_ARG(str_upto(kind->scalar, 100)));
    return false;
}

static struct node *child_of(const struct node *map, str key) {
    return (struct node *)(uintptr_t)node_get(map, key);
}

static bool check_namespace(struct arena *a, const struct tenant *t, struct node *meta, struct findings *f) {
    struct node *ns = child_of(meta, S("namespace"));
    str own = str_of(t->ns);
    if (!ns) {
        struct node **last = &meta->child;
        while (*last) last = &(*last)->next;
        struct node *given = node_scalar(a, own, true);
        given->line = given->key_line = meta->line, given->column = given->key_column = meta->column;
        node_append(meta, &last, S("namespace"), given);
        return true;
    }
    if (ns->kind == NODE_NULL || (ns->kind == NODE_SCALAR && ns->scalar.n == 0)) {
        ns->kind = NODE_SCALAR, ns->quoted = true, ns->scalar = own;
        return true;
    }
    if (ns->kind != NODE_SCALAR || str_eq(ns->scalar, own)) return true;
    finding_add(f, FINDING_MEANING, ns->line, ns->column, S("metadata.namespace"),
                arena_printf(a, "write \"%s\", or leave it out", t->ns),
                "this folder is the namespace \"%s\" alone, not \"" STR_FMT "\"", t->ns,
                STR_ARG(str_upto(ns->scalar, 100)));
    return false;
}

/* Findings speak of the object as its tenant wrote it. */
static struct findings name_object(const struct tenant *t, const struct node *doc, struct findings *f) {
    struct findings before = *f;
    const struct node *meta = node_get(doc, S("metadata"));
    str name = meta && meta->kind == NODE_MAP ? node_get_str(meta, S("name")) : S("");
    str kind = node_get_str(doc, S("kind"));
    f->kind = kind.p ? kind : S(""), f->name = name.p ? name : S(""), f->ns = str_of(t->ns);
    return before;
}

static void name_again(struct findings *f, const struct findings *before) {
    f->kind = before->kind, f->ns = before->ns, f->name = before->name;
}

bool tenant_admit(struct arena *a, const struct tenant *t, struct node *doc, struct findings *f) {
    if (doc->kind != NODE_MAP) return true;
    struct findings before = name_object(t, doc, f);
    struct node *meta = child_of(doc, S("metadata"));
    bool fits = check_kind(doc, f);
    if (fits && meta && meta->kind == NODE_MAP) fits = check_namespace(a, t, meta, f);
    name_again(f, &before);
    return fits;
}

/* An IPv4 address in IPv6 dress is dialled as what it is [RFC 4291 2.5.5]. */
static struct ip undressed(const struct ip *ip) {
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}, compatible[12] = {0};
    struct ip v4 = {.family = 4};
    bool dressed = ip->family == 6 && (memcmp(ip->bytes, mapped, 12) == 0 ||
                                       (memcmp(ip->bytes, compatible, 12) == 0 && ip->bytes[12]));
    if (!dressed) return *ip;
    memcpy(v4.bytes, ip->bytes + 12, 4);
    return v4;
}

const char *tenant_address_refused(const struct tenant *t, str address) {
    struct ip ip;
    if (ip_parse(address, &ip) != OK) return NULL; /* no address: a name, which is not dialled */
    ip = undressed(&ip);
    for (size_t i = 0; i < t->allowed_n; i++)
        if (ip_in_net(&ip, &t->allowed[i])) return NULL;
    if (ip_is_loopback(&ip)) return "a loopback";
    if (ip_is_link_local(&ip)) return "a link-local";
    if (ip_is_unspecified(&ip) || (ip.family == 4 && ip.bytes[0] == 0)) return "an unspecified";
    if (ip_is_multicast(&ip)) return "a multicast";
    for (size_t i = 0; i < t->own_n; i++)
        if (ip_eq(&ip, &t->own[i])) return "the gateway's own";
    return NULL;
}

static const struct node *item_of(const struct node *seq, uint32_t index) {
    const struct node *n = seq && seq->kind == NODE_SEQ ? seq->child : NULL;
    for (; n && index; index--) n = n->next;
    return n;
}

/* Where the address stands, or the object when that is not to be found. */
static const struct node *place_of(const struct node *doc, uint32_t endpoint, uint32_t address) {
    const struct node *e = item_of(node_get(doc, S("endpoints")), endpoint);
    const struct node *at = e && e->kind == NODE_MAP ? item_of(node_get(e, S("addresses")), address) : NULL;
    return at ? at : doc;
}

static void refuse_address(const struct node *doc, uint32_t endpoint, uint32_t address, str text,
                           const char *what, struct findings *f) {
    const struct node *at = place_of(doc, endpoint, address);
    str path = arena_printf(f->arena, "endpoints[%u].addresses[%u]", endpoint, address);
    finding_add(f, FINDING_MEANING, at->line, at->column, path,
                S("name a backend of yours elsewhere, or ask the operator to allow the address "
                  "(--tenant-endpoints)"),
                STR_FMT " is %s address, which no tenant may reach: it is not used", STR_ARG(text), what);
}

/* The object is in one block and not given out yet: what is refused is left out in place. */
static void limit_slice(const struct tenant *t, const struct node *doc, struct endpoint_slice *s,
                        struct findings *f) {
    uint32_t endpoints = 0;
    for (uint32_t i = 0; i < s->endpoints.n; i++) {
        struct endpoint *e = &s->endpoints.p[i];
        uint32_t kept = 0;
        for (uint32_t k = 0; k < e->addresses.n; k++) {
            const char *what = tenant_address_refused(t, e->addresses.p[k]);
            if (what)
                refuse_address(doc, i, k, e->addresses.p[k], what, f);
            else
                e->addresses.p[kept++] = e->addresses.p[k];
        }
        e->addresses.n = kept;
        if (kept) s->endpoints.p[endpoints++] = *e;
    }
    s->endpoints.n = endpoints;
}

void tenant_limit(const struct tenant *t, const struct node *doc, struct object *o, struct findings *f) {
    assert(str_eq(o->meta.ns, str_of(t->ns)));
    o->meta.created_s = 0;
    if (o->kind != KIND_ENDPOINT_SLICE) return;
    struct findings before = name_object(t, doc, f);
    limit_slice(t, doc, (struct endpoint_slice *)o, f);
    name_again(f, &before);
}
