/* SPDX-License-Identifier: Apache-2.0 */
/* A connection: a socket, its TLS, its buffer, its deadline, and the codec that reads and writes on it. Both sides are made of it.
 * In:    readiness from the loop; what a codec has to write.     Out: bytes to the codec, events to the owner's conn_ops.
 * Own:   the descriptor, the TLS state and a read buffer while there is something in it (an idle connection has none). The owner embeds
 *        struct conn, owns the codec and frees both in gone().
 * Never: a call that blocks; a change of the registration in epoll; a read after one that gave less than asked; the owner's memory
 *        freed while a call of that connection is on the stack (closing only marks, conn_settle() ends). */
#pragma once
#include "base/link.h"
#include "base/pool.h"
#include "io/loop.h"
#include "io/tls.h"
#include "proto/codec.h"

enum {
    CONN_BUFFER_BYTES = 16 << 10,
    CONN_LARGE_BYTES = 32 << 10, /* of a buffer for a body in bulk; twice as many cost more than they saved */
    CONN_TURN_BYTES = 64 << 10,  /* read from one connection in one turn */
    CONN_TURN_READS = 16,        /* requests, or reads, of one connection in one turn */
    /* Of those who share in a turn as one (a tenant's routes, a port before that is known): work beyond it waits for the next turn, so that whoever
     * else has something to do comes in between. A read counts one. */
    CONN_SHARES = 64,
    CONN_SHARE_WORK = 128,
    CONN_SHARE_HANDSHAKES = 4,
    CONN_TURN_HANDSHAKES = 8,         /* steps of TLS handshakes in one turn of the worker */
    CONN_LINGER_US = 2000000,         /* how long what the peer still sends is thrown away */
    CONN_LINGER_BYTES = 1 << 20,      /* and how much of it */
    CONN_HIGH_WATER_BYTES = 64 << 10, /* waiting to be written: the source is not read further */
    CONN_PIECES = 64,                 /* of one write */
    CONN_GATHER_BYTES =
        16 << 10, /* less than that waits for the end of the turn, where many streams share a connection */
    CONN_PREAMBLE_BYTES = 4 << 10,
    CONN_BUFFERS_KEPT = 1024, /* 16 MB a worker */
    CONN_LARGE_KEPT = 64,     /* 2 MB */
    CONN_WORKS_KEPT = 4096,
};

enum conn_state {
    CONN_NEW,
    CONN_PREAMBLE,    /* what stands before everything else, TLS included, is awaited */
    CONN_CONNECTING,  /* connect() is under way */
    CONN_HANDSHAKING, /* TLS */
    CONN_OPEN,
    CONN_LINGERING, /* all is written and our side is shut; what still comes is thrown away, so that no RST overtakes the answer */
    CONN_CLOSED,    /* until gone() */
};

struct conn;
/* What the owner is told. Each may call conn_close() on any connection. */
struct conn_ops {
    /* PREAMBLE: this has come, and is not taken from the socket yet; none: nothing will. OK: so much of it is the preamble, what follows
     * is of TLS or the codec. ERR_AGAIN: wait for more. Otherwise the connection is closed. */
    err (*preamble)(struct conn *c, str in, size_t *ret_used);
    /* CONNECTING ended well, TLS has not begun: what stands before everything else is sent by conn_send_first(). NULL: nothing is. */
    err (*connected)(struct conn *c);
    /* CONNECTING or HANDSHAKING ended well: the owner sets c->codec when it has none. */
    void (*opened)(struct conn *c);
    /* They failed; why is for people. The connection is closed already, and c->tls goes after the call. */
    void (*failed)(struct conn *c, const char *why);
    /* The codec has read: after the events of its sink, once what they made others write has been handed to the sockets. */
    void (*did_read)(struct conn *c);
    /* Some or all of what waited has been written; also when there was nothing to write after all. */
    void (*wrote)(struct conn *c);
    /* The codec refuses what the peer sent (ERR_PROTO, ERR_LIMIT); nothing more is read. */
    void (*refused)(struct conn *c, err e, enum http_reason why);
    /* The peer's side ended: cut: within a message (or by a reset), otherwise between messages or after the last. Nothing more is read.
     * Not told of a tunnel's orderly end: the codec's sink is. */
    void (*ended)(struct conn *c, bool cut);
    /* The peer has shut its side, which has not been read to the end yet; dead: both sides are down, what we write is lost (that is
     * told after the end was read, too). */
    void (*closing)(struct conn *c, bool dead);
    /* What we write does not arrive any more; there may be bytes to read yet. */
    void (*write_failed)(struct conn *c);
    void (*deadline)(struct conn *c, uint64_t now_us);
    /* Last call: closed and on no stack. The owner frees or reuses. */
    void (*gone)(struct conn *c);
};

struct conn_share {
    struct link waiting; /* conn.run, in the order in which they came to wait */
    struct link owed;    /* on conn_common.owed while somebody waits */
};

/* What all connections of a worker share. */
struct conn_common { /* owner: worker */
    struct loop *loop;
    struct pool buffers, large;
    struct pool works;    /* h1_share() */
    struct link soon;     /* to be run before this turn ends */
    struct link later;    /* over their budget: next turn */
    struct link owed;     /* conn_share.owed */
    struct link flush;    /* their codecs have something to write */
    struct link gathered; /* the same, at the end of the turn */
    struct link dead;     /* closed, to be told gone() */
    uint64_t turn;
    uint32_t handshakes; /* this turn */
    /* Counts begin anew with a turn by its beginning at a number above all of before. */
    uint64_t turn_from;
    uint64_t share_work[CONN_SHARES], share_handshakes[CONN_SHARES];
    struct conn_share shares[CONN_SHARES];
    bool settling;
    void (*settled)(
        void *arg); /* nothing of this event is on the stack any more; NULL: nobody wants to know */
    void *arg;
};

