/* SPDX-License-Identifier: Apache-2.0 */
/* What is around the worker: manifests that change, tables made of them, what comes home, the end. */
#include <stdlib.h>
#include <unistd.h>

#include "api/api.h"
#include "base/num.h"
#include "http/access_format.h"
#include "io/sock.h"
#include "sim.h"
#include "sim_cert.h"
#include "text/yaml.h"

enum { NOW_S = 1800000000, TEXT_BYTES_MAX = 1 << 16, QUIET_US = 400000000, DRAIN_US = 20000000 };

/* ---- manifests ---- */

static void put(struct sim *s, struct buf *text) {
    OWNED(arena) a = arena_new();
    struct findings findings;
    finding_init(&findings, a);
    str rest = buf_str(text), doc, message;
    uint32_t line = 1, doc_line, at_line, at_column;
    while (yaml_next_document(&rest, &line, &doc, &doc_line)) {
        struct node *n = NULL;
        struct object *o = NULL;
        if (yaml_parse(a, doc, doc_line, &n, &message, &at_line, &at_column) != OK)
            fake_fail("the manifests are no YAML: " STR_FMT, STR_ARG(message));
        if (!n) continue;
        if (api_decode(a, n, S("sim"), &findings, &o) != OK || findings.first)
            fake_fail("a manifest is refused: " STR_FMT "\n" STR_FMT, STR_ARG(findings.first->message),
                      STR_ARG(doc));
        store_put(s->pipeline.store, o);
    }
    buf_fini(text);
}

static void add_slice(struct buf *b, uint8_t backend, uint32_t endpoints) {
    buf_printf(b,
               "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
               "metadata: {name: %c, namespace: default, labels: {kubernetes.io/service-name: %c}}\n"
               "addressType: IPv4\nports: [{port: 8080}]\nendpoints:\n",
               'a' + backend, 'a' + backend);
    if (!endpoints) {
        b->n -= 1;
        buf_add(b, S(" []\n"));
    }
    for (uint32_t i = 0; i < SIM_ENDPOINTS; i++)
        if (endpoints & 1u << i) buf_printf(b, "- addresses: [\"10.0.%u.%u\"]\n", backend, i + 1);
}

static void add_service(struct buf *b, uint8_t backend, bool h2c) {
    buf_printf(b,
               "---\napiVersion: v1\nkind: Service\nmetadata: {name: %c, namespace: default}\n"
               "spec: {ports: [{port: 80, targetPort: 8080%s}]}\n",
               'a' + backend, h2c ? ", appProtocol: kubernetes.io/h2c" : "");
}

static void roll_route(struct sim_route *r) {
    r->timeouts = fake_one_in(2);
    r->retries = fake_one_in(3);
    r->mirrors = fake_one_in(4);
    r->redirects = fake_one_in(8);
    r->asks = fake_one_in(4);
    r->shows = r->asks && fake_one_in(2);
    if (r->asks)
        r->ever_asks = true;
    else
        r->never_asks = true;
    r->ever_shows |= r->shows;
    if (r->timeouts)
        r->ever_timeouts = true;
    else
        r->never_timeouts = true;
    r->ever_retries |= r->retries, r->ever_mirrors |= r->mirrors, r->ever_redirects |= r->redirects;
    r->ever_backend |= !r->redirects;
}

static void add_route(struct buf *b, unsigned i, struct sim_route *r) {
    roll_route(r);
    buf_printf(b,
               "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n"
               "metadata: {name: r%u, namespace: default}\nspec:\n  parentRefs: [{name: gw}]\n  rules:\n"
               "  - matches: [{path: {value: /r%u}}]\n",
               i, i);
    if (r->redirects) {
        buf_add(b, S("    filters: [{type: RequestRedirect, requestRedirect: {statusCode: 302, hostname: "
                     "x.example}}]\n"));
        return;
    }
    if (r->timeouts) buf_add(b, S("    timeouts: {request: 6s, backendRequest: 2s}\n"));
    if (r->retries)
        buf_printf(b, "    retry: {codes: [503, 502], attempts: %u, backoff: 20ms}\n", 1 + fake_below(3));
    if (r->mirrors || r->asks) buf_add(b, S("    filters:\n"));
    if (r->mirrors)
        buf_printf(
            b,
            "    - {type: RequestMirror, requestMirror: {backendRef: {name: %c, port: 80}, percent: %u}}\n",
            'a' + SIM_MIRROR, fake_one_in(2) ? 100 : 50);
    if (r->asks)
        buf_printf(
            b,
            "    - {type: ExternalAuth, externalAuth: {protocol: HTTP, backendRef: {name: %c, port: 80}, "
            "http: {path: /check, allowedHeaders: [X-Sim]}%s}}\n",
            'a' + SIM_AUTH, r->shows ? ", forwardBody: {maxSize: 4096}" : "");
    buf_printf(b, "    backendRefs: [{name: %c, port: 80, weight: %u}, {name: %c, port: 80, weight: 2}]\n",
               'a' + i % 3, fake_below(4), 'a' + (i + 1) % 3);
}

