/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ip.h"
#include "base/num.h"
#include "control/address_state.h"

enum { PATIENCE_US = 10000000 }; /* until one without an address is told what to do */

struct finding_out {
    struct arena *a;
    const struct address_book *b;
    struct address_gateway *g;
    uint64_t now_us, again_us;
    bool open, unusable; /* an address may yet come; one that was named can not be had */
    struct fact_gateway *fact;
    struct fact_address *had; /* what there is */
    uint32_t had_n;
};

__attribute__((format(printf, 3, 4))) static void refuse(struct finding_out *f, const char *reason,
                                                         const char *fmt, ...) {
    if (f->fact->reason) return;
    va_list args;
    va_start(args, fmt);
    f->fact->reason = reason;
    f->fact->message = arena_vprintf(f->a, fmt, args);
    va_end(args);
}

/* Until patience has an end it is pending. */
static bool waits(struct finding_out *f) {
    if (!f->g->waits_since_us) f->g->waits_since_us = f->now_us ? f->now_us : 1;
    uint64_t until = f->g->waits_since_us + PATIENCE_US;
    if (f->now_us >= until) return false;
    f->again_us = until;
    return true;
}

static const struct node *path(const struct node *n, const char *first, const char *second) {
    n = n ? node_get(n, str_of(first)) : NULL;
    return n && second ? node_get(n, str_of(second)) : n;
}

static void have(struct finding_out *f, const char *type, str value, str routability) {
    if (value.n) f->had[f->had_n++] = (struct fact_address){str_of(type), value, routability};
}

static const struct node *seen_spec(const struct address_part *p) {
    return p->thing ? path(p->thing->seen, "spec", NULL) : NULL;
}
static const struct node *ingress_of(const struct address_part *p) {
    return p->thing ? path(p->thing->status, "loadBalancer", "ingress") : NULL;
}

/* What it has to give; a cluster IP that is asked for is only its own Service's. */
static void look_at_service(struct finding_out *f, const struct address_part *p) {
    const struct node *ingress = ingress_of(p), *ips = path(seen_spec(p), "clusterIPs", NULL);
    switch (p->type) {
    case ADDRESS_LOAD_BALANCER:
        for (const struct node *i = ingress ? ingress->child : NULL; i; i = i->next) {
            have(f, "IPAddress", node_get_str(i, S("ip")), S(""));
            have(f, "Hostname", node_get_str(i, S("hostname")), S(""));
        }
        break;
    case ADDRESS_CLUSTER_IP:
        for (const struct node *i = ips ? ips->child : NULL; i && p->wish == ADDRESS_EACH; i = i->next)
            if (!str_eq(i->scalar, S("None"))) have(f, "IPAddress", i->scalar, S("Cluster"));
        break;
    case ADDRESS_NODE_PORT:
    case ADDRESS_HOST_PORT:
        for (uint32_t i = 0; i < f->b->c.host_ips_n; i++) have(f, "IPAddress", f->b->c.host_ips[i], S(""));
        break;
    case ADDRESS_TYPE_COUNT: break;
    }
}

static void look_at_services(struct finding_out *f) {
    uint32_t n = f->b->c.host_ips_n;
    for (uint32_t i = 0; i < f->g->parts_n; i++) {
        const struct node *ingress = ingress_of(&f->g->parts[i]),
                          *ips = path(seen_spec(&f->g->parts[i]), "clusterIPs", NULL);
        n += (ingress ? ingress->n * 2 : 0) + (ips ? ips->n : 0);
    }
    f->had = arena_array(f->a, struct fact_address, n + 1);
    for (uint32_t i = 0; i < f->g->parts_n; i++) look_at_service(f, &f->g->parts[i]);
}

static bool same_ip(str x, str y) {
    struct ip a, b;
    return ip_parse(x, &a) == OK && ip_parse(y, &b) == OK ? ip_eq(&a, &b) : str_eq(x, y);
}

static void show(struct finding_out *f, struct fact_address a) {
    struct fact_address *v = (void *)(uintptr_t)f->fact->addresses;
    v[f->fact->addresses_n++] = a;
}

/* What it promises is said as it was asked for, or for what it is. */
static str said_scope(const struct need_address *w, str is) { return w->routability.n ? w->routability : is; }

/* One of those there are, any or the one asked for; it is taken out of them. A host name is none: entries of another type are refused. */
static bool find_outer(struct finding_out *f, const struct need_address *w) {
    for (uint32_t i = 0; i < f->had_n; i++) {
        struct fact_address one = f->had[i];
        if (!str_eq(one.type, S("IPAddress")) || (w->value.n && !same_ip(one.value, w->value))) continue;
        if (w->value.n) one.value = w->value; /* as it was written, since it is compared so */
        one.routability = said_scope(w, one.routability);
        show(f, one);
        f->had[i] = f->had[--f->had_n];
        return true;
    }
    return false;
}