struct conn { /* owner: who embeds it */
    struct loop_fd watch;
    struct timer timer; /* the owner's deadline: conn_deadline(); kept when the memory is reused */
    struct conn_common *common;
    const struct conn_ops *ops;
    struct codec *codec;  /* the owner's */
    struct tls_conn *tls; /* NULL: plain */
    struct link run, flush, dead;
    char *in; /* a pooled buffer while it holds something */
    uint32_t in_at, in_n;
    uint8_t state;   /* enum conn_state */
    uint8_t share;   /* by the owner: below CONN_SHARES; 0: nobody's, without a bound but its own */
    bool connected;  /* CONNECTING ended well */
    bool readable;   /* a read may give something */
    bool writable;   /* a write may take something */
    bool peer_shut;  /* RDHUP, HUP or ERR was seen: read until the end is read */
    bool peer_dead;  /* HUP or ERR was seen */
    bool read_over;  /* nothing more is read: end, refused, or the codec is through */
    bool write_over; /* a write failed */
    bool was_reset;  /* and was told so: the next read gives an end that is none */
    bool shut;       /* our side was shut: the codec has no more to say */
    bool blocked;    /* the codec takes no more until conn_resume() */
    bool held;       /* by the owner: nothing is read */
    bool idle;       /* pooled: whatever comes ends it */
    bool gathers; /* by the owner: the codec is multiplexed. What its streams write in a turn goes together */
    bool bulk;    /* by the owner: a read may give more than CONN_BUFFER_BYTES, once one gave as many */
    bool filled;  /* the last read gave as many */
    bool in_large;  /* `in` is one of common.large */
    bool on_stack;  /* within its own read */
    uint16_t error; /* errno of why it could not connect; 0: none, or not known */
    uint64_t turn;  /* the two below are of this turn */
    uint32_t turn_bytes, turn_reads;
    uint32_t lingered; /* bytes thrown away */
    uint64_t written;  /* bytes of the codec that went */
};

void conn_common_init(struct conn_common *k, struct loop *l);
void conn_common_fini(struct conn_common *k);
/* Adds to a count of this turn; what it is then. */
static inline uint64_t conn_share_add(const struct conn_common *k, uint64_t *count, uint32_t work) {
    uint64_t from = *count < k->turn_from ? k->turn_from : *count;
    return (*count = from + work) - k->turn_from;
}
/* Its share pays for more than the read. */
static inline void conn_charge(struct conn *c, uint32_t work) {
    conn_share_add(c->common, &c->common->share_work[c->share], work);
}
/* A new turn begins: those over their budget get another. */
void conn_common_turn(struct conn_common *k);
/* The share has had its part of this turn: it goes on in the next one, with others of it first who wait already. */
void conn_wait_for_share(struct conn *c);
/* Runs what was asked for, writes what waits, ends what was closed. At the end of every event and turn. */
void conn_settle(struct conn_common *k);
/* Writes what was gathered: when the turn's events were handled. */
void conn_flush_gathered(struct conn_common *k);
/* Is there work that must not wait for an event? */
static inline bool conn_busy(const struct conn_common *k) {
    return !link_empty(&k->soon) || !link_empty(&k->later) || !link_empty(&k->owed) ||
           !link_empty(&k->dead) || !link_empty(&k->flush) || !link_empty(&k->gathered);
}

/* Takes fd over. fresh: the memory was never a connection (its timer is on no heap). state: CONN_PREAMBLE or
 * CONN_CONNECTING (with tls, HANDSHAKING follows), HANDSHAKING (tls is
 * set) or OPEN. ERR_IO: it could not be registered; fd is closed, gone() will not be called. */
err conn_open(struct conn *c, bool fresh, struct conn_common *k, const struct conn_ops *ops, int fd,
              enum conn_state state, struct tls_conn *tls);
/* Closes at once; gone() follows from conn_settle(). Nothing happens when it is closed already. */
void conn_close(struct conn *c);
/* Closes at once, so that the peer can not take it for an orderly end: by a reset, and without TLS's farewell. */
void conn_break(struct conn *c);
/* Closes after what was written has arrived: lingers when the peer may still be sending (more: the owner knows it is). */
void conn_finish(struct conn *c, bool more);
/* Few bytes, on a socket that has sent none: it takes them at once, or is broken. ERR_IO. */
err conn_send_first(struct conn *c, str s);
void conn_deadline(struct conn *c, uint64_t due_us); /* UINT64_MAX: none */
/* The codec has something to write: before the next read or the end of the event. */
void conn_want_flush(struct conn *c);
/* Writes now. */
void conn_flush(struct conn *c);
/* Room was made, or the owner holds it no longer: what was left and what is readable is read. */
void conn_resume(struct conn *c);
/* Bytes that wait to be written, those within TLS included. */
static inline size_t conn_pending(const struct conn *c) {
    size_t n = c->codec ? c->codec->ops->pending(c->codec) : 0;
    return c->tls ? n + tls_pending(c->tls) : n;
}
/* May it carry another message? Everything was written and read. */
bool conn_reusable(const struct conn *c);
/* Has the peer not closed it, as far as the kernel knows? One call of the system. */
bool conn_alive(const struct conn *c);
/* Has something come that was not read? One call of the system. */
bool conn_has_bytes(const struct conn *c);
/* Before the memory goes. */
void conn_forget(struct conn *c);
