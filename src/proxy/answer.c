/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/answer.h"

#include "filter/filter.h"
#include "proxy/attempt.h"

static struct http_msg *make(struct proxy *p, struct arena *a, uint16_t status, str body) {
    struct http_msg *m = arena_make(a, struct http_msg);
    http_msg_init(m, a, false);
    m->version = 11;
    m->status = status;
    m->keep_alive = true;
    m->body = HTTP_BODY_LENGTH;
    m->content_length = body.n;
    if (body.n) http_msg_add(m, S("Content-Type"), S("text/plain"));
    http_msg_add(m, S("Date"), arena_str(a, proxy_core_date(p)));
    return m;
}

static err send_it(struct exchange *x, const struct http_msg *m, str body) {
    struct codec *c = x->client->conn.codec;
    bool no_body = body.n == 0 || (x->request && x->request->method_id == HTTP_HEAD);
    TRY(c->ops->submit(c, &x->client_stream, m, no_body));
    if (no_body) return OK;
    x->bytes_out += body.n;
    return c->ops->submit_body(c, x->client_stream, body, true);
}

static void answer(struct exchange *x, const struct http_msg *m, str body) {
    struct downstream *d = x->client;
    if (!x->start_us) { /* there was no head to speak of */
        x->start_us = proxy_core_now(x->proxy);
        x->wall_us = proxy_core_wall_us(x->proxy);
        x->proxy->counts.requests_open++;
    }
    attempt_drop(x);
    x->status = m->status;
    x->record.response = m;
    x->first_byte_us = proxy_core_now(x->proxy) - x->start_us;
    if (send_it(x, m, body) != OK) { /* the codec can not say it: beyond repair */
        exchange_give_up(x, x->reason);
        return;
    }
    exchange_progress(x);
    exchange_move(x, X_SEND);
    exchange_set_timer(x);
    conn_want_flush(&d->conn);
}

static str words_of(struct arena *a, enum http_reason why) {
    str name = http_reason_name(why), words = http_reason_words(why);
    return arena_printf(a, "postern: " STR_FMT ": " STR_FMT "\n", STR_ARG(name), STR_ARG(words));
}

/* A script that may see responses of the rule may see that there is none, too. */
static void say_cors(struct exchange *x, struct http_msg *m) {
    if (x->cors) filter_cors(x->cors, x->origin, m);
}

/* By which a user who got it can ask what became of the request. */
static void say_id(struct exchange *x, struct http_msg *m) {
    const struct http_field *id = x->tells_id ? http_msg_find_id(x->request, FIELD_X_REQUEST_ID) : NULL;
    if (id) request_id_put(m, id->value);
}

void answer_reason(struct exchange *x, enum http_reason why) {
    str body = words_of(x->arena, why);
    x->reason = (uint8_t)why;
    struct http_msg *m = make(x->proxy, x->arena, http_reason_status(why), body);
    say_cors(x, m);
    say_id(x, m);
    answer(x, m, body);
}

void answer_preflight(struct exchange *x) {
    x->reason = REASON_PREFLIGHT;
    struct http_msg *m = make(x->proxy, x->arena, 204, S(""));
    m->body = HTTP_BODY_NONE;
    filter_preflight(x->cors, x->request, m);
    say_id(x, m);
    answer(x, m, S(""));
}

void answer_redirect(struct exchange *x) {
    struct filter_context cx = {
        .host = x->host, .tls = x->client->tls, .listener_port = x->listener_port, .prefix = x->match.prefix};
    x->reason = REASON_REDIRECT;
    str location = filter_redirect_location(x->redirect, &cx, x->request);
    struct http_msg *m = make(x->proxy, x->arena, x->redirect->status, S(""));
    http_msg_add(m, S("Location"), location);
    say_cors(x, m);
    say_id(x, m);
    answer(x, m, S(""));
}

struct http_msg *answer_make(struct exchange *x, uint16_t status, str body) {
    struct http_msg *m = make(x->proxy, x->arena, status, body);
    if (status == 204 || status == 304) m->body = HTTP_BODY_NONE;
    return m;
}

void answer_send(struct exchange *x, struct http_msg *m, str body) {
    say_cors(x, m);
    answer(x, m, body);
}

static void report(const struct downstream *d, uint16_t status, size_t bytes_out) {
    struct proxy *p = d->proxy;
    struct access_record r = {.time_us = proxy_core_wall_us(p),
                              .client = d->peer,
                              .client_port = d->peer_port,
                              .tls = d->tls,
                              .status = status,
                              .reason = REASON_OVERLOAD,
                              .rule = -1,
                              .bytes_out = bytes_out};
    if (p->report) p->report(p->report_arg, &r);
}

void answer_overload(struct downstream *d) {
    OWNED(arena) a = arena_new();
    struct codec *c = d->conn.codec;
    str body = words_of(a, REASON_OVERLOAD);
    const struct http_msg *m = make(d->proxy, a, http_reason_status(REASON_OVERLOAD), body);
    if (c->ops->submit(c, &d->refused_stream, m, false) == OK &&
        c->ops->submit_body(c, d->refused_stream, body, true) == OK)
        conn_flush(&d->conn); /* within the call, for the words are borrowed */
    report(d, m->status, body.n);
}

void answer_refused(struct downstream *d) { report(d, 0, 0); }
