/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "fake_inside.h"

enum { BUFFERED_MAX = 64 << 20 };

static void on_in(struct fake_event *e);
static void on_out(struct fake_event *e);
static void on_open(struct fake_event *e);

/* ---- how this connection is ---- */

/* Small room and small pieces are rare in the world and common here; what carries much gets larger ones, or nothing would ever end. */
static void roll(struct fake_tcp *t) {
    static const uint32_t rooms[] = {1, 7, 64, 900, 4096, 16384, 65536, 65536};
    static const uint32_t chunks[] = {1, 3, 40, 700, 1448, 8000, 65536, 65536};
    static const uint32_t delays[] = {0, 5, 40, 200, 200, 2000, 20000, 100};
    t->in_max = rooms[fake_below(COUNT_OF(rooms))];
    t->out_max = rooms[fake_below(COUNT_OF(rooms))];
    t->chunk = chunks[fake_below(COUNT_OF(chunks))];
    t->delay_us = delays[fake_below(COUNT_OF(delays))];
    if (t->peeked && t->in_max < FAKE_PEEKED_BYTES) t->in_max = FAKE_PEEKED_BYTES;
    bool drips = t->in_max < 64 || t->out_max < 64 || t->chunk < 40;
    if (drips && t->delay_us > 40) t->delay_us = 40;
}

static size_t some(const struct fake_tcp *t, size_t n) {
    size_t most = t->chunk;
    if (fake_one_in(4)) most = 1 + fake_below(t->chunk);
    if (fake_one_in(3)) most = n;
    if (n > 4096 && most < n / 8) most = n / 8;
    return n < most ? n : most;
}

static uint64_t while_us(const struct fake_tcp *t) {
    if (fake_one_in(t->delay_us > 40 ? 60 : 500)) return fake_below(300000); /* lost, and sent again */
    return t->delay_us ? fake_below(2 * t->delay_us) : 0;
}

static void arm(struct fake_event *e, uint64_t us) {
    if (!e->item.place) fake_in(e, us);
}
static void arm_in(struct fake_tcp *t) { arm(&t->in_event, while_us(t)); }
static void arm_out(struct fake_tcp *t) { arm(&t->out_event, while_us(t)); }

/* ---- birth and death ---- */

static struct fake_tcp *make(void) {
    struct fake_tcp *t = base_zalloc(sizeof *t);
    t->id = ++fake_now->tcps;
    fake_now->tcps_open++;
    t->in_event.run = on_in, t->out_event.run = on_out, t->open_event.run = on_open;
    buf_init(&t->in, BUFFERED_MAX), buf_init(&t->wire, BUFFERED_MAX), buf_init(&t->out, BUFFERED_MAX);
    roll(t);
    return t;
}

/* Nobody holds it any more. */
static void end_if_over(struct fake_tcp *t) {
    if (!t->closed || t->peer || t->in_event.item.place || t->out_event.item.place ||
        t->open_event.item.place)
        return;
    buf_fini(&t->in), buf_fini(&t->wire), buf_fini(&t->out);
    free(t);
    fake_now->tcps_open--;
}

static void wake(struct fake_tcp *t, uint32_t events) { fake_file_wake(t->file, events); }

static void die(struct fake_tcp *t, int error) {
    if (t->dead) return;
    t->dead = true, t->error = error;
    buf_clear(&t->out);
    wake(t, EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDHUP);
}

static void tell_reset(struct fake_tcp *t) {
    struct fake_peer *p = t->peer;
    t->peer = NULL;
    if (!p) return;
    p->tcp = NULL;
    p->ops->reset(p);
}

/* ---- towards the worker ---- */

static void deliver(struct fake_tcp *t, size_t n) {
    if (!n) return;
    buf_add(&t->in, str_upto(buf_str(&t->wire), n));
    buf_consume(&t->wire, n);
    wake(t, EPOLLIN);
}

/* What comes to a descriptor that is closed is answered by a reset. */
static void bounce(struct fake_tcp *t) {
    buf_clear(&t->wire);
    t->wire_fin = t->wire_rst = false;
    if (!t->peer) return;
    t->out_rst = true;
    t->out.n = fake_below((uint32_t)t->out.n + 1);
    arm_out(t);
}

