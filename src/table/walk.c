/* SPDX-License-Identifier: Apache-2.0 */
#include "table/walk.h"

#include "table/host.h"
#include "table/spine.h"

static const struct host_paths *next_shard(struct walk *w) {
    while (w->host && w->shard < w->host->shards_n) {
        const struct host_paths *p = w->host->shards[w->shard++];
        if (p) return p;
    }
    w->host = NULL;
    return NULL;
}

static bool wants_checks(const struct table_listener *l) {
    return l->settings->balancing && l->settings->balancing->probe;
}

static const struct table_listener *next_listener(const struct table *t, struct walk *w) {
    for (; w->port < t->port_slots; w->port++, w->listeners = (struct names_cursor){0}) {
        const struct table_port *p = table_port(t, w->port);
        const struct table_listener *l;
        while (p && (l = names_each(p->listeners, &w->listeners)))
            if (wants_checks(l)) return l;
    }
    return NULL;
}

static const struct host_paths *next_paths(const struct table *t, struct walk *w) {
    for (;;) {
        const struct host_paths *p = next_shard(w);
        if (p) return p;
        if (w->listener) w->host = names_each(spine_get(&spine_of(t)->hosts, w->listener->slot), &w->hosts);
        w->shard = 0;
        if (w->host) continue;
        w->listener = next_listener(t, w);
        w->hosts = (struct names_cursor){0};
        if (!w->listener) return NULL;
    }
}

bool walk_rules(const struct table *t, struct walk *w, uint32_t n,
                void (*visit)(void *arg, const struct table_rule *r, const struct table_balancing *by),
                void *arg) {
    while (n) {
        const struct host_paths *p = next_paths(t, w);
        if (!p) return false;
        for (uint32_t i = 0; i < p->alternatives_n; i++)
            visit(arg, p->alternatives[i].rule, w->listener->settings->balancing);
        n -= n < p->alternatives_n + 1 ? n : p->alternatives_n + 1;
    }
    return true;
}
