/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/shed.h"

#include "proxy/downstream.h"
#include "proxy/proxy_core.h"

enum { LOOKS = 64 };

static bool may_be_idle(const struct downstream *d) {
    return link_empty(&d->exchanges) && d->conn.state != CONN_CLOSED && d->conn.in_at == d->conn.in_n &&
           !conn_pending(&d->conn);
}

/* Each is looked at in turn, so that a look is short however many there are. */
static struct downstream *choose(struct proxy *p) {
    struct downstream *best = NULL;
    uint32_t best_n = 0, looks = 0;
    const struct link *seen = &p->clients;
    for (; looks < LOOKS && !link_empty(&p->clients) && p->clients.next != seen; looks++) {
        struct downstream *d = container_of(p->clients.next, struct downstream, all);
        link_remove(&d->all);
        link_append(&p->clients, &d->all);
        if (seen == &p->clients) seen = &d->all; /* once round */
        uint32_t n = p->crowd && d->counted ? crowd_of_address(p->crowd, &d->peer) : 0;
        if (!may_be_idle(d) || (best && n <= best_n) || conn_has_bytes(&d->conn)) continue;
        best = d, best_n = n;
    }
    return best;
}

static void end(struct downstream *d) {
    if (downstream_is_shared(d) && d->conn.state == CONN_OPEN) { /* it is told, if it can be */
        d->conn.codec->ops->drain(d->conn.codec);
        conn_flush(&d->conn);
    }
    conn_close(&d->conn);
}

uint32_t shed_idle(struct proxy *p, uint32_t n) {
    uint32_t done = 0;
    for (struct downstream *d; done < n && (d = choose(p)); done++) end(d);
    return done;
}

uint32_t shed_all_idle(struct proxy *p) {
    uint32_t done = 0;
    uint64_t in_vain = 0;
    while (in_vain * LOOKS <= p->counts.connections_open) {
        uint32_t n = shed_idle(p, LOOKS);
        done += n, in_vain = n ? 0 : in_vain + 1;
        conn_settle(&p->common);
    }
    return done;
}
