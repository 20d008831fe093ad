/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/story.h"

#include "cli/node_print.h"
#include "cli/paint.h"

/* What to do, by reason.                   [GW GatewayConditionReason] [GW ListenerConditionReason] [GW RouteConditionReason] */
static const struct {
    str reason, remedy;
} remedies[] = {
    {S("AddressNotUsable"), S("give an address in spec.addresses that this machine has, or none")},
    {S("Conflicted"), S("leave out one of the objects that ask for the same; the older one is served")},
    {S("BackendNotFound"), S("create the backend, or correct its name, namespace and port")},
    {S("HostnameConflict"), S("give the listeners of this port hostnames that differ")},
    {S("IncompatibleFilters"), S("leave out one of the filters that exclude each other")},
    {S("InvalidCertificateRef"),
     S("name a Secret of type kubernetes.io/tls that is there and holds a certificate and its key")},
    {S("InvalidClientCertificateRef"),
     S("name a Secret of type kubernetes.io/tls that is there and holds a certificate and its key")},
    {S("InvalidKind"), S("name a kind that is supported: a Service for backends, a Secret for certificates")},
    {S("InvalidParameters"), S("correct parametersRef, or leave it out")},
    {S("InvalidRouteKinds"),
     S("allow in allowedRoutes.kinds only kinds that the listener's protocol carries")},
    {S("NoMatchingListenerHostname"),
     S("let one of the route's hostnames meet the listener's, or attach it to another listener")},
    {S("NoMatchingParent"),
     S("correct sectionName or port of the parentRef: the parent has no such listener")},
    {S("NotAllowedByListeners"), S("let the listener's allowedRoutes take the route's namespace and kind")},
    {S("OverlappingHostnames"), S("give the listeners hostnames, or certificates, that do not overlap")},
    {S("PartiallyInvalid"), S("correct the rules that the message names; until then they are not served")},
    {S("Pending"), S("wait: it is on its way; if it stays so, see the log of the instance")},
    {S("PortUnavailable"), S("free the port, or map it to another: postern serve --map-port 80:8080")},
    {S("ProtocolConflict"), S("give listeners of different protocols different ports")},
    {S("RefNotPermitted"), S("let a ReferenceGrant in the target's namespace permit the reference")},
    {S("UnsupportedAddress"), S("use an address of type IPAddress")},
    {S("UnsupportedProtocol"), S("give the listener a protocol that this version serves: HTTP or HTTPS")},
    {S("UnsupportedValue"), S("what the message says; the rest of the object needs no change")},
};

str story_remedy(str reason) {
    for (size_t i = 0; i < COUNT_OF(remedies); i++)
        if (str_eq(remedies[i].reason, reason)) return remedies[i].remedy;
    return (str){0};
}

struct story {
    struct buf *b;
    const struct status_page *page;
    const struct status_item *it;
    const struct status_view *view;
    struct arena *arena;
    const char *label; /* of the section, until its first line */
    size_t begin;      /* of the story in b */
};

static void begin(struct story *s, const char *label) { s->label = label; }

static void lead(struct story *s) {
    size_t n = strlen(s->label);
    paint_add(s->b, s->view->colour, PAINT_BOLD, str_of(s->label));
    buf_printf(s->b, "%*s", (int)(n < 9 ? 9 - n : 1), "");
    s->label = "";
}

__attribute__((format(printf, 2, 3))) static void line(struct story *s, const char *fmt, ...) {
    lead(s);
    va_list args;
    va_start(args, fmt);
    buf_vprintf(s->b, fmt, args);
    va_end(args);
    buf_add_char(s->b, '\n');
}

static const struct node *first(const struct node *map, const char *name) {
    const struct node *list = map ? node_get(map, str_of(name)) : NULL;
    return list ? list->child : NULL;
}

static str text(const struct node *map, const char *name) {
    str s = map ? node_get_str(map, str_of(name)) : (str){0};
    return s.p ? s : S("");
}

