/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/compile_filters.h"

#include "base/num.h"
#include "compile/compile_backend.h"

/* The two enums name the same changes; the planes do not share headers. */
_Static_assert((int)TABLE_PATH_KEEP == (int)PLAN_PATH_KEEP, "path changes differ");
_Static_assert((int)TABLE_PATH_REPLACE_FULL == (int)PLAN_PATH_REPLACE_FULL, "path changes differ");
_Static_assert((int)TABLE_PATH_REPLACE_PREFIX == (int)PLAN_PATH_REPLACE_PREFIX, "path changes differ");

/* ---- the hash ---- */

static uint64_t join_str(uint64_t h, str s) { return hash_bytes(s.p, s.n, h); }

static uint64_t join_strs(uint64_t h, const str *v, uint32_t n) {
    h = hash_join(h, n);
    for (uint32_t i = 0; i < n; i++) h = join_str(h, v[i]);
    return h;
}

static uint64_t join_headers(uint64_t h, const struct plan_header *v, uint32_t n) {
    h = hash_join(h, n);
    for (uint32_t i = 0; i < n; i++) h = join_str(join_str(h, v[i].name), v[i].value);
    return h;
}

static uint64_t join_mirror(uint64_t h, const struct plan_mirror *m) {
    if (!m) return h;
    return hash_join(hash_join(join_str(h, m->backend), (uint64_t)m->numerator), (uint64_t)m->denominator);
}

static uint64_t join_auth(uint64_t h, const struct plan_auth *a) {
    if (!a) return h;
    h = join_str(join_str(join_str(hash_join(h, a->protocol), a->backend), a->why), a->path);
    h = join_strs(h, a->request_headers.p, a->request_headers.n);
    h = join_strs(h, a->response_headers.p, a->response_headers.n);
    return hash_join(h, (uint64_t)a->body_bytes_max);
}

static uint64_t join_cors(uint64_t h, const struct plan_cors *c) {
    if (!c) return h;
    h = join_strs(join_strs(h, c->origins.p, c->origins.n), c->methods.p, c->methods.n);
    h = join_strs(join_strs(h, c->headers.p, c->headers.n), c->expose.p, c->expose.n);
    return hash_join(hash_join(h, c->credentials), (uint64_t)c->max_age_s);
}

uint64_t compile_filters_hash(uint64_t h, const struct plan_filter *v, uint32_t n) {
    h = hash_join(h, n);
    for (const struct plan_filter *f = v; f < v + n; f++) {
        h = hash_join(hash_join(h, f->type), f->path_change);
        h = join_headers(h, f->set.p, f->set.n);
        h = join_headers(h, f->add.p, f->add.n);
        h = join_strs(h, f->remove.p, f->remove.n);
        h = join_str(join_str(join_str(h, f->scheme), f->hostname), f->path);
        h = hash_join(hash_join(h, (uint64_t)f->port), (uint64_t)f->status);
        h = join_cors(join_auth(join_mirror(h, f->mirror), f->auth), f->cors);
    }
    return h;
}

/* ---- the piece ---- */

static struct table_header *put_headers(struct compile_block *b, const struct plan_header *v, uint32_t n) {
    struct table_header *to = compile_block_array(b, n, sizeof *to);
    for (uint32_t i = 0; i < n; i++) {
        struct table_header h = {compile_block_str(b, v[i].name), compile_block_str(b, v[i].value)};
        if (to) to[i] = h;
    }
    return to;
}

static const struct table_mirror *put_mirror(struct compiler *c, struct compile_block *b,
                                             const struct plan_mirror *m) {
    if (!m) return NULL;
    struct table_mirror *to = compile_block_array(b, 1, sizeof *to);
    if (to)
        *to = (struct table_mirror){.backend = compile_backend_hold(c, m->backend),
                                    .numerator = (uint32_t)m->numerator,
                                    .denominator = (uint32_t)m->denominator};
    return to;
}

static const struct table_auth *put_auth(struct compiler *c, struct compile_block *b,
                                         const struct plan_auth *a) {
    if (!a) return NULL;
    struct table_auth *to = compile_block_array(b, 1, sizeof *to);
    struct table_auth auth = {
        .grpc = a->protocol == PLAN_AUTH_GRPC,
        .request_headers_n = a->request_headers.n,
        .response_headers_n = a->response_headers.n,
        .request_headers = compile_block_strs(b, a->request_headers.p, a->request_headers.n),
        .response_headers = compile_block_strs(b, a->response_headers.p, a->response_headers.n),
        .path = compile_block_str(b, a->path),
        .why = compile_block_str(b, a->why),
        .body_bytes_max = (uint64_t)a->body_bytes_max,
    };
    if (!to) return NULL;
    if (a->backend.n) auth.backend = compile_backend_hold(c, a->backend);
    *to = auth;
    return to;
}

