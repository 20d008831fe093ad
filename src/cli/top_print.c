/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/top_print.h"

#include <math.h>

#include "cli/paint.h"

enum column {
    COLUMN_RATE,
    COLUMN_ERRORS,
    COLUMN_P99,
    COLUMN_P50,
    COLUMN_CLIENT_ERRORS,
    COLUMN_P90,
    COLUMN_COUNT,
    COLUMNS
};
/* In the order in which they are given up, the last first; shown in the order of `places`. */
static const struct {
    const char *title;
    size_t width;
} columns[COLUMNS] = {
    [COLUMN_RATE] = {"REQ/S", 9},   [COLUMN_ERRORS] = {"ERR%", 7},        [COLUMN_P99] = {"P99", 9},
    [COLUMN_P50] = {"P50", 9},      [COLUMN_CLIENT_ERRORS] = {"4XX%", 7}, [COLUMN_P90] = {"P90", 9},
    [COLUMN_COUNT] = {"TOTAL", 12},
};
static const enum column places[] = {COLUMN_RATE, COLUMN_ERRORS, COLUMN_CLIENT_ERRORS, COLUMN_P50,
                                     COLUMN_P90,  COLUMN_P99,    COLUMN_COUNT};
enum { NAME_MIN = 16, NAME_WANTED = 24, NAME_MAX = 80, CELL_BYTES = 32 };

static void duration_text(char t[CELL_BYTES], double s) {
    if (s <= 0)
        snprintf(t, CELL_BYTES, "-");
    else if (isinf(s))
        snprintf(t, CELL_BYTES, "above");
    else if (s < 0.01)
        snprintf(t, CELL_BYTES, "%.2fms", s * 1000);
    else if (s < 1)
        snprintf(t, CELL_BYTES, "%.0fms", s * 1000);
    else
        snprintf(t, CELL_BYTES, "%.2fs", s);
}

static void share_text(char t[CELL_BYTES], double share) {
    if (share <= 0)
        snprintf(t, CELL_BYTES, "-");
    else
        snprintf(t, CELL_BYTES, share < 0.1 ? "%.2f" : "%.1f", share * 100);
}

static void cell_text(char t[CELL_BYTES], const struct top_rate *r, enum column c) {
    switch (c) {
    case COLUMN_RATE: snprintf(t, CELL_BYTES, r->per_s < 100 ? "%.1f" : "%.0f", r->per_s); break;
    case COLUMN_ERRORS: share_text(t, r->errors); break;
    case COLUMN_CLIENT_ERRORS: share_text(t, r->client_errors); break;
    case COLUMN_P50: duration_text(t, r->p50_s); break;
    case COLUMN_P90: duration_text(t, r->p90_s); break;
    case COLUMN_P99: duration_text(t, r->p99_s); break;
    case COLUMN_COUNT: snprintf(t, CELL_BYTES, "%llu", (unsigned long long)r->count); break;
    case COLUMNS: break;
    }
}

static str shown(str name) { return name.n ? name : S("(no route)"); }

/* How many columns fit beside a name; *ret_name: what is left for that. */
static size_t fitting(const struct top_rates *r, const struct top_view *v, size_t *ret_name) {
    size_t longest = NAME_MIN, width = 0, n = 0;
    for (size_t i = 0; i < r->n; i++)
        if (shown(r->v[i].name).n > longest) longest = shown(r->v[i].name).n;
    if (longest > NAME_MAX) longest = NAME_MAX;
    size_t need =
        longest < NAME_WANTED ? longest : NAME_WANTED; /* a column goes before a name is cut below that */
    while (n < COLUMNS && (!v->columns || width + columns[n].width + need <= v->columns))
        width += columns[n++].width;
    size_t left = v->columns ? v->columns - width : longest;
    *ret_name = left < longest ? left : longest;
    return n;
}

static void add_name(struct buf *b, str name, size_t width) {
    name = shown(name);
    if (name.n > width && width > 1) {
        name = str_from(name, name.n - width + 1);
        buf_add_char(b, '<');
        width--;
    }
    buf_printf(b, "%-*.*s", (int)width, (int)(name.n < width ? name.n : width), name.p);
}

static void add_row(struct buf *b, const struct top_rate *r, size_t n, size_t name, bool colour) {
    char text[CELL_BYTES];
    add_name(b, r->name, name);
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        enum column c = places[i];
        if (c >= n) continue;
        cell_text(text, r, c);
        str s = str_of(text);
        bool bad = c == COLUMN_ERRORS && r->errors > 0;
        buf_printf(b, "%*s", (int)(columns[c].width > s.n ? columns[c].width - s.n : 1), "");
        paint_add(b, colour, bad ? PAINT_RED : PAINT_PLAIN, s);
    }
    buf_add_char(b, '\n');
}

static void bytes_text(char t[CELL_BYTES], double v) {
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    size_t u = 0;
    while (v >= 1000 && u + 1 < COUNT_OF(units)) v /= 1000, u++;
    snprintf(t, CELL_BYTES, u && v < 100 ? "%.1f%s/s" : "%.0f%s/s", v, units[u]);
}

