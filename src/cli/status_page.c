/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/status_page.h"

#include "cli/tone.h"
#include "text/yaml.h"

static err parse(struct arena *a, str text, struct node **ret) {
    str message;
    uint32_t line, column;
    TRY(yaml_parse(a, text, 1, ret, &message, &line, &column));
    return *ret && (*ret)->kind == NODE_MAP ? OK : ERR_PROTO;
}

static void add_item(struct arena *a, struct status_page *p, size_t *cap, const struct node *doc) {
    if (p->n == *cap) {
        *cap = *cap ? *cap * 2 : 64;
        struct status_item *grown = arena_array(a, struct status_item, *cap);
        if (p->n) memcpy(grown, p->items, sizeof *grown * p->n);
        p->items = grown;
    }
    const struct node *meta = node_get(doc, S("metadata"));
    p->items[p->n++] = (struct status_item){.kind = node_get_str(doc, S("kind")),
                                            .ns = meta ? node_get_str(meta, S("namespace")) : (str){0},
                                            .name = meta ? node_get_str(meta, S("name")) : (str){0},
                                            .doc = doc,
                                            .spec = node_get(doc, S("spec")),
                                            .status = node_get(doc, S("status"))};
}

/* A line of the list of items; what follows the item's own braces is the list's. */
static err read_item(struct arena *a, str line, struct status_page *p, size_t *cap) {
    size_t end = str_rfind(line, '}');
    if (end == line.n) return ERR_PROTO;
    struct node *item;
    TRY(parse(a, str_upto(line, end + 1), &item));
    add_item(a, p, cap, item);
    return OK;
}

err status_page_read(struct arena *a, str text, struct status_page *ret) {
    struct status_page p = {0};
    size_t cap = 0;
    const str start = S("{\"items\":["), findings = S("\"findings\":");
    if (!str_starts(text, start)) return ERR_PROTO;
    text = str_from(text, start.n);
    while (text.n) {
        str rest = text, line = str_trim(str_cut(&text, '\n'));
        if (str_starts(line, findings)) {
            struct node *tail;
            TRY(parse(a, arena_printf(a, "{" STR_FMT, STR_ARG(rest)), &tail));
            const struct node *list = node_get(tail, S("findings"));
            p.findings = list ? list->child : NULL;
            *ret = p;
            return OK;
        }
        if (str_starts(line, S("{"))) TRY(read_item(a, line, &p, &cap));
    }
    return ERR_PROTO; /* cut off */
}

bool status_page_is_kind(str kind, str word) {
    static const struct {
        str kind, abbreviation;
    } abbreviations[] = {
        {S("GatewayClass"), S("gc")}, {S("Gateway"), S("gtw")}, {S("HTTPRoute"), S("route")}};
    if (str_ieq(kind, word)) return true;
    str stem = word;
    if (str_ends(stem, S("es"))) stem.n -= 2; /* gatewayclasses */
    if (str_ieq(kind, stem)) return true;
    stem = word;
    if (str_ends(stem, S("s"))) stem.n--;
    for (size_t i = 0; i < COUNT_OF(abbreviations); i++) {
        if (str_eq(kind, abbreviations[i].kind) && str_ieq(word, abbreviations[i].abbreviation)) return true;
    }
    return str_ieq(kind, stem);
}

/* Showing. */

enum paint { PLAIN, GREEN, YELLOW, RED, BOLD };
struct painter {
    struct buf *b;
    const struct status_page *page;
    const struct status_view *view;
    bool problems; /* the first walk prints problems alone */
    size_t problems_n;
};

static void paint(const struct painter *p, enum paint colour, str s) {
    static const char *const codes[] = {
        [PLAIN] = "", [GREEN] = "32", [YELLOW] = "33", [RED] = "31", [BOLD] = "1"};
    if (p->view->colour && colour != PLAIN) {
        buf_printf(p->b, "\033[%sm" STR_FMT "\033[0m", codes[colour], STR_ARG(s));
    } else {
        buf_add(p->b, s);
    }
}

static enum tone condition_tone(const struct node *condition) {
    return tone_of(node_get_str(condition, S("type")), node_get_str(condition, S("status")),
                   node_get_str(condition, S("reason")));
}

static const struct node *conditions_of(const struct node *holder) {
    const struct node *list = holder ? node_get(holder, S("conditions")) : NULL;
    return list ? list->child : NULL;
}

