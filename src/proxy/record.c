/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/record.h"

#include "base/clear.h"
#include "http/access_format.h"
#include "io/clock.h"
#include "proxy/exchange.h"

void record_begin(struct exchange *x) {
    struct record *r = &x->record;
    r->wanted = x->proxy->records;
    r->request_fields_n = x->request->fields_n;
    /* progress_us tells of the head's first byte when the head did not come at once */
    r->head_us = x->progress_us ? proxy_core_now(x->proxy) - x->progress_us : 0;
}

void record_settle(struct exchange *x, const struct table_listener *l) {
    struct record *r = &x->record;
    const struct table_settings *s = l->settings;
    if (s->access_form != ACCESS_AS_USUAL) r->wanted = s->access_form != ACCESS_OFF;
    r->form = s->access_form;
    if (!r->wanted) return;
    if (s->access_form == ACCESS_OWN) r->program = arena_str(x->arena, s->access_program);
    record_want(x, l);
}

void record_want(struct exchange *x, const struct table_listener *l) {
    struct record *r = &x->record;
    if (r->wanted && r->gateway.p) return;
    r->wanted = true;
    r->gateway = arena_str(x->arena, l->gateway);
    r->listener = arena_str(x->arena, l->section);
}

/* All else is told by the times of turns; this is within one, whoever was asked for leave aside. */
void record_routed(struct exchange *x) {
    if (x->record.wanted) x->record.route_us = clock_monotonic_us() - x->start_us - x->record.auth_us;
}

/* Where nothing is traced the caller's trace is told nonetheless. */
static void describe_trace(const struct exchange *x, struct access_record *r) {
    const struct trace *tr = x->trace;
    struct trace_context ignored;
    if (tr) {
        r->trace_id = (str){tr->parent + TRACE_ID_AT, 2 * TRACE_ID_BYTES};
        if (tr->to) r->span_id = (str){tr->span, sizeof tr->span};
        return;
    }
    const struct http_field *f = http_msg_find_id(x->request, FIELD_TRACEPARENT);
    if (f && trace_context_parse(f->value, &ignored) == OK)
        r->trace_id = (str){f->value.p + TRACE_ID_AT, 2 * TRACE_ID_BYTES};
}

/* What only a line of the log shows. */
static void describe(const struct exchange *x, struct access_record *r) {
    const struct record *own = &x->record;
    const struct http_msg *m = x->request;
    const struct table_rule *rule = x->rule;
    r->time_us = x->wall_us;
    r->client = x->sender;
    r->client_port = ip_eq(&x->sender, &x->client->peer) ? x->client->peer_port : 0;
    r->version = x->version;
    r->method = x->method, r->authority = x->authority, r->path = x->path, r->query = x->query;
    r->gateway = own->gateway, r->listener = own->listener;
    if (own->route.n)
        r->route = own->route, r->rule = own->rule, r->rule_name = own->rule_name, r->backend = own->backend;
    if (rule && rule->index >= 0) r->route = rule->route, r->rule = rule->index, r->rule_name = rule->name;
    if (x->target && x->target->backend) r->backend = x->target->backend->name;
    r->endpoint = (struct access_address){x->endpoint.ip, x->endpoint.port};
    r->attempts = x->attempts, r->retries = x->retry.told, r->retry_stop = retry_stop_name(x->retry.stop);
    r->head_us = own->head_us, r->route_us = own->route_us, r->auth_us = own->auth_us;
    r->connect_us = x->connect_us, r->tls_us = own->tls_us;
    r->first_byte_us = x->first_byte_us;
    if (own->sent_us && x->first_byte_us) r->wait_us = x->start_us + x->first_byte_us - own->sent_us;
    if (x->first_byte_us) r->body_us = r->total_us - x->first_byte_us;
    r->request = m, r->response = own->response, r->request_fields_n = own->request_fields_n;
    r->form = own->form, r->program = own->program;
    const struct tls_conn *t = x->client->conn.tls; /* gone with a connection that was closed before */
    if (t) {
        r->tls_version = tls_version(t), r->tls_cipher = tls_cipher(t), r->server_name = tls_server_name(t);
    }
    if (!m) return;
    describe_trace(x, r);
    const struct http_field *agent = http_msg_find_id(m, FIELD_USER_AGENT);
    const struct http_field *id = http_msg_find_id(m, FIELD_X_REQUEST_ID);
    if (agent) r->user_agent = agent->value;
    if (id) r->request_id = id->value;
}

void record_keep_rule(struct exchange *x) {
    struct record *r = &x->record;
    r->tally = x->rule->tally, r->tally_epoch = x->rule->tally_epoch;
    if (!r->wanted) return;
    r->route = arena_str(x->arena, x->rule->route);
    r->rule_name = arena_str(x->arena, x->rule->name);
    r->rule = x->rule->index;
    r->backend = arena_str(x->arena, x->target->backend->name);
}

/* What counters want is told of each; the rest as far as somebody prints it. */
void record_report(struct exchange *x) {
    struct proxy *p = x->proxy;
    if (!p->report) return;
    struct access_record r;
    clear_bytes(&r, x->record.wanted ? sizeof r : offsetof(struct access_record, time_us));
    r.form = x->record.wanted ? ACCESS_AS_USUAL : ACCESS_OFF;
    r.tls = x->client->tls;
    r.method_id = x->request ? x->request->method_id : HTTP_METHOD_OTHER;
    r.status = x->status;
    r.reason = x->reason;
    r.bytes_in = x->bytes_in, r.bytes_out = x->bytes_out;
    r.tally = x->record.tally, r.tally_epoch = x->record.tally_epoch;
    r.first_byte_us = x->first_byte_us;
    r.total_us = proxy_core_now(p) - x->start_us;
    if (x->rule) r.tally = x->rule->tally, r.tally_epoch = x->rule->tally_epoch;
    if (x->record.wanted) {
        r.rule = -1;
        describe(x, &r);
    }
    p->report(p->report_arg, &r);
    if (x->trace) trace_report(x, &r);
}
