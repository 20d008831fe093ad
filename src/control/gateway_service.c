/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"
#include "base/ip.h"
#include "base/num.h"
#include "control/address_state.h"

enum { NAME_BYTES_MAX = 63, CUT_BYTES = 54, ENDPOINTS_MAX = 1000 }; /* [Kubernetes EndpointSlice.endpoints] */
#define GROUP_LABELS "gateway.networking.k8s.io/"

static bool is_letter(char c) { return c >= 'a' && c <= 'z'; }
static bool is_name_byte(char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '-'; }

/* As much of s as a name with a hash has room for, without what a name may not end with. */
static str cut(str s) {
    s = str_upto(s, CUT_BYTES);
    while (s.n && (s.p[s.n - 1] == '-' || s.p[s.n - 1] == '.' || s.p[s.n - 1] == '_')) s.n--;
    return s;
}

static str with_hash(struct arena *a, str s, str whole) {
    return arena_printf(a, STR_FMT "-%08x", STR_ARG(cut(s)), (unsigned)hash_str(whole));
}

str gateway_service_label(struct arena *a, str value) {
    return value.n <= NAME_BYTES_MAX ? value : with_hash(a, value, value);
}

/* [GEP-1762]: GATEWAY-CLASS. A Service's name has no dots and begins with a letter [RFC 1035]. */
str gateway_service_name(struct arena *a, str gateway, str class_name, uint32_t part) {
    str number = part ? arena_printf(a, "-%u", part + 1) : S("");
    str plain =
        arena_printf(a, STR_FMT "-" STR_FMT STR_FMT, STR_ARG(gateway), STR_ARG(class_name), STR_ARG(number));
    bool fits = plain.n <= NAME_BYTES_MAX && is_letter(plain.p[0]);
    for (size_t i = 0; i < plain.n; i++) fits &= is_name_byte(plain.p[i]);
    if (fits) return plain;
    str changed = arena_printf(a, "%s" STR_FMT, is_letter(plain.p[0]) ? "" : "g", STR_ARG(plain));
    for (size_t i = 0; i < changed.n; i++)
        if (!is_name_byte(changed.p[i])) ((char *)(uintptr_t)changed.p)[i] = '-';
    str whole =
        arena_printf(a, STR_FMT "/" STR_FMT STR_FMT, STR_ARG(gateway), STR_ARG(class_name), STR_ARG(number));
    return with_hash(a, changed, whole);
}

/* ---- nodes ---- */

static struct node *add(struct node *parent, str key, struct node *child) {
    struct node **last = &parent->child;
    while (*last) last = &(*last)->next;
    node_append(parent, &last, key, child);
    return child;
}
static void add_str(struct arena *a, struct node *parent, const char *key, str value) {
    add(parent, str_of(key), node_scalar(a, value, true));
}
static void add_bool(struct arena *a, struct node *parent, const char *key, bool value) {
    add(parent, str_of(key), node_scalar(a, value ? S("true") : S("false"), false));
}
static void add_int(struct arena *a, struct node *parent, const char *key, unsigned value) {
    add(parent, str_of(key), node_scalar(a, arena_printf(a, "%u", value), false));
}
static struct node *add_map(struct arena *a, struct node *parent, const char *key) {
    return add(parent, str_of(key), node_new(a, NODE_MAP));
}
static struct node *add_list(struct arena *a, struct node *parent, const char *key) {
    return add(parent, str_of(key), node_new(a, NODE_SEQ));
}

/* ---- what both have ---- */

/* Users' keys of the API's own group are left out: they must not stand for ours. */
static void add_users(struct arena *a, struct node *map, const struct str_pair *p, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        if (!str_starts(p[i].key, S(GROUP_LABELS)) && !node_get(map, p[i].key))
            add(map, p[i].key, node_scalar(a, p[i].value, true));
}

static struct node *begin(struct arena *a, const struct address_book *b, const struct address_gateway *g,
                          const char *api_version, const char *kind, str name, struct node **ret_labels) {
    struct node *o = node_new(a, NODE_MAP);
    add_str(a, o, "apiVersion", str_of(api_version));
    add_str(a, o, "kind", str_of(kind));
    struct node *meta = add_map(a, o, "metadata");
    add_str(a, meta, "name", name);
    add_str(a, meta, "namespace", g->d.ns);
    struct node *labels = *ret_labels = add_map(a, meta, "labels");
    add_str(a, labels, "app.kubernetes.io/managed-by", str_of(b->label));
    add_str(a, labels, GROUP_LABELS "gateway-name", gateway_service_label(a, g->d.name));
    add_str(a, labels, GROUP_LABELS "gateway-class-name", gateway_service_label(a, g->d.class_name));
    if (g->d.annotations_n)
        add_users(a, add_map(a, meta, "annotations"), g->d.annotations, g->d.annotations_n);
    struct node *owner = add(add_list(a, meta, "ownerReferences"), (str){0}, node_new(a, NODE_MAP));
    add_str(a, owner, "apiVersion", S("gateway.networking.k8s.io/v1"));
    add_str(a, owner, "kind", S("Gateway"));
    add_str(a, owner, "name", g->d.name);
    add_str(a, owner, "uid", g->d.uid);
    add_bool(a, owner, "controller", true);
    add_bool(a, owner, "blockOwnerDeletion", true);
    return o;
}

