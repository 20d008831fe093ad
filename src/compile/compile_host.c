/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/compile_host.h"

#include "base/num.h"
#include "compile/compile_listener.h"
#include "compile/compile_paths.h"

/* Contributors of a shard on average: one shard for almost every host, and few enough to make anew within a millisecond. */
enum { SHARD_FEW = 8, SHARD_USUAL = 32, SHARD_MANY = 64 };

struct compiler_host *compile_host_get(struct compiler_listener *l, str hostname) {
    struct compiler_host *h = map_get(&l->hosts, hostname);
    if (h) return h;
    h = base_zalloc(sizeof *h + hostname.n);
    if (hostname.n) memcpy(h->bytes, hostname.p, hostname.n);
    h->hostname = (str){h->bytes, hostname.n};
    h->listener = l;
    h->shards = &h->one;
    h->shards_n = 1;
    map_put(&l->hosts, h->hostname, h);
    return h;
}

void compile_host_mark(struct compiler *c, struct compiler_host *h) {
    if (h->dirty) return;
    h->dirty = true;
    COMPILER_ROOM(c->dirty_hosts, c->dirty_hosts_n, c->dirty_hosts_cap);
    c->dirty_hosts[c->dirty_hosts_n++] = h;
}

static struct compiler_shard *shard_of(struct compiler *c, struct compiler_host *h,
                                       const struct plan_match *m) {
    struct compiler_shard *s =
        &h->shards[h->shards_n > 1 ? host_shard(compile_paths_key(c->scratch, m), h->shards_n) : 0];
    s->dirty = true;
    return s;
}

static void contribute(struct compiler *c, struct compiler_host *h, struct compiler_route *r,
                       const struct plan_route *plan) {
    for (uint32_t i = 0; i < plan->rules.n; i++) {
        const struct plan_rule *rule = &plan->rules.p[i];
        for (uint32_t k = 0; k < compile_paths_matches(rule); k++) {
            struct compiler_shard *s = shard_of(c, h, compile_paths_match(rule, k));
            if (s->n && s->v[s->n - 1] == r) continue;
            COMPILER_ROOM(s->v, s->n, s->cap);
            s->v[s->n++] = r;
        }
    }
}

void compile_host_touch(struct compiler *c, struct compiler_host *h, const struct plan_route *plan) {
    compile_host_mark(c, h);
    for (uint32_t i = 0; i < plan->rules.n; i++) {
        const struct plan_rule *rule = &plan->rules.p[i];
        for (uint32_t k = 0; k < compile_paths_matches(rule); k++)
            shard_of(c, h, compile_paths_match(rule, k));
    }
}

void compile_host_join(struct compiler *c, struct compiler_host *h, struct compiler_route *r,
                       const struct plan_route *plan) {
    compile_host_mark(c, h);
    contribute(c, h, r, plan);
}

