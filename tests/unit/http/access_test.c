/* SPDX-License-Identifier: Apache-2.0 */
#include "http/access.h"
#include "http/access_format.h"
#include "http/http_msg.h"

#include "../document.h"

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
        .endpoint = {{.family = 6, .bytes = {[15] = 1}}, 8080},
        .attempts = 1,
        .tls_version = S("TLSv1.3"),
        .bytes_in = 3,
        .bytes_out = 18446744073709551615u,
        .total_us = 1500,
        .connect_us = 0,
        .first_byte_us = 1200,
        .user_agent = S("curl\n"),
        .request_id = S("id"),
    };
}

static void print(struct buf *b, const char *format, const struct access_record *r) {
    OWNED(arena) a = arena_new();
    enum access_form form;
    str program;
    struct access_fault fault;
    buf_clear(b);
    assert_int_equal(access_format_parse(a, str_of(format), &form, &program, &fault), OK);
    if (form == ACCESS_JSON) program = access_format_json(a);
    if (form == ACCESS_TEXT) program = access_format_text(a);
    access_print(b, program, r);
}

static void test_text(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 4096);
    struct access_record r = example();
    print(&b, "text", &r);
    assert_str(
        buf_str(&b),
        "192.0.2.7 - - [23/Nov/2026:04:00:00 +0000] \"GET /a\\x22b?q=\\x7f HTTP/1.1\" 200 "
        "18446744073709551615 "
        "client_port=40000 tls=true tls_version=\"TLSv1.3\" authority=\"example.org\" reason=- "
        "gateway=\"ns/gw\" listener=\"http\" "
        "route=\"HTTPRoute/ns/r\" rule=2 backend=\"ns/b:80\" endpoint=[::1]:8080 attempts=1 bytes_in=3 "
        "total_us=1500 first_byte_us=1200 user_agent=\"curl\\x0a\" request_id=\"id\"\n");
    r = (struct access_record){
        .rule = -1, .status = 400, .reason = REASON_BAD_REQUEST, .client.family = 4, .version = 20};
    print(&b, "text", &r);
    assert_str(buf_str(&b), "0.0.0.0 - - [01/Jan/1970:00:00:00 +0000] \"- - HTTP/2\" 400 0 client_port=0 "
                            "reason=bad_request attempts=0 bytes_in=0\n");
    buf_fini(&b);
}

static void test_json(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 4096);
    struct access_record r = example();
    print(&b, "json", &r);
    assert_str(
        buf_str(&b),
        "{\"time\":\"2026-11-23T04:00:00.123456Z\",\"client\":\"192.0.2.7\",\"client_port\":40000,"
        "\"protocol\":\"HTTP/1.1\",\"tls\":true,\"tls_version\":\"TLSv1.3\",\"tls_cipher\":null,"
        "\"server_name\":null,\"tls_failure\":null,\"method\":\"GET\",\"authority\":\"example.org\",\"path\":"
        "\"/a\\\"b\","
        "\"query\":\"?q=\\u007f\",\"status\":200,\"reason\":\"-\",\"gateway\":\"ns/gw\","
        "\"listener\":\"http\",\"route\":\"HTTPRoute/ns/r\",\"rule\":2,\"rule_name\":null,"
        "\"backend\":\"ns/"
        "b:80\",\"endpoint\":\"[::1]:8080\",\"attempts\":1,\"retries\":null,\"retry_stop\":null,\"bytes_in\":"
        "3,"
        "\"bytes_out\":18446744073709551615,\"total_us\":1500,\"head_us\":0,\"route_us\":0,\"auth_us\":0,"
        "\"connect_us\":0,\"tls_us\":0,\"wait_us\":0,\"first_byte_us\":1200,\"body_us\":0,"
        "\"user_agent\":\"curl\\n\",\"request_id\":\"id\",\"trace_id\":null,\"span_id\":null}\n");
    r.rule = -1, r.endpoint.ip.family = 0;
    print(&b, "json", &r);
    b.p[b.n - 1] = 0;
    assert_non_null(strstr(b.p, "\"rule\":null,"));
    assert_non_null(strstr(b.p, "\"endpoint\":null,"));
    buf_fini(&b);
}

