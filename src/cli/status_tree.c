/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/status_tree.h"

#include "base/map.h"
#include "cli/paint.h"

struct painter {
    struct buf *b;
    const struct status_page *page;
    const struct status_view *view;
    bool problems; /* the first walk prints problems alone */
    size_t problems_n;
    bool *shown; /* of the page's items, in this walk */
};

static enum tone worst(const struct node *first) {
    enum tone t = first ? TONE_GOOD : TONE_WAITING;
    for (const struct node *c = first; c; c = c->next) {
        if (status_page_tone(c) > t) t = status_page_tone(c);
    }
    return t;
}

static void add_sentence(const struct painter *p, const struct node *c) {
    enum tone t = status_page_tone(c);
    str type = node_get_str(c, S("type")), message = node_get_str(c, S("message"));
    paint_add(p->b, p->view->colour, paint_of(t), type);
    buf_printf(p->b, "=" STR_FMT " " STR_FMT, STR_ARG(node_get_str(c, S("status"))),
               STR_ARG(node_get_str(c, S("reason"))));
    if (message.n) buf_printf(p->b, ": " STR_FMT, STR_ARG(message));
    buf_add_char(p->b, '\n');
}

/* The first walk: what is not so, each with its whole name. */
static void add_problems(struct painter *p, str what, const struct node *first) {
    for (const struct node *c = first; c; c = c->next) {
        if (status_page_tone(c) != TONE_BAD) continue;
        if (!p->problems_n++) paint_add(p->b, p->view->colour, PAINT_BOLD, S("Problems\n"));
        buf_printf(p->b, "  " STR_FMT ": ", STR_ARG(what));
        add_sentence(p, c);
    }
}

/* A line of the tree: mark, name, conditions. */
static void add_line(struct painter *p, unsigned depth, str what, str more, const struct node *first) {
    enum tone t = worst(first);
    buf_printf(p->b, "%*s", (int)depth * 2, "");
    paint_mark(p->b, p->view->colour, t);
    buf_add_char(p->b, ' ');
    paint_add(p->b, p->view->colour, PAINT_BOLD, what);
    if (more.n) buf_printf(p->b, "  " STR_FMT, STR_ARG(more));
    buf_add_char(p->b, '\n');
    for (const struct node *c = first; c; c = c->next) {
        if (!p->view->wide && status_page_tone(c) == TONE_GOOD) continue;
        buf_printf(p->b, "%*s", (int)depth * 2 + 4, "");
        add_sentence(p, c);
    }
}

static void show(struct painter *p, unsigned depth, str full, str what, str more, const struct node *first) {
    if (p->problems) {
        add_problems(p, full, first);
    } else {
        add_line(p, depth, what, more, first);
    }
}

static str name_of(struct arena *a, const struct status_item *it) {
    return arena_printf(a, STR_FMT " " STR_FMT "%s" STR_FMT, STR_ARG(it->kind), STR_ARG(it->ns),
                        it->ns.n ? "/" : "", STR_ARG(it->name));
}

static str joined(struct arena *a, const struct node *list, const char *member) {
    struct buf b;
    buf_init(&b, 4096);
    for (const struct node *n = list ? list->child : NULL; n; n = n->next) {
        str s = member ? node_get_str(n, str_of(member)) : n->scalar;
        buf_printf(&b, "%s" STR_FMT, b.n ? "," : "", STR_ARG(s));
    }
    str s = arena_str(a, buf_str(&b));
    buf_fini(&b);
    return s;
}

static bool serves(str state) { return str_eq(state, S("slow_start")) || str_eq(state, S("failing_checks")); }

static uint32_t out_of(const struct status_backend *b) {
    uint32_t n = 0;
    for (const struct node *e = b ? b->outs : NULL; e; e = e->next) n += !serves(node_get_str(e, S("state")));
    return n;
}

static void begin_problem(struct painter *p, str full) {
    if (!p->problems_n++) paint_add(p->b, p->view->colour, PAINT_BOLD, S("Problems\n"));
    buf_printf(p->b, "  " STR_FMT ": ", STR_ARG(full));
}

/* One that nobody can be sent to is a problem of its own, unless a condition has said why it is not routed to at all; so is one whose endpoints
 * are all out. */
