/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/metrics_endpoints.h"

#include "base/map.h"

struct row { /* an endpoint of a backend, in all workers */
    struct census_endpoint sum;
    str key;
    bool placed;
};
struct metrics_endpoints {
    uint32_t places;
    char **placed; /* keys; NULL: free */
    uint32_t placed_n;
    struct arena *arena; /* of what follows: the last taking */
    struct row *rows;
    size_t n, cap;
    uint32_t others; /* had requests, and have no place */
};

struct metrics_endpoints *metrics_endpoints_new(uint32_t places) {
    struct metrics_endpoints *m = base_zalloc(sizeof *m);
    m->places = places;
    m->placed = base_zalloc((places + 1) * sizeof *m->placed);
    m->arena = arena_new();
    return m;
}

void metrics_endpoints_free(struct metrics_endpoints *m) {
    if (!m) return;
    for (uint32_t i = 0; i < m->places; i++) free(m->placed[i]);
    free(m->placed);
    free(m->rows);
    arena_free(m->arena);
    free(m);
}

/* ---- what the workers know ---- */

/* As its labels have it. */
static str key_of(struct arena *a, const struct census_endpoint *e) {
    struct buf b;
    buf_init(&b, 1024);
    buf_printf(&b, "backend=\"" STR_FMT "\",endpoint=\"", STR_ARG(e->backend));
    ip_print_port(&b, &e->ip, e->port);
    buf_add_char(&b, '"');
    str s = arena_str(a, buf_str(&b));
    buf_fini(&b);
    return s;
}

static void add(struct census_endpoint *to, const struct census_endpoint *e) {
    to->requests += e->requests;
    for (int i = 0; i < HEALTH_FAULT_COUNT; i++) to->failures[i] += e->failures[i];
    to->open += e->open, to->conns += e->conns, to->waiting += e->waiting;
}

static void take_one(struct metrics_endpoints *m, struct map *known, const struct census_endpoint *e) {
    str key = key_of(m->arena, e);
    size_t at = (size_t)(uintptr_t)map_get(known, key);
    if (at) {
        add(&m->rows[at - 1].sum, e);
        return;
    }
    if (m->n == m->cap)
        m->rows = base_realloc(m->rows, (m->cap = m->cap ? m->cap * 2 : 64) * sizeof *m->rows);
    m->rows[m->n] = (struct row){.sum = *e, .key = key};
    m->rows[m->n].sum.backend = arena_str(m->arena, e->backend);
    map_put(known, key, (void *)(uintptr_t)++m->n);
}

/* Whoever has a place keeps it while it is there. */
static void keep_places(struct metrics_endpoints *m, const struct map *known) {
    for (uint32_t i = 0; i < m->places; i++) {
        if (!m->placed[i]) continue;
        size_t at = (size_t)(uintptr_t)map_get(known, str_of(m->placed[i]));
        if (at) {
            m->rows[at - 1].placed = true;
            continue;
        }
        free(TAKE(m->placed[i]));
        m->placed_n--;
    }
}

static void give_places(struct metrics_endpoints *m) {
    uint32_t next = 0;
    for (size_t i = 0; i < m->n; i++) {
        struct row *r = &m->rows[i];
        if (r->placed || !r->sum.requests) continue;
        if (m->placed_n == m->places) {
            m->others++;
            continue;
        }
        while (m->placed[next]) next++;
        m->placed[next] = str_dup(r->key);
        m->placed_n++;
        r->placed = true;
    }
}

void metrics_endpoints_take(struct metrics_endpoints *m, const struct census *const *all, size_t n) {
    struct map known;
    map_init(&known);
    arena_reset(m->arena);
    m->n = 0, m->others = 0;
    for (size_t w = 0; w < n; w++) {
        for (uint32_t i = 0; all[w] && i < all[w]->n; i++) take_one(m, &known, &all[w]->v[i]);
        if (all[w]) m->others += all[w]->left_out;
    }
    keep_places(m, &known);
    give_places(m);
    map_fini(&known);
}

/* ---- the page ---- */

