/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "control/name_book.h"

enum { SECOND = 1000000, OPEN_MAX = 256 };

/* A resolver that answers when the test says so, and what was told of names. */
struct world {
    struct name_book *book;
    struct {
        void *asker;
        char name[64];
        uint8_t family;
    } open[OPEN_MAX];
    uint32_t open_n, asked_n, told_n, forgot_n;
    bool at_once;    /* every question fails within the call */
    char told[4096]; /* the last: "name addresses... !error" */
    uint64_t now_us;
};

static const struct dns_answer failure = {.outcome = DNS_FAILED, .words = "nobody answers"};

static void ask(void *arg, void *asker, str name, uint8_t family) {
    struct world *w = arg;
    w->asked_n++;
    assert_true(w->open_n < OPEN_MAX);
    if (w->at_once) {
        name_book_answer(w->book, asker, family, &failure, w->now_us);
        return;
    }
    w->open[w->open_n].asker = asker;
    w->open[w->open_n].family = family;
    snprintf(w->open[w->open_n++].name, 64, STR_FMT, STR_ARG(name));
}

static void tell(void *arg, str name, const struct ip *ips, uint32_t n, str error) {
    struct world *w = arg;
    struct buf b;
    buf_init(&b, sizeof w->told - 1);
    buf_add(&b, name);
    for (uint32_t i = 0; i < n; i++) {
        buf_add_char(&b, ' ');
        ip_print(&b, &ips[i]);
    }
    if (error.n) buf_printf(&b, " !" STR_FMT, STR_ARG(error));
    snprintf(w->told, sizeof w->told, STR_FMT, STR_ARG(buf_str(&b)));
    buf_fini(&b);
    w->told_n++;
}

static void forget(void *arg, str name) {
    struct world *w = arg;
    snprintf(w->told, sizeof w->told, "forgot " STR_FMT, STR_ARG(name));
    w->forgot_n++;
}

static int set_up(void **state) {
    struct world *w = base_zalloc(sizeof *w);
    w->book = name_book_new(&(struct name_book_config){ask, tell, forget, w});
    w->now_us = UINT64_C(1000) * SECOND;
    *state = w;
    return 0;
}

static int tear_down(void **state) {
    struct world *w = *state;
    name_book_free(w->book);
    free(w);
    return 0;
}

static uint64_t work(struct world *w) { return name_book_work(w->book, w->now_us); }

static void want(struct world *w, const char *a, const char *b) {
    str names[] = {str_of(a), str_of(b)};
    name_book_want(w->book, names, a ? b ? 2 : 1 : 0, w->now_us);
}

static void give(struct world *w, const char *name, uint8_t family, const struct dns_answer *a) {
    for (uint32_t i = 0; i < w->open_n; i++) {
        if (strcmp(w->open[i].name, name) != 0 || w->open[i].family != family) continue;
        void *asker = w->open[i].asker;
        w->open[i] = w->open[--w->open_n];
        name_book_answer(w->book, asker, family, a, w->now_us);
        return;
    }
    fail_msg("%s %u was not asked for", name, family);
}

static struct dns_answer found(uint32_t ttl_s, const char *first, const char *second) {
    struct dns_answer a = {.outcome = DNS_FOUND, .words = "", .ttl_s = ttl_s};
    assert_ok(ip_parse(str_of(first), &a.ips[a.n++]));
    if (second) assert_ok(ip_parse(str_of(second), &a.ips[a.n++]));
    return a;
}
static const struct dns_answer no_name = {.outcome = DNS_NO_NAME, .words = "no such name"};
static const struct dns_answer no_address = {.outcome = DNS_NO_ADDRESS, .words = "it has no address"};

