/* SPDX-License-Identifier: Apache-2.0 */
/* What a lookup, a change and a cold compile cost, and the bytes of a route. Prints one line a case; times are medians of many.
 * Usage: match_bench */
#include <malloc.h>
#include <time.h>

#include "../../tests/unit/compile/world.h"

enum kind { MANY_HOSTS, ONE_HOST, ONE_PATH };
static const char *const kind_names[] = {"10 routes a host", "all on one host",
                                         "all on one path, by a header"};

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static size_t bytes_in_use(void) {
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t median(uint64_t *v, unsigned n) {
    qsort(v, n, sizeof *v, by_value);
    return v[n / 2];
}

static void names_of(enum kind kind, unsigned i, char *host, char *rules, char *request, size_t n) {
    snprintf(host, n, kind == MANY_HOSTS ? "h%u.example.com" : "one.example.com", i / 10);
    if (kind == ONE_PATH)
        snprintf(rules, n, "P /api h:x-tenant=t%u", i);
    else
        snprintf(rules, n, "P /api/service-%u", i);
    char path[64] = "/api";
    if (kind != ONE_PATH) snprintf(path, sizeof path, "/api/service-%u", i);
    snprintf(request, n,
             "GET %s %s/items/17?page=2 host=%s user-agent=curl/8.5 accept=*/* accept-encoding=gzip "
             "x-request-id=0123456789 cookie=a=b x-tenant=t%u",
             host, path, host, i);
}

/* variant: another value of it, another rule. */
static void put_route(struct world *w, enum kind kind, unsigned i, unsigned variant) {
    struct arena *keep = w->a;
    w->a = arena_new();
    char name[32], host[256], rules[256], request[256];
    names_of(kind, i, host, rules, request, sizeof host);
    snprintf(name, sizeof name, "route-%06u", i + variant * 1000000);
    struct plan_route r = {
        .piece = {.kind = PLAN_ROUTE, .key = arena_printf(w->a, "HTTPRoute/ns/route-%06u", i)},
        .ns = S("ns"),
        .name = str_of(name),
        .created_s = 1700000000};
    str own = str_of(host);
    struct plan_attachment at = {S("Gateway/infra/gw/http"), {&own, 1}};
    r.attachments.p = &at;
    r.attachments.n = 1;
    r.rules.n = world_rules(w, name, rules, &r.rules.p);
    world_set(w, &r);
    arena_free(w->a);
    w->a = keep;
}

struct request {
    struct http_msg m;
    str host;
};

/* ns of one lookup, the median of rounds over the requests. */
static uint64_t time_lookups(const struct world *w, enum kind kind, unsigned n, unsigned requests_n) {
    struct arena *a = arena_new(), *scratch = arena_new();
    struct request *q = arena_array(a, struct request, requests_n);
    struct table_work *work = table_work_new();
    struct rng r = {1};
    for (unsigned i = 0; i < requests_n; i++) {
        char host[256], rules[256], request[256];
        names_of(kind, rng_below(&r, n), host, rules, request, sizeof host);
        world_request(a, arena_str(a, str_of(request)), &q[i].m, &q[i].host);
    }
    const struct table_socket *s;
    table_sockets(w->table, &s);
    const struct table_port *port = table_port(w->table, s->slot);
    uint64_t times[101];
    unsigned found = 0, inner = requests_n < 1024 ? 1024 / requests_n : 1;
    for (unsigned round = 0; round < COUNT_OF(times); round++) {
        uint64_t begin = now_ns();
        for (unsigned k = 0; k < inner; k++) {
            for (unsigned i = 0; i < requests_n; i++) {
                struct table_match match;
                const struct table_listener *l = table_listener_for(port, q[i].host);
                found += table_match(w->table, l, q[i].host, &q[i].m, scratch, work, &match);
            }
        }
        times[round] = (now_ns() - begin) * 10 / (inner * requests_n);
    }
    if (found != COUNT_OF(times) * inner * requests_n) abort();
    arena_free(a);
    arena_free(scratch);
    table_work_free(work);
    return median(times, COUNT_OF(times));
}

/* us of compile_apply and compile_home for one changed route. */
static uint64_t time_change(struct world *w, enum kind kind, unsigned n, bool endpoints) {
    uint64_t times[101];
    struct rng r = {2};
    for (unsigned i = 0; i < COUNT_OF(times); i++) {
        char backend[64];
        unsigned k = rng_below(&r, n);
        snprintf(backend, sizeof backend, "ns/route-%06u-0:80", k);
        const char *address = i % 2 ? "10.0.0.1" : "10.0.0.2";
        if (endpoints)
            world_endpoints(w, backend, &address, 1);
        else
            put_route(w, kind, k, i + 1);
        uint64_t begin = now_ns();
        world_apply(w, NULL);
        times[i] = now_ns() - begin;
        world_bury(w);
    }
    return median(times, COUNT_OF(times)) / 1000;
}

static void run(enum kind kind, unsigned n) {
    struct world w;
    world_init(&w);
    size_t start = bytes_in_use();
    world_listener(&w, "http", 80, "");
    for (unsigned i = 0; i < n; i++) put_route(&w, kind, i, 0);
    size_t delta =
        w.delta.cap * sizeof *w.delta.p + w.delta.places[PLAN_ROUTE].cap * sizeof(struct map_entry);
    size_t planned = bytes_in_use() - delta;
    uint64_t begin = now_ns();
    world_apply(&w, NULL);
    uint64_t cold_us = (now_ns() - begin) / 1000;
    size_t compiled = bytes_in_use();
    uint64_t few = time_lookups(&w, kind, n, 1), all = time_lookups(&w, kind, n, n > 20000 ? 20000 : 1024);
    uint64_t change_us = time_change(&w, kind, n, false), endpoints_us = time_change(&w, kind, n, true);
    printf("%-30s %6u routes: lookup %4u.%u ns (one request) %4u.%u ns (many requests)  change %5u us  "
           "endpoints %4u "
           "us  cold %7u us  "
           "bytes/route: plan %4zu table %4zu\n",
           kind_names[kind], n, (unsigned)few / 10, (unsigned)few % 10, (unsigned)all / 10,
           (unsigned)all % 10, (unsigned)change_us, (unsigned)endpoints_us, (unsigned)cold_us,
           (planned - start) / n, (compiled - planned) / n);
    world_fini(&w);
}

int main(void) {
    static const unsigned counts[] = {1, 10, 1000, 10000, 100000};
    for (unsigned k = MANY_HOSTS; k <= ONE_PATH; k++)
        for (unsigned i = 0; i < COUNT_OF(counts) - (k == ONE_PATH); i++) run(k, counts[i]);
    return 0;
}
