/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/gateways.h"

#include "api/gateway.h"
#include "api/listener_set.h"
#include "base/hash.h"
#include "resolve/backends.h"
#include "resolve/certs.h"
#include "resolve/claims.h"
#include "resolve/classes.h"
#include "resolve/default_gateways.h"
#include "resolve/gateway_spec.h"
#include "resolve/listener_filters.h"
#include "resolve/listeners.h"
#include "resolve/parameters.h"
#include "resolve/policies.h"
#include "resolve/routes.h"
#include "resolve/sets.h"
#include "resolve/telemetry.h"

static struct gateway_state *state_for(struct resolver *r, str ns, str name) {
    struct gateway_state *g = gateways_find(r, ns, name);
    if (g) return g;
    size_t n = ns.n + 1 + name.n;
    g = base_zalloc(sizeof *g + n);
    memcpy(g->key_bytes, ns.p, ns.n);
    g->key_bytes[ns.n] = '/';
    memcpy(g->key_bytes + ns.n + 1, name.p, name.n);
    g->key = (str){g->key_bytes, n};
    g->ns = str_upto(g->key, ns.n);
    g->name = str_from(g->key, ns.n + 1);
    map_put(&r->gateways, g->key, g);
    return g;
}

static void mark(struct resolver *r, struct gateway_state *g) {
    if (g->dirty) return;
    g->dirty = true;
    resolver_push(&r->dirty_gateways, g);
}

void gateways_mark(struct resolver *r, str ns, str name) { mark(r, state_for(r, ns, name)); }

void gateways_mark_known(struct resolver *r, str key) {
    struct gateway_state *g = map_get(&r->gateways, key);
    if (g) mark(r, g);
}

void gateways_mark_emit(struct resolver *r, struct gateway_state *g) {
    gateways_mark_status(r, g);
    if (g->emit) return;
    g->emit = true;
    resolver_push(&r->emit, g);
}

void gateways_mark_status(struct resolver *r, struct gateway_state *g) {
    if (g->restatus) return;
    g->restatus = true;
    resolver_push(&r->restatus, g);
}

void gateways_mark_all(struct resolver *r) {
    map_each (e, &r->gateways) mark(r, e->value);
}

void gateways_mark_all_statuses(struct resolver *r) {
    map_each (e, &r->gateways) gateways_mark_status(r, e->value);
}

static bool uses(const struct gateway_state *g, const struct cert_state *c) {
    if (g->client == c) return true;
    for (uint32_t i = 0; i < g->listeners_n; i++)
        for (uint32_t k = 0; k < g->listeners[i]->certs_n; k++)
            if (g->listeners[i]->certs[k] == c) return true;
    return false;
}

void gateways_mark_users(struct resolver *r, const struct cert_state *c) {
    map_each (e, &r->gateways)
        if (uses(e->value, c)) mark(r, e->value);
}

struct gateway_state *gateways_find(const struct resolver *r, str ns, str name) {
    char space[512];
    if (ns.n + 1 + name.n > sizeof space) return NULL;
    if (ns.n) memcpy(space, ns.p, ns.n);
    space[ns.n] = '/';
    if (name.n) memcpy(space + ns.n + 1, name.p, name.n);
    return map_get(&r->gateways, (str){space, ns.n + 1 + name.n});
}

static struct listener_state *new_listener(struct gateway_state *g, struct set_state *set, str name) {
    struct listener_state *l = base_zalloc(sizeof *l + name.n);
    memcpy(l->name_bytes, name.p, name.n);
    l->name = (str){l->name_bytes, name.n};
    l->gateway = g;
    l->set = set;
    return l;
}

/* Removes its pieces from the plan from address `from` on. */
static void remove_pieces(struct pass *p, struct listener_state *l, uint32_t from) {
    for (uint32_t i = from; i < l->pieces; i++)
        plan_set(p->plan, PLAN_LISTENER, gateways_piece_key(p->scratch, l, i), NULL, p->delta);
    if (l->pieces > from) l->pieces = from;
}

static void count_selector(struct resolver *r, struct listener_state *l, bool selects) {
    r->selectors += (uint32_t)selects - (uint32_t)(l->present && l->selects);
}