static str joined(struct story *s, const struct node *list, const char *member) {
    str all = S("");
    for (const struct node *n = list; n; n = n->next) {
        str one = member ? text(n, member) : n->scalar;
        all = all.n ? arena_printf(s->arena, STR_FMT ", " STR_FMT, STR_ARG(all), STR_ARG(one)) : one;
    }
    return all;
}

/* "Gateway infra/web listener http" */
static str reference(struct story *s, const struct node *ref) {
    str kind = text(ref, "kind"), ns = text(ref, "namespace"), section = text(ref, "sectionName"),
        port = text(ref, "port");
    return arena_printf(s->arena, STR_FMT " " STR_FMT "/" STR_FMT "%s" STR_FMT "%s" STR_FMT,
                        STR_ARG(kind.n ? kind : S("Gateway")), STR_ARG(ns.n ? ns : s->it->ns),
                        STR_ARG(text(ref, "name")), section.n ? " listener " : "", STR_ARG(section),
                        port.n ? " port " : "", STR_ARG(port));
}

/* What it asks. */

static void add_values(struct buf *b, const struct node *list, const char *what) {
    for (const struct node *n = list; n; n = n->next) {
        buf_printf(b, ", %s " STR_FMT "%s" STR_FMT, what, STR_ARG(text(n, "name")),
                   str_eq(text(n, "type"), S("RegularExpression")) ? " matches " : ": ",
                   STR_ARG(text(n, "value")));
    }
}

static void add_match(struct buf *b, const struct node *m) {
    const struct node *path = node_get(m, S("path")), *method = node_get(m, S("method"));
    str type = text(path, "type"), value = text(path, "value");
    buf_printf(b, "%s " STR_FMT,
               str_eq(type, S("Exact"))               ? "path exact"
               : str_eq(type, S("RegularExpression")) ? "path matches"
                                                      : "path prefix",
               STR_ARG(value.n ? value : S("/")));
    if (method && method->kind == NODE_SCALAR) buf_printf(b, ", method " STR_FMT, STR_ARG(method->scalar));
    if (method && method->kind == NODE_MAP)
        buf_printf(b, ", call " STR_FMT "/" STR_FMT, STR_ARG(text(method, "service")),
                   STR_ARG(text(method, "method")));
    add_values(b, first(m, "headers"), "header");
    add_values(b, first(m, "queryParams"), "query");
}

static void ask_rule(struct story *s, const struct node *rule, unsigned index) {
    struct buf b;
    buf_init(&b, 1 << 16);
    if (!first(rule, "matches")) buf_add(&b, S("everything"));
    for (const struct node *m = first(rule, "matches"); m; m = m->next) {
        buf_add(&b, b.n ? S("; or ") : S(""));
        add_match(&b, m);
    }
    if (first(rule, "filters"))
        buf_printf(&b, "  filters " STR_FMT, STR_ARG(joined(s, first(rule, "filters"), "type")));
    const char *between = "  -> ";
    for (const struct node *r = first(rule, "backendRefs"); r; r = r->next) {
        str weight = text(r, "weight");
        buf_printf(&b, "%s" STR_FMT "%s" STR_FMT, between,
                   STR_ARG(status_page_backend_of(s->arena, s->it, r)), weight.n ? " weight " : "",
                   STR_ARG(weight));
        between = ", ";
    }
    line(s, "rule %u: " STR_FMT, index, STR_ARG(buf_str(&b)));
    buf_fini(&b);
}

static void ask_route(struct story *s) {
    unsigned index = 0;
    for (const struct node *p = first(s->it->spec, "parentRefs"); p; p = p->next)
        line(s, "to be attached to " STR_FMT, STR_ARG(reference(s, p)));
    if (first(s->it->spec, "hostnames"))
        line(s, "for the hostnames " STR_FMT, STR_ARG(joined(s, first(s->it->spec, "hostnames"), NULL)));
    for (const struct node *r = first(s->it->spec, "rules"); r; r = r->next) ask_rule(s, r, index++);
}

