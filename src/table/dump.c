/* SPDX-License-Identifier: Apache-2.0 */
#include "table/dump.h"

#include "http/access_format.h"
#include "table/budget.h"
#include "table/host.h"
#include "table/spine.h"
#include "table/tracing.h"

static void add_headers(struct buf *b, const char *how, const struct table_header *v, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        buf_printf(b, " %s " STR_FMT ": " STR_FMT, how, STR_ARG(v[i].name), STR_ARG(v[i].value));
}

static void add_header_filter(struct buf *b, const char *side, const struct table_filter *f) {
    buf_printf(b, "%s header", side);
    for (uint32_t i = 0; i < f->remove_n; i++) buf_printf(b, " remove " STR_FMT, STR_ARG(f->remove[i]));
    add_headers(b, "set", f->set, f->set_n);
    add_headers(b, "add", f->add, f->add_n);
}

static void add_path_change(struct buf *b, const struct table_filter *f) {
    switch ((enum table_path_change)f->path_change) {
    case TABLE_PATH_KEEP: return;
    case TABLE_PATH_REPLACE_FULL: buf_printf(b, " path " STR_FMT, STR_ARG(f->path)); return;
    case TABLE_PATH_REPLACE_PREFIX: buf_printf(b, " prefix " STR_FMT, STR_ARG(f->path)); return;
    }
}

static void add_names(struct buf *b, const char *what, const str *v, uint32_t n) {
    if (n) buf_printf(b, " %s", what);
    for (uint32_t i = 0; i < n; i++) buf_printf(b, "%s" STR_FMT, i ? "," : " ", STR_ARG(v[i]));
}

static void add_mirror(struct buf *b, const struct table_mirror *m) {
    buf_printf(b, "mirror " STR_FMT, STR_ARG(m->backend->name));
    if (m->denominator == 100 && m->numerator < 100)
        buf_printf(b, " %u%%", m->numerator);
    else if (m->numerator != m->denominator)
        buf_printf(b, " %u of %u", m->numerator, m->denominator);
}

static void add_auth(struct buf *b, const struct table_auth *a) {
    buf_printf(b, "auth by %s", a->grpc ? "grpc " : "");
    if (a->backend)
        buf_add(b, a->backend->name);
    else
        buf_printf(b, "nobody: " STR_FMT, STR_ARG(a->why));
    if (a->path.n) buf_printf(b, " at " STR_FMT, STR_ARG(a->path));
    add_names(b, "told", a->request_headers, a->request_headers_n);
    add_names(b, "takes", a->response_headers, a->response_headers_n);
    if (a->body_bytes_max) buf_printf(b, " body<=%llu", (unsigned long long)a->body_bytes_max);
}

static void add_cors(struct buf *b, const struct table_cors *c) {
    buf_add(b, S("cors"));
    if (c->any_origin) buf_add(b, S(" origins *"));
    for (uint32_t i = 0; i < c->origins_n; i++)
        buf_printf(b, "%s" STR_FMT "://" STR_FMT ":%u", i ? "," : " origins ", STR_ARG(c->origins[i].scheme),
                   STR_ARG(c->origins[i].host), c->origins[i].port);
    if (c->methods.n) buf_printf(b, " methods " STR_FMT, STR_ARG(c->methods));
    if (c->headers.n) buf_printf(b, " headers " STR_FMT, STR_ARG(c->headers));
    if (c->expose.n) buf_printf(b, " exposes " STR_FMT, STR_ARG(c->expose));
    if (c->credentials) buf_add(b, S(" credentials"));
    buf_printf(b, " max-age " STR_FMT, STR_ARG(c->max_age));
}