/* The route's hosts are ordered by address. */
static bool names_host(const struct compiler_route *r, const struct compiler_host *h) {
    struct compiler_host **hosts = compiler_route_hosts(r);
    uint32_t low = 0, high = r->hosts_n;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (hosts[middle] == h) return true;
        if ((uintptr_t)hosts[middle] < (uintptr_t)h)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* true the first time since the stamp was made. */
static bool is_first_visit(struct compiler *c, struct compiler_route *r) {
    if (r->stamp == c->stamp) return false;
    r->stamp = c->stamp;
    return true;
}

static void clear_shard(struct compiler *c, struct compiler_shard *s) {
    compiler_die(c, DEATH_PATHS, s->piece);
    free(s->v);
}

/* Spreads the contributors over another number of shards when theirs has become too many or too few. */
static void respread(struct compiler *c, struct compiler_host *h) {
    uint64_t total = 0;
    for (uint32_t i = 0; i < h->shards_n; i++) total += h->shards[i].n;
    bool many = total > (uint64_t)h->shards_n * SHARD_MANY;
    if (!many && (h->shards_n == 1 || total >= (uint64_t)h->shards_n * SHARD_FEW)) return;
    struct compiler_shard one = h->one, *old = h->shards == &h->one ? &one : h->shards;
    uint32_t old_n = h->shards_n;
    h->shards_n = (uint32_t)num_power_of_two(total / SHARD_USUAL + 1);
    h->one = (struct compiler_shard){.dirty = true};
    h->shards = h->shards_n > 1 ? base_zalloc(h->shards_n * sizeof *h->shards) : &h->one;
    compiler_stamp(c);
    for (uint32_t i = 0; i < old_n; i++) {
        for (uint32_t k = 0; k < old[i].n; k++) {
            struct compiler_route *r = old[i].v[k];
            if (!names_host(r, h) || !is_first_visit(c, r)) continue;
            contribute(c, h, r, plan_open(c->scratch, r->piece));
            arena_reset(c->scratch);
        }
        clear_shard(c, &old[i]);
    }
    if (old != &one) free(old);
}

struct items {
    struct compile_paths_item *v;
    uint32_t n, cap;
};

/* Adds the route's matches that belong to the shard; false when there are none. */
static bool add_matches(struct compiler *c, struct compiler_host *h, const struct compiler_shard *s,
                        const struct compiler_route *r, const struct plan_route *plan, struct items *items) {
    uint32_t before = items->n;
    for (uint32_t i = 0; i < plan->rules.n; i++) {
        const struct plan_rule *rule = &plan->rules.p[i];
        for (uint32_t k = 0; k < compile_paths_matches(rule); k++) {
            const struct plan_match *m = compile_paths_match(rule, k);
            struct compile_paths_item it = {
                .route = plan, .rule = compiler_route_rules(r)[i], .rule_at = i, .match_at = k};
            compile_paths_fill(c->scratch, &it, m);
            if (&h->shards[host_shard(it.key, h->shards_n)] != s) continue;
            COMPILER_ROOM(items->v, items->n, items->cap);
            items->v[items->n++] = it;
        }
    }
    return items->n > before;
}

static void note_depths(struct compiler_shard *s) {
    s->depths = s->literals = 0;
    s->deepest = 0;
    s->exact = false;
    for (uint32_t i = 0; s->piece && i < s->piece->paths_n; i++) {
        const struct host_path *p = &s->piece->paths[i];
        if (p->kind == HOST_EXACT) s->exact = true;
        if (p->kind == HOST_REGEX) s->literals |= (uint64_t)1 << p->n;
        if (p->kind != HOST_PREFIX) continue;
        uint32_t depth = host_depth((str){p->p, p->n});
        assert(depth <= HOST_DEPTH_MAX);
        s->depths |= (uint64_t)1 << host_depth_bit(depth);
        if (depth > s->deepest) s->deepest = depth;
    }
}

static void build_shard(struct compiler *c, struct compiler_host *h, struct compiler_shard *s) {
    struct items items = {0};
    uint32_t kept = 0;
    compiler_stamp(c);
    for (uint32_t i = 0; i < s->n; i++) {
        struct compiler_route *r = s->v[i];
        if (!names_host(r, h) || !is_first_visit(c, r)) continue;
        if (add_matches(c, h, s, r, plan_open(c->scratch, r->piece), &items)) s->v[kept++] = r;
    }
    s->n = kept;
    if (!kept) {
        free(s->v);
        s->v = NULL;
        s->cap = 0;
    }
    compiler_die(c, DEATH_PATHS, s->piece);
    s->piece = items.n ? compile_paths_make(c, items.v, items.n) : NULL;
    s->dirty = false;
    note_depths(s);
    free(items.v);
    arena_reset(c->scratch);
}

/* NULL when nothing is in any shard. */
static struct table_host *make_top(const struct compiler_host *h) {
    size_t shards = h->shards_n * sizeof(struct host_paths *);
    struct table_host *t = base_zalloc(sizeof *t + shards + h->hostname.n);
    char *hostname = (char *)t + sizeof *t + shards;
    memcpy(hostname, h->hostname.p, h->hostname.n);
    t->hostname = (str){hostname, h->hostname.n};
    t->shards_n = h->shards_n;
    bool empty = true;
    for (uint32_t i = 0; i < h->shards_n; i++) {
        const struct compiler_shard *s = &h->shards[i];
        t->shards[i] = s->piece;
        t->depths |= s->depths;
        t->literals |= s->literals;
        t->exact |= s->exact;
        if (s->deepest > t->deepest) t->deepest = s->deepest;
        if (s->piece) empty = false;
    }
    if (!empty) return t;
    free(t);
    return NULL;
}

static void end_host(struct compiler *c, struct compiler_host *h) {
    for (uint32_t i = 0; i < h->shards_n; i++) assert(!h->shards[i].n && !h->shards[i].piece);
    struct compiler_listener *l = h->listener;
    map_take(&l->hosts, h->hostname);
    compile_host_free(c, h);
    compile_listener_end_unused(c, l);
}

void compile_host_build(struct compiler *c, struct compiler_host *h) {
    h->dirty = false;
    respread(c, h);
    for (uint32_t i = 0; i < h->shards_n; i++)
        if (h->shards[i].dirty) build_shard(c, h, &h->shards[i]);
    struct table_host *before = h->piece;
    h->piece = make_top(h);
    c->work->hosts += h->piece != NULL;
    if (h->piece || before) compile_listener_show_host(c, h->listener, h->hostname, h->piece);
    compiler_die(c, DEATH_BLOCK, before);
    if (!h->routes_n) end_host(c, h);
}

void compile_host_free(struct compiler *c, struct compiler_host *h) {
    for (uint32_t i = 0; i < h->shards_n; i++) {
        compile_paths_free(c, h->shards[i].piece);
        free(h->shards[i].v);
    }
    if (h->shards != &h->one) free(h->shards);
    free(h->piece);
    free(h);
}
