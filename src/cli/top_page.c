/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/top_page.h"

#include <math.h>

#include "base/map.h"
#include "base/num.h"

static const char histogram[] = "http_server_request_duration_seconds";

/* ---- a page ---- */

/* name{label="value",...} value; label values hold no quote (they are names of Kubernetes, methods, numbers). */
struct sample {
    str name, labels, value;
};

static bool read_sample(str line, struct sample *ret) {
    size_t space = str_rfind(line, ' ');
    if (line.n == 0 || line.p[0] == '#' || space == line.n) return false;
    str head = str_upto(line, space);
    size_t brace = str_find(head, '{');
    ret->name = str_upto(head, brace);
    ret->labels = brace < head.n ? (str){head.p + brace + 1, head.n - brace - 2} : S("");
    ret->value = str_from(line, space + 1);
    return true;
}

static str label_of(const struct sample *s, str name) {
    for (str rest = s->labels; rest.n;) {
        str key = str_cut(&rest, '=');
        if (!rest.p || rest.n < 2) break;
        rest = str_from(rest, 1); /* the quote */
        str value = str_cut(&rest, '"');
        if (str_eq(key, name)) return value;
        if (rest.n) rest = str_from(rest, 1); /* the comma */
    }
    return S("");
}

static uint64_t whole(str s) {
    uint64_t v;
    return num_parse(s, UINT64_MAX, &v) == OK ? v : 0;
}

static double real(str s) {
    char text[48];
    snprintf(text, sizeof text, STR_FMT, STR_ARG(str_upto(s, sizeof text - 1)));
    return strtod(text, NULL);
}

struct reading {
    struct arena *arena;
    struct top_page *page;
    struct map routes; /* name -> struct top_route, in the arena */
    struct top_route **all;
    size_t cap;
    struct map endpoints; /* "backend address" -> its index and one, in page->endpoints */
    size_t endpoints_cap;
    uint64_t before; /* of the buckets of one histogram, which are cumulative and follow each other */
    size_t bucket;
};

static struct top_route *route_of(struct reading *r, str name) {
    struct top_route *t = map_get(&r->routes, name);
    if (t) return t;
    t = arena_make(r->arena, struct top_route);
    t->name = name;
    map_put(&r->routes, name, t);
    if (r->page->n == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 16;
        r->all = base_realloc(r->all, r->cap * sizeof(struct top_route *));
    }
    return r->all[r->page->n++] = t;
}

static err take_bucket(struct reading *r, struct top_route *t, const struct sample *s) {
    struct top_page *p = r->page;
    str le = label_of(s, S("le"));
    uint64_t v = whole(s->value);
    bool last = str_eq(le, S("+Inf"));
    if (r->bucket > TOP_BUCKETS_MAX || (!last && r->bucket == TOP_BUCKETS_MAX) || v < r->before)
        return ERR_PROTO;
    if (!last && r->bucket == p->bounds_n) p->bounds_s[p->bounds_n++] = real(le);
    t->buckets[last ? TOP_BUCKETS_MAX : r->bucket] += v - r->before;
    r->before = last ? 0 : v;
    r->bucket = last ? 0 : r->bucket + 1;
    return OK;
}

static err take_request(struct reading *r, const struct sample *s) {
    struct top_route *t = route_of(r, label_of(s, S("route")));
    str what = str_from(s->name, sizeof histogram - 1), status = label_of(s, S("http_response_status_code"));
    if (str_eq(what, S("_bucket"))) return take_bucket(r, t, s);
    if (str_eq(what, S("_sum"))) t->sum_s += real(s->value);
    if (!str_eq(what, S("_count"))) return OK;
    uint64_t v = whole(s->value);
    bool none = !status.n && label_of(s, S("error_type")).n;
    t->count += v;
    if (none || str_starts(status, S("5"))) t->errors += v;
    if (str_starts(status, S("4"))) t->client_errors += v;
    return OK;
}

static struct top_endpoint *endpoint_of(struct reading *r, const struct sample *s) {
    struct top_page *p = r->page;
    str backend = label_of(s, S("backend")), address = label_of(s, S("endpoint"));
    str key = arena_printf(r->arena, STR_FMT " " STR_FMT, STR_ARG(backend), STR_ARG(address));
    size_t at = (size_t)(uintptr_t)map_get(&r->endpoints, key);
    if (at) return &p->endpoints[at - 1];
    if (p->endpoints_n == r->endpoints_cap) {
        r->endpoints_cap = r->endpoints_cap ? r->endpoints_cap * 2 : 16;
        struct top_endpoint *grown = arena_array(r->arena, struct top_endpoint, r->endpoints_cap);
        if (p->endpoints_n) memcpy(grown, p->endpoints, p->endpoints_n * sizeof *grown);
        p->endpoints = grown;
    }
    p->endpoints[p->endpoints_n] = (struct top_endpoint){.backend = backend, .address = address};
    map_put(&r->endpoints, key, (void *)(uintptr_t)(p->endpoints_n + 1));
    return &p->endpoints[p->endpoints_n++];
}

