/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/diff.h"

#include "text/regex.h"

/* Who takes a call, a connection or a datagram, by the plan itself: the listener of the socket with the most specific hostname, then of its
 * routes the one that the specification puts first.   [GW GRPCRouteRule.matches] [GW TLSRouteSpec.hostnames] [GW TCPRoute] [GW UDPRoute] */

enum { WORDS_BYTES_MAX = 1 << 16 };
struct flow {
    enum plan_route_kind kind;
    const struct plan_listener *listener; /* of the side that it was made from: its socket is what counts */
    str host;                             /* the name asked for; "" of TCP and UDP */
    str service, call;                    /* GRPC */
    struct table_header *headers;
    uint32_t headers_n;
};

/* A side's listeners, and its routes that are not HTTPRoutes, opened once. */
struct side {
    const struct plan_listener **listeners;
    const struct plan_route **routes;
    uint32_t listeners_n, routes_n;
};

/* How well a hostname fits: 0 not at all, "" least, an exact one best. */
static size_t fit(str hostname, str host) {
    if (!hostname.n) return 1;
    if (str_eq(hostname, host)) return SIZE_MAX;
    bool below =
        str_starts(hostname, S("*.")) && str_ends(host, str_from(hostname, 1)) && host.n >= hostname.n;
    return below ? hostname.n : 0;
}

/* HTTP, HTTPS and TLS are told apart by what is sent; only GRPCRoutes hang on the first two. */
static bool may_take(const struct plan_listener *l, const struct flow *f) {
    switch (f->kind) {
    case PLAN_ROUTE_TCP: return l->protocol == PLAN_TCP;
    case PLAN_ROUTE_UDP: return l->protocol == PLAN_UDP;
    case PLAN_ROUTE_TLS: return l->protocol == PLAN_TLS || l->protocol == PLAN_HTTPS;
    case PLAN_ROUTE_GRPC: return l->protocol == f->listener->protocol;
    case PLAN_ROUTE_HTTP: break;
    }
    return false;
}

static const struct plan_listener *listener_for(const struct side *s, const struct flow *f,
                                                bool *ret_socket) {
    const struct plan_listener *best = NULL;
    size_t best_fit = 0;
    *ret_socket = false;
    for (uint32_t i = 0; i < s->listeners_n; i++) {
        const struct plan_listener *l = s->listeners[i];
        if (l->bind_port != f->listener->bind_port || !str_eq(l->bind_address, f->listener->bind_address) ||
            !may_take(l, f))
            continue;
        *ret_socket = true;
        size_t n = fit(l->hostname, f->host);
        if (n && (!best || n > best_fit || (n == best_fit && str_cmp(l->piece.key, best->piece.key) < 0)))
            best = l, best_fit = n;
    }
    return best;
}

static bool text_holds(struct arena *a, uint8_t type, str wanted, str got) {
    if (type != PLAN_VALUE_REGEX) return str_eq(wanted, got);
    struct regex *r;
    str message;
    uint32_t budget = REGEX_BUDGET;
    if (regex_new_whole(a, wanted, &r, &message) != OK) return false;
    struct regex_work *w = regex_work_new();
    bool takes = regex_takes(r, got, w, &budget) == REGEX_YES;
    regex_work_free(w);
    regex_free(r);
    return takes;
}

static bool match_holds(struct arena *a, const struct plan_match *m, const struct flow *f) {
    if (m->service.n && !text_holds(a, m->call_type, m->service, f->service)) return false;
    if (m->call.n && !text_holds(a, m->call_type, m->call, f->call)) return false;
    for (uint32_t i = 0; i < m->headers.n; i++) {
        uint32_t k = 0;
        while (k < f->headers_n && !str_ieq(f->headers[k].name, m->headers.p[i].name)) k++;
        if (k == f->headers_n ||
            !text_holds(a, m->headers.p[i].type, m->headers.p[i].value, f->headers[k].value))
            return false;
    }
    return true;
}

/* A rule that takes it, and what decides between several: the greater number first. */
struct candidate {
    const struct plan_route *route;
    const struct plan_rule *rule;
    size_t rank[4]; /* hostname, service, call, headers */
};

