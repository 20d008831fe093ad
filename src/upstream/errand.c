/* SPDX-License-Identifier: Apache-2.0 */
#include "upstream/errand.h"

static struct errand *of(void *loan) { return container_of((struct upstream_loan *)loan, struct errand, up); }

/* ---- its end ---- */

void errand_drop(struct errand *e) {
    upstream_drop(&e->up);
    balance_tried_fini(&e->tried);
}

static void stop(struct errand *e, enum errand_end how) {
    errand_drop(e);
    e->ops->over(e, how);
}

/* A loan that ended with its connection is over already. */
static void complete(struct errand *e) {
    if (e->sent && upstream_lent(&e->up)) upstream_release(&e->up);
    stop(e, ERRAND_ANSWERED);
}

void errand_leave(struct errand *e, const struct upstream_events *to) {
    balance_tried_fini(&e->tried);
    upstream_hand_over(&e->up, to);
}

/* ---- the request ---- */

static void start(struct errand *e, bool again);

/* The connection has no room for it, or nobody has looked at it: another one may take it. */
static void again(struct errand *e) {
    upstream_drop(&e->up);
    if (!e->repeats) {
        stop(e, ERRAND_LOST);
        return;
    }
    e->repeats--;
    start(e, true);
}

void errand_feed(struct errand *e) {
    if (e->ops->feed(e) != OK)
        stop(e, ERRAND_BODY);
    else
        upstream_flush(&e->up);
}

static void send_request(struct errand *e) {
    bool whole = true;
    e->begun = e->ended = e->sent = false;
    const struct http_msg *m = e->ops->request(e, &whole);
    if (!m) {
        complete(e);
        return;
    }
    e->sent = whole;
    err how = upstream_submit(&e->up, m, whole);
    if (how == ERR_AGAIN || how == ERR_END)
        again(e);
    else if (how != OK)
        stop(e, ERRAND_HEAD);
    else if (whole)
        upstream_flush(&e->up);
    else
        errand_feed(e);
}

err errand_take(struct errand *e, struct upstream_want *w) {
    w->tried = &e->tried;
    w->fresh = e->fresh;
    for (;;) {
        err how = upstream_take(e->set, w, &e->up);
        if (how == ERR_IO) continue; /* the endpoint is among the tried now */
        if (how != OK || !e->ops->looks || !e->up.reused || upstream_alive(&e->up)) return how;
        upstream_drop(&e->up);
    }
}

static enum errand_end why_not(const struct errand *e, err how) {
    if (how == ERR_END) return ERRAND_GONE;
    if (how == ERR_LIMIT) return ERRAND_FULL;
    if (how == ERR_REFUSED) return ERRAND_INVALID;
    return e->tried.n ? ERRAND_AWAY : ERRAND_NOBODY;
}

static void start(struct errand *e, bool again) {
    err how = e->ops->take(e, again);
    if (how != OK)
        stop(e, why_not(e, how));
    else if (e->up.state == UPSTREAM_OPEN)
        send_request(e);
}

void errand_begin(struct errand *e) { start(e, false); }

/* ---- what upstream/ tells ---- */

static void on_opened(struct upstream_loan *l) { send_request(of(l)); }

static void on_failed(struct upstream_loan *l, enum http_reason why, const char *words) {
    (void)why, (void)words;
    struct errand *e = of(l);
    balance_tried_add(&e->tried, l->endpoint);
    start(e, true);
}

static bool is_to_blame(const struct errand *e, bool closed) {
    if (e->ops->blames == ERRAND_BLAMES_SILENCE) return !e->up.reused && !e->begun;
    return e->ops->blames == ERRAND_BLAMES_LOSS && !closed;
}

/* An answer that lasts to the end of the connection ends with it. A pooled connection that was closed meanwhile has most likely carried nothing of it. untouched: nobody has looked at it, they say.
 *                                                                                                [RFC 9110 9.2.2] [RFC 9113 8.7] */
static void lost(struct errand *e, bool untouched) {
    if (e->ended) { /* what follows a whole answer does it no harm */
        complete(e);
        return;
    }
    bool closed = (e->repeatable || !e->wrote_any) && e->up.reused && !e->begun && !e->fresh;
    if (!untouched && is_to_blame(e, closed)) upstream_failed(&e->up);
    e->fresh |= !untouched;
    if (untouched || closed)
        again(e);
    else
        stop(e, ERRAND_LOST);
}

static void on_did_read(struct upstream_loan *l) {
    if (of(l)->ended) complete(of(l));
}

static void on_wrote(struct upstream_loan *l) {
    struct errand *e = of(l);
    e->wrote_any = true;
    if (e->ops->wrote)
        e->ops->wrote(e);
    else if (!e->sent)
        errand_feed(e);
}

static void on_refused(struct upstream_loan *l, err e, enum http_reason why) {
    (void)e, (void)why;
    if (of(l)->ended)
        complete(of(l));
    else
        stop(of(l), ERRAND_PROTOCOL);
}

static void on_ended(struct upstream_loan *l, bool cut) {
    (void)cut;
    lost(of(l), false);
}

static void on_write_failed(struct upstream_loan *l) { (void)l; /* its end is read next */ }

static struct arena *on_begin(void *arg, uint32_t stream) {
    (void)stream;
    of(arg)->begun = true;
    return of(arg)->arena;
}

static void on_head(void *arg, uint32_t stream, struct http_msg *m, bool end) {
    (void)stream;
    struct errand *e = of(arg);
    if (m->status >= 200 && e->ops->blames != ERRAND_BLAMES_NOT) upstream_answered(&e->up, m->status);
    e->ended = end;
    if (e->ops->head) e->ops->head(e, m, end);
}

static void on_body(void *arg, uint32_t stream, str bytes) {
    (void)stream;
    struct errand *e = of(arg);
    upstream_consume(&e->up, bytes.n);
    if (e->ops->body) e->ops->body(e, bytes);
}

static void on_end(void *arg, uint32_t stream, struct http_msg *trailers) {
    (void)stream;
    struct errand *e = of(arg);
    e->ended = true;
    if (e->ops->end) e->ops->end(e, trailers);
}

static void on_reset(void *arg, uint32_t stream, enum http_reason why) {
    (void)stream;
    lost(of(arg), why == REASON_BACKEND_REFUSED);
}

static const struct codec_sink sink = {
    .begin = on_begin, .head = on_head, .body = on_body, .end = on_end, .reset = on_reset};
static const struct upstream_events events = {
    .sink = &sink,
    .opened = on_opened,
    .failed = on_failed,
    .did_read = on_did_read,
    .wrote = on_wrote,
    .refused = on_refused,
    .ended = on_ended,
    .write_failed = on_write_failed,
};

void errand_init(struct errand *e, const struct errand_ops *ops, struct upstream *set, struct arena *arena) {
    assert(!upstream_lent(&e->up) && !e->tried.n);
    *e = (struct errand){
        .up = {.events = &events}, .ops = ops, .set = set, .arena = arena, .repeats = ops->repeats};
}
