/* SPDX-License-Identifier: Apache-2.0 */
#include "store/facts.h"

enum { KEY_BYTES_MAX = 64 };

/* One allocation: the fact, its address, its error and its key. */
struct kept_bind {
    struct fact_bind bind;
    char text[];
};

/* One allocation: the fact, what it points to, and its key. */
struct kept_gateway {
    struct fact_gateway fact;
    str key;
    bool moved;
    bool gone; /* nothing is known any more: kept until facts_take_moved() has told so */
    struct fact_address addresses[]; /* then ports, then text */
};

void facts_init(struct facts *f) { *f = (struct facts){.changed = true}; }

void facts_fini(struct facts *f) {
    map_each (e, &f->names) free(e->value);
    map_fini(&f->names);
    map_each (e, &f->binds) free(e->value);
    map_fini(&f->binds);
    map_each (e, &f->gateways) free(e->value);
    map_fini(&f->gateways);
    *f = (struct facts){0};
}

static str bind_key(char *space, str address, uint16_t port, enum fact_transport transport) {
    int n = snprintf(space, KEY_BYTES_MAX, STR_FMT ":%u%s", STR_ARG(address), port,
                     transport == FACT_UDP ? "/udp" : "");
    assert(n > 0 && n < KEY_BYTES_MAX);
    return (str){space, (size_t)n};
}

const struct fact_bind *facts_bind(const struct facts *f, str address, uint16_t port,
                                   enum fact_transport transport) {
    char space[KEY_BYTES_MAX];
    return map_get(&f->binds, bind_key(space, address, port, transport));
}

static str append(char **at, str s) {
    str copy = {*at, s.n};
    if (s.n) memcpy(*at, s.p, s.n);
    *at += s.n;
    return copy;
}

void facts_set_bind(struct facts *f, str address, uint16_t port, enum fact_transport transport, bool ok,
                    str error) {
    if (ok) error = S("");
    const struct fact_bind *known = facts_bind(f, address, port, transport);
    if (known && known->ok == ok && str_eq(known->error, error)) return;
    char space[KEY_BYTES_MAX];
    str key = bind_key(space, address, port, transport);
    struct kept_bind *k = base_zalloc(sizeof *k + key.n + address.n + error.n);
    char *at = k->text;
    str own_key = append(&at, key);
    k->bind = (struct fact_bind){.port = port, .transport = transport, .ok = ok};
    k->bind.address = append(&at, address);
    k->bind.error = append(&at, error);
    free(map_put(&f->binds, own_key, k));
    f->changed = true;
}

/* One allocation: the name, its addresses, its error and its key. */
struct kept_name {
    struct fact_name name;
    str key;
    struct ip addresses[];
};

static int by_address(const void *a, const void *b) {
    const struct ip *x = a, *y = b;
    int order = x->family - y->family;
    return order ? order : memcmp(x->bytes, y->bytes, sizeof x->bytes);
}

const struct fact_name *facts_name(const struct facts *f, str hostname) {
    const struct fact_name *known = map_get(&f->names, hostname);
    return known && !known->gone ? known : NULL;
}

bool facts_name_changed(const struct facts *f, str hostname) {
    const struct fact_name *known = map_get(&f->names, hostname);
    return known && known->changed;
}

static bool same_name(const struct fact_name *x, const struct fact_name *y) {
    if (x->n != y->n || !str_eq(x->error, y->error)) return false;
    for (uint32_t i = 0; i < x->n; i++)
        if (by_address(&x->addresses[i], &y->addresses[i]) != 0) return false;
    return true;
}

void facts_set_name(struct facts *f, str hostname, const struct ip *addresses, uint32_t n, str error) {
    struct kept_name *k = base_zalloc(sizeof *k + n * sizeof *addresses + hostname.n + error.n);
    char *at = (char *)(k->addresses + n);
    str key = k->key = append(&at, hostname);
    k->name = (struct fact_name){k->addresses, n, append(&at, error), .changed = true};
    if (n) memcpy(k->addresses, addresses, n * sizeof *addresses);
    if (n) qsort(k->addresses, n, sizeof *k->addresses, by_address);
    const struct fact_name *known = facts_name(f, hostname);
    if (known && same_name(known, &k->name)) {
        free(k);
        return;
    }
    free(map_put(&f->names, key, k));
    f->changed = f->names_changed = true;
}

void facts_forget_name(struct facts *f, str hostname) {
    struct fact_name *known = map_get(&f->names, hostname);
    if (!known || known->gone) return;
    known->changed = known->gone = true;
    f->changed = f->names_changed = true;
}