static bool goes_before(const struct candidate *x, const struct candidate *y) {
    if (!y->route) return true;
    for (size_t i = 0; i < COUNT_OF(x->rank); i++)
        if (x->rank[i] != y->rank[i]) return x->rank[i] > y->rank[i];
    if (x->route != y->route) return plan_route_order(x->route, y->route) < 0;
    return false; /* rules come in their order */
}

static void consider_route(struct arena *a, const struct plan_route *r, const struct plan_attachment *at,
                           const struct flow *f, struct candidate *best) {
    size_t best_fit = 0;
    for (uint32_t i = 0; i < at->hostnames.n; i++) {
        size_t n = fit(at->hostnames.p[i], f->host);
        if (n > best_fit) best_fit = n;
    }
    if (!best_fit) return;
    for (uint32_t k = 0; k < r->rules.n; k++) {
        const struct plan_rule *rule = &r->rules.p[k];
        struct candidate c = {r, rule, {best_fit}};
        if (!rule->matches.n && goes_before(&c, best)) *best = c;
        for (uint32_t m = 0; m < rule->matches.n; m++) {
            const struct plan_match *x = &rule->matches.p[m];
            if (!match_holds(a, x, f)) continue;
            c.rank[1] = x->service.n, c.rank[2] = x->call.n, c.rank[3] = x->headers.n;
            if (goes_before(&c, best)) *best = c;
        }
    }
}

static void add_filter(struct buf *b, const struct plan_filter *f) {
    static const char *const names[] = {[PLAN_FILTER_REQUEST_HEADERS] = "request header",
                                        [PLAN_FILTER_RESPONSE_HEADERS] = "response header",
                                        [PLAN_FILTER_REDIRECT] = "redirect",
                                        [PLAN_FILTER_REWRITE] = "rewrite",
                                        [PLAN_FILTER_MIRROR] = "mirror to",
                                        [PLAN_FILTER_CORS] = "CORS",
                                        [PLAN_FILTER_AUTH] = "ask for leave"};
    const char *name = f->type < COUNT_OF(names) && names[f->type] ? names[f->type] : "filter";
    for (uint32_t i = 0; i < f->set.n; i++)
        buf_printf(b, "; %s set " STR_FMT ": " STR_FMT, name, STR_ARG(f->set.p[i].name),
                   STR_ARG(f->set.p[i].value));
    for (uint32_t i = 0; i < f->add.n; i++)
        buf_printf(b, "; %s add " STR_FMT ": " STR_FMT, name, STR_ARG(f->add.p[i].name),
                   STR_ARG(f->add.p[i].value));
    for (uint32_t i = 0; i < f->remove.n; i++)
        buf_printf(b, "; %s remove " STR_FMT, name, STR_ARG(f->remove.p[i]));
    if (f->mirror) buf_printf(b, "; %s " STR_FMT, name, STR_ARG(f->mirror->backend));
    if (!f->mirror && f->type > PLAN_FILTER_RESPONSE_HEADERS) buf_printf(b, "; %s", name);
}

/* All that a rule does with it, so that equal words mean equal treatment. */
static str outcome_of(struct arena *a, const struct plan_listener *l, const struct plan_rule *r, bool grpc) {
    struct buf b;
    int64_t sum = 0;
    buf_init(&b, WORDS_BYTES_MAX);
    for (uint32_t i = 0; i < r->targets.n; i++) sum += r->targets.p[i].weight;
    if (!sum) buf_add(&b, grpc ? S("UNAVAILABLE no_backend") : S("closed: no_backend"));
    for (uint32_t i = 0; sum && i < r->targets.n; i++) {
        const struct plan_target *t = &r->targets.p[i];
        if (!t->weight) continue;
        buf_add(&b, b.n ? S(", ") : S(""));
        if (t->weight != sum) buf_printf(&b, "%.4g%% ", (double)t->weight * 100 / (double)sum);
        buf_add(&b, t->backend.n ? str_upto(t->backend, str_find(t->backend, '+'))
                    : grpc       ? S("UNAVAILABLE")
                                 : S("closed"));
        for (uint32_t k = 0; k < t->filters.n; k++) add_filter(&b, &t->filters.p[k]);
    }
    for (uint32_t i = 0; i < r->filters.n; i++) add_filter(&b, &r->filters.p[i]);
    for (uint32_t i = 0; grpc && i < l->filters.n; i++) {
        buf_add(&b, i ? S("") : S("; before, by the listener"));
        add_filter(&b, &l->filters.p[i]);
    }
    str words = arena_str(a, buf_str(&b));
    buf_fini(&b);
    return words;
}