void dump_filter(const struct table_filter *f, struct buf *b) {
    switch ((enum table_filter_type)f->type) {
    case TABLE_REQUEST_HEADERS: add_header_filter(b, "request", f); return;
    case TABLE_RESPONSE_HEADERS: add_header_filter(b, "response", f); return;
    case TABLE_REDIRECT:
        buf_printf(b, "redirect %u", f->status);
        if (f->scheme.n) buf_printf(b, " scheme " STR_FMT, STR_ARG(f->scheme));
        break;
    case TABLE_REWRITE: buf_add(b, S("rewrite")); break;
    case TABLE_MIRROR: add_mirror(b, f->mirror); return;
    case TABLE_AUTH: add_auth(b, f->auth); return;
    case TABLE_CORS: add_cors(b, f->cors); return;
    }
    if (f->hostname.n) buf_printf(b, " host " STR_FMT, STR_ARG(f->hostname));
    if (f->port) buf_printf(b, " port %u", f->port);
    add_path_change(b, f);
}

static void add_filters(struct buf *b, const struct table_filter *v, uint32_t n) {
    if (!n) return;
    buf_add(b, S("filters{"));
    for (uint32_t i = 0; i < n; i++) {
        if (i) buf_add(b, S("; "));
        dump_filter(&v[i], b);
    }
    buf_add(b, S("}  "));
}

/* How a backend is reached, when it is not by HTTP/1.1 in the clear. The CA's certificates are told by their number. */
static void add_reach(struct buf *b, const struct table_reach *r) {
    static const char *const protocols[] = {[TABLE_HTTP1] = "",
                                            [TABLE_HTTP2] = " h2",
                                            [TABLE_BYTES] = " bytes",
                                            [TABLE_DATAGRAMS] = " datagrams"};
    buf_printf(b, "%s", protocols[r->protocol]);
    if (r->proxy) buf_printf(b, " proxy-v%u", r->proxy);
    if (r->refused.n) buf_add(b, S(" refused"));
    if (!r->tls) return;
    const struct table_backend_tls *tls = r->tls;
    buf_printf(b, " tls{" STR_FMT, STR_ARG(tls->hostname));
    for (uint32_t i = 0; i < tls->alt_names_n; i++)
        buf_printf(b, " %s=" STR_FMT, tls->alt_names[i].uri ? "uri" : "dns",
                   STR_ARG(tls->alt_names[i].value));
    unsigned cas = 0;
    for (str s = tls->ca_pem; s.n; s = str_from(s, 1))
        if (s.p[0] == '-' && str_starts(s, S("-----BEGIN CERTIFICATE-----"))) cas++;
    if (tls->ca_pem.n)
        buf_printf(b, " ca=%u", cas);
    else
        buf_add(b, S(" ca=system"));
    if (tls->client) buf_add(b, S(" client"));
    buf_add_char(b, '}');
}

static void add_span(struct buf *b, uint64_t us) {
    if (us % 1000000)
        buf_printf(b, "%llums", (unsigned long long)us / 1000);
    else
        buf_printf(b, "%llus", (unsigned long long)us / 1000000);
}

static void add_budget(struct buf *b, const struct budget *r) {
    buf_printf(b, " retries{%u%% of ", r->percent);
    add_span(b, r->interval_us);
    buf_printf(b, " or %u in ", r->at_least_n);
    add_span(b, r->at_least_us);
    buf_add_char(b, '}');
}

static void add_endpoints(struct buf *b, const struct table_endpoints *e) {
    if (e && e->reach) add_reach(b, e->reach);
    if (e && e->budget) add_budget(b, e->budget);
    buf_add(b, S(" {"));
    for (uint32_t i = 0; e && i < e->n; i++) {
        const struct table_endpoint *p = &e->v[i];
        if (i) buf_add_char(b, ' ');
        if (p->ip.family == 6) buf_add_char(b, '[');
        ip_print(b, &p->ip);
        buf_printf(b, p->ip.family == 6 ? "]:%u" : ":%u", p->port);
    }
    buf_add_char(b, '}');
}

static void add_time(struct buf *b, const char *what, uint64_t us) {
    if (us == TABLE_TIME_UNSET) return;
    if (!us) {
        buf_printf(b, "%s=none  ", what);
        return;
    }
    bool ms = us % 1000 == 0;
    buf_printf(b, "%s=%llu%s  ", what, (unsigned long long)(ms ? us / 1000 : us), ms ? "ms" : "us");
}