/* "ejected (5xx)" */
static void state_text(char t[CELL_BYTES], const struct top_endpoint *e) {
    str state = e->state.n ? e->state : S("serving");
    snprintf(t, CELL_BYTES, STR_FMT "%s" STR_FMT "%s", STR_ARG(state), e->cause.n ? " (" : "",
             STR_ARG(e->cause), e->cause.n ? ")" : "");
}

/* What there is room for, after the state: requests a second, of them failed, under way, connections. */
static void add_endpoint(struct buf *b, const struct top_endpoint_rate *r, size_t name, size_t state,
                         size_t n, bool colour) {
    char text[CELL_BYTES], cells[4][CELL_BYTES];
    OWNED(arena) a = arena_new();
    str whole = arena_printf(a, STR_FMT " " STR_FMT, STR_ARG(r->at->backend), STR_ARG(r->at->address));
    add_name(b, whole, name);
    state_text(text, r->at);
    bool serves = !r->at->state.n || str_eq(r->at->state, S("serving"));
    buf_add(b, S("  "));
    paint_add(b, colour, serves ? PAINT_PLAIN : PAINT_YELLOW, str_of(text));
    if (n) buf_printf(b, "%*s", (int)(state > strlen(text) ? state - strlen(text) : 0), "");
    snprintf(cells[0], CELL_BYTES, r->per_s < 100 ? "%.1f" : "%.0f", r->per_s);
    share_text(cells[1], r->failures);
    snprintf(cells[2], CELL_BYTES, "%llu", (unsigned long long)r->at->open);
    snprintf(cells[3], CELL_BYTES, "%llu", (unsigned long long)r->at->conns);
    for (size_t i = 0; i < n; i++) buf_printf(b, "%*s", i ? 7 : 9, cells[i]);
    buf_add_char(b, '\n');
}

/* So many rows at most; 0: all. */
static void add_endpoints(struct buf *b, const struct top_page *p, const struct top_rates *r,
                          const struct top_view *v, size_t most) {
    static const char *const titles[] = {"REQ/S", "FAIL%", "OPEN", "CONNS"};
    enum { STATE_MIN = 8, FIRST = 9, OTHER = 7 };
    char text[CELL_BYTES], line[256];
    size_t name = NAME_MIN, state = STATE_MIN, n = COUNT_OF(titles);
    for (size_t i = 0; i < r->endpoints_n; i++) {
        const struct top_endpoint *e = r->endpoints[i].at;
        state_text(text, e);
        if (strlen(text) > state) state = strlen(text);
        if (e->backend.n + 1 + e->address.n > name) name = e->backend.n + 1 + e->address.n;
    }
    if (name > NAME_MAX) name = NAME_MAX;
    while (n && v->columns && NAME_MIN + 2 + state + FIRST + (n - 1) * OTHER > v->columns) n--;
    size_t wide = 2 + state + (n ? FIRST + (n - 1) * OTHER : 0);
    if (v->columns && name + wide > v->columns) name = v->columns > wide ? v->columns - wide : 1;
    struct buf title;
    buf_init(&title, 1024);
    add_name(&title, S("ENDPOINT"), name);
    buf_printf(&title, "  %-*s", n ? (int)state : 0, "STATE");
    for (size_t i = 0; i < n; i++) buf_printf(&title, "%*s", i ? OTHER : FIRST, titles[i]);
    buf_add_char(b, '\n');
    paint_add(b, v->colour, PAINT_BOLD, buf_str(&title));
    buf_fini(&title);
    buf_add_char(b, '\n');
    for (size_t i = 0; i < r->endpoints_n && (!most || i < most); i++)
        add_endpoint(b, &r->endpoints[i], name, state, n, v->colour);
    if (p->endpoints_other && !v->rows) {
        snprintf(line, sizeof line, "and %llu endpoints without figures (serve --metrics-series)\n",
                 (unsigned long long)p->endpoints_other);
        buf_add(b, str_of(line));
    }
}

static void add_cut(struct buf *b, const char *text, size_t width) {
    str s = str_of(text);
    buf_add(b, width ? str_upto(s, width) : s);
    buf_add_char(b, '\n');
}

/* Of a screen endpoints have a half at most, when there are rows enough. */
enum { TITLE_ROWS = 2, ROWS_WITH_ENDPOINTS = 16 };
static size_t endpoint_rows(const struct top_rates *r, const struct top_view *v) {
    if (!r->endpoints_n || v->rows < ROWS_WITH_ENDPOINTS) return 0;
    size_t most = (v->rows - 5) / 2;
    return r->endpoints_n + TITLE_ROWS < most ? r->endpoints_n + TITLE_ROWS : most;
}

