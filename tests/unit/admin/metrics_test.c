/* SPDX-License-Identifier: Apache-2.0 */
#include "../document.h"

#include "admin/metrics.h"
#include "admin/metrics_table.h"
#include "base/map.h"
#include "http/http_msg.h"
#include "table/table.h"

static bool has_line(str text, const char *line) {
    while (text.n) {
        if (str_eq(str_cut(&text, '\n'), str_of(line))) return true;
    }
    return false;
}

/* Two workers, and the page of what they have counted. */
struct rig {
    struct worker_stats stats[2];
    struct tally tallies[2];
    struct census census[2];
    struct metrics *metrics;
    struct buf b;
};
static void rig_init(struct rig *r, uint32_t series) {
    *r = (struct rig){.metrics = metrics_new(series)};
    for (int i = 0; i < 2; i++) {
        tally_init(&r->tallies[i], metrics_routes_max(r->metrics) + TABLE_TALLY_FIRST);
        census_init(&r->census[i]);
    }
    buf_init(&r->b, 4 << 20);
}
static void rig_fini(struct rig *r) {
    for (int i = 0; i < 2; i++) {
        tally_fini(&r->tallies[i]);
        census_fini(&r->census[i]);
    }
    metrics_free(r->metrics);
    buf_fini(&r->b);
}
static str print_as(struct rig *r, enum metrics_form form) {
    struct metrics_worker workers[] = {{&r->stats[0], &r->tallies[0], &r->census[0]},
                                       {&r->stats[1], &r->tallies[1], &r->census[1]}};
    buf_clear(&r->b);
    metrics_print(r->metrics, &r->b, form, workers, 2,
                  &(struct metrics_gauges){
                      .revision = 4, .tables_alive = 2, .ready = 1, .workers = 2, .start_s = 1000});
    assert_false(r->b.overflow);
    return buf_str(&r->b);
}
static str print(struct rig *r) { return print_as(r, METRICS_PROMETHEUS); }

static void holds(str text, const char *line) {
    if (!has_line(text, line)) fail_msg("no line %s in\n" STR_FMT, line, STR_ARG(text));
}

/* The samples whose line begins with this, summed. */
static uint64_t total(str text, const char *begin) {
    uint64_t v = 0;
    while (text.n) {
        str line = str_cut(&text, '\n');
        if (str_starts(line, str_of(begin))) v += strtoull(line.p + str_rfind(line, ' ') + 1, NULL, 10);
    }
    return v;
}

static size_t samples(str text) {
    size_t n = 0;
    while (text.n) n += str_cut(&text, '\n').p[0] != '#';
    return n;
}

static void request(struct rig *r, int worker, uint32_t tally, uint32_t epoch, enum http_method method,
                    uint16_t status, enum http_reason reason, uint64_t us) {
    struct access_record a = {.tally = tally,
                              .tally_epoch = epoch,
                              .method_id = (uint8_t)method,
                              .status = status,
                              .reason = reason,
                              .total_us = us};
    tally_count(&r->tallies[worker], &a);
}

/* What a worker knows of an endpoint of the backend: the last byte of its address. */
static struct census_endpoint *endpoint(struct rig *r, int worker, const char *backend, uint32_t number,
                                        uint64_t requests) {
    struct census_endpoint *e = census_add(&r->census[worker]);
    e->backend = str_of(backend);
    e->ip = (struct ip){.family = 4, .bytes = {10, 0, (uint8_t)(number >> 8), (uint8_t)number}};
    e->port = 8080;
    e->requests = requests;
    return e;
}

#define D "http_server_request_duration_seconds"

static void workers_are_summed(void **state) {
    (void)state;
    struct rig r;
    rig_init(&r, 1000);
    stats_set(&r.stats[0].requests, 7), stats_set(&r.stats[1].requests, 5);
    stats_set(&r.stats[0].responses_by_class[2], 9), stats_set(&r.stats[1].responses_by_class[5], 3);
    stats_set(&r.stats[0].reasons[REASON_NO_ROUTE], 2), stats_set(&r.stats[1].reasons[REASON_NO_ROUTE], 2);
    static const char *const lines[] = {
        "postern_requests_total 12",
        "postern_responses_total{class=\"2xx\"} 9",
        "postern_responses_total{class=\"5xx\"} 3",
        "postern_reasons_total{reason=\"no_route\"} 4",
        "postern_config_revision 4",
        "postern_tables_alive 2",
        "postern_ready 1",
        "postern_workers 2",
        "postern_start_time_seconds 1000",
    };
    for (size_t i = 0; i < COUNT_OF(lines); i++) holds(print(&r), lines[i]);
    rig_fini(&r);
}