static void add_retry(struct buf *b, const struct table_retry *r) {
    if (!r) return;
    if (!r->attempts) {
        buf_add(b, S("retry{never}  "));
        return;
    }
    buf_printf(b, "retry{%u", r->attempts);
    bool any = false;
    for (uint32_t i = TABLE_CODE_MIN; i <= TABLE_CODE_MAX; i++)
        if (table_retry_has(r, i)) buf_printf(b, "%s%u", any ? "," : " on ", i), any = true;
    buf_add_char(b, ' ');
    add_time(b, "backoff", r->backoff_us);
    while (b->n && b->p[b->n - 1] == ' ') b->n--;
    buf_add(b, S("}  "));
}

void dump_session(const struct table_session *s, struct buf *b) {
    buf_printf(b, "%s " STR_FMT, s->header ? "header" : "cookie", STR_ARG(s->name));
    if (!s->header) buf_printf(b, " path " STR_FMT, STR_ARG(s->path));
    if (s->absolute_s)
        buf_printf(b, " %s %llus", s->permanent ? "permanent" : "ends after",
                   (unsigned long long)s->absolute_s);
}

static void add_session(struct buf *b, const struct table_session *s) {
    buf_add(b, S(" session{"));
    dump_session(s, b);
    buf_add_char(b, '}');
}

static void add_rule(struct buf *b, const struct table *t, const struct table_rule *r) {
    buf_printf(b, "-> " STR_FMT "[%d]  ", STR_ARG(r->route), (int)r->index);
    if (r->name.n) buf_printf(b, "name=" STR_FMT "  ", STR_ARG(r->name));
    add_filters(b, r->filters, r->filters_n);
    add_time(b, "timeout", r->request_timeout_us);
    add_time(b, "backend-timeout", r->backend_timeout_us);
    add_retry(b, r->retry);
    for (uint32_t i = 0; i < r->targets_n; i++) {
        const struct table_target *target = &r->targets[i];
        if (i) buf_add(b, S("  "));
        if (target->filters_n) add_filters(b, target->filters, target->filters_n);
        if (target->backend)
            buf_printf(b, STR_FMT " w%u", STR_ARG(target->backend->name), target->weight);
        else
            buf_printf(b, "%u w%u", target->answer, target->weight);
        if (target->session) add_session(b, target->session);
        if (target->backend) add_endpoints(b, table_endpoints(t, target->backend->slot));
    }
    while (b->n && b->p[b->n - 1] == ' ') b->n--;
    buf_add_char(b, '\n');
}

struct path_at {
    const struct host_path *path;
    const struct host_paths *in;
    uint32_t at; /* of the alternative */
};

static int kind_order(const struct host_path *x, const struct host_path *y) {
    static const uint8_t place[] = {[HOST_EXACT] = 0, [HOST_REGEX] = 1, [HOST_PREFIX] = 2};
    return place[x->kind] - place[y->kind];
}

static int path_order(const void *a, const void *b) {
    const struct path_at *p = a, *q = b;
    const struct host_path *x = p->path, *y = q->path;
    int d = kind_order(x, y);
    if (!d && x->kind == HOST_REGEX) return host_expression_order(p->in, p->at, q->in, q->at);
    if (!d && x->kind == HOST_PREFIX && x->n != y->n) return x->n > y->n ? -1 : 1;
    if (!d) d = str_cmp((str){x->p, x->n}, (str){y->p, y->n});
    return d ? d : p->at < q->at ? -1 : 1;
}

static void add_path(struct buf *b, const struct path_at *p, uint32_t number) {
    const char *kind = p->path->kind == HOST_EXACT   ? "exact"
                       : p->path->kind == HOST_REGEX ? "regex"
                                                     : "prefix";
    str path = p->path->n ? (str){p->path->p, p->path->n} : S("/");
    if (p->path->kind == HOST_REGEX) path = p->in->expressions[p->at - p->in->plain_n].regex->text;
    buf_printf(b, "route   %u  %s " STR_FMT "  ", number, kind, STR_ARG(path));
}

