/* SPDX-License-Identifier: Apache-2.0 */
#include "control/explain_story.h"
#include "io/clock.h"
#include "table/health_view.h"

enum { ENDPOINTS_SHOWN = 6, WORDS_BYTES_MAX = 65536 };

/* Words that both forms use. */

static void add_value_match(struct buf *b, const char *what, const struct plan_value_match *v) {
    buf_printf(b, ", %s " STR_FMT "%s" STR_FMT, what, STR_ARG(v->name),
               v->type == PLAN_VALUE_REGEX ? " matches " : ": ", STR_ARG(v->value));
}

void explain_print_match(struct buf *b, const struct plan_match *m) {
    static const char *const types[] = {[PLAN_PATH_UNSET] = "prefix",
                                        [PLAN_PATH_EXACT] = "exact",
                                        [PLAN_PATH_PREFIX] = "prefix",
                                        [PLAN_PATH_REGEX] = "matches"};
    buf_printf(b, "path %s " STR_FMT, types[m->path_type], STR_ARG(m->path.n ? m->path : S("/")));
    if (m->method.n) buf_printf(b, ", method " STR_FMT, STR_ARG(m->method));
    for (uint32_t i = 0; i < m->headers.n; i++) add_value_match(b, "header", &m->headers.p[i]);
    for (uint32_t i = 0; i < m->query.n; i++) add_value_match(b, "query", &m->query.p[i]);
}

static void add_answer_words(struct buf *b, const struct explain_story *s) {
    if (s->refused) {
        buf_add(b, S("no connection"));
    } else if (s->reason == REASON_NONE) {
        buf_add(b, S("the backend's"));
        if (s->match.rule->asks) buf_add(b, S(", or that of whoever is asked for authorization"));
    } else {
        buf_printf(b, "%u " STR_FMT ": " STR_FMT, s->status, STR_ARG(http_reason_name(s->reason)),
                   STR_ARG(http_reason_words(s->reason)));
    }
}

/* Text. */

static void label(struct buf *b, const char *name) { buf_printf(b, "%-10s", name); }

static void text_filters(struct buf *b, const char *name, const struct table_filter *f, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        struct buf words;
        buf_init(&words, WORDS_BYTES_MAX);
        filter_describe(&words, &f[i]);
        str rest = buf_str(&words);
        while (rest.n) {
            str line = str_cut(&rest, '\n');
            if (!line.n) continue;
            label(b, name);
            buf_printf(b, STR_FMT "\n", STR_ARG(line));
            name = "";
        }
        buf_fini(&words);
    }
}

static void text_listener(struct buf *b, const struct explain_story *s) {
    const struct table_listener *l = s->listener;
    label(b, "listener");
    buf_printf(b, "Gateway " STR_FMT " listener " STR_FMT "  (%s port %u, socket " STR_FMT ":%u)\n",
               STR_ARG(l->gateway), STR_ARG(l->section), l->tls ? "HTTPS" : "HTTP", l->port,
               STR_ARG(s->socket->address), s->socket->port);
    label(b, "host");
    buf_printf(b, STR_FMT "  (listener's hostname: " STR_FMT ")\n", STR_ARG(s->host),
               STR_ARG(l->hostname.n ? l->hostname : S("*")));
    if (s->certificate) {
        label(b, "tls");
        buf_add(b, S("certificate for"));
        for (uint32_t i = 0; i < s->certificate->names_n; i++)
            buf_printf(b, " " STR_FMT, STR_ARG(s->certificate->names[i]));
        buf_add_char(b, '\n');
    }
    if (l->gate) text_filters(b, "filters", l->gate->filters, l->gate->filters_n);
}

static void text_time(struct buf *b, const char *what, uint64_t us, const char *before) {
    buf_printf(b, us ? "%s%s %g s" : "%s%s none", before, what, (double)us / 1e6);
}

