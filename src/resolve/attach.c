/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/attach.h"

#include "api/gateway.h"
#include "resolve/gateways.h"
#include "resolve/listeners.h"
#include "resolve/sets.h"

/* How far the best listener took a route: the reason told is that of the furthest step.    [GW RouteConditionAccepted] */
enum step { STEP_NO_PARENT, STEP_NOT_ALLOWED, STEP_NO_HOSTNAME, STEP_ATTACHED };

/* Does r, a hostname of the route, meet l, that of the listener? *.x covers what ends with .x  [GW Listener.hostname] */
static bool hostnames_meet(str l, str r) {
    if (!l.n || str_eq(l, r)) return true;
    if (l.p[0] == '*' && r.n >= l.n && str_ends(r, str_from(l, 1))) return true;
    return r.n && r.p[0] == '*' && l.n >= r.n && str_ends(l, str_from(r, 1));
}

static bool in_values(const struct selector_requirement *q, str v) {
    for (uint32_t i = 0; i < q->values.n; i++)
        if (str_eq(q->values.p[i], v)) return true;
    return false;
}

/* A namespace always carries its name as a label, given as an object or not. */
static str label_of(const struct pass *p, str ns, str key) {
    if (str_eq(key, S("kubernetes.io/metadata.name"))) return ns;
    const struct object *o = store_get(p->store, p->scratch, KIND_NAMESPACE, S(""), ns);
    return o ? schema_map_get(&o->meta.labels, key) : (str){0};
}

static bool requirement_holds(const struct selector_requirement *q, str v) {
    if (str_eq(q->operator, S("In"))) return v.p && in_values(q, v);
    if (str_eq(q->operator, S("NotIn"))) return !v.p || !in_values(q, v);
    if (str_eq(q->operator, S("Exists"))) return v.p;
    return str_eq(q->operator, S("DoesNotExist")) && !v.p;
}

bool attach_selector_takes(const struct pass *p, const struct label_selector *s, str ns) {
    if (!s) return false;
    for (uint32_t i = 0; i < s->match_labels.n; i++) {
        str v = label_of(p, ns, s->match_labels.p[i].key);
        if (!v.p || !str_eq(v, s->match_labels.p[i].value)) return false;
    }
    for (uint32_t i = 0; i < s->match_expressions.n; i++) {
        const struct selector_requirement *q = &s->match_expressions.p[i];
        if (!requirement_holds(q, label_of(p, ns, q->key))) return false;
    }
    return true;
}

bool attach_namespace_allowed(const struct pass *p, const struct namespaces_from *from, str own_ns, str ns) {
    switch ((enum from_namespaces)from->from) {
    case FROM_ALL: return true;
    case FROM_SELECTOR: return attach_selector_takes(p, from->selector, ns);
    case FROM_UNSET:
    case FROM_SAME: return str_eq(own_ns, ns);
    case FROM_NONE: return false;
    }
    return false;
}

static struct attach_listener *entry_for(struct attach *at, struct listener_state *l) {
    for (uint32_t i = 0; i < at->listeners_n; i++)
        if (at->listeners[i].listener == l) return &at->listeners[i];
    return NULL;
}

/* Notes the listener with the route's hostnames that meet its own; false when none does. */
static bool meet(struct pass *p, const struct route *route, struct listener_state *l, struct attach *at) {
    if (entry_for(at, l)) return true;
    uint32_t n = route->spec.hostnames.n, kept = 0;
    str *names = arena_array(p->scratch, str, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        str r = resolver_lower(p->scratch, route->spec.hostnames.p[i]);
        if (hostnames_meet(l->hostname, r)) names[kept++] = r;
    }
    if (!n) names[kept++] = S("");
    if (kept) at->listeners[at->listeners_n++] = (struct attach_listener){l, names, kept};
    return kept;
}

/* What a parentRef names: a Gateway's own listeners, or those of one ListenerSet. */
struct parent {
    struct gateway_state *gateway;
    const struct set_state *set; /* NULL: the Gateway itself */
    struct listener_state **listeners;
    uint32_t listeners_n;
};

/* false: none of ours. */
static bool find_parent(const struct pass *p, const struct route *route, const struct parent_ref *ref,
                        struct parent *ret) {
    *ret = (struct parent){0};
    if (ref->group.p && !str_eq(ref->group, S(RESOLVE_GROUP))) return false;
    str ns = ref->ns.n ? ref->ns : route->obj.meta.ns;
    if (str_eq(ref->kind, S("ListenerSet"))) {
        ret->set = sets_find(p->r, ns, ref->name);
        if (!ret->set) return false;
        ret->gateway = ret->set->gateway;
        ret->listeners = ret->gateway->listeners + ret->set->first;
        ret->listeners_n = ret->set->listeners_n;
        return true;
    }
    if (ref->kind.n && !str_eq(ref->kind, S("Gateway"))) return false;
    ret->gateway = gateways_find(p->r, ns, ref->name);
    if (!ret->gateway) return false;
    ret->listeners = ret->gateway->listeners;
    ret->listeners_n = ret->gateway->own_n;
    return true;
}

