/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/compile_backend.h"

#include "compile/compile_endpoints.h"
#include "compile/compile_reach.h"
#include "table/budget.h"

static struct compiler_backend *of(const struct table_backend *b) {
    return container_of((struct table_backend *)b, struct compiler_backend, b);
}

const struct table_backend *compile_backend_hold(struct compiler *c, str key) {
    struct compiler_backend *s = index_get(&c->backends, key);
    if (!s) {
        s = base_zalloc(sizeof *s + key.n);
        memcpy(s->name, key.p, key.n);
        s->b = (struct table_backend){
            .slot = compiler_take_slot(&c->backend_slots), .id = ++c->ids, .name = {s->name, key.n}};
        index_put(&c->backends, s);
    }
    s->b.holds++;
    return &s->b;
}

void compile_backend_release(struct compiler *c, const struct table_backend *b) {
    struct compiler_backend *s = of(b);
    assert(s->b.holds);
    if (--s->b.holds) return;
    assert(!s->endpoints && !s->budget);
    index_take(&c->backends, s->b.name);
    compiler_give_slot(&c->backend_slots, s->b.slot);
    free(s);
}

static void show_endpoints(struct compiler *c, struct compiler_backend *s, struct table_endpoints *e) {
    compiler_die(c, DEATH_ENDPOINTS, (void *)s->endpoints);
    s->endpoints = e;
    compiler_array_set(c, &c->endpoint_array, s->b.slot, e);
    COMPILER_ROOM(c->touched, c->touched_n, c->touched_cap);
    c->touched[c->touched_n++] = s->b.slot;
}

static bool same_budget(const struct budget *b, const struct plan_retry_budget *p) {
    if (!b || !p) return !b && !p;
    return b->percent == p->percent && b->at_least_n == p->at_least_n &&
           b->interval_us == (uint64_t)p->interval.v && b->at_least_us == (uint64_t)p->at_least_interval.v;
}

/* Is it another one? */
static bool change_budget(struct compiler *c, struct compiler_backend *s, const struct plan_retry_budget *p) {
    if (same_budget(s->budget, p)) return false;
    if (s->budget) compiler_die(c, DEATH_BLOCK, (void *)s->budget);
    c->budgets -= s->budget != NULL;
    s->budget = p ? budget_new((uint32_t)p->percent, (uint64_t)p->interval.v, (uint32_t)p->at_least_n,
                               (uint64_t)p->at_least_interval.v)
                  : NULL;
    c->budgets += s->budget != NULL;
    return true;
}

/* The endpoints show how they are reached, and what retries there may be: another way makes them anew. */
static void change_reach(struct compiler *c, struct compiler_backend *s, const struct plan_piece *piece) {
    const struct table_reach *before = s->reach;
    const struct plan_backend *plan = piece ? plan_open(c->scratch, piece) : NULL;
    s->reach = plan ? compile_reach_hold(c, plan) : NULL;
    bool other_budget = change_budget(c, s, plan ? plan->retry_budget : NULL);
    arena_reset(c->scratch);
    if ((s->reach != before || other_budget) && s->endpoints)
        show_endpoints(c, s, compile_endpoints_copy(c, s, s->endpoints));
    if (before) compiler_die(c, DEATH_REACH, (void *)before);
}

/* The plan's own hold goes when no table shows the backend any more, so that its slot is not taken again before all workers know. */
void compile_backend_change(struct compiler *c, const struct plan_change *change) {
    str key = change->after ? change->after->key : change->before->key;
    struct compiler_backend *s = index_get(&c->backends, key);
    if (change->after && (!s || !s->in_plan)) {
        s = of(compile_backend_hold(c, key));
        s->in_plan = true;
    }
    if (s && s->in_plan) change_reach(c, s, change->after);
    if (!change->after && s && s->in_plan) {
        s->in_plan = false;
        compiler_die(c, DEATH_BACKEND, &s->b);
    }
}

void compile_backend_change_endpoints(struct compiler *c, const struct plan_change *change) {
    str key = change->after ? change->after->key : change->before->key;
    struct compiler_backend *s = index_get(&c->backends, key);
    if (!change->after && (!s || !s->has_endpoints)) return;
    if (!s || !s->has_endpoints) {
        s = of(compile_backend_hold(c, key));
        s->has_endpoints = true;
    }
    struct table_endpoints *e =
        change->after ? compile_endpoints_make(c, s, plan_open(c->scratch, change->after)) : NULL;
    arena_reset(c->scratch);
    show_endpoints(c, s, e);
    if (change->after) return;
    s->has_endpoints = false;
    compiler_die(c, DEATH_BACKEND, &s->b);
}

void compile_backend_free_all(struct compiler *c) {
    index_each (struct compiler_backend, s, &c->backends) {
        compile_endpoints_free(c, (struct table_endpoints *)s->endpoints);
        free((void *)s->budget);
        free(s);
    }
    index_fini(&c->backends);
    assert(!c->healths.n);
    index_fini(&c->healths);
}