/* How long its requests may take and how often they are tried, where they go on to backends. */
static void text_tries(struct buf *b, const struct table_rule *r, const struct table_settings *s) {
    uint64_t request_us = table_request_timeout_us(r, s), attempt_us = table_backend_timeout_us(r, s);
    if (request_us || attempt_us) {
        label(b, "timeouts");
        text_time(b, "request", request_us, "");
        text_time(b, "each attempt", attempt_us, ", ");
        buf_add_char(b, '\n');
    }
    if (!r->retry) return;
    label(b, "retries");
    filter_describe_retry(b, r->retry);
    buf_add_char(b, '\n');
}

static void text_rule(struct buf *b, const struct explain_story *s) {
    const struct table_rule *r = s->match.rule;
    label(b, "route");
    buf_printf(b, STR_FMT " rule %d%s" STR_FMT "\n", STR_ARG(r->route), r->index, r->name.n ? " " : "",
               STR_ARG(r->name));
    for (uint32_t i = 0; s->rule && i < s->rule->matches.n; i++) {
        label(b, i ? "" : "matches");
        buf_add(b, i ? S("or ") : S(""));
        explain_print_match(b, &s->rule->matches.p[i]);
        buf_add_char(b, '\n');
    }
    text_filters(b, "filters", r->filters, r->filters_n);
    if (s->targets) text_tries(b, r, s->listener->settings);
}

static void text_message(struct buf *b, const char *name, const struct explain_story *s,
                         const struct explain_message *e) {
    label(b, name);
    buf_printf(b, STR_FMT " " STR_FMT STR_FMT "  Host: " STR_FMT "%s\n", STR_ARG(s->m.method),
               STR_ARG(e->path), STR_ARG(e->query), STR_ARG(e->host), e->broken ? "  (can not be sent)" : "");
    for (uint32_t i = 0; i < e->changes_n; i++) {
        const struct explain_change *c = &e->changes[i];
        label(b, "");
        buf_printf(b, "%c " STR_FMT ": " STR_FMT "%s" STR_FMT "\n", c->sign, STR_ARG(c->name),
                   STR_ARG(c->before), c->sign == '~' ? " -> " : "", STR_ARG(c->after));
    }
}

static void text_response(struct buf *b, const struct explain_response *r) {
    for (uint32_t i = 0; i < r->n; i++) {
        label(b, i ? "" : "says");
        buf_printf(b, STR_FMT ": " STR_FMT "\n", STR_ARG(r->fields[i].name), STR_ARG(r->fields[i].value));
    }
}

/* Endpoints that do not serve as they should, and why. */
static void text_outs(struct buf *b, const struct table_endpoints *e) {
    uint64_t now_us = clock_monotonic_us();
    uint32_t out = 0, at = 0;
    struct health_view v;
    for (const struct table_endpoint *x; (x = health_view_next(e, now_us, &at, &v));) {
        if (++out > ENDPOINTS_SHOWN) continue;
        label(b, out == 1 ? "  not well" : "");
        ip_print_port(b, &x->ip, x->port);
        buf_add_char(b, ' ');
        health_view_print(b, &v);
        buf_add_char(b, '\n');
    }
    if (out <= ENDPOINTS_SHOWN) return;
    label(b, "");
    buf_printf(b, "and %u more\n", out - ENDPOINTS_SHOWN);
}

