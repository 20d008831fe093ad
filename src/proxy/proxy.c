/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/proxy.h"

#include "base/num.h"
#include "proxy/attempt.h"
#include "proxy/downstream_tls.h"
#include "proxy/exchange.h"
#include "proxy/mirror.h"
#include "proxy/relay.h"
#include "proxy/retry_budget.h"
#include "proxy/shed.h"
#include "proxy/tracer.h"

/* Of a response: backends are ours, but a broken one must not make memory grow. */
static const struct codec_limits backend_limits = {
    .head_bytes_max = 64 << 10, .line_bytes_max = 8 << 10, .fields_max = 256, .trailer_bytes_max = 16 << 10};

const struct proxy_limits proxy_limits_usual = {
    .head_us = 10000000,
    .handshake_us = 10000000,
    .idle_us = 60000000,
    .drain_idle_us = 2000000,
    .progress_us = 60000000,
    .look_us = 5000000,
    .least_bytes = 240, /* what a modem of 1990 did */
    .half_closed_us = 2000000,
    .connect_us = 5000000,
    .upstream_idle_us =
        60000000, /* below the keep-alive of common servers (75 s and more), so that we close first */
    .auth_us = 5000000,
    .tunnel_idle_us = UINT64_C(3600000000),
    .exchanges_max = 100000,
    .mirrors_max = 4096, /* 2,000 requests a second that are answered in two seconds each */
    .mirror_us = 15000000,
};

static void on_settled(void *arg) {
    struct proxy *p = arg;
    if (!link_empty(&p->finished)) exchange_reap(p);
    if (!link_empty(&p->mirrors_done)) mirror_reap(p);
}

struct proxy *proxy_new(const struct proxy_config *c) {
    struct proxy *p = base_zalloc(sizeof *p);
    uint64_t seeds[4];
    tls_random(seeds, sizeof seeds);
    conn_common_init(&p->common, c->loop);
    p->common.settled = on_settled;
    p->common.arg = p;
    p->rng.state = seeds[0];
    p->ids.high.state = seeds[2], p->ids.low.state = seeds[3];
    p->matching = table_work_new();
    if (c->session_key) memcpy(p->session_key, c->session_key, sizeof p->session_key);
    p->limits = c->limits ? *c->limits : proxy_limits_usual;
    p->exchanges_max = p->limits.exchanges_max;
    p->limits.look_us = num_min(p->limits.look_us, p->limits.progress_us);
    p->upstream = upstream_new(&p->common, &(struct upstream_config){.codec = backend_limits,
                                                                     .connect_us = p->limits.connect_us,
                                                                     .idle_us = p->limits.upstream_idle_us,
                                                                     .seed = seeds[1],
                                                                     .workers = c->workers,
                                                                     .scratch = &p->tls_scratch,
                                                                     .trust = c->trust});
    pool_init(&p->downstreams, sizeof(struct downstream), PROXY_DOWNSTREAMS_KEPT, downstream_drop);
    pool_init(&p->exchanges, sizeof(struct exchange), PROXY_EXCHANGES_KEPT, exchange_drop);
    link_init(&p->clients);
    link_init(&p->finished);
    p->seed = *c->seed;
    p->crowd = c->crowd;
    mirror_setup(p);
    tracer_setup(p);
    p->report = c->finished;
    p->report_handshake = c->handshake_failed;
    p->report_arg = c->arg;
    p->records = c->records;
    slack_init(&p->slack, c->loop,
               (struct pool *const[SLACK_POOLS]){&p->downstreams, &p->exchanges, &p->mirrors,
                                                 &p->common.buffers, &p->common.large, &p->common.works,
                                                 upstream_pool(p->upstream)},
               &p->counts.connections_open);
    return p;
}

void proxy_free(struct proxy *p) {
    if (!p) return;
    slack_fini(&p->slack);
    tracer_free_all(p);
    upstream_free(p->upstream);
    pool_fini(&p->downstreams);
    pool_fini(&p->exchanges);
    pool_fini(&p->mirrors);
    conn_common_fini(&p->common);
    tls_server_free(p->tls);
    tls_scratch_free(p->tls_scratch);
    table_work_free(p->matching);
    seal_free(p->seal);
    retry_budget_fini(p);
    free(p->uses);
    free(p->port_tls);
    free(p);
}

static void adopt_ports(struct proxy *p, const struct table *t) {
    const struct table_socket *sockets;
    uint32_t n = table_sockets(t, &sockets), slots = t->port_slots;
    if (slots > p->ports_n) {
        p->port_tls = base_realloc(p->port_tls, slots * sizeof *p->port_tls);
        memset(p->port_tls + p->ports_n, 0, (slots - p->ports_n) * sizeof *p->port_tls);
        p->ports_n = slots;
    }
    for (uint32_t i = 0; i < n; i++) {
        p->port_tls[sockets[i].slot] = sockets[i].tls;
        if (!sockets[i].tls || p->tls) continue;
        if (!p->tls_scratch) p->tls_scratch = tls_scratch_new();
        p->tls = tls_server_new(p->tls_scratch, &p->seed, proxy_core_wall_us(p) / 1000000);
        explicit_bzero(&p->seed, sizeof p->seed); /* it forgets them as they age */
    }
}

