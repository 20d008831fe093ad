/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_reason.h"

#include "../document.h"
#include "http/http_msg.h"

static void test_reasons(void **state) {
    (void)state;
    for (enum http_reason r = REASON_NONE; r < HTTP_REASON_COUNT; r++) {
        assert_true(http_reason_name(r).n > 0);
        assert_true(http_reason_words(r).n > 0);
        uint16_t status = http_reason_status(r);
        if (status) assert_true(http_status_reason(status).n > 0);
        for (enum http_reason other = REASON_NONE; other < r; other++)
            assert_false(str_eq(http_reason_name(r), http_reason_name(other)));
    }
    assert_int_equal(http_reason_status(REASON_NO_ROUTE), 404);
    assert_int_equal(http_reason_status(REASON_CLIENT_GONE), 0);
    assert_str(http_reason_name(REASON_BACKEND_CUT), "backend_cut");
}

static void test_statuses(void **state) {
    (void)state;
    assert_str(http_status_reason(200), "OK");
    assert_str(http_status_reason(308), "Permanent Redirect");
    assert_str(http_status_reason(404), "Not Found");
    assert_str(http_status_reason(505), "HTTP Version Not Supported");
    assert_str(http_status_reason(299), "");
    assert_str(http_status_reason(499), "");
    assert_str(http_status_reason(599), "");
}

static void docs_tell_all(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 16);
    buf_add(&b, S("| reason | status | meaning |\n|---|---|---|\n"));
    for (enum http_reason r = REASON_NONE; r < HTTP_REASON_COUNT; r++) {
        str name = http_reason_name(r), words = http_reason_words(r);
        char status[8] = "";
        if (http_reason_status(r)) snprintf(status, sizeof status, "%u", http_reason_status(r));
        buf_printf(&b, "| `" STR_FMT "` | %s | " STR_FMT " |\n", STR_ARG(name), status, STR_ARG(words));
    }
    document_holds("reasons.md", "reasons", buf_str(&b));
    buf_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reasons), cmocka_unit_test(test_statuses),
                                       cmocka_unit_test(docs_tell_all)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
