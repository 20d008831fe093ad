/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/pressure.h"

#include "proxy/downstream.h"
#include "proxy/proxy_core.h"

/* At once, while everything else is refused: who holds the memory may be others than those who ask now, and an outage helps nobody. */
enum { EXCHANGES_SHED = 16 };

static void trim(struct proxy *p) {
    pool_trim(&p->exchanges);
    pool_trim(&p->downstreams);
    pool_trim(&p->mirrors);
    pool_trim(&p->common.buffers);
    pool_trim(&p->common.large);
}

void pressure_set(struct proxy *p, enum pressure level) {
    p->limits.exchanges_max = level == PRESSURE_SHED ? EXCHANGES_SHED : p->exchanges_max;
    p->sheds = level == PRESSURE_SHED;
    if (level == PRESSURE_NONE) return;
    list_each (struct downstream, d, &p->clients, all) {
        if (!link_empty(&d->exchanges) || d->conn.state == CONN_CLOSED) continue;
        downstream_drain(d);
        p->counts.pressure_closed++;
    }
    upstream_close_idle(p->upstream);
    conn_settle(&p->common);
    trim(p);
}
