/* SPDX-License-Identifier: Apache-2.0 */
#include "control/explain.h"

#include "api/gateway.h"
#include "api/listener_set.h"
#include "base/num.h"
#include "control/explain_near.h"
#include "control/explain_story.h"
#include "filter/forwarded.h"
#include "filter/request_id.h"
#include "http/http_uri.h"

enum { WHY_LINES_MAX = 12 };
static const str client = S("the client's address"), new_id = S("a new one");

__attribute__((format(printf, 2, 3))) static void add_why(struct explain_story *s, const char *fmt, ...) {
    if (s->why_n == s->why_cap) {
        s->why_cap = s->why_cap ? s->why_cap * 2 : 8;
        str *grown = arena_array(s->arena, str, s->why_cap);
        if (s->why_n) memcpy(grown, s->why, sizeof *grown * s->why_n);
        s->why = grown;
    }
    va_list args;
    va_start(args, fmt);
    s->why[s->why_n++] = arena_vprintf(s->arena, fmt, args);
    va_end(args);
}

static void end(struct explain_story *s, enum http_reason reason) {
    s->reason = reason;
    s->status = http_reason_status(reason);
}

/* The query. */

static bool is_token(str s) {
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= ' ' || s.p[i] == 0x7f || strchr("\"(),/:;<=>?@[\\]{}", s.p[i])) return false;
    }
    return s.n;
}

static err wrong(struct buf *b, const char *what, str given, const char *form) {
    buf_printf(b, "the %s \"" STR_FMT "\" is none; give it as %s\n", what, STR_ARG(given), form);
    return ERR_PROTO;
}

/* scheme://authority/path?query#fragment, without a scheme: http. */
static err take_url(struct explain_story *s, str url, struct buf *b, str *ret_authority, str *ret_path) {
    const char *form = "http://host[:port]/path?query";
    str rest = url;
    if (str_starts(url, S("http://"))) {
        rest = str_from(url, 7);
    } else if (str_starts(url, S("https://"))) {
        rest = str_from(url, 8);
        s->tls = true;
    } else if (str_ends(str_upto(url, str_find(url, '/')), S(":"))) {
        return wrong(b, "URL", url, form); /* another scheme */
    }
    rest = str_upto(rest, str_find(rest, '#'));
    size_t slash = str_find(rest, '/'), question = str_find(rest, '?');
    size_t cut = slash < question ? slash : question;
    str authority = str_upto(rest, cut), target = str_from(rest, cut);
    size_t path_n = str_find(target, '?');
    for (size_t i = 0; i < url.n; i++) {
        if ((unsigned char)url.p[i] <= ' ') return wrong(b, "URL", url, form);
    }
    if (http_uri_split_authority(s->arena, authority, &s->sni, &s->port) != OK || !s->sni.n)
        return wrong(b, "URL", url, form);
    if (!s->port) s->port = s->tls ? 443 : 80;
    *ret_authority = authority;
    *ret_path = path_n ? str_upto(target, path_n) : S("/");
    s->m.query = str_from(target, path_n);
    if (!s->m.query.p) s->m.query = S("");
    return OK;
}

static err take_headers(struct explain_story *s, const struct explain_query *q, struct buf *b) {
    for (size_t i = 0; i < q->headers_n; i++) {
        str name = q->headers[i].name, value = str_trim(q->headers[i].value);
        if (!is_token(name)) return wrong(b, "header name", name, "Name: value");
        if (str_ieq(name, S("host"))) {
            s->m.authority = value;
        } else {
            http_msg_add(&s->m, name, value);
        }
    }
    return OK;
}

static err take_sni(struct explain_story *s, str sni, struct buf *b) {
    uint16_t port;
    if (!sni.p) return OK;
    if (!s->tls) {
        buf_add(b, S("a TLS server name needs a URL that begins with https://\n"));
        return ERR_PROTO;
    }
    if (sni.n && (http_uri_split_authority(s->arena, sni, &s->sni, &port) != OK || port))
        return wrong(b, "TLS server name", sni, "shop.example");
    if (!sni.n) s->sni = sni;
    return OK;
}