static enum step try_listener(struct pass *p, const struct route *route, struct listener_state *l,
                              const struct parent_ref *ref, struct attach *at) {
    if (ref->section_name.n && !str_eq(ref->section_name, l->name)) return STEP_NO_PARENT;
    if (ref->port.set && ref->port.v != l->port) return STEP_NO_PARENT;
    const struct namespaces_from *from = &listeners_spec(p, l)->allowed_routes.namespaces;
    str own_ns = l->set ? l->set->ns : l->gateway->ns;
    if (!(l->kinds >> route->obj.kind & 1) || !attach_namespace_allowed(p, from, own_ns, route->obj.meta.ns))
        return STEP_NOT_ALLOWED;
    return meet(p, route, l, at) ? STEP_ATTACHED : STEP_NO_HOSTNAME;
}

static struct verdict tell(struct arena *a, enum step step, const struct parent_ref *ref, str parent,
                           enum api_kind route_kind) {
    str section = ref->section_name;
    switch (step) {
    case STEP_ATTACHED: break;
    case STEP_NO_PARENT: {
        str port = ref->port.set ? arena_printf(a, " on port %lld", (long long)ref->port.v) : S("");
        return resolver_refuse(a, "NoMatchingParent",
                               "spec.parentRefs: " STR_FMT " has no listener%s" STR_FMT STR_FMT
                               "; correct sectionName or port",
                               STR_ARG(parent), section.n ? " " : "", STR_ARG(section), STR_ARG(port));
    }
    case STEP_NOT_ALLOWED:
        return resolver_refuse(a, "NotAllowedByListeners",
                               "no listener of " STR_FMT
                               " that spec.parentRefs selects takes %ss of this namespace; its owner "
                               "can widen allowedRoutes",
                               STR_ARG(parent), api_type_of(route_kind)->name);
    case STEP_NO_HOSTNAME:
        return resolver_refuse(a, "NoMatchingListenerHostname",
                               "spec.hostnames: none meets the hostname of a listener of " STR_FMT
                               " that spec.parentRefs selects; correct them",
                               STR_ARG(parent));
    }
    return (struct verdict){0};
}

static void attach_parent(struct pass *p, const struct route *route, const struct parent_ref *ref,
                          struct attach *at) {
    struct parent parent;
    if (!find_parent(p, route, ref, &parent)) return;
    struct parent_verdict *v = &at->parents[at->parents_n++];
    *v = (struct parent_verdict){.ref = ref};
    str name = parent.set ? ARENA_JOIN(p->scratch, S("ListenerSet "), parent.set->key)
                          : ARENA_JOIN(p->scratch, S("Gateway "), parent.gateway->key);
    if (parent.set && parent.set->allowed.reason) {
        v->accepted = resolver_refuse(
            p->scratch, "NotAllowedByListeners",
            "spec.parentRefs: " STR_FMT " is not attached to its Gateway; see its status", STR_ARG(name));
        return;
    }
    enum step furthest = STEP_NO_PARENT;
    for (uint32_t i = 0; i < parent.listeners_n; i++) {
        enum step s = try_listener(p, route, parent.listeners[i], ref, at);
        if (s > furthest) furthest = s;
    }
    v->accepted = tell(p->scratch, furthest, ref, name, route->obj.kind);
}

static bool names(const struct route *route, const struct gateway_state *g) {
    for (uint32_t i = 0; i < route->spec.parent_refs.n; i++) {
        const struct parent_ref *ref = &route->spec.parent_refs.p[i];
        bool gateway = !ref->kind.n || str_eq(ref->kind, S("Gateway"));
        str ns = ref->ns.n ? ref->ns : route->obj.meta.ns;
        if (gateway && !ref->section_name.n && !ref->port.set && str_eq(ref->name, g->name) &&
            str_eq(ns, g->ns))
            return true;
    }
    return false;
}

/* The parents that the route names and the default Gateways that claim it: as many as a status has room for. */
static const struct parent_ref *list_parents(struct pass *p, const struct route *route, uint32_t *ret_n) {
    const struct worklist *defaults = &p->r->defaults;
    *ret_n = route->spec.parent_refs.n;
    if (route->spec.use_default_gateways != SCOPE_ALL || !defaults->n) return route->spec.parent_refs.p;
    struct parent_ref *all = arena_array(p->scratch, struct parent_ref, *ret_n + ATTACH_PARENTS_MAX);
    if (*ret_n) memcpy(all, route->spec.parent_refs.p, *ret_n * sizeof *all);
    for (size_t i = 0; i < defaults->n && *ret_n < ATTACH_PARENTS_MAX; i++) {
        const struct gateway_state *g = defaults->p[i];
        if (names(route, g)) continue;
        all[(*ret_n)++] = (struct parent_ref){
            .group = S(RESOLVE_GROUP), .kind = S("Gateway"), .ns = g->ns, .name = g->name};
    }
    return all;
}

void attach_route(struct pass *p, const struct route *route, struct attach *ret) {
    uint32_t n, listeners = 0;
    struct parent parent;
    const struct parent_ref *all = list_parents(p, route, &n);
    for (uint32_t i = 0; i < n; i++)
        if (find_parent(p, route, &all[i], &parent)) listeners += parent.listeners_n;
    *ret = (struct attach){.parents = arena_array(p->scratch, struct parent_verdict, n),
                           .listeners = arena_array(p->scratch, struct attach_listener, listeners)};
    for (uint32_t i = 0; i < n; i++) attach_parent(p, route, &all[i], ret);
}