/* Its policies tell which Gateways use it. */
static void note_user(struct pass *p, const struct backend_state *b) {
    policies_mark_backend(p, b->kind, backends_ns(b), backends_name(b));
}

/* Takes those that the filters ask in the place of those before. */
static void use_backends(struct pass *p, struct listener_state *l, const struct listener_filters_result *f) {
    struct backend_state **before = l->backends;
    uint32_t before_n = l->backends_n;
    l->backends = f->n ? base_zalloc(f->n * sizeof *l->backends) : NULL;
    l->backends_n = 0;
    for (uint32_t i = 0; i < f->n; i++)
        if (f->v[i].auth->backend.n) l->backends[l->backends_n++] = backends_use(p, f->v[i].auth->backend);
    for (uint32_t i = 0; i < l->backends_n; i++) note_user(p, l->backends[i]);
    for (uint32_t i = 0; i < before_n; i++) {
        note_user(p, before[i]);
        backends_release(p, before[i]);
    }
    free(before);
}

static bool takes_requests(const struct listener_state *l) {
    return l->protocol == PLAN_HTTP || l->protocol == PLAN_HTTPS;
}

/* The collector is asked for while a listener is served that has spans. */
static void use_collector(struct pass *p, struct gateway_state *g, const struct plan_tracing *t) {
    bool traced = false;
    for (uint32_t i = 0; i < g->listeners_n; i++)
        traced |= g->listeners[i]->pieces && takes_requests(g->listeners[i]);
    struct backend_state *before = g->collector;
    p->r->collectors -= before != NULL;
    g->collector = t && t->backend.n && traced ? backends_use(p, t->backend) : NULL;
    if (g->collector) note_user(p, g->collector);
    p->r->collectors += g->collector != NULL;
    if (!before) return;
    note_user(p, before);
    backends_release(p, before);
}

/* A listener that is no more. Routes counted at it are resolved anew in this pass; it lives until they let go. */
static void end_listener(struct pass *p, struct listener_state *l) {
    claims_drop(p, l);
    remove_pieces(p, l, 0);
    use_backends(p, l, &(struct listener_filters_result){0});
    count_selector(p->r, l, false);
    l->present = l->served = false;
    for (uint32_t i = 0; i < l->certs_n; i++) certs_release(p, l->certs[i]);
    l->certs_n = 0;
    resolver_push(&p->r->ended, l);
}

void gateways_end_listeners(struct pass *p, struct gateway_state *g, uint32_t from, uint32_t n) {
    for (uint32_t i = from; i < from + n; i++) end_listener(p, g->listeners[i]);
    if (n)
        memmove(g->listeners + from, g->listeners + from + n,
                (g->listeners_n - from - n) * sizeof *g->listeners);
    g->listeners_n -= n;
}

static void forget_gateway(struct pass *p, struct gateway_state *g, bool *ret_ours) {
    *ret_ours = g->arena != NULL;
    sets_forget(p, g);
    default_gateways_forget(p, g);
    for (uint32_t i = 0; i < g->listeners_n; i++) end_listener(p, g->listeners[i]);
    free(TAKE(g->listeners));
    g->listeners_n = g->own_n = 0;
    use_collector(p, g, NULL);
    if (g->status) resolver_note_status(p, KIND_GATEWAY, g->ns, g->name);
    free(TAKE(g->status));
    free(TAKE(g->own));
    if (g->client) certs_release(p, TAKE(g->client));
    arena_free(TAKE(g->arena));
    map_take(&p->r->gateways, g->key);
    g->view = 0;
}

/* The listeners of one object, those known by name taken over, appended to `fresh`. old: those that the object had. */
static uint32_t match_some(struct pass *p, struct gateway_state *g, struct set_state *set,
                           struct listener_state **old, uint32_t old_n, const struct listener *specs,
                           uint32_t n, struct listener_state **fresh) {
    uint32_t fresh_n = 0;
    for (uint32_t i = 0; i < old_n; i++) old[i]->index = UINT32_MAX;
    for (uint32_t i = 0; i < n; i++) {
        struct listener_state *l = NULL;
        for (uint32_t k = 0; k < old_n && !l; k++)
            if (str_eq(old[k]->name, specs[i].name)) l = old[k];
        if (!l)
            l = new_listener(g, set, specs[i].name);
        else if (l->index != UINT32_MAX)
            continue; /* a name twice: the schema refuses it */
        l->index = i;
        fresh[fresh_n++] = l;
    }
    for (uint32_t i = 0; i < old_n; i++)
        if (old[i]->index == UINT32_MAX) end_listener(p, old[i]);
    return fresh_n;
}

