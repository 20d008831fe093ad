/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/crowd.h"
#include "base/map.h"
#include "base/rng.h"
#include "conn/conn.h"
#include "filter/request_id.h"
#include "io/seal.h"
#include "io/tls_server.h"
#include "proxy/proxy.h"
#include "proxy/slack.h"
#include "upstream/upstream.h"

/* What the files of this folder share: one worker's side of everything. */
enum {
    PROXY_EXCHANGES_KEPT = 2048,
    PROXY_DOWNSTREAMS_KEPT = 4096,
    PROXY_ARENA_BYTES = 6 << 10, /* both heads of a usual exchange */
};
struct proxy_quiet_log {
    uint64_t next_us;
    uint32_t more; /* failures that got no line */
};
struct proxy { /* owner: worker */
    struct proxy_limits limits;
    struct conn_common common;
    const struct table *table;
    struct tls_scratch *tls_scratch; /* with the first of those who need it */
    struct tls_server *tls;          /* once a port asks for it */
    struct tls_seed seed;            /* until then */
    uint64_t clients_version;        /* of the table */
    struct proxy_quiet_log handshake_logs[TLS_REASON_COUNT], header_logs[PROXY_PROTOCOL_FAULT_COUNT];
    struct crowd *crowd;
    struct upstream *upstream;
    struct pool downstreams, exchanges;
    struct link clients;  /* downstream.all */
    struct link finished; /* exchanges that are over; reused once no call of theirs is on the stack */
    uint32_t *uses;       /* by rule slot */
    uint32_t uses_n;
    bool rule_freed, draining;
    bool *port_tls; /* by port slot */
    uint32_t ports_n;
    size_t auth_bytes; /* of bodies kept for questions of authorization */
    struct pool mirrors;
    struct link mirrors_open;      /* mirror.on_proxy */
    struct link mirrors_done;      /* reused once no call of theirs is on the stack */
    size_t mirror_bytes;           /* of bodies that wait for mirrors */
    struct retry_window **windows; /* by backend slot; NULL: that backend has had no budget */
    uint32_t windows_n;
    bool budgets;       /* table.budgets */
    struct map tracers; /* by table_collector.id */
    size_t span_bytes;  /* that wait in them */
    struct buf span, span_scratch;
    struct rng rng;
    struct request_id_source ids;
    struct table_work *matching;
    struct seal *seal; /* of sessions; once there is one */
    uint8_t session_key[SEAL_KEY_BYTES];
    struct proxy_counts counts;
    uint64_t arena_misses;
    uint32_t exchanges_max; /* when memory is not short: pressure.h */
    bool sheds;             /* it is very short */
    struct slack slack;
    int64_t wall_offset_us; /* wall clock less monotonic, read again every second */
    uint64_t wall_until_us;
    char date[40];
    size_t date_n;
    void (*report)(void *arg, const struct access_record *r);
    void (*report_handshake)(void *arg, const struct access_record *r);
    uint64_t handshakes_told_us; /* when the second began that they are counted in */
    uint32_t handshakes_told;
    void *report_arg;
    bool records;
};
/* What the files of this folder read of the clock is the turn's time, but where a record is to show what a turn itself takes. */
/* Somebody uses the rule, and with it the backends it names, past its table. */
static inline void proxy_core_use(struct proxy *p, const struct table_rule *r) {
    assert(r->slot < p->uses_n);
    p->uses[r->slot]++;
}
static inline void proxy_core_unuse(struct proxy *p, const struct table_rule *r) {
    assert(p->uses[r->slot] > 0);
    if (--p->uses[r->slot] == 0) p->rule_freed = true;
}
static inline uint64_t proxy_core_now(const struct proxy *p) { return p->common.loop->now_us; }
/* The wall clock of this turn, and its text as a Date. */
int64_t proxy_core_wall_us(struct proxy *p);
str proxy_core_date(struct proxy *p);
