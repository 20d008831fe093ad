/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include <math.h>

#include "cli/top_print.h"

#define D "http_server_request_duration_seconds"
#define L(route)                                                                                             \
    "route=\"" route "\",http_request_method=\"GET\",http_response_status_code=\"200\",url_scheme=\"http\""

/* Counts within 10 ms, within 100 ms and above. */
#define CELL(labels, a, b, c)                                                                                \
    D "_bucket{" labels ",le=\"0.01\"} " #a "\n" D "_bucket{" labels ",le=\"0.1\"} " #b "\n" D               \
      "_bucket{" labels ",le=\"+Inf\"} " #c "\n" D "_sum{" labels "} 1.5\n" D "_count{" labels "} " #c "\n"
#define HEAD "# HELP x y\npostern_start_time_seconds 100\npostern_requests_open 3\n"

static const char first[] =
    HEAD CELL(L("HTTPRoute/a/x"), 10, 10, 10) "postern_body_bytes_total{direction=\"out\"} 1000\n";
static const char second[] =
    HEAD "postern_routes_other 7\npostern_connections_open 5\n" CELL(L("HTTPRoute/a/x"), 60, 110, 110)
        CELL("route=\"HTTPRoute/a/"
             "x\",http_request_method=\"GET\",http_response_status_code=\"502\",url_scheme=\"http\",error_"
             "type=\"backend_refused\"",
             0, 0, 10) CELL(L("other"), 20, 20, 20)
            CELL("http_request_method=\"GET\",http_response_status_code=\"404\",url_scheme=\"http\",error_"
                 "type=\"no_route\"",
                 2, 2, 2) "postern_body_bytes_total{direction=\"out\"} 5000\n";

static struct top_rates compare(struct arena *a, const char *before, const char *now, enum top_sort sort) {
    struct top_page x, y;
    struct top_rates r;
    assert_int_equal(top_page_read(a, str_of(before), &x), OK);
    assert_int_equal(top_page_read(a, str_of(now), &y), OK);
    top_page_compare(a, &x, &y, 2, sort, &r);
    return r;
}

static void near_to(double got, double wanted) {
    if (fabs(got - wanted) > 1e-9) fail_msg("got %g, wanted %g", got, wanted);
}

static void two_pages_give_rates(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct top_rates r = compare(a, first, second, TOP_BY_RATE);
    assert_int_equal(r.n, 3);
    assert_str(r.v[0].name, "HTTPRoute/a/x");
    near_to(r.v[0].per_s, 55);
    near_to(r.v[0].errors, 10.0 / 110);
    near_to(r.v[0].p50_s, 0.01 + 0.09 * 5 / 50); /* the 55th of 50, 50, 10 */
    assert_true(isinf(r.v[0].p99_s));
    assert_str(r.v[1].name, "other");
    near_to(r.v[1].per_s, 10);
    near_to(r.v[1].p99_s, 0.0099);
    assert_str(r.v[2].name, "");
    near_to(r.v[2].client_errors, 1);
    near_to(r.v[2].errors, 0);
    near_to(r.all.per_s, 66);
    near_to(r.out_per_s, 2000);
}

static void orders_are_as_asked(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    assert_str(compare(a, first, second, TOP_BY_NAME).v[0].name, "");
    assert_str(compare(a, first, second, TOP_BY_P99).v[0].name, "HTTPRoute/a/x");
    assert_str(compare(a, first, second, TOP_BY_ERRORS).v[0].name, "HTTPRoute/a/x");
    assert_str(compare(a, first, second, TOP_BY_ERRORS).v[1].name, ""); /* none has errors: by name */
}

/* The instance began anew: what it has counted since is all that there is. */
static void counters_may_begin_anew(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct top_rates r = compare(a, second, first, TOP_BY_RATE);
    assert_int_equal(r.n, 1);
    near_to(r.v[0].per_s, 5);
}

static void what_is_no_page_is_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "",      "hello", "# EOF\n", HEAD D "_bucket{le=\"0.1\"} 5\n" D "_bucket{le=\"+Inf\"} 4\n",
        "a{b 3", "{} {"};
    OWNED(arena) a = arena_new();
    struct top_page p;
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_int_equal(top_page_read(a, str_of(wrong[i]), &p), ERR_PROTO);
}