static struct diff_taker taker_of(struct arena *a, const struct side *s, const struct flow *f) {
    bool socket, grpc = f->kind == PLAN_ROUTE_GRPC;
    const struct plan_listener *l = listener_for(s, f, &socket);
    if (!l) return (struct diff_taker){.outcome = socket ? S("refused: no_listener") : S("no connection")};
    if (f->kind == PLAN_ROUTE_TLS && l->protocol == PLAN_HTTPS)
        return (struct diff_taker){.outcome = arena_printf(a, "HTTPS by " STR_FMT, STR_ARG(l->piece.key))};
    struct candidate best = {0};
    for (uint32_t k = 0; k < s->routes_n; k++) {
        const struct plan_route *r = s->routes[k];
        for (uint32_t i = 0; r->kind == f->kind && i < r->attachments.n; i++)
            if (str_eq(r->attachments.p[i].listener, l->piece.key))
                consider_route(a, r, &r->attachments.p[i], f, &best);
    }
    if (!best.route)
        return (struct diff_taker){.outcome = grpc ? S("UNIMPLEMENTED no_route") : S("closed: no_route")};
    return (struct diff_taker){best.route->piece.key, (int32_t)best.rule->index,
                               outcome_of(a, l, best.rule, grpc)};
}

/* Flows. */

static str url_of(struct arena *a, const struct flow *f) {
    static const char *const schemes[] = {[PLAN_ROUTE_GRPC] = "grpc",
                                          [PLAN_ROUTE_TLS] = "tls",
                                          [PLAN_ROUTE_TCP] = "tcp",
                                          [PLAN_ROUTE_UDP] = "udp"};
    str host = f->host.n ? f->host : f->listener->bind_address.n ? f->listener->bind_address : S("*");
    bool six = memchr(host.p, ':', host.n);
    str url = arena_printf(a, "%s%s://%s" STR_FMT "%s:%lld", schemes[f->kind],
                           f->kind == PLAN_ROUTE_GRPC && f->listener->protocol == PLAN_HTTPS ? "s" : "",
                           six ? "[" : "", STR_ARG(host), six ? "]" : "", (long long)f->listener->port);
    if (f->kind != PLAN_ROUTE_GRPC) return url;
    return arena_printf(a, STR_FMT "/" STR_FMT "/" STR_FMT, STR_ARG(url), STR_ARG(f->service),
                        STR_ARG(f->call));
}

/* Both, and where what differs goes. */
struct sides {
    struct diff *d;
    struct side a, b;
};

static void try_flow(const struct sides *sides, struct arena *a, const struct flow *f) {
    static const char *const names[] = {[PLAN_ROUTE_GRPC] = "GRPC",
                                        [PLAN_ROUTE_TLS] = "TLS",
                                        [PLAN_ROUTE_TCP] = "TCP",
                                        [PLAN_ROUTE_UDP] = "UDP"};
    struct diff_request r = {.method = str_of(names[f->kind]),
                             .url = url_of(a, f),
                             .headers = f->headers,
                             .headers_n = f->headers_n};
    struct buf words;
    buf_init(&words, WORDS_BYTES_MAX);
    buf_printf(&words, STR_FMT " " STR_FMT " " STR_FMT, STR_ARG(r.method), STR_ARG(r.url),
               STR_ARG(f->listener->bind_address));
    for (uint32_t i = 0; i < f->headers_n; i++)
        buf_printf(&words, "\n" STR_FMT ": " STR_FMT, STR_ARG(f->headers[i].name),
                   STR_ARG(f->headers[i].value));
    bool new = diff_is_new(sides->d, buf_str(&words));
    buf_fini(&words);
    if (!new) return;
    r.before = taker_of(a, &sides->a, f);
    r.after = taker_of(a, &sides->b, f);
    diff_note(sides->d, &r);
}

