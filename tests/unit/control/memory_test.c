/* SPDX-License-Identifier: Apache-2.0 */
/* How many bytes a route costs the control plane: counted, and held below what lets 100,000 of them fit. */
#include "../unit.h"

#include <malloc.h>
#include <unistd.h>

#include "control/pipeline.h"
#include "files/files.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
size_t __sanitizer_get_current_allocated_bytes(void);
static size_t bytes_now(void) { return __sanitizer_get_current_allocated_bytes(); }
#else
static size_t bytes_now(void) {
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}
#endif

enum {
    ROUTES = 10000, /* ten a host and ten a Service, one rule with one match each */
    READ_MAX =
        600, /* documents, objects and who refers to whom, with a tenth of a Service and its EndpointSlice */
#ifdef __SANITIZE_THREAD__
    SERVED_MAX = 680, /* its allocator rounds up further */
#else
    SERVED_MAX = 645, /* state, plan and table, with a tenth of a backend */
#endif
};

static const char head[] =
    "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: postern}\n"
    "spec: {controllerName: postern.dev/gateway-controller}\n---\n"
    "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: gw, namespace: default}\n"
    "spec: {gatewayClassName: postern, listeners: [{name: http, port: 80, protocol: HTTP}]}\n---\n";

static void write_route(FILE *f, int i) {
    fprintf(
        f,
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata:\n  name: r%d\n"
        "  namespace: default\nspec:\n  parentRefs:\n  - name: gw\n    sectionName: http\n  hostnames:\n"
        "  - h%d.example.com\n  rules:\n  - matches:\n    - path:\n        type: PathPrefix\n"
        "        value: /a%d\n      headers:\n      - name: x-v\n        value: \"%d\"\n    backendRefs:\n"
        "    - name: u%d\n      port: 80\n---\n",
        i, i / 10, i % 10, i % 10, i / 10);
}

static void write_backend(FILE *f, int i) {
    fprintf(f,
            "apiVersion: v1\nkind: Service\nmetadata: {name: u%d, namespace: default}\n"
            "spec: {ports: [{name: http, port: 80}]}\n---\n"
            "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
            "metadata: {name: u%d-1, namespace: default, labels: {kubernetes.io/service-name: u%d}}\n"
            "addressType: IPv4\nports: [{name: http, port: 9000}]\n"
            "endpoints: [{addresses: [10.0.0.1], conditions: {ready: true}}]\n---\n",
            i, i, i);
}

static void write_manifest(const char *path) {
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs(head, f);
    for (int i = 0; i < ROUTES; i++) write_route(f, i);
    for (int i = 0; i < ROUTES / 10; i++) write_backend(f, i);
    assert_int_equal(fclose(f), 0);
}

static void read_manifest(struct files *files, struct pipeline *p) {
    OWNED(arena) a = arena_new();
    struct findings found;
    struct files_work work;
    finding_init(&found, a);
    files_read(files, p->store, &found, &work);
    assert_int_equal(work.objects_changed, 2 + ROUTES + ROUTES / 5);
    assert_int_equal(found.n, 0);
}

static void a_route_costs_so_much(void **state) {
    (void)state;
    char path[] = "/tmp/postern-memory-XXXXXX.yaml";
    int fd = mkstemps(path, 5);
    assert_true(fd >= 0);
    close(fd);
    write_manifest(path);
    struct files_root root = {path, NULL};
    struct pipeline p;
    pipeline_init(&p, S("postern.dev/gateway-controller"));
    struct files *files = files_new(&(struct files_config){.roots = &root, .roots_n = 1});
    size_t before = bytes_now();
    read_manifest(files, &p);
    size_t read = bytes_now() - before;
    before = bytes_now();
    struct table *old;
    assert_true(pipeline_pass(&p, 1800000000, 0, &old));
    assert_int_equal(p.compiled.rules, ROUTES);
    assert_false(pipeline_pass(&p, 1800000000, 0, &old)); /* what was to be told has been told */
    size_t served = bytes_now() - before;
    print_message("bytes a route: read %zu, served %zu\n", read / ROUTES, served / ROUTES);
    assert_in_range(read / ROUTES, 1, READ_MAX);
    assert_in_range(served / ROUTES, 1, SERVED_MAX);
    pipeline_fini(&p);
    files_free(files);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_route_costs_so_much)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