/* In a cluster every Gateway has an address of its own. */
static str gateway_of_address(const struct pipeline *p, str address) {
    map_each (e, &p->facts.gateways) {
        const struct fact_gateway *g = facts_gateway(&p->facts, e->key);
        for (uint32_t i = 0; i < g->addresses_n; i++)
            if (str_ieq(g->addresses[i].value, address)) return e->key;
    }
    return (str){0};
}

static err take_query(struct explain_story *s, const struct explain_query *q, struct buf *b) {
    str path;
    if (!is_token(q->method)) return wrong(b, "method", q->method, "GET, POST, ...");
    http_msg_init(&s->m, s->arena, true);
    s->m.version = 11;
    s->m.method = q->method;
    s->m.method_id = (uint8_t)http_method_of(q->method);
    TRY(take_url(s, q->url, b, &s->m.authority, &path));
    TRY(take_headers(s, q, b));
    struct ip ip;
    bool brackets = str_starts(s->sni, S("["));
    str bare = brackets ? (str){s->sni.p + 1, s->sni.n - 2} : s->sni;
    s->gateway = q->gateway.n ? q->gateway : gateway_of_address(s->pipeline, bare);
    if (ip_parse(bare, &ip) == OK) s->sni = S(""); /* addresses are no server names [RFC 6066 3] */
    TRY(take_sni(s, q->sni, b));
    uint16_t ignored;
    s->m.path = path;
    const struct http_field *expect = http_msg_find_id(&s->m, FIELD_EXPECT);
    if (s->m.method_id == HTTP_CONNECT) {
        end(s, REASON_NOT_IMPLEMENTED);
    } else if (expect && !str_ieq(expect->value, S("100-continue"))) {
        end(s, REASON_EXPECTATION_FAILED);
    } else if (http_uri_split_authority(s->arena, s->m.authority, &s->host, &ignored) != OK) {
        end(s, REASON_BAD_HOST);
        add_why(s, "the Host \"" STR_FMT "\" is no host name or address", STR_ARG(s->m.authority));
    } else if (http_uri_normal_path(s->arena, path, &s->m.path) != OK) {
        s->m.path = path;
        end(s, REASON_BAD_PATH);
        add_why(s, "NUL, backslash, controls, broken escapes and dot segments above the root are refused "
                   "before routing");
    }
    return OK;
}

/* Listeners. */

static const struct table_socket *find_socket(const struct explain_story *s, const struct plan_listener *l) {
    const struct table_socket *all;
    uint32_t n = table_sockets(s->pipeline->table, &all);
    for (uint32_t i = 0; i < n; i++) {
        if (all[i].port == l->bind_port && str_eq(all[i].address, l->bind_address)) return &all[i];
    }
    return NULL;
}

static bool takes_port(const struct explain_story *s, const struct plan_listener *l, bool by_spec) {
    return (by_spec ? l->port : l->bind_port) == s->port && l->protocol == (s->tls ? PLAN_HTTPS : PLAN_HTTP);
}

/* Of the sockets that the URL's port can mean, the first that takes the host, else the first. */
static void choose_socket(struct explain_story *s, bool by_spec) {
    const struct index *pieces = &s->pipeline->plan.pieces[PLAN_LISTENER];
    void **all = index_sorted(pieces);
    bool takes = false;
    for (uint32_t i = 0; i < pieces->n && !takes; i++) {
        const struct plan_listener *l = plan_open(NULL, all[i]);
        const struct table_socket *socket = takes_port(s, l, by_spec) ? find_socket(s, l) : NULL;
        if (!socket || (s->gateway.n && !str_eq(s->gateway, l->gateway))) continue;
        takes = table_listener_for(table_port(s->pipeline->table, socket->slot), s->host);
        if (takes || !s->socket) s->socket = socket;
    }
    free(all);
}

