/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/compile_rule.h"

#include "compile/compile_backend.h"

/* The two enums name the same changes; the planes do not share headers. */
_Static_assert((int)TABLE_PATH_KEEP == (int)PLAN_PATH_KEEP, "path changes differ");
_Static_assert((int)TABLE_PATH_REPLACE_FULL == (int)PLAN_PATH_REPLACE_FULL, "path changes differ");
_Static_assert((int)TABLE_PATH_REPLACE_PREFIX == (int)PLAN_PATH_REPLACE_PREFIX, "path changes differ");

static uint64_t join_str(uint64_t h, str s) { return hash_bytes(s.p, s.n, h); }

static uint64_t join_headers(uint64_t h, const struct plan_header *v, uint32_t n) {
    h = hash_join(h, n);
    for (uint32_t i = 0; i < n; i++) h = join_str(join_str(h, v[i].name), v[i].value);
    return h;
}

static uint64_t join_filters(uint64_t h, const struct plan_filter *v, uint32_t n) {
    h = hash_join(h, n);
    for (const struct plan_filter *f = v; f < v + n; f++) {
        h = hash_join(hash_join(h, f->type), f->path_change);
        h = join_headers(h, f->set.p, f->set.n);
        h = join_headers(h, f->add.p, f->add.n);
        h = hash_join(h, f->remove.n);
        for (uint32_t i = 0; i < f->remove.n; i++) h = join_str(h, f->remove.p[i]);
        h = join_str(join_str(join_str(h, f->scheme), f->hostname), f->path);
        h = hash_join(hash_join(h, (uint64_t)f->port), (uint64_t)f->status);
    }
    return h;
}

uint64_t compile_rule_hash(const struct plan_route *route, const struct plan_rule *r) {
    uint64_t h = join_str(join_str(1, route->piece.key), r->name);
    h = hash_join(h, (uint64_t)r->index);
    h = join_filters(h, r->filters.p, r->filters.n);
    h = hash_join(h, r->targets.n);
    for (uint32_t i = 0; i < r->targets.n; i++) {
        const struct plan_target *t = &r->targets.p[i];
        h = join_str(h, t->backend);
        h = hash_join(hash_join(h, (uint64_t)t->weight), (uint64_t)t->answer);
        h = join_filters(h, t->filters.p, t->filters.n);
    }
    h = hash_join(hash_join(h, r->request_timeout.set), (uint64_t)r->request_timeout.v);
    return hash_join(hash_join(h, r->backend_timeout.set), (uint64_t)r->backend_timeout.v);
}

/* One block, structs first, then strings. Filled by the same walk that measures it: with p == NULL nothing is written. */
struct block {
    char *p;
    size_t structs, strings; /* bytes used of each */
    size_t strings_at;       /* where strings begin: all that structs take */
};

static void *put_array(struct block *b, uint32_t n, size_t size) {
    size_t at = b->structs;
    b->structs += n * size; /* all are multiples of 8 */
    return b->p ? b->p + at : NULL;
}

static str put_str(struct block *b, str s) {
    size_t at = b->strings_at + b->strings;
    b->strings += s.n;
    if (!b->p || !s.n) return S("");
    memcpy(b->p + at, s.p, s.n);
    return (str){b->p + at, s.n};
}

static struct table_header *put_headers(struct block *b, const struct plan_header *v, uint32_t n) {
    struct table_header *to = put_array(b, n, sizeof *to);
    for (uint32_t i = 0; i < n; i++) {
        struct table_header h = {put_str(b, v[i].name), put_str(b, v[i].value)};
        if (to) to[i] = h;
    }
    return to;
}

static str *put_names(struct block *b, const str *v, uint32_t n) {
    str *to = put_array(b, n, sizeof *to);
    for (uint32_t i = 0; i < n; i++) {
        str s = put_str(b, v[i]);
        if (to) to[i] = s;
    }
    return to;
}

static enum table_filter_type filter_type(uint8_t plan_type) {
    switch ((enum plan_filter_type)plan_type) {
    case PLAN_FILTER_REQUEST_HEADERS: return TABLE_REQUEST_HEADERS;
    case PLAN_FILTER_RESPONSE_HEADERS: return TABLE_RESPONSE_HEADERS;
    case PLAN_FILTER_REDIRECT: return TABLE_REDIRECT;
    case PLAN_FILTER_REWRITE: return TABLE_REWRITE;
    case PLAN_FILTER_MIRROR:
    case PLAN_FILTER_CORS:
    case PLAN_FILTER_AUTH:
    case PLAN_FILTER_UNSET: break;
    }
    abort(); /* resolve/ gives each filter its type, and compile_carries() lets no other in */
}

static struct table_filter *put_filters(struct block *b, const struct plan_filter *v, uint32_t n) {
    struct table_filter *to = put_array(b, n, sizeof *to);
    for (uint32_t i = 0; i < n; i++) {
        const struct plan_filter *f = &v[i];
        struct table_filter filter = {
            .type = (uint8_t)filter_type(f->type),
            .path_change = f->path_change,
            .port = (uint16_t)f->port,
            .status = (uint16_t)f->status,
            .set_n = f->set.n,
            .add_n = f->add.n,
            .remove_n = f->remove.n,
            .set = put_headers(b, f->set.p, f->set.n),
            .add = put_headers(b, f->add.p, f->add.n),
            .remove = put_names(b, f->remove.p, f->remove.n),
            .scheme = put_str(b, f->scheme),
            .hostname = put_str(b, f->hostname),
            .path = put_str(b, f->path),
        };
        if (to) to[i] = filter;
    }
    return to;
}

static struct table_rule *put_rule(struct compiler *c, struct block *b, const struct plan_route *route,
                                   const struct plan_rule *r) {
    struct table_rule *to = put_array(b, 1, sizeof *to);
    struct table_target *targets = put_array(b, r->targets.n, sizeof *targets);
    struct table_rule rule = {
        .index = (int32_t)r->index,
        .route = put_str(b, route->piece.key),
        .name = put_str(b, r->name),
        .filters_n = r->filters.n,
        .targets_n = r->targets.n,
        .filters = put_filters(b, r->filters.p, r->filters.n),
        .targets = targets,
        .request_timeout_us = r->request_timeout.set ? (uint64_t)r->request_timeout.v : TABLE_TIME_UNSET,
        .backend_timeout_us = r->backend_timeout.set ? (uint64_t)r->backend_timeout.v : TABLE_TIME_UNSET,
    };
    for (uint32_t i = 0; i < r->targets.n; i++) {
        const struct plan_target *t = &r->targets.p[i];
        struct table_target target = {
            .answer = (uint16_t)t->answer,
            .weight = (uint32_t)t->weight,
            .filters_n = t->filters.n,
            .filters = put_filters(b, t->filters.p, t->filters.n),
        };
        rule.weight_sum += target.weight;
        if (!targets) continue;
        if (!t->answer) target.backend = compile_backend_hold(c, t->backend);
        targets[i] = target;
    }
    if (to) *to = rule;
    return to;
}

struct table_rule *compile_rule_make(struct compiler *c, const struct plan_route *route,
                                     const struct plan_rule *rule, uint64_t hash) {
    struct block measure = {0};
    put_rule(c, &measure, route, rule);
    struct block b = {.p = base_zalloc(measure.structs + measure.strings), .strings_at = measure.structs};
    struct table_rule *r = put_rule(c, &b, route, rule);
    assert(b.structs == measure.structs && b.strings == measure.strings);
    r->hash = hash;
    r->slot = compiler_take_slot(&c->rule_slots);
    c->work->rules++;
    return r;
}
