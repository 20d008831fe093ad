/* SPDX-License-Identifier: Apache-2.0 */
#include "conn/conn.h"

#include <sys/socket.h>
#include <unistd.h>

#include "conn/conn_io.h"
#include "io/sock.h"
#include "proto/h1.h"

static const uint8_t conn_moves[] = {
    [CONN_NEW] = 1 << CONN_PREAMBLE | 1 << CONN_CONNECTING | 1 << CONN_HANDSHAKING | 1 << CONN_OPEN,
    [CONN_PREAMBLE] = 1 << CONN_HANDSHAKING | 1 << CONN_OPEN | 1 << CONN_CLOSED,
    [CONN_CONNECTING] = 1 << CONN_HANDSHAKING | 1 << CONN_OPEN | 1 << CONN_CLOSED,
    [CONN_HANDSHAKING] = 1 << CONN_OPEN | 1 << CONN_CLOSED,
    [CONN_OPEN] = 1 << CONN_LINGERING | 1 << CONN_CLOSED,
    [CONN_LINGERING] = 1 << CONN_CLOSED,
    [CONN_CLOSED] = 0,
};

static void move(struct conn *c, enum conn_state to) {
    assert(conn_moves[c->state] & 1 << to);
    c->state = (uint8_t)to;
}

void conn_common_init(struct conn_common *k, struct loop *l) {
    *k = (struct conn_common){.loop = l};
    pool_init(&k->buffers, CONN_BUFFER_BYTES, CONN_BUFFERS_KEPT, NULL);
    pool_init(&k->large, CONN_LARGE_BYTES, CONN_LARGE_KEPT, NULL);
    h1_pool_init(&k->works, CONN_WORKS_KEPT);
    link_init(&k->soon);
    link_init(&k->later);
    link_init(&k->owed);
    for (int i = 0; i < CONN_SHARES; i++) link_init(&k->shares[i].waiting);
    link_init(&k->flush);
    link_init(&k->gathered);
    link_init(&k->dead);
}

void conn_common_fini(struct conn_common *k) {
    assert(!conn_busy(k));
    pool_fini(&k->buffers);
    pool_fini(&k->large);
    pool_fini(&k->works);
}

/* Of each share that waits, in turn, as many as its part of this turn is sure to do. */
static void let_in(struct conn_common *k) {
    struct link owed;
    link_init(&owed);
    for (struct link *l; (l = link_pop(&k->owed));) link_append(&owed, l);
    for (struct link *l; (l = link_pop(&owed));) {
        struct conn_share *s = container_of(l, struct conn_share, owed);
        struct link *run;
        for (int i = 0; i < CONN_SHARE_WORK / 2 && (run = link_pop(&s->waiting)); i++)
            link_append(&k->soon, run);
        if (!link_empty(&s->waiting)) link_append(&k->owed, &s->owed);
    }
}

void conn_common_turn(struct conn_common *k) {
    k->turn++;
    k->handshakes = 0;
    k->turn_from += UINT64_C(1) << 32;
    for (struct link *l; (l = link_pop(&k->later));) link_append(&k->soon, l);
    if (!link_empty(&k->owed)) let_in(k);
}

void conn_wait_for_share(struct conn *c) {
    struct conn_share *s = &c->common->shares[c->share];
    if (link_is_on(&c->run)) return;
    link_append(&s->waiting, &c->run);
    if (!link_is_on(&s->owed)) link_append(&c->common->owed, &s->owed);
}

static void begin_open(struct conn *c) {
    move(c, CONN_OPEN);
    c->ops->opened(c);
}

/* The owner may ask the TLS state for more. */
static void fail(struct conn *c, const char *why) {
    struct tls_conn *tls = TAKE(c->tls);
    conn_close(c);
    c->tls = tls;
    c->ops->failed(c, why);
    tls_free(TAKE(c->tls));
}

static void preamble_step(struct conn *c) {
    if (!c->readable) return;
    err e = conn_io_preamble(c);
    if (c->state == CONN_CLOSED || e == ERR_AGAIN) return;
    if (e != OK)
        conn_close(c);
    else
        move(c, c->tls ? CONN_HANDSHAKING : CONN_OPEN);
}

