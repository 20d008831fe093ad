/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/resolve_warnings.h"

#include "api/core.h"
#include "resolve/certs.h"
#include "resolve/policies.h"
#include "resolve/resolver.h"
#include "resolve/shadows.h"

enum { SOON_S = 30 * 86400 };

struct look {
    struct arena *a;
    const struct resolver *r;
    const struct store *store;
    const struct plan *plan;
    struct findings *f;
    struct shadows shadows;
    struct map ports; /* "address:port" -> struct neighbour, the first of a list */
};
struct neighbour {
    const struct plan_listener *listener;
    const struct neighbour *next;
};
/* Says whose the findings to come are. */
static void point_at(struct look *k, const struct object *o) {
    k->f->file = o->source;
    k->f->kind = str_of(api_type_of(o->kind)->name);
    k->f->ns = o->meta.ns;
    k->f->name = o->meta.name;
}

static const struct object *object_of(const struct look *k, const struct plan_route *route) {
    str kind = str_upto(route->piece.key, str_find(route->piece.key, '/'));
    const struct api_type *t = api_type_find(S(RESOLVE_GROUP), kind);
    return t ? store_get(k->store, k->a, t->kind, route->ns, route->name) : NULL;
}

/* ---- weights ---- */

static void look_at_weights(struct look *k, const struct object *o, const struct plan_rule *rule) {
    for (uint32_t i = 0; i < rule->filters.n; i++)
        if (rule->filters.p[i].type == PLAN_FILTER_REDIRECT) return;
    for (uint32_t i = 0; i < rule->targets.n; i++)
        if (rule->targets.p[i].weight) return;
    if (rule->targets.n)
        finding_add(k->f, FINDING_MEANING, o->line, 0,
                    arena_printf(k->a, "spec.rules[%lld].backendRefs", (long long)rule->index),
                    S("give one of them a weight above 0"),
                    "all weights are 0: no request reaches a backend");
}

/* ---- hostnames ---- */

/* More characters decide, and an exact name before a wildcard: 0 when l does not take h. A wildcard h needs all of its names. */
static size_t grip(str l, str h) {
    if (!l.n) return 1;
    if (str_eq(l, h)) return 2 + l.n + (l.p[0] != '*') * (1u << 16);
    bool covers = l.p[0] == '*' && h.n >= l.n && str_ends(h, str_from(l, 1));
    return covers ? 2 + l.n : 0;
}

static str port_key(struct arena *a, const struct plan_listener *l) {
    return arena_printf(a, STR_FMT ":%lld", STR_ARG(l->bind_address), (long long)l->bind_port);
}

static void gather_listeners(struct look *k) {
    index_each (const struct plan_piece, piece, &k->plan->pieces[PLAN_LISTENER]) {
        const struct plan_listener *l = plan_open(NULL, piece);
        if (l->protocol == PLAN_TCP || l->protocol == PLAN_UDP) continue;
        struct neighbour *n = arena_make(k->a, struct neighbour);
        str key = port_key(k->a, l);
        *n = (struct neighbour){l, map_get(&k->ports, key)};
        map_put(&k->ports, key, n);
    }
}

/* Only the most specific listener of a port is asked.                                   [GW Listener.hostname] */
static const struct plan_listener *asked_for(const struct look *k, const struct plan_listener *l, str h) {
    const struct plan_listener *best = l;
    for (const struct neighbour *n = map_get(&k->ports, port_key(k->a, l)); n; n = n->next)
        if (grip(n->listener->hostname, h) > grip(best->hostname, h)) best = n->listener;
    return best;
}

static bool is_attached(const struct plan_route *route, const struct plan_listener *l) {
    for (uint32_t i = 0; i < route->attachments.n; i++)
        if (str_eq(route->attachments.p[i].listener, l->piece.key)) return true;
    return false;
}

/* A listener has no use for a hostname that a more specific one takes; attached to that one as well, all is well. */
static void look_at_hostnames(struct look *k, const struct object *o, const struct plan_route *route) {
    for (uint32_t i = 0; i < route->attachments.n; i++) {
        const struct plan_attachment *at = &route->attachments.p[i];
        const struct plan_listener *l = plan_open(NULL, plan_get(k->plan, PLAN_LISTENER, at->listener));
        if (!l || l->protocol == PLAN_TCP || l->protocol == PLAN_UDP) continue;
        for (uint32_t x = 0; x < at->hostnames.n; x++) {
            str h = at->hostnames.p[x];
            str name = shadows_common_name(l, h);
            const struct plan_listener *asked = name.n ? asked_for(k, l, name) : l;
            if (asked == l || is_attached(route, asked)) continue;
            finding_add(k->f, FINDING_MEANING, o->line, 0, S("spec.hostnames"),
                        S("attach the route to that listener, too, or remove the hostname"),
                        "\"" STR_FMT "\" is not reached on listener " STR_FMT
                        ": a listener of port %lld with hostname " STR_FMT " takes it",
                        STR_ARG(h), STR_ARG(l->section), (long long)l->port, STR_ARG(asked->hostname));
        }
    }
}

