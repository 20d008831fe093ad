/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/auth.h"

#include "proxy/admission.h"
#include "proxy/attempt.h"
#include "proxy/auth_grpc.h"
#include "proxy/exchange.h"
#include "proxy/relay.h"

_Static_assert(offsetof(struct errand, up) == 0, "the exchange's loan is the errand's");

static struct exchange *of(struct errand *e) { return container_of(e, struct exchange, errand); }

/* ---- the question ---- */

static bool is_listed(const str *v, uint32_t n, str name) {
    for (uint32_t i = 0; i < n; i++)
        if (str_ieq(v[i], name)) return true;
    return false;
}

/* Fields that are of a connection or of the message they came in, whatever a list says. */
static bool is_own(uint8_t id) {
    static const uint32_t own =
        UINT32_C(1) << FIELD_CONNECTION | UINT32_C(1) << FIELD_CONTENT_LENGTH | UINT32_C(1) << FIELD_EXPECT |
        UINT32_C(1) << FIELD_HOST | UINT32_C(1) << FIELD_HTTP2_SETTINGS | UINT32_C(1) << FIELD_KEEP_ALIVE |
        UINT32_C(1) << FIELD_PROXY_CONNECTION | UINT32_C(1) << FIELD_TE | UINT32_C(1) << FIELD_TRAILER |
        UINT32_C(1) << FIELD_TRANSFER_ENCODING | UINT32_C(1) << FIELD_UPGRADE;
    return own >> id & 1;
}

static struct http_msg *question(struct exchange *x) {
    const struct table_auth *a = x->ask.now;
    const struct http_msg *r = x->request;
    struct http_msg *m = arena_make(x->arena, struct http_msg);
    http_msg_init(m, x->arena, true);
    m->method = r->method, m->method_id = r->method_id;
    m->authority = r->authority, m->host = r->host;
    m->path =
        a->path.n ? arena_printf(x->arena, STR_FMT STR_FMT, STR_ARG(a->path), STR_ARG(r->path)) : r->path;
    m->query = r->query;
    m->body = HTTP_BODY_LENGTH;
    m->content_length = a->body_bytes_max ? x->kept.n : 0;
    m->keep_alive = true;
    for (uint32_t i = 0; i < r->fields_n; i++) {
        const struct http_field *f = &r->fields[i];
        if (f->gone || is_own(f->id)) continue;
        if (!str_ieq(f->name, S("authorization")) &&
            !is_listed(a->request_headers, a->request_headers_n, f->name))
            continue;
        http_msg_add_known(m, f->id, f->name, f->value);
    }
    return m;
}

static const struct http_msg *request(struct errand *e, bool *ret_whole) {
    struct exchange *x = of(e);
    bool grpc = x->ask.now->grpc;
    struct http_msg *m = grpc ? auth_grpc_question(x) : question(x);
    x->fed = (struct kept_at){0};
    *ret_whole = !grpc && !m->content_length;
    return m;
}

static err feed(struct errand *e) {
    struct exchange *x = of(e);
    if (x->ask.now->grpc) return auth_grpc_feed(x);
    return kept_send(&x->kept, &x->fed, &x->up, x->request_ended, x->trailers, &e->sent);
}

static err take(struct errand *e, bool again) {
    struct exchange *x = of(e);
    struct upstream_want w = {.backend = x->ask.now->backend,
                              .again = again,
                              .client = admission_client(x),
                              .connect_us = x->connect_max_us,
                              .idle_us = x->backend_idle_us,
                              .balancing = x->balancing};
    return errand_take(e, &w);
}

/* Nobody is asked any more. */
static void leave(struct exchange *x) {
    x->record.auth_us = proxy_core_now(x->proxy) - x->ask.since_us;
    x->attempt_due_us = UINT64_MAX;
    errand_leave(&x->errand, attempt_events());
}

/* ---- one after the other ---- */

static const struct table_auth *next(struct exchange *x) {
    uint32_t of_rule = x->rule->filters_n, of_target = x->target ? x->target->filters_n : 0;
    while (x->ask.at < of_rule + of_target) {
        uint32_t i = x->ask.at++;
        const struct table_filter *f = i < of_rule ? &x->rule->filters[i] : &x->target->filters[i - of_rule];
        if (f->type == TABLE_AUTH) return f->auth;
    }
    return NULL;
}

static const struct errand_ops ops;

static void ask(struct exchange *x) {
    struct proxy *p = x->proxy;
    x->ask.collects = x->ask.allowed = false;
    errand_init(&x->errand, &ops, p->upstream, x->arena);
    x->errand.repeatable = true;
    downstream_hold(x->client, !x->request_ended);
    x->attempt_due_us = proxy_core_now(p) + p->limits.auth_us;
    exchange_set_timer(x);
    errand_begin(&x->errand);
}

/* The client sends a body that the server is to be told; who waits for a word before, gets it. */
static void collect(struct exchange *x) {
    struct conn *client = &x->client->conn;
    x->ask.collects = true;
    exchange_progress(x);
    exchange_set_timer(x);
    downstream_hold(x->client, false); /* another may have been asked before, without the body */
    conn_resume(client);
    if (x->owed_client) {
        conn_want_flush(client);
        auth_body(x);
        if (x->state != X_ASK) return;
    }
    if (!x->request->expect_continue) return;
    struct http_msg *m = arena_make(x->arena, struct http_msg);
    http_msg_init(m, x->arena, false);
    m->status = 100;
    http_msg_remove(x->request, S("Expect")); /* nobody waits any more */
    x->request->expect_continue = false;
    if (client->codec->ops->submit(client->codec, &x->client_stream, m, false) == OK) conn_want_flush(client);
}

