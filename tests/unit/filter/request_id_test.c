/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/request_id.h"

#include "../unit.h"

enum { OFTEN = 1000 };

static void are_digits_and_never_the_same(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct request_id_source s = {.high = {1}, .low = {2}};
    uint32_t seen[16] = {0};
    str before = S("");
    for (int i = 0; i < OFTEN; i++) {
        str id = request_id_new(&s, a);
        assert_int_equal(id.n, REQUEST_ID_BYTES);
        assert_false(str_eq(id, before));
        for (size_t k = 0; k < id.n; k++) {
            const char *digits = "0123456789abcdef", *at = strchr(digits, id.p[k]);
            assert_true(at && *at);
            seen[at - digits]++;
        }
        before = id;
    }
    for (size_t i = 0; i < COUNT_OF(seen); i++) /* 2000 each are expected */
        assert_in_range(seen[i], 1600, 2400);
}

/* Both halves count: workers that share one of them do not tell the same. */
static void each_half_has_its_own_seed(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct request_id_source s = {.high = {1}, .low = {2}}, t = {.high = {1}, .low = {3}};
    str x = request_id_new(&s, a), y = request_id_new(&t, a);
    assert_true(memcmp(x.p, y.p, REQUEST_ID_BYTES / 2) == 0);
    assert_true(memcmp(x.p + REQUEST_ID_BYTES / 2, y.p + REQUEST_ID_BYTES / 2, REQUEST_ID_BYTES / 2) != 0);
}

#define LONGEST                                                                                              \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"       \
    "0123456789abcdef0123456789abcdef"

static void what_came_stays_where_that_is_said(void **state) {
    (void)state;
    static const struct {
        const char *came, *more;
        enum table_request_id how;
        bool trusted, stays;
    } cases[] = {
        {"a", NULL, TABLE_REQUEST_ID_IF_ABSENT, false, true},
        {"a", NULL, TABLE_REQUEST_ID_FROM_TRUSTED, true, true},
        {"a", NULL, TABLE_REQUEST_ID_FROM_TRUSTED, false, false},
        {"a", NULL, TABLE_REQUEST_ID_ALWAYS, true, false},
        {NULL, NULL, TABLE_REQUEST_ID_IF_ABSENT, true, false},
        {"", NULL, TABLE_REQUEST_ID_IF_ABSENT, true, false},
        {"a b", NULL, TABLE_REQUEST_ID_IF_ABSENT, true, false},
        {"\xc3\xa4", NULL, TABLE_REQUEST_ID_IF_ABSENT, true, false},
        {"a", "a", TABLE_REQUEST_ID_IF_ABSENT, true, false},
        {LONGEST, NULL, TABLE_REQUEST_ID_IF_ABSENT, true, true},
        {LONGEST "0", NULL, TABLE_REQUEST_ID_IF_ABSENT, true, false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        OWNED(arena) a = arena_new();
        struct http_msg m;
        http_msg_init(&m, a, true);
        http_msg_add(&m, S("A"), S("b"));
        if (cases[i].came) http_msg_add(&m, S("x-request-id"), str_of(cases[i].came));
        if (cases[i].more) http_msg_add(&m, S("X-REQUEST-ID"), str_of(cases[i].more));
        assert_int_equal(request_id_needed(&m, cases[i].how, cases[i].trusted), !cases[i].stays);
        const struct http_field *f = http_msg_find_id(&m, FIELD_X_REQUEST_ID);
        assert_int_equal(f != NULL, cases[i].stays);
        request_id_put(&m, S("ours"));
        if (!cases[i].stays) assert_str(http_msg_joined(&m, a, S("X-Request-Id")), "ours");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(are_digits_and_never_the_same),
        cmocka_unit_test(each_half_has_its_own_seed),
        cmocka_unit_test(what_came_stays_where_that_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
