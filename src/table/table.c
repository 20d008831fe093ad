/* SPDX-License-Identifier: Apache-2.0 */
#include "table/table.h"

#include "table/dump.h"
#include "table/host.h"
#include "table/spine.h"

const struct table_port *table_port(const struct table *t, uint32_t port_slot) {
    return spine_get(&spine_of(t)->ports, port_slot);
}

uint16_t table_port_number(const struct table_port *p) { return p->port; }

bool table_port_tls(const struct table_port *p) { return p->tls; }

const struct table_port_settings *table_port_settings(const struct table_port *p) { return &p->settings; }

uint32_t table_sockets(const struct table *t, const struct table_socket **ret) {
    const struct spine_sockets *s = spine_of(t)->sockets;
    *ret = s ? s->v : NULL;
    return s ? s->n : 0;
}

const struct table_listener *table_listener_for(const struct table_port *p, str host) {
    struct names_walk w;
    names_start(&w, p->listeners, host);
    return names_next(&w);
}

/* A certificate's wildcard stands for exactly one label [RFC 9525 6.3]. */
static bool has_name(const struct table_certificate *c, str name, str parent) {
    for (uint32_t i = 0; i < c->names_n; i++) {
        str n = c->names[i];
        if (!parent.p && str_ieq(n, name)) return true;
        if (parent.p && n.n > 1 && n.p[0] == '*' && str_ieq(str_from(n, 1), parent)) return true;
    }
    return false;
}

/* Keys of RSA after all others: signing with them costs ten times as much. */
static bool is_better(const struct table_certificate *x, const struct table_certificate *than) {
    return !than || (than->key_kind >= KEY_RSA && x->key_kind < KEY_RSA);
}

/* Among those that have the name (parent.p: by a wildcard). */
static const struct table_certificate *find_named(const struct table_listener *l, str name, str parent,
                                                  uint32_t kinds) {
    const struct table_certificate *best = NULL;
    for (uint32_t i = 0; i < l->certificates_n; i++) {
        const struct table_certificate *c = l->certificates[i];
        if (kinds >> c->key_kind & 1 && is_better(c, best) && has_name(c, name, parent)) best = c;
    }
    return best;
}

static const struct table_certificate *find_certificate(const struct table_listener *l, str name,
                                                        uint32_t kinds) {
    str parent = str_from(name, str_find(name, '.'));
    const struct table_certificate *found = name.n ? find_named(l, name, (str){0}, kinds) : NULL;
    return found || !parent.n || parent.n == name.n ? found : find_named(l, name, parent, kinds);
}

const struct table_certificate *table_certificate_for(const struct table_listener *l, str server_name,
                                                      uint32_t kinds) {
    const struct table_certificate *found = find_certificate(l, server_name, kinds);
    if (!found) found = find_certificate(l, server_name, UINT32_MAX);
    for (uint32_t i = 0; i < l->certificates_n && !found; i++)
        if (kinds >> l->certificates[i]->key_kind & 1) found = l->certificates[i];
    return found || !l->certificates_n ? found : l->certificates[0];
}

struct table_work *table_work_new(void) {
    struct table_work *w = base_zalloc(sizeof *w);
    w->regex = regex_work_new();
    return w;
}

void table_work_free(struct table_work *w) {
    if (!w) return;
    regex_work_free(w->regex);
    free(w);
}

bool table_match(const struct table *t, const struct table_listener *l, str host, const struct http_msg *m,
                 struct arena *scratch, struct table_work *w, struct table_match *ret) {
    struct names_walk walk;
    names_start(&walk, spine_get(&spine_of(t)->hosts, l->slot), host);
    const struct table_host *h = names_next(&walk);
    if (!h) return false;
    struct host_request q;
    host_request_init(&q, m, scratch, w);
    bool found;
    do {
        found = host_match(h, &q, ret);
    } while (!found && (h = names_next(&walk)));
    if (q.own) table_work_free(q.own);
    return found;
}

const struct table_endpoints *table_endpoints(const struct table *t, uint32_t backend_slot) {
    return spine_get(&spine_of(t)->endpoints, backend_slot);
}

void table_dump(const struct table *t, struct buf *b) { dump_table(t, b); }
