/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/policies.h"

#include "api/backend_tls_policy.h"
#include "api/core.h"
#include "api/xbackend_traffic_policy.h"
#include "api/xmesh.h"
#include "api/xtelemetry_policy.h"
#include "resolve/backend_tls.h"
#include "resolve/backend_traffic.h"
#include "resolve/backends.h"
#include "resolve/gateways.h"
#include "resolve/policy_status.h"
#include "resolve/routes.h"
#include "resolve/sets.h"
#include "resolve/telemetry.h"
#include "resolve/xbackends.h"

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

void policies_mark_backend(struct pass *p, enum api_kind kind, str ns, str name) {
    mark_referrers(p, kind, ns, name, KIND_BACKEND_TLS_POLICY);
    mark_referrers(p, kind, ns, name, KIND_XBACKEND_TRAFFIC_POLICY);
    if (kind == KIND_XBACKEND && store_has(p->store, kind, ns, name)) policies_mark(p->r, kind, ns, name);
}

void policies_mark_gateway(struct pass *p, str ns, str name) {
    mark_referrers(p, KIND_GATEWAY, ns, name, KIND_XTELEMETRY_POLICY);
}

/* The targets as "KIND name", each ended by a newline: no name has one. */
static void add_target(struct buf *b, str kind, str name) {
    buf_printf(b, STR_FMT " " STR_FMT "\n", STR_ARG(kind), STR_ARG(name));
}

