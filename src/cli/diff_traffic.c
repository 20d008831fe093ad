/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/diff.h"

#include "filter/filter.h"
#include "http/http_uri.h"

/* For every match of every rule of either side a request that it takes, unless another goes before it; looked up on both sides. */

enum { WORDS_BYTES_MAX = 1 << 20 };
static const str any_host = S("any-other-host.invalid"), any_label = S("any-label"), below = S("/any-below");

struct probe {
    const struct plan_listener *listener;
    str host, method, path, query, url;
    struct table_header *headers;
    uint32_t headers_n;
};
/* Who takes it. */

static const struct table_socket *find_socket(const struct table *t, const struct plan_listener *l) {
    const struct table_socket *all;
    uint32_t n = table_sockets(t, &all);
    for (uint32_t i = 0; i < n; i++) {
        if (all[i].port == l->bind_port && str_eq(all[i].address, l->bind_address)) return &all[i];
    }
    return NULL;
}

static void add_filters(struct buf *b, const struct table_filter *f, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        buf_add(b, S("; "));
        filter_describe(b, &f[i]);
        while (b->n && b->p[b->n - 1] == '\n') b->n--;
    }
}

/* All that a rule does on a listener, so that equal words mean equal treatment. */
static str outcome_of(struct arena *a, const struct table_rule *r, const struct table_settings *s) {
    struct buf b;
    buf_init(&b, WORDS_BYTES_MAX);
    bool redirects = filter_find_redirect(r->filters, r->filters_n);
    if (!redirects && !r->weight_sum) buf_add(&b, S("500 no_backend"));
    for (uint32_t i = 0; !redirects && r->weight_sum && i < r->targets_n; i++) {
        const struct table_target *t = &r->targets[i];
        if (!t->weight) continue;
        buf_add(&b, b.n ? S(", ") : S(""));
        if (t->weight != r->weight_sum)
            buf_printf(&b, "%.4g%% ", (double)t->weight * 100 / (double)r->weight_sum);
        if (t->backend) {
            buf_add(&b, t->backend->name);
        } else {
            buf_printf(&b, "answers %u", t->answer);
        }
        add_filters(&b, t->filters, t->filters_n);
        if (t->session) {
            buf_add(&b, S("; session by "));
            filter_describe_session(&b, t->session);
        }
    }
    add_filters(&b, r->filters, r->filters_n);
    uint64_t request_us = table_request_timeout_us(r, s), backend_us = table_backend_timeout_us(r, s);
    if (request_us) buf_printf(&b, "; timeout %g s", (double)request_us / 1e6);
    if (backend_us) buf_printf(&b, "; backend timeout %g s", (double)backend_us / 1e6);
    if (r->retry) {
        buf_add(&b, S("; retries "));
        filter_describe_retry(&b, r->retry);
    }
    if (s->body_bytes) buf_printf(&b, "; body of at most %llu bytes", (unsigned long long)s->body_bytes);
    str words = buf_str(&b);
    if (str_starts(words, S("; "))) words = str_from(words, 2);
    words = arena_str(a, words);
    buf_fini(&b);
    return words;
}

/* The same, after what the listener's own filters do. */
static str after_gate(struct arena *a, const struct table_listener *l, str outcome) {
    if (!l->gate) return outcome;
    struct buf b;
    buf_init(&b, WORDS_BYTES_MAX);
    add_filters(&b, l->gate->filters, l->gate->filters_n);
    str words = arena_printf(a, "listener: " STR_FMT "; then " STR_FMT, STR_ARG(str_from(buf_str(&b), 2)),
                             STR_ARG(outcome));
    buf_fini(&b);
    return words;
}

static struct diff_taker taker_of(struct arena *a, const struct table *t, const struct probe *p) {
    struct diff_taker none = {.outcome = S("no connection")};
    const struct table_socket *socket = find_socket(t, p->listener);
    if (!socket || socket->tls != (p->listener->protocol == PLAN_HTTPS)) return none;
    const struct table_listener *l = table_listener_for(table_port(t, socket->slot), p->host);
    none.outcome = S("404 no_listener");
    if (!l) return none;
    struct http_msg m;
    struct table_match match;
    http_msg_init(&m, a, true);
    m.version = 11;
    m.method = p->method, m.method_id = (uint8_t)http_method_of(p->method);
    m.authority = p->host, m.path = p->path, m.query = p->query;
    for (uint32_t i = 0; i < p->headers_n; i++) http_msg_add(&m, p->headers[i].name, p->headers[i].value);
    none.outcome = after_gate(a, l, S("404 no_route"));
    if (!table_match(t, l, p->host, &m, a, NULL, &match)) return none;
    return (struct diff_taker){match.rule->route, match.rule->index,
                               after_gate(a, l, outcome_of(a, match.rule, l->settings))};
}

static void try_probe(struct diff *d, struct arena *scratch, const struct probe *p) {
    struct buf b;
    buf_init(&b, WORDS_BYTES_MAX);
    buf_printf(&b, STR_FMT " " STR_FMT " " STR_FMT, STR_ARG(p->method), STR_ARG(p->url),
               STR_ARG(p->listener->bind_address));
    for (uint32_t i = 0; i < p->headers_n; i++)
        buf_printf(&b, "\n" STR_FMT ": " STR_FMT, STR_ARG(p->headers[i].name), STR_ARG(p->headers[i].value));
    bool new = diff_is_new(d, buf_str(&b));
    buf_fini(&b);
    if (!new) return;
    diff_note(d, &(struct diff_request){.method = p->method,
                                        .url = p->url,
                                        .headers = p->headers,
                                        .headers_n = p->headers_n,
                                        .before = taker_of(scratch, d->a->pipeline.table, p),
                                        .after = taker_of(scratch, d->b->pipeline.table, p)});
}

