/* SPDX-License-Identifier: Apache-2.0 */
/* A Check by the bytes: what a request becomes, and what each kind of answer says. */
#include "proto/authz.h"

#include "../unit.h"
#include "proto/protobuf.h"

/* ---- Protocol Buffers ---- */

static void reads_fields(void **state) {
    (void)state;
    str s = S("\x08\x96\x01\x12\x03"
              "abc\x19\x01\x02\x03\x04\x05\x06\x07\x08\x25\x01\x00\x00\x80\xfa\xff\xff\xff\x0f\x00");
    struct protobuf_field f;
    assert_int_equal(protobuf_next(&s, &f), OK);
    assert_true(f.number == 1 && f.wire == PROTOBUF_VARINT && f.value == 150);
    assert_int_equal(protobuf_next(&s, &f), OK);
    assert_true(f.number == 2 && f.wire == PROTOBUF_BYTES && str_eq(f.bytes, S("abc")));
    assert_int_equal(protobuf_next(&s, &f), OK);
    assert_true(f.number == 3 && f.value == UINT64_C(0x0807060504030201));
    assert_int_equal(protobuf_next(&s, &f), OK);
    assert_true(f.number == 4 && f.value == UINT64_C(0x80000001));
    assert_int_equal(protobuf_next(&s, &f), OK);
    assert_true(f.number == (UINT32_C(1) << 29) - 1 && f.bytes.n == 0);
    assert_int_equal(protobuf_next(&s, &f), ERR_END);
}

