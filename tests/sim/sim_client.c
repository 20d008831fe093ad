/* SPDX-License-Identifier: Apache-2.0 */
/* Clients over HTTP/1.1: each sends some requests on one connection, a few ahead of their answers, and looks closely at what comes. */
#include <stdlib.h>

#include "base/num.h"
#include "sim.h"

enum { PATIENCE_US = 300000000, CONTINUE_US = 1000000 };

struct sim_client {
    struct fake_peer peer;
    struct sim_h1 h1;
    uint32_t number, first, n;
    uint32_t sending, awaited; /* from 0: the next of each */
    uint32_t depth;
    bool head_sent, may_continue, shut;
    size_t body_sent;
    bool slow, half_closes, lingers;
    uint32_t aborts_at; /* the answer that it does not wait for; n: none */
    bool answer_closes;
    uint64_t waits_since_us;
    struct sim_tunnel tunnel; /* of the last request */
    struct fake_event pump, watch;
};

static struct sim_client *of(struct sim_h1 *h) { return container_of(h, struct sim_client, h1); }
static struct sim_request *request(struct sim_client *c, uint32_t i) {
    return &sim_now->requests[c->first + i];
}

/* ---- the end ---- */

static void on_free(struct fake_event *e) {
    struct sim_client *c = container_of(e, struct sim_client, pump);
    buf_fini(&c->h1.b);
    free(c);
}

static void leave(struct sim_client *c, bool hard, const char *why) {
    if (c->h1.stopped) return;
    fake_trace("client %u is through: %s", c->number, why);
    c->h1.stopped = true;
    sim_tunnel_stop(&c->tunnel);
    for (uint32_t i = 0; hard && i + 1 < c->sending; i++)
        for (uint32_t k = i + 1; k < c->sending; k++) request(c, i)->before_old |= request(c, k)->old;
    bool last = c->answer_closes; /* or a large body may have been more than is read over */
    for (uint32_t i = 0; i < c->n; i++) {
        struct sim_request *q = request(c, i);
        q->over = true;
        q->behind_close = i > c->awaited || (last && !q->head);
        last |= q->body_n > 60000;
    }
    fake_not(&c->watch), fake_not(&c->pump);
    c->pump.run = on_free;
    fake_in(&c->pump, 0);
    sim_client_done();
}

static void hang_up(struct sim_client *c, bool hard, const char *why) {
    sim_tunnel_tear(&c->tunnel);
    if (hard)
        fake_reset(&c->peer);
    else
        fake_close(&c->peer);
    leave(c, false, why);
}

/* ---- sending ---- */

static void send_head(struct sim_client *c, struct sim_request *q) {
    struct buf b;
    buf_init(&b, 1 << 16);
    buf_printf(&b, "%s /r%u/%u HTTP/1.%d\r\nHost: sim.example\r\nX-Sim: %u\r\n", q->method, q->route, q->id,
               q->old ? 0 : 1, q->id);
    if (q->closes) buf_add(&b, S("Connection: close\r\n"));
    if (q->tunnel)
        buf_add(&b, S("Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"));
    if (q->expects) buf_add(&b, S("Expect: 100-continue\r\n"));
    if (q->chunked)
        buf_add(&b, S("Transfer-Encoding: chunked\r\n"));
    else if (q->body_n || fake_one_in(8))
        buf_printf(&b, "Content-Length: %zu\r\n", q->body_n);
    buf_add(&b, S("\r\n"));
    fake_send(&c->peer, buf_str(&b));
    buf_fini(&b);
    q->begun = true;
    fake_trace("client %u sends %u: %s /r%u, %zu bytes%s%s%s", c->number, q->id, q->method, q->route,
               q->body_n, q->chunked ? " in chunks" : "", q->expects ? ", expects" : "",
               q->old ? ", 1.0" : "");
}

static void send_some(struct sim_client *c, struct sim_request *q) {
    size_t left = q->body_n - c->body_sent, n = left;
    if (n > 1 && (c->slow || q->chunked || fake_one_in(3))) n = 1 + fake_below((uint32_t)n);
    struct buf b;
    buf_init(&b, 1 << 20);
    if (q->chunked && n) buf_printf(&b, "%zx\r\n", n);
    sim_body_add(&b, sim_request_key(q), c->body_sent, n);
    if (q->chunked && n) buf_add(&b, S("\r\n"));
    c->body_sent += n;
    if (q->chunked && n == left) buf_add(&b, fake_one_in(4) ? S("0\r\nX-T: 1\r\n\r\n") : S("0\r\n\r\n"));
    fake_send(&c->peer, buf_str(&b));
    buf_fini(&b);
}