static const struct listener_set *set_object(const struct pass *p, const struct set_state *s) {
    return s->allowed.reason
               ? NULL
               : (const void *)store_get(p->store, p->scratch, KIND_LISTENER_SET, s->ns, s->name);
}

/* The Gateway's own in the order of spec, then those of the sets that may attach. */
static void match_listeners(struct pass *p, struct gateway_state *g, const struct gateway *gw) {
    uint32_t n = gw->spec.listeners.n, at;
    for (uint32_t i = 0; i < g->sets_n; i++) {
        const struct listener_set *o = set_object(p, g->sets[i]);
        n += o ? o->spec.listeners.n : 0;
    }
    struct listener_state **fresh = base_zalloc((n + !n) * sizeof *fresh), **old = g->listeners;
    at = match_some(p, g, NULL, old, g->own_n, gw->spec.listeners.p, gw->spec.listeners.n, fresh);
    g->own_n = at;
    for (uint32_t i = 0; i < g->sets_n; i++) {
        struct set_state *s = g->sets[i];
        const struct listener_set *o = set_object(p, s);
        uint32_t got = match_some(p, g, s, old ? old + s->first : NULL, s->listeners_n,
                                  o ? o->spec.listeners.p : NULL, o ? o->spec.listeners.n : 0, fresh + at);
        s->first = at;
        s->listeners_n = got;
        at += got;
    }
    free(old);
    g->listeners = fresh;
    g->listeners_n = at;
    for (uint32_t i = 0; i < at; i++) fresh[i]->place = i;
}

static bool claims_sockets(const struct listener_state *l) {
    return !l->gateway->accepted.reason && !l->accepted.reason && !l->conflict.reason && l->bind_port;
}

/* What the claims are made of: while it stays the same, they stay. */
static uint64_t hash_claims(const struct gateway_state *g) {
    uint64_t h = hash_join(hash_join(1, (uint64_t)g->created_s), parameters_hash_proxy(g->settings));
    for (uint32_t i = 0; i < g->addresses_n; i++) h = hash_join(h, hash_str(g->addresses[i]));
    for (uint32_t i = 0; i < g->listeners_n; i++) {
        const struct listener_state *l = g->listeners[i];
        h = hash_join(h, hash_str(l->name));
        if (l->set) h = hash_join(h, hash_str(l->set->key));
        if (!claims_sockets(l)) continue;
        h = hash_join(hash_join(h, hash_str(l->hostname)), (uint64_t)l->bind_port << 8 | l->protocol);
    }
    return h;
}

static void renew_claims(struct pass *p, struct gateway_state *g) {
    uint64_t h = hash_claims(g);
    if (h == g->claimed) return;
    g->claimed = h;
    for (uint32_t i = 0; i < g->listeners_n; i++) {
        claims_drop(p, g->listeners[i]);
        if (claims_sockets(g->listeners[i])) claims_make(p, g->listeners[i]);
    }
}

/* Each by itself. The certificates and strings of before are let go once the new ones are there. */
static void resolve_one(struct pass *p, struct gateway_state *g, const struct gateway *gw) {
    struct arena *before = g->arena;
    g->arena = arena_new();
    g->generation = gw->obj.meta.generation;
    g->created_s = gw->obj.meta.created_s;
    if (!before) policies_mark_gateway(p, g->ns, g->name);
    sets_gather(p, g);
    match_listeners(p, g, gw);
    gateway_spec_judge(p, g, gw);
    for (uint32_t i = 0; i < g->listeners_n; i++) {
        struct listener_state *l = g->listeners[i];
        struct cert_state **certs = l->certs;
        uint32_t certs_n = l->certs_n;
        l->certs_n = 0;
        count_selector(p->r, l, listeners_spec(p, l)->allowed_routes.namespaces.from == FROM_SELECTOR);
        listeners_judge(p, l);
        l->present = true;
        for (uint32_t k = 0; k < certs_n; k++) certs_release(p, certs[k]);
    }
    listeners_compare(p, g);
    renew_claims(p, g);
    arena_free(before);
    gateways_mark_emit(p->r, g);
    p->work->gateways++;
}