/* No line is wider than the terminal; what matters most stays. */
static void it_fits_the_terminal(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct top_page p;
    assert_int_equal(top_page_read(a, str_of(second), &p), OK);
    struct top_rates r = compare(a, first, second, TOP_BY_RATE);
    r.v[0].name =
        S("HTTPRoute/a-very-long-namespace/and-a-name-that-is-longer-than-any-terminal-is-wide-these-days");
    for (size_t columns = 20; columns < 200; columns++) {
        struct buf b;
        buf_init(&b, 1 << 16);
        top_print(&b, &p, &r, &(struct top_view){.columns = columns, .rows = 7});
        str text = buf_str(&b);
        size_t lines = 0;
        for (; text.n; lines++) {
            str line = str_cut(&text, '\n');
            if (line.n > columns) fail_msg("%zu columns: " STR_FMT, columns, STR_ARG(line));
        }
        assert_true(lines <= 8);
        buf_add_char(&b, 0);
        if (columns >= 40) assert_non_null(strstr(b.p, "REQ/S"));
        if (columns >= 60) assert_non_null(strstr(b.p, "ERR%"));
        if (columns >= 110) assert_non_null(strstr(b.p, "TOTAL"));
        buf_fini(&b);
    }
}

#define E(n) "{backend=\"ns/b:80\",endpoint=\"10.0.0." #n ":80\""
static void endpoints_are_shown(void **state) {
    (void)state;
    static const char one[] = HEAD "postern_endpoint_requests_total" E(1) "} 10\n";
    static const char two[] = HEAD "postern_endpoints_other 3\npostern_endpoint_state" E(
        1) ",state=\"serving\"} 1\n"
           "postern_endpoint_state" E(
               2) ",state=\"ejected\",cause=\"5xx\"} 1\n"
                  "postern_endpoint_requests_total" E(1) "} 110\npostern_endpoint_requests_total" E(
                      2) "} 4\n"
                         "postern_endpoint_failures_total" E(
                             1) ",why=\"connect\"} 20\n"
                                "postern_endpoint_failures_total" E(
                                    1) ",why=\"5xx\"} 5\n"
                                       "postern_endpoint_requests_open" E(
                                           1) "} 2\npostern_endpoint_connections_open" E(1) "} 6\n"
                                                                                            "postern_backend_"
                                                                                            "requests_"
                                                                                            "waiting{backend="
                                                                                            "\"ns/b:80\"} "
                                                                                            "9\n";
    OWNED(arena) a = arena_new();
    struct top_page p;
    assert_int_equal(top_page_read(a, str_of(two), &p), OK);
    struct top_rates r = compare(a, one, two, TOP_BY_RATE);
    assert_int_equal(r.endpoints_n, 2);
    assert_str(r.endpoints[0].at->address, "10.0.0.2:80"); /* that one wants to be seen first */
    near_to(r.endpoints[1].per_s, 50);
    near_to(r.endpoints[1].failures, 0.25);
    struct buf b;
    buf_init(&b, 1 << 16);
    top_print(&b, &p, &r, &(struct top_view){0});
    buf_add_char(&b, 0);
    assert_non_null(strstr(b.p, "ENDPOINT"));
    assert_non_null(strstr(b.p, "ns/b:80 10.0.0.2:80  ejected (5xx)      2.0      -      0      0\n"));
    assert_non_null(strstr(b.p, "ns/b:80 10.0.0.1:80  serving           50.0   25.0      2      6\n"));
    assert_non_null(strstr(b.p, "and 3 endpoints without figures"));
    for (size_t columns = 30; columns < 120; columns++) {
        buf_clear(&b);
        top_print(&b, &p, &r, &(struct top_view){.columns = columns, .rows = 24});
        for (str text = buf_str(&b); text.n;) {
            str line = str_cut(&text, '\n');
            if (line.n > columns) fail_msg("%zu columns: " STR_FMT, columns, STR_ARG(line));
        }
    }
    buf_clear(&b);
    top_print_json(&b, &p, &r);
    buf_add_char(&b, 0);
    assert_non_null(strstr(b.p, "\"endpoint\":\"10.0.0.2:80\",\"state\":\"ejected\",\"cause\":\"5xx\""));
    buf_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_pages_give_rates),    cmocka_unit_test(orders_are_as_asked),
        cmocka_unit_test(counters_may_begin_anew), cmocka_unit_test(what_is_no_page_is_refused),
        cmocka_unit_test(it_fits_the_terminal),    cmocka_unit_test(endpoints_are_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