static enum tone worst(const struct node *first) {
    enum tone t = first ? TONE_GOOD : TONE_WAITING;
    for (const struct node *c = first; c; c = c->next) {
        if (condition_tone(c) > t) t = condition_tone(c);
    }
    return t;
}

static void add_sentence(const struct painter *p, const struct node *c) {
    enum tone t = condition_tone(c);
    str type = node_get_str(c, S("type")), message = node_get_str(c, S("message"));
    paint(p, t == TONE_BAD ? RED : t == TONE_WAITING ? YELLOW : GREEN, type);
    buf_printf(p->b, "=" STR_FMT " " STR_FMT, STR_ARG(node_get_str(c, S("status"))),
               STR_ARG(node_get_str(c, S("reason"))));
    if (message.n) buf_printf(p->b, ": " STR_FMT, STR_ARG(message));
    buf_add_char(p->b, '\n');
}

/* The first walk: what is not so, each with its whole name. */
static void add_problems(struct painter *p, str what, const struct node *first) {
    for (const struct node *c = first; c; c = c->next) {
        if (condition_tone(c) != TONE_BAD) continue;
        if (!p->problems_n++) paint(p, BOLD, S("Problems\n"));
        buf_printf(p->b, "  " STR_FMT ": ", STR_ARG(what));
        add_sentence(p, c);
    }
}

