/* SPDX-License-Identifier: Apache-2.0 */
/* Who connects and never asks a whole question: says nothing, or stops within a head, a TLS handshake or a PROXY header, at any byte. It is ended
 * when its time is over and not before; or goes by itself. */
#include <stdlib.h>

#include "sim.h"

enum { HEAD_US = 10000000, HANDSHAKE_US = 10000000, IDLE_US = 60000000, SLACK_US = 3000000 };

struct stray {
    struct fake_peer peer;
    uint32_t number;
    bool secure, tells, leaves, over; /* tells: a whole PROXY header first */
    char bytes[256];
    size_t n;
    uint64_t due_us, time_us, sends_after_us;
    struct fake_event event;
};

static void on_free(struct fake_event *e) { free(container_of(e, struct stray, event)); }

static void leave(struct stray *s) {
    if (s->over) return;
    s->over = true;
    fake_not(&s->event);
    s->event.run = on_free;
    fake_in(&s->event, 0);
}

static void on_leaves(struct fake_event *e) {
    struct stray *s = container_of(e, struct stray, event);
    if (fake_one_in(2))
        fake_reset(&s->peer);
    else
        fake_close(&s->peer);
    leave(s);
}

/* Its time counts from what it says now, or from the beginning when it says nothing. */
static void on_sends(struct fake_event *e) {
    struct stray *s = container_of(e, struct stray, event);
    if (s->tells) sim_proxy_header(&s->peer, NULL);
    fake_send(&s->peer, (str){s->bytes, s->n});
    s->due_us = fake_now->now_us + s->time_us;
    s->event.run = on_leaves;
    if (s->leaves) fake_in(e, fake_below(5000000));
}

static void on_opened(struct fake_peer *p) {
    struct stray *s = container_of(p, struct stray, peer);
    s->due_us = fake_now->now_us + s->time_us;
    s->event.run = on_sends;
    if (s->n || s->tells)
        fake_in(&s->event, s->sends_after_us);
    else if (s->leaves)
        s->event.run = on_leaves, fake_in(&s->event, fake_below(5000000));
}

static void on_bytes(struct fake_peer *p, str bytes) {
    struct stray *s = container_of(p, struct stray, peer);
    if (!s->secure && !str_starts(bytes, S("H"))) return; /* 408, a byte at a time or not */
}

static void ended(struct stray *s, const char *how) {
    const struct sim *w = sim_now;
    fake_trace("stray %u is ended by %s", s->number, how);
    bool known = !s->leaves && !w->bad.out_of_files && !w->ending && !w->drain_early;
    if (known && (fake_now->now_us + 1000 < s->due_us || fake_now->now_us > s->due_us + SLACK_US))
        fake_fail("stray %u was due at %llu and is ended at %llu", s->number, (unsigned long long)s->due_us,
                  (unsigned long long)fake_now->now_us);
}

static void on_ended(struct fake_peer *p) {
    struct stray *s = container_of(p, struct stray, peer);
    ended(s, "a close");
    fake_close(p);
    leave(s);
}
static void on_reset(struct fake_peer *p) {
    struct stray *s = container_of(p, struct stray, peer);
    ended(s, "a reset");
    leave(s);
}
static const struct fake_peer_ops ops = {on_opened, on_bytes, on_ended, on_reset};

static void on_dial(struct fake_event *e) {
    struct stray *s = container_of(e, struct stray, event);
    fake_dial(&s->peer, s->secure ? SIM_TLS_PORT : SIM_PORT);
}

/* A part of each, never the whole. */
static void say(struct stray *s, str all) {
    s->n = 1 + fake_below((uint32_t)all.n - 1);
    memcpy(s->bytes, all.p, s->n);
}

void sim_stray_start(void) {
    static const char hello[] =
        "\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03 a random number of thirty-two b";
    struct sim *w = sim_now;
    struct stray *s = base_zalloc(sizeof *s);
    *s = (struct stray){.peer.ops = &ops, .number = w->strays_n++, .event.run = on_dial};
    s->leaves = fake_one_in(3);
    s->secure = fake_one_in(2);
    s->tells = w->proxied && fake_one_in(2);
    s->sends_after_us = fake_below(s->tells ? 2000000 : 8000000);
    bool silent = fake_one_in(3);
    s->time_us = w->proxied && !s->tells ? HEAD_US : s->secure ? HANDSHAKE_US : silent ? IDLE_US : HEAD_US;
    if (w->proxied && !s->tells) {
        char header[SIM_PROXY_BYTES];
        size_t n = sim_proxy_print(header, NULL);
        if (!silent) say(s, (str){header, n});
        s->sends_after_us = 0; /* that time counts from the beginning */
    } else if (s->secure) {
        if (!silent) say(s, (str){hello, sizeof hello - 1});
        if (!s->tells) s->sends_after_us = 0;
    } else if (!silent) {
        w->half_heads++;
        say(s, S("GET /r0/1 HTTP/1.1\r\nHost: sim.example\r\nX-Y: z\r\n\r"));
    }
    fake_trace("stray %u is to come%s%s%s, %zu bytes", s->number, s->secure ? ", by TLS" : "",
               s->tells ? ", tells" : "", s->leaves ? ", leaves" : "", s->n);
    fake_in(&s->event, fake_below(5000000));
}

/* ---- the PROXY protocol ---- */

size_t sim_proxy_print(char *to, uint8_t *ret_client) {
    uint8_t client = (uint8_t)(1 + fake_below(250));
    if (ret_client) *ret_client = client;
    if (fake_one_in(2))
        return (size_t)snprintf(to, SIM_PROXY_BYTES, "PROXY TCP4 198.51.100.%u 203.0.113.1 %u 80\r\n", client,
                                20000 + client);
    const unsigned char v2[28] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc6\x33\x64\0\xcb\0\x71\1\x4e\x20\0\x50";
    memcpy(to, v2, sizeof v2);
    to[19] = (char)client;
    return sizeof v2;
}

void sim_proxy_header(struct fake_peer *p, uint8_t *ret_client) {
    char bytes[SIM_PROXY_BYTES];
    size_t n = sim_proxy_print(bytes, ret_client);
    fake_send(p, (str){bytes, n});
}
