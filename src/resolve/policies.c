/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/policies.h"

#include "api/backend_tls_policy.h"
#include "api/core.h"
#include "api/xbackend_traffic_policy.h"
#include "api/xmesh.h"
#include "api/xtelemetry_policy.h"
#include "resolve/backend_tls.h"
#include "resolve/backends.h"
#include "resolve/conditions.h"
#include "resolve/gateways.h"
#include "resolve/routes.h"

enum { ANCESTORS_MAX = 16 /* [GW PolicyStatus.ancestors] */ };

static struct policy_state *find(const struct resolver *r, enum api_kind kind, str ns, str name) {
    char space[RESOLVER_STATE_KEY_BYTES_MAX];
    str key = resolver_state_key(space, kind, ns, name);
    return key.p ? map_get(&r->policies, key) : NULL;
}

static str ns_of(const struct policy_state *ps) { return (str){ps->key + 1, ps->ns_n}; }
static str name_of(const struct policy_state *ps) { return (str){ps->key + 2 + ps->ns_n, ps->name_n}; }

void policies_mark(struct resolver *r, enum api_kind kind, str ns, str name) {
    char space[RESOLVER_STATE_KEY_BYTES_MAX];
    str key = resolver_state_key(space, kind, ns, name);
    assert(key.p); /* the store holds no longer names */
    struct policy_state *ps = map_get(&r->policies, key);
    if (!ps) {
        ps = base_zalloc(sizeof *ps + key.n);
        memcpy(ps->key, key.p, key.n);
        ps->kind = (uint8_t)kind;
        ps->ns_n = (uint16_t)ns.n, ps->name_n = (uint16_t)name.n;
        map_put(&r->policies, (str){ps->key, key.n}, ps);
    }
    if (ps->dirty) return;
    ps->dirty = true;
    resolver_push(&r->dirty_policies, ps);
}

static void mark_referrers(struct pass *p, enum api_kind kind, str ns, str name, enum api_kind from) {
    if (!store_count(p->store, from)) return;
    size_t n;
    struct store_key *all = store_referrer_keys(p->store, p->scratch, kind, ns, name, from, &n);
    for (size_t i = 0; i < n; i++) policies_mark(p->r, from, all[i].ns, all[i].name);
}

void policies_mark_service(struct pass *p, str ns, str name) {
    mark_referrers(p, KIND_SERVICE, ns, name, KIND_BACKEND_TLS_POLICY);
    mark_referrers(p, KIND_SERVICE, ns, name, KIND_XBACKEND_TRAFFIC_POLICY);
}

void policies_mark_gateway(struct pass *p, str ns, str name) {
    mark_referrers(p, KIND_GATEWAY, ns, name, KIND_XTELEMETRY_POLICY);
}

/* Names of targets, each ended by a newline: no name has one. */
static str targets_of(struct arena *a, const struct object *o) {
    struct buf b;
    buf_init(&b, 64 << 10);
    const void *any = o;
    if (o->kind == KIND_BACKEND_TLS_POLICY) {
        const struct backend_tls_policy *policy = any;
        for (uint32_t i = 0; i < policy->spec.target_refs.n; i++)
            buf_printf(&b, STR_FMT "\n", STR_ARG(policy->spec.target_refs.p[i].name));
    } else if (o->kind == KIND_XBACKEND_TRAFFIC_POLICY) {
        const struct xbackend_traffic_policy *policy = any;
        for (uint32_t i = 0; i < policy->spec.target_refs.n; i++)
            buf_printf(&b, STR_FMT "\n", STR_ARG(policy->spec.target_refs.p[i].name));
    } else if (o->kind == KIND_XTELEMETRY_POLICY) {
        const struct xtelemetry_policy *policy = any;
        for (uint32_t i = 0; i < policy->spec.target_refs.n; i++)
            buf_printf(&b, STR_FMT "\n", STR_ARG(policy->spec.target_refs.p[i].name));
    }
    str s = arena_str(a, buf_str(&b));
    buf_fini(&b);
    return s;
}

/* A port that speaks TLS by its appProtocol is a backend by grace of a policy alone. */
static bool needs_policy(const struct pass *p, str ns, str name) {
    const struct service *s = (const void *)store_get(p->store, p->scratch, KIND_SERVICE, ns, name);
    for (uint32_t i = 0; s && i < s->spec.ports.n; i++)
        if (str_eq(s->spec.ports.p[i].app_protocol, S("kubernetes.io/wss"))) return true;
    return false;
}

