/* SPDX-License-Identifier: Apache-2.0 */
#include "store/facts.h"

enum { KEY_BYTES_MAX = 64 };

/* One allocation: the fact, its address, its error and its key. */
struct kept {
    struct fact_bind bind;
    char text[];
};

void facts_init(struct facts *f) { *f = (struct facts){.changed = true}; }

void facts_fini(struct facts *f) {
    map_each (e, &f->binds) free(e->value);
    map_fini(&f->binds);
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
    struct kept *k = base_zalloc(sizeof *k + key.n + address.n + error.n);
    char *at = k->text;
    str own_key = append(&at, key);
    k->bind = (struct fact_bind){.port = port, .transport = transport, .ok = ok};
    k->bind.address = append(&at, address);
    k->bind.error = append(&at, error);
    free(map_put(&f->binds, own_key, k));
    f->changed = true;
}

uint16_t facts_map_port(const struct facts *f, uint16_t port) {
    for (uint32_t i = 0; i < f->port_maps_n; i++)
        if (f->port_maps[i].port == port) return f->port_maps[i].to;
    return port;
}
