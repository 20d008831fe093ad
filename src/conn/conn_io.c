/* SPDX-License-Identifier: Apache-2.0 */
#include "conn/conn_io.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* A str is an iovec: pieces go to the kernel as they are. */
static_assert(sizeof(str) == sizeof(struct iovec), "same layout");
static_assert(offsetof(str, p) == offsetof(struct iovec, iov_base), "same layout");
static_assert(offsetof(str, n) == offsetof(struct iovec, iov_len), "same layout");

void conn_io_drop_buffer(struct conn *c) {
    if (c->in) pool_give(c->in_large ? &c->common->large : &c->common->buffers, c->in);
    c->in = NULL;
    c->in_at = c->in_n = 0;
}

/* ---- writing ---- */

static err send_pieces(struct conn *c, const str *pieces, size_t n, size_t *ret_n) {
    if (c->tls) return tls_write(c->tls, pieces, n, ret_n);
    struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)pieces, .msg_iovlen = n};
    ssize_t sent = n == 1 ? send(c->watch.fd, pieces[0].p, pieces[0].n, MSG_NOSIGNAL)
                          : sendmsg(c->watch.fd, &m, MSG_NOSIGNAL);
    if (sent < 0) {
        c->was_reset =
            errno == ECONNRESET; /* the kernel tells it once; a FIN before it would have made it EPIPE */
        return errno == EAGAIN || errno == EINTR ? ERR_AGAIN : ERR_IO;
    }
    *ret_n = (size_t)sent;
    return OK;
}

/* One write. false: nothing went, or less than there was. */
static bool write_once(struct conn *c, bool *ret_some) {
    str pieces[CONN_PIECES];
    size_t n = c->codec->ops->write(c->codec, pieces, CONN_PIECES), all = 0, went = 0;
    if (n == 0 && !(c->tls && tls_pending(c->tls))) return false;
    for (size_t i = 0; i < n; i++) all += pieces[i].n;
    err e = send_pieces(c, pieces, n, &went);
    if (e == OK) {
        c->codec->ops->wrote(c->codec, went);
        c->written += went;
        *ret_some |= went > 0 || n == 0;
        c->writable = went == all && !(c->tls && tls_pending(c->tls));
        return c->writable;
    }
    c->writable = false;
    if (e != ERR_AGAIN) c->write_over = true;
    return false;
}

static void shut_when_written(struct conn *c) {
    if (c->write_over || conn_pending(c)) return;
    c->shut = true;
    if (c->tls) tls_close_notify(c->tls);
    shutdown(c->watch.fd, SHUT_WR);
}

void conn_io_flush(struct conn *c) {
    if (link_is_on(&c->flush)) link_remove(&c->flush);
    if (c->state != CONN_OPEN || !c->codec) return;
    bool some = false, more = true;
    size_t left = conn_pending(c);
    while (left && more && c->writable && !c->write_over) {
        more = write_once(c, &some);
        left = conn_pending(c);
    }
    if (left) c->codec->ops->keep(c->codec);
    if (c->codec->shuts && !c->shut) shut_when_written(c);
    if (c->write_over)
        c->ops->write_failed(c);
    else if (some || !left) /* what was asked for may be no byte: the end of a body that lasts to the close */
        c->ops->wrote(c);
}

/* Answers that come one by one leave in one call, for a copy of what is small. */
static bool gather(struct conn *c) {
    if (!c->gathers || c->state != CONN_OPEN || c->codec->ops->pending(c->codec) >= CONN_GATHER_BYTES)
        return false;
    c->codec->ops->keep(c->codec);
    link_append(&c->common->gathered, &c->flush);
    return true;
}

void conn_io_flush_all(struct conn_common *k) {
    for (struct link *l; (l = link_pop(&k->flush));) {
        struct conn *c = container_of(l, struct conn, flush);
        if (!gather(c)) conn_io_flush(c);
    }
}

/* ---- reading ---- */

static err receive(struct conn *c, char *p, size_t room, size_t *ret_n) {
    if (c->tls) {
        err e = tls_read(c->tls, p, room, ret_n);
        if (e == ERR_AGAIN || (e == OK && tls_drained(c->tls))) c->readable = false;
        return e;
    }
    ssize_t n = recv(c->watch.fd, p, room, 0);
    if (n < 0) {
        c->readable = false;
        return errno == EAGAIN || errno == EINTR ? ERR_AGAIN : ERR_IO;
    }
    if (n == 0) return ERR_END;
    if ((size_t)n < room && !c->peer_shut) c->readable = false;
    *ret_n = (size_t)n;
    return OK;
}

/* Looks at what has come, and takes no more of it than is the preamble's: the rest is for TLS, which reads the socket itself. Each look
 * begins anew, which the bound makes cheap. */
err conn_io_preamble(struct conn *c) {
    char bytes[CONN_PREAMBLE_BYTES];
    size_t used = 0;
    ssize_t n = recv(c->watch.fd, bytes, sizeof bytes, MSG_PEEK);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        c->readable = false;
        return ERR_AGAIN;
    }
    err e = c->ops->preamble(c, (str){bytes, n > 0 ? (size_t)n : 0}, &used);
    if (e == ERR_AGAIN && c->peer_shut) e = c->ops->preamble(c, S(""), &used); /* no more will come */
    if (e == ERR_AGAIN) c->readable = false;
    if (e != OK) return e;
    assert(used > 0 && used <= (size_t)n);
    return recv(c->watch.fd, bytes, used, 0) == (ssize_t)used ? OK : ERR_IO;
}