static void both_families_count(void **state) {
    struct world *w = *state;
    struct dns_answer v4 = found(60, "192.0.2.1", "192.0.2.2"), v6 = found(60, "2001:db8::1", NULL);
    want(w, "a.example", NULL);
    assert_int_equal(work(w), UINT64_MAX); /* all is asked for */
    assert_int_equal(w->asked_n, 2);
    give(w, "a.example", 4, &v4);
    assert_string_equal(w->told, "a.example 192.0.2.1 192.0.2.2");
    give(w, "a.example", 6, &v6);
    assert_string_equal(w->told, "a.example 192.0.2.1 192.0.2.2 2001:db8::1");
    assert_int_equal(work(w), w->now_us + 60 * SECOND);
}

/* One that has no IPv6 address, or whose servers do not answer for it, is as good as any. */
static void one_family_is_enough(void **state) {
    struct world *w = *state;
    struct dns_answer v4 = found(60, "192.0.2.1", NULL);
    want(w, "a.example", "b.example");
    work(w);
    give(w, "a.example", 6, &no_address);
    assert_int_equal(w->told_n, 0); /* the other half may have some */
    give(w, "a.example", 4, &v4);
    assert_string_equal(w->told, "a.example 192.0.2.1");
    give(w, "b.example", 4, &v4);
    give(w, "b.example", 6, &failure);
    assert_string_equal(w->told, "b.example 192.0.2.1");
    uint32_t failing;
    assert_int_equal(name_book_count(w->book, &failing), 2);
    assert_int_equal(failing, 0);
}

static void ttl_is_kept_within_bounds(void **state) {
    struct world *w = *state;
    const struct {
        uint32_t ttl_s, wait_s;
    } cases[] = {
        {0, NAME_BOOK_TTL_S_MIN}, {1, NAME_BOOK_TTL_S_MIN}, {5, 5}, {300, 300}, {86400, NAME_BOOK_TTL_S_MAX}};
    want(w, "a.example", NULL);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        work(w);
        struct dns_answer a = found(cases[i].ttl_s, "192.0.2.1", NULL);
        give(w, "a.example", 4, &a);
        a = found(cases[i].ttl_s, "2001:db8::1", NULL);
        give(w, "a.example", 6, &a);
        uint64_t due_us = work(w);
        assert_int_equal(due_us, w->now_us + cases[i].wait_s * (uint64_t)SECOND);
        assert_int_equal(w->open_n, 0);
        w->now_us = due_us;
    }
}

static void absence_is_told_and_asked_again(void **state) {
    struct world *w = *state;
    want(w, "a.example", NULL);
    work(w);
    give(w, "a.example", 4, &no_name);
    give(w, "a.example", 6, &no_name);
    assert_string_equal(w->told, "a.example !no such name");
    static const uint32_t waits_s[] = {1, 2, 4, 8, 16, 30, 30};
    for (size_t i = 0; i < COUNT_OF(waits_s); i++) {
        uint64_t due_us = work(w);
        assert_int_equal(due_us, w->now_us + waits_s[i] * (uint64_t)SECOND);
        w->now_us = due_us;
        work(w);
        give(w, "a.example", 4, &no_name);
        give(w, "a.example", 6, &failure);
        assert_string_equal(w->told, "a.example !no such name");
    }
    w->now_us = work(w);
    work(w);
    struct dns_answer a = found(60, "192.0.2.9", NULL);
    give(w, "a.example", 4, &a);
    assert_string_equal(w->told, "a.example 192.0.2.9");
}

static void what_is_wrong_is_told(void **state) {
    struct world *w = *state;
    want(w, "a.example", "b.example");
    work(w);
    give(w, "a.example", 4, &no_address);
    give(w, "a.example", 6, &no_address);
    assert_string_equal(w->told, "a.example !it has no address");
    give(w, "b.example", 6, &no_address);
    give(w, "b.example", 4, &failure);
    assert_string_equal(w->told, "b.example !nobody answers");
    uint32_t failing;
    name_book_count(w->book, &failing);
    assert_int_equal(failing, 2);
}