static void text_target(struct buf *b, const struct explain_story *s, const struct explain_target *t,
                        const char *name) {
    uint64_t sum = s->match.rule->weight_sum;
    unsigned share = sum ? (unsigned)((uint64_t)t->target->weight * 1000 / sum) : 0;
    label(b, name);
    buf_printf(b, "%3u.%u%%  weight %-4u ", share / 10, share % 10, t->target->weight);
    if (!t->target->backend) {
        buf_printf(b, "answers %u: " STR_FMT "\n", t->target->answer, STR_ARG(t->why));
        return;
    }
    buf_printf(b, STR_FMT "  ", STR_ARG(t->target->backend->name));
    uint32_t n = t->endpoints ? t->endpoints->n : 0;
    for (uint32_t i = 0; i < n && i < ENDPOINTS_SHOWN; i++) {
        buf_add(b, i ? S(", ") : S("-> "));
        ip_print_port(b, &t->endpoints->v[i].ip, t->endpoints->v[i].port);
    }
    if (n > ENDPOINTS_SHOWN) buf_printf(b, " and %u more", n - ENDPOINTS_SHOWN);
    buf_add(b, n ? S("\n") : S("no ready endpoint: 503\n"));
    text_outs(b, t->endpoints);
    if (t->hostname.n) {
        label(b, "  name");
        buf_printf(b, STR_FMT ": " STR_FMT "\n", STR_ARG(t->hostname), STR_ARG(t->resolved));
    }
    text_filters(b, "  filters", t->target->filters, t->target->filters_n);
    if (t->target->session) {
        label(b, "  session");
        filter_describe_session(b, t->target->session);
        buf_add(b, S(": who brings it back goes to the endpoint it is for\n"));
    }
    if (t->target->filters_n && !t->location.p) text_message(b, "  sends", s, &t->message);
    if (t->response.preflight) {
        label(b, "");
        buf_add(b, S("answers 204 by its CORS filter\n"));
    }
    text_response(b, &t->response);
    if (t->location.p) {
        label(b, "");
        buf_printf(b, "Location: " STR_FMT "\n", STR_ARG(t->location));
    }
}

void explain_print_text(struct buf *b, const struct explain_story *s) {
    label(b, "request");
    buf_printf(b, STR_FMT " %s " STR_FMT STR_FMT "  Host: " STR_FMT "  port %u\n", STR_ARG(s->m.method),
               s->tls ? "https" : "http", STR_ARG(s->m.path), STR_ARG(s->m.query), STR_ARG(s->m.authority),
               s->port);
    if (s->listener) text_listener(b, s);
    if (s->match.rule) text_rule(b, s);
    if (s->targets) text_message(b, "sends", s, &s->message);
    for (uint32_t i = 0; s->targets && i < s->match.rule->targets_n; i++) {
        text_target(b, s, &s->targets[i], i ? "" : "backends");
    }
    label(b, "answer");
    add_answer_words(b, s);
    buf_add_char(b, '\n');
    text_response(b, &s->response);
    if (s->location.p) {
        label(b, "");
        buf_printf(b, "Location: " STR_FMT "\n", STR_ARG(s->location));
    }
    for (uint32_t i = 0; i < s->why_n; i++) {
        label(b, i ? "" : "why");
        buf_printf(b, STR_FMT "\n", STR_ARG(s->why[i]));
    }
    for (uint32_t i = 0; i < s->near_n; i++) {
        label(b, i ? "" : "near");
        buf_printf(b, STR_FMT ": " STR_FMT "\n", STR_ARG(s->near[i].what), STR_ARG(s->near[i].why));
    }
    if (s->near_more) {
        label(b, "");
        buf_printf(b, "and %u more\n", s->near_more);
    }
}

/* JSON. */

static void member(struct buf *b, const char *name, str value) {
    buf_printf(b, "\"%s\": ", name);
    buf_add_json(b, value);
}

static void json_filters(struct buf *b, const struct table_filter *f, uint32_t n) {
    buf_add(b, S("\"filters\": ["));
    for (uint32_t i = 0; i < n; i++) {
        struct buf words;
        buf_init(&words, WORDS_BYTES_MAX);
        filter_describe(&words, &f[i]);
        str text = buf_str(&words);
        if (str_ends(text, S("\n"))) text.n--;
        buf_add(b, i ? S(", ") : S(""));
        buf_add_json(b, text);
        buf_fini(&words);
    }
    buf_add_char(b, ']');
}

static void json_listener(struct buf *b, const struct explain_story *s) {
    const struct table_listener *l = s->listener;
    buf_add(b, S(",\n  \"listener\": {"));
    member(b, "gateway", l->gateway);
    buf_add(b, S(", "));
    member(b, "name", l->section);
    buf_add(b, S(", "));
    member(b, "hostname", l->hostname);
    buf_printf(b, ", \"port\": %u, \"tls\": %s, ", l->port, l->tls ? "true" : "false");
    member(b, "address", s->socket->address);
    buf_printf(b, ", \"socketPort\": %u", s->socket->port);
    if (s->certificate) {
        buf_add(b, S(", \"certificateNames\": ["));
        for (uint32_t i = 0; i < s->certificate->names_n; i++) {
            buf_add(b, i ? S(", ") : S(""));
            buf_add_json(b, s->certificate->names[i]);
        }
        buf_add_char(b, ']');
    }
    if (l->gate) {
        buf_add(b, S(", "));
        json_filters(b, l->gate->filters, l->gate->filters_n);
    }
    buf_add_char(b, '}');
}

