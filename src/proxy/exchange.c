/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/exchange.h"

#include "base/clear.h"
#include "base/num.h"
#include "filter/filter.h"
#include "proxy/admission.h"
#include "proxy/answer.h"
#include "proxy/attempt.h"
#include "proxy/mirror.h"
#include "proxy/relay.h"
#include "proxy/tunnel.h"
#include "proxy/watch.h"

static const uint16_t exchange_moves[] = {
    [X_HEAD] = 1 << X_ROUTE | 1 << X_SEND | 1 << X_DONE, /* X_SEND: 400, 408, 431 before there is a head */
    [X_ROUTE] = 1 << X_ASK | 1 << X_CONNECT | 1 << X_PAUSE | 1 << X_SEND | 1 << X_DONE,
    [X_ASK] = 1 << X_ROUTE | 1 << X_CONNECT | 1 << X_PAUSE | 1 << X_RELAY | 1 << X_SEND | 1 << X_DONE,
    [X_CONNECT] = 1 << X_CONNECT | 1 << X_PAUSE | 1 << X_WAIT | 1 << X_SEND | 1 << X_DONE,
    [X_PAUSE] = 1 << X_CONNECT | 1 << X_PAUSE | 1 << X_SEND | 1 << X_DONE,
    [X_WAIT] = 1 << X_CONNECT | 1 << X_PAUSE | 1 << X_RELAY | 1 << X_TUNNEL | 1 << X_SEND | 1 << X_DONE,
    [X_RELAY] = 1 << X_SEND | 1 << X_DONE,
    [X_TUNNEL] = 1 << X_DONE,
    [X_SEND] = 1 << X_DONE,
    [X_DONE] = 0,
};

void exchange_move(struct exchange *x, enum exchange_state to) {
    assert(exchange_moves[x->state] & 1 << to);
    x->state = (uint8_t)to;
}

/* ---- deadlines ---- */

static bool waits_for_bytes(const struct exchange *x) {
    if (x->state == X_RELAY || x->state == X_TUNNEL || x->state == X_SEND) return true;
    if (x->state == X_ASK) return x->ask.collects;
    return x->state == X_WAIT && (!x->request_ended || upstream_pending(&x->up));
}

static uint64_t next_due(const struct exchange *x) {
    uint64_t due = x->half_closed_due_us;
    if (x->state != X_SEND) due = num_min(due, num_min(x->request_due_us, x->attempt_due_us));
    if (x->state == X_PAUSE) due = num_min(due, x->retry.due_us);
    return waits_for_bytes(x) ? num_min(due, x->look_us) : due;
}

void exchange_set_timer(struct exchange *x) {
    uint64_t due = next_due(x);
    if (due == UINT64_MAX)
        timer_clear(&x->timer);
    else
        timer_set(&x->proxy->common.loop->timers, &x->timer, due);
}

void exchange_progress(struct exchange *x) { x->progress_us = proxy_core_now(x->proxy); }

static void on_due(struct timer *t, uint64_t now_us) {
    struct exchange *x = container_of(t, struct exchange, timer);
    if (x->state == X_DONE) return;
    if (next_due(x) > now_us) {
        exchange_set_timer(x);
    } else if (x->state == X_TUNNEL) {
        tunnel_look(x, now_us);
    } else if (x->half_closed_due_us <= now_us) {
        exchange_give_up(x, REASON_CLIENT_GONE);
    } else if (x->state != X_SEND && x->request_due_us <= now_us) {
        if (x->state == X_WAIT) upstream_failed(&x->up);
        exchange_fail(x, REASON_BACKEND_TIMEOUT);
    } else if (x->state != X_SEND && x->attempt_due_us <= now_us) {
        attempt_late(x);
    } else if (x->state == X_PAUSE) {
        attempt_again(x);
    } else {
        watch_look(x, now_us);
    }
}

void exchange_half_closed(struct exchange *x) {
    if (x->half_closed_due_us != UINT64_MAX || x->state == X_SEND || x->state == X_TUNNEL) return;
    x->half_closed_due_us = proxy_core_now(x->proxy) + x->proxy->limits.half_closed_us;
    exchange_set_timer(x);
}

/* ---- begin and end ---- */

/* The one before may still be written when the answer to the next one begins. */
static void note_end(struct downstream *d) {
    struct exchange *before = container_of(d->exchanges.prev, struct exchange, on_client);
    before->over_at = d->conn.written + d->conn.codec->ops->pending(d->conn.codec);
}