static const char of_endpoint[] = "postern_endpoint_";

static void take_endpoint(struct reading *r, const struct sample *s) {
    struct top_endpoint *e = endpoint_of(r, s);
    str what = str_from(s->name, sizeof of_endpoint - 1);
    if (str_eq(what, S("state"))) e->state = label_of(s, S("state")), e->cause = label_of(s, S("cause"));
    if (str_eq(what, S("requests_total"))) e->requests = whole(s->value);
    if (str_eq(what, S("failures_total"))) e->failures += whole(s->value);
    if (str_eq(what, S("requests_open"))) e->open = whole(s->value);
    if (str_eq(what, S("connections_open"))) e->conns = whole(s->value);
}

static void take_other(struct top_page *p, const struct sample *s) {
    const struct {
        str name;
        uint64_t *to;
    } known[] = {
        {S("postern_requests_open"), &p->requests_open},
        {S("postern_connections_open"), &p->connections_open},
        {S("postern_routes_other"), &p->routes_other},
        {S("postern_endpoints_other"), &p->endpoints_other},
        {S("postern_start_time_seconds"), &p->start_s},
    };
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (str_eq(s->name, known[i].name)) *known[i].to = whole(s->value);
    if (str_eq(s->name, S("postern_body_bytes_total")))
        *(str_eq(label_of(s, S("direction")), S("in")) ? &p->bytes_in : &p->bytes_out) = whole(s->value);
}

err top_page_read(struct arena *a, str text, struct top_page *ret) {
    struct top_page page = {0};
    struct reading r = {.arena = a, .page = &page};
    map_init(&r.routes);
    map_init(&r.endpoints);
    err e = OK;
    while (text.n && e == OK) {
        struct sample s;
        if (!read_sample(str_cut(&text, '\n'), &s)) continue;
        if (str_starts(s.name, str_of(histogram)))
            e = take_request(&r, &s);
        else if (label_of(&s, S("endpoint")).n && str_starts(s.name, str_of(of_endpoint)))
            take_endpoint(&r, &s);
        else
            take_other(&page, &s);
    }
    page.routes = arena_array(a, struct top_route, page.n + 1);
    for (size_t i = 0; i < page.n; i++) page.routes[i] = *r.all[i];
    map_fini(&r.routes);
    map_fini(&r.endpoints);
    free(r.all);
    if (e == OK && !page.start_s) e = ERR_PROTO;
    if (e == OK) *ret = page;
    return e;
}

/* ---- between two ---- */

static uint64_t grown(uint64_t before, uint64_t now) { return now >= before ? now - before : now; }

/* Where the share q of them lies; evenly between the bounds of its bucket. */
static double quantile(const struct top_page *p, const uint64_t *buckets, uint64_t n, double q) {
    double rank = q * (double)n, so_far = 0;
    for (size_t i = 0; i < p->bounds_n; i++) {
        double in = (double)buckets[i];
        if (in > 0 && so_far + in >= rank) {
            double low = i ? p->bounds_s[i - 1] : 0;
            return low + (p->bounds_s[i] - low) * (rank - so_far) / in;
        }
        so_far += in;
    }
    return n ? INFINITY : 0;
}

static struct top_rate rate_of(const struct top_page *p, const struct top_route *before,
                               const struct top_route *now, double seconds) {
    uint64_t buckets[TOP_BUCKETS_MAX + 1], n = 0;
    bool anew = now->count < before->count;
    static const struct top_route none;
    if (anew) before = &none;
    for (size_t i = 0; i <= TOP_BUCKETS_MAX; i++)
        n += buckets[i] = grown(before->buckets[i], now->buckets[i]);
    struct top_rate r = {.name = now->name, .count = now->count};
    uint64_t requests = grown(before->count, now->count);
    if (!requests || !n || seconds <= 0) return r;
    r.per_s = (double)requests / seconds;
    r.errors = (double)grown(before->errors, now->errors) / (double)requests;
    r.client_errors = (double)grown(before->client_errors, now->client_errors) / (double)requests;
    r.p50_s = quantile(p, buckets, n, 0.5);
    r.p90_s = quantile(p, buckets, n, 0.9);
    r.p99_s = quantile(p, buckets, n, 0.99);
    return r;
}

