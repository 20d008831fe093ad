/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/auth_grpc.h"

#include "http/http_uri.h"
#include "io/sock.h"
#include "proto/authz.h"
#include "proto/protobuf.h"
#include "proxy/answer.h"
#include "proxy/exchange.h"

struct auth_call { /* in the exchange's arena; one for each time it is asked */
    struct auth_call *before;
    str head; /* of the request's body: all but the bytes of the client's */
    bool head_sent;
    uint64_t told; /* bytes of the client's body */
    uint8_t frame[AUTHZ_FRAME_BYTES];
    uint32_t frame_n;
    char *message; /* once its length is known */
    uint32_t message_n, got;
    struct authz_verdict verdict;
};

/* ---- the question ---- */

static bool is_text(const struct kept *k) {
    struct protobuf_utf8 u = {0};
    struct kept_at at = {0};
    for (str s; (s = kept_next(k, &at)).n; kept_step(&at, s.n)) protobuf_utf8_add(&u, s);
    return protobuf_utf8_ok(&u);
}

static int64_t size_of_body(const struct exchange *x) {
    const struct http_msg *m = x->request;
    if (x->request_ended) return (int64_t)x->kept.n;
    return m->body == HTTP_BODY_LENGTH && m->content_length <= INT64_MAX ? (int64_t)m->content_length : -1;
}

static str make_head(struct exchange *x, uint64_t told) {
    const struct table_auth *a = x->ask.now;
    struct downstream *d = x->client;
    struct authz_question q = {.request = x->request,
                               .names = a->request_headers,
                               .names_n = a->request_headers_n,
                               .tls = d->tls,
                               .source = x->sender,
                               .source_port = ip_eq(&x->sender, &d->peer) ? d->peer_port : 0,
                               .wall_us = x->wall_us,
                               .size = size_of_body(x),
                               .body_n = told,
                               .body_text = told && is_text(&x->kept)};
    (void)!sock_local(d->conn.watch.fd, &q.destination, &q.destination_port); /* none: left out */
    return authz_head(x->arena, &q);
}

/* "ns/name:port" as "name.ns:port". */
static str authority_of(struct arena *a, str backend) {
    str ns = backend, name = ns;
    ns = str_cut(&name, '/');
    str host = str_cut(&name, ':');
    if (!host.p || !name.p) return backend;
    return arena_printf(a, STR_FMT "." STR_FMT ":" STR_FMT, STR_ARG(host), STR_ARG(ns), STR_ARG(name));
}

struct http_msg *auth_grpc_question(struct exchange *x) {
    const struct table_auth *a = x->ask.now;
    struct auth_call *c = arena_make(x->arena, struct auth_call);
    c->before = x->ask.call;
    x->ask.call = c;
    x->edits_response = true;
    c->told = a->body_bytes_max ? x->kept.n : 0;
    c->head = make_head(x, c->told);
    struct http_msg *m = arena_make(x->arena, struct http_msg);
    http_msg_init(m, x->arena, true);
    m->method = S("POST"), m->method_id = HTTP_POST;
    m->authority = m->host = authority_of(x->arena, a->backend->name);
    m->path = S("/envoy.service.auth.v3.Authorization/Check");
    m->query = S("");
    m->body = HTTP_BODY_CHUNKED;
    m->keep_alive = true;
    http_msg_add_known(m, FIELD_TE, S("te"), S("trailers"));
    http_msg_add_known(m, FIELD_CONTENT_TYPE, S("content-type"), S("application/grpc"));
    http_msg_add(m, S("grpc-timeout"),
                 arena_printf(x->arena, "%llum", (unsigned long long)x->proxy->limits.auth_us / 1000));
    http_msg_add_known(m, FIELD_USER_AGENT, S("user-agent"), S("postern"));
    return m;
}

err auth_grpc_feed(struct exchange *x) {
    struct auth_call *c = x->ask.call;
    if (!c->head_sent) {
        err e = upstream_submit_body(&x->up, c->head, !c->told);
        if (e != OK) return e == ERR_AGAIN ? OK : e;
        c->head_sent = true;
        x->errand.sent = !c->told;
    }
    for (str s; x->fed.n < c->told && (s = kept_next(&x->kept, &x->fed)).n;) {
        bool last = x->fed.n + s.n == c->told;
        if (upstream_pending(&x->up) > CONN_HIGH_WATER_BYTES) return OK;
        err e = upstream_submit_body(&x->up, s, last);
        if (e != OK) return e == ERR_AGAIN ? OK : e;
        kept_step(&x->fed, s.n);
        x->errand.sent = last;
    }
    return OK;
}

