/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "admin/metrics.h"
#include "base/map.h"

static bool has_line(str text, const char *line) {
    while (text.n) {
        if (str_eq(str_cut(&text, '\n'), str_of(line))) return true;
    }
    return false;
}

static void print(struct buf *b) {
    static struct worker_stats x, y;
    const struct worker_stats *const workers[] = {&x, &y};
    stats_set(&x.requests, 7), stats_set(&y.requests, 5);
    stats_set(&x.responses_by_class[2], 9), stats_set(&y.responses_by_class[5], 3);
    stats_set(&x.reasons[REASON_NO_ROUTE], 2), stats_set(&y.reasons[REASON_NO_ROUTE], 2);
    stats_set(&x.latency[0], 4), stats_set(&y.latency[1], 5),
        stats_set(&y.latency[WORKER_LATENCY_BUCKETS], 3);
    stats_set(&x.latency_sum_us, 2000001);
    buf_init(b, 1 << 16);
    metrics_print(b, workers, 2,
                  &(struct metrics_gauges){.revision = 4, .tables_alive = 2, .ready = true, .start_s = 1000});
    assert_false(b->overflow);
}

static void workers_are_summed(void **state) {
    (void)state;
    struct buf b;
    print(&b);
    static const char *const lines[] = {
        "postern_requests_total 12",
        "postern_responses_total{class=\"2xx\"} 9",
        "postern_responses_total{class=\"5xx\"} 3",
        "postern_reasons_total{reason=\"no_route\"} 4",
        "postern_config_revision 4",
        "postern_tables_alive 2",
        "postern_ready 1",
        "postern_workers 2",
        "postern_request_duration_seconds_bucket{le=\"0.000016\"} 4",
        "postern_request_duration_seconds_bucket{le=\"0.000032\"} 9",
        "postern_request_duration_seconds_bucket{le=\"+Inf\"} 12",
        "postern_request_duration_seconds_sum 2.000001",
        "postern_request_duration_seconds_count 12",
    };
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        if (!has_line(buf_str(&b), lines[i])) fail_msg("no line %s", lines[i]);
    }
    buf_fini(&b);
}

/* Each family: HELP, TYPE, then its samples and nothing else, once; no sample twice. */
static void the_text_is_well_formed(void **state) {
    (void)state;
    struct buf b;
    print(&b);
    struct map seen;
    map_init(&seen);
    str text = buf_str(&b), family = S("");
    while (text.n) {
        str line = str_cut(&text, '\n');
        if (str_starts(line, S("# HELP "))) {
            str rest = str_from(line, 7);
            family = str_cut(&rest, ' ');
            assert_true(str_starts(family, S("postern_")) && rest.n);
            assert_null(map_put(&seen, family, &b));
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
        if (!str_eq(name, family)) assert_null(map_put(&seen, name, &b));
    }
    map_fini(&seen);
    buf_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_are_summed),
        cmocka_unit_test(the_text_is_well_formed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