static void list_listeners(struct explain_story *s, bool of_socket) {
    static const char *const protocols[] = {
        [PLAN_PROTOCOL_UNSET] = "-", [PLAN_HTTP] = "HTTP", [PLAN_HTTPS] = "HTTPS",
        [PLAN_TLS] = "TLS",          [PLAN_TCP] = "TCP",   [PLAN_UDP] = "UDP"};
    size_t told = 0;
    const struct index *pieces = &s->pipeline->plan.pieces[PLAN_LISTENER];
    void **all = index_sorted(pieces);
    for (uint32_t i = 0; i < pieces->n; i++) {
        const struct plan_listener *l = plan_open(NULL, all[i]);
        if (of_socket && find_socket(s, l) != s->socket) continue;
        if (told++ == WHY_LINES_MAX) {
            add_why(s, "and more");
            break;
        }
        add_why(s,
                "there is: Gateway " STR_FMT " listener " STR_FMT
                ": %s port %lld (socket port %lld), hostname " STR_FMT,
                STR_ARG(l->gateway), STR_ARG(l->section), protocols[l->protocol], (long long)l->port,
                (long long)l->bind_port, STR_ARG(l->hostname.n ? l->hostname : S("*")));
    }
    if (!pieces->n)
        add_why(s, "there is no listener that can be served at all; postern status (or check) says why");
    free(all);
}

/* Another protocol's listener has the port. */
static const struct plan_listener *find_other(const struct explain_story *s) {
    const struct index *pieces = &s->pipeline->plan.pieces[PLAN_LISTENER];
    const struct plan_listener *found = NULL;
    index_each (const struct plan_piece, piece, pieces) {
        const struct plan_listener *l = plan_open(NULL, piece);
        if ((l->port == s->port || l->bind_port == s->port) && l->protocol != PLAN_UDP) found = l;
    }
    return found;
}

/* Of a listener's conditions the one that says why it is not served: the first of these that is False. */
static const struct condition *why_unserved(const struct listener_status *l) {
    static const char *const types[] = {"Accepted", "ResolvedRefs", "Programmed"};
    for (size_t i = 0; i < COUNT_OF(types); i++)
        for (uint32_t k = 0; k < l->conditions.n; k++)
            if (str_eq(l->conditions.p[k].type, str_of(types[i])) &&
                l->conditions.p[k].status == CONDITION_FALSE)
                return &l->conditions.p[k];
    return NULL;
}

static void tell_unserved(struct explain_story *s, const struct object *o, str name) {
    const void *status = resolve_status(s->pipeline->resolver, o->kind, o->meta.ns, o->meta.name);
    const struct gateway_status *g = status;
    const struct listener_set_status *ls = status;
    bool set = o->kind == KIND_LISTENER_SET;
    const struct listener_status *p = !status ? NULL : set ? ls->listeners.p : g->listeners.p;
    uint32_t n = !status ? 0 : set ? ls->listeners.n : g->listeners.n;
    for (uint32_t i = 0; i < n; i++) {
        const struct condition *c = str_eq(p[i].name, name) ? why_unserved(&p[i]) : NULL;
        if (!c || s->why_n == WHY_LINES_MAX) continue;
        add_why(s, STR_FMT " " STR_FMT "/" STR_FMT " listener " STR_FMT " asks for it, but: " STR_FMT,
                STR_ARG(o->kind_name), STR_ARG(o->meta.ns), STR_ARG(o->meta.name), STR_ARG(name),
                STR_ARG(c->message));
    }
}

/* Listeners of Gateways and ListenerSets that ask for the port and are not served, with what their statuses say. */
static void list_unserved(struct explain_story *s, enum api_kind kind) {
    size_t n;
    const struct pipeline *p = s->pipeline;
    const struct object **all = store_list(p->store, s->arena, kind, &n);
    for (size_t i = 0; i < n; i++) {
        bool set = kind == KIND_LISTENER_SET;
        const struct gateway *g = set ? NULL : container_of(all[i], struct gateway, obj);
        const struct listener_set *ls = set ? container_of(all[i], struct listener_set, obj) : NULL;
        const struct listener *l = set ? ls->spec.listeners.p : g->spec.listeners.p;
        uint32_t listeners_n = set ? ls->spec.listeners.n : g->spec.listeners.n;
        for (uint32_t k = 0; k < listeners_n; k++)
            if (l[k].port == s->port) tell_unserved(s, all[i], l[k].name);
    }
}