/* ---- the answer ---- */

static bool is_grpc(const struct http_msg *m) {
    const struct http_field *f = http_msg_find_id(m, FIELD_CONTENT_TYPE);
    str type = S("application/grpc");
    if (!f || !str_ieq(str_upto(f->value, type.n), type)) return false;
    return f->value.n == type.n || strchr("+; \t", f->value.p[type.n]);
}

/* An answer that ends with its head is a failure with its code: there is no message. */
bool auth_grpc_head(struct exchange *x, const struct http_msg *m, bool end) {
    (void)x;
    return m->status == 200 && !end && is_grpc(m);
}

static bool take_frame(struct exchange *x, struct auth_call *c, str *bytes) {
    str part = str_upto(*bytes, AUTHZ_FRAME_BYTES - c->frame_n);
    memcpy(c->frame + c->frame_n, part.p, part.n);
    c->frame_n += (uint32_t)part.n;
    *bytes = str_from(*bytes, part.n);
    if (c->frame_n < AUTHZ_FRAME_BYTES) return true;
    if (authz_frame(c->frame, &c->message_n) != OK) return false;
    c->message = arena_raw(x->arena, c->message_n + 1);
    return true;
}

/* One message: a second one is none of this call. */
bool auth_grpc_body(struct exchange *x, str bytes) {
    struct auth_call *c = x->ask.call;
    if (bytes.n && c->frame_n < AUTHZ_FRAME_BYTES && !take_frame(x, c, &bytes)) return false;
    if (bytes.n > c->message_n - c->got) return false;
    if (bytes.n) memcpy(c->message + c->got, bytes.p, bytes.n);
    c->got += (uint32_t)bytes.n;
    return true;
}

/* What was there before gives way; what the answer itself says several times stays so. */
static void apply(struct http_msg *m, const struct authz_fields *fields) {
    uint32_t before = m->fields_n;
    for (uint32_t i = 0; i < fields->n; i++) {
        const struct authz_field *f = &fields->v[i];
        bool there = http_msg_find(m, f->name) != NULL;
        if ((f->how == AUTHZ_IF_ABSENT && there) || (f->how == AUTHZ_IF_PRESENT && !there)) continue;
        for (uint32_t k = 0; k < before && f->how != AUTHZ_APPEND; k++)
            if (str_ieq(m->fields[k].name, f->name)) m->fields[k].gone = true;
        http_msg_add_known(m, http_field_id_of(f->name), f->name, f->value);
    }
}

static void change_request(struct exchange *x, const struct authz_verdict *v) {
    struct http_msg *r = x->request;
    for (uint32_t i = 0; i < v->remove.n; i++) http_msg_remove(r, v->remove.v[i]);
    apply(r, &v->fields);
    for (uint32_t i = 0; i < v->remove_query.n; i++)
        r->query = http_uri_query_without(x->arena, r->query, v->remove_query.v[i]);
    for (uint32_t i = 0; i < v->set_query.n; i++)
        r->query = http_uri_query_with(x->arena, r->query, v->set_query.v[i].name, v->set_query.v[i].value);
}

bool auth_grpc_end(struct exchange *x, const struct http_msg *trailers) {
    struct auth_call *c = x->ask.call;
    const struct http_field *status = trailers ? http_msg_find(trailers, S("grpc-status")) : NULL;
    if (!status || !str_eq(status->value, S("0"))) return false;
    if (c->frame_n < AUTHZ_FRAME_BYTES || c->got < c->message_n) return false;
    if (authz_read(x->arena, (str){c->message, c->message_n}, &c->verdict) != OK) return false;
    x->ask.allowed = c->verdict.allowed;
    x->ask.denied = !x->ask.allowed;
    if (x->ask.allowed) change_request(x, &c->verdict);
    return true;
}

void auth_grpc_deny(struct exchange *x) {
    const struct authz_verdict *v = &x->ask.call->verdict;
    bool bodyless = v->status == 204 || v->status == 205 || v->status == 304;
    str body = bodyless ? S("") : v->body;
    struct http_msg *m = answer_make(x, v->status, body);
    apply(m, &v->fields);
    x->reason = REASON_AUTH_DENIED;
    answer_send(x, m, body);
}

void auth_grpc_response(const struct exchange *x, struct http_msg *m) {
    for (const struct auth_call *c = x->ask.call; c; c = c->before) apply(m, &c->verdict.response);
}
