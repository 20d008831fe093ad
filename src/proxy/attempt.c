/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/attempt.h"

#include "proxy/answer.h"
#include "proxy/relay.h"

/* May it be sent twice?                                                                                      [RFC 9110 9.2.2] */
static bool is_idempotent(const struct http_msg *m) {
    static const bool idempotent[] = {
        [HTTP_GET] = true,     [HTTP_HEAD] = true,  [HTTP_PUT] = true,    [HTTP_DELETE] = true,
        [HTTP_OPTIONS] = true, [HTTP_TRACE] = true, [HTTP_PATCH] = false,
    };
    return m->method_id < COUNT_OF(idempotent) && idempotent[m->method_id];
}

bool attempt_may_repeat(const struct exchange *x) {
    return x->state == X_WAIT && x->up.reused && !x->response_begun && !x->early_lost && !x->retried &&
           (is_idempotent(x->request) || !x->wrote_any);
}

void attempt_keep_body(struct exchange *x, str bytes) {
    if (x->early_lost) return;
    if (!x->early) {
        bool fresh;
        x->early = pool_take(&x->proxy->common.buffers, &fresh);
    }
    if (bytes.n > CONN_BUFFER_BYTES - x->early_n) {
        /* while connecting the client is read once at most, and a read is no longer than the buffer */
        assert(x->state != X_CONNECT);
        x->early_lost = true;
        return;
    }
    memcpy(x->early + x->early_n, bytes.p, bytes.n);
    x->early_n += (uint32_t)bytes.n;
}

void attempt_drop(struct exchange *x) { upstream_drop(&x->up); }

void attempt_let_go(struct exchange *x) {
    if (x->request_sent)
        upstream_release(&x->up);
    else
        upstream_drop(&x->up);
}

/* The request, as far as it has come, to the backend's codec. */
static err submit(struct exchange *x) {
    TRY(upstream_submit(&x->up, x->request, x->bodyless));
    x->request_sent = x->bodyless;
    if (x->bodyless) return OK;
    bool last = x->request_ended && !x->trailers;
    if (x->early_n) TRY(upstream_submit_body(&x->up, (str){x->early, x->early_n}, last));
    if (x->request_ended && (x->trailers || !x->early_n)) TRY(upstream_submit_end(&x->up, x->trailers));
    x->request_sent = x->request_ended;
    return OK;
}

static void send_request(struct exchange *x) {
    struct conn *client = &x->client->conn;
    exchange_move(x, X_WAIT);
    x->wrote_any = x->response_begun = false;
    if (submit(x) != OK) {
        exchange_fail(x, REASON_FILTER_FAILED);
        return;
    }
    x->record.sent_us = proxy_core_now(x->proxy);
    x->attempt_due_us = x->backend_timeout_us ? proxy_core_now(x->proxy) + x->backend_timeout_us : UINT64_MAX;
    exchange_progress(x);
    exchange_set_timer(x);
    upstream_flush(&x->up);
    if (client->held) {
        client->held = false;
        conn_resume(client);
    }
}

/* A pooled connection whose end nobody has told us yet would lose a request that must not be sent twice: ask the kernel first. */
static bool is_stale(struct exchange *x) {
    struct upstream_loan *l = &x->up;
    if (!l->reused || is_idempotent(x->request) || conn_alive(&l->conn->conn)) return false;
    upstream_drop(l);
    return true;
}

void attempt_start(struct exchange *x, bool fresh) {
    struct upstream_want w = {.backend = x->target->backend,
                              .tried = &x->tried,
                              .again = x->attempts > 0,
                              .fresh = fresh,
                              .connect_us = x->connect_max_us,
                              .idle_us = x->backend_idle_us};
    err e;
    do {
        e = upstream_take(x->proxy->upstream, &w, &x->up);
        if (e == ERR_IO) x->connect_reason = REASON_BACKEND_REFUSED;
    } while (e == ERR_IO || (e == OK && is_stale(x)));
    if (e != OK) {
        exchange_refuse(x, x->tried.n ? x->connect_reason : REASON_NO_ENDPOINTS);
        return;
    }
    x->attempts++;
    x->endpoint = x->up.endpoint->at;
    x->attempt_us = proxy_core_now(x->proxy);
    exchange_move(x, X_CONNECT);
    if (x->up.state == UPSTREAM_OPEN) {
        send_request(x);
    } else {
        x->client->conn.held = !x->request_ended;
        exchange_set_timer(x);
    }
}

void attempt_lost(struct exchange *x, enum http_reason why) {
    bool again = attempt_may_repeat(x);
    attempt_drop(x);
    if (!again) {
        exchange_fail(x, why);
        return;
    }
    x->retried = true;
    attempt_start(x, true);
}

/* ---- what upstream/ tells ---- */

static struct exchange *of(struct upstream_loan *l) { return container_of(l, struct exchange, up); }

static void on_opened(struct upstream_loan *l) {
    struct exchange *x = of(l);
    x->connect_us = proxy_core_now(x->proxy) - x->attempt_us;
    send_request(x);
}

static void on_failed(struct upstream_loan *l, enum http_reason why, const char *words) {
    (void)words;
    struct exchange *x = of(l);
    x->connect_reason = (uint8_t)why;
    balance_tried_add(&x->tried, l->endpoint);
    attempt_start(x, x->retried);
}

static void on_did_read(struct upstream_loan *l) {
    struct exchange *x = of(l);
    if (x->state == X_SEND)
        attempt_let_go(x);
    else
        relay_hold_backend(x);
}

static void on_wrote(struct upstream_loan *l) { relay_backend_wrote(of(l)); }

static void on_refused(struct upstream_loan *l, err e, enum http_reason why) {
    (void)e, (void)why;
    exchange_fail(of(l), REASON_BACKEND_PROTOCOL);
}

static void on_ended(struct upstream_loan *l, bool cut) {
    (void)cut;
    struct exchange *x = of(l);
    if (x->state == X_WAIT)
        attempt_lost(x, REASON_BACKEND_RESET);
    else if (x->state != X_SEND)
        exchange_fail(x, REASON_BACKEND_CUT);
}

static void on_write_failed(struct upstream_loan *l) {
    struct exchange *x = of(l);
    if (x->state == X_WAIT && !x->wrote_any) attempt_lost(x, REASON_BACKEND_RESET);
    /* otherwise what it has said before the end is read: maybe an early response */
}

static const struct upstream_events events = {
    .sink = &relay_sink,
    .opened = on_opened,
    .failed = on_failed,
    .did_read = on_did_read,
    .wrote = on_wrote,
    .refused = on_refused,
    .ended = on_ended,
    .write_failed = on_write_failed,
};

const struct upstream_events *attempt_events(void) { return &events; }