static void add_settings(struct sim *s, struct buf *b) {
    uint32_t idle_s = fake_one_in(2) ? 20 : 3600;
    s->limited = fake_one_in(4), s->budgeted = fake_one_in(4);
    s->tunnel_idle_us = idle_s * UINT64_C(1000000);
    buf_printf(b,
               "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: default}\ndata:\n"
               "  timeouts.upgradedIdle: %us\n",
               idle_s);
    if (s->proxied) buf_add(b, S("  proxyProtocol: Required\n"));
    if (s->limited)
        buf_printf(b, "  limits.backendConnections: \"%u\"\n  limits.backendWaiting: \"%u\"\n",
                   1 + fake_below(3), fake_one_in(2) ? 1000 : fake_below(3));
    if (fake_one_in(3))
        buf_printf(b, "  ejection.failures: \"%u\"\n  ejection.statuses: \"%u\"\n  ejection.time: 300ms\n",
                   fake_below(3), fake_below(3));
    if (s->budgeted)
        buf_add(
            b,
            S("---\napiVersion: gateway.networking.x-k8s.io/v1alpha1\nkind: XBackendTrafficPolicy\n"
              "metadata: {name: budget, namespace: default}\nspec:\n"
              "  targetRefs: [{group: \"\", kind: Service, name: a}, {group: \"\", kind: Service, name: b}]\n"
              "  retryConstraint: {budget: {percent: 20, interval: 10s}, minRetryRate: {count: 1}}\n"));
}

static void first_manifests(struct sim *s) {
    struct buf b;
    buf_init(&b, TEXT_BYTES_MAX);
    buf_add(&b, S("apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: postern}\n"
                  "spec: {controllerName: postern.dev/gateway-controller}\n---\n"
                  "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: gw, namespace: "
                  "default}\n"
                  "spec:\n  gatewayClassName: postern\n  infrastructure: {parametersRef: {group: \"\", kind: "
                  "ConfigMap, name: "
                  "settings}}\n  listeners:\n  - {name: http, port: 80, protocol: HTTP}\n"
                  "  - {name: https, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: "
                  "cert}]}}\n" SIM_CERT));
    add_settings(s, &b);
    for (uint8_t i = 0; i < SIM_BACKENDS; i++) {
        s->h2c[i] = fake_one_in(3);
        s->connects[i] = fake_one_in(2);
        add_service(&b, i, s->h2c[i]);
        add_slice(&b, i, 1 + fake_below((1u << SIM_ENDPOINTS) - 1));
    }
    for (unsigned i = 0; i < SIM_ROUTES; i++) add_route(&b, i, &s->routes[i]);
    put(s, &b);
}

/* ---- tables ---- */

struct outgoing {
    struct worker_table m;
};

static void on_adopted(struct worker_table *m, void *home) {
    (void)m;
    ((struct sim *)home)->adopted++;
}

static void on_released(struct worker_table *m, void *home) {
    struct sim *s = home;
    s->released++;
    if (m->t != s->pipeline.table) pipeline_release(&s->pipeline, m->t);
    free(container_of(m, struct outgoing, m));
}

static void on_buried(struct worker_grave *m, void *home) {
    compile_buried(((struct sim *)home)->pipeline.compiler, m->owner);
    free(m);
}

