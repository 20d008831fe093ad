/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admission.h"

#include "base/num.h"
#include "filter/filter.h"
#include "filter/forwarded.h"
#include "filter/upgrade.h"
#include "filter/via.h"
#include "http/http_uri.h"
#include "proxy/affinity.h"

/* A request about the way itself goes so many hops further, and what has none left is answered here. What is no number bounds nothing.
 *                                                                                                   [RFC 9110 7.6.2] */
static enum http_reason count_forwards(struct exchange *x) {
    struct http_msg *m = x->request;
    str name = S("Max-Forwards");
    const struct http_field *f = http_msg_find(m, name);
    uint64_t left;
    if (!f || num_parse(f->value, UINT32_MAX, &left) != OK) return REASON_NONE;
    if (!left) return m->method_id == HTTP_OPTIONS ? REASON_OPTIONS : REASON_NOT_IMPLEMENTED;
    http_msg_set(m, name, arena_printf(x->arena, "%llu", (unsigned long long)left - 1));
    return REASON_NONE;
}

static enum http_reason check_odd_method(struct exchange *x) {
    switch (x->request->method_id) {
    case HTTP_OPTIONS:
    case HTTP_TRACE: return count_forwards(x);
    default: return REASON_NOT_IMPLEMENTED;
    }
}

static enum http_reason check_message(struct exchange *x) {
    struct http_msg *m = x->request;
    if (m->method_id >= HTTP_CONNECT && m->method_id <= HTTP_TRACE) {
        enum http_reason why = check_odd_method(x);
        if (why != REASON_NONE) return why;
    }
    /* an expectation that is not 100-continue [RFC 9110 10.1.1]; HTTP/1.0 knows none, and there it is to be ignored */
    if (!m->expect_continue && m->version > 10 && http_msg_find_id(m, FIELD_EXPECT))
        return REASON_EXPECTATION_FAILED;
    uint16_t port;
    x->host = m->host.p ? m->host : S("");
    if (!m->host.p && m->authority.n &&
        http_uri_split_authority(x->arena, m->authority, &x->host, &port) != OK)
        return REASON_BAD_HOST;
    if (str_eq(m->path, S("*"))) return m->method_id == HTTP_OPTIONS ? REASON_NONE : REASON_BAD_PATH;
    return http_uri_normal_path(x->arena, m->path, &m->path) == OK ? REASON_NONE : REASON_BAD_PATH;
}

static enum http_reason find_listener(struct exchange *x, const struct table_listener **ret) {
    const struct table *t = x->proxy->table;
    const struct downstream *d = x->client;
    const struct table_port *port = t ? table_port(t, d->port_slot) : NULL;
    const struct table_listener *l = port ? table_listener_for(port, x->host) : NULL;
    if (!l) return REASON_NO_LISTENER;
    /* A connection serves the listener that its handshake was for, and a plain one never a TLS listener. */
    if (l->tls != d->tls || (d->tls && l->id != d->listener_id)) return REASON_MISDIRECTED;
    x->listener_port = l->port;
    x->client_certificate = l->client, x->client_generation = t->generation;
    downstream_settle(x->client, port, l);
    record_settle(x, l);
    if (l->tracing && !x->trace) trace_begin(x, l); /* once: it may be looked up anew */
    *ret = l;
    return REASON_NONE;
}

const struct table_certificate *admission_client(const struct exchange *x) {
    const struct table *t = x->proxy->table;
    if (t && t->generation == x->client_generation) return x->client_certificate;
    const struct table_port *port = t ? table_port(t, x->client->port_slot) : NULL;
    const struct table_listener *l = port ? table_listener_for(port, x->host) : NULL;
    return l && l->tls == x->client->tls ? l->client : NULL;
}

/* What the connection does is its tenant's work from now on, and so are the steps of expressions: one for as many as take as long as a request. */
static void charge(struct exchange *x, const struct table_rule *r) {
    enum { STEPS = 1024 };
    struct table_work *w = x->proxy->matching;
    x->client->conn.share = r->share;
    if (w->spent < STEPS) return;
    conn_charge(&x->client->conn, (uint32_t)(w->spent / STEPS));
    w->spent = 0;
}

/* One share of the rule's targets, by weight.                                                        [GW HTTPBackendRef.weight] */
static const struct table_target *choose_target(struct rng *rng, const struct table_rule *r) {
    if (r->weight_sum == 0) return NULL;
    uint64_t at = r->targets_n > 1 ? (uint64_t)((__uint128_t)rng_next(rng) * r->weight_sum >> 64) : 0;
    for (uint32_t i = 0; i < r->targets_n; i++) {
        if (at < r->targets[i].weight) return &r->targets[i];
        at -= r->targets[i].weight;
    }
    return NULL;
}

/* The filter's word on the response goes by the Origin that came. */
static void note_cors(struct exchange *x, const struct table_filter *filters, uint32_t n) {
    x->cors = filter_find_cors(filters, n);
    if (!x->cors) return;
    str origin = http_msg_joined(x->request, x->arena, S("Origin"));
    x->origin = origin.p ? origin : S("");
    x->preflight = filter_is_preflight(x->request);
}