static void mark_targets(struct pass *p, enum api_kind kind, str ns, str targets) {
    while (targets.n) {
        str name = str_cut(&targets, '\n');
        if (kind == KIND_XTELEMETRY_POLICY) {
            policies_mark_gateway(p, ns, name);
            continue;
        }
        policies_mark_service(p, ns, name);
        if (kind != KIND_BACKEND_TLS_POLICY) continue;
        backends_mark(p, ns, name);
        if (needs_policy(p, ns, name)) routes_mark_referrers(p, KIND_SERVICE, ns, name);
    }
}

/* Targets that it had before matter as much as those it has. */
void policies_mark_changed(struct pass *p, enum api_kind kind, str ns, str name) {
    const struct object *o = store_get(p->store, p->scratch, kind, ns, name);
    policies_mark(p->r, kind, ns, name);
    struct policy_state *ps = find(p->r, kind, ns, name);
    if (ps->targets) mark_targets(p, kind, ns, str_of(ps->targets));
    free(TAKE(ps->targets));
    if (!o) return;
    str targets = targets_of(p->scratch, o);
    mark_targets(p, kind, ns, targets);
    if (targets.n) ps->targets = str_dup(targets);
}

void policies_mark_config_map(struct pass *p, str ns, str name) {
    size_t n;
    struct store_key *all =
        store_referrer_keys(p->store, p->scratch, KIND_CONFIG_MAP, ns, name, KIND_BACKEND_TLS_POLICY, &n);
    for (size_t i = 0; i < n; i++) policies_mark_changed(p, KIND_BACKEND_TLS_POLICY, all[i].ns, all[i].name);
}

void policies_mark_all(struct pass *p) {
    static const enum api_kind kinds[] = {KIND_BACKEND_TLS_POLICY, KIND_XBACKEND_TRAFFIC_POLICY,
                                          KIND_XTELEMETRY_POLICY, KIND_XBACKEND, KIND_XMESH};
    for (size_t k = 0; k < COUNT_OF(kinds); k++) {
        size_t n;
        struct store_key *all = store_keys(p->store, p->scratch, kinds[k], &n);
        for (size_t i = 0; i < n; i++) policies_mark_changed(p, kinds[k], all[i].ns, all[i].name);
    }
}

/* ---- ancestors ---- */

struct ancestor {
    const struct gateway_state *gateway;
    uint32_t targets, in_force, found; /* of the policy, that this Gateway uses */
};
struct ancestors {
    struct ancestor v[ANCESTORS_MAX];
    uint32_t n;
};

static int by_name(const void *a, const void *b) {
    const struct ancestor *x = a, *y = b;
    int order = str_cmp(x->gateway->ns, y->gateway->ns);
    return order ? order : str_cmp(x->gateway->name, y->gateway->name);
}

/* The least by name are kept when there are more than a status holds. NULL: not kept. */
static struct ancestor *ancestor_for(struct ancestors *all, const struct gateway_state *g) {
    for (uint32_t i = 0; i < all->n; i++)
        if (all->v[i].gateway == g) return &all->v[i];
    struct ancestor one = {.gateway = g}, *last = &all->v[0];
    if (all->n < ANCESTORS_MAX) {
        last = &all->v[all->n++];
    } else {
        for (uint32_t i = 1; i < ANCESTORS_MAX; i++)
            if (by_name(last, &all->v[i]) < 0) last = &all->v[i];
        if (by_name(&one, last) > 0) return NULL;
    }
    *last = one;
    return last;
}

/* The Gateways that a route is attached to. */
static void add_gateways(const struct route_state *rs, struct ancestors *all) {
    for (uint32_t i = 0; i < rs->listeners_n; i++) {
        const struct listener_state *l = rs->refs[i];
        ancestor_for(all, l->gateway);
    }
}

/* Does the route use that port of the Service? port 0: any. */
static bool uses_service(const struct route_state *rs, str ns, str name, int64_t port) {
    for (uint32_t i = 0; i < rs->backends_n; i++) {
        const struct backend_state *b = rs->refs[rs->listeners_n + i];
        if (b->protocol > PLAN_BACKEND_TLS || (port && b->port != port)) continue;
        if (str_eq((str){b->key, b->ns_n}, ns) && str_eq((str){b->key + b->ns_n + 1, b->name_n}, name))
            return true;
    }
    return false;
}