static void requests_are_told_apart_by_route(void **state) {
    (void)state;
    struct rig r;
    rig_init(&r, 1000);
    metrics_name(r.metrics, 2, 1, S("HTTPRoute/a/b"));
    request(&r, 0, 2, 1, HTTP_GET, 200, REASON_NONE, 700);
    request(&r, 1, 2, 1, HTTP_GET, 200, REASON_NONE, 30000);
    request(&r, 1, 2, 1, HTTP_GET, 200, REASON_NONE, 9000000);
    request(&r, 0, 2, 1, HTTP_POST, 502, REASON_BACKEND_REFUSED, 1000);
    request(&r, 0, 0, 0, HTTP_METHOD_OTHER, 404, REASON_NO_ROUTE, 1);
    request(&r, 0, 1, 0, HTTP_GET, 301, REASON_REDIRECT, 1);
    static const char *const lines[] = {
        D "_bucket{route=\"HTTPRoute/a/"
          "b\",http_request_method=\"GET\",http_response_status_code=\"200\",url_scheme=\"http\",le=\"0."
          "001\"} 1",
        D "_bucket{route=\"HTTPRoute/a/"
          "b\",http_request_method=\"GET\",http_response_status_code=\"200\",url_scheme=\"http\",le=\"0.05\"}"
          " 2",
        D
        "_bucket{route=\"HTTPRoute/a/"
        "b\",http_request_method=\"GET\",http_response_status_code=\"200\",url_scheme=\"http\",le=\"5.0\"} 2",
        D "_bucket{route=\"HTTPRoute/a/"
          "b\",http_request_method=\"GET\",http_response_status_code=\"200\",url_scheme=\"http\",le=\"+Inf\"}"
          " 3",
        D "_count{route=\"HTTPRoute/a/"
          "b\",http_request_method=\"GET\",http_response_status_code=\"200\",url_scheme=\"http\"} 3",
        D "_sum{route=\"HTTPRoute/a/"
          "b\",http_request_method=\"GET\",http_response_status_code=\"200\",url_scheme=\"http\"} 9.030700",
        D "_count{route=\"HTTPRoute/a/"
          "b\",http_request_method=\"POST\",http_response_status_code=\"502\",url_scheme=\"http\",error_type="
          "\"backend_refused\"} 1",
        D "_count{http_request_method=\"_OTHER\",http_response_status_code=\"404\",url_scheme=\"http\",error_"
          "type=\"no_route\"} 1",
        D "_count{route=\"other\",http_request_method=\"GET\",http_response_status_code=\"301\",url_scheme="
          "\"http\"} 1",
    };
    for (size_t i = 0; i < COUNT_OF(lines); i++) holds(print(&r), lines[i]);
    rig_fini(&r);
}

/* A number that another route gets begins anew; until its name is known it is not shown. */
static void a_number_changes_hands(void **state) {
    (void)state;
    struct rig r;
    rig_init(&r, 1000);
    metrics_name(r.metrics, 2, 1, S("HTTPRoute/a/old"));
    request(&r, 0, 2, 1, HTTP_GET, 200, REASON_NONE, 1);
    assert_int_equal(total(print(&r), D "_count{route=\"HTTPRoute/a/old\""), 1);
    metrics_name(r.metrics, 2, 1, (str){0});
    assert_int_equal(total(print(&r), D "_count{route=\"HTTPRoute/a/old\""), 0);
    request(&r, 0, 2, 2, HTTP_GET, 200, REASON_NONE, 1);
    assert_int_equal(total(print(&r), D "_count"), 0);
    metrics_name(r.metrics, 2, 2, S("HTTPRoute/a/new"));
    request(&r, 0, 2, 2, HTTP_GET, 200, REASON_NONE, 1);
    assert_int_equal(total(print(&r), D "_count{route=\"HTTPRoute/a/new\""), 2);
    metrics_name(r.metrics, 3, 1, S("HTTPRoute/a/new")); /* deleted and there again */
    request(&r, 0, 3, 1, HTTP_GET, 200, REASON_NONE, 1);
    assert_int_equal(total(print(&r), D "_count{route=\"HTTPRoute/a/new\""), 1);
    rig_fini(&r);
}

