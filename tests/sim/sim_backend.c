/* SPDX-License-Identifier: Apache-2.0 */
/* Backends: each connection reads requests and does to each what the seed says. */
#include <stdlib.h>

#include "io/ws_key.h"
#include "sim.h"

struct backend { /* one connection */
    struct fake_peer peer;
    struct sim_h1 h1;
    uint8_t backend;
    struct sim_request *q;
    int at; /* the receipt */
    size_t got;
    bool early, slow, closes, resets, answering, request_over;
    uint64_t wait_us;
    struct buf answer;
    size_t sent, cut; /* cut: where it ends; SIZE_MAX: whole */
    struct fake_event event;
    struct sim_tunnel tunnel;
    char accept[WS_KEY_ACCEPT_CHARS]; /* to the key of a request that asks for WebSocket */
    bool asked;
};

static struct sim_receipt *receipt(const struct backend *b) { return &b->q->receipts[b->at]; }

static void destroy(struct backend *b) {
    b->h1.stopped = true;
    sim_tunnel_stop(&b->tunnel);
    fake_not(&b->event);
    b->event.run = NULL;
}

/* No call of it is on the stack: what stopped is freed later. */
static void on_free(struct fake_event *e) {
    struct backend *b = container_of(e, struct backend, event);
    buf_fini(&b->h1.b), buf_fini(&b->answer);
    free(b);
    sim_now->backends_open--;
}
static void leave(struct backend *b) {
    destroy(b);
    b->event.run = on_free;
    fake_in(&b->event, 0);
}

static void hang_up(struct backend *b, bool hard) {
    sim_tunnel_tear(&b->tunnel);
    if (hard)
        fake_reset(&b->peer);
    else
        fake_close(&b->peer);
    leave(b);
}

/* ---- what the answer is ---- */

static void add_chunks(struct backend *b, uint64_t key, size_t n) {
    for (size_t at = 0, some; at < n; at += some) {
        some = 1 + fake_below((uint32_t)(n - at));
        buf_printf(&b->answer, fake_one_in(3) ? "%zX;x=y\r\n" : "%zx\r\n", some);
        sim_body_add(&b->answer, key, at, some);
        buf_add(&b->answer, S("\r\n"));
    }
    buf_add(&b->answer, S("0\r\n"));
    if (fake_one_in(4)) buf_add(&b->answer, S("X-Trailer: yes\r\n"));
    buf_add(&b->answer, S("\r\n"));
}

/* Returns where the head ends. */
static size_t compose(struct backend *b) {
    struct sim_receipt *r = receipt(b);
    struct buf *a = &b->answer;
    bool head_only = r->no_body;
    if (fake_one_in(8)) buf_add(a, S("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"));
    size_t interim = a->n;
    buf_printf(a, "HTTP/1.1 %u Sim\r\nX-Sim-Answer: %u.%d\r\n", r->status, b->q->id, b->at);
    if (b->closes) buf_add(a, S("Connection: close\r\n"));
    uint32_t form = fake_below(b->closes ? 3 : 2);
    uint64_t key = sim_answer_key(b->q, b->at);
    if (r->status == 101)
        buf_printf(a, "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %.*s\r\n\r\n",
                   WS_KEY_ACCEPT_CHARS, b->accept);
    else if (r->status == 204 || r->status == 304)
        buf_add(a, S("\r\n"));
    else if (form == 0)
        buf_printf(a, "Content-Length: %zu\r\n\r\n", r->body_n);
    else if (form == 1)
        buf_add(a, S("Transfer-Encoding: chunked\r\n\r\n"));
    else
        buf_add(a, S("\r\n"));
    size_t head = a->n;
    if (!head_only && form == 1)
        add_chunks(b, key, r->body_n);
    else if (!head_only)
        sim_body_add(a, key, 0, r->body_n);
    b->cut = SIZE_MAX;
    if (r->fault == SIM_GONE) b->cut = interim + fake_below((uint32_t)(head - interim));
    /* the last byte of a body that lasts to the close can not be missed, but by a reset */
    if (r->fault == SIM_CUT && a->n > head) {
        b->cut = head + fake_below((uint32_t)(a->n - head));
        if (form == 2) b->resets = true;
    } else if (r->fault == SIM_CUT) {
        r->fault = SIM_WELL;
    }
    return head;
}

