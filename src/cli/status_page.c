/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/status_page.h"

#include "base/num.h"
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

static err read_backend(struct arena *a, str line, struct status_page *p, size_t *cap) {
    size_t end = str_rfind(line, '}');
    if (end == line.n) return ERR_PROTO;
    struct node *n;
    TRY(parse(a, str_upto(line, end + 1), &n));
    if (p->backends_n == *cap) {
        *cap = *cap ? *cap * 2 : 64;
        struct status_backend *grown = arena_array(a, struct status_backend, *cap);
        if (p->backends_n) memcpy(grown, p->backends, sizeof *grown * p->backends_n);
        p->backends = grown;
    }
    uint64_t endpoints = 0, outs = 0;
    const struct node *list = node_get(n, S("notServing"));
    (void)!num_parse(node_get_str(n, S("endpoints")), UINT32_MAX, &endpoints);
    if (list) (void)!num_parse(node_get_str(n, S("notServingTotal")), UINT32_MAX, &outs);
    p->backends[p->backends_n++] = (struct status_backend){node_get_str(n, S("backend")),
                                                           (uint32_t)endpoints,
                                                           node_get_str(n, S("hostname")),
                                                           node_get_str(n, S("addresses")),
                                                           node_get_str(n, S("trouble")),
                                                           list ? list->child : NULL,
                                                           (uint32_t)outs};
    return OK;
}

/* A Service's port may be several backends to the data plane: "ns/name:port", "ns/name:port+tls". */
static bool is_of(const struct status_backend *b, str name) {
    return str_starts(b->name, name) && (b->name.n == name.n || b->name.p[name.n] == '+');
}

/* An XBackend is named without its port, which is its own: "XBackend/ns/name:" is how all of its begin. */
static bool is_of_xbackend(const struct status_backend *b, str name) {
    return str_starts(b->name, name) && b->name.n > name.n && b->name.p[name.n] == ':';
}

static const struct status_backend *find_xbackend(const struct status_page *p, str name) {
    for (size_t i = 0; i < p->backends_n && str_starts(name, S("XBackend/")); i++)
        if (is_of_xbackend(&p->backends[i], name)) return &p->backends[i];
    return NULL;
}

str status_page_name(struct arena *a, const struct status_page *p, str name) {
    const struct status_backend *b = find_xbackend(p, name);
    if (!b || !b->hostname.n) return (str){0};
    return arena_printf(a, STR_FMT "%s" STR_FMT "%s" STR_FMT, STR_ARG(b->hostname),
                        b->addresses.n ? " = " : "", STR_ARG(b->addresses), b->trouble.n ? ": " : "",
                        STR_ARG(b->trouble));
}

