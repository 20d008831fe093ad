/* SPDX-License-Identifier: Apache-2.0 */
#include "table/table.h"

#include "table/dump.h"
#include "table/host.h"
#include "table/spine.h"

const struct table_port *table_port(const struct table *t, uint32_t port_slot) {
    return spine_get(&spine_of(t)->ports, port_slot);
}

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

const struct table_certificate *table_certificate_for(const struct table_listener *l, str server_name) {
    if (!l->certificates_n) return NULL;
    for (uint32_t i = 0; server_name.n && i < l->certificates_n; i++)
        if (has_name(l->certificates[i], server_name, (str){0})) return l->certificates[i];
    str parent = str_from(server_name, str_find(server_name, '.'));
    for (uint32_t i = 0; parent.n && parent.n < server_name.n && i < l->certificates_n; i++)
        if (has_name(l->certificates[i], server_name, parent)) return l->certificates[i];
    return l->certificates[0];
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