static void over_sending(struct sim_client *c, struct sim_request *q) {
    q->sent = true;
    c->sending++, c->head_sent = c->may_continue = false, c->body_sent = 0;
    if (c->sending == c->n && c->half_closes && !q->tunnel) {
        fake_trace("client %u shuts its side", c->number);
        fake_shut(&c->peer);
        c->shut = true;
    }
}

static void on_pump(struct fake_event *e) {
    struct sim_client *c = container_of(e, struct sim_client, pump);
    if (c->h1.stopped || c->sending == c->n) return;
    struct sim_request *q = request(c, c->sending);
    if (!c->head_sent) {
        bool last = c->sending && (request(c, c->sending - 1)->old || request(c, c->sending - 1)->closes);
        if (c->sending - c->awaited >= (last ? 1 : c->depth)) return; /* until an answer comes */
        send_head(c, q);
        q->after_idle = fake_now->now_us - c->waits_since_us > 50000000;
        c->waits_since_us = fake_now->now_us;
        c->head_sent = true;
        if (!q->body_n && !q->chunked) {
            over_sending(c, q);
        } else if (q->expects) { /* it goes on without being told, too */
            c->may_continue = true;
            fake_in(&c->pump, CONTINUE_US);
            return;
        }
    } else {
        send_some(c, q);
        if (c->body_sent == q->body_n) over_sending(c, q);
    }
    fake_in(&c->pump, c->slow ? fake_below(3000000) : fake_one_in(3) ? fake_below(20000) : 0);
}

/* ---- answers ---- */

static struct sim_client *of_tunnel(struct sim_tunnel *t) {
    return container_of(t, struct sim_client, tunnel);
}
static void tunnel_send(struct sim_tunnel *t, str bytes) { fake_send(&of_tunnel(t)->peer, bytes); }
static void tunnel_end(struct sim_tunnel *t) { fake_shut(&of_tunnel(t)->peer); }
static void tunnel_reset(struct sim_tunnel *t) { hang_up(of_tunnel(t), true, "it resets its tunnel"); }
static void tunnel_close(struct sim_tunnel *t) { hang_up(of_tunnel(t), false, "its tunnel is over"); }
static const struct sim_tunnel_ops tunnel_ops = {tunnel_send, tunnel_end, tunnel_reset, tunnel_close};

static void begin_tunnel(struct sim_client *c, struct sim_request *q, str head) {
    if (!q->tunnel) fake_fail("%u is told to go over to what it did not ask for", q->id);
    if (!str_eq(sim_h1_field(head, "Sec-WebSocket-Accept"), S("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")))
        fake_fail("the answer to the key of %u is wrong", q->id);
    if (!str_eq(sim_h1_field(head, "Upgrade"), S("websocket"))) fake_fail("%u is told of no protocol", q->id);
    sim_answer_head(q, 101, sim_h1_field(head, "X-Sim-Answer"));
    c->h1.raw = true;
    c->tunnel = (struct sim_tunnel){.ops = &tunnel_ops, .client = true};
    sim_tunnel_begin(&c->tunnel, q, q->from);
}

static void on_head(struct sim_h1 *h, str head) {
    struct sim_client *c = of(h);
    if (c->awaited >= c->sending + (c->head_sent ? 1 : 0)) fake_fail("an answer to nothing");
    struct sim_request *q = request(c, c->awaited);
    c->waits_since_us = fake_now->now_us;
    if (str_starts(str_from(head, 9), S("101"))) {
        begin_tunnel(c, q, head);
        return;
    }
    if (head.n > 12 && head.p[9] == '1') {
        if (q->old) fake_fail("an interim answer to a client of HTTP/1.0");
        if (c->may_continue && c->awaited == c->sending && str_starts(str_from(head, 9), S("100")))
            fake_in(&c->pump, 0);
        return;
    }
    uint64_t status;
    if (num_parse(str_upto(str_from(head, 9), 3), 999, &status) != OK) fake_fail("a status line is none");
    sim_answer_head(q, (uint16_t)status, sim_h1_field(head, "X-Sim-Answer"));
    str connection = sim_h1_field(head, "Connection");
    c->answer_closes = str_eq(connection, S("close")) || (q->old && !str_eq(connection, S("keep-alive")));
    h->no_body = sim_is_head(q) || q->status == 204 || q->status == 304;
}

static void on_body(struct sim_h1 *h, str bytes) {
    struct sim_client *c = of(h);
    if (c->tunnel.q) {
        sim_tunnel_got(&c->tunnel, bytes);
        return;
    }
    struct sim_request *q = request(c, c->awaited);
    c->waits_since_us = fake_now->now_us;
    sim_answer_body(q, bytes);
    if (c->slow && fake_one_in(4)) fake_pause(&c->peer, fake_now->now_us + fake_below(5000000));
}