static int by_name(const void *a, const void *b) {
    return str_cmp(((const struct top_rate *)a)->name, ((const struct top_rate *)b)->name);
}
static int more(double x, double y, const void *a, const void *b) {
    return x > y ? -1 : x < y ? 1 : by_name(a, b);
}
static int by_rate(const void *a, const void *b) {
    return more(((const struct top_rate *)a)->per_s, ((const struct top_rate *)b)->per_s, a, b);
}
static int by_errors(const void *a, const void *b) {
    const struct top_rate *x = a, *y = b;
    return more(x->errors * x->per_s, y->errors * y->per_s, a, b);
}
static int by_p99(const void *a, const void *b) {
    return more(((const struct top_rate *)a)->p99_s, ((const struct top_rate *)b)->p99_s, a, b);
}

static void add_route(struct top_route *to, const struct top_route *r) {
    to->count += r->count, to->errors += r->errors, to->client_errors += r->client_errors;
    for (size_t i = 0; i <= TOP_BUCKETS_MAX; i++) to->buckets[i] += r->buckets[i];
}

/* ---- endpoints ---- */

static bool serves(const struct top_endpoint *e) { return !e->state.n || str_eq(e->state, S("serving")); }

static int by_state_and_rate(const void *a, const void *b) {
    const struct top_endpoint_rate *x = a, *y = b;
    if (serves(x->at) != serves(y->at)) return serves(x->at) ? 1 : -1;
    if (x->per_s != y->per_s) return x->per_s > y->per_s ? -1 : 1;
    int backends = str_cmp(x->at->backend, y->at->backend);
    return backends ? backends : str_cmp(x->at->address, y->at->address);
}

static const struct top_endpoint *find(const struct top_page *p, const struct top_endpoint *e) {
    static const struct top_endpoint none;
    for (size_t i = 0; i < p->endpoints_n; i++)
        if (str_eq(p->endpoints[i].backend, e->backend) && str_eq(p->endpoints[i].address, e->address))
            return &p->endpoints[i];
    return &none;
}

static void compare_endpoints(struct arena *a, const struct top_page *before, const struct top_page *now,
                              double seconds, struct top_rates *ret) {
    ret->endpoints_n = now->endpoints_n;
    ret->endpoints = arena_array(a, struct top_endpoint_rate, now->endpoints_n + 1);
    for (size_t i = 0; i < now->endpoints_n; i++) {
        const struct top_endpoint *e = &now->endpoints[i], *was = find(before, e);
        double n = (double)grown(was->requests, e->requests), bad = (double)grown(was->failures, e->failures);
        ret->endpoints[i] = (struct top_endpoint_rate){.at = e, .per_s = seconds > 0 ? n / seconds : 0};
        if (n > 0) ret->endpoints[i].failures = bad < n ? bad / n : 1;
    }
    if (now->endpoints_n) qsort(ret->endpoints, now->endpoints_n, sizeof *ret->endpoints, by_state_and_rate);
}

void top_page_compare(struct arena *a, const struct top_page *before, const struct top_page *now,
                      double seconds, enum top_sort sort, struct top_rates *ret) {
    static int (*const orders[])(const void *, const void *) = {
        [TOP_BY_RATE] = by_rate, [TOP_BY_ERRORS] = by_errors, [TOP_BY_P99] = by_p99, [TOP_BY_NAME] = by_name};
    struct top_route all = {0}, all_before = {0}, none = {0};
    struct map old;
    map_init(&old);
    for (size_t i = 0; i < before->n; i++) map_put(&old, before->routes[i].name, &before->routes[i]);
    *ret = (struct top_rates){.v = arena_array(a, struct top_rate, now->n + 1), .n = now->n};
    for (size_t i = 0; i < now->n; i++) {
        const struct top_route *was = map_get(&old, now->routes[i].name);
        ret->v[i] = rate_of(now, was ? was : &none, &now->routes[i], seconds);
        add_route(&all, &now->routes[i]);
        if (was) add_route(&all_before, was); /* what has gone is not missed */
    }
    map_fini(&old);
    ret->all = rate_of(now, &all_before, &all, seconds);
    if (seconds > 0) {
        ret->in_per_s = (double)grown(before->bytes_in, now->bytes_in) / seconds;
        ret->out_per_s = (double)grown(before->bytes_out, now->bytes_out) / seconds;
    }
    compare_endpoints(a, before, now, seconds, ret);
    if (now->n) qsort(ret->v, now->n, sizeof *ret->v, orders[sort]);
}