void gateways_resolve(struct pass *p) {
    struct worklist *w = &p->r->dirty_gateways;
    for (size_t i = 0; i < w->n; i++) {
        struct gateway_state *g = w->p[i];
        const struct gateway *gw =
            (const void *)store_get(p->store, p->scratch, KIND_GATEWAY, g->ns, g->name);
        g->dirty = false;
        if (gw && classes_settings(p->r, gw->spec.gateway_class_name)) {
            resolve_one(p, g, gw);
        } else {
            bool ours;
            forget_gateway(p, g, &ours);
            if (ours) routes_mark_referrers(p, KIND_GATEWAY, g->ns, g->name);
            if (ours) policies_mark_gateway(p, g->ns, g->name);
            resolver_push(&p->r->gone, g);
        }
        arena_reset(p->scratch);
    }
    w->n = 0;
}

str gateways_piece_key(struct arena *a, const struct listener_state *l, uint32_t address) {
    str base = l->set ? ARENA_JOIN(a, S("ListenerSet/"), l->set->key, S("/"), l->name)
                      : ARENA_JOIN(a, S("Gateway/"), l->gateway->key, S("/"), l->name);
    return address ? arena_printf(a, STR_FMT "@%u", STR_ARG(base), address) : base;
}

static void emit_listener(struct pass *p, struct listener_state *l, struct plan_tracing *tracing) {
    struct arena *a = p->scratch;
    l->served = l->claims_n && !claims_loss(l).p && (!listeners_terminates(l) || l->certs_n) &&
                (!l->set || l->gateway->stands);
    uint32_t n = l->served ? l->claims_n : 0;
    struct listener_filters_result filters = {0};
    if (n) filters = listener_filters_map(p, l, listeners_spec(p, l));
    use_backends(p, l, &filters);
    str *certs = arena_array(a, str, l->certs_n);
    for (uint32_t i = 0; i < l->certs_n; i++) certs[i] = str_of(l->certs[i]->key);
    for (uint32_t i = 0; i < n; i++) {
        struct plan_listener piece = {
            .piece = {.kind = PLAN_LISTENER, .key = gateways_piece_key(a, l, i)},
            .gateway = l->gateway->key,
            .section = l->set ? arena_printf(a, STR_FMT "/" STR_FMT, STR_ARG(l->set->key), STR_ARG(l->name))
                              : l->name,
            .bind_address = l->gateway->addresses[l->claims[i].address],
            .bind_port = l->bind_port,
            .port = l->port,
            .protocol = l->protocol,
            .hostname = l->hostname,
            .tls_mode = l->tls_mode,
            .tls_min = listeners_terminates(l) ? l->tls_min : PLAN_TLS_UNSET,
            .tls_max = listeners_terminates(l) ? l->tls_max : PLAN_TLS_UNSET,
            .ciphers = {l->ciphers, listeners_terminates(l) ? l->ciphers_n : 0},
            .certificates = {certs, l->certs_n},
            .settings = l->gateway->settings,
            .filters = {filters.v, filters.n},
            .clients = (struct plan_clients *)l->clients, /* packed here, not changed */
            .tracing = takes_requests(l) ? tracing : NULL,
            .client_certificate = l->gateway->client ? str_of(l->gateway->client->key) : (str){0},
        };
        const void *before = plan_get(p->plan, PLAN_LISTENER, piece.piece.key);
        plan_set(p->plan, PLAN_LISTENER, piece.piece.key, plan_pack(&piece), p->delta);
        if (plan_get(p->plan, PLAN_LISTENER, piece.piece.key) != before)
            l->revision = p->plan->revision + 1; /* this pass ends in the next one */
    }
    remove_pieces(p, l, n);
    l->pieces = n;
}