/* The cluster IP of the Service that is there for this entry alone. */
static bool find_inner(struct finding_out *f, const struct need_address *w, const struct address_part *p) {
    const struct node *spec = seen_spec(p);
    str ip = spec ? node_get_str(spec, S("clusterIP")) : S("");
    if (!ip.n || str_eq(ip, S("None")) || (w->value.n && !same_ip(ip, w->value))) return false;
    show(f, (struct fact_address){S("IPAddress"), w->value.n ? w->value : ip, said_scope(w, S("Cluster"))});
    return true;
}

static const char *remedy(enum address_type t) {
    switch (t) {
    case ADDRESS_LOAD_BALANCER:
        return "name one that the cluster's load balancer may give, or leave spec.addresses out";
    case ADDRESS_CLUSTER_IP: return "name a free one of the cluster's Service network, or leave it out";
    case ADDRESS_NODE_PORT:
    case ADDRESS_HOST_PORT:
    case ADDRESS_TYPE_COUNT: break;
    }
    return "name one of the node's, or leave spec.addresses out";
}

static const struct address_part *part_of(const struct address_gateway *g, uint32_t wish) {
    for (uint32_t i = 0; i < g->parts_n; i++)
        if (g->parts[i].wish == wish) return &g->parts[i];
    return &g->parts[0]; /* that of all which have none of their own: it goes first */
}

static bool is_invalid(const struct address_part *p) { return p->thing && p->thing->invalid; }

static str say_lack(struct finding_out *f, const struct need_address *w, const struct address_part *p) {
    bool on_node = p->type == ADDRESS_NODE_PORT || p->type == ADDRESS_HOST_PORT;
    if (is_invalid(p) && p->thing->trouble) return str_of(p->thing->trouble);
    if (on_node && w->value.n)
        return arena_printf(f->a, STR_FMT " is no address of the node", STR_ARG(w->value));
    if (on_node) return S("the node has no further address");
    return arena_printf(f->a, STR_FMT "%s given to Service " STR_FMT "/" STR_FMT " of type %s",
                        STR_ARG(w->value), w->value.n ? " was not" : "no address was", STR_ARG(f->g->d.ns),
                        STR_ARG(p->service), address_book_type_name(p->type));
}

/* The entry stays without an address. */
static void lack(struct finding_out *f, const struct need_address *w, const struct address_part *p) {
    str words = say_lack(f, w, p);
    f->open |= !is_invalid(p);
    f->unusable |= w->value.n && !w->routability.n;
    f->fact->missed =
        arena_printf(f->a, STR_FMT "%sspec.addresses[%u]: " STR_FMT "; %s", STR_ARG(f->fact->missed),
                     f->fact->missed_n ? ", " : "", w->index, STR_ARG(words), remedy(p->type));
    f->fact->missed_n++;
}

/* Every address that is asked for has to be there; "any" takes one that nothing else asked for. Some are enough to be reached by, but for
 * one that is named and can not be had.                                          [GW GatewaySpec.addresses] [GEP-5093] */
static void choose_asked(struct finding_out *f) {
    const struct address_demand *d = &f->g->d;
    bool *found = arena_array(f->a, bool, d->addresses_n);
    for (uint32_t i = 0; i < d->addresses_n; i++) {
        const struct need_address *w = &d->addresses[i];
        bool inner = address_book_is_inner(d, w);
        found[i] = inner ? find_inner(f, w, part_of(f->g, i)) : w->value.n && find_outer(f, w);
    }
    for (uint32_t i = 0; i < d->addresses_n; i++) {
        const struct need_address *w = &d->addresses[i];
        if (!found[i] && !w->value.n && !address_book_is_inner(d, w)) found[i] = find_outer(f, w);
        if (!found[i]) lack(f, w, part_of(f->g, i));
    }
    if (!f->fact->missed_n) return;
    f->fact->pending = f->open && waits(f);
    if (f->fact->pending)
        refuse(f, "Pending", STR_FMT, STR_ARG(f->fact->missed));
    else if (!f->fact->addresses_n)
        refuse(f, "AddressNotAssigned", STR_FMT, STR_ARG(f->fact->missed));
    else if (f->unusable)
        refuse(f, "AddressNotUsable", STR_FMT, STR_ARG(f->fact->missed));
}

static void tell_none(struct finding_out *f) {
    const struct address_demand *d = &f->g->d;
    if (d->type == ADDRESS_NODE_PORT || d->type == ADDRESS_HOST_PORT)
        refuse(f, "AddressNotAssigned",
               "the node's address is not known; set HOST_IP in postern's pods from status.hostIP");
    else if (waits(f))
        refuse(f, "Pending", "Service " STR_FMT "/" STR_FMT " has no address yet", STR_ARG(d->ns),
               STR_ARG(f->g->parts[0].service));
    else
        refuse(f, "AddressNotAssigned",
               "nothing gives Service " STR_FMT "/" STR_FMT
               " of type %s an address; install a load balancer for the cluster, or choose another type: "
               "postern serve --gateway-service ClusterIP, NodePort or HostPort",
               STR_ARG(d->ns), STR_ARG(f->g->parts[0].service), address_book_type_name(d->type));
}