static void step_in(struct fake_tcp *t) {
    if (t->closed) {
        if (t->wire_rst) {
            buf_clear(&t->out);
            t->wire_rst = false;
        } else if (t->wire.n) {
            bounce(t);
        }
        t->wire_fin = false;
        return;
    }
    if (t->dead) return;
    size_t room = t->in.n < t->in_max ? t->in_max - t->in.n : 0, n = t->wire.n < room ? t->wire.n : room;
    deliver(t, t->wire_rst ? t->wire.n : n ? some(t, n) : 0);
    if (t->wire.n) {
        if (t->in.n < t->in_max) arm_in(t); /* else once there is room */
        return;
    }
    if (t->wire_rst) {
        fake_trace("tcp%llu %srst comes", (unsigned long long)t->id, t->wire_fin ? "fin and " : "");
        t->in_fin |= t->wire_fin; /* what came in order ends in order */
        die(t, ECONNRESET);
    } else if (t->wire_fin && !t->in_fin) {
        fake_trace("tcp%llu fin comes", (unsigned long long)t->id);
        t->in_fin = true;
        wake(t, EPOLLIN | EPOLLRDHUP | (t->out_fin ? EPOLLHUP : 0));
    }
}

static void on_in(struct fake_event *e) {
    struct fake_tcp *t = container_of(e, struct fake_tcp, in_event);
    step_in(t);
    end_if_over(t);
}

void fake_tcp_race(struct fake_tcp *t) {
    if (!t->in_event.item.place || t->connecting || !fake_one_in(6)) return;
    fake_not(&t->in_event);
    step_in(t);
}

void fake_tcp_peeked(struct fake_tcp *t) {
    t->peeked = true;
    if (t->in_max < FAKE_PEEKED_BYTES) t->in_max = FAKE_PEEKED_BYTES;
    fake_tcp_took(t);
}

void fake_tcp_took(struct fake_tcp *t) {
    if ((t->wire.n || t->wire_fin) && !t->dead) arm_in(t);
    if (fake_one_in(40)) roll(t);
}

/* ---- from the worker ---- */

/* Whoever is not there answers by a reset. */
static void refuse_out(struct fake_tcp *t) {
    if (t->out.n && !t->wire_rst) {
        t->wire_rst = true; /* after what is on its way */
        arm_in(t);
    }
    buf_clear(&t->out);
}

static void made_room(struct fake_tcp *t) {
    if (!t->no_space || t->out.n > t->out_max - (t->out_max + 2) / 3) return;
    t->no_space = false;
    wake(t, EPOLLOUT);
}

static void step_out(struct fake_tcp *t) {
    if (!t->peer) {
        refuse_out(t);
        return;
    }
    if (fake_now->now_us < t->paused_until_us && !t->out_rst) {
        fake_at(&t->out_event, t->paused_until_us);
        return;
    }
    if (t->out.n) {
        size_t n = t->out_rst ? t->out.n : some(t, t->out.n);
        char bytes[4096];
        n = n < sizeof bytes ? n : sizeof bytes;
        memcpy(bytes, t->out.p, n);
        buf_consume(&t->out, n);
        made_room(t);
        t->peer->ops->bytes(t->peer, (str){bytes, n});
    }
    if (t->out.n || !t->peer) {
        arm_out(t);
    } else if (t->out_rst) {
        fake_trace("tcp%llu rst arrives", (unsigned long long)t->id);
        tell_reset(t);
    } else if (t->out_fin && !t->out_told) {
        t->out_told = true;
        t->peer->ops->ended(t->peer);
    }
}

static void on_out(struct fake_event *e) {
    struct fake_tcp *t = container_of(e, struct fake_tcp, out_event);
    step_out(t);
    end_if_over(t);
}

void fake_tcp_wrote(struct fake_tcp *t) {
    arm_out(t);
    if (fake_one_in(40)) roll(t);
}

void fake_tcp_shut(struct fake_tcp *t) {
    if (t->out_fin || t->dead) return;
    t->out_fin = true;
    arm_out(t);
    if (t->in_fin) wake(t, EPOLLHUP);
}

/* With bytes that nobody has read the other side is told that they were in vain, and may lose what it has not got yet. */
void fake_tcp_close(struct fake_tcp *t) {
    t->file = NULL;
    t->closed = true;
    if (t->connecting) {
        t->connecting = false;
        if (t->open_event.item.place) fake_not(&t->open_event);
    } else if (!t->dead) {
        if (t->in.n || t->linger0) {
            t->wire_rst = false;
            bounce(t);
        } else {
            t->out_fin = true;
            arm_out(t);
        }
        if (t->wire.n || t->wire_rst) arm_in(t);
    }
    end_if_over(t);
}

