/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"
#include "base/num.h"
#include "control/address_state.h"

/* The port that the Service as the server has it gives; 0: none of our range. */
static uint16_t given(const struct address_book *b, const struct address_gateway *g, struct need_port want) {
    const struct address_thing *t = g->parts[0].thing;
    const struct node *spec = t && t->seen ? node_get(t->seen, S("spec")) : NULL;
    const struct node *ports = spec ? node_get(spec, S("ports")) : NULL;
    for (const struct node *p = ports ? ports->child : NULL; p; p = p->next) {
        uint64_t port, to;
        if (num_parse(node_get_str(p, S("port")), UINT16_MAX, &port) != OK || port != want.port) continue;
        if (str_eq(node_get_str(p, S("protocol")), S("UDP")) != want.udp) continue;
        bool fine = num_parse(node_get_str(p, S("targetPort")), b->c.port_last, &to) == OK;
        return fine && to >= b->c.port_first ? (uint16_t)to : 0;
    }
    return 0;
}

static uint16_t before(const struct address_port *old, uint32_t n, struct need_port want) {
    for (uint32_t i = 0; i < n; i++)
        if (old[i].want.port == want.port && old[i].want.udp == want.udp) return old[i].to;
    return 0;
}

static bool take(struct address_book *b, uint16_t to) {
    if (!to || b->taken[to - b->c.port_first]) return false;
    b->taken[to - b->c.port_first] = 1;
    return true;
}

/* A free one. Where the search begins follows from the Gateway, so that two leaders in a row, of whom the latter has not seen what the former
 * did last, hardly ever choose the same for two Gateways. 0: all are taken. */
static uint16_t choose(struct address_book *b, const struct address_gateway *g, struct need_port want) {
    uint32_t n = (uint32_t)(b->c.port_last - b->c.port_first) + 1;
    uint64_t h = hash_join(hash_str(g->d.uid), (uint64_t)want.port << 1 | want.udp);
    for (uint32_t i = 0; i < n; i++) {
        uint16_t to = (uint16_t)(b->c.port_first + (h + i) % n);
        if (take(b, to)) return to;
    }
    return 0;
}

struct ports_before {
    struct address_port *p;
    uint32_t n;
};

/* What its Service as it is gives stands. Returns the ports that the Gateway had. */
static struct ports_before keep_given(struct address_book *b, struct address_gateway *g) {
    struct ports_before old = {g->ports, g->ports_n};
    g->ports_n = g->d.ports_n;
    g->ports = base_zalloc((g->ports_n + 1) * sizeof *g->ports);
    for (uint32_t k = 0; k < g->ports_n; k++) {
        g->ports[k].want = g->d.ports[k];
        if (g->d.type == ADDRESS_HOST_PORT) {
            g->ports[k].to = g->d.ports[k].port;
            continue;
        }
        uint16_t to = given(b, g, g->d.ports[k]);
        if (take(b, to)) g->ports[k].to = to, g->ports[k].recorded = true;
    }
    return old;
}

/* Those that were chosen before and are not written yet. */
static void keep_chosen(struct address_book *b, struct address_gateway *g, const struct ports_before *old) {
    for (uint32_t k = 0; k < g->ports_n; k++) {
        uint16_t to = g->ports[k].to ? 0 : before(old->p, old->n, g->ports[k].want);
        if (take(b, to)) g->ports[k].to = to;
    }
}

static void choose_rest(struct address_book *b, struct address_gateway *g) {
    for (uint32_t k = 0; k < g->ports_n; k++)
        if (!g->ports[k].to) g->ports[k].to = choose(b, g, g->ports[k].want);
}

/* Ports of the Service as it is stand first, then those that were chosen and are not written yet; the first Gateway by name keeps one that two have. */
void address_ports_assign(struct address_book *b, struct address_gateway **sorted, size_t n) {
    memset(b->taken, 0, (size_t)(b->c.port_last - b->c.port_first) + 1);
    struct ports_before *old = base_zalloc((n + 1) * sizeof *old);
    for (size_t i = 0; i < n; i++) old[i] = keep_given(b, sorted[i]);
    for (size_t i = 0; i < n && b->leads; i++)
        if (sorted[i]->d.type != ADDRESS_HOST_PORT) keep_chosen(b, sorted[i], &old[i]);
    for (size_t i = 0; i < n && b->leads; i++)
        if (sorted[i]->d.type != ADDRESS_HOST_PORT) choose_rest(b, sorted[i]);
    for (size_t i = 0; i < n; i++) free(old[i].p);
    free(old);
}
