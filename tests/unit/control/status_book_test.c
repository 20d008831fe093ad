/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "api/condition.h"
#include "control/status_book.h"

enum { NOW_S = 1800000000, SECOND_US = 1000000 };
#define OURS "postern.dev/gateway-controller"

/* A server of objects whose statuses say one thing, and what was written to it. */
struct world {
    struct status_book *book;
    struct condition condition;
    struct gateway_status gateway;
    struct route_parent_status parent;
    struct route_status route;
    bool silent; /* we say nothing */
    unsigned writes, heard;
    bool heard_before; /* something stood there */
    char last[4096], version[24], key[64];
    uint64_t now_us;
};

static const void *ours(void *arg, enum api_kind kind, str ns, str name) {
    struct world *w = arg;
    (void)ns, (void)name;
    if (w->silent) return NULL;
    return kind == KIND_GATEWAY ? (const void *)&w->gateway : &w->route;
}

static void take(void *arg, const struct status_write *s) {
    struct world *w = arg;
    w->writes++;
    snprintf(w->last, sizeof w->last, STR_FMT, STR_ARG(s->status));
    snprintf(w->version, sizeof w->version, STR_FMT, STR_ARG(s->resource_version));
    snprintf(w->key, sizeof w->key, STR_FMT "/" STR_FMT, STR_ARG(s->ns), STR_ARG(s->name));
}

static void hear(void *arg, enum api_kind kind, str ns, str name, const struct node *before,
                 const struct node *after) {
    struct world *w = arg;
    (void)kind, (void)ns, (void)name;
    assert_non_null(after);
    w->heard++;
    w->heard_before = before != NULL;
}

static int set_up(void **state) {
    struct world *w = base_zalloc(sizeof *w);
    w->condition = (struct condition){.type = S("Accepted"),
                                      .status = CONDITION_TRUE,
                                      .reason = S("Accepted"),
                                      .message = S("words"),
                                      .observed_generation = 1};
    w->gateway.conditions.p = &w->condition, w->gateway.conditions.n = 1;
    w->parent.parent_ref.name = S("gw");
    w->parent.controller_name = S(OURS);
    w->parent.conditions.p = &w->condition, w->parent.conditions.n = 1;
    w->route.parents.p = &w->parent, w->route.parents.n = 1;
    w->now_us = 1000 * (uint64_t)SECOND_US;
    struct status_book_config c = {
        .controller_name = S(OURS), .ours = ours, .write = take, .written = hear, .arg = w};
    w->book = status_book_new(&c);
    *state = w;
    return 0;
}

static int tear_down(void **state) {
    struct world *w = *state;
    status_book_free(w->book);
    free(w);
    return 0;
}

static void see(struct world *w, enum api_kind kind, const char *name, const char *version,
                const char *status) {
    status_book_seen(w->book, kind, S("default"), str_of(name), str_of(version), str_of(status));
}

static uint64_t flush(struct world *w) { return status_book_flush(w->book, w->now_us, NOW_S, false); }

static void done(struct world *w, enum api_kind kind, const char *name, enum status_outcome o,
                 const char *version) {
    status_book_done(w->book, kind, S("default"), str_of(name), o, str_of(version), w->now_us);
}

static void say(struct world *w, const char *message) {
    w->condition.message = str_of(message);
    status_book_changed(w->book, KIND_GATEWAY, S("default"), S("gw"));
}

static void test_only_the_leader_writes(void **state) {
    struct world *w = *state;
    see(w, KIND_GATEWAY, "gw", "7", "");
    assert_int_equal(flush(w), UINT64_MAX);
    assert_int_equal(w->writes, 0);
    status_book_lead(w->book, true);
    flush(w);
    assert_int_equal(w->writes, 1);
    assert_string_equal(w->version, "7");
    assert_non_null(strstr(w->last, "\"reason\":\"Accepted\""));
    assert_int_equal(w->heard, 0);
    done(w, KIND_GATEWAY, "gw", STATUS_WRITTEN, "8");
    assert_int_equal(w->heard, 1);
    assert_false(w->heard_before);
    flush(w);
    assert_int_equal(w->writes, 1); /* nothing is left to say */
    status_book_lead(w->book, false);
    say(w, "other words");
    flush(w);
    assert_int_equal(w->writes, 1);
    status_book_lead(w->book, true);
    flush(w);
    assert_int_equal(w->writes, 2);
    assert_string_equal(w->version, "8"); /* as the answer told */
}

