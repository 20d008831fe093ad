/* SPDX-License-Identifier: Apache-2.0 */
#include "upstream/told.h"

#include "io/sock.h"
#include "upstream/upstream_core.h"

void told_init(struct told_client *k, const struct conn *conn) {
    *k = (struct told_client){.conn = conn};
    link_init(&k->conns);
}

void told_fini(struct told_client *k) {
    for (struct link *l; (l = link_pop(&k->conns));) {
        struct upstream_conn *u = container_of(l, struct upstream_conn, on_client);
        u->client = NULL;
        dial_close(u);
    }
}

/* Of a client that a trusted proxy told of, nobody knows the port. */
struct proxy_protocol told_header(const struct upstream_want *w, uint8_t version) {
    struct proxy_protocol h = {.version = version};
    struct told_client *k = w->teller;
    if (!version || !k || !w->sender->family) return h;
    if (!k->to.family && sock_local(k->conn->watch.fd, &k->to, &k->to_port) != OK) return h;
    h.told = true;
    h.source = *w->sender;
    h.source_port = ip_eq(&h.source, &k->peer) ? k->peer_port : 0;
    h.destination = k->to;
    h.destination_port = k->to_port;
    return h;
}

static bool is_same(const struct proxy_protocol *x, const struct proxy_protocol *y) {
    return ip_eq(&x->source, &y->source) && x->source_port == y->source_port;
}

static bool is_idle(const struct upstream_conn *u) { return u->mux ? mux_is_idle(u) : u->conn.idle; }

/* What they said to one client of where it connected is the same. */
struct upstream_conn *told_take(const struct upstream_want *w, const struct proxy_protocol *h,
                                const struct upstream_lane *lane) {
    list_each (struct upstream_conn, u, &w->teller->conns, on_client) {
        if (u->lane != lane || !is_same(&u->told, h)) continue;
        if (u->mux ? !w->http1 && mux_may_take(u, w->websocket) : u->conn.idle) {
            if (!u->mux) lane_take(u);
            return u;
        }
    }
    return NULL;
}

void told_idle(struct upstream_conn *u) {
    struct upstream_conn *first = NULL;
    uint32_t n = 0;
    list_each (struct upstream_conn, other, &u->client->conns, on_client) {
        if (!is_idle(other)) continue;
        if (!first && other != u) first = other;
        n++;
    }
    if (n > TOLD_IDLE_MAX && first) dial_close(first);
}