/* ---- answering ---- */

static struct backend *of_tunnel(struct sim_tunnel *t) { return container_of(t, struct backend, tunnel); }
static void tunnel_send(struct sim_tunnel *t, str bytes) { fake_send(&of_tunnel(t)->peer, bytes); }
static void tunnel_end(struct sim_tunnel *t) { fake_shut(&of_tunnel(t)->peer); }
static void tunnel_reset(struct sim_tunnel *t) { hang_up(of_tunnel(t), true); }
static void tunnel_close(struct sim_tunnel *t) { hang_up(of_tunnel(t), false); }
static const struct sim_tunnel_ops tunnel_ops = {tunnel_send, tunnel_end, tunnel_reset, tunnel_close};

static void finish(struct backend *b) {
    struct sim_receipt *r = receipt(b);
    if (r->status == 101 && r->fault != SIM_NO_HTTP) {
        r->whole = true;
        b->answering = false;
        b->tunnel = (struct sim_tunnel){.ops = &tunnel_ops};
        sim_tunnel_begin(&b->tunnel, b->q, b->at);
        return;
    }
    r->whole = r->fault == SIM_WELL || r->fault == SIM_LATE;
    fake_trace("backend %c has answered %u.%d", 'a' + b->backend, b->q->id, b->at);
    b->answering = false;
    if (b->closes) {
        r->torn = !b->request_over;
        hang_up(b, false);
    } else if (sim_now->bad.closes_idle &&
               fake_one_in(3)) { /* soon, whether a request is on its way or not */
        b->closes = true;
        fake_in(&b->event, fake_below(5000));
    }
    if (b->request_over) b->q = NULL;
}

static void go_on(struct backend *b) {
    size_t until = b->cut < b->answer.n ? b->cut : b->answer.n;
    if (b->slow && until - b->sent > 1) until = b->sent + 1 + fake_below((uint32_t)(until - b->sent));
    fake_send(&b->peer, str_upto(str_from(buf_str(&b->answer), b->sent), until - b->sent));
    b->sent = until;
    if (b->sent == b->cut) {
        fake_trace("backend %c stops within the answer to %u.%d", 'a' + b->backend, b->q->id, b->at);
        hang_up(b, b->resets);
    } else if (b->sent < b->answer.n) {
        fake_in(&b->event, fake_below(400000));
    } else {
        finish(b);
    }
}

static void on_event(struct fake_event *e) {
    struct backend *b = container_of(e, struct backend, event);
    if (b->tunnel.q) return;
    if (b->answering) {
        go_on(b);
        return;
    }
    if (!b->q || receipt(b)->whole) { /* idle for long enough */
        if (b->closes) hang_up(b, !fake_unsent(&b->peer) && fake_one_in(4));
        return;
    }
    struct sim_receipt *r = receipt(b);
    if (r->fault == SIM_SILENT) return;
    b->answering = true;
    buf_clear(&b->answer);
    b->sent = 0;
    b->cut = SIZE_MAX;
    if (r->fault == SIM_NO_HTTP) {
        buf_add(&b->answer, S("220 this is a mail server\r\n\r\n"));
        b->closes = true;
    } else {
        compose(b);
    }
    if (r->status == 101) b->h1.state = SIM_TO_CLOSE;
    go_on(b);
}

/* ---- the request ---- */