static void say_nobody_listens(struct explain_story *s) {
    const struct plan_listener *other = find_other(s);
    const char *asked = s->tls ? "HTTPS" : "HTTP";
    if (other && (other->protocol == PLAN_HTTP || other->protocol == PLAN_HTTPS)) {
        bool tls = other->protocol == PLAN_HTTPS;
        add_why(s, "port %u takes %s, not %s: the connection is closed; ask with %s://", s->port,
                tls ? "HTTPS" : "HTTP", asked, tls ? "https" : "http");
    } else if (other) {
        add_why(s, "port %u is not for HTTP: its listener passes on bytes", s->port);
    } else {
        add_why(s, "no %s listener has port %u: the connection is refused", asked, s->port);
        list_unserved(s, KIND_GATEWAY);
        list_unserved(s, KIND_LISTENER_SET);
    }
    list_listeners(s, false);
}

static void find_listener(struct explain_story *s) {
    choose_socket(s, true);
    if (!s->socket) choose_socket(s, false);
    if (!s->socket) {
        say_nobody_listens(s);
        s->refused = true;
        return;
    }
    const struct table_port *port = table_port(s->pipeline->table, s->socket->slot);
    const struct table_listener *by_name = s->tls ? table_listener_for(port, s->sni) : NULL;
    s->listener = table_listener_for(port, s->host);
    if (by_name) s->certificate = table_certificate_for(by_name, s->sni, UINT32_MAX);
    if (s->tls && !s->certificate) {
        add_why(s, "no listener %s \"" STR_FMT "\": the TLS handshake fails",
                by_name ? "has a certificate for the server name" : "takes the server name", STR_ARG(s->sni));
        list_listeners(s, true);
        s->refused = true;
    } else if (!s->listener) {
        end(s, REASON_NO_LISTENER);
        list_listeners(s, true);
    } else if (s->tls && by_name != s->listener) {
        end(s, REASON_MISDIRECTED);
        add_why(s,
                "the TLS server name leads to listener " STR_FMT " of Gateway " STR_FMT
                ", the Host to listener " STR_FMT,
                STR_ARG(by_name->section), STR_ARG(by_name->gateway), STR_ARG(s->listener->section));
    }
}

/* Rules. */

static const struct plan_rule *find_plan_rule(const struct explain_story *s) {
    const struct plan_route *r =
        plan_open(s->arena, plan_get(&s->pipeline->plan, PLAN_ROUTE, s->match.rule->route));
    for (uint32_t i = 0; r && i < r->rules.n; i++) {
        if (r->rules.p[i].index == s->match.rule->index) return &r->rules.p[i];
    }
    return NULL;
}

static void find_rule(struct explain_story *s) {
    struct table_work *w = table_work_new();
    if (table_match(s->pipeline->table, s->listener, s->host, &s->m, s->arena, w, &s->match)) {
        s->rule = find_plan_rule(s);
        if (s->match.closed) end(s, REASON_EXPRESSION_LIMIT);
    } else {
        s->match.rule = NULL;
        end(s, REASON_NO_ROUTE);
    }
    if (w->given_up)
        add_why(s,
                "%llu searches by regular expression were given up at the bound of a request: they count as "
                "no match; write simpler expressions, without repetitions within repetitions",
                (unsigned long long)w->given_up);
    table_work_free(w);
}

/* The listener's own filters come first. What they are told of a request nobody knows here. */
static void pass_gate(struct explain_story *s) {
    const struct table_rule *gate = s->listener->gate;
    bool changes = false;
    for (uint32_t i = 0; gate && i < gate->filters_n; i++) {
        const struct table_auth *a = gate->filters[i].auth;
        changes |= a && a->backend;
        if (!a || a->backend || s->reason != REASON_NONE) continue;
        end(s, REASON_INVALID_BACKEND);
        add_why(s, STR_FMT, STR_ARG(a->why));
    }
    if (changes && s->reason == REASON_NONE)
        add_why(s, "what the listener's filters add to a request counts when it is matched: give it with -H");
}

/* Filters, on a copy of the message. */

