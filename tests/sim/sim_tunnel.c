/* SPDX-License-Identifier: Apache-2.0 */
/* One side of a tunnel, whatever carries it: it sends its bytes in pieces, ends its direction, or resets, or says no more for ever. */
#include "sim.h"

static struct sim_flows *flows(struct sim_tunnel *t) { return &t->q->flows; }
static unsigned out(const struct sim_tunnel *t) { return t->client ? SIM_UP : SIM_DOWN; }
static unsigned in(const struct sim_tunnel *t) { return t->client ? SIM_DOWN : SIM_UP; }
static const char *side(const struct sim_tunnel *t) { return t->client ? "client" : "backend"; }

static void moved(struct sim_tunnel *t) { flows(t)->moved_us = fake_now->now_us; }

static void end(struct sim_tunnel *t) {
    bool ended_for_us = t->in_over && !flows(t)->ended[in(t)]; /* by the gateway: it was too long at rest */
    t->out_over = true;
    fake_trace("the %s ends its side of the tunnel %u", side(t), t->q->id);
    if (!ended_for_us) {
        flows(t)->ended[out(t)] = true;
        moved(t);
    }
    t->ops->end(t);
    if (t->in_over && !t->stopped) t->ops->close(t);
}

static void on_event(struct fake_event *e) {
    struct sim_tunnel *t = container_of(e, struct sim_tunnel, event);
    if (t->out_over) return;
    bool left = t->hangs && t->in_over && t->sent == t->out_n && fake_now->now_us >= t->gives_up_us;
    if (left) { /* the gateway has had its time, and more */
        t->ops->reset(t);
    } else if (t->resets && t->sent >= t->resets_at) {
        fake_trace("the %s resets the tunnel %u", side(t), t->q->id);
        sim_tunnel_tear(t);
        t->ops->reset(t);
    } else if (t->sent < t->out_n) {
        size_t n = 1 + fake_below((uint32_t)(t->out_n - t->sent));
        struct buf b;
        buf_init(&b, 1 << 20);
        sim_body_add(&b, t->out_key, t->sent, n);
        t->sent += n;
        flows(t)->sent[out(t)] += n;
        moved(t);
        t->ops->send(t, buf_str(&b));
        buf_fini(&b);
        if (!t->stopped) fake_in(e, fake_one_in(3) ? fake_below(2000000) : fake_below(1000));
    } else if (t->hangs) {
        flows(t)->hung = true;
        if (t->in_over) fake_at(e, t->gives_up_us);
    } else if (!t->waits || t->in_over) {
        end(t);
    }
}

void sim_tunnel_begin(struct sim_tunnel *t, struct sim_request *q, int at) {
    static const size_t sizes[] = {0, 1, 200, 5000, 60000};
    const struct sim_mischief *bad = &sim_now->bad;
    t->q = q;
    t->event.run = on_event;
    t->out_key = t->client ? sim_request_key(q) : sim_answer_key(q, at);
    t->in_key = t->client ? sim_answer_key(q, at) : sim_request_key(q);
    t->out_n = sizes[fake_below(COUNT_OF(sizes))];
    t->resets = (t->client ? bad->aborts : bad->cut) && fake_one_in(4);
    t->resets_at = fake_below((uint32_t)t->out_n + 1);
    t->hangs = bad->silent && fake_one_in(6);
    t->waits = t->client && fake_one_in(2); /* one of them at most, or both would for ever */
    flows(t)->begun[out(t)] = true;
    flows(t)->wanted[out(t)] = t->out_n;
    fake_trace("the %s has the tunnel %u, %zu bytes for it%s%s%s", side(t), q->id, t->out_n,
               t->resets ? ", resets" : "", t->hangs ? ", hangs" : "", t->waits ? ", waits" : "");
    moved(t);
    fake_in(&t->event, fake_below(20000));
}

