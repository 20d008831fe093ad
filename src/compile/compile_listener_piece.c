/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/compile_listener_piece.h"

#include "compile/compile_block.h"
#include "http/access_format.h"
#include "table/tracing.h"
#include "text/base64.h"

struct words { /* made once, for both walks */
    str clients, ciphers, suites, access_program, collector;
    enum access_form access_form;
};

/* ---- settings ---- */

static_assert((int)PLAN_PROXY_FROM_TRUSTED == TABLE_PROXY_FROM_TRUSTED, "one order");
static_assert((int)PLAN_REQUEST_ID_ALWAYS == TABLE_REQUEST_ID_ALWAYS, "one order");

static uint64_t number_of(struct opt_int v) { return v.set ? (uint64_t)v.v : 0; }

static uint64_t number_or(struct opt_int v, uint64_t usual) { return v.set ? (uint64_t)v.v : usual; }

static const struct table_balancing *put_balancing(struct compile_block *b, const struct plan_balancing *p) {
    if (!p) return NULL;
    const struct table_balancing *usual = &health_usual;
    struct table_balancing *to = compile_block_array(b, 1, sizeof *to);
    if (!to) return NULL;
    *to = (struct table_balancing){
        .failures = (uint32_t)number_or(p->failures, usual->failures),
        .statuses = (uint32_t)number_or(p->statuses, usual->statuses),
        .share_percent = (uint32_t)number_or(p->share, usual->share_percent),
        .order = p->order == PLAN_ROUND_ROBIN ? TABLE_ROUND_ROBIN : TABLE_LEAST_REQUESTS,
        .probe = p->check == PLAN_CHECK_TCP    ? TABLE_PROBE_TCP
                 : p->check == PLAN_CHECK_HTTP ? TABLE_PROBE_HTTP
                                               : TABLE_PROBE_NONE,
        .probe_status = (uint32_t)number_of(p->check_status),
        .probe_failures = (uint32_t)number_or(p->check_failures, usual->probe_failures),
        .probe_successes = (uint32_t)number_or(p->check_successes, usual->probe_successes),
        .probe_interval_us = number_or(p->check_interval, usual->probe_interval_us),
        .probe_timeout_us = number_or(p->check_timeout, usual->probe_timeout_us),
        .conns_max = (uint32_t)number_of(p->conns),
        .waiting_max = (uint32_t)number_or(p->waiting, usual->waiting_max),
        .wait_us = number_or(p->wait, usual->wait_us),
        .slow_start_us = number_of(p->slow_start),
        .out_us = number_or(p->out, usual->out_us),
        .out_us_max = number_or(p->out_max, usual->out_us_max),
    };
    str path = p->check_path.n ? p->check_path : S("/");
    if (path.n < sizeof to->probe_path) memcpy(to->probe_path, path.p, path.n);
    return to;
}

/* The access log's format; one that can not be read, from a controller that knows more, is as good as none. */
static void read_access(struct arena *a, str text, enum access_form *ret_form, str *ret_program) {
    struct access_fault fault;
    *ret_form = ACCESS_AS_USUAL, *ret_program = (str){0};
    if (text.n && access_format_parse(a, text, ret_form, ret_program, &fault) != OK)
        *ret_form = ACCESS_AS_USUAL;
}

