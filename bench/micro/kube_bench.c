/* SPDX-License-Identifier: Apache-2.0 */
/* kube_bench [--kubeconfig PATH] [--namespaces A,B] [--want-services] [--follow]: lists everything that concerns a gateway from a real API
 * server and says how long it took, what it cost and what came. Objects are kept in a store, as postern keeps them. */
#include <stdio.h>
#include <sys/resource.h>

#include "io/clock.h"
#include "io/log.h"
#include "kube/kube_source.h"
#include "store/store.h"

struct bench {
    struct loop loop;
    struct store *store;
    struct kube_source *source;
    uint64_t began_us;
    bool want, follow, wanted;
    unsigned puts, refused, removed, settled;
    size_t status_bytes;
};

static long memory_kb(const char *field) {
    char line[256];
    long kb = 0;
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, field, strlen(field)) == 0) kb = strtol(line + strlen(field), NULL, 10);
    if (f) fclose(f);
    return kb;
}

static void report(struct bench *b, const char *what) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    printf("%s ms=%llu cpu_ms=%ld pss_kb=%ld peak_kb=%ld put=%u refused=%u removed=%u status_bytes=%zu\n",
           what, (unsigned long long)(clock_monotonic_us() - b->began_us) / 1000,
           (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000,
           memory_kb("Pss:"), u.ru_maxrss, b->puts, b->refused, b->removed, b->status_bytes);
    fflush(stdout);
}

static void print_finding(const struct finding *f) {
    struct buf line;
    buf_init(&line, 4096);
    finding_print(&line, f);
    printf("  " STR_FMT "\n", STR_ARG(buf_str(&line)));
    buf_fini(&line);
}

static void on_batch(void *arg, struct kube_batch *batch) {
    struct bench *b = arg;
    for (struct kube_change *c = batch->first; c; c = c->next) {
        const char *kind = c->kind ? api_type_of(c->kind)->name : "";
        if (b->follow)
            printf("%d %s " STR_FMT "/" STR_FMT "\n", (int)c->what, kind, STR_ARG(c->ns), STR_ARG(c->name));
        for (const struct finding *f = c->findings; f; f = f->next) print_finding(f);
        b->status_bytes += c->status.n;
        if (c->what == KUBE_CHANGE_PUT) b->puts++, store_put(b->store, TAKE(c->object));
        if (c->what == KUBE_CHANGE_REFUSED) b->refused++;
        if (c->what == KUBE_CHANGE_REMOVE) b->removed++, store_remove(b->store, c->kind, c->ns, c->name);
        if (c->what == KUBE_CHANGE_SETTLED) {
            report(b, "settled");
            if (!b->follow) loop_stop(&b->loop);
        }
    }
    kube_batch_free(batch);
}

/* What the routes that came would name is not known here: one Service a route, as the benchmark's manifests have it. */
static void want_services(struct bench *b) {
    OWNED(arena) a = arena_new();
    size_t n, wants_n = 0;
    const struct object **routes = store_list(b->store, a, KIND_HTTP_ROUTE, &n);
    struct kube_want *wants = arena_array(a, struct kube_want, n + 1);
    for (size_t i = 0; i < n; i++)
        wants[wants_n++] = (struct kube_want){KIND_SERVICE, routes[i]->meta.ns, routes[i]->meta.name};
    kube_source_want(b->source, wants, wants_n, 1);
}

static void on_facts(void *arg, const struct kube_facts *f) {
    struct bench *b = arg;
    if (!f->complete || b->wanted) return;
    b->wanted = true;
    printf("server=%s bundle=%s channel=%s\n", f->server_version, f->bundle_version, f->channel);
    for (enum api_kind k = KIND_NONE + 1; k < KIND_COUNT; k++)
        printf("  %s presence=%d version=%s objects=%zu %s\n", api_type_of(k)->name,
               (int)f->kinds[k].presence, f->kinds[k].version, store_count(b->store, k), f->kinds[k].message);
    report(b, "complete");
    if (b->want)
        want_services(b);
    else if (!b->follow)
        loop_stop(&b->loop);
}

int main(int argc, char **argv) {
    struct bench b = {.began_us = clock_monotonic_us(), .store = store_new()};
    struct kube_config_options o = {0};
    struct kube_source_config c = {.on_batch = on_batch, .on_facts = on_facts, .arg = &b};
    str namespaces[64];
    log_set_level(LOG_INFO);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--follow") == 0) b.follow = true;
        if (strcmp(argv[i], "--want-services") == 0) b.want = true;
        if (strcmp(argv[i], "--debug") == 0) log_set_level(LOG_DEBUG);
        if (strcmp(argv[i], "--kubeconfig") == 0 && i + 1 < argc) o.kubeconfig = argv[++i];
        if (strcmp(argv[i], "--namespaces") == 0 && i + 1 < argc) {
            str rest = str_of(argv[++i]);
            while (rest.p && c.namespaces_n < COUNT_OF(namespaces))
                namespaces[c.namespaces_n++] = str_cut(&rest, ',');
            c.namespaces = namespaces;
        }
    }
    struct kube_config *config;
    struct kube_client *client;
    struct buf why;
    buf_init(&why, 4096);
    loop_init(&b.loop);
    bool ok =
        kube_config_load(&o, &config, &why) == OK && kube_client_new(&b.loop, config, &client, &why) == OK;
    if (why.n) fprintf(stderr, STR_FMT "\n", STR_ARG(buf_str(&why)));
    if (ok) {
        b.source = kube_source_new(client, &c);
        loop_run(&b.loop, NULL, NULL);
        kube_source_free(b.source);
        kube_client_free(client);
    }
    loop_fini(&b.loop);
    buf_fini(&why);
    store_free(b.store);
    return ok ? 0 : 1;
}