static uint64_t hash_selector(uint64_t h, const struct label_selector *s) {
    if (!s) return hash_join(h, 0);
    for (uint32_t i = 0; i < s->match_labels.n; i++)
        h = hash_join(hash_join(h, hash_str(s->match_labels.p[i].key)), hash_str(s->match_labels.p[i].value));
    for (uint32_t i = 0; i < s->match_expressions.n; i++) {
        const struct selector_requirement *q = &s->match_expressions.p[i];
        h = hash_join(hash_join(h, hash_str(q->key)), hash_str(q->operator));
        for (uint32_t k = 0; k < q->values.n; k++) h = hash_join(h, hash_str(q->values.p[k]));
        h = hash_join(h, 1);
    }
    return hash_join(h, 2);
}

/* What attachment asks a Gateway or a set for; nothing else of it makes a route be resolved anew. */
uint64_t gateways_hash_view(const struct pass *p, const struct gateway_state *g, uint32_t from, uint32_t n) {
    uint64_t h = 1;
    for (uint32_t i = from; i < from + n; i++) {
        const struct listener_state *l = g->listeners[i];
        const struct namespaces_from *ns = &listeners_spec(p, l)->allowed_routes.namespaces;
        h = hash_join(hash_join(h, hash_str(l->name)), hash_str(l->hostname));
        h = hash_join(h, (uint64_t)l->pieces << 32 | (uint64_t)l->port << 16 | ns->from);
        h = hash_selector(hash_join(h, l->kinds), ns->selector);
    }
    return h | 1; /* 0 is "none" */
}

/* A ListenerSet stands while its Gateway is accepted, which takes a good listener of its own. [GW ListenerSet ParentNotAccepted] */
static bool judge_stands(const struct gateway_state *g) {
    if (g->accepted.reason) return false;
    for (uint32_t i = 0; i < g->own_n; i++) {
        const struct listener_state *l = g->listeners[i];
        if (!l->accepted.reason && !l->conflict.reason && !claims_loss(l).p) return true;
    }
    return false;
}

void gateways_emit(struct pass *p) {
    struct worklist *w = &p->r->emit;
    for (size_t i = 0; i < w->n; i++) {
        struct gateway_state *g = w->p[i];
        g->emit = false;
        if (!g->arena) continue; /* gone since */
        g->stands = judge_stands(g);
        struct plan_tracing *tracing = telemetry_map(p, g);
        for (uint32_t k = 0; k < g->listeners_n; k++) emit_listener(p, g->listeners[k], tracing);
        use_collector(p, g, tracing);
        uint64_t view = gateways_hash_view(p, g, 0, g->own_n);
        if (view != g->view) routes_mark_referrers(p, KIND_GATEWAY, g->ns, g->name);
        default_gateways_update(p, g, view != g->view);
        g->view = view;
        sets_emit(p, g);
        arena_reset(p->scratch);
    }
    w->n = 0;
}

static void free_listener(struct listener_state *l) {
    free(l->backends);
    for (uint32_t i = 0; i < l->claims_n; i++) free(l->claims[i].why);
    free(l->claims);
    free(l);
}

void gateways_bury(struct resolver *r) {
    for (size_t i = 0; i < r->ended.n; i++) {
        struct listener_state *l = r->ended.p[i];
        assert(!l->attached && !l->claims);
        free(l);
    }
    for (size_t i = 0; i < r->gone.n; i++) free(r->gone.p[i]);
    for (size_t i = 0; i < r->gone_sets.n; i++) free(r->gone_sets.p[i]);
    r->ended.n = r->gone.n = r->gone_sets.n = 0;
}

void gateways_fini(struct resolver *r) {
    map_each (e, &r->gateways) {
        struct gateway_state *g = e->value;
        for (uint32_t i = 0; i < g->listeners_n; i++) free_listener(g->listeners[i]);
        free(g->listeners);
        free(g->sets);
        free(g->status);
        free(g->own);
        arena_free(g->arena);
        free(g);
    }
    map_fini(&r->gateways);
    free(r->ended.p);
    free(r->gone.p);
}
