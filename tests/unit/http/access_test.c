/* SPDX-License-Identifier: Apache-2.0 */
#include "http/access.h"

#include "../unit.h"

static struct access_record example(void) {
    return (struct access_record){
        .time_us = 1795406400123456, /* 2026-11-23T04:00:00.123456Z */
        .client = {.family = 4, .bytes = {192, 0, 2, 7}},
        .client_port = 40000,
        .version = 11,
        .tls = true,
        .status = 200,
        .method = S("GET"),
        .authority = S("example.org"),
        .path = S("/a\"b"),
        .query = S("?q=\x7f"),
        .gateway = S("ns/gw"),
        .listener = S("http"),
        .route = S("HTTPRoute/ns/r"),
        .rule = 2,
        .backend = S("ns/b:80"),
        .endpoint = {.family = 6, .bytes = {[15] = 1}},
        .endpoint_port = 8080,
        .bytes_in = 3,
        .bytes_out = 18446744073709551615u,
        .total_us = 1500,
        .connect_us = 0,
        .first_byte_us = 1200,
        .user_agent = S("curl\n"),
        .request_id = S("id"),
    };
}

static void test_text(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 4096);
    struct access_record r = example();
    access_print_text(&b, &r);
    assert_str(
        buf_str(&b),
        "192.0.2.7 - - [23/Nov/2026:04:00:00 +0000] \"GET /a\\x22b?q=\\x7f HTTP/1.1\" 200 "
        "18446744073709551615 "
        "reason=- tls=true client_port=40000 authority=\"example.org\" gateway=\"ns/gw\" listener=\"http\" "
        "route=\"HTTPRoute/ns/r\" rule=2 backend=\"ns/b:80\" endpoint=[::1]:8080 bytes_in=3 total_us=1500 "
        "connect_us=0 first_byte_us=1200 user_agent=\"curl\\x0a\" request_id=\"id\"\n");
    buf_clear(&b);
    r = (struct access_record){
        .rule = -1, .status = 400, .reason = REASON_BAD_REQUEST, .client.family = 4, .version = 20};
    access_print_text(&b, &r);
    assert_str(buf_str(&b),
               "0.0.0.0 - - [01/Jan/1970:00:00:00 +0000] \"  HTTP/2\" 400 0 reason=bad_request client_port=0 "
               "bytes_in=0 total_us=0 connect_us=0 first_byte_us=0\n");
    buf_fini(&b);
}

static void test_json(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 4096);
    struct access_record r = example();
    access_print_json(&b, &r);
    assert_str(buf_str(&b),
               "{\"time\":\"2026-11-23T04:00:00.123456Z\",\"client\":\"192.0.2.7\",\"client_port\":40000,"
               "\"version\":\"HTTP/1.1\","
               "\"tls\":true,\"method\":\"GET\",\"authority\":\"example.org\",\"path\":\"/"
               "a\\\"b\",\"query\":\"?q=\\u007f\","
               "\"status\":200,\"reason\":\"-\",\"gateway\":\"ns/"
               "gw\",\"listener\":\"http\",\"route\":\"HTTPRoute/ns/r\",\"rule\":2,"
               "\"backend\":\"ns/"
               "b:80\",\"endpoint\":\"[::1]:8080\",\"bytes_in\":3,\"bytes_out\":18446744073709551615,"
               "\"total_us\":1500,\"connect_us\":0,\"first_byte_us\":1200,\"user_agent\":\"curl\\n\","
               "\"request_id\":\"id\"}\n");
    buf_clear(&b);
    r.rule = -1, r.endpoint.family = 0;
    access_print_json(&b, &r);
    b.p[b.n - 1] = 0;
    assert_non_null(strstr(b.p, "\"rule\":-1,"));
    assert_non_null(strstr(b.p, "\"endpoint\":null,"));
    buf_fini(&b);
}

/* Days around leap years, and far ones. */
static void test_dates(void **state) {
    (void)state;
    static const struct {
        int64_t seconds;
        const char *date;
    } days[] = {
        {951782399, "[28/Feb/2000:23:59:59 +0000]"},  {951782400, "[29/Feb/2000:00:00:00 +0000]"},
        {951868800, "[01/Mar/2000:00:00:00 +0000]"},  {978307199, "[31/Dec/2000:23:59:59 +0000]"},
        {1709164800, "[29/Feb/2024:00:00:00 +0000]"}, {4107542400, "[01/Mar/2100:00:00:00 +0000]"},
        {4107456000, "[28/Feb/2100:00:00:00 +0000]"},
    };
    struct buf b;
    buf_init(&b, 4096);
    for (size_t i = 0; i < COUNT_OF(days); i++) {
        struct access_record r = {.time_us = days[i].seconds * 1000000, .client.family = 4};
        buf_clear(&b);
        access_print_text(&b, &r);
        assert_true(str_starts(str_from(buf_str(&b), 12), str_of(days[i].date)));
    }
    buf_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_dates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