static str targets_of(struct arena *a, const struct object *o) {
    struct buf b;
    buf_init(&b, 64 << 10);
    const void *any = o;
    if (o->kind == KIND_BACKEND_TLS_POLICY) {
        const struct backend_tls_policy *policy = any;
        for (uint32_t i = 0; i < policy->spec.target_refs.n; i++)
            add_target(&b, policy->spec.target_refs.p[i].kind, policy->spec.target_refs.p[i].name);
    } else if (o->kind == KIND_XBACKEND_TRAFFIC_POLICY) {
        const struct xbackend_traffic_policy *policy = any;
        for (uint32_t i = 0; i < policy->spec.target_refs.n; i++)
            add_target(&b, policy->spec.target_refs.p[i].kind, policy->spec.target_refs.p[i].name);
    } else if (o->kind == KIND_XTELEMETRY_POLICY) {
        const struct xtelemetry_policy *policy = any;
        for (uint32_t i = 0; i < policy->spec.target_refs.n; i++)
            add_target(&b, policy->spec.target_refs.p[i].kind, policy->spec.target_refs.p[i].name);
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

static bool has_session(const struct object *o) {
    const struct xbackend_traffic_policy *policy = (const void *)o;
    return o && o->kind == KIND_XBACKEND_TRAFFIC_POLICY && policy->spec.session_persistence;
}

/* Does a policy for the backend tell of sessions? Which one is in force depends on all of them. */
static bool tells_sessions(const struct pass *p, enum api_kind kind, str ns, str name) {
    size_t n;
    const struct object **all =
        store_referrers(p->store, p->scratch, kind, ns, name, KIND_XBACKEND_TRAFFIC_POLICY, &n);
    for (size_t i = 0; i < n; i++)
        if (has_session(all[i])) return true;
    return false;
}

/* Gateways whose filters or spans go to the backend: whether they can may depend on its policies. */
static void mark_askers(struct pass *p, enum api_kind kind, str ns, str name) {
    size_t n;
    struct store_key *all = store_referrer_keys(p->store, p->scratch, kind, ns, name, KIND_GATEWAY, &n);
    for (size_t i = 0; i < n; i++) gateways_mark(p->r, all[i].ns, all[i].name);
    sets_mark_referrers(p, kind, ns, name);
    telemetry_mark_referrers(p, kind, ns, name);
}

static void mark_targets(struct pass *p, const struct policy_state *ps, str targets) {
    str ns = ns_of(ps);
    while (targets.n) {
        str name = str_cut(&targets, '\n'), word = str_cut(&name, ' ');
        if (ps->kind == KIND_XTELEMETRY_POLICY) {
            struct gateway_state *g = gateways_find(p->r, ns, name);
            policies_mark_gateway(p, ns, name);
            if (g) gateways_mark_emit(p->r, g);
            continue;
        }
        enum api_kind kind = str_eq(word, S("XBackend")) ? KIND_XBACKEND : KIND_SERVICE;
        policies_mark_backend(p, kind, ns, name);
        if (kind == KIND_XBACKEND)
            backends_mark_xbackend(p, ns, name);
        else
            backends_mark(p, ns, name);
        bool decides = ps->kind == KIND_BACKEND_TLS_POLICY
                           ? kind == KIND_SERVICE && needs_policy(p, ns, name)
                           : ps->sessions || tells_sessions(p, kind, ns, name);
        if (decides) routes_mark_referrers(p, kind, ns, name);
        mark_askers(p, kind, ns, name);
    }
}

/* Targets that it had before matter as much as those it has. */
void policies_mark_changed(struct pass *p, enum api_kind kind, str ns, str name) {
    const struct object *o = store_get(p->store, p->scratch, kind, ns, name);
    policies_mark(p->r, kind, ns, name);
    struct policy_state *ps = find(p->r, kind, ns, name);
    if (kind == KIND_XBACKEND) {
        policies_mark_backend(p, kind, ns, name);
        backends_mark_xbackend(p, ns, name);
    }
    ps->sessions |= has_session(o);
    if (ps->targets) mark_targets(p, ps, str_of(ps->targets));
    free(TAKE(ps->targets));
    if (!o) return;
    str targets = targets_of(p->scratch, o);
    mark_targets(p, ps, targets);
    ps->sessions = has_session(o);
    if (targets.n) ps->targets = str_dup(targets);
}

void policies_mark_trust(struct pass *p, enum api_kind kind, str ns, str name) {
    static const enum api_kind kinds[] = {KIND_BACKEND_TLS_POLICY, KIND_XBACKEND};
    for (size_t k = 0; k < COUNT_OF(kinds); k++) {
        size_t n;
        struct store_key *all = store_referrer_keys(p->store, p->scratch, kind, ns, name, kinds[k], &n);
        for (size_t i = 0; i < n; i++) policies_mark_changed(p, kinds[k], all[i].ns, all[i].name);
    }
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
        policy_status_set(p, ps, NULL);
        return;
    }
    struct xmesh_status st = {0};
    struct conditions c = conditions_begin(p->scratch, o->meta.generation);
    if (!features_served(p->facts, FEATURE_XMESH))
        policy_status_judge_unserved(p, o, NULL, &c);
    else
        conditions_judge(&c, "Accepted", judge_mesh(p, mesh), "Accepted",
                         S("the mesh is handled by this controller"));
    st.conditions.p = c.p, st.conditions.n = c.n;
    policy_status_set(p, ps, &st);
}

static void resolve_one(struct pass *p, struct policy_state *ps, const struct object *o) {
    if (!o)
        policy_status_set(p, ps, NULL);
    else if (ps->kind == KIND_BACKEND_TLS_POLICY)
        backend_tls_status(p, ps, o);
    else if (ps->kind == KIND_XBACKEND_TRAFFIC_POLICY)
        backend_traffic_status(p, ps, o);
    else if (ps->kind == KIND_XTELEMETRY_POLICY)
        telemetry_status(p, ps, o);
    else if (ps->kind == KIND_XBACKEND)
        xbackends_status(p, ps, o);
    else
        resolve_mesh(p, ps, o);
}

/* Not served, an XBackend is no backend of a route, and no index tells which one a route named before: where there are any, each pass
 * with routes looks at all. */
static void mark_xbackends(struct pass *p) {
    if (!p->work->routes || features_served(p->facts, FEATURE_XBACKEND) ||
        !store_count(p->store, KIND_XBACKEND))
        return;
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
