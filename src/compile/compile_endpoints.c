/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/compile_endpoints.h"

static struct health *hold(struct compiler *c, const struct ip *ip, uint16_t port) {
    char key[sizeof *ip + sizeof port];
    memcpy(key, ip, sizeof *ip);
    memcpy(key + sizeof *ip, &port, sizeof port);
    struct compiler_health *s = index_get(&c->healths, (str){key, sizeof key});
    if (!s) {
        s = base_zalloc(sizeof *s);
        memcpy(s->key, key, sizeof key);
        s->h.among = &c->health_tally;
        index_put(&c->healths, s);
    }
    s->holds++;
    return &s->h;
}

static void release(struct compiler *c, struct health *h) {
    struct compiler_health *s = container_of(h, struct compiler_health, h);
    assert(s->holds);
    if (--s->holds) return;
    health_end(h);
    index_take(&c->healths, (str){s->key, sizeof s->key});
    free(s);
}

static struct table_endpoints *begin(struct compiler *c, struct compiler_backend *b, uint32_t n) {
    struct table_endpoints *e = base_zalloc(sizeof *e + n * sizeof e->v[0]);
    e->version = ++c->ids;
    e->reach = b->reach, e->budget = b->budget, e->gate = &b->gate;
    c->work->endpoints++;
    return e;
}

static void add(struct compiler *c, struct table_endpoints *e, const struct ip *ip, uint16_t port) {
    e->v[e->n++] = (struct table_endpoint){*ip, port, hold(c, ip, port)};
}

struct table_endpoints *compile_endpoints_make(struct compiler *c, struct compiler_backend *b,
                                               const struct plan_endpoints *plan) {
    struct table_endpoints *e = begin(c, b, plan->endpoints.n);
    for (uint32_t i = 0; i < plan->endpoints.n; i++) {
        const struct plan_endpoint *p = &plan->endpoints.p[i];
        struct ip ip = {0};
        if (p->port < 1 || p->port > 65535 || ip_parse(p->address, &ip) != OK) continue;
        add(c, e, &ip, (uint16_t)p->port);
    }
    return e;
}

struct table_endpoints *compile_endpoints_copy(struct compiler *c, struct compiler_backend *b,
                                               const struct table_endpoints *from) {
    struct table_endpoints *e = begin(c, b, from->n);
    for (uint32_t i = 0; i < from->n; i++) add(c, e, &from->v[i].ip, from->v[i].port);
    return e;
}

void compile_endpoints_free(struct compiler *c, struct table_endpoints *e) {
    for (uint32_t i = 0; e && i < e->n; i++) release(c, e->v[i].health);
    free(e);
}

const struct health_tally *compile_endpoints_health(const struct compiler *c) { return &c->health_tally; }

uint32_t compile_endpoints_count(const struct compiler *c) { return (uint32_t)c->healths.n; }

const struct table_endpoints *compile_endpoints_of(const struct compiler *c, str backend) {
    const struct compiler_backend *b = index_get(&c->backends, backend);
    return b ? b->endpoints : NULL;
}