static void json_message(struct buf *b, const struct explain_message *e) {
    buf_add(b, S("\"sends\": {"));
    member(b, "host", e->host);
    buf_add(b, S(", "));
    member(b, "path", e->path);
    buf_add(b, S(", "));
    member(b, "query", e->query);
    buf_add(b, S(", \"headers\": ["));
    for (uint32_t i = 0; i < e->changes_n; i++) {
        const struct explain_change *c = &e->changes[i];
        buf_printf(b, "%s{\"change\": \"%s\", ", i ? ", " : "",
                   c->sign == '+'   ? "add"
                   : c->sign == '-' ? "remove"
                                    : "set");
        member(b, "name", c->name);
        buf_add(b, S(", "));
        member(b, "value", c->sign == '-' ? c->before : c->after);
        buf_add_char(b, '}');
    }
    buf_add(b, S("]}"));
}

static void json_response(struct buf *b, const struct explain_response *r) {
    buf_add(b, S(", \"says\": ["));
    for (uint32_t i = 0; i < r->n; i++) {
        buf_add(b, i ? S(", {") : S("{"));
        member(b, "name", r->fields[i].name);
        buf_add(b, S(", "));
        member(b, "value", r->fields[i].value);
        buf_add_char(b, '}');
    }
    buf_add_char(b, ']');
}

static void json_session(struct buf *b, const struct table_session *s) {
    struct buf words;
    buf_init(&words, WORDS_BYTES_MAX);
    filter_describe_session(&words, s);
    member(b, "session", buf_str(&words));
    buf_add(b, S(", "));
    buf_fini(&words);
}

static void json_outs(struct buf *b, const struct table_endpoints *e) {
    uint64_t now_us = clock_monotonic_us();
    uint32_t out = 0, at = 0;
    struct health_view v;
    struct buf words;
    buf_init(&words, WORDS_BYTES_MAX);
    for (const struct table_endpoint *x; (x = health_view_next(e, now_us, &at, &v));) {
        buf_add(b, out++ ? S(", ") : S("\"notServing\": {"));
        buf_add_char(b, '"');
        ip_print_port(b, &x->ip, x->port);
        buf_clear(&words);
        health_view_print(&words, &v);
        buf_add(b, S("\": "));
        buf_add_json(b, buf_str(&words));
    }
    if (out) buf_add(b, S("}, "));
    buf_fini(&words);
}

static void json_target(struct buf *b, const struct explain_target *t) {
    buf_printf(b, "{\"weight\": %u, ", t->target->weight);
    if (!t->target->backend) {
        buf_printf(b, "\"answer\": %u, ", t->target->answer);
        member(b, "why", t->why);
        buf_add_char(b, '}');
        return;
    }
    member(b, "backend", t->target->backend->name);
    buf_add(b, S(", \"endpoints\": ["));
    for (uint32_t i = 0; t->endpoints && i < t->endpoints->n; i++) {
        buf_add(b, i ? S(", \"") : S("\""));
        ip_print_port(b, &t->endpoints->v[i].ip, t->endpoints->v[i].port);
        buf_add_char(b, '"');
    }
    buf_add(b, S("], "));
    json_outs(b, t->endpoints);
    if (t->hostname.n) {
        member(b, "hostname", t->hostname);
        buf_add(b, S(", "));
        member(b, "resolved", t->resolved);
        buf_add(b, S(", "));
    }
    json_filters(b, t->target->filters, t->target->filters_n);
    buf_add(b, S(", "));
    if (t->target->session) json_session(b, t->target->session);
    json_message(b, &t->message);
    if (t->response.n) json_response(b, &t->response);
    if (t->response.preflight) buf_add(b, S(", \"answer\": 204"));
    if (t->location.p) {
        buf_add(b, S(", "));
        member(b, "location", t->location);
    }
    buf_add_char(b, '}');
}

