/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "table/names.h"
#include "table/table.h"

/* What a table is made of. Three arrays by slot, each in chunks: a generation copies the pointers to chunks and the chunks in which
 * something changed. */
enum { SPINE_CHUNK = 128 };
struct spine_chunk {
    uint64_t born; /* the generation that made it; only that one changes it */
    const void *v[SPINE_CHUNK];
};
struct spine_array {
    struct spine_chunk *const *chunks;
    uint32_t n; /* chunks */
};
struct spine_sockets {
    uint32_t n;
    struct table_socket v[];
};
struct spine {
    struct table table;
    const struct spine_sockets *sockets; /* ordered by address and port */
    struct spine_array ports;            /* of struct table_port, by port slot */
    struct spine_array hosts;            /* of struct names of struct table_host, by table_listener.slot */
    struct spine_array endpoints;        /* of struct table_endpoints, by backend slot */
};
struct table_port {
    uint32_t slot;
    uint16_t port;
    bool tls;
    str address;
    const struct names *listeners; /* of struct table_listener */
    struct table_port_settings settings;
};
static inline const struct spine *spine_of(const struct table *t) {
    return (const struct spine *)(const void *)t;
}
static inline const void *spine_get(const struct spine_array *a, uint32_t slot) {
    return slot / SPINE_CHUNK < a->n ? a->chunks[slot / SPINE_CHUNK]->v[slot % SPINE_CHUNK] : NULL;
}