static struct http_msg copy_message(struct explain_story *s) {
    struct http_msg m = s->m;
    m.fields_cap = m.fields_n + 8;
    m.fields = arena_array(s->arena, struct http_field, m.fields_cap);
    if (m.fields_n) memcpy(m.fields, s->m.fields, sizeof *m.fields * m.fields_n);
    struct ip sender;
    struct forwarded f = {.peer = &(struct ip){0}, /* nobody's: no network has it */
                          .peer_text = client,
                          .tls = s->tls,
                          .port = s->listener->port,
                          .settings = s->listener->settings};
    uint8_t id = s->listener->settings->request_id;
    if (id && request_id_needed(&m, id, false)) request_id_put(&m, new_id);
    forwarded_set(&m, &f, &sender);
    return m;
}

static void add_change(struct explain_story *s, const struct http_msg *now, struct explain_message *e,
                       str name) {
    for (uint32_t i = 0; i < e->changes_n; i++) {
        if (str_ieq(e->changes[i].name, name)) return;
    }
    str before = http_msg_joined(&s->m, s->arena, name), after = http_msg_joined(now, s->arena, name);
    if (before.p && after.p && str_eq(before, after)) return;
    if (!before.p && !after.p) return;
    char sign = !before.p ? '+' : !after.p ? '-' : '~';
    e->changes[e->changes_n++] = (struct explain_change){sign, name, before, after};
}

static struct explain_message show_message(struct explain_story *s, const struct http_msg *now) {
    struct explain_message e = {.host = now->authority, .path = now->path, .query = now->query};
    e.changes = arena_array(s->arena, struct explain_change, s->m.fields_n + now->fields_n + 1);
    for (uint32_t i = 0; i < s->m.fields_n; i++) add_change(s, now, &e, s->m.fields[i].name);
    for (uint32_t i = 0; i < now->fields_n; i++) add_change(s, now, &e, now->fields[i].name);
    return e;
}

static struct explain_response find_response(struct explain_story *s, const struct table_filter *f,
                                             uint32_t n) {
    const struct table_cors *cors = filter_find_cors(f, n);
    if (!cors) return (struct explain_response){0};
    struct http_msg m;
    http_msg_init(&m, s->arena, false);
    bool preflight = filter_is_preflight(&s->m);
    str origin = http_msg_joined(&s->m, s->arena, S("Origin"));
    if (preflight)
        filter_preflight(cors, &s->m, &m);
    else
        filter_cors(cors, origin.p ? origin : S(""), &m);
    return (struct explain_response){m.fields, m.fields_n, preflight};
}

/* A name outside, and what DNS says of it to whom serves. */
static void explain_name(const struct explain_story *s, struct explain_target *t) {
    const struct plan_piece *piece = plan_get(&s->pipeline->plan, PLAN_BACKEND, t->target->backend->name);
    const struct plan_backend *b = piece ? plan_open(s->arena, piece) : NULL;
    if (!b || !b->external.n) return;
    const struct facts *f = &s->pipeline->facts;
    const struct fact_name *known = facts_name(f, b->external);
    t->hostname = b->external;
    if (!f->serving)
        t->resolved = S("is asked for once it is served");
    else if (!known)
        t->resolved = S("DNS has not answered yet");
    else if (known->error.n)
        t->resolved = arena_printf(
            s->arena, "%s" STR_FMT,
            known->n ? "addresses of before, for now: " : "has no address: ", STR_ARG(known->error));
    else
        t->resolved =
            t->endpoints && t->endpoints->n
                ? S("resolved")
                : S("all its addresses are of this machine or its link, which an XBackend can not have");
}

/* The share's own part: its filters, after the rule's. */
static void explain_share(struct explain_story *s, const struct filter_context *cx,
                          struct explain_target *t) {
    struct http_msg m = copy_message(s);
    if (t->target->backend) {
        t->endpoints = table_endpoints(s->pipeline->table, t->target->backend->slot);
        explain_name(s, t);
    }
    bool fine = filter_request_all(s->match.rule, t->target, cx, &m) == OK;
    t->message = show_message(s, &m);
    t->message.broken = !fine;
    const struct table_filter *redirect = filter_find_redirect(t->target->filters, t->target->filters_n);
    if (redirect) t->location = filter_redirect_location(redirect, cx, &s->m);
    if (!filter_find_cors(s->match.rule->filters, s->match.rule->filters_n) && t->target->backend)
        t->response = find_response(s, t->target->filters, t->target->filters_n);
}