static void add_alternative(struct buf *b, const struct table *t, const struct path_at *p, uint32_t number) {
    const struct host_alternative *a = &p->in->alternatives[p->at];
    const struct host_condition *c = p->in->conditions + a->conditions;
    add_path(b, p, number);
    for (uint32_t i = 0; i < (uint32_t)a->headers_n + a->query_n; i++)
        buf_printf(b, "%s" STR_FMT "%s" STR_FMT "  ", i < a->headers_n ? "" : "?",
                   STR_ARG(host_condition_name(&c[i])), host_condition_regex(&c[i]) ? "~" : "=",
                   STR_ARG(host_condition_value(&c[i])));
    if (a->method != HTTP_METHOD_OTHER)
        buf_printf(b, "method=" STR_FMT "  ", STR_ARG(http_method_name(a->method)));
    add_rule(b, t, a->rule);
}

static void add_host(struct buf *b, const struct table *t, const struct table_host *h) {
    size_t n = 0;
    for (uint32_t i = 0; i < h->shards_n; i++) n += h->shards[i] ? h->shards[i]->alternatives_n : 0;
    if (!n) return;
    struct path_at *all = base_alloc(n * sizeof *all);
    n = 0;
    for (uint32_t i = 0; i < h->shards_n; i++) {
        const struct host_paths *s = h->shards[i];
        for (uint32_t k = 0; s && k < s->paths_n; k++)
            for (uint32_t j = 0; j < s->paths[k].count; j++)
                all[n++] = (struct path_at){&s->paths[k], s, s->paths[k].first + j};
    }
    qsort(all, n, sizeof *all, path_order);
    for (size_t i = 0; i < n; i++) add_alternative(b, t, &all[i], (uint32_t)i + 1);
    free(all);
}

static str shown(str hostname) { return hostname.n ? hostname : S("*"); }

static void add_number(struct buf *b, const char *what, uint64_t v) {
    if (v) buf_printf(b, "%s=%llu  ", what, (unsigned long long)v);
}

static void add_nets(struct buf *b, const char *what, const struct ip_net *nets, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        buf_printf(b, "%s=", what);
        ip_print(b, &nets[i].ip);
        buf_printf(b, "/%u  ", nets[i].bits);
    }
}

static void add_balancing(struct buf *b, const struct table_balancing *s) {
    buf_printf(b, "failures=%u  statuses=%u  ", s->failures, s->statuses);
    add_time(b, "out", s->out_us);
    add_time(b, "out-max", s->out_us_max);
    buf_printf(b, "share=%u%%  ", s->share_percent);
    if (s->probe) {
        bool http = s->probe == TABLE_PROBE_HTTP;
        buf_printf(b, "check=%s%s  ", http ? "HTTP:" : "TCP", http ? s->probe_path : "");
        if (s->probe_status) buf_printf(b, "check-status=%u  ", s->probe_status);
        add_time(b, "check-interval", s->probe_interval_us);
        add_time(b, "check-timeout", s->probe_timeout_us);
        buf_printf(b, "check-failures=%u  check-successes=%u  ", s->probe_failures, s->probe_successes);
    }
    if (s->conns_max) {
        buf_printf(b, "connections=%u  waiting=%u  ", s->conns_max, s->waiting_max);
        add_time(b, "wait", s->wait_us);
    }
    if (s->slow_start_us) add_time(b, "slow-start", s->slow_start_us);
    if (s->order == TABLE_ROUND_ROBIN) buf_add(b, S("round-robin  "));
}