static void test_templates(void **state) {
    (void)state;
    static const struct {
        const char *format, *line;
    } cases[] = {
        {"%{status}", "200\n"},
        {"100%% %{method}%%", "100% GET%\n"},
        {"%{path}%{query} %{path:json}", "/a\\x22b?q=\\x7f \"/a\\\"b\"\n"},
        {"%{total_us} %{total_us:us} %{total_us:ms} %{total_us:s} %{total_us:json}",
         "1500 1500 1.500 0.001500 1500\n"},
        {"%{time} %{time:common}", "2026-11-23T04:00:00.123456Z [23/Nov/2026:04:00:00 +0000]\n"},
        {"[%{rule_name}] %{rule_name:json} %{tls_cipher}", "[-] null -\n"},
        {"{\"s\":%{status}}", "{\"s\":200}\n"},
        {"%{request.header.Referer} %{request.header.x}", "a\\x0ab -\n"},
        {"%{request.header.x-added:json} %{request.header.referer:json}", "null \"a\\nb\"\n"},
        {"%{response.header.server} %{response.header.age:json}", "t null\n"},
    };
    OWNED(arena) a = arena_new();
    struct http_msg q, p;
    http_msg_init(&q, a, true), http_msg_init(&p, a, false);
    http_msg_add(&q, S("Referer"), S("a\nb"));
    http_msg_remove(&q, S("Referer")); /* by a filter */
    http_msg_add(&q, S("X-Added"), S("1"));
    http_msg_add(&p, S("Server"), S("s"));
    http_msg_set(&p, S("Server"), S("t"));
    struct access_record r = example();
    r.request = &q, r.request_fields_n = 1, r.response = &p;
    struct buf b;
    buf_init(&b, 4096);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        print(&b, cases[i].format, &r);
        assert_str(buf_str(&b), cases[i].line);
    }
    r = (struct access_record){.rule = -1};
    print(&b, "%{path}%{query} %{client} %{endpoint} %{rule} %{request.header.a}", &r);
    assert_str(buf_str(&b), "- - - - -\n");
    buf_fini(&b);
}

static void test_faults(void **state) {
    (void)state;
    static const struct {
        const char *format;
        size_t at;
        const char *message, *remedy;
    } cases[] = {
        {"jsno", 0, "\"jsno\" is no form, and no template: it names no field", NULL},
        {"", 0, "\"\" is no form, and no template: it names no field", NULL},
        {"%{client} %{statsu}", 12, "there is no field \"statsu\"", "did you mean \"status\"?"},
        {"%{client", 0, "%{ without an end", NULL},
        {"50% %{status}", 2, "a percent sign that is neither", NULL},
        {"%{status}%", 9, "a percent sign that is neither", NULL},
        {"%{status:ms}", 9, "\"ms\" is no way to print this", "known is json"},
        {"%{total_us:m}", 11, "\"m\" is no way to print this", "known are us, ms, s and json"},
        {"%{request.header.}", 2, "\"\" is no name of a header field", NULL},
        {"%{request.header.a b}", 2, "\"a b\" is no name of a header field", NULL},
        {"%{response.header.a:us}", 2, "\"us\" is no way to print this", NULL},
        {"%{status}\n%{path}", 9, "holds a control character", NULL},
    };
    OWNED(arena) a = arena_new();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        enum access_form form = ACCESS_AS_USUAL;
        str program;
        struct access_fault fault;
        assert_int_equal(access_format_parse(a, str_of(cases[i].format), &form, &program, &fault), ERR_PROTO);
        assert_int_equal(form, ACCESS_AS_USUAL);
        assert_int_equal(fault.at, cases[i].at);
        assert_str(fault.message, cases[i].message);
        if (cases[i].remedy) assert_str(fault.remedy, cases[i].remedy);
        assert_true(fault.remedy.n > 0);
    }
    char *long_one = base_zalloc(ACCESS_TEMPLATE_BYTES_MAX + 10);
    memset(long_one, 'x', ACCESS_TEMPLATE_BYTES_MAX + 1);
    memcpy(long_one, "%{status}", 9);
    enum access_form form;
    str program;
    struct access_fault fault;
    assert_int_equal(access_format_parse(a, str_of(long_one), &form, &program, &fault), ERR_PROTO);
    long_one[ACCESS_TEMPLATE_BYTES_MAX] = 0;
    assert_int_equal(access_format_parse(a, str_of(long_one), &form, &program, &fault), OK);
    free(long_one);
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
        print(&b, "text", &r);
        assert_true(str_starts(str_from(buf_str(&b), 12), str_of(days[i].date)));
    }
    buf_fini(&b);
}

static void docs_tell_all(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 16);
    for (int i = 0; i < ACCESS_FIELD_COUNT; i++) {
        const struct access_field *f = access_field((enum access_field_id)i);
        buf_printf(&b, "| `" STR_FMT "` | %s |\n", STR_ARG(f->name), f->help);
    }
    document_holds("observing.md", "access", buf_str(&b));
    buf_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),   cmocka_unit_test(test_json),  cmocka_unit_test(test_templates),
        cmocka_unit_test(test_faults), cmocka_unit_test(test_dates), cmocka_unit_test(docs_tell_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