/* Gateways whose routes use the Service, by that port when it is given. */
static void add_users(const struct pass *p, str ns, str name, int64_t port, struct ancestors *all) {
    for (const enum api_kind *k = routes_kinds; *k; k++) {
        if (!store_count(p->store, *k)) continue;
        size_t n;
        struct store_key *routes = store_referrer_keys(p->store, p->scratch, KIND_SERVICE, ns, name, *k, &n);
        for (size_t i = 0; i < n; i++) {
            const struct route_state *rs = routes_find(p->r, *k, routes[i].ns, routes[i].name);
            if (rs && uses_service(rs, ns, name, port)) add_gateways(rs, all);
        }
    }
}

static struct parent_ref gateway_ref(struct arena *a, const struct gateway_state *g) {
    return (struct parent_ref){.group = S(RESOLVE_GROUP),
                               .kind = S("Gateway"),
                               .ns = arena_str(a, g->ns),
                               .name = arena_str(a, g->name)};
}

static void set_status(struct pass *p, struct policy_state *ps, const void *status) {
    const struct schema *s = api_type_of(ps->kind)->status_schema;
    uint64_t hash = status ? schema_hash(s, status) : 0;
    if (!status == !ps->status && hash == ps->hash) return;
    size_t bytes;
    free(ps->status);
    ps->status = status ? schema_pack(s, status, 0, &bytes) : NULL;
    ps->hash = hash;
    resolver_note_status(p, ps->kind, ns_of(ps), name_of(ps));
}

/* One entry for each; conditions by whoever knows the kind. */
typedef void judge_ancestor(struct pass *p, const struct object *o, const struct ancestor *a,
                            struct conditions *c);

static void tell_ancestors(struct pass *p, struct policy_state *ps, const struct object *o,
                           struct ancestors *all, judge_ancestor *judge) {
    if (!all->n) { /* it matters to none of our Gateways */
        set_status(p, ps, NULL);
        return;
    }
    struct policy_status st = {0};
    qsort(all->v, all->n, sizeof all->v[0], by_name);
    st.ancestors.p = arena_array(p->scratch, struct policy_ancestor_status, all->n);
    for (uint32_t i = 0; i < all->n; i++) {
        struct policy_ancestor_status *one = &st.ancestors.p[st.ancestors.n++];
        one->ancestor_ref = gateway_ref(p->scratch, all->v[i].gateway);
        one->controller_name = p->r->controller_name;
        struct conditions c = conditions_begin(p->scratch, o->meta.generation);
        judge(p, o, &all->v[i], &c);
        one->conditions.p = c.p, one->conditions.n = c.n;
    }
    set_status(p, ps, &st);
}

/* ---- BackendTLSPolicy ---- */

/* How one target stands for the Gateways that use it: an older policy may have the very same, or it may name a port that is none. A
 * policy for the whole Service stands beside one for a port of it.                         [GW PolicyReasonConflicted] */
static void add_target(struct pass *p, const struct backend_tls_policy *policy, const struct policy_target *t,
                       struct ancestors *all) {
    str ns = policy->obj.meta.ns;
    const struct service *s = (const void *)store_get(p->store, p->scratch, KIND_SERVICE, ns, t->name);
    if (t->group.n || !str_eq(t->kind, S("Service")) || !s) return;
    struct ancestors users = {0};
    bool found = !t->section_name.n;
    if (found) add_users(p, ns, t->name, 0, &users);
    for (uint32_t i = 0; i < s->spec.ports.n && t->section_name.n; i++) {
        if (!str_eq(t->section_name, s->spec.ports.p[i].name)) continue;
        found = true;
        add_users(p, ns, t->name, s->spec.ports.p[i].port, &users);
    }
    if (!found) add_users(p, ns, t->name, 0, &users);
    bool first = backend_tls_first(p, ns, t->name, t->section_name) == policy;
    for (uint32_t i = 0; i < users.n; i++) {
        struct ancestor *a = ancestor_for(all, users.v[i].gateway);
        if (a) a->targets++, a->found += found, a->in_force += found && first;
    }
}