void proxy_adopt(struct proxy *p, const struct table *t) {
    p->table = t;
    p->budgets = t && t->budgets;
    if (t) {
        if (t->rule_slots > p->uses_n) {
            p->uses = base_realloc(p->uses, t->rule_slots * sizeof *p->uses);
            memset(p->uses + p->uses_n, 0, (t->rule_slots - p->uses_n) * sizeof *p->uses);
            p->uses_n = t->rule_slots;
        }
        adopt_ports(p, t);
    }
    if (t && t->clients_version != p->clients_version) downstream_tls_recheck(p);
    if (t) p->clients_version = t->clients_version;
    upstream_adopt(p->upstream, t);
    conn_settle(&p->common);
}

void proxy_accept(struct proxy *p, int fd, const struct ip *peer, uint16_t peer_port, uint32_t port_slot) {
    downstream_accept(p, fd, peer, peer_port, port_slot);
}

bool proxy_make_room(struct proxy *p) {
    if (!shed_idle(p, 1)) return false;
    p->counts.connections_shed++;
    conn_settle(&p->common);
    return true;
}

bool proxy_has_room(struct proxy *p) {
    return !p->crowd || !crowd_is_full(p->crowd, p->counts.connections_open) || proxy_make_room(p);
}

bool proxy_turn(struct proxy *p) {
    conn_settle(&p->common); /* what timers have begun */
    if (!link_empty(&p->common.gathered)) {
        conn_flush_gathered(&p->common);
        conn_settle(&p->common);
    }
    conn_common_turn(&p->common);
    return conn_busy(&p->common);
}

uint32_t proxy_uses(const struct proxy *p, uint32_t rule_slot) {
    return rule_slot < p->uses_n ? p->uses[rule_slot] : 0;
}

void proxy_forget_certificates(struct proxy *p, const uint64_t *ids, uint32_t n) {
    for (uint32_t i = 0; p->tls && i < n; i++) tls_server_forget(p->tls, ids[i]);
}

bool proxy_freed_a_rule(struct proxy *p) {
    bool freed = p->rule_freed;
    p->rule_freed = false;
    return freed;
}

void proxy_drain(struct proxy *p) {
    p->draining = true;
    list_each (struct downstream, d, &p->clients, all) downstream_drain(d);
    upstream_drain(p->upstream);
    tracer_drain_all(p);
    conn_settle(&p->common);
}

bool proxy_is_idle(const struct proxy *p) {
    return link_empty(&p->clients) && link_empty(&p->mirrors_open) && tracer_is_idle(p);
}

void proxy_cut(struct proxy *p) {
    p->draining = true;
    list_each (struct downstream, d, &p->clients, all) {
        list_each (struct exchange, x, &d->exchanges, on_client) {
            exchange_abort(x, REASON_DRAINING);
            if (exchange_ends_by_close(x)) conn_break(&d->conn);
        }
        conn_close(&d->conn);
    }
    mirror_cut_all(p);
    tracer_cut_all(p);
    upstream_drain(p->upstream);
    conn_settle(&p->common);
}

void proxy_count(const struct proxy *p, struct proxy_counts *ret) {
    struct upstream_counts counts, *u = &counts;
    upstream_count(p->upstream, u);
    *ret = p->counts;
    ret->upstream_connects = u->connects;
    ret->upstream_connect_failures = u->connect_failures;
    ret->upstream_tls_failures = u->tls_failures;
    ret->upstream_reused = u->reused;
    ret->upstream_idle = u->idle;
    ret->checks_good = u->checks_good;
    ret->checks_bad = u->checks_bad;
    ret->upstream_open = u->open;
    ret->endpoints_put_out = u->balance.put_out;
    ret->endpoints_back = u->balance.back;
    ret->endpoint_trials = u->balance.trials;
    ret->balancing_panics = u->balance.panics;
    ret->upstream_waited = u->waited;
    ret->upstream_waiting = u->waiting;
    ret->expressions_given_up = p->matching->given_up;
    ret->allocations = p->downstreams.misses + p->exchanges.misses + p->mirrors.misses +
                       p->common.buffers.misses + p->common.large.misses + p->common.works.misses +
                       upstream_misses(p->upstream) + p->arena_misses;
}

bool proxy_census(const struct proxy *p, struct census *c) { return upstream_census(p->upstream, c); }