static void add_settings(struct buf *b, const struct table_settings *s) {
    static const char *const forms[] = {
        [ACCESS_OFF] = "off", [ACCESS_JSON] = "json", [ACCESS_TEXT] = "text", [ACCESS_OWN] = "own"};
    static const char *const proxies[] = {
        [TABLE_PROXY_REQUIRED] = "required", [TABLE_PROXY_FROM_TRUSTED] = "from-trusted"};
    static const char *const ids[] = {[TABLE_REQUEST_ID_IF_ABSENT] = "if-absent",
                                      [TABLE_REQUEST_ID_FROM_TRUSTED] = "from-trusted",
                                      [TABLE_REQUEST_ID_ALWAYS] = "always"};
    const uint64_t times[] = {s->request_timeout_us, s->backend_timeout_us, s->connect_us, s->idle_us,
                              s->backend_idle_us,    s->upgraded_idle_us,   s->head_us,    s->handshake_us};
    static const char *const names[] = {"timeout",      "backend-timeout", "connect", "idle",
                                        "backend-idle", "upgraded-idle",   "head",    "handshake"};
    buf_add(b, S("  settings{"));
    for (size_t i = 0; i < COUNT_OF(times); i++)
        if (times[i]) add_time(b, names[i], times[i]);
    add_number(b, "head-bytes", s->head_bytes);
    add_number(b, "head-fields", s->head_fields);
    add_number(b, "body-bytes", s->body_bytes);
    add_number(b, "streams", s->streams);
    add_number(b, "client-connections", s->client_connections);
    if (s->least_bytes_set) buf_printf(b, "least-bytes=%u/s  ", s->least_bytes);
    add_nets(b, "trusts", s->trusted, s->trusted_n);
    add_number(b, "hops", s->trusted_hops);
    if (s->access_form) buf_printf(b, "access-log=%s  ", forms[s->access_form]);
    if (s->proxy_protocol) buf_printf(b, "proxy-protocol=%s  ", proxies[s->proxy_protocol]);
    add_nets(b, "proxy", s->proxy_trusted, s->proxy_trusted_n);
    if (s->forwarded) buf_add(b, S("forwarded  "));
    if (s->via.n) buf_printf(b, "via=" STR_FMT "%s  ", STR_ARG(s->via), s->via_own ? "" : " (shared)");
    if (s->request_id) buf_printf(b, "request-id=%s  ", ids[s->request_id]);
    if (s->balancing) add_balancing(b, s->balancing);
    for (uint32_t i = 0; i < s->upgrades_n; i++)
        buf_printf(b, "upgrade=" STR_FMT "  ", STR_ARG(s->upgrades[i]));
    while (b->n && b->p[b->n - 1] == ' ') b->n--;
    buf_add_char(b, '}');
}

static bool any_settings(const struct table_settings *s) {
    return s->request_timeout_us || s->backend_timeout_us || s->connect_us || s->idle_us ||
           s->backend_idle_us || s->upgraded_idle_us || s->upgrades_n || s->head_us || s->body_bytes ||
           s->handshake_us || s->head_fields || s->streams || s->client_connections || s->least_bytes_set ||
           s->head_bytes || s->trusted_hops || s->trusted_n || s->access_form || s->request_id ||
           s->forwarded || s->via.n || s->proxy_protocol || s->balancing;
}

/* A share of all traces, in percent of them. */
static void add_share(struct buf *b, const char *what, uint64_t threshold) {
    uint64_t taken = TRACE_NEVER - threshold;
    buf_printf(b, " %s=%.7g%%", what, (double)taken * 100 / (double)TRACE_NEVER);
}

static void add_tracing(struct buf *b, const struct table_tracing *t) {
    const struct table_collector *c = t->collector;
    buf_add(b, S("  tracing{"));
    if (c)
        buf_printf(b, "to=" STR_FMT " %s host=" STR_FMT, STR_ARG(c->backend->name),
                   c->grpc ? "otlp/grpc" : "otlp/http", STR_ARG(c->authority));
    else
        buf_add(b, S("context"));
    add_share(b, "sampled", t->sampled);
    if (t->ignores_parent)
        buf_add(b, S(" ignores-parent"));
    else
        add_share(b, "of-parent", t->sampled_of_parent);
    if (c && c->service_name.n) buf_printf(b, " service=" STR_FMT, STR_ARG(c->service_name));
    if (t->span_name.n) buf_printf(b, " span=\"" STR_FMT "\"", STR_ARG(t->span_name));
    for (uint32_t i = 0; i < t->wishes_n; i++) {
        const struct span_wish *w = &t->wishes[i];
        static const char *const sources[] = {"header:", "", "record:"};
        bool left_out = w->source == SPAN_OF_RECORD && w->known == SPAN_UNKNOWN;
        buf_printf(b, " " STR_FMT "=%s" STR_FMT, STR_ARG(w->name), left_out ? "-" : sources[w->source],
                   STR_ARG(left_out ? S("") : w->value));
    }
    for (uint32_t i = 0; c && i < c->headers_n; i++)
        buf_printf(b, " header=" STR_FMT, STR_ARG(c->headers[i].name));
    if (c) buf_printf(b, " batch=%u/%llums", c->batch_spans, (unsigned long long)(c->batch_us / 1000));
    buf_add_char(b, '}');
}