/* Whatever comes: so many lines at most, nothing is lost, and no line ever goes down. */
static void series_are_bounded(void **state) {
    (void)state;
    static const uint32_t bounds[] = {METRICS_SERIES_MIN, 1000, 5000};
    for (size_t n = 0; n < COUNT_OF(bounds); n++) {
        struct rig r;
        rig_init(&r, bounds[n]);
        uint32_t routes = metrics_routes_max(r.metrics);
        char name[32];
        for (uint32_t i = 0; i < 1000; i++)
            endpoint(&r, i % 2, "ns/b:80", i, i % 3)->view.state = i % 5 ? HEALTH_SERVING : HEALTH_EJECTED;
        for (uint32_t i = 0; i < routes; i++) {
            snprintf(name, sizeof name, "HTTPRoute/ns/r%u", i);
            metrics_name(r.metrics, i + TABLE_TALLY_FIRST, 1, str_of(name));
        }
        uint64_t sent = 0;
        for (uint16_t status = 200; status < 260; status++) {
            for (uint32_t i = 0; i < routes + TABLE_TALLY_FIRST; i++) {
                if ((i * 7 + status) % 3) continue;
                request(&r, (int)(i + status) % 2, i, 1, (enum http_method)(status % 9), status,
                        status % 5 ? REASON_NONE : REASON_BACKEND_CUT, status);
                sent++;
            }
            str text = print(&r);
            assert_true(samples(text) <= bounds[n]);
            assert_int_equal(total(text, D "_count"), sent);
        }
        if (bounds[n] == 1000) assert_true(routes >= 20);
        rig_fini(&r);
    }
}

#define E "{backend=\"ns/b:80\",endpoint=\"10.0.0.1:8080\""
static void endpoints_are_told(void **state) {
    (void)state;
    struct rig r;
    rig_init(&r, 1000);
    struct census_endpoint *e = endpoint(&r, 0, "ns/b:80", 1, 7);
    e->open = 1, e->conns = 3, e->waiting = 2;
    e->failures[HEALTH_UNREACHABLE] = 4, e->failures[HEALTH_STATUS] = 1;
    e->view = (struct health_view){HEALTH_EJECTED, {.cause = HEALTH_BY_CONNECT}};
    e = endpoint(&r, 1, "ns/b:80", 1, 5); /* the same, as the other worker knows it */
    e->open = 1, e->conns = 1, e->waiting = 1;
    e->failures[HEALTH_FAILURE] = 2;
    e->view = (struct health_view){HEALTH_EJECTED, {.cause = HEALTH_BY_CONNECT}};
    endpoint(&r, 1, "ns/b:80", 2, 0);                                    /* nobody has asked it */
    endpoint(&r, 1, "ns/c:80", 3, 0)->view.state = HEALTH_CHECKS_FAILED; /* the same, but it is out */
    static const char *const lines[] = {
        "postern_endpoint_state" E ",state=\"ejected\",cause=\"connect\"} 1",
        "postern_endpoint_requests_total" E "} 12",
        "postern_endpoint_failures_total" E ",why=\"connect\"} 4",
        "postern_endpoint_failures_total" E ",why=\"no_answer\"} 2",
        "postern_endpoint_failures_total" E ",why=\"5xx\"} 1",
        "postern_endpoint_requests_open" E "} 2",
        "postern_endpoint_connections_open" E "} 4",
        "postern_backend_requests_waiting{backend=\"ns/b:80\"} 3",
        "postern_endpoint_state{backend=\"ns/c:80\",endpoint=\"10.0.0.3:8080\",state=\"checks_failed\"} 1",
        "postern_endpoints_other 0",
    };
    str text = print(&r);
    for (size_t i = 0; i < COUNT_OF(lines); i++) holds(text, lines[i]);
    assert_int_equal(total(text, "postern_endpoint_state"), 2);
    assert_int_equal(total(text, "postern_endpoint_requests_total"), 12);
    rig_fini(&r);
}

/* Whoever came first keeps its place while others come; when it goes another one has it. */
static void places_of_endpoints_are_kept(void **state) {
    (void)state;
    struct rig r;
    rig_init(&r, METRICS_SERIES_MIN);
    endpoint(&r, 0, "ns/z:80", 1, 3);
    holds(print(&r), "postern_endpoint_requests_total{backend=\"ns/z:80\",endpoint=\"10.0.0.1:8080\"} 3");
    census_fini(&r.census[0]);
    census_init(&r.census[0]);
    for (uint32_t i = 0; i < 100; i++) endpoint(&r, 0, "ns/a:80", i, 1);
    endpoint(&r, 1, "ns/z:80", 1, 4);
    str text = print(&r);
    holds(text, "postern_endpoint_requests_total{backend=\"ns/z:80\",endpoint=\"10.0.0.1:8080\"} 4");
    uint64_t places = total(text, "postern_endpoint_requests_total") - 3;
    assert_int_equal(total(text, "postern_endpoints_other"), 101 - places);
    census_fini(&r.census[1]);
    census_init(&r.census[1]);
    assert_int_equal(total(print(&r), "postern_endpoint_requests_total"), places);
    assert_int_equal(total(print(&r), "postern_endpoint_requests_total{backend=\"ns/z"), 0);
    rig_fini(&r);
}

