/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/compile_route.h"

#include "compile/compile_host.h"
#include "compile/compile_listener.h"
#include "compile/compile_rule.h"
#include "compile/compile_tally.h"

static uint64_t join_values(uint64_t h, const struct plan_value_match *v, uint32_t n) {
    h = hash_join(h, n);
    for (uint32_t i = 0; i < n; i++) {
        h = hash_bytes(v[i].name.p, v[i].name.n, hash_join(h, v[i].type));
        h = hash_bytes(v[i].value.p, v[i].value.n, h);
    }
    return h;
}

/* Of what hosts show of the route besides its rules. */
static uint64_t hash_matches(const struct plan_route *r) {
    uint64_t h = hash_join(1, (uint64_t)r->created_s);
    for (uint32_t i = 0; i < r->rules.n; i++) {
        h = hash_join(h, r->rules.p[i].matches.n);
        for (uint32_t k = 0; k < r->rules.p[i].matches.n; k++) {
            const struct plan_match *m = &r->rules.p[i].matches.p[k];
            h = hash_bytes(m->path.p, m->path.n, hash_join(h, m->path_type));
            h = hash_bytes(m->method.p, m->method.n, h);
            h = join_values(h, m->headers.p, m->headers.n);
            h = join_values(h, m->query.p, m->query.n);
        }
    }
    return h;
}

static int address_order(const void *a, const void *b) {
    uintptr_t x = (uintptr_t) * (struct compiler_host *const *)a,
              y = (uintptr_t) * (struct compiler_host *const *)b;
    return x < y ? -1 : x > y;
}

static uint32_t count_hostnames(const struct plan_route *plan) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < plan->attachments.n; i++) n += plan->attachments.p[i].hostnames.n;
    return n;
}

/* The hosts that the route is attached to, by address, each once. */
static uint32_t find_hosts(struct compiler *c, const struct plan_route *plan, struct compiler_host **hosts) {
    uint32_t n = 0, unique = 0;
    for (uint32_t i = 0; i < plan->attachments.n; i++) {
        const struct plan_attachment *a = &plan->attachments.p[i];
        if (!a->hostnames.n) continue;
        struct compiler_listener *l = compile_listener_get(c, a->listener);
        for (uint32_t k = 0; k < a->hostnames.n; k++) hosts[n++] = compile_host_get(l, a->hostnames.p[k]);
    }
    if (n) qsort(hosts, n, sizeof *hosts, address_order);
    for (uint32_t i = 0; i < n; i++)
        if (!i || hosts[i] != hosts[i - 1]) hosts[unique++] = hosts[i];
    return unique;
}

/* Takes over the old rule of an index when its content is the same; *ret_changed: one is not. */
static void make_rules(struct compiler *c, const struct compiler_route *r, const struct plan_route *plan,
                       struct table_rule **rules, bool *ret_changed) {
    struct table_rule **old = compiler_route_rules(r);
    *ret_changed = r->rules_n != plan->rules.n;
    const struct table_rule *of = r->rules_n ? old[0] : NULL;
    for (uint32_t i = 0; i < plan->rules.n; i++) {
        uint64_t hash = compile_rule_hash(plan, &plan->rules.p[i]);
        if (i < r->rules_n && old[i]->hash == hash) {
            rules[i] = old[i];
            old[i] = NULL;
            continue;
        }
        rules[i] = compile_rule_make(c, plan, &plan->rules.p[i], hash);
        compile_tally_hold(c, plan->piece.key, of, rules[i]);
        if (!of) of = rules[i];
        *ret_changed = true;
    }
    for (uint32_t i = 0; i < r->rules_n; i++) compiler_die(c, DEATH_RULE, old[i]);
}

/* A route's hosts before a change, and what it was. */
struct before {
    struct compiler_host **hosts;
    uint32_t hosts_n;
    const struct plan_route *plan;
};

/* Marks hosts that are in one of the ordered lists only, and when the route itself changed those in both. r is the route as it is now. */
static void move(struct compiler *c, struct compiler_route *r, const struct plan_route *plan,
                 const struct before *b, bool changed) {
    struct compiler_host **old = b->hosts;
    uint32_t old_n = b->hosts_n;
    struct compiler_host **now = compiler_route_hosts(r);
    uint32_t i = 0, k = 0;
    while (i < old_n || k < r->hosts_n) {
        bool left = k == r->hosts_n || (i < old_n && (uintptr_t)old[i] < (uintptr_t)now[k]);
        bool came = !left && (i == old_n || old[i] != now[k]);
        if (left) {
            old[i]->routes_n--;
            compile_host_touch(c, old[i++], b->plan);
        } else if (came) {
            now[k]->routes_n++;
            compile_host_join(c, now[k++], r, plan);
        } else {
            if (changed) {
                compile_host_touch(c, old[i], b->plan);
                compile_host_join(c, now[k], r, plan);
            }
            i++, k++;
        }
    }
}

static void end_route(struct compiler *c, struct compiler_route *r) {
    index_take(&c->routes, r->piece->key);
    struct before before = {compiler_route_hosts(r), r->hosts_n, plan_open(c->scratch, r->piece)};
    r->hosts_n = 0;
    move(c, r, NULL, &before, true);
    struct table_rule **rules = compiler_route_rules(r);
    for (uint32_t i = 0; i < r->rules_n; i++) compiler_die(c, DEATH_RULE, rules[i]);
    COMPILER_ROOM(c->gone_routes, c->gone_routes_n, c->gone_routes_cap);
    c->gone_routes[c->gone_routes_n++] = r;
}

/* The route as it is now, new or changed. */
static void set_route(struct compiler *c, struct compiler_route *r, struct plan_piece *piece,
                      const struct plan_route *plan) {
    struct compiler_route was = *r;
    struct before before = {compiler_route_hosts(&was), was.hosts_n, plan_open(c->scratch, was.piece)};
    uint32_t pointers = plan->rules.n + count_hostnames(plan);
    assert(plan->rules.n <= PLAN_RULES_MAX);
    *r = (struct compiler_route){
        .piece = plan_hold(piece),
        .matches_hash = hash_matches(plan),
        .rules_n = (uint16_t)plan->rules.n,
        .is_apart = pointers > COMPILER_ROUTE_FEW,
    };
    if (r->is_apart) r->many = base_alloc(pointers * sizeof(void *));
    bool changed;
    make_rules(c, &was, plan, compiler_route_rules(r), &changed);
    r->hosts_n = find_hosts(c, plan, compiler_route_hosts(r)) & INT32_MAX;
    index_put(&c->routes, r);
    move(c, r, plan, &before, changed || r->matches_hash != was.matches_hash);
    plan_release(was.piece);
    if (was.is_apart) free(was.many);
}

void compile_route_change(struct compiler *c, const struct plan_change *change) {
    str key = change->after ? change->after->key : change->before->key;
    struct compiler_route *r = index_get(&c->routes, key);
    const struct plan_route *plan = plan_open(c->scratch, change->after);
    if (plan && compile_carries(&plan->piece))
        set_route(c, r ? r : base_zalloc(sizeof *r), change->after, plan);
    else if (r) /* gone, or none that tables carry */
        end_route(c, r);
    arena_reset(c->scratch);
}

void compile_route_end_gone(struct compiler *c) {
    for (uint32_t i = 0; i < c->gone_routes_n; i++) {
        struct compiler_route *r = c->gone_routes[i];
        plan_release(r->piece);
        if (r->is_apart) free(r->many);
        free(r);
    }
    c->gone_routes_n = 0;
}