/* The end of the peer's side, clean or not. */
static void peer_end(struct conn *c, bool clean) {
    clean &= !c->was_reset;
    c->read_over = c->peer_shut = true;
    c->readable = false;
    c->peer_dead |= !clean;
    enum http_reason why = REASON_NONE;
    err e = clean ? c->codec->ops->read_end(c->codec, &why) : ERR_PROTO;
    if (c->state != CONN_OPEN) return;
    conn_io_flush_all(c->common);
    if (clean && e == OK) return; /* a tunnel, which may go on the other way */
    if (c->state == CONN_OPEN) c->ops->ended(c, e != ERR_END && e != OK);
}

/* An empty buffer for the next read. */
static void take_buffer(struct conn *c) {
    bool fresh, large = c->bulk && c->filled;
    if (c->in_large != large) conn_io_drop_buffer(c);
    if (!c->in) c->in = pool_take(large ? &c->common->large : &c->common->buffers, &fresh);
    c->in_large = large;
    c->in_at = c->in_n = 0;
}

/* One read into the buffer, which is empty. false: nothing more now. */
static bool fill(struct conn *c) {
    take_buffer(c);
    size_t n = 0;
    err e = receive(c, c->in, c->in_large ? CONN_LARGE_BYTES : CONN_BUFFER_BYTES, &n);
    c->filled = n >= CONN_BUFFER_BYTES;
    if (e == OK) {
        c->in_n = (uint32_t)n;
        c->turn_bytes += (uint32_t)n;
        return true;
    }
    if (e != ERR_AGAIN) peer_end(c, e == ERR_END);
    return false;
}

/* Hands the buffer to the codec. */
static void feed(struct conn *c) {
    size_t used = 0;
    enum http_reason why = REASON_NONE;
    str in = {c->in + c->in_at, c->in_n - c->in_at};
    err e = c->codec->ops->read(c->codec, in, c->common->loop->now_us, &used, &why);
    assert(used <= in.n);
    c->in_at += (uint32_t)used;
    if (e == ERR_AGAIN) c->blocked = true; /* before the events below, which may lift it */
    if (e != OK && e != ERR_AGAIN) c->read_over = true;
    if (c->gathers && c->codec->ops->pending(c->codec)) conn_want_flush(c); /* frames of its own */
    conn_io_flush_all(c->common); /* others have borrowed from the buffer */
    if (c->state != CONN_OPEN) return;
    if (e == ERR_PROTO || e == ERR_LIMIT) {
        c->ops->refused(c, e, why);
        return;
    }
    c->ops->did_read(c);
    if (c->state != CONN_OPEN) return;
    if (e == ERR_END) c->ops->ended(c, false);
    if (e == OK && used < in.n) c->turn_reads = CONN_TURN_READS; /* it took a turn's messages */
}

static bool within_budget(struct conn *c) {
    if (c->turn != c->common->turn) c->turn = c->common->turn, c->turn_bytes = c->turn_reads = 0;
    if (c->turn_bytes < CONN_TURN_BYTES && c->turn_reads < CONN_TURN_READS) {
        if (!c->share || conn_share_add(c->common, &c->common->share_work[c->share], 1) <= CONN_SHARE_WORK)
            return true;
        conn_wait_for_share(c);
        return false;
    }
    if (!link_is_on(&c->run)) link_append(&c->common->later, &c->run);
    return false;
}

void conn_io_read(struct conn *c) {
    if (c->on_stack) return;
    c->on_stack = true;
    while (c->state == CONN_OPEN && !c->read_over && !c->held && !c->blocked) {
        bool rest = c->in_at < c->in_n;
        if (!rest && !c->readable) break;
        if (!within_budget(c)) break;
        if (!rest && !fill(c)) break;
        c->turn_reads++;
        if (c->idle) { /* nobody asked for anything */
            c->read_over = true;
            c->ops->ended(c, true);
            break;
        }
        feed(c);
    }
    c->on_stack = false;
    if (c->in_at == c->in_n || c->read_over || c->state != CONN_OPEN) conn_io_drop_buffer(c);
    if (c->state == CONN_LINGERING) conn_io_discard(c);
}

void conn_io_discard(struct conn *c) {
    if (c->on_stack || !c->readable) return;
    bool fresh;
    char *p = pool_take(&c->common->buffers, &fresh);
    size_t n = 0;
    err e = OK;
    while (c->readable && e == OK && c->lingered < CONN_LINGER_BYTES) {
        e = receive(c, p, CONN_BUFFER_BYTES, &n);
        if (e == OK) c->lingered += (uint32_t)n;
    }
    pool_give(&c->common->buffers, p);
    if ((e != OK && e != ERR_AGAIN) || c->lingered >= CONN_LINGER_BYTES) conn_close(c);
}
