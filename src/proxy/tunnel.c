/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/tunnel.h"

#include "base/num.h"
#include "filter/filter.h"
#include "filter/upgrade.h"
#include "proxy/attempt.h"
#include "proxy/websocket.h"

/* One side has ended: the other does not stay for as long without a word. */
static void half_ended(struct exchange *x) {
    exchange_progress(x);
    x->still_us = num_min(x->tunnel_idle_us, x->proxy->limits.progress_us);
    x->look_us = x->progress_us + x->still_us;
    exchange_set_timer(x);
}

void tunnel_look(struct exchange *x, uint64_t now_us) {
    x->look_us = x->progress_us + x->still_us;
    if (x->look_us <= now_us)
        exchange_fail(x, REASON_TUNNEL_IDLE);
    else
        exchange_set_timer(x);
}

/* Nothing of the table is needed any more. */
static void let_go(struct exchange *x) {
    struct proxy *p = x->proxy;
    const struct table_rule *r = x->rule;
    record_keep_rule(x);
    assert(p->uses[r->slot] > 0);
    if (--p->uses[r->slot] == 0) p->rule_freed = true;
    x->rule = NULL, x->target = NULL;
    balance_tried_fini(&x->tried);
}

static void filter(struct exchange *x, struct http_msg *m) {
    if (x->target->filters_n) filter_response(x->target->filters, x->target->filters_n, m);
    if (x->rule->filters_n) filter_response(x->rule->filters, x->rule->filters_n, m);
}

void tunnel_begin(struct exchange *x, struct http_msg *m) {
    struct conn *client = &x->client->conn;
    if (!upgrade_agrees(x->request, m) || (websocket_asked(x) && websocket_agree(x, m) != OK)) {
        exchange_fail(x, REASON_BACKEND_PROTOCOL);
        return;
    }
    filter(x, m);
    if (client->codec->ops->submit(client->codec, &x->client_stream, m, false) != OK) {
        exchange_fail(x, REASON_BACKEND_PROTOCOL);
        return;
    }
    x->status = m->status;
    x->record.response = m;
    x->first_byte_us = proxy_core_now(x->proxy) - x->start_us;
    x->request_due_us = x->attempt_due_us = x->half_closed_due_us = UINT64_MAX;
    x->body_bytes_max = UINT64_MAX;
    x->still_us = x->tunnel_idle_us;
    exchange_progress(x);
    x->look_us = x->progress_us + x->still_us;
    x->request_ended = x->request_sent = x->response_ended = false;
    exchange_move(x, X_TUNNEL);
    x->proxy->counts.tunnels_open++;
    let_go(x);
    exchange_set_timer(x);
    conn_want_flush(client);
    if (client->read_over) {
        tunnel_client_ended(x); /* it had shut its side after the request */
        return;
    }
    /* what it has said ahead of the answer */
    client->codec->ops->consume(client->codec, x->client_stream, 0);
    if (x->state == X_TUNNEL) conn_resume(client);
}

void tunnel_client_ended(struct exchange *x) {
    if (x->request_ended) return;
    x->request_ended = true;
    half_ended(x);
    if (upstream_lent(&x->up) && upstream_submit_end(&x->up, NULL) == OK) upstream_flush(&x->up);
}

void tunnel_backend_ended(struct exchange *x) {
    if (x->response_ended) return;
    x->response_ended = true;
    half_ended(x);
    struct conn *client = &x->client->conn;
    if (client->codec->ops->submit_end(client->codec, x->client_stream, NULL) == OK) conn_want_flush(client);
}

void tunnel_client_lost(struct exchange *x) {
    struct conn *client = &x->client->conn;
    x->reason = REASON_CLIENT_GONE;
    client->write_over = true;
    if (client->read_over)
        tunnel_client_ended(x);
    else
        conn_resume(client);
    tunnel_check(x);
}

void tunnel_backend_lost(struct exchange *x) {
    x->reason = REASON_BACKEND_CUT;
    attempt_drop(x);
    if (downstream_is_shared(x->client))
        x->response_ended = x->tunnel_cut = true; /* a stream that is reset is told from one that ends */
    else
        tunnel_backend_ended(x);
    tunnel_check(x);
}

void tunnel_check(struct exchange *x) {
    const struct conn *client = &x->client->conn, *backend = x->up.conn ? &x->up.conn->conn : NULL;
    bool to_backend = !backend || backend->write_over || (x->request_ended && upstream_pending(&x->up) == 0);
    bool to_client =
        client->write_over || (x->response_ended && downstream_pending(x->client, x->client_stream) == 0);
    if (!to_backend || !to_client) return;
    attempt_drop(x);
    if (x->tunnel_cut)
        exchange_give_up(x, REASON_BACKEND_CUT);
    else
        exchange_finish(x);
}