/* Microseconds; 0: no bound. */
static void json_tries(struct buf *b, const struct table_rule *r, const struct table_settings *s) {
    buf_printf(b, ", \"timeouts\": {\"requestUs\": %llu, \"backendRequestUs\": %llu}",
               (unsigned long long)table_request_timeout_us(r, s),
               (unsigned long long)table_backend_timeout_us(r, s));
    if (!r->retry) return;
    buf_printf(b, ", \"retry\": {\"attempts\": %u, \"codes\": [", r->retry->attempts);
    bool any = false;
    for (uint32_t i = TABLE_CODE_MIN; i <= TABLE_CODE_MAX; i++)
        if (table_retry_has(r->retry, i)) buf_printf(b, "%s%u", any ? ", " : "", i), any = true;
    buf_printf(b, "], \"backoffUs\": %llu}", (unsigned long long)r->retry->backoff_us);
}

static void json_rule(struct buf *b, const struct explain_story *s) {
    const struct table_rule *r = s->match.rule;
    buf_add(b, S(",\n  "));
    member(b, "route", r->route);
    buf_printf(b, ",\n  \"rule\": {\"index\": %d, ", r->index);
    member(b, "name", r->name);
    buf_add(b, S(", \"matches\": ["));
    for (uint32_t i = 0; s->rule && i < s->rule->matches.n; i++) {
        struct buf words;
        buf_init(&words, WORDS_BYTES_MAX);
        explain_print_match(&words, &s->rule->matches.p[i]);
        buf_add(b, i ? S(", ") : S(""));
        buf_add_json(b, buf_str(&words));
        buf_fini(&words);
    }
    buf_add(b, S("], "));
    json_filters(b, r->filters, r->filters_n);
    if (s->targets) json_tries(b, r, s->listener->settings);
    buf_add_char(b, '}');
    if (!s->targets) return; /* it answers itself */
    buf_add(b, S(",\n  "));
    json_message(b, &s->message);
    buf_add(b, S(",\n  \"backends\": ["));
    for (uint32_t i = 0; i < r->targets_n; i++) {
        buf_add(b, i ? S(",\n    ") : S("\n    "));
        json_target(b, &s->targets[i]);
    }
    buf_add_char(b, ']');
}

void explain_print_json(struct buf *b, const struct explain_story *s) {
    buf_add(b, S("{\n  \"request\": {"));
    member(b, "method", s->m.method);
    buf_printf(b, ", \"scheme\": \"%s\", ", s->tls ? "https" : "http");
    member(b, "host", s->m.authority);
    buf_printf(b, ", \"port\": %u, ", s->port);
    member(b, "path", s->m.path);
    buf_add(b, S(", "));
    member(b, "query", s->m.query);
    buf_add_char(b, '}');
    if (s->listener) json_listener(b, s);
    if (s->match.rule) json_rule(b, s);
    buf_printf(b, ",\n  \"answer\": {\"by\": \"%s\", \"status\": %u, ",
               s->refused                 ? "nobody"
               : s->reason == REASON_NONE ? "backend"
                                          : "gateway",
               s->status);
    member(b, "reason", http_reason_name(s->reason));
    if (s->response.n) json_response(b, &s->response);
    if (s->location.p) {
        buf_add(b, S(", "));
        member(b, "location", s->location);
    }
    buf_add(b, S(", \"why\": ["));
    for (uint32_t i = 0; i < s->why_n; i++) {
        buf_add(b, i ? S(", ") : S(""));
        buf_add_json(b, s->why[i]);
    }
    buf_add(b, S("]},\n  \"near\": ["));
    for (uint32_t i = 0; i < s->near_n; i++) {
        buf_add(b, i ? S(",\n    {") : S("\n    {"));
        member(b, "what", s->near[i].what);
        buf_add(b, S(", "));
        member(b, "why", s->near[i].why);
        buf_add_char(b, '}');
    }
    buf_printf(b, "],\n  \"nearMore\": %u\n}\n", s->near_more);
}