static bool is_any(const str *v, uint32_t n) { return n == 1 && str_eq(v[0], S("*")); }

/* "https://a.x:8443", as the objects' schema has them. */
static struct table_origin put_origin(struct compile_block *b, str s) {
    bool tls = str_starts(s, S("https://"));
    str host = str_from(s, tls ? 8 : 7), port = host;
    host = str_cut(&port, ':');
    uint64_t v = tls ? 443 : 80;
    if (port.n) (void)!num_parse(port, 99999, &v);
    return (struct table_origin){tls ? S("https") : S("http"), compile_block_str(b, host), (uint32_t)v};
}

static str put_list(struct compiler *c, struct compile_block *b, const str *v, uint32_t n) {
    str all = n ? v[0] : S("");
    for (uint32_t i = 1; i < n; i++)
        all = arena_printf(c->scratch, STR_FMT ", " STR_FMT, STR_ARG(all), STR_ARG(v[i]));
    return compile_block_str(b, all);
}

static const struct table_cors *put_cors(struct compiler *c, struct compile_block *b,
                                         const struct plan_cors *from) {
    if (!from) return NULL;
    bool any = is_any(from->origins.p, from->origins.n);
    uint32_t n = any ? 0 : from->origins.n;
    struct table_cors *to = compile_block_array(b, 1, sizeof *to);
    struct table_origin *origins = compile_block_array(b, n, sizeof *origins);
    for (uint32_t i = 0; i < n; i++) {
        struct table_origin o = put_origin(b, from->origins.p[i]);
        if (origins) origins[i] = o;
    }
    struct table_cors cors = {
        .any_origin = any,
        .credentials = from->credentials,
        .origins_n = n,
        .origins = origins,
        .methods = put_list(c, b, from->methods.p, from->methods.n),
        .headers = put_list(c, b, from->headers.p, from->headers.n),
        .expose = put_list(c, b, from->expose.p, from->expose.n),
        .max_age = compile_block_str(b, arena_printf(c->scratch, "%lld", (long long)from->max_age_s)),
    };
    if (to) *to = cors;
    return to;
}

static enum table_filter_type type_of(uint8_t plan_type) {
    switch ((enum plan_filter_type)plan_type) {
    case PLAN_FILTER_REQUEST_HEADERS: return TABLE_REQUEST_HEADERS;
    case PLAN_FILTER_RESPONSE_HEADERS: return TABLE_RESPONSE_HEADERS;
    case PLAN_FILTER_REDIRECT: return TABLE_REDIRECT;
    case PLAN_FILTER_REWRITE: return TABLE_REWRITE;
    case PLAN_FILTER_MIRROR: return TABLE_MIRROR;
    case PLAN_FILTER_AUTH: return TABLE_AUTH;
    case PLAN_FILTER_CORS: return TABLE_CORS;
    case PLAN_FILTER_UNSET: break;
    }
    abort(); /* resolve/ gives each filter its type, and compile_carries() lets no other in */
}

struct table_filter *compile_filters_put(struct compiler *c, struct compile_block *b,
                                         const struct plan_filter *v, uint32_t n) {
    struct table_filter *to = compile_block_array(b, n, sizeof *to);
    for (uint32_t i = 0; i < n; i++) {
        const struct plan_filter *f = &v[i];
        struct table_filter filter = {
            .type = (uint8_t)type_of(f->type),
            .path_change = f->path_change,
            .port = (uint16_t)f->port,
            .status = (uint16_t)f->status,
            .set_n = f->set.n,
            .add_n = f->add.n,
            .remove_n = f->remove.n,
            .set = put_headers(b, f->set.p, f->set.n),
            .add = put_headers(b, f->add.p, f->add.n),
            .remove = compile_block_strs(b, f->remove.p, f->remove.n),
            .scheme = compile_block_str(b, f->scheme),
            .hostname = compile_block_str(b, f->hostname),
            .path = compile_block_str(b, f->path),
            .mirror = put_mirror(c, b, f->mirror),
            .auth = put_auth(c, b, f->auth),
            .cors = put_cors(c, b, f->cors),
        };
        if (to) to[i] = filter;
    }
    return to;
}

void compile_filters_release(struct compiler *c, const struct table_filter *v, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        if (v[i].mirror) compile_backend_release(c, v[i].mirror->backend);
        if (v[i].auth && v[i].auth->backend) compile_backend_release(c, v[i].auth->backend);
    }
}