/* The first of the backends whose names begin so, or what would come after them. */
static size_t first_of(const struct status_page *p, str name) {
    size_t low = 0, high = p->backends_n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (str_cmp(p->backends[middle].name, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool status_page_endpoints(const struct status_page *p, str name, uint32_t *ret) {
    const struct status_backend *x = find_xbackend(p, name);
    if (x) *ret = x->endpoints;
    if (x) return true;
    size_t i = first_of(p, name);
    if (i == p->backends_n || !is_of(&p->backends[i], name)) return false;
    *ret = 0;
    for (; i < p->backends_n && is_of(&p->backends[i], name); i++)
        if (p->backends[i].endpoints > *ret) *ret = p->backends[i].endpoints;
    return true;
}

const struct status_backend *status_page_outs(const struct status_page *p, str name) {
    const struct status_backend *x = find_xbackend(p, name);
    if (x) return x->outs_n ? x : NULL;
    for (size_t i = first_of(p, name); i < p->backends_n && is_of(&p->backends[i], name); i++)
        if (p->backends[i].outs_n) return &p->backends[i];
    return NULL;
}

static void read_deaths(const struct node *n, struct status_page *p) {
    if (!n || n->kind != NODE_MAP) return;
    const struct node *count = node_get(n, S("count"));
    if (!count || num_parse(count->scalar, UINT32_MAX, &p->deaths) != OK) return;
    p->last_signal = node_get_str(n, S("lastSignal"));
    p->last_death = node_get_str(n, S("lastTime"));
}

err status_page_read(struct arena *a, str text, struct status_page *ret) {
    struct status_page p = {0};
    size_t cap = 0;
    const str start = S("{\"items\":["), backends = S("\"backends\":["), findings = S("\"findings\":");
    bool items = true;
    if (!str_starts(text, start)) return ERR_PROTO;
    text = str_from(text, start.n);
    while (text.n) {
        str rest = text, line = str_trim(str_cut(&text, '\n'));
        if (str_starts(line, findings)) {
            struct node *tail;
            TRY(parse(a, arena_printf(a, "{" STR_FMT, STR_ARG(rest)), &tail));
            const struct node *found = node_get(tail, S("findings")), *warned = node_get(tail, S("warnings"));
            p.findings = found ? found->child : NULL;
            p.warnings = warned ? warned->child : NULL;
            p.sandbox = node_get_str(tail, S("sandbox"));
            read_deaths(node_get(tail, S("deaths")), &p);
            *ret = p;
            return OK;
        }
        if (str_starts(line, backends)) {
            items = false, cap = 0;
            line = str_from(line, backends.n);
        }
        if (str_starts(line, S("{")))
            TRY(items ? read_item(a, line, &p, &cap) : read_backend(a, line, &p, &cap));
    }
    return ERR_PROTO; /* cut off */
}

static bool is_plural(str kind, str word) {
    if (str_ends(word, S("ies"))) { /* backendtlspolicies */
        str stem = str_upto(word, word.n - 3);
        return kind.n == stem.n + 1 && str_ieq(str_upto(kind, stem.n), stem) && str_ends(kind, S("y"));
    }
    if (str_ends(word, S("es")) && str_ieq(kind, str_upto(word, word.n - 2))) return true;
    return str_ends(word, S("s")) && str_ieq(kind, str_upto(word, word.n - 1));
}

bool status_page_is_kind(str kind, str word) {
    static const struct {
        str kind, abbreviation;
    } abbreviations[] = {{S("GatewayClass"), S("gc")},
                         {S("Gateway"), S("gtw")},
                         {S("HTTPRoute"), S("route")},
                         {S("ListenerSet"), S("lset")},
                         {S("BackendTLSPolicy"), S("btlspolicy")}};
    for (size_t i = 0; i < COUNT_OF(abbreviations); i++) {
        if (str_eq(kind, abbreviations[i].kind) && str_ieq(word, abbreviations[i].abbreviation)) return true;
    }
    return str_ieq(kind, word) || is_plural(kind, word);
}

bool status_page_is_route(const struct status_item *it) { return str_ends(it->kind, S("Route")); }

const struct node *status_page_parents(const struct status_item *it) {
    const struct node *parents = it->status ? node_get(it->status, S("parents")) : NULL;
    return parents && status_page_is_route(it) ? parents->child : NULL;
}

bool status_page_is_parent(const struct status_item *it, const struct node *parent,
                           const struct status_item *gateway) {
    const struct node *ref = node_get(parent, S("parentRef"));
    if (!ref) return false;
    str ns = node_get_str(ref, S("namespace")), kind = node_get_str(ref, S("kind"));
    return str_eq(kind.n ? kind : S("Gateway"), gateway->kind) &&
           str_eq(node_get_str(ref, S("name")), gateway->name) && str_eq(ns.n ? ns : it->ns, gateway->ns);
}

bool status_page_names_parent(const struct status_item *it, const struct status_item *gateway) {
    for (const struct node *x = status_page_parents(it); x; x = x->next) {
        if (status_page_is_parent(it, x, gateway)) return true;
    }
    return false;
}

const struct node *status_page_conditions(const struct node *holder) {
    const struct node *list = holder ? node_get(holder, S("conditions")) : NULL;
    return list ? list->child : NULL;
}

enum tone status_page_tone(const struct node *condition) {
    return tone_of(node_get_str(condition, S("type")), node_get_str(condition, S("status")),
                   node_get_str(condition, S("reason")));
}

str status_page_backend_of(struct arena *a, const struct status_item *route, const struct node *ref) {
    str ns = node_get_str(ref, S("namespace")), kind = node_get_str(ref, S("kind")),
        port = node_get_str(ref, S("port"));
    if (str_eq(kind, S("XBackend")))
        return arena_printf(a, "XBackend/" STR_FMT "/" STR_FMT, STR_ARG(ns.n ? ns : route->ns),
                            STR_ARG(node_get_str(ref, S("name"))));
    bool other = kind.n && !str_eq(kind, S("Service"));
    return arena_printf(a, STR_FMT "%s" STR_FMT "/" STR_FMT "%s" STR_FMT, STR_ARG(other ? kind : S("")),
                        other ? " " : "", STR_ARG(ns.n ? ns : route->ns),
                        STR_ARG(node_get_str(ref, S("name"))), port.n ? ":" : "", STR_ARG(port));
}
