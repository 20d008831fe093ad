/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/compile_rule.h"

#include "base/hash.h"

#include "base/num.h"
#include "compile/compile_backend.h"
#include "compile/compile_filters.h"

static uint64_t join_str(uint64_t h, str s) { return hash_bytes(s.p, s.n, h); }

static uint64_t join_retry(uint64_t h, const struct plan_retry *r) {
    if (!r) return hash_join(h, 0);
    h = hash_join(hash_join(h, 1 + r->codes.n), (uint64_t)r->attempts);
    for (uint32_t i = 0; i < r->codes.n; i++) h = hash_join(h, (uint64_t)r->codes.p[i]);
    return hash_join(hash_join(h, r->backoff.set), (uint64_t)r->backoff.v);
}

static uint64_t join_session(uint64_t h, const struct plan_session *s) {
    if (!s) return h;
    h = join_str(join_str(hash_join(h, s->type), s->name), s->path);
    h = hash_join(hash_join(h, s->permanent), s->absolute_timeout.set);
    return hash_join(h, (uint64_t)s->absolute_timeout.v);
}

uint64_t compile_rule_hash(const struct plan_route *route, const struct plan_rule *r) {
    uint64_t h = join_str(join_str(1, route->piece.key), r->name);
    h = hash_join(h, (uint64_t)r->index);
    h = compile_filters_hash(h, r->filters.p, r->filters.n);
    h = hash_join(h, r->targets.n);
    for (uint32_t i = 0; i < r->targets.n; i++) {
        const struct plan_target *t = &r->targets.p[i];
        h = join_str(h, t->backend);
        h = hash_join(hash_join(h, (uint64_t)t->weight), (uint64_t)t->answer);
        h = join_session(compile_filters_hash(h, t->filters.p, t->filters.n), t->session);
    }
    h = hash_join(hash_join(h, r->request_timeout.set), (uint64_t)r->request_timeout.v);
    h = hash_join(hash_join(h, r->backend_timeout.set), (uint64_t)r->backend_timeout.v);
    return join_retry(h, r->retry);
}

static const struct table_retry *put_retry(struct compile_block *b, const struct plan_retry *r) {
    if (!r) return NULL;
    struct table_retry *to = compile_block_array(b, 1, sizeof *to);
    if (!to) return NULL;
    *to = (struct table_retry){.attempts = (uint32_t)num_min((uint64_t)r->attempts, TABLE_ATTEMPTS_MAX),
                               .backoff_us = r->backoff.set ? (uint64_t)r->backoff.v : TABLE_BACKOFF_US};
    for (uint32_t i = 0; i < r->codes.n; i++) table_retry_add(to, (uint32_t)r->codes.p[i]);
    return to;
}

static const struct table_session *put_session(struct compile_block *b, const struct plan_session *s) {
    if (!s) return NULL;
    struct table_session *to = compile_block_array(b, 1, sizeof *to);
    struct table_session session = {
        .header = s->type == PLAN_SESSION_HEADER,
        .permanent = s->permanent,
        /* what is less than a second is one: 0 is none */
        .absolute_s = s->absolute_timeout.set ? ((uint64_t)s->absolute_timeout.v + 999999) / 1000000 : 0,
        .name = compile_block_str(b, s->name),
        .path = compile_block_str(b, s->path),
    };
    if (to) *to = session;
    return to;
}

static bool has(const struct plan_filter *v, uint32_t n, enum plan_filter_type type) {
    for (uint32_t i = 0; i < n; i++)
        if (v[i].type == type) return true;
    return false;
}

/* Tenants are namespaces. Two may get the same share: it is then as if they were one. */
static uint8_t share_of(str key) {
    enum { SHARES = 63 };
    str ns = key;
    str_cut(&ns, '/'); /* "HTTPRoute/ns/name" */
    return (uint8_t)(1 + hash_str(str_cut(&ns, '/')) % SHARES);
}

static struct table_rule *put_rule(struct compiler *c, struct compile_block *b,
                                   const struct plan_route *route, const struct plan_rule *r) {
    struct table_rule *to = compile_block_array(b, 1, sizeof *to);
    struct table_target *targets = compile_block_array(b, r->targets.n, sizeof *targets);
    struct table_rule rule = {
        .index = (int16_t)r->index,
        .route = compile_block_str(b, route->piece.key),
        .name = compile_block_str(b, r->name),
        .filters_n = (uint16_t)r->filters.n,
        .targets_n = (uint16_t)r->targets.n,
        .filters = compile_filters_put(c, b, r->filters.p, r->filters.n),
        .targets = targets,
        .request_timeout_us = r->request_timeout.set ? (uint64_t)r->request_timeout.v : TABLE_TIME_UNSET,
        .backend_timeout_us = r->backend_timeout.set ? (uint64_t)r->backend_timeout.v : TABLE_TIME_UNSET,
        .retry = put_retry(b, r->retry),
        .mirrors = has(r->filters.p, r->filters.n, PLAN_FILTER_MIRROR),
        .asks = has(r->filters.p, r->filters.n, PLAN_FILTER_AUTH),
        .share = share_of(route->piece.key),
    };
    for (uint32_t i = 0; i < r->targets.n; i++) {
        const struct plan_target *t = &r->targets.p[i];
        struct table_target target = {
            .answer = (uint16_t)t->answer,
            .weight = (uint32_t)t->weight,
            .filters_n = (uint16_t)t->filters.n,
            .filters = compile_filters_put(c, b, t->filters.p, t->filters.n),
            .session = put_session(b, t->session),
        };
        rule.weight_sum += target.weight;
        rule.mirrors |= has(t->filters.p, t->filters.n, PLAN_FILTER_MIRROR);
        rule.asks |= has(t->filters.p, t->filters.n, PLAN_FILTER_AUTH);
        if (!targets) continue;
        if (!t->answer) target.backend = compile_backend_hold(c, t->backend);
        targets[i] = target;
    }
    if (to) *to = rule;
    return to;
}

struct table_rule *compile_rule_make(struct compiler *c, const struct plan_route *route,
                                     const struct plan_rule *rule, uint64_t hash) {
    struct compile_block measure = {0};
    put_rule(c, &measure, route, rule);
    struct compile_block b = {.p = base_zalloc(measure.structs + measure.strings),
                              .strings_at = measure.structs};
    struct table_rule *r = put_rule(c, &b, route, rule);
    assert(b.structs == measure.structs && b.strings == measure.strings);
    r->hash = hash;
    r->slot = compiler_take_slot(&c->rule_slots);
    c->work->rules++;
    return r;
}