struct exchange *exchange_begin(struct downstream *d, uint32_t stream) {
    struct proxy *p = d->proxy;
    if (pool_lent(&p->exchanges) >= p->limits.exchanges_max) return NULL;
    bool fresh;
    struct exchange *x = pool_take(&p->exchanges, &fresh);
    if (fresh) {
        timer_init(&x->timer, on_due);
        x->arena = arena_new();
        arena_bytes(x->arena, PROXY_ARENA_BYTES); /* the first block, which a reset keeps */
        arena_reset(x->arena);
        x->arena_usual = arena_size(x->arena);
    }
    clear_bytes(x, offsetof(struct exchange, arena));
    x->proxy = p;
    x->client = d;
    x->client_stream = stream;
    x->up.events = attempt_events();
    x->request_due_us = x->attempt_due_us = x->half_closed_due_us = UINT64_MAX;
    x->body_bytes_max = UINT64_MAX;
    x->sender = d->peer;
    if (!link_empty(&d->exchanges)) { /* a read brought several */
        conn_charge(&d->conn, 1);
        if (!downstream_is_shared(d)) note_end(d);
    }
    link_append(&d->exchanges, &x->on_client);
    return x;
}

void exchange_drop(void *item) {
    struct exchange *x = item;
    if (x->proxy) timer_forget(&x->proxy->common.loop->timers, &x->timer);
    arena_free(x->arena);
}

static void done(struct exchange *x) {
    struct proxy *p = x->proxy;
    if (x->state == X_TUNNEL) p->counts.tunnels_open--;
    exchange_move(x, X_DONE);
    timer_clear(&x->timer);
    if (x->start_us) {
        p->counts.requests_open--;
        record_report(x);
    }
    if (x->rule) proxy_core_unuse(p, x->rule);
    if (x->mirrors) mirror_cut(x);
    if (x->balancing) policy_release(p->upstream, x->balancing);
    balance_tried_fini(&x->tried);
    kept_drop(&x->kept, &p->common.buffers);
    if (x->ask.since_us) auth_fini(x);
    link_remove(&x->on_client);
    x->client = NULL;
    link_append(&p->finished, &x->finished);
}

void exchange_reap(struct proxy *p) {
    for (struct link *l; (l = link_pop(&p->finished));) {
        struct exchange *x = container_of(l, struct exchange, finished);
        if (arena_size(x->arena) > x->arena_usual) p->arena_misses++;
        arena_reset(x->arena);
        pool_give(&p->exchanges, x);
    }
}

void exchange_finish(struct exchange *x) {
    struct downstream *d = x->client;
    bool more = !x->request_ended;
    if (upstream_lent(&x->up)) attempt_let_go(x);
    done(x);
    downstream_next(d, more);
}

void exchange_abort(struct exchange *x, enum http_reason why) {
    if (x->state == X_DONE) return;
    attempt_drop(x);
    x->reason = (uint8_t)why;
    done(x);
}

void exchange_give_up(struct exchange *x, enum http_reason why) {
    struct downstream *d = x->client;
    uint32_t stream = x->client_stream;
    exchange_abort(x, why);
    if (exchange_ends_by_close(x))
        conn_break(&d->conn);
    else
        downstream_cut(d, stream, why);
}

/* The response has begun and can not be completed: the client must be able to tell. */
static void cut(struct exchange *x, enum http_reason why) {
    struct downstream *d = x->client;
    struct codec *c = d->conn.codec;
    if (downstream_is_shared(d)) {
        exchange_give_up(x, why);
        return;
    }
    if (exchange_ends_by_close(x)) {
        exchange_give_up(x, why);
        return;
    }
    c->ops->reset(c, x->client_stream, why);
    exchange_abort(x, why);
    if (c->ops->reusable(c)) return;
    conn_flush(&d->conn); /* what has come is passed on as far as it goes, and no reset overtakes it; */
    if (link_empty(&d->exchanges)) conn_finish(&d->conn, true); /* an answer before it is written first */
}

void exchange_refuse(struct exchange *x, enum http_reason why) { answer_reason(x, why); }

void exchange_fail(struct exchange *x, enum http_reason why) {
    attempt_drop(x);
    if (x->state == X_RELAY || x->state == X_TUNNEL || x->state == X_SEND)
        cut(x, why);
    else if (x->state != X_DONE)
        exchange_refuse(x, why);
}