static void connect_step(struct conn *c) {
    int why = c->peer_dead ? sock_error(c->watch.fd) : 0;
    if (c->peer_dead) {
        c->error = (uint16_t)why;
        fail(c, why ? strerror(why) : "closed at once");
        return;
    }
    if (!c->writable) return;
    if (c->ops->connected && c->ops->connected(c) != OK) {
        fail(c, "what stands before everything else could not be sent");
        return;
    }
    c->connected = true;
    if (c->tls)
        move(c, CONN_HANDSHAKING);
    else
        begin_open(c);
}

static void handshake_step(struct conn *c) {
    uint64_t *mine = &c->common->share_handshakes[c->share];
    if (c->share && conn_share_add(c->common, mine, 0) >= CONN_SHARE_HANDSHAKES) {
        conn_wait_for_share(c);
        return;
    }
    if (c->common->handshakes >= CONN_TURN_HANDSHAKES) {
        if (!link_is_on(&c->run)) link_append(&c->common->later, &c->run);
        return;
    }
    c->common->handshakes++;
    conn_share_add(c->common, mine, 1);
    err e = tls_handshake(c->tls);
    if (e == OK) {
        begin_open(c);
    } else if (e != ERR_AGAIN) {
        str why = tls_error(c->tls);
        char words[160];
        snprintf(words, sizeof words, STR_FMT, STR_ARG(str_upto(why, sizeof words - 1)));
        fail(c, words);
    }
}

static void step(struct conn *c) {
    if (c->state == CONN_PREAMBLE) preamble_step(c);
    if (c->state == CONN_CONNECTING) connect_step(c);
    if (c->state == CONN_HANDSHAKING) handshake_step(c);
    if (c->state == CONN_LINGERING) conn_io_discard(c);
}

/* Goes as far as it can without waiting. */
static void run(struct conn *c) {
    if (c->state != CONN_OPEN) step(c);
    if (c->state != CONN_OPEN) return;
    if (c->writable && !c->write_over && conn_pending(c)) conn_io_flush(c);
    conn_io_read(c);
    if (c->state == CONN_OPEN && (c->read_over ? c->peer_dead && !c->shut : c->peer_shut))
        c->ops->closing(c, c->peer_dead);
}

static void on_ready(struct loop_fd *f, uint32_t events) {
    struct conn *c = container_of(f, struct conn, watch);
    if (events & (LOOP_RDHUP | LOOP_HUP | LOOP_ERR)) c->peer_shut = true;
    if (events & (LOOP_HUP | LOOP_ERR)) c->peer_dead = true;
    if (events & (LOOP_IN | LOOP_RDHUP | LOOP_HUP | LOOP_ERR)) c->readable = true;
    if (events & (LOOP_OUT | LOOP_ERR)) c->writable = true;
    if (c->tls && c->readable) tls_readable(c->tls, c->peer_shut);
    run(c);
    conn_settle(c->common);
}

static void on_due(struct timer *t, uint64_t now_us) {
    struct conn *c = container_of(t, struct conn, timer);
    if (c->state == CONN_LINGERING)
        conn_close(c);
    else if (c->state != CONN_CLOSED)
        c->ops->deadline(c, now_us);
}

err conn_open(struct conn *c, bool fresh, struct conn_common *k, const struct conn_ops *ops, int fd,
              enum conn_state state, struct tls_conn *tls) {
    struct timer timer = c->timer;
    struct codec *codec = c->codec;
    *c = (struct conn){.watch = {.fd = -1, .on_ready = on_ready}, .timer = timer, .codec = codec};
    if (fresh) timer_init(&c->timer, on_due);
    c->common = k, c->ops = ops, c->tls = tls;
    if (loop_add(k->loop, &c->watch, fd) != OK) {
        tls_free(c->tls);
        close(fd);
        return ERR_IO;
    }
    /* An accepted socket can take bytes; one that connects tells when. */
    c->writable = state != CONN_CONNECTING;
    move(c, state);
    return OK;
}