/* A network that can not be read is left out, as trusting less is the safe side. */
static const struct table_settings *put_settings(struct compile_block *b, const struct plan_settings *p,
                                                 const struct words *words) {
    static const struct table_settings none;
    if (!p) return &none;
    struct table_settings *to = compile_block_array(b, 1, sizeof *to);
    struct ip_net *nets = compile_block_array(b, (uint32_t)(p->trusted_proxies.n * sizeof *nets + 7) / 8, 8);
    struct ip_net *proxies = compile_block_array(b, (uint32_t)(p->proxy_trusted.n * sizeof *nets + 7) / 8, 8);
    const struct table_balancing *balancing = put_balancing(b, p->balancing);
    str *upgrades = compile_block_strs(b, p->upgrades.p, p->upgrades.n);
    str program = compile_block_str(b, words->access_program), via = compile_block_str(b, p->via);
    if (!to) return NULL;
    *to = (struct table_settings){
        .request_timeout_us = number_of(p->request_timeout),
        .backend_timeout_us = number_of(p->backend_timeout),
        .connect_us = number_of(p->connect_timeout),
        .idle_us = number_of(p->idle_timeout),
        .backend_idle_us = number_of(p->backend_idle_timeout),
        .upgraded_idle_us = number_of(p->upgraded_idle_timeout),
        .head_us = number_of(p->head_timeout),
        .handshake_us = number_of(p->handshake_timeout),
        .body_bytes = number_of(p->body_bytes),
        .head_fields = (uint32_t)number_of(p->head_fields),
        .streams = (uint32_t)number_of(p->streams),
        .client_connections = (uint32_t)number_of(p->client_connections),
        .least_bytes_set = p->least_bytes.set,
        .least_bytes = (uint32_t)number_of(p->least_bytes),
        .head_bytes = (uint32_t)number_of(p->head_bytes),
        .trusted_hops = (uint32_t)number_of(p->trusted_hops),
        .trusted = nets,
        .proxy_protocol = p->proxy_protocol,
        .proxy_trusted = proxies,
        .forwarded = p->forwarded,
        .via = via,
        .via_own = p->via_own,
        .tells_more = p->forwarded || p->via.n,
        .looks_first = p->request_id || p->via.n,
        .request_id = p->request_id,
        .balancing = balancing,
        .upgrades_n = p->upgrades.n,
        .upgrades = upgrades,
        .access_form = (uint8_t)words->access_form,
        .access_program = program,
    };
    for (uint32_t i = 0; i < p->trusted_proxies.n; i++)
        if (ip_parse_net(p->trusted_proxies.p[i], &nets[to->trusted_n]) == OK) to->trusted_n++;
    for (uint32_t i = 0; i < p->proxy_trusted.n; i++)
        if (ip_parse_net(p->proxy_trusted.p[i], &proxies[to->proxy_trusted_n]) == OK) to->proxy_trusted_n++;
    if (p->proxy_trusted.n && !to->proxy_trusted_n) /* nobody is not everybody */
        proxies[to->proxy_trusted_n++] = (struct ip_net){0};
    return to;
}

/* ---- TLS ---- */

static const struct table_clients *put_clients(struct compile_block *b, const struct plan_clients *p,
                                               str digest) {
    if (!p) return NULL;
    struct table_clients *to = compile_block_array(b, 1, sizeof *to);
    struct table_clients clients = {
        .id = compile_block_str(b, digest), .ca_pem = compile_block_str(b, p->ca_pem), .lenient = p->lenient};
    if (to) *to = clients;
    return to;
}

/* Those of TLS 1.3 are named as in the registry, the others by OpenSSL. Joined by colons, in a. */
static str join_ciphers(struct arena *a, const struct plan_listener *p, bool tls13) {
    str all = S("");
    for (uint32_t i = 0; i < p->ciphers.n; i++) {
        str one = p->ciphers.p[i];
        if (str_starts(one, S("TLS_")) == tls13)
            all = arena_printf(a, STR_FMT "%s" STR_FMT, STR_ARG(all), all.n ? ":" : "", STR_ARG(one));
    }
    return all;
}

/* What a session of the listener is bound to: by whom it was let in, and where. */
static void bind_sessions(struct arena *a, struct table_listener *t, str key, str clients) {
    str both = arena_printf(a, STR_FMT "\n" STR_FMT, STR_ARG(clients), STR_ARG(key));
    memcpy(t->session, base64_sha256_hex(a, both).p, sizeof t->session);
}

/* ---- tracing ---- */

enum { BATCH_SPANS_USUAL = 512, BATCH_US_USUAL = 1000000 };

static struct table_header *put_headers(struct compile_block *b, const struct plan_header *v, uint32_t n) {
    struct table_header *to = compile_block_array(b, n, sizeof *to);
    for (uint32_t i = 0; i < n; i++) {
        struct table_header one = {compile_block_str(b, v[i].name), compile_block_str(b, v[i].value)};
        if (to) to[i] = one;
    }
    return to;
}

/* Its backend is the caller's to hold. */
static struct table_collector *put_collector(struct compile_block *b, const struct plan_tracing *p,
                                             str digest) {
    if (!p->backend.n) return NULL;
    struct table_collector *to = compile_block_array(b, 1, sizeof *to);
    struct table_collector collector = {
        .grpc = str_ends(p->backend, S("+h2c")),
        .authority = compile_block_str(b, p->authority),
        .service_name = compile_block_str(b, p->service_name),
        .headers_n = p->headers.n,
        .headers = put_headers(b, p->headers.p, p->headers.n),
        .batch_spans = p->batch_spans.set ? (uint32_t)p->batch_spans.v : BATCH_SPANS_USUAL,
        .batch_us = p->batch_time.set ? (uint64_t)p->batch_time.v : BATCH_US_USUAL,
    };
    if (!to) return NULL;
    *to = collector;
    memcpy(to->id, digest.p, sizeof to->id);
    return to;
}