/* Nobody has asked for any: what there is. */
static void choose_all(struct finding_out *f) {
    for (uint32_t i = 0; i < f->had_n; i++) show(f, f->had[i]);
    if (f->had_n) return;
    tell_none(f);
    f->fact->pending = strcmp(f->fact->reason, "Pending") == 0;
    f->fact->missed_n = 1, f->fact->missed = f->fact->message;
}

static void choose_addresses(struct finding_out *f) {
    f->fact->addresses = arena_array(f->a, struct fact_address, f->had_n + f->g->d.addresses_n + 1);
    if (f->g->d.addresses_n)
        choose_asked(f);
    else
        choose_all(f);
    if (!f->fact->missed_n) f->g->waits_since_us = 0;
}

/* Ports that the server's Service has; on a node each is the listener's own. */
static void list_ports(struct finding_out *f) {
    struct address_gateway *g = f->g;
    struct fact_port *v = arena_array(f->a, struct fact_port, g->ports_n);
    bool host = g->d.type == ADDRESS_HOST_PORT;
    for (uint32_t i = 0; i < g->ports_n; i++) {
        uint16_t to = host ? g->ports[i].want.port : g->ports[i].to;
        if (host || g->ports[i].recorded)
            v[f->fact->ports_n++] = (struct fact_port){g->ports[i].want.port, to, g->ports[i].want.udp};
    }
    f->fact->ports = v;
}

static const char *trouble(const struct address_thing *t) { return t ? t->trouble : NULL; }

static void judge_part(struct finding_out *f, const struct address_part *p) {
    const struct address_gateway *g = f->g;
    const char *words = trouble(p->thing);
    for (unsigned i = 0; i < 2 && !words; i++) words = trouble(p->slices[i]);
    bool asked = is_invalid(p) && p->wish != ADDRESS_EACH && g->d.addresses[p->wish].value.n;
    if (words && !asked) refuse(f, "NoResources", "%s", words); /* else it is the address's fault */
}

static void judge_what_is_there(struct finding_out *f, const struct address_part *p) {
    if (p->type == ADDRESS_HOST_PORT || is_invalid(p)) return;
    if (!p->thing || !p->thing->seen)
        refuse(f, "Pending", "Service " STR_FMT "/" STR_FMT " is not there yet", STR_ARG(f->g->d.ns),
               STR_ARG(p->service));
    bool endpoints = false;
    for (unsigned i = 0; i < 2; i++) endpoints |= p->slices[i] && p->slices[i]->seen;
    if (!endpoints)
        refuse(f, "Pending",
               "Service " STR_FMT "/" STR_FMT " has no endpoint yet: no pod of postern is known",
               STR_ARG(f->g->d.ns), STR_ARG(p->service));
}

/* What stands in the way before addresses matter. */
static void judge_objects(struct finding_out *f) {
    const struct address_gateway *g = f->g;
    for (uint32_t i = 0; i < g->parts_n; i++) judge_part(f, &g->parts[i]);
    for (uint32_t i = 0; i < g->ports_n && f->b->leads; i++)
        if (!g->ports[i].to)
            refuse(f, "NoResources", "no container port is free any more for port %u; take listeners away",
                   g->ports[i].want.port);
    for (uint32_t i = 0; i < g->parts_n; i++) judge_what_is_there(f, &g->parts[i]);
}

static void tell_node_ports(struct finding_out *f) {
    const struct node *ports = path(seen_spec(&f->g->parts[0]), "ports", NULL);
    if (f->g->parts[0].type != ADDRESS_NODE_PORT) return;
    str words = S("");
    for (const struct node *p = ports ? ports->child : NULL; p; p = p->next) {
        str port = node_get_str(p, S("port")), node_port = node_get_str(p, S("nodePort"));
        if (node_port.n && !str_eq(port, node_port))
            words = arena_printf(f->a, STR_FMT "%sport " STR_FMT " is " STR_FMT " on the nodes",
                                 STR_ARG(words), words.n ? ", " : "", STR_ARG(port), STR_ARG(node_port));
    }
    f->fact->message = words;
}

/* Something can be said of its addresses: the first Service is there, or there is none, or there never will be. */
static bool is_begun(const struct address_part *p) {
    return p->type == ADDRESS_HOST_PORT || seen_spec(p) || is_invalid(p);
}

uint64_t address_facts_make(struct arena *a, const struct address_book *b, struct address_gateway *g,
                            uint64_t now_us, struct fact_gateway *ret) {
    struct finding_out f = {.a = a, .b = b, .g = g, .now_us = now_us, .again_us = UINT64_MAX, .fact = ret};
    *ret = (struct fact_gateway){.message = S(""), .missed = S("")};
    list_ports(&f);
    if (g->ports_n) judge_objects(&f);
    if (!is_begun(&g->parts[0])) {
        ret->pending = !ret->reason || strcmp(ret->reason, "Pending") == 0;
        ret->missed_n = g->d.addresses_n ? g->d.addresses_n : 1, ret->missed = ret->message;
        return f.again_us;
    }
    look_at_services(&f);
    choose_addresses(&f);
    if (!ret->reason && g->d.type == ADDRESS_NODE_PORT) tell_node_ports(&f);
    return f.again_us;
}