static enum http_reason choose(struct exchange *x) {
    const struct table_rule *r = x->rule;
    if (r->filters_n) note_cors(x, r->filters, r->filters_n);
    if (x->preflight) return REASON_NONE;
    x->redirect = r->filters_n ? filter_find_redirect(r->filters, r->filters_n) : NULL;
    if (x->redirect) return REASON_NONE;
    x->target = choose_target(&x->proxy->rng, r);
    if (!x->target) return REASON_NO_BACKEND;
    if (!x->target->backend) return REASON_INVALID_BACKEND;
    if (x->target->session) affinity_find(x); /* by what came, before filters change it */
    if (x->target->filters_n && !x->cors) note_cors(x, x->target->filters, x->target->filters_n);
    x->redirect =
        x->target->filters_n ? filter_find_redirect(x->target->filters, x->target->filters_n) : NULL;
    return REASON_NONE;
}

/* The listener is not kept: it may go before the exchange does. */
static void take_settings(struct exchange *x, const struct table_settings *s) {
    x->request_timeout_us = table_request_timeout_us(x->rule, s);
    x->backend_timeout_us = table_backend_timeout_us(x->rule, s);
    x->connect_max_us = s->connect_us;
    x->backend_idle_us = s->backend_idle_us;
    x->tunnel_idle_us = s->upgraded_idle_us ? s->upgraded_idle_us : x->proxy->limits.tunnel_idle_us;
    if (s->balancing) x->balancing = policy_hold(x->proxy->upstream, s->balancing);
    if (s->body_bytes) x->body_bytes_max = s->body_bytes;
}

static void name_request(struct exchange *x, const struct table_settings *s) {
    bool trusted = forwarded_trusts(s, &x->client->peer);
    x->tells_id = true;
    if (request_id_needed(x->request, s->request_id, trusted))
        request_id_put(x->request, request_id_new(&x->proxy->ids, x->arena));
}

/* The response gets it, too; the listener may be gone by then. */
static void note_via(struct exchange *x, str name) {
    str *copy = arena_make(x->arena, str);
    *copy = arena_str(x->arena, name);
    x->via = copy;
    x->edits_response = true;
}

/* Before it is matched. Apart from what each request goes through, which is quicker without it. */
__attribute__((noinline, cold)) static enum http_reason look_first(struct exchange *x,
                                                                   const struct table_settings *s) {
    if (s->via_own && via_has(x->request, s->via)) return REASON_LOOP;
    if (s->via.n) note_via(x, s->via);
    if (s->request_id) name_request(x, s);
    return REASON_NONE;
}

static void tell_backend(struct exchange *x, const struct table_settings *s) {
    const struct downstream *d = x->client;
    struct forwarded f = {.peer = &d->peer,
                          .peer_text = {d->peer_text, d->peer_text_n},
                          .tls = d->tls,
                          .port = x->listener_port,
                          .settings = s};
    forwarded_set(x->request, &f, &x->sender);
    if (x->trace) trace_tell(x);
}

/* What was found is forgotten. Returns whether the request has its listener's filters behind it. */
static bool forget(struct exchange *x, enum admission how) {
    bool passed = how == ADMISSION_GO_ON || x->rule->index >= 0;
    proxy_core_unuse(x->proxy, TAKE(x->rule));
    x->target = NULL, x->redirect = NULL, x->cors = NULL;
    return passed;
}

/* All ways lead through here, so that it is one piece on the usual one. When it is not the first time the listener is looked up anew since its
 * table may be gone, not to choose another one: neither Host nor server name can have changed. Where another one has come in its place
 * meanwhile it is as if the request had come now.                                                   [GW ListenerFilters.requests] */
enum http_reason admission_check(struct exchange *x, enum admission how) {
    bool passed = how != ADMISSION_FRESH && forget(x, how);
    enum http_reason why = how == ADMISSION_FRESH ? check_message(x) : REASON_NONE;
    if (why != REASON_NONE) return why;
    const struct table_listener *l = NULL;
    why = find_listener(x, &l);
    if (why != REASON_NONE) return why;
    if (l->settings->looks_first && how == ADMISSION_FRESH) {
        why = look_first(x, l->settings);
        if (why != REASON_NONE) return why;
    }
    if (x->request->path.p[0] != '/') return REASON_OPTIONS; /* of the server as a whole [RFC 9110 9.3.7] */
    bool gate = l->gate && !(passed && l->id == x->gate_of);
    if (gate)
        x->gate_of = l->id, x->rule = l->gate;
    else if (!table_match(x->proxy->table, l, x->host, x->request, x->arena, x->proxy->matching, &x->match))
        return REASON_NO_ROUTE;
    else
        charge(x, x->rule = x->match.rule);
    assert(x->rule->slot < x->proxy->uses_n);
    x->proxy->uses[x->rule->slot]++;
    if (x->match.closed) return REASON_EXPRESSION_LIMIT;
    take_settings(x, l->settings);
    if (x->request->body == HTTP_BODY_LENGTH && x->request->content_length > x->body_bytes_max)
        return REASON_BODY_TOO_LARGE;
    if (how == ADMISSION_FRESH) tell_backend(x, l->settings);
    if (gate) return REASON_NONE;
    if (x->trace) trace_matched(x);
    if (x->request->upgrade.n) upgrade_request(x->request, x->bodyless, l->settings);
    return choose(x);
}

bool admission_is_old(const struct exchange *x) {
    const struct table *t = x->proxy->table;
    if (!t || t->generation == x->client_generation) return false;
    const struct table_port *port = x->rule->index < 0 ? table_port(t, x->client->port_slot) : NULL;
    const struct table_listener *l = port ? table_listener_for(port, x->host) : NULL;
    return !l || l->gate != x->rule;
}