static void bury(struct sim *s) {
    for (struct compile_grave *g; (g = compile_retired(s->pipeline.compiler));) {
        struct worker_grave *m = base_zalloc(sizeof *m);
        *m = (struct worker_grave){.n = g->n, .rule_slots = g->rule_slots, .owner = g, .done = on_buried};
        worker_post_grave(s->worker, m);
    }
}

static void publish(struct sim *s) {
    struct table *before = NULL;
    if (!pipeline_pass(&s->pipeline, NOW_S, 1, &before)) return;
    struct outgoing *o = base_zalloc(sizeof *o);
    o->m = (struct worker_table){.t = s->pipeline.table, .adopted = on_adopted, .released = on_released};
    worker_post_table(s->worker, &o->m);
    s->published++;
    bury(s);
}

static void on_change(struct fake_event *e) {
    struct sim *s = container_of(e, struct sim, change);
    if (s->ending) return;
    struct buf b;
    buf_init(&b, TEXT_BYTES_MAX);
    unsigned at = fake_below(SIM_ROUTES);
    if (fake_one_in(2))
        add_slice(&b, (uint8_t)fake_below(SIM_BACKENDS), fake_below(1u << SIM_ENDPOINTS));
    else
        add_route(&b, at, &s->routes[at]);
    put(s, &b);
    fake_trace("the manifests change");
    publish(s);
    if (--s->changes_left) fake_in(e, fake_below(2000000));
}

/* ---- the log ---- */

static uint64_t number(str s) {
    uint64_t v = 0;
    if (num_parse(s, UINT64_MAX, &v) != OK)
        fake_fail("the access log has \"" STR_FMT "\" for a number", STR_ARG(s));
    return v;
}

static void take_line(struct sim *s, str line) {
    fake_trace("access " STR_FMT, STR_ARG(line));
    str id = str_cut(&line, ' ');
    if (str_eq(id, S("-"))) {
        str_cut(&line, ' '); /* who fails to shake hands has asked for nothing */
        if (!str_eq(str_cut(&line, ' '), http_reason_name(REASON_TLS_HANDSHAKE))) s->lines_without++;
        return;
    }
    struct sim_request *q = &s->requests[number(id) - 1];
    q->lines++;
    q->line_at_us = fake_now->now_us;
    q->line_status = (uint16_t)number(str_cut(&line, ' '));
    str reason = str_cut(&line, ' ');
    for (int i = 0; i < HTTP_REASON_COUNT; i++)
        if (str_eq(reason, http_reason_name((enum http_reason)i))) q->line_reason = (enum http_reason)i;
    q->line_attempts = number(str_cut(&line, ' '));
    q->line_in = number(str_cut(&line, ' '));
    q->line_out = number(str_cut(&line, ' '));
    q->line_us = number(line);
}

static void take_log(struct sim *s) {
    char bytes[8192];
    for (size_t n; (n = worker_access_take(s->worker, bytes, sizeof bytes));)
        buf_add(&s->log, (str){bytes, n});
    for (size_t n; (n = str_find(buf_str(&s->log), '\n')) < s->log.n; buf_consume(&s->log, n + 1))
        take_line(s, str_upto(buf_str(&s->log), n));
}

/* ---- home ---- */

static void on_socket(struct worker_socket *m, void *home) {
    (void)home;
    free(m);
}

static void on_drained(struct worker_drain *m, void *home) {
    ((struct sim *)home)->drained = true;
    free(m);
}

static void on_end(struct fake_event *e) {
    struct sim *s = container_of(e, struct sim, end);
    struct worker_drain *m = base_zalloc(sizeof *m);
    if (!s->drain_early) { /* it had time to come to rest */
        const struct worker_stats *st = worker_stats(s->worker);
        if (stats_get(&st->connections_open)) fake_fail("connections of clients are open");
        if (stats_get(&st->requests_open)) fake_fail("requests are open");
        if (stats_get(&st->upstream_idle)) fake_fail("connections to backends are still idle");
        if (stats_get(&st->tunnels_open)) fake_fail("tunnels are open");
    }
    *m = (struct worker_drain){.deadline_us = fake_now->now_us + fake_below(DRAIN_US), .done = on_drained};
    worker_post_drain(s->worker, m);
    fake_trace("drain");
    s->ending = true;
}