uint32_t fake_tcp_poll(const struct fake_tcp *t) {
    if (t->connecting) return 0;
    uint32_t now = 0;
    if (t->in.n || t->in_fin || t->dead) now |= EPOLLIN;
    if (t->in_fin || t->dead) now |= EPOLLRDHUP;
    if (t->dead || (t->in_fin && t->out_fin)) now |= EPOLLHUP;
    if (t->error) now |= EPOLLERR;
    if (t->dead || t->out_fin || t->out.n <= t->out_max - (t->out_max + 2) / 3)
        now |= EPOLLOUT;
    else
        ((struct fake_tcp *)(uintptr_t)t)->no_space = true; /* whoever asks and is told no is woken */
    return now;
}

/* ---- connecting ---- */

static void on_open(struct fake_event *e) {
    struct fake_tcp *t = container_of(e, struct fake_tcp, open_event);
    if (t->dialed) { /* a client's: it waits to be accepted */
        struct fake_file *l = NULL;
        for (int i = 0; i < FAKE_FDS_MAX; i++) {
            struct fake_file *f = fake_now->files[i];
            if (f && f->kind == FAKE_LISTENER && f->port == t->port) l = f;
        }
        if (!l) {
            t->closed = true;
            tell_reset(t);
            end_if_over(t);
            return;
        }
        *l->queue_end = t, l->queue_end = &t->next;
        fake_file_wake(l, EPOLLIN);
        if (t->peer) t->peer->ops->opened(t->peer);
        return;
    }
    struct fake_peer *p = NULL;
    t->welcome = fake_now->welcome(fake_now->arg, &t->ip, t->port, &p);
    if (t->welcome == FAKE_NO_ANSWER) return; /* and it goes on connecting */
    t->connecting = false;
    if (t->welcome != FAKE_ACCEPTED) {
        die(t, ECONNREFUSED);
        return;
    }
    t->peer = p, p->tcp = t;
    wake(t, EPOLLOUT);
    p->ops->opened(p);
}

struct fake_tcp *fake_tcp_connect(struct fake_file *f, const struct ip *ip, uint16_t port) {
    struct fake_tcp *t = make();
    t->file = f, t->ip = *ip, t->port = port, t->connecting = true;
    fake_now->connects++;
    fake_trace("tcp%llu connect port %u", (unsigned long long)t->id, port);
    fake_in(&t->open_event, while_us(t));
    return t;
}

void fake_dial(struct fake_peer *p, uint16_t port) {
    struct fake_tcp *t = make();
    t->peer = p, p->tcp = t, t->dialed = true;
    t->ip = (struct ip){.family = 4, .bytes = {192, 0, 2, (uint8_t)(1 + fake_below(250))}};
    t->peer_port = (uint16_t)(20000 + t->id % 40000), t->port = port;
    fake_in(&t->open_event, while_us(t));
}

/* ---- the other side's calls ---- */

void fake_send(struct fake_peer *p, str bytes) {
    struct fake_tcp *t = p->tcp;
    if (!t || t->wire_fin || t->wire_rst) return;
    buf_add(&t->wire, bytes);
    arm_in(t);
}

void fake_shut(struct fake_peer *p) {
    struct fake_tcp *t = p->tcp;
    if (!t || t->wire_fin) return;
    t->wire_fin = true;
    arm_in(t);
}

void fake_close(struct fake_peer *p) {
    struct fake_tcp *t = p->tcp;
    if (!t) return;
    fake_shut(p);
    p->tcp = NULL, t->peer = NULL;
    arm_out(t);
}

void fake_reset(struct fake_peer *p) {
    struct fake_tcp *t = p->tcp;
    if (!t) return;
    p->tcp = NULL, t->peer = NULL;
    if (fake_one_in(2)) t->wire.n = fake_below((uint32_t)t->wire.n + 1);
    t->wire_fin = false;
    t->wire_rst = true;
    arm_in(t);
    arm_out(t);
}

void fake_pause(struct fake_peer *p, uint64_t until_us) {
    if (p->tcp) p->tcp->paused_until_us = until_us;
}

size_t fake_unsent(const struct fake_peer *p) { return p->tcp ? p->tcp->wire.n : 0; }