static int by_right(const void *a, const void *b) {
    const struct plan_route *x = *(const struct plan_route *const *)a,
                            *y = *(const struct plan_route *const *)b;
    int order = plan_route_order(x, y);
    return order ? order : str_cmp(x->piece.key, y->piece.key);
}

/* In the order of right: of those that ask with equal hostnames the first has it. */
static void look_at_routes(struct look *k) {
    uint32_t n = 0;
    const struct index *pieces = &k->plan->pieces[PLAN_ROUTE];
    const struct plan_route **all = arena_array(k->a, const struct plan_route *, pieces->n);
    index_each (const struct plan_piece, piece, pieces) all[n++] = plan_open(k->a, piece);
    if (n) qsort(all, n, sizeof *all, by_right);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t x = 0; x < all[i]->rules.n; x++)
            shadows_claim(&k->shadows, all[i], &all[i]->rules.p[x]);
    for (uint32_t i = 0; i < n; i++) {
        const struct object *o = object_of(k, all[i]);
        if (!o) continue;
        point_at(k, o);
        for (uint32_t x = 0; x < all[i]->rules.n; x++) {
            shadows_tell(&k->shadows, k->f, o, all[i], &all[i]->rules.p[x]);
            look_at_weights(k, o, &all[i]->rules.p[x]);
        }
        look_at_hostnames(k, o, all[i]);
    }
}

/* ---- listeners, certificates, policies ---- */

static void look_at_gateways(struct look *k) {
    size_t n;
    struct map_entry *all = map_sorted(&k->r->gateways, &n);
    for (size_t i = 0; i < n; i++) {
        const struct gateway_state *g = all[i].value;
        for (uint32_t x = 0; x < g->listeners_n; x++) {
            const struct listener_state *l = g->listeners[x];
            const struct object *o =
                l->set ? store_get(k->store, k->a, KIND_LISTENER_SET, l->set->ns, l->set->name)
                       : store_get(k->store, k->a, KIND_GATEWAY, g->ns, g->name);
            if (!l->overlap.n || !o) continue;
            point_at(k, o);
            finding_add(k->f, FINDING_MEANING, o->line, 0, arena_printf(k->a, "spec.listeners[%u]", l->index),
                        S("give the listeners names that do not overlap, or different ports"), STR_FMT,
                        STR_ARG(l->overlap));
        }
    }
    free(all);
}

static bool is_used(const struct look *k, const struct object *secret) {
    static const enum api_kind users[] = {KIND_GATEWAY, KIND_LISTENER_SET, KIND_XBACKEND};
    size_t all = 0;
    for (size_t i = 0; i < COUNT_OF(users); i++) {
        size_t n;
        store_referrer_keys(k->store, k->a, KIND_SECRET, secret->meta.ns, secret->meta.name, users[i], &n);
        all += n;
    }
    return all;
}

static void look_at_secrets(struct look *k, int64_t now_s) {
    size_t n;
    const struct object **all = store_list(k->store, k->a, KIND_SECRET, &n);
    for (size_t i = 0; i < n; i++) {
        if (!is_used(k, all[i])) continue;
        const struct cert_state *c = certs_find(k->r, k->a, (const void *)all[i]);
        if (!c || c->not_after_s >= now_s + SOON_S) continue;
        point_at(k, all[i]);
        finding_add(k->f, FINDING_MEANING, all[i]->line, 0, S("data[tls.crt]"), S("replace the certificate"),
                    "the certificate %s on " STR_FMT, c->not_after_s < now_s ? "expired" : "expires",
                    STR_ARG(certs_day(k->a, c->not_after_s)));
    }
}

static void look_at_policies(struct look *k, enum api_kind kind) {
    size_t n;
    const struct object **all = store_list(k->store, k->a, kind, &n);
    for (size_t i = 0; i < n; i++) {
        if (policies_status(k->r, all[i]->kind, all[i]->meta.ns, all[i]->meta.name)) continue;
        point_at(k, all[i]);
        finding_add(k->f, FINDING_MEANING, all[i]->line, 0, S("spec.targetRefs"),
                    S("name a Service that an attached route uses"),
                    "no route of a Gateway here uses a target of the policy: it has no effect");
    }
}

void resolve_warnings(const struct resolver *r, const struct store *s, const struct plan *plan, int64_t now_s,
                      struct findings *f) {
    OWNED(arena) a = arena_new();
    struct look k = {.a = a, .r = r, .store = s, .plan = plan, .f = f, .shadows = {.a = a, .plan = plan}};
    str file = f->file, kind = f->kind, ns = f->ns, name = f->name;
    gather_listeners(&k);
    look_at_routes(&k);
    look_at_gateways(&k);
    look_at_secrets(&k, now_s);
    look_at_policies(&k, KIND_BACKEND_TLS_POLICY);
    look_at_policies(&k, KIND_XBACKEND_TRAFFIC_POLICY);
    f->file = file, f->kind = kind, f->ns = ns, f->name = name;
    shadows_fini(&k.shadows);
    map_fini(&k.ports);
}