static struct span_wish *put_wishes(struct compile_block *b, const struct plan_tracing *p) {
    struct span_wish *to = compile_block_array(b, p->attributes.n, sizeof *to);
    for (uint32_t i = 0; i < p->attributes.n; i++) {
        const struct plan_tracing_attribute *from = &p->attributes.p[i];
        struct span_wish one = {.name = compile_block_str(b, from->name)};
        str value = from->value, field;
        if (from->source == PLAN_SPAN_ATTRIBUTE) {
            one.source = SPAN_OF_RECORD, one.known = (uint8_t)span_known_of(from->value, &field);
            if (field.p) value = field;
        }
        if (from->source != PLAN_SPAN_ATTRIBUTE)
            one.source = from->source == PLAN_SPAN_HEADER ? SPAN_OF_FIELD : SPAN_OF_TEXT;
        one.value = compile_block_str(b, value);
        if (to) to[i] = one;
    }
    return to;
}

static const struct table_tracing *put_tracing(struct compile_block *b, const struct plan_tracing *p,
                                               str digest) {
    if (!p) return NULL;
    struct table_tracing *to = compile_block_array(b, 1, sizeof *to);
    struct table_tracing tracing = {
        .sampled = trace_context_threshold(p->sampled.numerator, p->sampled.denominator),
        .sampled_of_parent =
            trace_context_threshold(p->sampled_of_parent.numerator, p->sampled_of_parent.denominator),
        .ignores_parent = p->ignores_parent,
        .span_name = compile_block_str(b, p->span_name),
        .wishes_n = p->attributes.n,
        .wishes = put_wishes(b, p),
        .collector = put_collector(b, p, digest),
    };
    if (to) *to = tracing;
    return to;
}

/* What makes two collectors one, whichever listeners they are of. */
static str digest_collector(struct arena *a, const struct plan_tracing *p) {
    str all = arena_printf(a, STR_FMT "\n" STR_FMT "\n" STR_FMT "\n%lld %lld", STR_ARG(p->backend),
                           STR_ARG(p->authority), STR_ARG(p->service_name),
                           p->batch_spans.set ? (long long)p->batch_spans.v : -1,
                           p->batch_time.set ? (long long)p->batch_time.v : -1);
    for (uint32_t i = 0; i < p->headers.n; i++)
        all = arena_printf(a, STR_FMT "\n" STR_FMT ":" STR_FMT, STR_ARG(all), STR_ARG(p->headers.p[i].name),
                           STR_ARG(p->headers.p[i].value));
    return base64_sha256_hex(a, all);
}

/* ---- the piece ---- */

static struct table_listener *put(struct compile_block *b, const struct plan_listener *p,
                                  const struct words *words,
                                  const struct table_certificate ***ret_certificates) {
    struct table_listener *to = compile_block_array(b, 1, sizeof *to);
    const struct table_certificate **certificates =
        compile_block_array(b, p->certificates.n, sizeof *certificates);
    struct table_listener t = {
        .key = compile_block_str(b, p->piece.key),
        .gateway = compile_block_str(b, p->gateway),
        .section = compile_block_str(b, p->section),
        .hostname = compile_block_str(b, p->hostname),
        .port = (uint16_t)p->port,
        .tls = p->protocol == PLAN_HTTPS,
        .tls_min = p->tls_min == PLAN_TLS_1_3 ? 13 : 12,
        .tls_max = p->tls_max == PLAN_TLS_1_2 ? 12 : 13,
        .tls_ciphers = compile_block_str(b, words->ciphers),
        .tls_suites = compile_block_str(b, words->suites),
        .certificates = certificates,
        .clients = put_clients(b, p->clients, words->clients),
        .settings = put_settings(b, p->settings, words),
        .tracing = put_tracing(b, p->tracing, words->collector),
    };
    if (!to) return NULL;
    *to = t;
    *ret_certificates = certificates;
    return to;
}

struct table_listener *compile_listener_piece_make(const struct compiler *c, const struct plan_listener *p,
                                                   const struct table_certificate ***ret_certificates) {
    struct arena *a = c->scratch;
    struct words words = {.ciphers = join_ciphers(a, p, false), .suites = join_ciphers(a, p, true)};
    if (p->settings) read_access(a, p->settings->access_log, &words.access_form, &words.access_program);
    if (p->clients) {
        str rule = arena_printf(a, "%d\n" STR_FMT, p->clients->lenient, STR_ARG(p->clients->ca_pem));
        words.clients = base64_sha256_hex(a, rule);
    }
    if (p->tracing) words.collector = digest_collector(a, p->tracing);
    struct compile_block measure = {0};
    put(&measure, p, &words, NULL);
    struct compile_block b = {.p = base_zalloc(measure.structs + measure.strings),
                              .strings_at = measure.structs};
    struct table_listener *t = put(&b, p, &words, ret_certificates);
    if (t->tls) bind_sessions(a, t, p->piece.key, words.clients);
    arena_reset(a);
    return t;
}