static void forms_are_chosen(void **state) {
    (void)state;
    static const struct {
        const char *accept;
        enum metrics_form form;
    } cases[] = {
        {"", METRICS_PROMETHEUS},
        {"*/*", METRICS_PROMETHEUS},
        {"text/html", METRICS_PROMETHEUS},
        {"application/openmetrics-text", METRICS_OPENMETRICS},
        {"application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
         "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
         METRICS_OPENMETRICS},
        {"application/openmetrics-text; version=0.0.1", METRICS_PROMETHEUS},
        {"text/plain;version=0.0.4;q=1,application/openmetrics-text;version=1.0.0;q=0.9", METRICS_PROMETHEUS},
        {"APPLICATION/OpenMetrics-Text ; q=1.0 , text/plain", METRICS_OPENMETRICS},
        {"application/openmetrics-text;q=0", METRICS_PROMETHEUS},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(metrics_form_of(str_of(cases[i].accept)), cases[i].form);
}

static void openmetrics_is_another_form(void **state) {
    (void)state;
    struct rig r;
    rig_init(&r, 1000);
    str text = print_as(&r, METRICS_OPENMETRICS);
    assert_true(str_ends(text, S("\n# EOF\n")));
    holds(text, "# TYPE postern_requests counter");
    holds(text, "postern_requests_total 0");
    assert_false(has_line(text, "# TYPE postern_requests_total counter"));
    rig_fini(&r);
}

/* Each family: HELP, TYPE, then its samples and nothing else, once; no sample twice. */
static void the_text_is_well_formed(void **state) {
    (void)state;
    struct rig r;
    rig_init(&r, 1000);
    metrics_name(r.metrics, 2, 1, S("HTTPRoute/a/b"));
    request(&r, 0, 2, 1, HTTP_GET, 200, REASON_NONE, 700);
    request(&r, 0, 1, 1, HTTP_GET, 200, REASON_NONE, 700);
    for (uint32_t i = 0; i < 100; i++)
        endpoint(&r, i % 2, i % 3 ? "ns/a:80" : "ns/b:80", i / 2, i % 4)->view.state =
            (enum health_state)(i % 6);
    struct map seen;
    map_init(&seen);
    str text = print(&r), family = S("");
    while (text.n) {
        str line = str_cut(&text, '\n');
        if (str_starts(line, S("# HELP "))) {
            str rest = str_from(line, 7);
            family = str_cut(&rest, ' ');
            assert_true((str_starts(family, S("postern_")) || str_starts(family, S("http_server_"))) &&
                        rest.n);
            assert_null(map_put(&seen, family, &r));
            line = str_cut(&text, '\n');
            assert_true(str_starts(line, S("# TYPE ")) && str_starts(str_from(line, 7), family));
            continue;
        }
        str name = str_upto(line, str_rfind(line, ' '));
        assert_true(str_starts(name, family));
        str more = str_upto(str_from(name, family.n), str_find(str_from(name, family.n), '{'));
        if (more.n && !str_eq(more, S("_bucket")) && !str_eq(more, S("_sum")) && !str_eq(more, S("_count"))) {
            fail_msg("sample " STR_FMT " in family " STR_FMT, STR_ARG(name), STR_ARG(family));
        }
        if (!str_eq(name, family)) assert_null(map_put(&seen, name, &r));
    }
    map_fini(&seen);
    rig_fini(&r);
}

static void docs_tell_all(void **state) {
    (void)state;
    size_t n;
    const struct metrics_row *rows = metrics_table_rows(&n);
    struct buf b;
    buf_init(&b, 1 << 16);
    for (size_t i = 0; i < n; i++) {
        if (!rows[i].help) continue;
        buf_printf(&b, "| `%s` | %s | ", rows[i].name, rows[i].type == METRICS_COUNTER ? "counter" : "gauge");
        for (size_t k = i; rows[i].labels[0] && k < n && strcmp(rows[k].name, rows[i].name) == 0; k++)
            buf_printf(&b, "%s`%s`", k > i ? ", " : "", rows[k].labels);
        buf_printf(&b, " | %s |\n", rows[i].help);
    }
    document_holds("metrics.md", "metrics", buf_str(&b));
    buf_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_are_summed),      cmocka_unit_test(requests_are_told_apart_by_route),
        cmocka_unit_test(a_number_changes_hands),  cmocka_unit_test(series_are_bounded),
        cmocka_unit_test(forms_are_chosen),        cmocka_unit_test(openmetrics_is_another_form),
        cmocka_unit_test(the_text_is_well_formed), cmocka_unit_test(docs_tell_all),
        cmocka_unit_test(endpoints_are_told),      cmocka_unit_test(places_of_endpoints_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