/* The kinds of keys are told where there is a choice. */
static void add_tls(struct buf *b, const struct table_listener *l) {
    static const char *const kinds[] = {"", KEY_KIND_NAMES};
    buf_printf(b, "  tls>=1.%u", l->tls_min - 10u);
    if (l->tls_max < 13) buf_printf(b, "  tls<=1.%u", l->tls_max - 10u);
    if (l->tls_suites.n) buf_printf(b, "  suites{" STR_FMT "}", STR_ARG(l->tls_suites));
    if (l->tls_ciphers.n) buf_printf(b, "  ciphers{" STR_FMT "}", STR_ARG(l->tls_ciphers));
    for (uint32_t i = 0; i < l->certificates_n; i++) {
        const struct table_certificate *c = l->certificates[i];
        buf_add(b, S("  certificate{"));
        for (uint32_t k = 0; k < c->names_n; k++)
            buf_printf(b, "%s" STR_FMT, k ? " " : "", STR_ARG(c->names[k]));
        if (l->certificates_n > 1 && c->key_kind) buf_printf(b, " %s", kinds[c->key_kind]);
        buf_printf(b, "%s}", c->ocsp.n ? " stapled" : "");
    }
    if (l->clients)
        buf_printf(b, "  clients{%s ca=" STR_FMT "}", l->clients->lenient ? "lenient" : "required",
                   STR_ARG(str_upto(l->clients->id, 12)));
}

static void add_listener(struct buf *b, const struct table *t, str at, const struct table_listener *l) {
    buf_printf(b, "serve   " STR_FMT " listener=" STR_FMT "/" STR_FMT " " STR_FMT, STR_ARG(at),
               STR_ARG(l->gateway), STR_ARG(l->section), STR_ARG(shown(l->hostname)));
    if (l->tls) add_tls(b, l);
    if (l->client) buf_add(b, S("  client-certificate"));
    if (any_settings(l->settings)) add_settings(b, l->settings);
    if (l->gate) {
        buf_add(b, S("  "));
        add_filters(b, l->gate->filters, l->gate->filters_n);
        b->n -= 2;
    }
    if (l->tracing) add_tracing(b, l->tracing);
    buf_add_char(b, '\n');
    size_t n;
    struct names_item *hosts = names_sorted(spine_get(&spine_of(t)->hosts, l->slot), &n);
    for (size_t i = 0; i < n; i++) {
        const struct table_host *h = hosts[i].value;
        buf_printf(b, "host    " STR_FMT " listener=" STR_FMT "/" STR_FMT " " STR_FMT "\n", STR_ARG(at),
                   STR_ARG(l->gateway), STR_ARG(l->section), STR_ARG(shown(h->hostname)));
        add_host(b, t, h);
    }
    free(hosts);
}

void dump_table(const struct table *t, struct buf *b) {
    const struct table_socket *sockets;
    uint32_t sockets_n = table_sockets(t, &sockets);
    for (uint32_t i = 0; i < sockets_n; i++) {
        const struct table_port *p = table_port(t, sockets[i].slot);
        char at[80]; /* an address is at most 45 bytes */
        bool v6 = str_find(p->address, ':') < p->address.n;
        int at_n = snprintf(at, sizeof at, v6 ? "[" STR_FMT "]:%u" : STR_FMT ":%u",
                            STR_ARG(str_upto(p->address, 64)), p->port);
        str where = {at, (size_t)at_n};
        buf_printf(b, "listen  " STR_FMT " %s\n", STR_ARG(where), p->tls ? "https" : "http");
        size_t n;
        struct names_item *listeners = names_sorted(p->listeners, &n);
        for (size_t k = 0; k < n; k++) add_listener(b, t, where, listeners[k].value);
        free(listeners);
    }
}