/* ---- the request arrives ---- */

static void note_request(struct exchange *x, struct http_msg *m) {
    x->request = m;
    record_begin(x);
    x->version = m->version;
    x->start_us = x->progress_us = proxy_core_now(x->proxy);
    x->look_us = x->start_us + x->proxy->limits.look_us;
    x->wall_us = proxy_core_wall_us(x->proxy);
    x->method = m->method, x->authority = m->authority, x->path = m->path, x->query = m->query;
    x->proxy->counts.requests_open++;
}

static err apply_filters(struct exchange *x) {
    struct filter_context cx = {
        .host = x->host, .tls = x->client->tls, .listener_port = x->listener_port, .prefix = x->match.prefix};
    return filter_request_all(x->rule, x->target, &cx, x->request);
}

static void go_on(struct exchange *x, enum http_reason why) {
    if (why == REASON_NONE && !x->redirect && !x->preflight && apply_filters(x) != OK)
        why = REASON_FILTER_FAILED;
    record_routed(x);
    if (why != REASON_NONE) {
        exchange_refuse(x, why);
    } else if (x->preflight) {
        answer_preflight(x);
    } else if (x->redirect) {
        answer_redirect(x);
    } else {
        if (x->rule->mirrors) mirror_begin(x);
        attempt_start(x, false);
    }
}

static void admit(struct exchange *x, enum admission how) {
    enum http_reason why = admission_check(x, how);
    if (x->request_timeout_us) x->request_due_us = x->start_us + x->request_timeout_us;
    if (why == REASON_NONE && x->rule->asks && !x->preflight)
        auth_begin(x);
    else
        go_on(x, why);
}

static void admit_again(struct exchange *x, enum admission how) {
    exchange_move(x, X_ROUTE);
    balance_tried_fini(&x->tried);
    x->request_due_us = UINT64_MAX;
    admit(x, how);
}

bool exchange_renew(struct exchange *x) {
    if (!admission_is_old(x)) return false;
    admit_again(x, ADMISSION_RENEW);
    return true;
}

static bool is_gone(const struct exchange *x) {
    const struct table_backend *b = x->target ? x->target->backend : NULL;
    return b && x->proxy->table && !table_endpoints(x->proxy->table, b->slot);
}

void exchange_let_in(struct exchange *x) {
    if (x->rule->index < 0) /* the listener's filters are done: now it is matched, by what they made of it */
        admit_again(x, ADMISSION_GO_ON);
    else if (!is_gone(x) || !exchange_renew(x))
        go_on(x, REASON_NONE);
}

void exchange_head(struct exchange *x, struct http_msg *m, bool end) {
    note_request(x, m);
    x->bodyless = x->request_ended = end;
    exchange_move(x, X_ROUTE);
    admit(x, ADMISSION_FRESH);
}

void exchange_body(struct exchange *x, str bytes) {
    x->bytes_in += bytes.n;
    exchange_progress(x);
    x->owed_client += bytes.n;
    if (x->bytes_in > x->body_bytes_max && x->state != X_SEND && x->state != X_DONE) {
        exchange_fail(x, REASON_BODY_TOO_LARGE);
        return;
    }
    if (x->mirrors) mirror_body(x, bytes);
    bool flows = x->state == X_WAIT || x->state == X_RELAY || x->state == X_TUNNEL;
    if (exchange_keeps(x)) {
        kept_add(&x->kept, &x->proxy->common.buffers, bytes);
        if (x->state == X_ASK) auth_body(x);
    } else if (flows && upstream_lent(&x->up) && !x->ask.denied) {
        relay_request_body(x, bytes);
    } else { /* nobody wants it */
        struct codec *c = x->client->conn.codec;
        c->ops->consume(c, x->client_stream, x->owed_client);
        x->owed_client = 0;
    }
}

void exchange_end(struct exchange *x, struct http_msg *trailers) {
    if (x->state == X_TUNNEL) {
        tunnel_client_ended(x);
        return;
    }
    if (x->request_ended) return;
    x->request_ended = true;
    x->trailers = trailers;
    if (x->mirrors) mirror_end(x, trailers);
    if (x->state == X_ASK)
        auth_end(x);
    else if ((x->state == X_WAIT || x->state == X_RELAY) && upstream_lent(&x->up) && !x->ask.denied)
        relay_request_end(x);
}