static void tell_backend(struct painter *p, str full, str name, uint32_t endpoints, str outside,
                         const struct status_backend *outs) {
    if (!endpoints) {
        begin_problem(p, full);
        buf_printf(p->b, "backend " STR_FMT " has no ready endpoint: 503%s" STR_FMT "\n", STR_ARG(name),
                   outside.n ? ": " : "", STR_ARG(outside));
    } else if (out_of(outs) >= endpoints) {
        begin_problem(p, full);
        buf_printf(p->b,
                   "backend " STR_FMT ": none of its %u endpoints serves as it should: " STR_FMT " " STR_FMT
                   "\n",
                   STR_ARG(name), endpoints, STR_ARG(node_get_str(outs->outs, S("endpoint"))),
                   STR_ARG(node_get_str(outs->outs, S("why"))));
    }
}

static void show_endpoints(struct painter *p, unsigned depth, const struct status_backend *b) {
    uint32_t shown = 0;
    for (const struct node *e = b ? b->outs : NULL; e; e = e->next, shown++) {
        enum tone t = serves(node_get_str(e, S("state"))) ? TONE_WAITING : TONE_BAD;
        buf_printf(p->b, "%*s", (int)depth * 2 + 4, "");
        buf_printf(p->b, STR_FMT " ", STR_ARG(node_get_str(e, S("endpoint"))));
        paint_add(p->b, p->view->colour, paint_of(t), node_get_str(e, S("why")));
        buf_add_char(p->b, '\n');
    }
    if (b && b->outs_n > shown)
        buf_printf(p->b, "%*sand %u more\n", (int)depth * 2 + 4, "", b->outs_n - shown);
}

static void show_backend(struct painter *p, struct arena *a, unsigned depth, str full, str name) {
    uint32_t endpoints = 0;
    str outside = status_page_name(a, p->page, name);
    bool routed = status_page_endpoints(p->page, name, &endpoints);
    const struct status_backend *outs = status_page_outs(p->page, name);
    if (p->problems) {
        if (routed) tell_backend(p, full, name, endpoints, outside, outs);
        return;
    }
    uint32_t out = out_of(outs);
    enum tone t = !routed || (out && out < endpoints) ? TONE_WAITING : out < endpoints ? TONE_GOOD : TONE_BAD;
    buf_printf(p->b, "%*s", (int)depth * 2, "");
    paint_mark(p->b, p->view->colour, t);
    buf_printf(p->b, " backend " STR_FMT, STR_ARG(name));
    if (!routed) {
        buf_add(p->b, S("  not routed to\n"));
        return;
    }
    buf_printf(p->b, "  endpoints: %u", endpoints);
    if (out) buf_printf(p->b, ", out: %u", out);
    buf_printf(p->b, "%s" STR_FMT "\n", outside.n ? "  " : "", STR_ARG(outside));
    show_endpoints(p, depth, outs);
}

/* Each backend of the route once. */
static void show_backends(struct painter *p, struct arena *a, unsigned depth, str full,
                          const struct status_item *route) {
    struct map seen;
    map_init(&seen);
    const struct node *rules = route->spec ? node_get(route->spec, S("rules")) : NULL;
    for (const struct node *r = rules ? rules->child : NULL; r; r = r->next) {
        const struct node *refs = node_get(r, S("backendRefs"));
        for (const struct node *ref = refs ? refs->child : NULL; ref; ref = ref->next) {
            str name = status_page_backend_of(a, route, ref);
            if (map_put(&seen, name, p)) continue;
            show_backend(p, a, depth, full, name);
        }
    }
    map_fini(&seen);
}

/* Parents of routes that name this Gateway; section: that listener, "" those that name none. */
static void show_routes(struct painter *p, struct arena *a, unsigned depth, const struct status_item *gateway,
                        str section) {
    for (size_t i = 0; i < p->page->n; i++) {
        const struct status_item *it = &p->page->items[i];
        for (const struct node *x = status_page_parents(it); x; x = x->next) {
            if (!status_page_is_parent(it, x, gateway)) continue;
            if (!str_eq(node_get_str(node_get(x, S("parentRef")), S("sectionName")), section)) continue;
            str what = arena_printf(a, STR_FMT " " STR_FMT "/" STR_FMT, STR_ARG(it->kind), STR_ARG(it->ns),
                                    STR_ARG(it->name));
            str hosts = joined(a, it->spec ? node_get(it->spec, S("hostnames")) : NULL, NULL);
            str full = arena_printf(a, STR_FMT " (parent " STR_FMT "%s" STR_FMT ")", STR_ARG(what),
                                    STR_ARG(gateway->name), section.n ? "/" : "", STR_ARG(section));
            show(p, depth, full, what, hosts, status_page_conditions(x));
            show_backends(p, a, depth + 1, full, it);
            p->shown[i] = true;
        }
    }
}