static void print_states(const struct metrics_endpoints *m, struct buf *b) {
    uint32_t without = 0;
    for (size_t i = 0; i < m->n; i++) {
        const struct row *r = &m->rows[i];
        const struct health_view *v = &r->sum.view;
        if (!r->placed && (v->state == HEALTH_SERVING || without++ >= m->places)) continue;
        buf_printf(b, "postern_endpoint_state{" STR_FMT ",state=\"" STR_FMT "\"", STR_ARG(r->key),
                   STR_ARG(health_view_state(v->state)));
        if (v->why.cause != HEALTH_BY_NONE)
            buf_printf(b, ",cause=\"" STR_FMT "\"",
                       STR_ARG(health_view_cause((enum health_cause)v->why.cause)));
        buf_add(b, S("} 1\n"));
    }
}

static void print_failures(struct buf *b, const struct row *r) {
    static const char *const why[] = {
        [HEALTH_UNREACHABLE] = "connect", [HEALTH_FAILURE] = "no_answer", [HEALTH_STATUS] = "5xx"};
    for (int i = 0; i < HEALTH_FAULT_COUNT; i++)
        buf_printf(b, "postern_endpoint_failures_total{" STR_FMT ",why=\"%s\"} %llu\n", STR_ARG(r->key),
                   why[i], (unsigned long long)r->sum.failures[i]);
}

static void print_figure(struct buf *b, const char *name, const struct row *r, uint64_t v) {
    buf_printf(b, "%s{" STR_FMT "} %llu\n", name, STR_ARG(r->key), (unsigned long long)v);
}

/* One line a backend that has an endpoint with a place. */
static void print_waiting(const struct metrics_endpoints *m, struct buf *b) {
    struct map seen;
    map_init(&seen);
    for (size_t i = 0; i < m->n; i++) {
        const struct row *r = &m->rows[i];
        if (!r->placed || map_put(&seen, r->sum.backend, b)) continue;
        buf_printf(b, "postern_backend_requests_waiting{backend=\"" STR_FMT "\"} %u\n",
                   STR_ARG(r->sum.backend), r->sum.waiting);
    }
    map_fini(&seen);
}

void metrics_endpoints_print(const struct metrics_endpoints *m, struct buf *b,
                             void (*head)(const void *arg, const char *name, const char *type,
                                          const char *help),
                             const void *arg) {
    const char *requests = "postern_endpoint_requests_total", *open = "postern_endpoint_requests_open",
               *conns = "postern_endpoint_connections_open";
    head(arg, "postern_endpoints_other", "gauge",
         "Endpoints that requests were sent to and that have no series of their own: --metrics-series may be "
         "raised.");
    buf_printf(b, "postern_endpoints_other %u\n", m->others);
    head(arg, "postern_endpoint_state", "gauge",
         "1, of how the endpoint stands now, and what for when it is not as it should be.");
    print_states(m, b);
    head(arg, requests, "counter", "Requests sent to the endpoint, tries, copies and checks among them.");
    for (size_t i = 0; i < m->n; i++)
        if (m->rows[i].placed) print_figure(b, requests, &m->rows[i], m->rows[i].sum.requests);
    head(arg, "postern_endpoint_failures_total", "counter",
         "Of these, those without a connection, without an answer, and with one of 500 and above.");
    for (size_t i = 0; i < m->n; i++)
        if (m->rows[i].placed) print_failures(b, &m->rows[i]);
    head(arg, open, "gauge", "Requests under way at the endpoint's address, of whichever backend.");
    for (size_t i = 0; i < m->n; i++)
        if (m->rows[i].placed) print_figure(b, open, &m->rows[i], m->rows[i].sum.open);
    head(arg, conns, "gauge", "Connections to the endpoint that are open or being made.");
    for (size_t i = 0; i < m->n; i++)
        if (m->rows[i].placed) print_figure(b, conns, &m->rows[i], m->rows[i].sum.conns);
    head(arg, "postern_backend_requests_waiting", "gauge",
         "Requests that wait for a connection to the backend now.");
    print_waiting(m, b);
}