void sim_client_done(void) {
    struct sim *s = sim_now;
    if (--s->clients_open || s->ending) return;
    fake_in(&s->end, s->bad.drains ? fake_below(1000000) : QUIET_US);
    s->bad.drains = false;
}

static void listen_now(struct sim *s) {
    const struct table_socket *v;
    struct ip any = {0};
    if (table_sockets(s->pipeline.table, &v) != 2) fake_fail("there are not two sockets");
    for (int i = 0; i < 2; i++) {
        uint16_t port = v[i].port;
        int *fd = port == SIM_PORT ? &s->listener : &s->tls_listener;
        if (sock_listen(&any, port, 128, fd) != OK) fake_fail("it does not listen");
        struct worker_socket *m = base_zalloc(sizeof *m);
        *m = (struct worker_socket){.fd = *fd, .port_slot = v[i].slot, .done = on_socket};
        worker_post_socket(s->worker, m);
    }
    s->listens = true;
}

void sim_world_between(void *arg) {
    struct sim *s = arg;
    uint64_t n;
    if (read(s->home.event, &n, sizeof n) < 0) {}
    mailbox_deliver(&s->home);
    take_log(s);
    if (!s->listens && s->adopted) listen_now(s);
}

/* ---- begin and end ---- */

static uint64_t sum_tallies(const struct tally *t, uint64_t *ret_us) {
    uint64_t all = 0;
    for (uint32_t slot = 0; slot < t->n; slot++) {
        struct tally_block *b = atomic_load(&t->blocks[slot]);
        struct tally_reading r;
        if (!b || !tally_read(t, slot, atomic_load(&b->epoch), &r)) continue;
        for (uint32_t c = 0; c <= TALLY_CELLS; c++) *ret_us += r.sums_us[c];
        for (uint32_t c = 0; c <= TALLY_CELLS; c++)
            for (uint32_t i = 0; i <= TALLY_BUCKETS; i++) all += r.counts[c][i];
    }
    return all;
}

void sim_world_run(struct sim *s) {
    pipeline_init(&s->pipeline, S("postern.dev/gateway-controller"));
    s->pipeline.facts.serving = true;
    facts_set_bind(&s->pipeline.facts, S(""), SIM_PORT, FACT_TCP, true, S(""));
    facts_set_bind(&s->pipeline.facts, S(""), SIM_TLS_PORT, FACT_TCP, true, S(""));
    OWNED(arena) a = arena_new();
    enum access_form form;
    struct access_fault fault;
    struct worker_config c = {.home = &s->home, .tallies = TABLE_TALLY_FIRST + SIM_ROUTES};
    str text =
        S("%{request.header.x-sim} %{status} %{reason} %{attempts} %{bytes_in} %{bytes_out} %{total_us}");
    if (access_format_parse(a, text, &form, &c.access_program, &fault) != OK)
        fake_fail("the format is refused");
    c.access = form;
    compile_tally_limit(s->pipeline.compiler, SIM_ROUTES);
    buf_init(&s->log, 1 << 20);
    mailbox_init(&s->home, s);
    first_manifests(s);
    s->worker = worker_new(&c);
    s->change.run = on_change, s->end.run = on_end;
    publish(s);
    if (s->bad.changes) s->changes_left = 1 + fake_below(8), fake_in(&s->change, fake_below(3000000));
    if (s->bad.drains) fake_in(&s->end, 500000 + fake_below(4000000));
    worker_run(s->worker);
    sim_world_between(s);
    s->counts = *worker_stats(s->worker);
    s->tallied = sum_tallies(worker_tally(s->worker), &s->tallied_us);
    worker_free(s->worker);
    mailbox_deliver(&s->home);
    if (!s->drained || s->adopted != s->published || s->released != s->published)
        fake_fail("not all came home");
    mailbox_fini(&s->home);
    close(s->listener), close(s->tls_listener);
    fake_not(&s->change), fake_not(&s->end);
    fake_rest();
    if (s->kernel.files_n) fake_fail("%u descriptors are left open", s->kernel.files_n);
    if (s->kernel.tcps_open) fake_fail("%u connections hang in the air", (unsigned)s->kernel.tcps_open);
    pipeline_fini(&s->pipeline);
    buf_fini(&s->log);
}