void top_print(struct buf *b, const struct top_page *p, const struct top_rates *r, const struct top_view *v) {
    static const char *const sorts[] = {"rate", "errors", "p99", "name"};
    char line[256], in[CELL_BYTES], out[CELL_BYTES], p50[CELL_BYTES], p99[CELL_BYTES], errors[CELL_BYTES];
    size_t name, n = fitting(r, v, &name);
    bytes_text(in, r->in_per_s), bytes_text(out, r->out_per_s);
    duration_text(p50, r->all.p50_s), duration_text(p99, r->all.p99_s),
        snprintf(errors, sizeof errors, "%.2f", r->all.errors * 100);
    snprintf(line, sizeof line, "%.1f requests/s  errors %s%%  p50 %s  p99 %s  open %llu", r->all.per_s,
             errors, p50, p99, (unsigned long long)p->requests_open);
    add_cut(b, line, v->columns);
    snprintf(line, sizeof line, "connections %llu  in %s  out %s  sorted by %s",
             (unsigned long long)p->connections_open, in, out, sorts[v->sort]);
    add_cut(b, line, v->columns);
    buf_add_char(b, '\n');
    struct buf title;
    buf_init(&title, 1024);
    add_name(&title, S("ROUTE"), name);
    for (size_t i = 0; i < COUNT_OF(places); i++)
        if (places[i] < n) buf_printf(&title, "%*s", (int)columns[places[i]].width, columns[places[i]].title);
    paint_add(b, v->colour, PAINT_BOLD, buf_str(&title));
    buf_fini(&title);
    buf_add_char(b, '\n');
    size_t most = v->rows > 5 ? v->rows - 5 : v->rows ? 1 : r->n;
    size_t below = endpoint_rows(r, v); /* with their title and the line before it */
    if (below) most -= below;
    for (size_t i = 0; i < r->n && i < most; i++) add_row(b, &r->v[i], n, name, v->colour);
    if (p->routes_other) {
        snprintf(line, sizeof line, "other: %llu routes together (serve --metrics-series)",
                 (unsigned long long)p->routes_other);
        add_cut(b, line, v->columns);
    }
    if (below || (r->endpoints_n && !v->rows)) add_endpoints(b, p, r, v, below ? below - TITLE_ROWS : 0);
}

static void add_number(struct buf *b, const char *key, double v) {
    buf_printf(b, ",\"%s\":", key);
    if (isinf(v))
        buf_add(b, S("null"));
    else
        buf_printf(b, "%.6f", v);
}

static void add_rate(struct buf *b, const struct top_rate *r) {
    buf_add(b, S("{\"route\":"));
    buf_add_json(b, r->name);
    add_number(b, "requestsPerSecond", r->per_s);
    add_number(b, "errorShare", r->errors);
    add_number(b, "clientErrorShare", r->client_errors);
    add_number(b, "p50Seconds", r->p50_s);
    add_number(b, "p90Seconds", r->p90_s);
    add_number(b, "p99Seconds", r->p99_s);
    buf_printf(b, ",\"total\":%llu}", (unsigned long long)r->count);
}

static void add_endpoint_json(struct buf *b, const struct top_endpoint_rate *r) {
    const struct top_endpoint *e = r->at;
    buf_add(b, S("{\"backend\":"));
    buf_add_json(b, e->backend);
    buf_add(b, S(",\"endpoint\":"));
    buf_add_json(b, e->address);
    buf_add(b, S(",\"state\":"));
    buf_add_json(b, e->state.n ? e->state : S("serving"));
    if (e->cause.n) buf_add(b, S(",\"cause\":"));
    if (e->cause.n) buf_add_json(b, e->cause);
    add_number(b, "requestsPerSecond", r->per_s);
    add_number(b, "failureShare", r->failures);
    buf_printf(b, ",\"requestsOpen\":%llu,\"connectionsOpen\":%llu,\"total\":%llu}",
               (unsigned long long)e->open, (unsigned long long)e->conns, (unsigned long long)e->requests);
}

void top_print_json(struct buf *b, const struct top_page *p, const struct top_rates *r) {
    buf_add(b, S("{\"all\":"));
    add_rate(b, &r->all);
    buf_printf(b, ",\"requestsOpen\":%llu,\"connectionsOpen\":%llu,\"routesOther\":%llu",
               (unsigned long long)p->requests_open, (unsigned long long)p->connections_open,
               (unsigned long long)p->routes_other);
    add_number(b, "bytesInPerSecond", r->in_per_s);
    add_number(b, "bytesOutPerSecond", r->out_per_s);
    buf_add(b, S(",\"routes\":["));
    for (size_t i = 0; i < r->n; i++) {
        if (i) buf_add_char(b, ',');
        add_rate(b, &r->v[i]);
    }
    buf_printf(b, "],\"endpointsOther\":%llu,\"endpoints\":[", (unsigned long long)p->endpoints_other);
    for (size_t i = 0; i < r->endpoints_n; i++) {
        if (i) buf_add_char(b, ',');
        add_endpoint_json(b, &r->endpoints[i]);
    }
    buf_add(b, S("]}\n"));
}
