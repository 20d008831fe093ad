/* SPDX-License-Identifier: Apache-2.0 */
/* What the control plane costs: resolve_bench ROUTES [SERVICES]. Decoding, store, a cold pass, then one route, one
 * endpoint, one listener changed; resident memory after each. Times are the least of several tries where there is more
 * than one. */
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"
#include "resolve/resolve.h"
#include "text/yaml.h"

enum { TRIES = 20 };

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double resident_mb(void) {
    FILE *f = fopen("/proc/self/statm", "r");
    unsigned long all = 0, resident = 0;
    if (!f || fscanf(f, "%lu %lu", &all, &resident) != 2) resident = 0;
    if (f) fclose(f);
    return (double)resident * (double)sysconf(_SC_PAGESIZE) / 1e6;
}

static struct object *decode(struct arena *a, const char *fmt, ...) {
    char text[4096];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    struct node *doc = NULL;
    str message;
    uint32_t line, column;
    struct object *o = NULL;
    struct findings f;
    finding_init(&f, a);
    if (yaml_parse(a, (str){text, (size_t)n}, 1, &doc, &message, &line, &column) != OK ||
        api_decode(a, doc, S("bench"), &f, &o) != OK) {
        fputs("resolve_bench: a document of its own is refused\n", stderr);
        exit(2);
    }
    arena_reset(a);
    return o;
}

static struct object *make_route(struct arena *a, unsigned i, unsigned services, const char *path) {
    return decode(
        a,
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: route-%u, namespace: "
        "app-%u}\n"
        "spec:\n  parentRefs: [{name: gw, namespace: infra}]\n  hostnames: [host-%u.example.com]\n  rules:\n"
        "  - matches: [{path: {value: %s}}]\n    backendRefs: [{name: svc-%u, port: 80}]\n",
        i, i % 100, i, path, i / 100 % services);
}

static struct object *make_slice(struct arena *a, unsigned ns, unsigned service, unsigned last) {
    return decode(a,
                  "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: svc-%u, namespace: "
                  "app-%u, labels: "
                  "{kubernetes.io/service-name: svc-%u}}\naddressType: IPv4\nports: [{port: 8080}]\n"
                  "endpoints: [{addresses: [10.0.0.1]}, {addresses: [10.0.0.%u]}]\n",
                  service, ns, service, last);
}

struct bench {
    struct store *store;
    struct resolver *resolver;
    struct facts facts;
    struct plan plan;
    struct resolve_work work;
};

static double pass(struct bench *b) {
    struct plan_delta d = {0};
    int64_t again;
    double from = now_ms();
    resolve_pass(b->resolver, b->store, &b->facts, 1800000000, &b->plan, &d, &b->work, &again);
    double ms = now_ms() - from;
    plan_delta_fini(&d);
    return ms;
}

static void say(const struct bench *b, const char *what, double ms) {
    printf("%-28s %10.3f ms   gateways %u routes %u backends %u   resident %.0f MB\n", what, ms,
           b->work.gateways, b->work.routes, b->work.backends, resident_mb());
}

static void put_base(struct bench *b, struct arena *a, unsigned services, const char *hostname) {
    store_put(
        b->store,
        decode(a, "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: postern}\n"
                  "spec: {controllerName: postern.dev/gateway-controller}"));
    store_put(b->store, decode(a,
                               "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: "
                               "gw, namespace: infra}\n"
                               "spec: {gatewayClassName: postern, listeners: [{name: http, port: 80, "
                               "protocol: HTTP, hostname: %s, "
                               "allowedRoutes: {namespaces: {from: All}}}]}",
                               hostname));
    for (unsigned ns = 0; ns < 100; ns++)
        for (unsigned i = 0; i < services; i++) {
            store_put(b->store,
                      decode(a,
                             "apiVersion: v1\nkind: Service\nmetadata: {name: svc-%u, namespace: app-%u}\n"
                             "spec: {ports: [{port: 80}]}",
                             i, ns));
            store_put(b->store, make_slice(a, ns, i, 2));
        }
}

int main(int argc, char **argv) {
    uint64_t routes = 10000, services = 10;
    if (argc > 1 && num_parse(str_of(argv[1]), 1000000, &routes) != OK) return 2;
    if (argc > 2 && num_parse(str_of(argv[2]), 10000, &services) != OK) return 2;
    OWNED(arena) a = arena_new();
    struct bench b = {.store = store_new(), .resolver = resolver_new()};
    facts_init(&b.facts);
    b.facts.controller_name = S("postern.dev/gateway-controller");
    plan_init(&b.plan);
    double start_mb = resident_mb(), decode_ms = 0, put_ms = 0;
    put_base(&b, a, (unsigned)services, "\"*.example.com\"");
    for (unsigned i = 0; i < routes; i++) {
        double t0 = now_ms();
        struct object *o = make_route(a, i, (unsigned)services, "/a");
        double t1 = now_ms();
        store_put(b.store, o);
        decode_ms += t1 - t0, put_ms += now_ms() - t1;
    }
    double store_mb = resident_mb();
    printf("decode %.0f ms, put %.0f ms, store %.0f bytes a route\n", decode_ms, put_ms,
           (store_mb - start_mb) * 1e6 / (double)routes);
    say(&b, "cold", pass(&b));
    printf("resolver and plan %.0f bytes a route\n", (resident_mb() - store_mb) * 1e6 / (double)routes);
    double least[2] = {1e9, 1e9};
    for (unsigned i = 0; i < TRIES; i++) {
        store_put(b.store, make_route(a, i * 17 % (unsigned)routes, (unsigned)services, i % 2 ? "/b" : "/c"));
        double ms = pass(&b);
        least[0] = ms < least[0] ? ms : least[0];
    }
    say(&b, "one route", least[0]);
    for (unsigned i = 0; i < TRIES; i++) {
        store_put(b.store, make_slice(a, 0, 0, 3 + i));
        double ms = pass(&b);
        least[1] = ms < least[1] ? ms : least[1];
    }
    say(&b, "one endpoint", least[1]);
    store_put(b.store,
              decode(a,
                     "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: gw, "
                     "namespace: infra}\n"
                     "spec: {gatewayClassName: postern, listeners: [{name: http, port: 81, protocol: HTTP, "
                     "allowedRoutes: {namespaces: {from: All}}}]}"));
    say(&b, "the listener of all", pass(&b));
    resolver_free(b.resolver);
    plan_fini(&b.plan);
    facts_fini(&b.facts);
    store_free(b.store);
    return 0;
}
