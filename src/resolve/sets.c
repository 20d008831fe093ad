/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/sets.h"

#include "api/gateway.h"
#include "api/listener_set.h"
#include "base/hash.h"
#include "resolve/attach.h"
#include "resolve/gateways.h"
#include "resolve/routes.h"

struct set_state *sets_find(const struct resolver *r, str ns, str name) {
    char space[512];
    if (ns.n + 1 + name.n > sizeof space) return NULL;
    if (ns.n) memcpy(space, ns.p, ns.n);
    space[ns.n] = '/';
    if (name.n) memcpy(space + ns.n + 1, name.p, name.n);
    return map_get(&r->sets, (str){space, ns.n + 1 + name.n});
}

static void mark_parent(struct pass *p, const struct listener_set *o) {
    const struct object_ref *ref = &o->spec.parent_ref;
    if (str_eq(ref->kind, S("Gateway")) && str_eq(ref->group, S(RESOLVE_GROUP)))
        gateways_mark(p->r, ref->ns.n ? ref->ns : o->obj.meta.ns, ref->name);
}

void sets_mark(struct pass *p, str ns, str name) {
    const struct set_state *s = sets_find(p->r, ns, name);
    const struct listener_set *o = (const void *)store_get(p->store, p->scratch, KIND_LISTENER_SET, ns, name);
    if (s) gateways_mark(p->r, s->gateway->ns, s->gateway->name);
    if (o) mark_parent(p, o);
}

void sets_mark_referrers(struct pass *p, enum api_kind kind, str ns, str name) {
    if (!store_count(p->store, KIND_LISTENER_SET)) return;
    size_t n;
    const struct object **all = store_referrers(p->store, p->scratch, kind, ns, name, KIND_LISTENER_SET, &n);
    for (size_t i = 0; i < n; i++) mark_parent(p, (const void *)all[i]);
}

static struct set_state *new_set(struct resolver *r, str ns, str name) {
    size_t n = ns.n + 1 + name.n;
    struct set_state *s = base_zalloc(sizeof *s + n);
    memcpy(s->key_bytes, ns.p, ns.n);
    s->key_bytes[ns.n] = '/';
    memcpy(s->key_bytes + ns.n + 1, name.p, name.n);
    s->key = (str){s->key_bytes, n};
    s->ns = str_upto(s->key, ns.n);
    s->name = str_from(s->key, ns.n + 1);
    map_put(&r->sets, s->key, s);
    return s;
}

/* Its listeners end, and its Gateway has it no more. */
static void detach(struct pass *p, struct set_state *s) {
    struct gateway_state *g = s->gateway;
    gateways_end_listeners(p, g, s->first, s->listeners_n);
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->sets_n; i++) {
        if (g->sets[i] == s) continue;
        if (g->sets[i]->first > s->first) g->sets[i]->first -= s->listeners_n;
        g->sets[n++] = g->sets[i];
    }
    g->sets_n = n;
    s->listeners_n = 0;
    s->gateway = NULL;
    s->view = 0;
}

static void end_set(struct pass *p, struct set_state *s) {
    detach(p, s);
    routes_mark_referrers(p, KIND_LISTENER_SET, s->ns, s->name);
    if (s->status) resolver_note_status(p, KIND_LISTENER_SET, s->ns, s->name);
    free(TAKE(s->status));
    map_take(&p->r->sets, s->key);
    resolver_push(&p->r->gone_sets, s);
}

/* Age, unknown last, then namespace and name.                                        [GW ListenerSet] */
static int by_right(const void *a, const void *b) {
    const struct object *x = *(const struct object *const *)a, *y = *(const struct object *const *)b;
    int64_t age = x->meta.created_s ? x->meta.created_s : INT64_MAX,
            other = y->meta.created_s ? y->meta.created_s : INT64_MAX;
    if (age != other) return age < other ? -1 : 1;
    int order = str_cmp(x->meta.ns, y->meta.ns);
    return order ? order : str_cmp(x->meta.name, y->meta.name);
}

static struct verdict judge_allowed(struct pass *p, const struct gateway_state *g, const struct gateway *gw,
                                    str ns) {
    static const struct namespaces_from none = {.from = FROM_NONE};
    const struct namespaces_from *from =
        gw->spec.allowed_listeners ? &gw->spec.allowed_listeners->namespaces : &none;
    bool allowed = from->from != FROM_UNSET && attach_namespace_allowed(p, from, g->ns, ns);
    if (allowed) return (struct verdict){0};
    return resolver_refuse(
        g->arena, "NotAllowed",
        "spec.parentRef: the Gateway takes no ListenerSets of this namespace; its owner can "
        "widen spec.allowedListeners");
}

/* The reference is to a Gateway. */
static bool names_gateway(const struct object *o) {
    const struct object_ref *ref = &((const struct listener_set *)(const void *)o)->spec.parent_ref;
    return str_eq(ref->kind, S("Gateway")) && str_eq(ref->group, S(RESOLVE_GROUP));
}

static struct set_state *take(struct pass *p, struct gateway_state *g, const struct object *o) {
    struct set_state *s = sets_find(p->r, o->meta.ns, o->meta.name);
    if (!s) s = new_set(p->r, o->meta.ns, o->meta.name);
    if (s->gateway != g) {
        if (s->gateway) detach(p, s);
        s->gateway = g;
        s->first = g->listeners_n;
        s->listeners_n = 0;
    }
    s->kept = true;
    s->generation = o->meta.generation;
    s->created_s = o->meta.created_s;
    return s;
}

void sets_gather(struct pass *p, struct gateway_state *g) {
    size_t n;
    const struct object **all =
        store_referrers(p->store, p->scratch, KIND_GATEWAY, g->ns, g->name, KIND_LISTENER_SET, &n);
    const struct gateway *gw = (const void *)store_get(p->store, p->scratch, KIND_GATEWAY, g->ns, g->name);
    struct set_state **fresh = base_alloc((n + !n) * sizeof *fresh);
    uint32_t fresh_n = 0;
    if (n) qsort(all, n, sizeof *all, by_right);
    for (uint32_t i = 0; i < g->sets_n; i++) g->sets[i]->kept = false;
    for (size_t i = 0; i < n; i++) {
        if (!names_gateway(all[i])) continue;
        struct set_state *s = fresh[fresh_n++] = take(p, g, all[i]);
        s->allowed = judge_allowed(p, g, gw, s->ns);
    }
    for (uint32_t i = 0; i < g->sets_n;)
        if (g->sets[i]->kept)
            i++;
        else
            end_set(p, g->sets[i]);
    free(g->sets);
    g->sets = fresh;
    g->sets_n = fresh_n;
}

void sets_forget(struct pass *p, struct gateway_state *g) {
    while (g->sets_n) end_set(p, g->sets[g->sets_n - 1]);
    free(TAKE(g->sets));
}

void sets_emit(struct pass *p, struct gateway_state *g) {
    for (uint32_t i = 0; i < g->sets_n; i++) {
        struct set_state *s = g->sets[i];
        uint64_t view = gateways_hash_view(p, g, s->first, s->listeners_n);
        if (s->allowed.reason) view ^= 2; /* 0 stays "none": the lowest bit is set */
        if (view != s->view) routes_mark_referrers(p, KIND_LISTENER_SET, s->ns, s->name);
        s->view = view;
    }
}

void sets_fini(struct resolver *r) {
    map_each (e, &r->sets) {
        struct set_state *s = e->value;
        free(s->status);
        free(s);
    }
    map_fini(&r->sets);
    free(r->gone_sets.p);
}
