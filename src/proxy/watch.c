/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/watch.h"

#include "base/num.h"
#include "io/sock.h"

/* What is in the kernel's buffers is written, and not taken: of a few megabytes it asks for more when a third has gone, which a slow client
 * makes last. */
static uint64_t taken(const struct conn *c) {
    uint64_t n;
    return sock_acked(c->watch.fd, &n) == OK ? n : c->written;
}

static enum watch answer_waits(const struct exchange *x, size_t pending, uint64_t *ret_bytes) {
    const struct conn *c = &x->client->conn;
    if (downstream_is_shared(x->client) && c->codec->ops->stream_shut(c->codec, x->client_stream)) {
        *ret_bytes = x->bytes_out - pending;
        return WATCH_WINDOW;
    }
    if (c->writable) return WATCH_NOBODY;
    *ret_bytes = taken(c);
    return WATCH_TAKES;
}

/* Calls of gRPC may be open for as long as they like, without a message. */
static bool is_call(const struct exchange *x) {
    const struct http_field *f = http_msg_find(x->request, S("Content-Type"));
    return f && str_starts(f->value, S("application/grpc"));
}

/* Is it the client's turn? One that waits for 100 (Continue) waits for the backend. */
static enum watch request_waits(const struct exchange *x, uint64_t *ret_bytes) {
    bool backend_takes_none = x->up.state == UPSTREAM_OPEN && upstream_pending(&x->up) > 0;
    bool asks_first = x->request->expect_continue && x->bytes_in == 0;
    if (x->request_ended || backend_takes_none || x->owed_client || asks_first || is_call(x))
        return WATCH_NOBODY;
    *ret_bytes = x->bytes_in;
    return WATCH_SENDS;
}

static enum watch who_waits(const struct exchange *x, uint64_t *ret_bytes) {
    if (x->state == X_WAIT || x->state == X_ASK) return request_waits(x, ret_bytes);
    size_t pending = downstream_pending(x->client, x->client_stream);
    return pending ? answer_waits(x, pending, ret_bytes) : WATCH_NOBODY;
}

static uint64_t least(const struct exchange *x) {
    const struct proxy_limits *usual = &x->proxy->limits;
    const struct table_settings *s = x->host.p ? downstream_settings(x->client, x->host) : NULL;
    uint64_t a_second = s && s->least_bytes_set ? s->least_bytes : usual->least_bytes;
    return a_second * usual->look_us / 1000000;
}

static void too_slow(struct exchange *x, enum watch who) {
    if (who == WATCH_SENDS)
        exchange_fail(x, REASON_REQUEST_TIMEOUT);
    else if (who == WATCH_WINDOW)
        exchange_give_up(x, REASON_CLIENT_SLOW);
    else
        downstream_break(x->client, REASON_CLIENT_SLOW); /* and all else that waits on it */
}

/* Nothing moved for long: who is to blame? */
static void stalled(struct exchange *x) {
    bool client_takes_none = downstream_pending(x->client, x->client_stream) > 0;
    if (x->state == X_SEND || (x->state == X_RELAY && client_takes_none)) {
        downstream_is_shared(x->client) ? exchange_give_up(x, REASON_CLIENT_SLOW)
                                        : downstream_break(x->client, REASON_CLIENT_SLOW);
    } else if (x->state == X_RELAY) {
        exchange_fail(x, REASON_BACKEND_TIMEOUT);
    } else {
        bool backend_takes_none = x->up.state == UPSTREAM_OPEN && upstream_pending(&x->up) > 0;
        exchange_fail(x, backend_takes_none ? REASON_BACKEND_TIMEOUT : REASON_REQUEST_TIMEOUT);
    }
}

void watch_look(struct exchange *x, uint64_t now_us) {
    const struct proxy_limits *limits = &x->proxy->limits;
    uint64_t bytes = 0;
    enum watch who = who_waits(x, &bytes);
    bool again = who != WATCH_NOBODY && who == x->watched;
    uint64_t moved = again ? bytes - x->watched_bytes : 0;
    if (moved) exchange_progress(x);
    if (again && moved < least(x)) {
        too_slow(x, who);
        return;
    }
    if (x->progress_us + limits->progress_us <= now_us) {
        stalled(x);
        return;
    }
    x->watched = (uint8_t)who, x->watched_bytes = bytes;
    x->look_us = num_min(now_us + limits->look_us, x->progress_us + limits->progress_us);
    exchange_set_timer(x);
}
