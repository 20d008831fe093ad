/* SPDX-License-Identifier: Apache-2.0 */
/* What reading manifests costs: files_bench ROUTES TINY. ROUTES routes in one file, read cold, then with one of them changed (in place, and by a
 * line more); TINY documents of one small object each, read cold and once more. Times are of this thread's processor, the least of several. */
#include <time.h>
#include <unistd.h>

#include "base/num.h"
#include "files/files.h"

enum { TRIES = 15 };

static double now_ms(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double resident_mb(void) {
    FILE *f = fopen("/proc/self/statm", "r");
    unsigned long all = 0, resident = 0;
    if (!f || fscanf(f, "%lu %lu", &all, &resident) != 2) resident = 0;
    if (f) fclose(f);
    return (double)resident * (double)sysconf(_SC_PAGESIZE) / 1e6;
}

static void write_routes(const char *path, uint64_t n, unsigned changed, bool longer) {
    FILE *f = fopen(path, "we");
    if (!f) abort();
    for (uint64_t i = 0; i < n; i++)
        fprintf(f,
                "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata:\n  name: "
                "route-%06llu\n"
                "  namespace: default\nspec:\n  parentRefs:\n  - name: gateway\n  hostnames:\n"
                "  - host-%llu.example.com\n  rules:\n  - matches:\n    - path:\n        type: PathPrefix\n"
                "        value: /%u\n%s    backendRefs:\n    - name: service-%llu\n      port: 80\n      "
                "weight: 1\n",
                (unsigned long long)i, (unsigned long long)i, i == n / 2 ? changed : 0,
                longer && i == n / 2 ? "    # a line more\n" : "", (unsigned long long)(i % 100));
    fclose(f);
}

static void write_tiny(const char *path, uint64_t n) {
    FILE *f = fopen(path, "we");
    if (!f) abort();
    for (uint64_t i = 0; i < n; i++)
        fprintf(f, "---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: n%llu\n", (unsigned long long)i);
    fclose(f);
}

struct bench {
    struct files *files;
    struct store *store;
    const char *path;
};

static double read_once(struct bench *b, double *ret_wall) {
    OWNED(arena) a = arena_new();
    struct findings found;
    struct files_work work;
    finding_init(&found, a);
    files_mark(b->files, str_of(b->path));
    double wall = now_ms(CLOCK_MONOTONIC), cpu = now_ms(CLOCK_THREAD_CPUTIME_ID);
    files_read(b->files, b->store, &found, &work);
    cpu = now_ms(CLOCK_THREAD_CPUTIME_ID) - cpu;
    *ret_wall = now_ms(CLOCK_MONOTONIC) - wall;
    printf("    decoded %u, changed %u, findings %u: %.1f ms of processor, %.1f ms\n", work.documents_decoded,
           work.objects_changed, found.n, cpu, *ret_wall);
    size_t n;
    OWNED(arena) changes = arena_new();
    (void)store_changes(b->store, changes, &n);
    return cpu;
}

static void begin(struct bench *b, const char *path) {
    struct files_root root = {path, NULL};
    *b = (struct bench){files_new(&(struct files_config){.roots = &root, .roots_n = 1}), store_new(), path};
}

static void end(struct bench *b) {
    files_free(b->files);
    store_free(b->store);
    unlink(b->path);
}

static void bench_routes(const char *path, uint64_t n) {
    struct bench b;
    double wall, least = 1e9, least_wall = 1e9, longer = 1e9;
    write_routes(path, n, 0, false);
    begin(&b, path);
    printf("%llu routes in one file, cold:\n", (unsigned long long)n);
    read_once(&b, &wall);
    printf("  resident %.0f MB; one changed:\n", resident_mb());
    for (unsigned i = 1; i <= TRIES; i++) {
        write_routes(path, n, i % 10, false);
        double cpu = read_once(&b, &wall);
        if (cpu < least) least = cpu;
        if (wall < least_wall) least_wall = wall;
    }
    printf("  one changed by a line more or less:\n");
    for (unsigned i = 1; i <= TRIES; i++) {
        write_routes(path, n, 0, i % 2);
        double cpu = read_once(&b, &wall);
        if (cpu < longer) longer = cpu;
    }
    printf("  least: %.1f ms of processor (%.1f ms), with a line more %.1f ms\n", least, least_wall, longer);
    end(&b);
}

static void bench_tiny(const char *path, uint64_t n) {
    struct bench b;
    double wall;
    write_tiny(path, n);
    begin(&b, path);
    printf("%llu tiny documents in one file, cold:\n", (unsigned long long)n);
    read_once(&b, &wall);
    printf("  resident %.0f MB; again:\n", resident_mb());
    read_once(&b, &wall);
    end(&b);
}

int main(int argc, char **argv) {
    uint64_t routes = 100000, tiny = 1000000;
    if (argc > 1 && num_parse(str_of(argv[1]), 10000000, &routes) != OK) return 2;
    if (argc > 2 && num_parse(str_of(argv[2]), 10000000, &tiny) != OK) return 2;
    char path[] = "/tmp/files_bench_XXXXXX.yaml";
    int fd = mkstemps(path, 5);
    if (fd < 0) return 1;
    close(fd);
    if (routes) bench_routes(path, routes);
    if (tiny) bench_tiny(path, tiny);
    return 0;
}