/* Requests. */

/* The value itself, or one that the expression takes; false: none was found. */
static bool value_for(struct arena *a, bool expression, str value, str *ret) {
    *ret = expression ? diff_sample(a, value) : value;
    return ret->p || !expression;
}

static void add_escaped(struct buf *b, str s) {
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            (c && strchr("-._~", c))) {
            buf_add_char(b, c);
        } else {
            buf_printf(b, "%%%02X", (unsigned char)c);
        }
    }
}

static bool query_of(struct arena *a, const struct plan_match *m, str *ret) {
    struct buf b;
    bool all = true;
    buf_init(&b, WORDS_BYTES_MAX);
    for (uint32_t i = 0; i < m->query.n && all; i++) {
        str value;
        all = value_for(a, m->query.p[i].type == PLAN_VALUE_REGEX, m->query.p[i].value, &value);
        buf_add_char(&b, i ? '&' : '?');
        add_escaped(&b, m->query.p[i].name);
        buf_add_char(&b, '=');
        add_escaped(&b, value);
    }
    *ret = arena_str(a, buf_str(&b));
    buf_fini(&b);
    return all;
}

static bool headers_of(struct arena *a, const struct plan_match *m, struct table_header *headers) {
    for (uint32_t i = 0; i < m->headers.n; i++) {
        headers[i].name = m->headers.p[i].name;
        if (!value_for(a, m->headers.p[i].type == PLAN_VALUE_REGEX, m->headers.p[i].value, &headers[i].value))
            return false;
    }
    return true;
}

/* hostname: "" any, "*.x" any below x. */
static str host_of(struct arena *a, const struct plan_listener *l, str hostname) {
    if (!hostname.n) hostname = l->hostname;
    if (!hostname.n) return any_host;
    if (!str_starts(hostname, S("*."))) return hostname;
    return arena_printf(a, STR_FMT STR_FMT, STR_ARG(any_label), STR_ARG(str_from(hostname, 1)));
}

static void try_path(struct diff *d, struct arena *scratch, struct probe *p, str path) {
    if (http_uri_normal_path(scratch, path, &p->path) != OK) return;
    bool tls = p->listener->protocol == PLAN_HTTPS;
    long long port = (long long)p->listener->port;
    str port_words = port == (tls ? 443 : 80) ? S("") : arena_printf(scratch, ":%lld", port);
    p->url = arena_printf(scratch, "%s://" STR_FMT STR_FMT STR_FMT STR_FMT, tls ? "https" : "http",
                          STR_ARG(p->host), STR_ARG(port_words), STR_ARG(p->path), STR_ARG(p->query));
    try_probe(d, scratch, p);
}

static void try_match(struct diff *d, struct arena *scratch, const struct plan_listener *l, str hostname,
                      const struct plan_match *m) {
    struct probe p = {.listener = l,
                      .host = host_of(scratch, l, hostname),
                      .method = m->method.n ? m->method : S("GET"),
                      .headers = arena_array(scratch, struct table_header, m->headers.n + 1),
                      .headers_n = m->headers.n};
    str path;
    bool expression = m->path_type == PLAN_PATH_REGEX;
    if (!value_for(scratch, expression, m->path, &path) || !headers_of(scratch, m, p.headers) ||
        !query_of(scratch, m, &p.query)) {
        d->untried++;
        return;
    }
    if (expression && !str_starts(path, S("/"))) path = arena_printf(scratch, "/" STR_FMT, STR_ARG(path));
    try_path(d, scratch, &p, path.n ? path : S("/"));
    if (m->path_type == PLAN_PATH_EXACT || expression) return;
    try_path(d, scratch, &p, arena_printf(scratch, STR_FMT STR_FMT, STR_ARG(path), STR_ARG(below)));
}

static void try_route(struct diff *d, struct arena *scratch, const struct plan *plan,
                      const struct plan_route *r) {
    for (uint32_t i = 0; i < r->attachments.n; i++) {
        const struct plan_attachment *at = &r->attachments.p[i];
        const struct plan_listener *l = plan_open(NULL, plan_get(plan, PLAN_LISTENER, at->listener));
        if (!l || (l->protocol != PLAN_HTTP && l->protocol != PLAN_HTTPS)) continue;
        for (uint32_t h = 0; h < at->hostnames.n; h++) {
            for (uint32_t k = 0; k < r->rules.n; k++) {
                for (uint32_t m = 0; m < r->rules.p[k].matches.n; m++) {
                    arena_reset(scratch);
                    try_match(d, scratch, l, at->hostnames.p[h], &r->rules.p[k].matches.p[m]);
                }
            }
        }
    }
}

static void try_side(struct diff *d, const struct plan *plan) {
    OWNED(arena) scratch = arena_new();
    OWNED(arena) one = arena_new();
    void **all = index_sorted(&plan->pieces[PLAN_ROUTE]);
    for (uint32_t i = 0; i < plan->pieces[PLAN_ROUTE].n; i++) {
        const struct plan_route *r = plan_open(one, all[i]);
        if (r->kind == PLAN_ROUTE_HTTP) try_route(d, scratch, plan, r);
        arena_reset(one);
    }
    free(all);
}

void diff_traffic(struct diff *d) {
    try_side(d, &d->a->pipeline.plan);
    try_side(d, &d->b->pipeline.plan);
    diff_flows(d);
    size_t n;
    struct map_entry *all = map_sorted(&d->route_by_name, &n);
    for (size_t i = 0; i < n; i++) {
        DIFF_ROOM(d, routes);
        d->routes[d->routes_n++] = *(const struct diff_route *)all[i].value;
    }
    free(all);
    map_fini(&d->tried_words);
    map_fini(&d->route_by_name);
}
