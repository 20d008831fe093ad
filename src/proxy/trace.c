/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/trace.h"

#include "http/http_uri.h"
#include "proxy/exchange.h"
#include "proxy/tracer.h"
#include "table/tracing.h"

/* ---- which trace it is, and whether it is taken ---- */

static void random_bytes(struct rng *rng, uint8_t *to, size_t n) {
    for (size_t i = 0; i < n; i += 8) {
        uint64_t v = rng_next(rng) | 1; /* no id is all zero */
        memcpy(to + i, &v, 8);
    }
}

/* Of several traceparents none counts. [W3C Trace Context 3.2] */
static bool read_parent(struct exchange *x, struct trace_context *ret) {
    if (!http_msg_may_have(x->request, FIELD_TRACEPARENT)) return false;
    str value = http_msg_joined(x->request, x->arena, S("traceparent"));
    return value.p && trace_context_parse(value, ret) == OK;
}

/* Whoever follows its caller never takes what that has not. */
static bool is_sampled(const struct table_tracing *t, const struct trace *tr) {
    if (!tr->has_parent || t->ignores_parent) return trace_context_takes(tr->now.trace_id, t->sampled);
    return tr->now.flags & TRACE_SAMPLED && trace_context_takes(tr->now.trace_id, t->sampled_of_parent);
}

static void keep_wishes(struct exchange *x, struct trace *tr, const struct table_tracing *t) {
    tr->span_name = arena_str(x->arena, t->span_name);
    tr->wishes_n = t->wishes_n;
    tr->wishes = arena_array(x->arena, struct span_wish, t->wishes_n);
    for (uint32_t i = 0; i < t->wishes_n; i++) {
        tr->wishes[i] = t->wishes[i];
        tr->wishes[i].name = arena_str(x->arena, t->wishes[i].name);
        tr->wishes[i].value = arena_str(x->arena, t->wishes[i].value);
    }
}

void trace_begin(struct exchange *x, const struct table_listener *l) {
    struct trace *tr = x->trace = arena_make(x->arena, struct trace);
    struct rng *rng = &x->proxy->rng;
    tr->has_parent = read_parent(x, &tr->now);
    uint8_t came = tr->now.flags;
    if (!tr->has_parent) random_bytes(rng, tr->now.trace_id, TRACE_ID_BYTES);
    memcpy(tr->parent_id, tr->now.span_id, TRACE_SPAN_BYTES);
    bool sampled = is_sampled(l->tracing, tr);
    tr->now.flags = (uint8_t)((came & ~TRACE_SAMPLED) | (sampled ? TRACE_SAMPLED : 0));
    if (sampled && l->tracing->collector) tr->to = tracer_hold(x, l);
    /* whoever changes a flag is a participant, too [W3C Trace Context 3.4] */
    tr->unchanged = tr->has_parent && !tr->to && tr->now.flags == came;
    if (!tr->unchanged) random_bytes(rng, tr->now.span_id, TRACE_SPAN_BYTES);
    trace_context_print(&tr->now, tr->parent);
    trace_context_print_span(tr->now.span_id, tr->span);
    if (!tr->to) return;
    keep_wishes(x, tr, l->tracing);
    record_want(x, l);
}

/* ---- what backends are told ---- */

static void drop(struct http_msg *m, enum http_field_id id) {
    if (!http_msg_may_have(m, id)) return;
    for (uint32_t i = 0; i < m->fields_n; i++) m->fields[i].gone |= m->fields[i].id == id;
}

/* A tracestate without its traceparent is nobody's. [W3C Trace Context 4.3] */
static void tell_state(struct exchange *x, struct trace *tr) {
    struct http_msg *m = x->request;
    if (!http_msg_may_have(m, FIELD_TRACESTATE)) return;
    str came = http_msg_joined(m, x->arena, S("tracestate"));
    tr->state = tr->has_parent ? trace_context_state(x->arena, came) : (str){0};
    if (tr->state.p && tr->state.p == came.p && tr->state.n == came.n) return;
    drop(m, FIELD_TRACESTATE);
    if (tr->state.p) http_msg_add_known(m, FIELD_TRACESTATE, S("tracestate"), tr->state);
}

void trace_tell(struct exchange *x) {
    struct trace *tr = x->trace;
    struct http_msg *m = x->request;
    tell_state(x, tr);
    if (tr->unchanged) return;
    drop(m, FIELD_TRACEPARENT);
    http_msg_add_known(m, FIELD_TRACEPARENT, S("traceparent"), (str){tr->parent, sizeof tr->parent});
}

void trace_matched(struct exchange *x) {
    if (x->match.prefix != UINT32_MAX)
        x->trace->route = x->match.prefix ? str_upto(x->request->path, x->match.prefix) : S("/");
}

/* ---- attempts ---- */

void trace_attempt(struct exchange *x) {
    struct trace *tr = x->trace;
    if (!tr->to) return;
    if (tr->attempts_n >= TRACE_ATTEMPTS_MAX) {
        tracer_lost(x->proxy, 1);
        return;
    }
    struct trace_attempt *one = arena_make(x->arena, struct trace_attempt);
    one->a.nth = tr->attempts_n++;
    one->a.endpoint = (struct access_address){x->endpoint.ip, x->endpoint.port};
    one->a.start_us = x->attempt_us - x->start_us;
    random_bytes(&x->proxy->rng, one->a.span_id, TRACE_SPAN_BYTES);
    trace_context_print_span(one->a.span_id, tr->parent + TRACE_SPAN_AT);
    *(tr->last ? &tr->last->next : &tr->attempts) = one;
    tr->last = one;
}

void trace_attempt_over(struct exchange *x, enum http_reason why, uint16_t status) {
    struct trace_attempt *one = x->trace->last;
    if (!one || one->over) return;
    one->over = true;
    one->a.reason = (uint8_t)why, one->a.status = status;
    one->a.end_us = proxy_core_now(x->proxy) - x->start_us;
}

/* ---- the spans ---- */

void trace_report(struct exchange *x, const struct access_record *r) {
    struct trace *tr = x->trace;
    struct tracer *to = tr->to;
    str host;
    uint16_t port = 0;
    if (!to) return;
    bool split = http_uri_split_authority(x->arena, x->authority, &host, &port) == OK;
    bool answered = r->reason == REASON_NONE;
    trace_attempt_over(x, answered ? REASON_NONE : r->reason, answered ? r->status : 0);
    struct span_exchange s = {.trace_id = tr->now.trace_id,
                              .span_id = tr->now.span_id,
                              .parent_id = tr->has_parent ? tr->parent_id : NULL,
                              .flags = tr->now.flags,
                              .state = tr->state,
                              .name = tr->span_name,
                              .route = tr->route,
                              .host = split ? host : S(""),
                              .port = port     ? port
                                      : r->tls ? 443
                                               : 80,
                              .peer = x->client->peer,
                              .peer_port = x->client->peer_port,
                              .wishes = tr->wishes,
                              .wishes_n = tr->wishes_n};
    tracer_add(to, &s, r, NULL);
    for (struct trace_attempt *one = tr->attempts; one; one = one->next) tracer_add(to, &s, r, &one->a);
    tracer_release(to);
    tr->to = NULL;
}
