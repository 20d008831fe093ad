/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/metrics.h"

#include "admin/metrics_endpoints.h"
#include "admin/metrics_table.h"
#include "base/arena.h"
#include "base/map.h"
#include "http/http_msg.h"
#include "table/table.h"

enum {
    CELL_SERIES = TALLY_BUCKETS + 3, /* buckets, +Inf, sum, count */
    SINGLE_SERIES =
        2 + REASON_TLS_HANDSHAKE - 1, /* build_info, endpoints_other and reasons; the rows come to it */
    ENDPOINTS_SHARE = 5,              /* of what is left */
};

/* Combinations of one number that have a line of their own, from the first scrape that saw them: what was told apart once stays so. */
struct shown {
    char *route; /* NULL: of no route, or free */
    uint32_t epoch, keys_n, keys_cap;
    uint32_t *keys;
    bool closed; /* some have had no line of their own: what the line of all others shows must not go down */
};
struct metrics {
    uint32_t routes_max, keys_max, keys_n;
    struct shown *shown; /* by tally */
    struct metrics_endpoints *endpoints;
};

struct metrics *metrics_new(uint32_t series_max) {
    struct metrics *m = base_zalloc(sizeof *m);
    size_t rows;
    metrics_table_rows(&rows);
    size_t always = rows + SINGLE_SERIES;
    uint32_t left = series_max > always ? (uint32_t)(series_max - always) : 0;
    uint32_t places = left / ENDPOINTS_SHARE / METRICS_ENDPOINTS_SERIES;
    uint32_t cells = (left - places * METRICS_ENDPOINTS_SERIES) / CELL_SERIES;
    assert(cells > 2 * TABLE_TALLY_FIRST); /* METRICS_SERIES_MIN is enough */
    /* Each number may need a cell for what has none of its own; the others are for whoever comes first. */
    m->routes_max = cells / 2 - TABLE_TALLY_FIRST;
    m->keys_max = cells - m->routes_max - TABLE_TALLY_FIRST;
    m->shown = base_zalloc((m->routes_max + TABLE_TALLY_FIRST) * sizeof *m->shown);
    m->shown[TABLE_TALLY_NONE].epoch = m->shown[TABLE_TALLY_OTHER].epoch = 1;
    m->shown[TABLE_TALLY_OTHER].route = str_dup(S("other"));
    m->endpoints = metrics_endpoints_new(places);
    return m;
}

static void forget(struct metrics *m, struct shown *s) {
    m->keys_n -= s->keys_n;
    free(s->route);
    free(s->keys);
    *s = (struct shown){0};
}

void metrics_free(struct metrics *m) {
    if (!m) return;
    for (uint32_t i = 0; i < m->routes_max + TABLE_TALLY_FIRST; i++) forget(m, &m->shown[i]);
    free(m->shown);
    metrics_endpoints_free(m->endpoints);
    free(m);
}

uint32_t metrics_routes_max(const struct metrics *m) { return m->routes_max; }

/* A route that was deleted and comes again may have another number, while requests of before still hold the first: that one is not shown. */
void metrics_name(struct metrics *m, uint32_t tally, uint32_t epoch, str route) {
    assert(tally >= TABLE_TALLY_FIRST && tally - TABLE_TALLY_FIRST < m->routes_max);
    for (uint32_t i = TABLE_TALLY_FIRST; route.p && i < m->routes_max + TABLE_TALLY_FIRST; i++)
        if (m->shown[i].route && str_eq(str_of(m->shown[i].route), route)) forget(m, &m->shown[i]);
    struct shown *s = &m->shown[tally];
    forget(m, s);
    if (route.p) s->route = str_dup(route), s->epoch = epoch;
}

/* ---- the forms ---- */

/* "q=0.5" as thousandths; 1000 when there is none. */
static unsigned quality_of(str parameters) {
    while (parameters.n) {
        str p = str_trim(str_cut(&parameters, ';')), name = str_trim(str_cut(&p, '='));
        if (!str_ieq(name, S("q")) || !p.n) continue;
        unsigned q = p.p[0] == '1' ? 1000 : 0, digit = 100;
        for (size_t i = 2; i < p.n && digit && p.p[i] >= '0' && p.p[i] <= '9' && q < 1000; i++, digit /= 10)
            q += (unsigned)(p.p[i] - '0') * digit;
        return q;
    }
    return 1000;
}

/* Of "version=", the one that is written here, or any. */
static bool is_version(str parameters, str wanted) {
    while (parameters.n) {
        str p = str_trim(str_cut(&parameters, ';')), name = str_trim(str_cut(&p, '='));
        if (str_ieq(name, S("version"))) return str_eq(str_trim(p), wanted);
    }
    return true;
}