static void ask_gateway(struct story *s) {
    if (text(s->it->spec, "gatewayClassName").n)
        line(s, "to be served by GatewayClass " STR_FMT, STR_ARG(text(s->it->spec, "gatewayClassName")));
    if (node_get(s->it->spec, S("parentRef")))
        line(s, "to be attached to " STR_FMT, STR_ARG(reference(s, node_get(s->it->spec, S("parentRef")))));
    if (first(s->it->spec, "addresses"))
        line(s, "on the addresses " STR_FMT, STR_ARG(joined(s, first(s->it->spec, "addresses"), "value")));
    for (const struct node *l = first(s->it->spec, "listeners"); l; l = l->next) {
        str host = text(l, "hostname");
        const struct node *tls = node_get(l, S("tls"));
        str secrets = joined(s, first(tls, "certificateRefs"), "name");
        line(s, "listener " STR_FMT ": " STR_FMT " on port " STR_FMT ", hostname " STR_FMT "%s" STR_FMT,
             STR_ARG(text(l, "name")), STR_ARG(text(l, "protocol")), STR_ARG(text(l, "port")),
             STR_ARG(host.n ? host : S("*")), secrets.n ? ", certificate " : "", STR_ARG(secrets));
    }
}

/* Kinds that nothing more is known of. */
static void ask_spec(struct story *s) {
    if (!s->it->spec || !s->it->spec->child) {
        line(s, "nothing");
        return;
    }
    struct buf b;
    buf_init(&b, 1 << 20);
    node_print_yaml(&b, s->it->spec, 0);
    str rest = buf_str(&b);
    while (rest.n) {
        str one = str_cut(&rest, '\n');
        line(s, STR_FMT, STR_ARG(one));
    }
    buf_fini(&b);
}

/* What it got. */

static void got(struct story *s, str place, const struct node *conditions) {
    str good = S(""), waiting = S("");
    for (const struct node *c = conditions; c; c = c->next) {
        enum tone t = status_page_tone(c);
        str *list = t == TONE_GOOD ? &good : &waiting, type = text(c, "type");
        if (t == TONE_BAD || (t == TONE_GOOD && !str_eq(text(c, "status"), S("True")))) continue;
        *list = list->n ? arena_printf(s->arena, STR_FMT ", " STR_FMT, STR_ARG(*list), STR_ARG(type)) : type;
    }
    if (!good.n && !waiting.n) good = S("nothing");
    line(s, STR_FMT STR_FMT "%s" STR_FMT, STR_ARG(place), STR_ARG(good),
         !waiting.n ? ""
         : good.n   ? "; not yet "
                    : "not yet ",
         STR_ARG(waiting));
}

static void got_backends(struct story *s) {
    for (const struct node *r = first(s->it->spec, "rules"); r; r = r->next) {
        for (const struct node *ref = first(r, "backendRefs"); ref; ref = ref->next) {
            str name = status_page_backend_of(s->arena, s->it, ref);
            uint32_t endpoints;
            if (!status_page_endpoints(s->page, name, &endpoints)) continue;
            str outside = status_page_name(s->arena, s->page, name);
            str words = arena_printf(s->arena, "backend " STR_FMT ": endpoints: %u%s" STR_FMT "\n",
                                     STR_ARG(name), endpoints, outside.n ? "  " : "", STR_ARG(outside));
            if (memmem(s->b->p + s->begin, s->b->n - s->begin, words.p, words.n))
                continue; /* of another rule */
            line(s, STR_FMT, STR_ARG(str_upto(words, words.n - 1)));
        }
    }
}