/* Nobody answers: what was is kept, for a day. That there is no such name is believed at once. */
static void last_answer_is_kept(void **state) {
    struct world *w = *state;
    struct dns_answer v4 = found(60, "192.0.2.1", NULL);
    want(w, "a.example", NULL);
    work(w);
    give(w, "a.example", 4, &v4);
    give(w, "a.example", 6, &no_address);
    uint64_t began_us = w->now_us, ends_us = began_us + NAME_BOOK_STALE_S_MAX * (uint64_t)SECOND;
    bool dropped = false;
    while (!dropped) {
        uint64_t due_us = work(w);
        if (due_us != UINT64_MAX && !w->open_n) w->now_us = due_us, work(w);
        while (w->open_n) {
            bool six = w->open[0].family == 6;
            give(w, "a.example", six ? 6 : 4, six ? &no_address : &failure);
            dropped = strcmp(w->told, "a.example !nobody answers") == 0;
            if (!dropped && !six) assert_string_equal(w->told, "a.example 192.0.2.1 !nobody answers");
        }
        assert_true(w->now_us <= ends_us + NAME_BOOK_RETRY_S_MAX * (uint64_t)SECOND);
    }
    assert_true(w->now_us >= ends_us);
    w->now_us = work(w);
    work(w);
    give(w, "a.example", 4, &v4);
    w->now_us += 60 * (uint64_t)SECOND;
    work(w);
    give(w, "a.example", 4, &no_name);
    while (w->open_n) give(w, "a.example", 6, &no_name);
    assert_string_equal(w->told, "a.example !no such name");
}

static void names_come_and_go(void **state) {
    struct world *w = *state;
    struct dns_answer v4 = found(60, "192.0.2.1", NULL);
    want(w, "a.example", "b.example");
    work(w);
    want(w, "b.example", NULL);
    assert_int_equal(w->forgot_n, 1);
    uint32_t told_n = w->told_n;
    give(w, "a.example", 4, &v4); /* too late */
    assert_int_equal(w->told_n, told_n);
    want(w, "b.example", "a.example"); /* its other question is still open: that one's answer counts */
    work(w);
    give(w, "a.example", 6, &no_address);
    give(w, "a.example", 4, &v4);
    assert_string_equal(w->told, "a.example 192.0.2.1");
    want(w, NULL, NULL);
    assert_int_equal(w->forgot_n, 3);
    give(w, "b.example", 4, &v4);
    give(w, "b.example", 6, &no_address);
    assert_int_equal(work(w), UINT64_MAX);
    uint32_t failing;
    assert_int_equal(name_book_count(w->book, &failing), 0);
}

static void questions_are_bounded(void **state) {
    struct world *w = *state;
    enum { NAMES = 500 };
    static char text[NAMES][16];
    str names[NAMES];
    for (int i = 0; i < NAMES; i++) {
        snprintf(text[i], sizeof text[i], "n%d.example", i);
        names[i] = str_of(text[i]);
    }
    name_book_want(w->book, names, NAMES, w->now_us);
    assert_int_equal(work(w), UINT64_MAX); /* an answer makes room */
    assert_int_equal(w->open_n, NAME_BOOK_ASKED_MAX);
    while (w->open_n) {
        give(w, w->open[0].name, w->open[0].family, &no_address);
        work(w);
        assert_true(w->open_n <= NAME_BOOK_ASKED_MAX);
    }
    assert_int_equal(w->asked_n, 2 * NAMES);
    assert_int_equal(w->told_n, NAMES);
}

static void answers_may_come_at_once(void **state) {
    struct world *w = *state;
    w->at_once = true;
    want(w, "a.example", "b.example");
    assert_int_equal(work(w), w->now_us + SECOND);
    assert_int_equal(w->asked_n, 4);
    assert_int_equal(w->told_n, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(both_families_count, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_family_is_enough, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ttl_is_kept_within_bounds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(absence_is_told_and_asked_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(last_answer_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_come_and_go, set_up, tear_down),
        cmocka_unit_test_setup_teardown(questions_are_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(answers_may_come_at_once, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
