/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/attempt.h"

#include "proxy/admission.h"
#include "proxy/answer.h"
#include "proxy/relay.h"
#include "proxy/retry_budget.h"
#include "proxy/tunnel.h"
#include "proxy/websocket.h"

void attempt_drop(struct exchange *x) { upstream_drop(&x->up); }

void attempt_let_go(struct exchange *x) {
    if (x->request_sent)
        upstream_release(&x->up);
    else
        upstream_drop(&x->up);
}

/* ---- the request goes out ---- */

err attempt_feed(struct exchange *x) {
    return kept_send(&x->kept, &x->fed, &x->up, x->request_ended, x->trailers, &x->request_sent);
}

/* The request, as far as it has come, to the backend's codec. */
static err submit(struct exchange *x) {
    x->fed = (struct kept_at){0};
    TRY(upstream_submit(&x->up, x->request, x->bodyless));
    x->request_sent = x->bodyless;
    return x->bodyless ? OK : attempt_feed(x);
}

static void send_request(struct exchange *x) {
    struct conn *client = &x->client->conn;
    exchange_move(x, X_WAIT);
    x->wrote_any = x->response_begun = x->response_ended = false;
    if (x->request->upgrade.n && websocket_asked(x) && websocket_ask(x) != OK) {
        exchange_fail(x, REASON_BAD_REQUEST);
        return;
    }
    err e = submit(x);
    if (e == ERR_AGAIN || e == ERR_END) { /* the backend takes no more streams on this connection */
        attempt_lost(x, REASON_BACKEND_RESET, true);
        return;
    }
    if (e != OK) {
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

/* ---- an endpoint ---- */

/* A pooled connection whose end nobody has told us yet would lose a request that must not be sent twice: ask the kernel first. */
static bool is_stale(struct exchange *x) {
    struct upstream_loan *l = &x->up;
    bool repeatable = retry_idempotent(x->request) && !retry_forbidden(x);
    if (!l->reused || repeatable || upstream_alive(l)) return false;
    upstream_drop(l);
    return true;
}

static err take(struct exchange *x, bool fresh) {
    bool websocket = x->request->upgrade.n && websocket_asked(x);
    struct upstream_want w = {.backend = x->target->backend,
                              .tried = &x->tried,
                              .again = x->attempts > 0,
                              .waits = true,
                              .in_turn = x->queued,
                              .client = admission_client(x),
                              .fresh = fresh,
                              .http1 = x->request->upgrade.n > 0 && !websocket,
                              .websocket = websocket,
                              .preferred = x->preferred.port ? &x->preferred : NULL,
                              .teller = &x->client->told,
                              .sender = &x->sender,
                              .connect_us = x->connect_max_us,
                              .idle_us = x->backend_idle_us,
                              .balancing = x->balancing};
    err e;
    do e = upstream_take(x->proxy->upstream, &w, &x->up);
    while (e == OK && is_stale(x));
    return e;
}

/* A rule that retries has each try avoid the endpoints of those before it, the latest above all, but rather goes round than gives up. */
static err take_another(struct exchange *x, bool fresh) {
    balance_tried_make_room(&x->tried);
    err e = take(x, fresh);
    if (e == ERR_ABSENT && x->tried.n) {
        balance_tried_fini(&x->tried);
        e = take(x, fresh);
    }
    if (e == OK && x->up.endpoint) balance_tried_add(&x->tried, x->up.endpoint);
    return e;
}

/* Until its turn comes, or the settings' time is over. */
static void queue_up(struct exchange *x) {
    if (!x->queued) x->attempt_due_us = proxy_core_now(x->proxy) + x->balancing->wait_us;
    x->queued = true;
    exchange_move(x, X_CONNECT);
    downstream_hold(x->client, !x->request_ended);
    exchange_set_timer(x);
}

/* Endpoints count as tried from when they are taken; else they do once they have failed. */
static bool avoids(const struct exchange *x) { return x->rule->retry || x->retry.elsewhere; }

void attempt_start(struct exchange *x, bool fresh) {
    err e = avoids(x) ? take_another(x, fresh) : take(x, fresh);
    if (e == OK && x->up.state == UPSTREAM_QUEUED) {
        queue_up(x);
        return;
    }
    if (x->queued) {
        x->attempt_due_us = UINT64_MAX;
        x->queued = false;
    }
    if (e == ERR_IO) {
        x->attempts++;
        attempt_failed(x, x->up.why);
        return;
    }
    if (e != OK) {
        exchange_refuse(x, e == ERR_LIMIT      ? REASON_BACKEND_OVERLOADED
                           : e == ERR_REFUSED  ? REASON_BACKEND_INVALID
                           : x->connect_reason ? x->connect_reason
                                               : REASON_NO_ENDPOINTS);
        return;
    }
    x->attempts++;
    retry_budget_count(x->proxy, x);
    x->endpoint = x->up.endpoint->at;
    x->attempt_us = proxy_core_now(x->proxy);
    if (x->trace) trace_attempt(x);
    exchange_move(x, X_CONNECT);
    if (x->up.state == UPSTREAM_OPEN) {
        send_request(x);
    } else {
        downstream_hold(x->client, !x->request_ended);
        exchange_set_timer(x);
    }
}

/* ---- another attempt ---- */

/* What the backend still has to say is read meanwhile and thrown away, so that its connection may serve others. */
static void pause_it(struct exchange *x) {
    exchange_move(x, X_PAUSE);
    x->attempt_due_us = UINT64_MAX;
    downstream_hold(x->client, !x->request_ended);
    exchange_set_timer(x);
}

void attempt_again(struct exchange *x) {
    attempt_drop(x);
    x->attempt_due_us = UINT64_MAX;
    attempt_start(x, x->retry.on_fresh);
}

/* Goes by the verdict; false: nothing more is tried. */
static bool obey(struct exchange *x, enum retry_verdict v) {
    switch (v) {
    case RETRY_NO: return false;
    case RETRY_NOW: attempt_again(x); return true;
    case RETRY_LATER: pause_it(x); return true;
    case RETRY_SPENT:
        attempt_drop(x);
        exchange_refuse(x, REASON_RETRY_BUDGET);
        return true;
    }
    abort();
}

void attempt_failed(struct exchange *x, enum http_reason why) {
    x->connect_reason = (uint8_t)why;
    if (x->trace) trace_attempt_over(x, why, 0);
    if (!obey(x, retry_fault(x, RETRY_UNSENT, why))) exchange_refuse(x, why);
}

/* A backend that takes too long has not closed its connection: it has the request. */
static bool was_closed_before(const struct exchange *x, enum http_reason why) {
    return x->up.reused && why != REASON_BACKEND_TIMEOUT && !x->retry.on_fresh && !x->response_begun &&
           !x->kept_lost && (retry_idempotent(x->request) || !x->wrote_any);
}

void attempt_lost(struct exchange *x, enum http_reason why, bool untouched) {
    bool pooled = was_closed_before(x, why);
    bool closed = x->up.reused && !x->response_begun && why == REASON_BACKEND_RESET; /* as any may be */
    if (!untouched && !closed) upstream_failed(&x->up);
    enum retry_fault f = untouched || !x->wrote_any ? RETRY_UNSENT : RETRY_MAYBE;
    if (pooled && !untouched) f = RETRY_POOLED;
    if (x->trace) trace_attempt_over(x, why, 0);
    attempt_drop(x);
    if (!obey(x, retry_fault(x, f, why))) exchange_fail(x, why);
}

void attempt_refused(struct exchange *x) {
    bool loyal =
        x->preferred.port && !x->retry.elsewhere; /* it is asked once more before a session changes hands */
    bool counted = avoids(x);
    x->retry.elsewhere = true;
    if (!counted && !loyal) {
        balance_tried_make_room(&x->tried);
        balance_tried_add(&x->tried, x->up.endpoint);
    }
    attempt_lost(x, REASON_BACKEND_RESET, true);
}

void attempt_late(struct exchange *x) {
    if (x->state == X_ASK && x->up.state == UPSTREAM_OPEN) upstream_failed(&x->up);
    if (x->state == X_WAIT)
        attempt_lost(x, REASON_BACKEND_TIMEOUT, false);
    else if (x->state == X_ASK)
        auth_fail(x);
    else
        exchange_fail(x, x->queued ? REASON_BACKEND_OVERLOADED : REASON_BACKEND_TIMEOUT);
}

bool attempt_answered(struct exchange *x, uint16_t status) {
    if (!x->rule->retry) return false;
    enum retry_verdict v = retry_status(x, status);
    if (x->trace && v != RETRY_NO) trace_attempt_over(x, REASON_NONE, status);
    return obey(x, v);
}

/* ---- what upstream/ tells ---- */

static struct exchange *of(struct upstream_loan *l) { return container_of(l, struct exchange, up); }

static void on_turn(struct upstream_loan *l) { attempt_start(of(l), of(l)->retry.on_fresh); }

static void on_opened(struct upstream_loan *l) {
    struct exchange *x = of(l);
    x->connect_us = proxy_core_now(x->proxy) - x->attempt_us;
    send_request(x);
}

static void on_failed(struct upstream_loan *l, enum http_reason why, const char *words) {
    (void)words;
    struct exchange *x = of(l);
    if (l->again && x->attempts <= BALANCE_TRIES) { /* it has done nothing wrong */
        x->preferred = l->endpoint->at;
        attempt_again(x);
        return;
    }
    if (!avoids(x)) balance_tried_add(&x->tried, l->endpoint);
    attempt_failed(x, why);
}

static void on_did_read(struct upstream_loan *l) {
    struct exchange *x = of(l);
    if (x->state == X_SEND || (x->state == X_PAUSE && x->response_ended))
        attempt_let_go(x);
    else
        relay_hold_backend(x);
}

static void on_wrote(struct upstream_loan *l) { relay_backend_wrote(of(l)); }

static void on_refused(struct upstream_loan *l, err e, enum http_reason why) {
    (void)e, (void)why;
    struct exchange *x = of(l);
    if (x->state == X_WAIT)
        attempt_lost(x, REASON_BACKEND_PROTOCOL, false);
    else if (x->state != X_SEND &&
             x->state != X_PAUSE) /* what was whole before is not harmed by what follows */
        exchange_fail(x, REASON_BACKEND_PROTOCOL);
}

static void on_ended(struct upstream_loan *l, bool cut) {
    (void)cut;
    struct exchange *x = of(l);
    if (x->state == X_WAIT)
        attempt_lost(x, l->why ? l->why : REASON_BACKEND_RESET, false);
    else if (x->state == X_TUNNEL)
        tunnel_backend_lost(x);
    else if (x->state != X_SEND && x->state != X_PAUSE)
        exchange_fail(x, REASON_BACKEND_CUT);
}

static void on_write_failed(struct upstream_loan *l) {
    struct exchange *x = of(l);
    if (x->state == X_TUNNEL)
        tunnel_check(x);
    else if (x->state == X_WAIT && !x->wrote_any)
        attempt_lost(x, REASON_BACKEND_RESET, false);
    /* otherwise what it has said before the end is read: maybe an early response */
}

static const struct upstream_events events = {
    .sink = &relay_sink,
    .turn = on_turn,
    .opened = on_opened,
    .failed = on_failed,
    .did_read = on_did_read,
    .wrote = on_wrote,
    .refused = on_refused,
    .ended = on_ended,
    .write_failed = on_write_failed,
};

const struct upstream_events *attempt_events(void) { return &events; }