enum metrics_form metrics_form_of(str accept) {
    unsigned open = 0, plain = 0;
    while (accept.n) {
        str parameters = str_cut(&accept, ','), type = str_trim(str_cut(&parameters, ';'));
        unsigned q = quality_of(parameters);
        if (str_ieq(type, S("application/openmetrics-text")) && is_version(parameters, S("1.0.0")) &&
            q > open)
            open = q;
        if (str_ieq(type, S("text/plain")) && q > plain) plain = q;
    }
    return open && open >= plain ? METRICS_OPENMETRICS : METRICS_PROMETHEUS;
}

str metrics_content_type(enum metrics_form f) {
    return f == METRICS_OPENMETRICS ? S("application/openmetrics-text; version=1.0.0; charset=utf-8")
                                    : S("text/plain; version=0.0.4; charset=utf-8");
}

/* ---- what is always there ---- */

struct page {
    struct buf *b;
    enum metrics_form form;
    const struct metrics_worker *workers;
    size_t workers_n;
};

/* In OpenMetrics a counter's family has no _total, which its sample has. */
static void head(const struct page *p, const char *name, const char *type, const char *help) {
    str family = str_of(name);
    if (p->form == METRICS_OPENMETRICS && str_ends(family, S("_total"))) family.n -= S("_total").n;
    buf_printf(p->b, "# HELP " STR_FMT " %s\n# TYPE " STR_FMT " %s\n", STR_ARG(family), help, STR_ARG(family),
               type);
}

static uint64_t sum(const struct page *p, size_t offset) {
    uint64_t v = 0;
    for (size_t i = 0; i < p->workers_n; i++)
        v += stats_get((const void *)((const char *)p->workers[i].stats + offset));
    return v;
}

static void print_rows(const struct page *p, const struct metrics_gauges *g) {
    size_t n;
    const struct metrics_row *rows = metrics_table_rows(&n);
    for (const struct metrics_row *r = rows; r < rows + n; r++) {
        if (r->help) head(p, r->name, r->type == METRICS_COUNTER ? "counter" : "gauge", r->help);
        uint64_t v = r->source == METRICS_WORKERS
                         ? sum(p, r->offset)
                         : *(const uint64_t *)(const void *)((const char *)g + r->offset);
        const char *open = r->labels[0] ? "{" : "", *close = r->labels[0] ? "}" : "";
        buf_printf(p->b, "%s%s%s%s %llu\n", r->name, open, r->labels, close, (unsigned long long)v);
    }
}

/* Why requests ended, for those that this gateway answered itself or that broke: the backend's own answers are responses_total. */
static void print_reasons(const struct page *p) {
    head(p, "postern_reasons_total", "counter", "Requests that a backend did not answer in full, by reason.");
    for (int i = REASON_NONE + 1; i < REASON_TLS_HANDSHAKE;
         i++) { /* that is of no request, and has a counter of its own */
        uint64_t v = sum(p, offsetof(struct worker_stats, reasons) + sizeof(stats_counter) * (size_t)i);
        buf_printf(p->b, "postern_reasons_total{reason=\"" STR_FMT "\"} %llu\n",
                   STR_ARG(http_reason_name((enum http_reason)i)), (unsigned long long)v);
    }
}

/* ---- requests by route ---- */

struct sums {
    uint64_t counts[TALLY_BUCKETS + 1], sum_us;
};

static void add_cell(struct sums *to, const struct tally_reading *r, uint32_t i) {
    for (unsigned k = 0; k <= TALLY_BUCKETS; k++) to->counts[k] += r->counts[i][k];
    to->sum_us += r->sums_us[i];
}

/* The line of a combination; keys_n: there is none of its own. A cell whose first count is on its way has nothing to show yet. */
static uint32_t line_of(struct metrics *m, struct shown *s, uint32_t key) {
    for (uint32_t i = 0; i < s->keys_n; i++)
        if (s->keys[i] == key) return i;
    s->closed |= m->keys_n == m->keys_max || s->keys_n == TALLY_CELLS;
    if (s->closed) return UINT32_MAX;
    if (s->keys_n == s->keys_cap)
        s->keys = base_realloc(s->keys, (s->keys_cap = s->keys_cap ? s->keys_cap * 2 : 2) * sizeof *s->keys);
    m->keys_n++;
    s->keys[s->keys_n] = key;
    return s->keys_n++;
}

/* Seconds from microseconds, exactly. */
static void add_seconds(struct buf *b, uint64_t us) {
    buf_printf(b, "%llu.%06llu", (unsigned long long)(us / 1000000), (unsigned long long)(us % 1000000));
}