static void add_no_endpoints(struct explain_story *s) {
    bool others = false;
    for (uint32_t i = 0; i < s->match.rule->targets_n; i++) {
        const struct explain_target *t = &s->targets[i];
        if (!t->target->weight) continue;
        if (t->hostname.n)
            add_why(s, STR_FMT ": " STR_FMT, STR_ARG(t->hostname), STR_ARG(t->resolved));
        else
            others = true;
    }
    if (others) add_why(s, "no EndpointSlice gives a ready endpoint for the backend's port");
}

/* Who answers, when shares differ: what most can be said of all of them. */
static void judge_targets(struct explain_story *s) {
    const struct table_rule *rule = s->match.rule;
    bool answers = false, backend = false, endpoints = false;
    for (uint32_t i = 0; i < rule->targets_n; i++) {
        const struct explain_target *t = &s->targets[i];
        if (!t->target->weight) continue;
        if (!t->target->backend) answers = true;
        if (t->target->backend) backend = true;
        if (t->location.p || t->response.preflight || (t->endpoints && t->endpoints->n)) endpoints = true;
    }
    if (!rule->weight_sum) {
        end(s, REASON_NO_BACKEND);
        add_why(s, rule->targets_n ? "every backendRef has weight 0" : "the rule has no backendRefs");
    } else if (answers && !backend) {
        end(s, REASON_INVALID_BACKEND);
    } else if (backend && !endpoints && !answers) {
        end(s, REASON_NO_ENDPOINTS);
        add_no_endpoints(s);
    }
    if (s->message.broken && s->reason == REASON_NONE) end(s, REASON_FILTER_FAILED);
}

static void explain_rule(struct explain_story *s) {
    const struct table_rule *rule = s->match.rule;
    struct filter_context cx = {.host = s->host,
                                .tls = s->listener->tls,
                                .listener_port = s->listener->port,
                                .prefix = s->match.prefix};
    s->response = find_response(s, rule->filters, rule->filters_n);
    if (s->response.preflight) {
        s->reason = REASON_PREFLIGHT;
        s->status = 204;
        return;
    }
    s->redirect = filter_find_redirect(rule->filters, rule->filters_n);
    if (s->redirect) {
        s->location = filter_redirect_location(s->redirect, &cx, &s->m);
        s->reason = REASON_REDIRECT;
        s->status = s->redirect->status;
        return;
    }
    struct http_msg m = copy_message(s);
    bool fine = filter_request(rule->filters, rule->filters_n, &cx, &m) == OK;
    s->message = show_message(s, &m);
    s->message.broken = !fine;
    s->targets = arena_array(s->arena, struct explain_target, rule->targets_n + 1);
    for (uint32_t i = 0; i < rule->targets_n; i++) {
        s->targets[i].target = &rule->targets[i];
        if (s->rule && i < s->rule->targets.n) s->targets[i].why = s->rule->targets.p[i].why;
        explain_share(s, &cx, &s->targets[i]);
    }
    judge_targets(s);
}

err explain_run(const struct pipeline *p, const struct explain_query *q, bool json, struct buf *b) {
    OWNED(arena) a = arena_new();
    struct explain_story s = {.arena = a, .pipeline = p};
    TRY(take_query(&s, q, b));
    if (s.reason == REASON_NONE) find_listener(&s);
    if (s.listener && !s.refused && s.reason == REASON_NONE) pass_gate(&s);
    if (s.listener && !s.refused && s.reason == REASON_NONE) find_rule(&s);
    if (s.match.rule && !s.match.closed) explain_rule(&s);
    if (s.host.p) explain_near_find(&s);
    if (s.reason == REASON_NO_ROUTE && !s.near_n)
        add_why(&s, "no route is attached to this listener for the host " STR_FMT, STR_ARG(s.host));
    if (json) {
        explain_print_json(b, &s);
    } else {
        explain_print_text(b, &s);
    }
    return OK;
}
