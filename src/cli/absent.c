/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/absent.h"

#include "api/backend_tls_policy.h"
#include "api/condition.h"
#include "api/core.h"
#include "api/gateway.h"
#include "api/listener_set.h"
#include "api/route.h"
#include "api/xbackend_traffic_policy.h"
#include "api/xtelemetry_policy.h"

struct search {
    const struct offline *o;
    struct arena *arena;
    void (*each)(void *arg, const struct absent *x);
    void *arg;
};

static void tell(const struct search *s, const struct object *o, str where, str message, str remedy) {
    s->each(s->arg, &(struct absent){o, where, message, remedy});
}

/* It is in the manifests, but could not be read: its own finding says it. */
static bool was_refused(const struct search *s, str kind, str ns, str name) {
    for (const struct finding *f = s->o->findings.first; f; f = f->next)
        if (str_eq(f->kind, kind) && str_eq(f->ns, ns) && str_eq(f->name, name)) return true;
    return false;
}

/* The object that is named. false: no kind of ours, or it is told that it is not here. */
static bool look(const struct search *s, const struct object *o, str where, str group, str kind, str ns,
                 str name, const struct object **ret) {
    const struct api_type *t = api_type_find(group, kind);
    if (!t) return false;
    if (!t->namespaced) ns = S("");
    const struct object *found = store_get(s->o->pipeline.store, s->arena, t->kind, ns, name);
    if (found) {
        *ret = found;
        return true;
    }
    if (was_refused(s, kind, ns, name)) return false;
    bool has_ns = t->namespaced;
    tell(s, o, where,
         arena_printf(s->arena, "%s " STR_FMT "%s" STR_FMT " is not here", t->name, STR_ARG(ns),
                      has_ns ? "/" : "", STR_ARG(name)),
         arena_printf(s->arena, "give the %s's manifest, too, or correct %s", t->name,
                      has_ns ? "name and namespace" : "the name"));
    return false;
}

static void look_at_gateway(const struct search *s, const struct object *o) {
    const struct gateway *g = container_of(o, struct gateway, obj);
    if (store_has(s->o->pipeline.store, KIND_GATEWAY_CLASS, S(""), g->spec.gateway_class_name)) return;
    if (was_refused(s, S("GatewayClass"), S(""), g->spec.gateway_class_name)) return;
    tell(s, o, S("spec.gatewayClassName"),
         arena_printf(s->arena, "GatewayClass \"" STR_FMT "\" is not here, so nobody serves this Gateway",
                      STR_ARG(g->spec.gateway_class_name)),
         S("give the class's manifest, too"));
}

static void look_at_set(const struct search *s, const struct object *o) {
    const struct object_ref *r = &container_of(o, struct listener_set, obj)->spec.parent_ref;
    const struct object *found;
    (void)look(s, o, S("spec.parentRef"), r->group, r->kind, r->ns.n ? r->ns : o->meta.ns, r->name, &found);
}

static void look_at_route(const struct search *s, const struct object *o) {
    const struct route *r = container_of(o, struct route, obj);
    for (uint32_t i = 0; i < r->spec.parent_refs.n; i++) {
        const struct parent_ref *p = &r->spec.parent_refs.p[i];
        const struct object *found;
        (void)look(s, o, arena_printf(s->arena, "spec.parentRefs[%u]", i), p->group, p->kind,
                   p->ns.n ? p->ns : o->meta.ns, p->name, &found);
    }
}

static void look_at_targets(const struct search *s, const struct object *o, const struct local_ref *refs,
                            uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        const struct object *found;
        (void)look(s, o, arena_printf(s->arena, "spec.targetRefs[%u]", i), refs[i].group, refs[i].kind,
                   o->meta.ns, refs[i].name, &found);
    }
}

/* Some Gateway reaches the target, so that the policy's status tells of ports that are not there. */
static bool has_status(const struct search *s, const struct object *o) {
    const struct policy_status *st =
        resolve_status(s->o->pipeline.resolver, o->kind, o->meta.ns, o->meta.name);
    return st && st->ancestors.n;
}

/* A BackendTLSPolicy may be about one port of a Service, by its name.         [GW BackendTLSPolicySpec.targetRefs] */
static void look_at_tls_policy(const struct search *s, const struct object *o) {
    const struct backend_tls_policy *p = container_of(o, struct backend_tls_policy, obj);
    for (uint32_t i = 0; i < p->spec.target_refs.n; i++) {
        const struct policy_target *t = &p->spec.target_refs.p[i];
        const struct object *found;
        str where = arena_printf(s->arena, "spec.targetRefs[%u]", i);
        if (!look(s, o, where, t->group, t->kind, o->meta.ns, t->name, &found)) continue;
        if (found->kind != KIND_SERVICE || !t->section_name.n) continue;
        const struct service *service = container_of(found, struct service, obj);
        uint32_t k = 0;
        while (k < service->spec.ports.n && !str_eq(service->spec.ports.p[k].name, t->section_name)) k++;
        if (k < service->spec.ports.n || has_status(s, o)) continue;
        tell(s, o, arena_printf(s->arena, STR_FMT ".sectionName", STR_ARG(where)),
             arena_printf(s->arena, "Service " STR_FMT "/" STR_FMT " has no port named \"" STR_FMT "\"",
                          STR_ARG(o->meta.ns), STR_ARG(t->name), STR_ARG(t->section_name)),
             S("name one of the Service's ports, or leave sectionName out to mean all of them"));
    }
}

static void look_at(const struct search *s, const struct object *o) {
    if (route_is(o->kind)) {
        look_at_route(s, o);
        return;
    }
    switch ((int)o->kind) {
    case KIND_GATEWAY: look_at_gateway(s, o); break;
    case KIND_LISTENER_SET: look_at_set(s, o); break;
    case KIND_BACKEND_TLS_POLICY: look_at_tls_policy(s, o); break;
    case KIND_XBACKEND_TRAFFIC_POLICY: {
        const struct xbackend_traffic_policy *p = container_of(o, struct xbackend_traffic_policy, obj);
        look_at_targets(s, o, p->spec.target_refs.p, p->spec.target_refs.n);
        break;
    }
    case KIND_XTELEMETRY_POLICY: {
        const struct xtelemetry_policy *p = container_of(o, struct xtelemetry_policy, obj);
        look_at_targets(s, o, p->spec.target_refs.p, p->spec.target_refs.n);
        break;
    }
    default: break;
    }
}

void absent_each(const struct offline *o, struct arena *a, void (*each)(void *arg, const struct absent *x),
                 void *arg) {
    struct search s = {o, a, each, arg};
    for (enum api_kind kind = KIND_NONE + 1; kind < KIND_COUNT; kind++) {
        size_t n;
        const struct object **all = store_list(o->pipeline.store, a, kind, &n);
        for (size_t i = 0; i < n; i++) look_at(&s, all[i]);
    }
}