static void test_a_new_leader_repeats_nothing(void **state) {
    struct world *w = *state;
    status_book_lead(w->book, true);
    see(w, KIND_GATEWAY, "gw", "7", "");
    flush(w);
    char written[4096];
    memcpy(written, w->last, sizeof written);
    done(w, KIND_GATEWAY, "gw", STATUS_WRITTEN, "8");
    struct status_book_config c = {
        .controller_name = S(OURS), .ours = ours, .write = take, .written = hear, .arg = w};
    status_book_free(w->book);
    w->book = status_book_new(&c);
    see(w, KIND_GATEWAY, "gw", "8", written);
    status_book_lead(w->book, true);
    flush(w);
    assert_int_equal(w->writes, 1);
}

static void test_a_conflict_waits_for_the_newer_object(void **state) {
    struct world *w = *state;
    status_book_lead(w->book, true);
    see(w, KIND_GATEWAY, "gw", "7", "");
    flush(w);
    done(w, KIND_GATEWAY, "gw", STATUS_CONFLICT, "");
    flush(w);
    assert_int_equal(w->writes, 1);
    assert_int_equal(w->heard, 0);
    see(w, KIND_GATEWAY, "gw", "9",
        "{\"conditions\":[{\"type\":\"example.com/theirs\",\"status\":\"True\"}]}");
    flush(w);
    assert_int_equal(w->writes, 2);
    assert_string_equal(w->version, "9");
    assert_non_null(strstr(w->last, "example.com/theirs"));
    /* the newer one comes before the answer does */
    say(w, "again");
    done(w, KIND_GATEWAY, "gw", STATUS_WRITTEN, "10");
    flush(w);
    see(w, KIND_GATEWAY, "gw", "12", "");
    done(w, KIND_GATEWAY, "gw", STATUS_CONFLICT, "");
    w->now_us += 10 * SECOND_US;
    flush(w);
    assert_string_equal(w->version, "12");
}

static void test_what_changes_meanwhile_is_written_after(void **state) {
    struct world *w = *state;
    status_book_lead(w->book, true);
    see(w, KIND_GATEWAY, "gw", "7", "");
    flush(w);
    say(w, "second");
    flush(w);
    assert_int_equal(w->writes, 1); /* one on its way */
    done(w, KIND_GATEWAY, "gw", STATUS_WRITTEN, "8");
    flush(w);
    assert_int_equal(w->writes, 2);
    assert_non_null(strstr(w->last, "second"));
}

/* A foreign change between our write and its answer is kept. */
static void test_seen_before_the_answer(void **state) {
    struct world *w = *state;
    status_book_lead(w->book, true);
    see(w, KIND_GATEWAY, "gw", "7", "");
    flush(w);
    see(w, KIND_GATEWAY, "gw", "9",
        "{\"conditions\":[{\"type\":\"example.com/theirs\",\"status\":\"True\"}]}");
    done(w, KIND_GATEWAY, "gw", STATUS_WRITTEN, "8");
    flush(w);
    assert_int_equal(w->writes, 2);
    assert_string_equal(w->version, "9");
}

static void test_a_thousand_changes_are_a_few_writes(void **state) {
    struct world *w = *state;
    char words[32], version[24];
    status_book_lead(w->book, true);
    see(w, KIND_GATEWAY, "gw", "1", "");
    for (unsigned i = 0; i < 1000; i++) { /* one each 50 ms */
        snprintf(words, sizeof words, "%u routes", i);
        say(w, words);
        unsigned before = w->writes;
        flush(w);
        if (w->writes != before) {
            snprintf(version, sizeof version, "%u", i + 2);
            done(w, KIND_GATEWAY, "gw", STATUS_WRITTEN, version);
        }
        w->now_us += SECOND_US / 20;
    }
    assert_in_range(w->writes, 40, 60);
    flush(w);
    done(w, KIND_GATEWAY, "gw", STATUS_WRITTEN, "2000");
    say(w, "the last word");
    uint64_t at = flush(w);
    assert_true(at != UINT64_MAX);
    see(w, KIND_HTTP_ROUTE, "r", "5", ""); /* another object has its own pace */
    flush(w);
    assert_string_equal(w->key, "default/r");
    w->now_us = at;
    flush(w);
    assert_non_null(strstr(w->last, "the last word"));
}

static void test_entries_of_others(void **state) {
    struct world *w = *state;
    const char *theirs = "{\"parents\":[{\"parentRef\":{\"name\":\"x\"},\"controllerName\":\"other.dev/c\","
                         "\"conditions\":[]}]}";
    status_book_lead(w->book, true);
    w->silent = true; /* the route names no Gateway of ours */
    see(w, KIND_HTTP_ROUTE, "r", "5", theirs);
    flush(w);
    assert_int_equal(w->writes, 0);
    w->silent = false;
    status_book_changed(w->book, KIND_HTTP_ROUTE, S("default"), S("r"));
    flush(w);
    assert_non_null(strstr(w->last, "other.dev/c"));
    assert_non_null(strstr(w->last, OURS));
    done(w, KIND_HTTP_ROUTE, "r", STATUS_WRITTEN, "6");
    w->silent = true; /* and again not: what we said goes, theirs stays */
    status_book_changed(w->book, KIND_HTTP_ROUTE, S("default"), S("r"));
    flush(w);
    assert_int_equal(w->writes, 2);
    assert_non_null(strstr(w->last, "other.dev/c"));
    assert_null(strstr(w->last, OURS));
}