static void judge_backend_tls(struct pass *p, const struct object *o, const struct ancestor *a,
                              struct conditions *c) {
    struct plan_backend_tls tls;
    struct verdict refs, v = backend_tls_judge(p, (const void *)o, &refs, &tls);
    if (!a->found)
        v = resolver_refuse(p->scratch, "TargetNotFound",
                            "spec.targetRefs: no port of the Service has the name that sectionName gives; "
                            "correct it");
    else if (!a->in_force)
        v = resolver_refuse(p->scratch, "Conflicted",
                            "an older BackendTLSPolicy has the same target and goes first; remove one");
    str words = a->in_force == a->targets
                    ? S("the policy holds for its targets")
                    : arena_printf(p->scratch,
                                   "the policy holds for %u of %u targets; others have an older policy "
                                   "or no such port",
                                   a->in_force, a->targets);
    conditions_judge(c, "Accepted", v, "Accepted", words);
    conditions_judge(c, "ResolvedRefs", refs, "ResolvedRefs", S("all references are resolved"));
}

static void resolve_backend_tls(struct pass *p, struct policy_state *ps, const struct object *o) {
    const struct backend_tls_policy *policy = (const void *)o;
    struct ancestors all = {0};
    for (uint32_t i = 0; i < policy->spec.target_refs.n; i++)
        add_target(p, policy, &policy->spec.target_refs.p[i], &all);
    tell_ancestors(p, ps, o, &all, judge_backend_tls);
}

/* ---- what is not served ---- */

static enum feature feature_of(enum api_kind kind) {
    return kind == KIND_XBACKEND                  ? FEATURE_XBACKEND
           : kind == KIND_XBACKEND_TRAFFIC_POLICY ? FEATURE_XBACKEND_TRAFFIC
           : kind == KIND_XMESH                   ? FEATURE_XMESH
                                                  : FEATURE_XTELEMETRY;
}

static void judge_unserved(struct pass *p, const struct object *o, const struct ancestor *a,
                           struct conditions *c) {
    enum feature f = feature_of(o->kind);
    (void)a;
    conditions_add(c, "Accepted", CONDITION_FALSE, "Invalid",
                   arena_printf(p->scratch, STR_FMT " are not served by this version; " STR_FMT,
                                STR_ARG(features_what(f)), STR_ARG(features_remedy(f))));
}

static void resolve_traffic(struct pass *p, struct policy_state *ps, const struct object *o) {
    const struct xbackend_traffic_policy *policy = (const void *)o;
    struct ancestors all = {0};
    for (uint32_t i = 0; i < policy->spec.target_refs.n; i++)
        add_users(p, o->meta.ns, policy->spec.target_refs.p[i].name, 0, &all);
    tell_ancestors(p, ps, o, &all, judge_unserved);
}

/* One policy a Gateway: the oldest.                                                          [GW XTelemetryPolicy] */
static bool is_first(struct pass *p, const struct object *o, const struct gateway_state *g) {
    size_t n;
    const struct object **rivals =
        store_referrers(p->store, p->scratch, KIND_GATEWAY, g->ns, g->name, KIND_XTELEMETRY_POLICY, &n);
    for (size_t i = 0; i < n; i++)
        if (rivals[i] != o && str_eq(rivals[i]->meta.ns, o->meta.ns) && backend_tls_order(rivals[i], o) < 0)
            return false;
    return true;
}

static void judge_telemetry(struct pass *p, const struct object *o, const struct ancestor *a,
                            struct conditions *c) {
    if (is_first(p, o, a->gateway))
        judge_unserved(p, o, a, c);
    else
        conditions_add(c, "Accepted", CONDITION_FALSE, "Conflicted",
                       S("an older XTelemetryPolicy has the same Gateway and goes first; remove one"));
}

static void resolve_telemetry(struct pass *p, struct policy_state *ps, const struct object *o) {
    const struct xtelemetry_policy *policy = (const void *)o;
    struct ancestors all = {0};
    for (uint32_t i = 0; i < policy->spec.target_refs.n; i++) {
        const struct gateway_state *g = gateways_find(p->r, o->meta.ns, policy->spec.target_refs.p[i].name);
        if (g && g->arena) ancestor_for(&all, g);
    }
    tell_ancestors(p, ps, o, &all, judge_telemetry);
}