/* Calls each with the holders of conditions: parents, ancestors, the object itself and its listeners. */
static void each_holder(struct story *s,
                        void (*each)(struct story *s, str place, const struct node *conditions)) {
    const struct node *status = s->it->status;
    if (first(status, "conditions")) each(s, S(""), first(status, "conditions"));
    for (const struct node *l = first(status, "listeners"); l; l = l->next)
        each(s, arena_printf(s->arena, "listener " STR_FMT ": ", STR_ARG(text(l, "name"))),
             first(l, "conditions"));
    for (const struct node *p = first(status, "parents"); p; p = p->next)
        each(s, arena_printf(s->arena, STR_FMT ": ", STR_ARG(reference(s, node_get(p, S("parentRef"))))),
             first(p, "conditions"));
    for (const struct node *p = first(status, "ancestors"); p; p = p->next)
        each(s, arena_printf(s->arena, STR_FMT ": ", STR_ARG(reference(s, node_get(p, S("ancestorRef"))))),
             first(p, "conditions"));
}

static void why_not(struct story *s, str place, const struct node *conditions) {
    for (const struct node *c = conditions; c; c = c->next) {
        str message = text(c, "message");
        enum tone t = status_page_tone(c);
        if (t == TONE_GOOD) continue;
        lead(s);
        buf_add(s->b, place);
        paint_add(s->b, s->view->colour, paint_of(t), text(c, "type"));
        buf_printf(s->b, "=" STR_FMT " " STR_FMT "%s" STR_FMT "\n", STR_ARG(text(c, "status")),
                   STR_ARG(text(c, "reason")), message.n ? ": " : "", STR_ARG(message));
    }
}

/* Each remedy once. */
static void what_to_do(struct story *s, str place, const struct node *conditions) {
    (void)place;
    for (const struct node *c = conditions; c; c = c->next) {
        str remedy = status_page_tone(c) == TONE_GOOD ? (str){0} : story_remedy(text(c, "reason"));
        if (!remedy.p || memmem(s->b->p + s->begin, s->b->n - s->begin, remedy.p, remedy.n)) continue;
        line(s, STR_FMT, STR_ARG(remedy));
    }
}

/* outside: those whose addresses are a matter of DNS, or the others. */
static bool has_no_endpoints(const struct story *s, bool outside) {
    for (const struct node *r = first(s->it->spec, "rules"); r; r = r->next) {
        for (const struct node *ref = first(r, "backendRefs"); ref; ref = ref->next) {
            uint32_t endpoints;
            str name = status_page_backend_of(s->arena, s->it, ref);
            bool named = status_page_name(s->arena, s->page, name).n;
            if (named == outside && status_page_endpoints(s->page, name, &endpoints) && !endpoints)
                return true;
        }
    }
    return false;
}

/* What is valid and hardly meant. */
static void tell_warnings(struct story *s) {
    for (const struct node *w = s->page->warnings; w; w = w->next) {
        if (!str_eq(text(w, "kind"), s->it->kind) || !str_eq(text(w, "namespace"), s->it->ns) ||
            !str_eq(text(w, "name"), s->it->name))
            continue;
        str path = text(w, "path"), remedy = text(w, "remedy");
        line(s, STR_FMT "%s" STR_FMT "%s" STR_FMT, STR_ARG(path), path.n ? ": " : "",
             STR_ARG(text(w, "message")), remedy.n ? "; " : "", STR_ARG(remedy));
    }
}

static void why_no_endpoints(struct story *s) {
    for (const struct node *r = first(s->it->spec, "rules"); r; r = r->next) {
        for (const struct node *ref = first(r, "backendRefs"); ref; ref = ref->next) {
            str name = status_page_backend_of(s->arena, s->it, ref);
            uint32_t endpoints;
            if (status_page_endpoints(s->page, name, &endpoints) && !endpoints)
                line(s, "backend " STR_FMT " has no ready endpoint: 503", STR_ARG(name));
        }
    }
}

/* Nobody here answers for the object: what it hangs on is not there, or another controller's. */
static bool answers(const struct story *s, str kind, str ns, str name) {
    for (size_t i = 0; i < s->page->all_n; i++) {
        const struct status_item *it = &s->page->all[i];
        if (it->status && str_eq(it->kind, kind) && str_eq(it->name, name) &&
            (!it->ns.n || str_eq(it->ns, ns)))
            return true;
    }
    return false;
}