static void go_on(struct exchange *x) {
    const struct table_auth *a = x->ask.now = next(x);
    if (!a) {
        leave(x);
        exchange_let_in(x);
        return;
    }
    if (!a->backend) {
        exchange_refuse(x, REASON_INVALID_BACKEND);
        return;
    }
    if (a->body_bytes_max &&
        (x->kept.n > a->body_bytes_max ||
         (x->request->body == HTTP_BODY_LENGTH && x->request->content_length > a->body_bytes_max))) {
        exchange_refuse(x, REASON_BODY_TOO_LARGE);
        return;
    }
    if (a->body_bytes_max && !x->request_ended)
        collect(x);
    else
        ask(x);
}

void auth_begin(struct exchange *x) {
    /* after the listener's filters those of the rule: what they kept and how long they took counts on */
    x->ask = (struct auth){.since_us = x->ask.since_us ? x->ask.since_us : proxy_core_now(x->proxy),
                           .held = x->ask.held,
                           .call = x->ask.call};
    exchange_move(x, X_ASK);
    go_on(x);
}

void auth_body(struct exchange *x) {
    struct proxy *p = x->proxy;
    if (!x->ask.collects) return;
    size_t more = x->kept.n - x->ask.held;
    x->ask.held += more;
    p->auth_bytes += more;
    if (x->kept.n > x->ask.now->body_bytes_max) {
        exchange_fail(x, REASON_BODY_TOO_LARGE);
    } else if (p->auth_bytes > AUTH_ALL_BYTES_MAX) {
        exchange_fail(x, REASON_OVERLOAD);
    } else {
        struct codec *c = x->client->conn.codec;
        c->ops->consume(c, x->client_stream, x->owed_client);
        x->owed_client = 0;
    }
}

void auth_end(struct exchange *x) {
    if (x->ask.collects) ask(x);
}

void auth_fini(struct exchange *x) {
    x->proxy->auth_bytes -= x->ask.held;
    x->ask.held = 0;
    balance_tried_fini(&x->errand.tried);
}

/* ---- the answer ---- */

void auth_fail(struct exchange *x) {
    errand_drop(&x->errand);
    exchange_fail(x, REASON_AUTH_UNAVAILABLE);
}

/* "Content-Type" and the like are of the answer's own body. */
static bool describes_body(str name) {
    str content = S("content-");
    return name.n >= content.n && str_ieq(str_upto(name, content.n), content);
}

/* What the answer says goes to the backend: each of its fields instead of the request's of that name. */
static void take_over(struct exchange *x, const struct http_msg *m) {
    const struct table_auth *a = x->ask.now;
    struct http_msg *r = x->request;
    uint32_t first = r->fields_n;
    for (uint32_t i = 0; i < m->fields_n; i++) {
        const struct http_field *f = &m->fields[i];
        bool wanted = a->response_headers_n ? is_listed(a->response_headers, a->response_headers_n, f->name)
                                            : !describes_body(f->name);
        if (f->gone || is_own(f->id) || !wanted) continue;
        for (uint32_t k = 0; k < first; k++)
            if (str_ieq(r->fields[k].name, f->name)) r->fields[k].gone = true;
        http_msg_add_known(r, f->id, f->name, f->value);
    }
}

static void on_head(struct errand *e, struct http_msg *m, bool end) {
    struct exchange *x = of(e);
    if (m->status == 101) auth_fail(x);
    if (m->status < 200) return;
    if (x->ask.now->grpc) {
        if (!auth_grpc_head(x, m, end)) auth_fail(x);
        return;
    }
    if (m->status == 200) {
        take_over(x, m);
        x->ask.allowed = true;
        return;
    }
    x->ask.denied = true;
    x->reason = REASON_AUTH_DENIED;
    x->request_sent = e->sent;
    leave(x);
    relay_answer(x, m, end);
}

static void on_body(struct errand *e, str bytes) {
    struct exchange *x = of(e);
    if (x->ask.now->grpc && !auth_grpc_body(x, bytes)) auth_fail(x);
}

static void on_end(struct errand *e, struct http_msg *trailers) {
    struct exchange *x = of(e);
    if (x->ask.now->grpc && !auth_grpc_end(x, trailers)) auth_fail(x);
}

static void deny(struct exchange *x) {
    leave(x);
    auth_grpc_deny(x);
}

static void on_over(struct errand *e, enum errand_end how) {
    struct exchange *x = of(e);
    switch (how) {
    case ERRAND_ANSWERED:
        if (x->ask.denied)
            deny(x);
        else
            go_on(x);
        return;
    case ERRAND_NOBODY:
    case ERRAND_AWAY:
    case ERRAND_INVALID:
    case ERRAND_FULL:
        leave(x);
        if (!exchange_renew(x)) auth_fail(x);
        return;
    case ERRAND_GONE:
    case ERRAND_HEAD:
    case ERRAND_BODY:
    case ERRAND_PROTOCOL:
    case ERRAND_LOST: auth_fail(x); return;
    }
}

static const struct errand_ops ops = {
    .take = take,
    .request = request,
    .feed = feed,
    .head = on_head,
    .body = on_body,
    .end = on_end,
    .over = on_over,
    .repeats = 2,
    .blames = ERRAND_BLAMES_LOSS,
};