static const struct node *find_named(const struct node *list, str name) {
    for (const struct node *n = list ? list->child : NULL; n; n = n->next) {
        if (str_eq(node_get_str(n, S("name")), name)) return n;
    }
    return NULL;
}

static void show_gateway(struct painter *p, struct arena *a, unsigned depth, const struct status_item *g) {
    str what = name_of(a, g);
    p->shown[g - p->page->items] = true;
    str addresses = joined(a, g->status ? node_get(g->status, S("addresses")) : NULL, "value");
    show(p, depth, what, what, addresses, status_page_conditions(g->status));
    const struct node *listeners = g->spec ? node_get(g->spec, S("listeners")) : NULL;
    const struct node *statuses = g->status ? node_get(g->status, S("listeners")) : NULL;
    for (const struct node *l = listeners ? listeners->child : NULL; l; l = l->next) {
        str name = node_get_str(l, S("name")), host = node_get_str(l, S("hostname"));
        const struct node *s = find_named(statuses, name);
        str routes = s ? node_get_str(s, S("attachedRoutes")) : S("");
        str words = arena_printf(a, "listener " STR_FMT, STR_ARG(name));
        str more =
            arena_printf(a, STR_FMT ":" STR_FMT " " STR_FMT "  %s " STR_FMT,
                         STR_ARG(node_get_str(l, S("protocol"))), STR_ARG(node_get_str(l, S("port"))),
                         STR_ARG(host.n ? host : S("*")), "routes:", STR_ARG(routes.n ? routes : S("0")));
        str full = arena_printf(a, STR_FMT " " STR_FMT, STR_ARG(what), STR_ARG(words));
        show(p, depth + 1, full, words, more, status_page_conditions(s));
        show_routes(p, a, depth + 2, g, name);
    }
    show_routes(p, a, depth + 1, g, S(""));
}

static bool is_set_of(const struct status_item *set, const struct status_item *gateway) {
    const struct node *ref = set->spec ? node_get(set->spec, S("parentRef")) : NULL;
    if (!ref || !str_ends(set->kind, S("ListenerSet"))) return false;
    str ns = node_get_str(ref, S("namespace"));
    return str_eq(node_get_str(ref, S("name")), gateway->name) && str_eq(ns.n ? ns : set->ns, gateway->ns);
}

static void show_trunk(struct painter *p, struct arena *a, unsigned depth, const struct status_item *g) {
    show_gateway(p, a, depth, g);
    for (size_t i = 0; i < p->page->n; i++)
        if (is_set_of(&p->page->items[i], g)) show_gateway(p, a, depth + 1, &p->page->items[i]);
}

/* What hangs on nothing above: policies by their ancestors, routes whose parent has no status here. */
static void show_rest(struct painter *p, struct arena *a) {
    for (size_t i = 0; i < p->page->n; i++) {
        const struct status_item *it = &p->page->items[i];
        if (p->shown[i]) continue;
        const struct node *ancestors = it->status ? node_get(it->status, S("ancestors")) : NULL;
        const struct node *first = ancestors ? ancestors->child : status_page_parents(it);
        const char *member = ancestors ? "ancestorRef" : "parentRef";
        if (!first) show(p, 0, name_of(a, it), name_of(a, it), S(""), status_page_conditions(it->status));
        for (const struct node *x = first; x; x = x->next) {
            const struct node *ref = node_get(x, str_of(member));
            str kind = ref ? node_get_str(ref, S("kind")) : S("");
            str of = arena_printf(a, "of " STR_FMT " " STR_FMT, STR_ARG(kind.n ? kind : S("Gateway")),
                                  STR_ARG(ref ? node_get_str(ref, S("name")) : S("")));
            str full = arena_printf(a, STR_FMT " (" STR_FMT ")", STR_ARG(name_of(a, it)), STR_ARG(of));
            show(p, 0, full, name_of(a, it), of, status_page_conditions(x));
        }
    }
}