void conn_close(struct conn *c) {
    if (c->state == CONN_CLOSED) return;
    move(c, CONN_CLOSED);
    if (c->tls) {
        if (!c->write_over) tls_close_notify(c->tls);
        tls_free(c->tls);
        c->tls = NULL;
    }
    loop_close(c->common->loop, &c->watch);
    timer_clear(&c->timer);
    if (!c->on_stack) conn_io_drop_buffer(c); /* a slice of it may be on its way to another connection */
    if (link_is_on(&c->run)) link_remove(&c->run);
    if (link_is_on(&c->flush)) link_remove(&c->flush);
    link_append(&c->common->dead, &c->dead);
}

void conn_break(struct conn *c) {
    if (c->state == CONN_CLOSED) return;
    c->write_over = true;
    sock_break(c->watch.fd);
    conn_close(c);
}

void conn_finish(struct conn *c, bool more) {
    if (c->state != CONN_OPEN) {
        conn_close(c);
        return;
    }
    bool rest = c->in_at < c->in_n || c->readable;
    if (c->peer_dead || c->write_over || (!more && !rest)) {
        conn_close(c);
        return;
    }
    if (c->tls) tls_close_notify(c->tls);
    shutdown(c->watch.fd, SHUT_WR);
    move(c, CONN_LINGERING);
    conn_deadline(c, c->common->loop->now_us + CONN_LINGER_US);
    if (!c->on_stack) {
        conn_io_drop_buffer(c);
        conn_resume(c);
    }
}

err conn_send_first(struct conn *c, str s) {
    return send(c->watch.fd, s.p, s.n, MSG_NOSIGNAL) == (ssize_t)s.n ? OK : ERR_IO;
}

void conn_deadline(struct conn *c, uint64_t due_us) {
    if (due_us == UINT64_MAX)
        timer_clear(&c->timer);
    else
        timer_set(&c->common->loop->timers, &c->timer, due_us);
}

void conn_want_flush(struct conn *c) {
    if (c->state != CONN_OPEN) return;
    /* one that is gathered has to look anew: what was added may be borrowed for this event alone */
    if (c->gathers && link_is_on(&c->flush)) link_remove(&c->flush);
    if (!link_is_on(&c->flush)) link_append(&c->common->flush, &c->flush);
}

void conn_flush(struct conn *c) { conn_io_flush(c); }

void conn_resume(struct conn *c) {
    c->blocked = false;
    bool work = c->in_at < c->in_n || c->readable;
    if (work && c->state != CONN_CLOSED && !c->on_stack && !link_is_on(&c->run))
        link_append(&c->common->soon, &c->run);
}

bool conn_reusable(const struct conn *c) {
    return c->state == CONN_OPEN && !c->peer_shut && !c->read_over && !c->write_over && c->in_at == c->in_n &&
           c->codec && c->codec->ops->reusable(c->codec) && conn_pending(c) == 0;
}

bool conn_alive(const struct conn *c) {
    char byte;
    return c->state == CONN_OPEN && !c->peer_shut &&
           recv(c->watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <
               0; /* EAGAIN; an end gives 0, unasked bytes 1 */
}

bool conn_has_bytes(const struct conn *c) {
    char byte;
    return recv(c->watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

void conn_forget(struct conn *c) {
    if (c->common) timer_forget(&c->common->loop->timers, &c->timer);
}

void conn_flush_gathered(struct conn_common *k) {
    for (struct link *l; (l = link_pop(&k->gathered));) conn_io_flush(container_of(l, struct conn, flush));
}

void conn_settle(struct conn_common *k) {
    if (k->settling) return;
    k->settling = true;
    for (;;) {
        conn_io_flush_all(k);
        struct link *l = link_pop(&k->soon);
        if (!l) break;
        run(container_of(l, struct conn, run));
    }
    for (struct link *l; (l = link_pop(&k->dead));) {
        struct conn *c = container_of(l, struct conn, dead);
        c->ops->gone(c);
    }
    if (k->settled) k->settled(k->arg);
    k->settling = false;
}