static str port_name(struct arena *a, const struct address_port *p) {
    return arena_printf(a, "%s-%u", p->want.udp ? "udp" : "tcp", p->want.port);
}

/* All ports have what the leader gives. */
static bool is_complete(const struct address_gateway *g, const struct address_part *part) {
    for (uint32_t i = 0; i < g->ports_n; i++)
        if (!g->ports[i].to) return false;
    return g->ports_n && g->d.accepted && part->type != ADDRESS_HOST_PORT;
}

/* What the API server hands out as node ports, unless it was told otherwise. */
static bool is_node_port(uint16_t port) { return port >= 30000 && port <= 32767; }

static void add_ports(struct arena *a, const struct address_gateway *g, enum address_type type,
                      struct node *spec) {
    struct node *ports = add_list(a, spec, "ports");
    for (uint32_t i = 0; i < g->ports_n; i++) {
        const struct address_port *p = &g->ports[i];
        struct node *one = add(ports, (str){0}, node_new(a, NODE_MAP));
        add_str(a, one, "name", port_name(a, p));
        add_str(a, one, "protocol", p->want.udp ? S("UDP") : S("TCP"));
        add_int(a, one, "port", p->want.port);
        add_int(a, one, "targetPort", p->to);
        if (type == ADDRESS_NODE_PORT && is_node_port(p->want.port))
            add_int(a, one, "nodePort", p->want.port); /* so that the node's port is the listener's */
    }
}

struct node *gateway_service_make(struct arena *a, const struct address_book *b,
                                  const struct address_gateway *g, uint32_t part) {
    const struct address_part *p = &g->parts[part];
    if (!is_complete(g, p)) return NULL;
    struct node *labels, *o = begin(a, b, g, "v1", "Service", p->service, &labels);
    add_users(a, labels, g->d.labels, g->d.labels_n);
    struct node *spec = add_map(a, o, "spec");
    add_str(a, spec, "type", str_of(address_book_type_name(p->type)));
    add_str(a, spec, "ipFamilyPolicy", S("PreferDualStack"));
    str asked = p->wish == ADDRESS_EACH ? S("") : g->d.addresses[p->wish].value;
    /* Deprecated, since not every load balancer obeys; those that do not are found out by what they give. */
    if (asked.n) add_str(a, spec, p->type == ADDRESS_LOAD_BALANCER ? "loadBalancerIP" : "clusterIP", asked);
    add_ports(a, g, p->type, spec);
    return o;
}

static void add_endpoint(struct arena *a, struct node *list, const struct address_pod *pod) {
    struct node *e = add(list, (str){0}, node_new(a, NODE_MAP));
    add(add_list(a, e, "addresses"), (str){0}, node_scalar(a, pod->ip, true));
    struct node *c = add_map(a, e, "conditions");
    add_bool(a, c, "ready", pod->ready);
    add_bool(a, c, "serving", pod->serving);
    add_bool(a, c, "terminating", pod->terminating);
    if (pod->node_name.n) add_str(a, e, "nodeName", pod->node_name);
    if (pod->zone.n) add_str(a, e, "zone", pod->zone);
}

struct node *gateway_service_make_slice(struct arena *a, const struct address_book *b,
                                        const struct address_gateway *g, uint32_t part, bool v6) {
    if (!is_complete(g, &g->parts[part])) return NULL;
    struct node *labels;
    str service = g->parts[part].service,
        name = arena_printf(a, STR_FMT "-%s", STR_ARG(service), v6 ? "ipv6" : "ipv4");
    struct node *o = begin(a, b, g, "discovery.k8s.io/v1", "EndpointSlice", name, &labels);
    add_str(a, labels, "kubernetes.io/service-name", service);
    add_str(a, labels, "endpointslice.kubernetes.io/managed-by", str_of(b->label));
    add_users(a, labels, g->d.labels, g->d.labels_n);
    add_str(a, o, "addressType", v6 ? S("IPv6") : S("IPv4"));
    struct node *ports = add_list(a, o, "ports"), *list = add_list(a, o, "endpoints");
    for (uint32_t i = 0; i < g->ports_n; i++) {
        struct node *one = add(ports, (str){0}, node_new(a, NODE_MAP));
        add_str(a, one, "name", port_name(a, &g->ports[i]));
        add_str(a, one, "protocol", g->ports[i].want.udp ? S("UDP") : S("TCP"));
        add_int(a, one, "port", g->ports[i].to);
    }
    for (size_t i = 0; i < b->pods_n && list->n < ENDPOINTS_MAX; i++)
        if ((str_find(b->pods[i].ip, ':') < b->pods[i].ip.n) == v6) add_endpoint(a, list, &b->pods[i]);
    return list->n ? o : NULL;
}
