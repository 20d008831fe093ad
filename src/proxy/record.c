/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/record.h"

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
    r->gateway = arena_str(x->arena, l->gateway);
    r->listener = arena_str(x->arena, l->section);
}

/* All else is told by the times of turns; this is within one. */
void record_routed(struct exchange *x) {
    if (x->record.wanted) x->record.route_us = clock_monotonic_us() - x->start_us;
}

/* What only a line of the log shows. */
static void describe(const struct exchange *x, struct access_record *r) {
    const struct http_msg *m = x->request;
    if (x->client->tls) {
        const struct tls_conn *t = x->client->conn.tls;
        r->tls_version = tls_version(t), r->tls_cipher = tls_cipher(t), r->server_name = tls_server_name(t);
    }
    if (!m) return;
    const struct http_field *agent = http_msg_find_id(m, FIELD_USER_AGENT);
    const struct http_field *id = http_msg_find_id(m, FIELD_X_REQUEST_ID);
    if (agent) r->user_agent = agent->value;
    if (id) r->request_id = id->value;
}

void record_report(struct exchange *x) {
    struct proxy *p = x->proxy;
    if (!p->report) return;
    const struct record *own = &x->record;
    uint64_t now_us = proxy_core_now(p);
    struct access_record r = {
        .time_us = x->wall_us,
        .client = x->sender,
        .client_port = ip_eq(&x->sender, &x->client->peer) ? x->client->peer_port : 0,
        .version = x->version,
        .tls = x->client->tls,
        .method_id = x->request ? x->request->method_id : HTTP_METHOD_OTHER,
        .status = x->status,
        .reason = x->reason,
        .method = x->method,
        .authority = x->authority,
        .path = x->path,
        .query = x->query,
        .gateway = own->gateway,
        .listener = own->listener,
        .rule = -1,
        .endpoint = {x->endpoint.ip, x->endpoint.port},
        .attempts = x->attempts,
        .retries = x->retry.told,
        .retry_stop = retry_stop_name(x->retry.stop),
        .bytes_in = x->bytes_in,
        .bytes_out = x->bytes_out,
        .total_us = now_us - x->start_us,
        .head_us = own->head_us,
        .route_us = own->route_us,
        .auth_us = own->auth_us,
        .connect_us = x->connect_us,
        .tls_us = own->tls_us,
        .wait_us = own->sent_us && x->first_byte_us ? x->start_us + x->first_byte_us - own->sent_us : 0,
        .first_byte_us = x->first_byte_us,
        .body_us = x->first_byte_us ? now_us - x->start_us - x->first_byte_us : 0,
        .trace_id = own->trace_id,
        .request = x->request,
        .response = own->response,
        .request_fields_n = own->request_fields_n,
        .form = own->form,
        .program = own->program,
    };
    if (x->rule) r.route = x->rule->route, r.rule = x->rule->index, r.rule_name = x->rule->name;
    if (x->target && x->target->backend) r.backend = x->target->backend->name;
    if (own->wanted) describe(x, &r);
    p->report(p->report_arg, &r);
}
