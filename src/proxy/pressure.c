/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/pressure.h"

#include "proxy/proxy_core.h"
#include "proxy/shed.h"

enum {
    /* At once, while everything else is refused: who holds the memory may be others than those who ask now, and an outage helps nobody. */
    EXCHANGES_SHED = 16,
    IDLE_TIGHT =
        256 /* that go each time it is told, while requests need not be refused yet: of whoever has the most of them */
};

static void trim(struct proxy *p) {
    pool_trim(&p->exchanges);
    pool_trim(&p->downstreams);
    pool_trim(&p->mirrors);
    pool_trim(&p->common.buffers);
    pool_trim(&p->common.large);
    pool_trim(&p->common.works);
}

void pressure_set(struct proxy *p, enum pressure level) {
    p->limits.exchanges_max = level == PRESSURE_SHED ? EXCHANGES_SHED : p->exchanges_max;
    p->sheds = level == PRESSURE_SHED;
    if (level == PRESSURE_NONE) return;
    p->counts.pressure_closed += p->sheds ? shed_all_idle(p) : shed_idle(p, IDLE_TIGHT);
    upstream_close_idle(p->upstream);
    conn_settle(&p->common);
    trim(p);
}