/* A line of the tree: mark, name, conditions. */
static void add_line(struct painter *p, unsigned depth, str what, str more, const struct node *first) {
    enum tone t = worst(first);
    static const str marks[] = {[TONE_GOOD] = S("✓"), [TONE_WAITING] = S("…"), [TONE_BAD] = S("✗")};
    buf_printf(p->b, "%*s", (int)depth * 2, "");
    paint(p, t == TONE_BAD ? RED : t == TONE_WAITING ? YELLOW : GREEN, marks[t]);
    buf_add_char(p->b, ' ');
    paint(p, BOLD, what);
    if (more.n) buf_printf(p->b, "  " STR_FMT, STR_ARG(more));
    buf_add_char(p->b, '\n');
    for (const struct node *c = first; c; c = c->next) {
        if (!p->view->wide && condition_tone(c) == TONE_GOOD) continue;
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

static bool is_route(const struct status_item *it) { return str_ends(it->kind, S("Route")); }

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

static const struct node *parents_of(const struct status_item *it) {
    const struct node *parents = is_route(it) && it->status ? node_get(it->status, S("parents")) : NULL;
    return parents ? parents->child : NULL;
}

static bool is_parent(const struct status_item *it, const struct node *parent,
                      const struct status_item *gateway) {
    const struct node *ref = node_get(parent, S("parentRef"));
    if (!ref) return false;
    str ns = node_get_str(ref, S("namespace"));
    return str_eq(node_get_str(ref, S("name")), gateway->name) && str_eq(ns.n ? ns : it->ns, gateway->ns);
}

bool status_page_names_parent(const struct status_item *it, const struct status_item *gateway) {
    for (const struct node *x = parents_of(it); x; x = x->next) {
        if (is_parent(it, x, gateway)) return true;
    }
    return false;
}

/* Parents of routes that name this Gateway; section: that listener, "" those that name none. */
static void show_routes(struct painter *p, struct arena *a, unsigned depth, const struct status_item *gateway,
                        str section) {
    for (size_t i = 0; i < p->page->n; i++) {
        const struct status_item *it = &p->page->items[i];
        for (const struct node *x = parents_of(it); x; x = x->next) {
            if (!is_parent(it, x, gateway)) continue;
            if (!str_eq(node_get_str(node_get(x, S("parentRef")), S("sectionName")), section)) continue;
            str what = arena_printf(a, STR_FMT " " STR_FMT "/" STR_FMT, STR_ARG(it->kind), STR_ARG(it->ns),
                                    STR_ARG(it->name));
            str hosts = joined(a, it->spec ? node_get(it->spec, S("hostnames")) : NULL, NULL);
            str full = arena_printf(a, STR_FMT " (parent " STR_FMT "%s" STR_FMT ")", STR_ARG(what),
                                    STR_ARG(gateway->name), section.n ? "/" : "", STR_ARG(section));
            show(p, depth, full, what, hosts, conditions_of(x));
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
    str what = arena_printf(a, "Gateway " STR_FMT "/" STR_FMT, STR_ARG(g->ns), STR_ARG(g->name));
    str addresses = joined(a, g->status ? node_get(g->status, S("addresses")) : NULL, "value");
    show(p, depth, what, what, addresses, conditions_of(g->status));
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
        show(p, depth + 1, full, words, more, conditions_of(s));
        show_routes(p, a, depth + 2, g, name);
    }
    show_routes(p, a, depth + 1, g, S(""));
}

static void add_finding(const struct painter *p, const struct node *f) {
    str ns = node_get_str(f, S("namespace")), kind = node_get_str(f, S("kind")),
        path = node_get_str(f, S("path"));
    str remedy = node_get_str(f, S("remedy"));
    buf_printf(p->b, "  " STR_FMT ":" STR_FMT ":" STR_FMT ": ", STR_ARG(node_get_str(f, S("file"))),
               STR_ARG(node_get_str(f, S("line"))), STR_ARG(node_get_str(f, S("column"))));
    if (kind.n) {
        buf_printf(p->b, STR_FMT " " STR_FMT "%s" STR_FMT ": ", STR_ARG(kind), STR_ARG(ns), ns.n ? "/" : "",
                   STR_ARG(node_get_str(f, S("name"))));
    }
    if (path.n) buf_printf(p->b, STR_FMT ": ", STR_ARG(path));
    paint(p, RED, node_get_str(f, S("message")));
    if (remedy.n) buf_printf(p->b, "; " STR_FMT, STR_ARG(remedy));
    buf_add_char(p->b, '\n');
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
    for (size_t i = 0; i < p->page->n; i++) {
        const struct status_item *c = &p->page->items[i];
        if (!str_eq(c->kind, S("GatewayClass"))) continue;
        str what = arena_printf(a, "GatewayClass " STR_FMT, STR_ARG(c->name));
        show(p, 0, what, what, S(""), conditions_of(c->status));
        for (size_t k = 0; k < p->page->n; k++) {
            const struct status_item *g = &p->page->items[k];
            if (str_eq(g->kind, S("Gateway")) && str_eq(class_name(g), c->name)) show_gateway(p, a, 1, g);
        }
    }
    for (size_t k = 0; k < p->page->n; k++) {
        const struct status_item *g = &p->page->items[k];
        if (str_eq(g->kind, S("Gateway")) && !has_class(p->page, class_name(g))) show_gateway(p, a, 0, g);
    }
}

void status_page_tree(struct buf *b, const struct status_page *page, const struct status_view *v) {
    OWNED(arena) a = arena_new();
    struct painter p = {.b = b, .page = page, .view = v, .problems = true};
    walk(&p, a);
    if (page->findings && !p.problems_n) paint(&p, BOLD, S("Problems\n"));
    for (const struct node *f = page->findings; f; f = f->next, p.problems_n++) add_finding(&p, f);
    if (p.problems_n) buf_add_char(b, '\n');
    p.problems = false;
    size_t before = b->n;
    walk(&p, a);
    if (b->n == before) buf_add(b, S("No GatewayClass, Gateway or Route of ours.\n"));
}

void status_page_one(struct buf *b, const struct status_item *it, const struct status_view *v) {
    OWNED(arena) a = arena_new();
    struct status_view wide = {.wide = true, .colour = v->colour};
    struct status_page page = {.items = (struct status_item *)(uintptr_t)it, .n = 1};
    struct painter p = {.b = b, .page = &page, .view = &wide};
    if (str_eq(it->kind, S("Gateway"))) {
        show_gateway(&p, a, 0, it);
        return;
    }
    str what = arena_printf(a, STR_FMT " " STR_FMT "%s" STR_FMT, STR_ARG(it->kind), STR_ARG(it->ns),
                            it->ns.n ? "/" : "", STR_ARG(it->name));
    if (!is_route(it)) {
        show(&p, 0, what, what, S(""), conditions_of(it->status));
        return;
    }
    buf_printf(b, STR_FMT "\n", STR_ARG(what));
    for (const struct node *x = parents_of(it); x; x = x->next) {
        const struct node *ref = node_get(x, S("parentRef"));
        str ns = ref ? node_get_str(ref, S("namespace")) : S(""),
            section = ref ? node_get_str(ref, S("sectionName")) : S("");
        str parent = arena_printf(a, "parent " STR_FMT "/" STR_FMT "%s" STR_FMT, STR_ARG(ns.n ? ns : it->ns),
                                  STR_ARG(ref ? node_get_str(ref, S("name")) : S("")),
                                  section.n ? " listener " : "", STR_ARG(section));
        show(&p, 1, parent, parent, S(""), conditions_of(x));
    }
}