static void test_gone(void **state) {
    struct world *w = *state;
    status_book_lead(w->book, true);
    see(w, KIND_GATEWAY, "gw", "7", "");
    flush(w);
    status_book_gone(w->book, KIND_GATEWAY, S("default"), S("gw"));
    assert_int_equal(status_book_stats(w->book).objects, 1); /* the answer is awaited */
    done(w, KIND_GATEWAY, "gw", STATUS_GONE, "");
    assert_int_equal(status_book_stats(w->book).objects, 0);
    see(w, KIND_GATEWAY, "gw", "20", ""); /* another one of that name */
    flush(w);
    assert_string_equal(w->version, "20");
    status_book_gone(w->book, KIND_GATEWAY, S("default"), S("gw"));
    see(w, KIND_GATEWAY, "gw", "22", "");
    done(w, KIND_GATEWAY, "gw", STATUS_GONE, "");
    flush(w);
    assert_string_equal(w->version, "22");
}

static void test_failures_back_off(void **state) {
    struct world *w = *state;
    status_book_lead(w->book, true);
    see(w, KIND_GATEWAY, "gw", "7", "");
    flush(w);
    uint64_t waits[3];
    for (unsigned i = 0; i < COUNT_OF(waits); i++) {
        done(w, KIND_GATEWAY, "gw", STATUS_FAILED, "");
        uint64_t at = flush(w);
        waits[i] = at - w->now_us;
        w->now_us = at;
        flush(w);
        assert_int_equal(w->writes, i + 2);
    }
    assert_int_equal(waits[0], SECOND_US);
    assert_int_equal(waits[1], 2 * SECOND_US);
    assert_int_equal(waits[2], 4 * SECOND_US);
    assert_int_equal(status_book_stats(w->book).failures, 3);
}

/* More are due than may be on their way: the rest follows as answers come. */
static void test_bounded_flight(void **state) {
    struct world *w = *state;
    char name[32];
    status_book_lead(w->book, true);
    for (unsigned i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "r%u", i);
        see(w, KIND_HTTP_ROUTE, name, "1", "");
    }
    flush(w);
    assert_int_equal(w->writes, 64);
    while (w->writes < 200) {
        char last[64];
        memcpy(last, w->key, sizeof last);
        done(w, KIND_HTTP_ROUTE, last + strlen("default/"), STATUS_WRITTEN, "2");
        unsigned before = w->writes;
        flush(w);
        assert_int_equal(w->writes, before + 1);
    }
}

/* A listener whose certificate was replaced is pending until the workers have it: nobody is told when they may have it by now. */
static void test_pending_between_two_tables(void **state) {
    struct world *w = *state;
    see(w, KIND_GATEWAY, "gw", "7", "");
    status_book_lead(w->book, true);
    w->condition.type = S("Programmed");
    w->condition.status = CONDITION_FALSE;
    w->condition.reason = S("Pending");
    uint64_t again = status_book_flush(w->book, w->now_us, NOW_S, true);
    assert_int_equal(w->writes, 0);
    assert_true(again > w->now_us && again < w->now_us + SECOND_US);
    w->condition.status = CONDITION_TRUE;
    w->condition.reason = S("Programmed");
    w->now_us = again;
    status_book_flush(w->book, w->now_us, NOW_S, true);
    assert_int_equal(w->writes, 1);
    assert_non_null(strstr(w->last, "\"status\":\"True\""));
    done(w, KIND_GATEWAY, "gw", STATUS_WRITTEN, "8");
    w->condition.status = CONDITION_FALSE;
    w->condition.reason = S("Pending");
    say(w, "no table is on its way, and it is not there");
    w->now_us += SECOND_US;
    flush(w);
    assert_int_equal(w->writes, 2);
}

int main(void) {
#define BOOK_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        BOOK_TEST(test_only_the_leader_writes),
        BOOK_TEST(test_a_new_leader_repeats_nothing),
        BOOK_TEST(test_a_conflict_waits_for_the_newer_object),
        BOOK_TEST(test_what_changes_meanwhile_is_written_after),
        BOOK_TEST(test_seen_before_the_answer),
        BOOK_TEST(test_a_thousand_changes_are_a_few_writes),
        BOOK_TEST(test_entries_of_others),
        BOOK_TEST(test_gone),
        BOOK_TEST(test_failures_back_off),
        BOOK_TEST(test_bounded_flight),
        BOOK_TEST(test_pending_between_two_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