void facts_settle_names(struct facts *f) {
    struct kept_name *gone;
    do {
        gone = NULL;
        map_each (e, &f->names) {
            struct kept_name *k = e->value;
            k->name.changed = false;
            if (k->name.gone) gone = k;
        }
        if (gone) free(map_take(&f->names, gone->key));
    } while (gone);
    f->names_changed = false;
}

uint16_t facts_map_port(const struct facts *f, uint16_t port) {
    for (uint32_t i = 0; i < f->port_maps_n; i++)
        if (f->port_maps[i].port == port) return f->port_maps[i].to;
    return port;
}

static bool same_ports(const struct fact_gateway *x, const struct fact_gateway *y) {
    if (x->ports_n != y->ports_n) return false;
    for (uint32_t i = 0; i < x->ports_n; i++)
        if (x->ports[i].port != y->ports[i].port || x->ports[i].to != y->ports[i].to ||
            x->ports[i].udp != y->ports[i].udp)
            return false;
    return true;
}

static bool same_gateway(const struct fact_gateway *x, const struct fact_gateway *y) {
    if (!same_ports(x, y) || x->addresses_n != y->addresses_n || !str_eq(x->message, y->message) ||
        !str_eq(str_of(x->reason), str_of(y->reason)) || x->missed_n != y->missed_n ||
        x->pending != y->pending || !str_eq(x->missed, y->missed))
        return false;
    for (uint32_t i = 0; i < x->addresses_n; i++)
        if (!str_eq(x->addresses[i].type, y->addresses[i].type) ||
            !str_eq(x->addresses[i].value, y->addresses[i].value) ||
            !str_eq(x->addresses[i].routability, y->addresses[i].routability))
            return false;
    return true;
}

static struct kept_gateway *keep_gateway(str key, const struct fact_gateway *g) {
    size_t ports = g->ports_n * sizeof *g->ports, addresses = g->addresses_n * sizeof *g->addresses;
    size_t text = key.n + g->message.n + g->missed.n;
    for (uint32_t i = 0; i < g->addresses_n; i++)
        text += g->addresses[i].type.n + g->addresses[i].value.n + g->addresses[i].routability.n;
    struct kept_gateway *k = base_zalloc(sizeof *k + addresses + ports + text);
    struct fact_address *a = k->addresses;
    struct fact_port *p = (void *)(a + g->addresses_n);
    char *at = (char *)(p + g->ports_n);
    if (ports) memcpy(p, g->ports, ports);
    for (uint32_t i = 0; i < g->addresses_n; i++) {
        a[i].type = append(&at, g->addresses[i].type);
        a[i].value = append(&at, g->addresses[i].value);
        a[i].routability = append(&at, g->addresses[i].routability);
    }
    k->fact = *g;
    k->fact.ports = p, k->fact.addresses = a;
    k->fact.message = append(&at, g->message);
    k->fact.missed = append(&at, g->missed);
    k->key = append(&at, key);
    return k;
}

static const struct kept_gateway *kept(const struct facts *f, str key) { return map_get(&f->gateways, key); }

const struct fact_gateway *facts_gateway(const struct facts *f, str key) {
    const struct kept_gateway *k = kept(f, key);
    return k && !k->gone ? &k->fact : NULL;
}

void facts_set_gateway(struct facts *f, str key, const struct fact_gateway *g) {
    const struct kept_gateway *known = kept(f, key);
    static const struct fact_gateway nothing;
    bool is_known = known && !known->gone;
    if (!is_known && !g) return;
    if (is_known && g && same_gateway(&known->fact, g)) return;
    f->changed = true;
    struct kept_gateway *k = keep_gateway(key, g ? g : &nothing);
    k->gone = !g; /* its listeners have no port any more, should it still be there */
    k->moved = !known || known->moved || !same_ports(&known->fact, &k->fact);
    free(map_put(&f->gateways, k->key, k));
}

uint16_t facts_bind_port(const struct facts *f, str gateway_key, uint16_t port, bool udp) {
    if (!f->cluster) return facts_map_port(f, port);
    const struct fact_gateway *g = facts_gateway(f, gateway_key);
    for (uint32_t i = 0; g && i < g->ports_n; i++)
        if (g->ports[i].port == port && g->ports[i].udp == udp) return g->ports[i].to;
    return 0;
}

static struct kept_gateway *find_moved(const struct facts *f, bool moved) {
    map_each (e, &f->gateways) {
        struct kept_gateway *k = e->value;
        if (k->moved == moved && (moved || k->gone)) return k;
    }
    return NULL;
}

str facts_take_moved(struct facts *f) {
    for (struct kept_gateway *told; (told = find_moved(f, false));) free(map_take(&f->gateways, told->key));
    struct kept_gateway *k = find_moved(f, true);
    if (!k) return (str){0};
    k->moved = false;
    return k->key;
}