static void why_reference(struct story *s, const struct node *ref, const char *kind) {
    str named = text(ref, "kind"), ns = text(ref, "namespace");
    if (!named.n) named = str_of(kind);
    if (!ns.n) ns = s->it->ns;
    if (!str_eq(named, S("Service")) && answers(s, named, ns, text(ref, "name"))) return;
    line(s, STR_FMT " " STR_FMT "/" STR_FMT " is %s", STR_ARG(named), STR_ARG(ns), STR_ARG(text(ref, "name")),
         str_eq(named, S("Service")) ? "used by no route of a Gateway here"
                                     : "not here, or another controller's");
}

static void tell_unanswered(struct story *s) {
    begin(s, "got");
    line(s, "nothing: nobody here answers for it");
    begin(s, "why not");
    str class = text(s->it->spec, "gatewayClassName");
    if (class.n) line(s, "GatewayClass " STR_FMT " is not here, or another controller's", STR_ARG(class));
    if (text(s->it->spec, "controllerName").n)
        line(s, "it is of the controller " STR_FMT, STR_ARG(text(s->it->spec, "controllerName")));
    const struct node *parent = s->it->spec ? node_get(s->it->spec, S("parentRef")) : NULL;
    if (parent) why_reference(s, parent, "Gateway");
    for (const struct node *p = first(s->it->spec, "parentRefs"); p; p = p->next)
        why_reference(s, p, "Gateway");
    for (const struct node *t = first(s->it->spec, "targetRefs"); t; t = t->next)
        why_reference(s, t, "Service");
    begin(s, "do");
    line(
        s,
        "create what it names, or correct name and namespace; if another controller serves it, ask that one");
}

void story_tell(struct buf *b, const struct status_page *p, const struct status_item *it,
                const struct status_view *v) {
    OWNED(arena) a = arena_new();
    struct story s = {.b = b, .page = p, .it = it, .view = v, .arena = a, .label = "", .begin = b->n};
    paint_add(b, v->colour, PAINT_BOLD,
              arena_printf(a, STR_FMT " " STR_FMT "%s" STR_FMT "\n", STR_ARG(it->kind), STR_ARG(it->ns),
                           it->ns.n ? "/" : "", STR_ARG(it->name)));
    bool route = status_page_is_route(it), gateway = it->spec && first(it->spec, "listeners");
    begin(&s, "asks");
    if (route) {
        ask_route(&s);
    } else if (gateway) {
        ask_gateway(&s);
    } else {
        ask_spec(&s);
    }
    if (!it->status) {
        tell_unanswered(&s);
        return;
    }
    begin(&s, "got");
    if (first(it->status, "addresses"))
        line(&s, "addresses " STR_FMT, STR_ARG(joined(&s, first(it->status, "addresses"), "value")));
    each_holder(&s, got);
    for (const struct node *l = first(it->status, "listeners"); l; l = l->next)
        line(&s, "listener " STR_FMT " has attached routes: " STR_FMT, STR_ARG(text(l, "name")),
             STR_ARG(text(l, "attachedRoutes").n ? text(l, "attachedRoutes") : S("0")));
    got_backends(&s);
    if (*s.label) line(&s, "nothing yet");
    begin(&s, "why not");
    each_holder(&s, why_not);
    why_no_endpoints(&s);
    bool well = *s.label;
    begin(&s, "warned");
    tell_warnings(&s);
    begin(&s, "do");
    each_holder(&s, what_to_do);
    if (has_no_endpoints(&s, true)) line(&s, "ask for the XBackend: its status says what DNS said");
    if (has_no_endpoints(&s, false))
        line(&s, "let an EndpointSlice of the Service name a ready endpoint: are its pods ready, and its "
                 "port right?");
    if (well) line(&s, "nothing: all is as asked");
    if (*s.label && !well) line(&s, "what the messages say");
}
