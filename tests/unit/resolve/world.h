/* SPDX-License-Identifier: Apache-2.0 */
/* A store, a resolver and a plan, and one pass over them. */
#pragma once
#include "../store/manifest.h"

#include "resolve/resolve.h"

enum { WORLD_NOW_S = 1800000000 };

struct world {
    struct store *store;
    struct arena *a; /* of what is read out of store and plan */
    struct facts facts;
    struct resolver *resolver;
    struct plan plan;
    struct plan_delta delta; /* of the last pass */
    struct resolve_work work;
    int64_t again_s;
};

static inline int world_set_up(void **state) {
    struct world *w = base_zalloc(sizeof *w);
    w->store = store_new();
    w->resolver = resolver_new();
    w->a = arena_new();
    facts_init(&w->facts);
    w->facts.controller_name = S("postern.dev/gateway-controller");
    plan_init(&w->plan);
    *state = w;
    return 0;
}

static inline int world_tear_down(void **state) {
    struct world *w = *state;
    plan_delta_fini(&w->delta);
    resolver_free(w->resolver);
    plan_fini(&w->plan);
    facts_fini(&w->facts);
    store_free(w->store);
    arena_free(w->a);
    free(w);
    return 0;
}

/* A piece of the plan; NULL: it is not there. */
static inline const void *world_piece(const struct world *w, enum plan_kind kind, str key) {
    return plan_open(w->a, plan_get(&w->plan, kind, key));
}

static inline void world_pass_at(struct world *w, int64_t now_s) {
    plan_delta_fini(&w->delta);
    resolve_pass(w->resolver, w->store, &w->facts, now_s, &w->plan, &w->delta, &w->work, &w->again_s);
}
static inline void world_pass(struct world *w) { world_pass_at(w, WORLD_NOW_S); }

/* "True/Reason" of a condition; "" when it is not there. */
static inline const char *world_condition(const struct condition *p, uint32_t n, const char *type) {
    static char text[128];
    for (uint32_t i = 0; i < n; i++)
        if (str_eq(p[i].type, str_of(type))) {
            static const char *const statuses[] = {"Unknown", "True", "False"};
            snprintf(text, sizeof text, "%s/" STR_FMT, statuses[p[i].status], STR_ARG(p[i].reason));
            return text;
        }
    return "";
}
static inline const char *world_route(struct world *w, str ns, str name, const char *type) {
    const struct route_status *st = resolve_status(w->resolver, KIND_HTTP_ROUTE, ns, name);
    return st && st->parents.n
               ? world_condition(st->parents.p[0].conditions.p, st->parents.p[0].conditions.n, type)
               : "";
}
static inline const char *world_gateway(struct world *w, str ns, str name, const char *type) {
    const struct gateway_status *st = resolve_status(w->resolver, KIND_GATEWAY, ns, name);
    return st ? world_condition(st->conditions.p, st->conditions.n, type) : "";
}
#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, world_set_up, world_tear_down)
#define WORLD_HTTP    "{name: http, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}"