/* A bound as both forms write it: "0.001", "1.0". */
static void add_bound(struct buf *b, uint32_t us) {
    add_seconds(b, us);
    while (b->n > 1 && b->p[b->n - 1] == '0' && b->p[b->n - 2] != '.') b->n--;
}

static const char histogram[] = "http_server_request_duration_seconds";

static void add_labels(struct buf *b, const struct shown *s, uint32_t key) {
    struct tally_labels l = tally_labels(key);
    str method = http_method_name((enum http_method)l.method_id);
    buf_add_char(b, '{');
    if (s->route) buf_printf(b, "route=\"%s\",", s->route);
    if (!key || !method.n) method = S("_OTHER"); /* [OpenTelemetry HTTP http.request.method] */
    buf_printf(b, "http_request_method=\"" STR_FMT "\"", STR_ARG(method));
    if (!key) return;
    if (l.status) buf_printf(b, ",http_response_status_code=\"%u\"", l.status);
    buf_printf(b, ",url_scheme=\"%s\"", l.tls ? "https" : "http");
    if (l.reason != REASON_NONE)
        buf_printf(b, ",error_type=\"" STR_FMT "\"", STR_ARG(http_reason_name(l.reason)));
}

static void print_cell(const struct page *p, const struct shown *s, uint32_t key, const struct sums *v,
                       struct buf *labels) {
    uint64_t so_far = 0;
    buf_clear(labels);
    add_labels(labels, s, key);
    for (size_t k = 0; k <= TALLY_BUCKETS; k++) {
        so_far += v->counts[k];
        buf_printf(p->b, "%s_bucket" STR_FMT ",le=\"", histogram, STR_ARG(buf_str(labels)));
        if (k < TALLY_BUCKETS)
            add_bound(p->b, tally_bounds_us[k]);
        else
            buf_add(p->b, S("+Inf"));
        buf_printf(p->b, "\"} %llu\n", (unsigned long long)so_far);
    }
    buf_printf(p->b, "%s_sum" STR_FMT "} ", histogram, STR_ARG(buf_str(labels)));
    add_seconds(p->b, v->sum_us);
    buf_printf(p->b, "\n%s_count" STR_FMT "} %llu\n", histogram, STR_ARG(buf_str(labels)),
               (unsigned long long)so_far);
}

static void print_route(struct metrics *m, const struct page *p, uint32_t tally, struct buf *labels) {
    struct shown *s = &m->shown[tally];
    struct sums lines[TALLY_CELLS] = {0}, rest = {0};
    uint64_t rest_n = 0;
    for (size_t w = 0; w < p->workers_n; w++) {
        struct tally_reading r;
        if (!tally_read(p->workers[w].tally, tally, s->epoch, &r)) continue;
        for (uint32_t i = 0; i < r.keys_n; i++) {
            uint32_t line = line_of(m, s, r.keys[i]);
            add_cell(line == UINT32_MAX ? &rest : &lines[line], &r, i);
        }
        add_cell(&rest, &r, TALLY_CELLS);
    }
    for (uint32_t i = 0; i < s->keys_n; i++) print_cell(p, s, s->keys[i], &lines[i], labels);
    for (unsigned k = 0; k <= TALLY_BUCKETS; k++) rest_n += rest.counts[k];
    if (rest_n) print_cell(p, s, 0, &rest, labels);
}

static void head_of(const void *page, const char *name, const char *type, const char *help) {
    head(page, name, type, help);
}

static void print_endpoints(struct metrics *m, const struct page *p) {
    const struct census **all = base_zalloc((p->workers_n + 1) * sizeof *all);
    for (size_t i = 0; i < p->workers_n; i++) all[i] = p->workers[i].census;
    metrics_endpoints_take(m->endpoints, all, p->workers_n);
    metrics_endpoints_print(m->endpoints, p->b, head_of, p);
    free(all);
}

void metrics_print(struct metrics *m, struct buf *b, enum metrics_form form,
                   const struct metrics_worker *workers, size_t workers_n, const struct metrics_gauges *g) {
    struct page p = {b, form, workers, workers_n};
    struct buf labels;
    buf_init(&labels, 2048);
    head(&p, "postern_build_info", "gauge", "The version of this program.");
    buf_printf(b, "postern_build_info{version=\"%s\"} 1\n", POSTERN_VERSION);
    print_rows(&p, g);
    print_reasons(&p);
    print_endpoints(m, &p);
    head(&p, histogram, "histogram",
         "From the arrival of a request's head to the last byte of its response.");
    for (uint32_t i = 0; i < m->routes_max + TABLE_TALLY_FIRST; i++)
        if (m->shown[i].epoch) print_route(m, &p, i, &labels);
    if (form == METRICS_OPENMETRICS) buf_add(b, S("# EOF\n"));
    buf_fini(&labels);
}