void sim_tunnel_got(struct sim_tunnel *t, str bytes) {
    sim_body_check(t->in_key, t->got, bytes, t->client ? "backend's side" : "client's side", t->q->id);
    t->got += bytes.n;
    flows(t)->got[in(t)] += bytes.n;
    moved(t);
}

void sim_tunnel_ended(struct sim_tunnel *t) {
    if (t->in_over) return;
    t->in_over = flows(t)->end_seen[in(t)] = true;
    bool by_peer = flows(t)->ended[in(t)];
    fake_trace("the %s sees the other side of the tunnel %u end", side(t), t->q->id);
    if (by_peer) moved(t);
    t->gives_up_us = fake_now->now_us + 100000000;
    if (t->out_over)
        t->ops->close(t);
    else if (!t->event.item.place)
        fake_in(&t->event, fake_below(20000));
}

void sim_tunnel_tear(struct sim_tunnel *t) {
    if (t->q && !t->stopped && !(t->in_over && t->out_over)) flows(t)->torn = true;
}

void sim_tunnel_stop(struct sim_tunnel *t) {
    if (!t->q) return;
    fake_not(&t->event);
    t->stopped = t->out_over = true;
}

/* ---- what has become of it ---- */

static void judge_idle(const struct sim *s, const struct sim_request *q) {
    const struct sim_flows *f = &q->flows;
    enum { HALF_US = 60000000, SLACK_US = 1500000 };
    bool half = f->ended[SIM_UP] || f->ended[SIM_DOWN];
    uint64_t span = half && s->tunnel_idle_us > HALF_US ? HALF_US : s->tunnel_idle_us;
    uint64_t from = f->moved_us + span - SLACK_US, until = f->moved_us + span + SLACK_US;
    if (q->line_at_us < from || q->line_at_us > until)
        fake_fail("the tunnel %u rested from %llu on and was ended at %llu", q->id,
                  (unsigned long long)f->moved_us, (unsigned long long)q->line_at_us);
}

void sim_tunnel_judge(const struct sim *s, const struct sim_request *q) {
    const struct sim_flows *f = &q->flows;
    if (s->drain_early) return;
    if (q->lines != 1) fake_fail("the tunnel %u has %u lines in the access log", q->id, q->lines);
    if (q->line_status != 101) fake_fail("the log says %u of the tunnel %u", q->line_status, q->id);
    bool may_end = q->line_reason == REASON_NONE || q->line_reason == REASON_BACKEND_CUT ||
                   q->line_reason == REASON_CLIENT_GONE || q->line_reason == REASON_TUNNEL_IDLE;
    if (!may_end)
        fake_fail("the tunnel %u came to " STR_FMT, q->id, STR_ARG(http_reason_name(q->line_reason)));
    if (f->torn || q->spoiled) return;
    if (f->hung) {
        if (q->line_reason != REASON_TUNNEL_IDLE) fake_fail("the tunnel %u hung and did not end so", q->id);
        judge_idle(s, q);
    } else if (q->line_reason != REASON_NONE) {
        fake_fail("the tunnel %u came to " STR_FMT ", and nothing was wrong with it", q->id,
                  STR_ARG(http_reason_name(q->line_reason)));
    }
    for (unsigned i = 0; i < 2; i++) {
        if (f->got[i] != f->sent[i] || (!f->hung && f->got[i] != f->wanted[i]))
            fake_fail("%zu bytes of %zu of %zu went through the tunnel %u", f->got[i], f->sent[i],
                      f->wanted[i], q->id);
        if (f->ended[i] && !f->end_seen[i]) fake_fail("an end did not go through the tunnel %u", q->id);
    }
    if (q->line_in != f->got[SIM_UP] || q->line_out != f->got[SIM_DOWN])
        fake_fail("the log has %llu and %llu bytes of the tunnel %u", (unsigned long long)q->line_in,
                  (unsigned long long)q->line_out, q->id);
}