/* The Gateways of routes that name it. */
static void resolve_xbackend(struct pass *p, struct policy_state *ps, const struct object *o) {
    struct ancestors all = {0};
    for (const enum api_kind *k = routes_kinds; *k; k++) {
        size_t n;
        struct store_key *routes =
            store_referrer_keys(p->store, p->scratch, KIND_XBACKEND, o->meta.ns, o->meta.name, *k, &n);
        for (size_t i = 0; i < n; i++) {
            const struct route_state *rs = routes_find(p->r, *k, routes[i].ns, routes[i].name);
            if (rs) add_gateways(rs, &all);
        }
    }
    tell_ancestors(p, ps, o, &all, judge_unserved);
}

/* Nothing can be set of a mesh.                                                    [GW XMeshSpec.parametersRef] */
static struct verdict judge_mesh(struct pass *p, const struct xmesh *mesh) {
    const struct parameters_reference *ref = mesh->spec.parameters_ref;
    if (!ref) return (struct verdict){0};
    return resolver_refuse(p->scratch, "InvalidParameters",
                           "spec.parametersRef: " STR_FMT "%s" STR_FMT " " STR_FMT
                           ": a mesh has no parameters; remove the field",
                           STR_ARG(ref->group), ref->group.n ? "/" : "", STR_ARG(ref->kind),
                           STR_ARG(ref->name));
}

static void resolve_mesh(struct pass *p, struct policy_state *ps, const struct object *o) {
    const struct xmesh *mesh = (const void *)o;
    if (!str_eq(mesh->spec.controller_name, p->facts->controller_name)) {
        set_status(p, ps, NULL);
        return;
    }
    struct xmesh_status st = {0};
    struct conditions c = conditions_begin(p->scratch, o->meta.generation);
    if (!features_served(p->facts, FEATURE_XMESH))
        judge_unserved(p, o, NULL, &c);
    else
        conditions_judge(&c, "Accepted", judge_mesh(p, mesh), "Accepted",
                         S("the mesh is handled by this controller"));
    st.conditions.p = c.p, st.conditions.n = c.n;
    set_status(p, ps, &st);
}

static void resolve_one(struct pass *p, struct policy_state *ps, const struct object *o) {
    if (!o)
        set_status(p, ps, NULL);
    else if (ps->kind == KIND_BACKEND_TLS_POLICY)
        resolve_backend_tls(p, ps, o);
    else if (ps->kind == KIND_XBACKEND_TRAFFIC_POLICY)
        resolve_traffic(p, ps, o);
    else if (ps->kind == KIND_XTELEMETRY_POLICY)
        resolve_telemetry(p, ps, o);
    else if (ps->kind == KIND_XBACKEND)
        resolve_xbackend(p, ps, o);
    else
        resolve_mesh(p, ps, o);
}

/* No index tells which XBackend a route named before: where there are any, each pass with routes looks at all. */
static void mark_xbackends(struct pass *p) {
    if (!p->work->routes || !store_count(p->store, KIND_XBACKEND)) return;
    size_t n;
    struct store_key *all = store_keys(p->store, p->scratch, KIND_XBACKEND, &n);
    for (size_t i = 0; i < n; i++) policies_mark(p->r, KIND_XBACKEND, all[i].ns, all[i].name);
}

void policies_resolve(struct pass *p) {
    struct worklist *w = &p->r->dirty_policies;
    mark_xbackends(p);
    arena_reset(p->scratch);
    for (size_t i = 0; i < w->n; i++) {
        struct policy_state *ps = w->p[i];
        const struct object *o = store_get(p->store, p->scratch, ps->kind, ns_of(ps), name_of(ps));
        ps->dirty = false;
        resolve_one(p, ps, o);
        if (!o) {
            map_take(&p->r->policies, (str){ps->key, ps->ns_n + 2u + ps->name_n});
            free(ps->targets);
            free(ps);
        }
        arena_reset(p->scratch);
    }
    w->n = 0;
}

const void *policies_status(const struct resolver *r, enum api_kind kind, str ns, str name) {
    const struct policy_state *ps = find(r, kind, ns, name);
    return ps ? ps->status : NULL;
}

void policies_fini(struct resolver *r) {
    map_each (e, &r->policies) {
        struct policy_state *ps = e->value;
        free(ps->status);
        free(ps->targets);
        free(ps);
    }
    map_fini(&r->policies);
}