/* A name below the wildcard, any name for none. */
static str host_of(struct arena *a, str hostname, const struct plan_listener *l) {
    if (!hostname.n) hostname = l->hostname;
    if (!hostname.n) return S("any-other-host.invalid");
    if (!str_starts(hostname, S("*."))) return hostname;
    return arena_printf(a, "any-label" STR_FMT, STR_ARG(str_from(hostname, 1)));
}

static void try_call(const struct sides *sides, struct arena *a, struct flow f, const struct plan_match *m) {
    bool expression = m->call_type == PLAN_VALUE_REGEX, known = true;
    f.service = !m->service.n ? S("any.Service") : expression ? diff_sample(a, m->service) : m->service;
    f.call = !m->call.n ? S("AnyMethod") : expression ? diff_sample(a, m->call) : m->call;
    f.headers = arena_array(a, struct table_header, m->headers.n + 1);
    for (f.headers_n = 0; f.headers_n < m->headers.n; f.headers_n++) {
        const struct plan_value_match *h = &m->headers.p[f.headers_n];
        str value = h->type == PLAN_VALUE_REGEX ? diff_sample(a, h->value) : h->value;
        known &= h->type != PLAN_VALUE_REGEX || value.p;
        f.headers[f.headers_n] = (struct table_header){h->name, value};
    }
    if (known && f.service.p && f.call.p)
        try_flow(sides, a, &f);
    else
        sides->d->untried++;
}

static void try_hostname(const struct sides *sides, struct arena *a, const struct plan_route *r,
                         const struct plan_listener *l, str hostname) {
    bool named = r->kind == PLAN_ROUTE_GRPC || r->kind == PLAN_ROUTE_TLS;
    struct flow f = {.kind = r->kind, .listener = l, .host = named ? host_of(a, hostname, l) : S("")};
    static const struct plan_match any;
    if (r->kind != PLAN_ROUTE_GRPC) {
        try_flow(sides, a, &f);
        return;
    }
    for (uint32_t k = 0; k < r->rules.n; k++) {
        const struct plan_rule *rule = &r->rules.p[k];
        if (!rule->matches.n) try_call(sides, a, f, &any);
        for (uint32_t m = 0; m < rule->matches.n; m++) try_call(sides, a, f, &rule->matches.p[m]);
    }
}

static void try_side(const struct sides *sides, const struct plan *plan, const struct side *side) {
    OWNED(arena) scratch = arena_new();
    for (uint32_t i = 0; i < side->routes_n; i++) {
        const struct plan_route *r = side->routes[i];
        for (uint32_t k = 0; k < r->attachments.n; k++) {
            const struct plan_attachment *at = &r->attachments.p[k];
            const struct plan_listener *l = plan_open(NULL, plan_get(plan, PLAN_LISTENER, at->listener));
            for (uint32_t h = 0; l && h < at->hostnames.n; h++) {
                try_hostname(sides, scratch, r, l, at->hostnames.p[h]);
                arena_reset(scratch);
            }
        }
    }
}

static struct side open_side(struct arena *a, const struct plan *p) {
    struct side s = {.listeners =
                         arena_array(a, const struct plan_listener *, p->pieces[PLAN_LISTENER].n + 1),
                     .routes = arena_array(a, const struct plan_route *, p->pieces[PLAN_ROUTE].n + 1)};
    void **all = index_sorted(&p->pieces[PLAN_LISTENER]);
    for (uint32_t i = 0; i < p->pieces[PLAN_LISTENER].n; i++)
        s.listeners[s.listeners_n++] = plan_open(NULL, all[i]);
    free(all);
    all = index_sorted(&p->pieces[PLAN_ROUTE]);
    for (uint32_t i = 0; i < p->pieces[PLAN_ROUTE].n; i++) {
        const struct plan_piece *piece = all[i];
        if (str_starts(piece->key, S("HTTPRoute/"))) continue; /* told by the tables */
        s.routes[s.routes_n++] = plan_open(a, piece);
    }
    free(all);
    return s;
}

void diff_flows(struct diff *d) {
    OWNED(arena) a = arena_new();
    struct sides sides = {d, open_side(a, &d->a->pipeline.plan), open_side(a, &d->b->pipeline.plan)};
    try_side(&sides, &d->a->pipeline.plan, &sides.a);
    try_side(&sides, &d->b->pipeline.plan, &sides.b);
}