static void add_finding(const struct painter *p, enum paint paint, const struct node *f) {
    str ns = node_get_str(f, S("namespace")), kind = node_get_str(f, S("kind")),
        path = node_get_str(f, S("path"));
    str remedy = node_get_str(f, S("remedy")), file = node_get_str(f, S("file"));
    buf_add(p->b, S("  "));
    if (file.n) /* objects of an API server have no place */
        buf_printf(p->b, STR_FMT ":" STR_FMT ":" STR_FMT ": ", STR_ARG(file),
                   STR_ARG(node_get_str(f, S("line"))), STR_ARG(node_get_str(f, S("column"))));
    if (kind.n) {
        buf_printf(p->b, STR_FMT " " STR_FMT "%s" STR_FMT ": ", STR_ARG(kind), STR_ARG(ns), ns.n ? "/" : "",
                   STR_ARG(node_get_str(f, S("name"))));
    }
    if (path.n) buf_printf(p->b, STR_FMT ": ", STR_ARG(path));
    paint_add(p->b, p->view->colour, paint, node_get_str(f, S("message")));
    if (remedy.n) buf_printf(p->b, "; " STR_FMT, STR_ARG(remedy));
    buf_add_char(p->b, '\n');
}

/* Those of the namespace that is looked at, and of none. */
static uint32_t add_told(const struct painter *p, const char *title, enum paint paint,
                         const struct node *first) {
    uint32_t n = 0;
    for (const struct node *f = first; f; f = f->next) {
        str ns = node_get_str(f, S("namespace"));
        if (p->view->ns.n && ns.n && !str_eq(ns, p->view->ns)) continue;
        if (!n++ && title) paint_add(p->b, p->view->colour, PAINT_BOLD, str_of(title));
        add_finding(p, paint, f);
    }
    return n;
}

static bool has_class(const struct status_page *page, str name) {
    for (size_t i = 0; i < page->n; i++) {
        if (str_eq(page->items[i].kind, S("GatewayClass")) && str_eq(page->items[i].name, name)) return true;
    }
    return false;
}

static str class_name(const struct status_item *gateway) {
    return gateway->spec ? node_get_str(gateway->spec, S("gatewayClassName")) : (str){0};
}

static void walk(struct painter *p, struct arena *a) {
    memset(p->shown, 0, p->page->n * sizeof *p->shown);
    for (size_t i = 0; i < p->page->n; i++) {
        const struct status_item *c = &p->page->items[i];
        if (!str_eq(c->kind, S("GatewayClass"))) continue;
        str what = name_of(a, c);
        p->shown[i] = true;
        show(p, 0, what, what, S(""), status_page_conditions(c->status));
        for (size_t k = 0; k < p->page->n; k++) {
            const struct status_item *g = &p->page->items[k];
            if (str_eq(g->kind, S("Gateway")) && str_eq(class_name(g), c->name)) show_trunk(p, a, 1, g);
        }
    }
    for (size_t k = 0; k < p->page->n; k++) {
        const struct status_item *g = &p->page->items[k];
        if (str_eq(g->kind, S("Gateway")) && !has_class(p->page, class_name(g))) show_trunk(p, a, 0, g);
    }
    show_rest(p, a);
}

void status_tree(struct buf *b, const struct status_page *page, const struct status_view *v) {
    OWNED(arena) a = arena_new();
    struct painter p = {.b = b, .page = page, .view = v, .problems = true};
    p.shown = arena_array(a, bool, page->n + 1);
    walk(&p, a);
    p.problems_n += add_told(&p, p.problems_n ? NULL : "Problems\n", PAINT_RED, page->findings);
    if (p.problems_n) buf_add_char(b, '\n');
    if (add_told(&p, "Warnings\n", PAINT_YELLOW, page->warnings)) buf_add_char(b, '\n');
    p.problems = false;
    size_t before = b->n;
    walk(&p, a);
    if (b->n == before) buf_add(b, S("No GatewayClass, Gateway or Route of ours.\n"));
    if (page->deaths)
        buf_printf(b,
                   "\nDeaths: the serving process died %llu time%s, the last time of " STR_FMT " at " STR_FMT
                   "; the page /crash has what it told\n",
                   (unsigned long long)page->deaths, page->deaths > 1 ? "s" : "", STR_ARG(page->last_signal),
                   STR_ARG(page->last_death));
    if (page->sandbox.n) buf_printf(b, "\nSandbox: " STR_FMT "\n", STR_ARG(page->sandbox));
}
