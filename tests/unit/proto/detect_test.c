/* SPDX-License-Identifier: Apache-2.0 */
/* The first bytes tell the version, however they are cut, and none is lost. */
#include "proto/detect.h"

#include "../unit.h"
#include "base/buf.h"
#include "proto/h1.h"
#include "proto/h2.h"

struct side {
    struct detect detect;
    struct codec *codec; /* what the owner calls */
    struct codec *h1, *h2;
    struct arena *arena;
    unsigned chosen;
    struct buf trace;
};
static struct arena *on_begin(void *arg, uint32_t stream) {
    (void)stream;
    return ((struct side *)arg)->arena;
}
static void on_head(void *arg, uint32_t stream, struct http_msg *m, bool end) {
    struct side *s = arg;
    (void)stream, (void)end;
    buf_printf(&s->trace, STR_FMT " " STR_FMT " %u", STR_ARG(m->method), STR_ARG(m->path), m->version);
}
static void on_body(void *arg, uint32_t stream, str bytes) { (void)arg, (void)stream, (void)bytes; }
static void on_end(void *arg, uint32_t stream, struct http_msg *trailers) {
    (void)arg, (void)stream, (void)trailers;
}
static void on_reset(void *arg, uint32_t stream, enum http_reason why) {
    (void)arg, (void)stream, (void)why;
    fail();
}
static const struct codec_sink sink = {.begin = on_begin,
                                       .head = on_head,
                                       .body = on_body,
                                       .end = on_end,
                                       .reset = on_reset,
                                       .refused = on_reset};
static const struct codec_limits limits = {
    .head_bytes_max = 4096, .line_bytes_max = 2048, .fields_max = 64, .trailer_bytes_max = 1024};

static struct codec *choose(void *arg, bool h2) {
    struct side *s = arg;
    s->chosen++;
    return s->codec = h2 ? s->h2 : s->h1;
}
/* All of in, n bytes at a time; what the last read said, and why. */
static err play(struct side *s, str in, size_t n, enum http_reason *ret_why) {
    *s = (struct side){.arena = arena_new()};
    s->h1 = h1_server(&sink, s, &limits), s->h2 = h2_server(&sink, s, &limits);
    buf_init(&s->trace, 1 << 16);
    detect_init(&s->detect, choose, s);
    s->codec = &s->detect.codec;
    err e = OK;
    while (in.n && e == OK) {
        size_t used = 0;
        str part = str_upto(in, n);
        e = s->codec->ops->read(s->codec, part, 0, &used, ret_why);
        assert_true(used > 0 || e != OK);
        in = str_from(in, used);
    }
    return e;
}
static void end(struct side *s) {
    s->h1->ops->free(s->h1), s->h2->ops->free(s->h2);
    arena_free(s->arena);
    buf_fini(&s->trace);
}

static void test_both_versions_in_all_cuts(void **state) {
    (void)state;
    static const struct {
        str in;
        const char *trace;
    } cases[] = {
        {S("GET /x HTTP/1.1\r\nHost: a\r\n\r\n"), "GET /x 11"},
        {S("POST /x HTTP/1.0\r\n\r\n"), "POST /x 10"},
        {S("PRI /x HTTP/1.1\r\nHost: a\r\n\r\n"), "PRI /x 11"},
        /* preface, SETTINGS, and HEADERS from the static table: GET http a / */
        {S("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\0\0\6\1\5\0\0\0\1\x82\x86\x41\x01"
           "a\x84"),
         "GET / 20"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (size_t n = 1; n <= cases[i].in.n; n++) {
            struct side s;
            enum http_reason why;
            assert_ok(play(&s, cases[i].in, n, &why));
            assert_str(buf_str(&s.trace), cases[i].trace);
            assert_int_equal(s.chosen, 1);
            end(&s);
        }
}

static void test_another_version(void **state) {
    (void)state;
    for (size_t n = 1; n < 40; n++) {
        struct side s;
        enum http_reason why = REASON_NONE;
        assert_int_equal(play(&s, S("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"), n, &why), ERR_PROTO);
        assert_true(why == REASON_VERSION || why == REASON_BAD_REQUEST);
        end(&s);
    }
}

static void test_ends_before_it_is_known(void **state) {
    (void)state;
    struct side s;
    enum http_reason why = REASON_NONE;
    assert_ok(play(&s, S(""), 1, &why));
    assert_int_equal(s.codec->ops->read_end(s.codec, &why), ERR_END);
    end(&s);
    assert_ok(play(&s, S("PRI"), 1, &why));
    assert_int_equal(s.codec->ops->read_end(s.codec, &why), ERR_PROTO);
    assert_int_equal(why, REASON_CLIENT_GONE);
    assert_int_equal(s.chosen, 0);
    end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_versions_in_all_cuts),
        cmocka_unit_test(test_another_version),
        cmocka_unit_test(test_ends_before_it_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
