/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/compile_tally.h"

void compile_tally_limit(struct compiler *c, uint32_t routes_max) {
    assert(!c->tallies_n);
    free(c->tallies);
    c->tallies = base_zalloc((routes_max + 1) * sizeof *c->tallies);
    c->tallies_max = routes_max;
}

static void news(struct compiler *c, uint32_t i) {
    if (c->tallies[i].is_news) return;
    c->tallies[i].is_news = true;
    c->tally_news_n++;
}

/* NULL: all are taken. */
static struct compiler_tally *take(struct compiler *c, str route) {
    if (c->tallies_n == c->tallies_max) return NULL;
    uint32_t i = compiler_take_slot(&c->tally_slots);
    struct compiler_tally *t = &c->tallies[i];
    free(t->route);
    t->route = str_dup(route);
    t->epoch++;
    c->tallies_n++;
    news(c, i);
    return t;
}

void compile_tally_hold(struct compiler *c, str route, const struct table_rule *of, struct table_rule *rule) {
    struct compiler_tally *t = NULL;
    if (!of)
        t = take(c, route);
    else if (of->tally >= TABLE_TALLY_FIRST)
        t = &c->tallies[of->tally - TABLE_TALLY_FIRST];
    rule->tally = t ? (uint32_t)(t - c->tallies) + TABLE_TALLY_FIRST : TABLE_TALLY_OTHER;
    rule->tally_epoch = t ? t->epoch : 0;
    if (t) t->rules++;
}

void compile_tally_release(struct compiler *c, const struct table_rule *rule) {
    if (rule->tally < TABLE_TALLY_FIRST) return;
    uint32_t i = rule->tally - TABLE_TALLY_FIRST;
    struct compiler_tally *t = &c->tallies[i];
    assert(t->rules && t->epoch == rule->tally_epoch);
    if (--t->rules) return;
    free(t->route);
    t->route = NULL;
    c->tallies_n--;
    compiler_give_slot(&c->tally_slots, i);
    news(c, i);
}

bool compile_tally_next(struct compiler *c, struct compile_tally *ret) {
    if (!c->tally_news_n) return false;
    for (uint32_t i = c->tally_news_at;; i = (i + 1) % c->tallies_max) {
        struct compiler_tally *t = &c->tallies[i];
        if (!t->is_news) continue;
        t->is_news = false;
        c->tally_news_n--;
        c->tally_news_at = i;
        *ret = (struct compile_tally){i + TABLE_TALLY_FIRST, t->epoch, str_of(t->route)};
        return true;
    }
}

uint32_t compile_tally_others(const struct compiler *c) {
    uint32_t routes = (uint32_t)c->routes.n;
    return routes > c->tallies_n ? routes - c->tallies_n : 0;
}

void compile_tally_free_all(struct compiler *c) {
    for (uint32_t i = 0; i < c->tallies_max; i++) free(c->tallies[i].route);
    free(c->tallies);
    free(c->tally_slots.free);
}