static void on_head(struct sim_h1 *h, str head) {
    struct backend *b = container_of(h, struct backend, h1);
    if (b->q && !receipt(b)->whole) fake_fail("a request on a connection where another one is answered");
    str line = str_cut(&(str){head.p, head.n}, '\r'), id = sim_h1_field(head, "X-Sim");
    str method = str_cut(&line, ' '), path = str_cut(&line, ' ');
    if (!str_eq(line, S("HTTP/1.1"))) fake_fail("a request line ends with \"" STR_FMT "\"", STR_ARG(line));
    fake_not(&b->event);
    struct sim_request *q = b->q = sim_receipt_new(b->backend, id, method, path, &b->at);
    b->got = 0, b->request_over = false;
    struct sim_deed d = sim_receipt_roll(q, receipt(b));
    b->asked = sim_h1_field(head, "Upgrade").n;
    str forwarded = sim_h1_field(head, "X-Forwarded-For");
    char client[20];
    snprintf(client, sizeof client, "198.51.100.%u", q->client);
    if (q->client && b->backend < SIM_MIRROR && !str_eq(forwarded, str_of(client)))
        fake_fail("%u came from %s and is told to come from " STR_FMT, q->id, client, STR_ARG(forwarded));
    if (b->asked && !q->tunnel) fake_fail("%u comes with an Upgrade that it did not ask for", q->id);
    if (b->asked) ws_key_accept(sim_h1_field(head, "Sec-WebSocket-Key"), b->accept);
    if (b->asked && fake_below(4)) {
        *receipt(b) = (struct sim_receipt){
            .backend = b->backend, .fault = receipt(b)->fault, .status = 101, .no_body = true};
        d.closes = d.early = false;
    }
    b->closes = d.closes, b->resets = d.resets, b->early = d.early, b->slow = d.slow, b->wait_us = d.wait_us;
    fake_trace("backend %c got the head of %u.%d, fault %u", 'a' + b->backend, q->id, b->at,
               receipt(b)->fault);
    if (q->expects && fake_one_in(2)) fake_send(&b->peer, S("HTTP/1.1 100 Continue\r\n\r\n"));
    if (b->early) fake_in(&b->event, b->wait_us);
}

static void on_body(struct sim_h1 *h, str bytes) {
    struct backend *b = container_of(h, struct backend, h1);
    if (b->tunnel.q) {
        sim_tunnel_got(&b->tunnel, bytes);
        return;
    }
    sim_body_check(sim_request_key(b->q), b->got, bytes, "request's body", b->q->id);
    b->got += bytes.n;
}

static void on_end(struct sim_h1 *h) {
    struct backend *b = container_of(h, struct backend, h1);
    bool unasked = receipt(b)->backend == SIM_AUTH && !b->got; /* it is not shown every body */
    if (b->got != b->q->body_n && !unasked)
        fake_fail("%zu bytes of %zu of the body of %u", b->got, b->q->body_n, b->q->id);
    receipt(b)->request = true;
    b->request_over = true;
    if (!b->early)
        fake_in(&b->event, b->wait_us);
    else if (receipt(b)->whole)
        b->q = NULL;
}

static void on_opened(struct fake_peer *p) { (void)p; }
static void on_bytes(struct fake_peer *p, str bytes) {
    sim_h1_read(&container_of(p, struct backend, peer)->h1, bytes);
}
static void on_ended(struct fake_peer *p) {
    struct backend *b = container_of(p, struct backend, peer);
    if (b->tunnel.q)
        sim_tunnel_ended(&b->tunnel);
    else
        hang_up(b, false);
}
static void on_reset(struct fake_peer *p) { leave(container_of(p, struct backend, peer)); }
static const struct fake_peer_ops ops = {on_opened, on_bytes, on_ended, on_reset};

enum fake_welcome sim_backend_welcome(void *arg, const struct ip *ip, uint16_t port,
                                      struct fake_peer **ret_peer) {
    struct sim *s = arg;
    if (port != 8080 || ip->bytes[0] != 10 || ip->bytes[2] >= SIM_BACKENDS)
        fake_fail("a connection to nowhere: %u.%u.%u.%u:%u", ip->bytes[0], ip->bytes[1], ip->bytes[2],
                  ip->bytes[3], port);
    if (!ret_peer) return s->bad.refuses && fake_one_in(12) ? FAKE_UNREACHABLE : FAKE_ACCEPTED;
    if (s->bad.refuses && fake_one_in(4)) return FAKE_REFUSED;
    if (s->bad.black_holes && fake_one_in(6)) return FAKE_NO_ANSWER;
    if (s->h2c[ip->bytes[2]]) {
        *ret_peer = sim_backend2_new(ip->bytes[2]);
        return FAKE_ACCEPTED;
    }
    struct backend *b = base_zalloc(sizeof *b);
    *b = (struct backend){.peer.ops = &ops, .backend = ip->bytes[2], .event.run = on_event};
    b->h1 = (struct sim_h1){.request = true, .head = on_head, .body = on_body, .end = on_end};
    buf_init(&b->h1.b, 1 << 20), buf_init(&b->answer, 1 << 20);
    s->backends_open++;
    *ret_peer = &b->peer;
    return FAKE_ACCEPTED;
}