static void refuses_what_is_no_message(void **state) {
    (void)state;
    static const str bad[] = {
        S("\x08"),                                             /* no value */
        S("\x80"),                                             /* no tag */
        S("\x00\x01"),                                         /* number 0 */
        S("\x0b\x0c"),                                         /* a group */
        S("\x0e\x01"),                                         /* no wire type */
        S("\x0a\x02x"),                                        /* longer than the message */
        S("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),     /* much longer */
        S("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),     /* more than 64 bits */
        S("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), /* longer than a varint is */
        S("\x80\x80\x80\x80\x10\x01"),                         /* a number of more than 29 bits */
        S("\x09\x01\x02\x03"),
        S("\x0d\x01\x02\x03"),
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        str s = bad[i];
        struct protobuf_field f;
        assert_int_equal(protobuf_next(&s, &f), ERR_PROTO);
        assert_true(str_eq(s, bad[i]));
    }
}

static void mends_text(void **state) {
    (void)state;
    static const struct {
        str in, out;
    } v[] = {
        {S("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"), S("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80")},
        {S("a\xff"), S("a\xef\xbf\xbd")},
        {S("\xc3"), S("\xef\xbf\xbd")},
        {S("\xc0\x80"), S("\xef\xbf\xbd\xef\xbf\xbd")},                 /* longer than it needs to be */
        {S("\xed\xa0\x80"), S("\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd")}, /* a surrogate */
        {S("\xe2\x82x"), S("\xef\xbf\xbd\xef\xbf\xbdx")},
    };
    for (size_t i = 0; i < COUNT_OF(v); i++) {
        char bytes[64];
        struct protobuf_out size = {0}, o = {.to = bytes};
        protobuf_text(&size, 1, v[i].in);
        protobuf_text(&o, 1, v[i].in);
        assert_int_equal(size.n, o.n);
        str s = {bytes, o.n};
        struct protobuf_field f;
        assert_int_equal(protobuf_next(&s, &f), OK);
        assert_true(f.number == 1 && s.n == 0 && str_eq(f.bytes, v[i].out));
    }
}

static void tells_utf8_however_it_is_cut(void **state) {
    (void)state;
    str text = S("gr\xc3\xbcn \xe2\x82\xac \xf0\x9f\x98\x80");
    for (size_t cut = 0; cut <= text.n; cut++) {
        struct protobuf_utf8 u = {0};
        protobuf_utf8_add(&u, str_upto(text, cut));
        protobuf_utf8_add(&u, str_from(text, cut));
        assert_true(protobuf_utf8_ok(&u));
    }
    static const str bad[] = {S("\x80"),
                              S("\xc3"),
                              S("\xf5\x80\x80\x80"),
                              S("\xe0\x80\x80"),
                              S("\xf4\x90\x80\x80"),
                              S("\xf0\x80\x80\x80")};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct protobuf_utf8 u = {0};
        protobuf_utf8_add(&u, bad[i]);
        assert_false(protobuf_utf8_ok(&u));
    }
}

/* ---- the question ---- */

/* The value at a path of numbers. */
static struct protobuf_field at(str message, const uint32_t *path) {
    struct protobuf_field f = {0}, found = {0};
    for (err e; (e = protobuf_next(&message, &f)) != ERR_END;) {
        assert_int_equal(e, OK);
        if (f.number == *path && !found.number) found = f;
    }
    return path[1] && found.number ? at(found.bytes, path + 1) : found;
}
static void has(str message, const char *text, const uint32_t *path) {
    struct protobuf_field f = at(message, path);
    if (!str_eq(f.bytes, str_of(text))) fail_msg("%.*s, not %s", (int)f.bytes.n, f.bytes.p, text);
}
#define PATH(...) ((const uint32_t[]){__VA_ARGS__, 0})

static void asks(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct http_msg m;
    http_msg_init(&m, a, true);
    m.version = 20, m.method = S("PUT"), m.path = S("/a"), m.query = S("?b"), m.authority = S("h.example:81");
    http_msg_add(&m, S("X-One"), S("1"));
    http_msg_add_known(&m, FIELD_CONNECTION, S("Connection"), S("x"));
    http_msg_add(&m, S("x-one"), S("2"));
    http_msg_add_known(&m, FIELD_X_REQUEST_ID, S("X-Request-Id"), S("id"));
    str names[] = {S("x-one")};
    struct authz_question q = {.request = &m,
                               .names = names,
                               .names_n = 1,
                               .tls = true,
                               .source_port = 999,
                               .wall_us = 1500000,
                               .size = -1,
                               .body_n = 300,
                               .body_text = true};
    assert_int_equal(ip_parse(S("192.0.2.1"), &q.source), OK);
    str head = authz_head(a, &q);
    struct buf b;
    buf_init(&b, 4096);
    buf_add(&b, head);
    for (int i = 0; i < 300; i++) buf_add_char(&b, 'x');
    uint32_t n;
    assert_int_equal(authz_frame((const uint8_t *)b.p, &n), OK);
    assert_int_equal(n, b.n - AUTHZ_FRAME_BYTES);
    str message = str_from(buf_str(&b), AUTHZ_FRAME_BYTES);
    has(message, "192.0.2.1", PATH(1, 1, 1, 1, 2));
    assert_int_equal(at(message, PATH(1, 1, 1, 1, 3)).value, 999);
    assert_int_equal(at(message, PATH(1, 2)).number, 0);
    assert_int_equal(at(message, PATH(1, 4, 1, 1)).value, 1);
    assert_int_equal(at(message, PATH(1, 4, 1, 2)).value, 500000000);
    has(message, "id", PATH(1, 4, 2, 1));
    has(message, "PUT", PATH(1, 4, 2, 2));
    has(message, "x-one", PATH(1, 4, 2, 3, 1));
    has(message, "1,2", PATH(1, 4, 2, 3, 2));
    has(message, "/a?b", PATH(1, 4, 2, 4));
    has(message, "h.example:81", PATH(1, 4, 2, 5));
    has(message, "https", PATH(1, 4, 2, 6));
    assert_true(at(message, PATH(1, 4, 2, 9)).value == UINT64_MAX);
    has(message, "HTTP/2", PATH(1, 4, 2, 10));
    assert_int_equal(at(message, PATH(1, 4, 2, 11)).bytes.n, 300);
    q.body_text = false;
    buf_clear(&b);
    buf_add(&b, authz_head(a, &q));
    for (int i = 0; i < 300; i++) buf_add_char(&b, 'x');
    message = str_from(buf_str(&b), AUTHZ_FRAME_BYTES);
    assert_int_equal(at(message, PATH(1, 4, 2, 12)).bytes.n, 300);
    assert_int_equal(at(message, PATH(1, 4, 2, 11)).number, 0);
    buf_fini(&b);
}

static void refuses_a_frame(void **state) {
    (void)state;
    uint32_t n;
    static const uint8_t packed[] = {1, 0, 0, 0, 1}, longer[] = {0, 0, 1, 0, 1}, most[] = {0, 0, 1, 0, 0};
    assert_int_equal(authz_frame(packed, &n), ERR_PROTO);
    assert_int_equal(authz_frame(longer, &n), ERR_LIMIT);
    assert_int_equal(authz_frame(most, &n), OK);
    assert_int_equal(n, AUTHZ_ANSWER_BYTES_MAX);
}

/* ---- the answer ---- */

static void add_part(struct buf *b, uint32_t number, str bytes) {
    char head[16];
    struct protobuf_out o = {.to = head};
    protobuf_begin(&o, number, bytes.n);
    buf_add(b, (str){head, o.n});
    buf_add(b, bytes);
}
static str part(struct arena *a, uint32_t number, str bytes) {
    struct buf b;
    buf_init(&b, 1 << 20);
    add_part(&b, number, bytes);
    str s = arena_str(a, buf_str(&b));
    buf_fini(&b);
    return s;
}
/* x then y; they may hold NUL. */
static str with(struct arena *a, str x, str y) {
    char *p = arena_raw(a, x.n + y.n + 1);
    if (x.n) memcpy(p, x.p, x.n);
    if (y.n) memcpy(p + x.n, y.p, y.n);
    return (str){p, x.n + y.n};
}
static str option(struct arena *a, const char *name, const char *value, str more) {
    str pair = with(a, part(a, 1, str_of(name)), part(a, 2, str_of(value)));
    return with(a, part(a, 1, pair), more);
}

static void lets_in(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct authz_verdict v;
    static const str plain[] = {S(""), S("\x0a\x00"), S("\x0a\x02\x08\x00"), S("\x1a\x00"),
                                S("\x0a\x00\x22\x01\x00\x98\x06\x07")};
    for (size_t i = 0; i < COUNT_OF(plain); i++) {
        assert_int_equal(authz_read(a, plain[i], &v), OK);
        assert_true(v.allowed && !v.fields.n && !v.remove.n && !v.response.n && !v.set_query.n);
    }
    str ok = part(a, 2, option(a, "x-set", " 1 ", S("")));
    ok = with(a, ok, part(a, 2, option(a, "x-append", "2", S("\x12\x02\x08\x01"))));
    ok = with(a, ok, part(a, 2, option(a, "x-no-append", "3", S("\x12\x00\x18\x01"))));
    ok = with(a, ok, part(a, 2, option(a, "x-absent", "4", S("\x18\x01"))));
    ok = with(a, ok, part(a, 2, option(a, "x-present", "5", S("\x18\x03"))));
    static const char *const left_out[] = {":path",      "Host", "content-length", "Transfer-Encoding",
                                           "connection", "te"};
    for (size_t i = 0; i < COUNT_OF(left_out); i++) {
        ok = with(a, ok, part(a, 2, option(a, left_out[i], "x", S(""))));
        ok = with(a, ok, part(a, 5, str_of(left_out[i])));
    }
    ok = with(a, ok, part(a, 5, S("authorization")));
    ok = with(a, ok, part(a, 6, option(a, "x-told", "6", S(""))));
    ok = with(a, ok, part(a, 7, with(a, part(a, 1, S("q")), part(a, 2, S("7")))));
    ok = with(a, ok, part(a, 8, S("gone")));
    ok = with(a, ok, S("\x98\x06\x07")); /* of a later version */
    assert_int_equal(authz_read(a, with(a, S("\x0a\x00"), part(a, 3, ok)), &v), OK);
    static const struct {
        const char *name, *value;
        enum authz_how how;
    } want[] = {{"x-set", "1", AUTHZ_SET},
                {"x-append", "2", AUTHZ_APPEND},
                {"x-no-append", "3", AUTHZ_SET},
                {"x-absent", "4", AUTHZ_IF_ABSENT},
                {"x-present", "5", AUTHZ_IF_PRESENT}};
    assert_int_equal(v.fields.n, COUNT_OF(want));
    for (uint32_t i = 0; i < v.fields.n; i++) {
        assert_str(v.fields.v[i].name, want[i].name);
        assert_str(v.fields.v[i].value, want[i].value);
        assert_int_equal(v.fields.v[i].how, want[i].how);
    }
    assert_true(v.remove.n == 1 && str_eq(v.remove.v[0], S("authorization")));
    assert_true(v.response.n == 1 && str_eq(v.response.v[0].value, S("6")));
    assert_true(v.set_query.n == 1 && str_eq(v.set_query.v[0].name, S("q")) &&
                str_eq(v.set_query.v[0].value, S("7")));
    assert_true(v.remove_query.n == 1 && str_eq(v.remove_query.v[0], S("gone")));
}

static void says_no(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct authz_verdict v;
    str no = S("\x0a\x02\x08\x07");
    assert_int_equal(authz_read(a, no, &v), OK);
    assert_true(!v.allowed && v.status == 403 && v.body.n == 0);
    /* what would be done if it had said yes is not done */
    assert_int_equal(authz_read(a, with(a, no, part(a, 3, part(a, 2, option(a, "x", "y", S(""))))), &v), OK);
    assert_true(!v.allowed && v.status == 403 && v.fields.n == 0);
    static const struct {
        str code; /* of HttpStatus */
        uint16_t status;
    } codes[] = {{S("\x08\x91\x03"), 401},
                 {S("\x08\xc8\x01"), 200},
                 {S("\x08\x63"), 403},
                 {S("\x08\xd8\x04"), 403},
                 {S(""), 403}};
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        str denied = with(a, part(a, 1, codes[i].code), part(a, 3, S("why")));
        denied = with(a, denied, part(a, 2, option(a, "set-cookie", "a=b", S(""))));
        assert_int_equal(authz_read(a, with(a, no, part(a, 2, denied)), &v), OK);
        assert_true(!v.allowed && v.status == codes[i].status && str_eq(v.body, S("why")));
        assert_true(v.fields.n == 1 && str_eq(v.fields.v[0].name, S("set-cookie")));
    }
}

static void is_no_answer(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct authz_verdict v;
    str ok = S("\x0a\x00");
    const str bad[] = {
        S("\x0a"),
        S("\x08\x00"),                                                     /* a status that is a number */
        S("\x0a\x00\x0a\x00"),                                             /* two of them */
        S("\x0a\x02\x0a\x00"),                                             /* a code that is a message */
        with(a, ok, part(a, 2, S(""))),                                    /* yes and no */
        with(a, ok, part(a, 3, part(a, 2, option(a, "", "x", S(""))))),    /* no name */
        with(a, ok, part(a, 3, part(a, 2, option(a, "a b", "x", S(""))))), /* no token */
        with(a, ok, part(a, 3, part(a, 2, option(a, "a", "x\r\ny: z", S(""))))),
        with(a, ok, part(a, 3, part(a, 2, option(a, "a", "x", S("\x18\x04"))))), /* an action that is none */
        with(a, ok, part(a, 3, part(a, 2, S("\x0b")))),
        with(a, ok, part(a, 3, part(a, 5, S("a b")))),
        with(a, ok, part(a, 3, part(a, 7, S("")))),
        with(a, ok, part(a, 3, part(a, 8, S("")))),
        with(a, ok, part(a, 3, S("\x10\x01"))), /* headers that are a number */
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) assert_int_equal(authz_read(a, bad[i], &v), ERR_PROTO);
    assert_int_equal(authz_read(a, part(a, 5, S("")), &v), ERR_REFUSED);
    assert_int_equal(authz_read(a, with(a, ok, part(a, 5, S(""))), &v), ERR_REFUSED);
    str many = S("");
    for (int i = 0; i < AUTHZ_CHANGES_MAX; i++) many = with(a, many, part(a, 5, S("x")));
    assert_int_equal(authz_read(a, part(a, 3, many), &v), OK);
    assert_int_equal(v.remove.n, AUTHZ_CHANGES_MAX);
    assert_int_equal(authz_read(a, part(a, 3, with(a, many, part(a, 5, S("x")))), &v), ERR_LIMIT);
    char *p = arena_bytes(a, AUTHZ_ANSWER_BYTES_MAX + 1);
    assert_int_equal(authz_read(a, (str){p, AUTHZ_ANSWER_BYTES_MAX + 1}, &v), ERR_LIMIT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_fields), cmocka_unit_test(refuses_what_is_no_message),
        cmocka_unit_test(mends_text),   cmocka_unit_test(tells_utf8_however_it_is_cut),
        cmocka_unit_test(asks),         cmocka_unit_test(refuses_a_frame),
        cmocka_unit_test(lets_in),      cmocka_unit_test(says_no),
        cmocka_unit_test(is_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