static void on_end(struct sim_h1 *h) {
    struct sim_client *c = of(h);
    struct sim_request *q = request(c, c->awaited);
    sim_answer_end(q);
    c->awaited++;
    if (c->awaited == c->n && !c->lingers)
        hang_up(c, false, "all is answered");
    else if (c->answer_closes)
        hang_up(c, false, "told to close");
    else if (c->awaited == c->aborts_at)
        hang_up(c, fake_unsent(&c->peer) || fake_one_in(2), "it aborts");
    else if (!c->pump.item.place)
        fake_in(&c->pump, fake_one_in(8) ? fake_below(90000000) : fake_below(1000));
}

/* ---- the connection ---- */

static void on_opened(struct fake_peer *p) {
    struct sim_client *c = container_of(p, struct sim_client, peer);
    c->waits_since_us = fake_now->now_us;
    uint8_t told = 0;
    if (sim_now->proxied) sim_proxy_header(p, &told);
    for (uint32_t i = 0; i < c->n; i++) request(c, i)->client = told;
    fake_in(&c->pump, 0);
}
static void on_bytes(struct fake_peer *p, str bytes) {
    sim_h1_read(&container_of(p, struct sim_client, peer)->h1, bytes);
}
/* A body that lasts to the close is complete by that, and by nothing else. */
static void on_ended(struct fake_peer *p) {
    struct sim_client *c = container_of(p, struct sim_client, peer);
    if (c->h1.stopped) return;
    if (c->tunnel.q) {
        sim_tunnel_ended(&c->tunnel);
        return;
    }
    if (c->h1.state == SIM_TO_CLOSE) {
        if (!request(c, c->awaited)->old)
            fake_fail("a body that lasts to the close, to a client of HTTP/1.1");
        c->answer_closes = true;
        c->h1.end(&c->h1);
    }
    if (!c->h1.stopped) hang_up(c, false, "the gateway has closed");
}
static void on_reset(struct fake_peer *p) {
    leave(container_of(p, struct sim_client, peer), true, "the gateway has reset");
}
static const struct fake_peer_ops ops = {on_opened, on_bytes, on_ended, on_reset};

/* Looks now and then: an abort at any time, the end of patience. */
static void on_watch(struct fake_event *e) {
    struct sim_client *c = container_of(e, struct sim_client, watch);
    if (c->aborts_at < c->n && c->awaited >= c->aborts_at && fake_one_in(3)) {
        hang_up(c, fake_unsent(&c->peer) || fake_one_in(2), "it aborts");
        return;
    }
    if (fake_now->now_us - c->waits_since_us > PATIENCE_US && c->awaited < c->n && !c->tunnel.q) {
        struct sim_request *q = request(c, c->awaited);
        q->gave_up = true;
        for (uint32_t i = c->awaited; i < c->n; i++) request(c, i)->spoiled = true;
        fake_trace("client %u gives up %u", c->number, q->id);
        hang_up(c, true, "its patience is over");
        return;
    }
    fake_in(&c->watch, c->aborts_at < c->n ? fake_below(400000) : PATIENCE_US / 4);
}

static void on_dial(struct fake_event *e) {
    struct sim_client *c = container_of(e, struct sim_client, watch);
    c->watch.run = on_watch;
    c->waits_since_us = fake_now->now_us;
    fake_dial(&c->peer, SIM_PORT);
    fake_in(&c->watch, 1000);
}

void sim_client_start(uint32_t first, uint32_t n) {
    struct sim *s = sim_now;
    struct sim_client *c = base_zalloc(sizeof *c);
    *c = (struct sim_client){.peer.ops = &ops, .number = s->clients_n++, .first = first, .n = n};
    c->h1 = (struct sim_h1){.head = on_head, .body = on_body, .end = on_end};
    buf_init(&c->h1.b, 1 << 20);
    c->pump.run = on_pump, c->watch.run = on_dial;
    c->depth = fake_one_in(3) ? 1 + fake_below(4) : 1;
    c->slow = s->bad.slow_clients && fake_one_in(4);
    c->half_closes = s->bad.half_closes && fake_one_in(4);
    c->lingers = fake_one_in(6);
    c->aborts_at = s->bad.aborts && fake_one_in(3) ? fake_below(n) : n;
    for (uint32_t i = 0; i < n; i++) {
        struct sim_request *q = request(c, i);
        sim_request_roll(q, first + i + 1);
        q->closes = i + 1 == n && fake_one_in(3);
        if (i + 1 == n && fake_one_in(4)) sim_request_to_tunnel(q);
        q->spoiled = c->slow || c->half_closes || i >= c->aborts_at;
    }
    s->clients_open++;
    fake_in(&c->watch, fake_below(3000000));
}
