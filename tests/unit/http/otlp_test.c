/* SPDX-License-Identifier: Apache-2.0 */
#include "http/otlp.h"

#include "../unit.h"

static void wanted(const struct buf *b, const char *bytes, size_t n) {
    assert_false(b->overflow);
    assert_int_equal(b->n, n);
    assert_memory_equal(b->p, bytes, n);
}
#define WANTED(b, literal) wanted(b, literal, sizeof(literal) - 1)

/* The examples of the encoding's own description. [Protocol Buffers encoding] */
static void test_fields(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 10);
    otlp_uint(&b, 1, 150);
    WANTED(&b, "\x08\x96\x01");
    buf_clear(&b);
    otlp_bytes(&b, 2, S("testing"));
    WANTED(&b, "\x12\x07testing");
    buf_clear(&b);
    otlp_uint(&b, 16, UINT64_MAX);
    WANTED(&b, "\x80\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
    buf_clear(&b);
    otlp_fixed32(&b, 16, 0x301);
    WANTED(&b, "\x85\x01\x01\x03\x00\x00");
    buf_clear(&b);
    otlp_fixed64(&b, 7, UINT64_C(0x0102030405060708));
    WANTED(&b, "\x39\x08\x07\x06\x05\x04\x03\x02\x01");
    buf_fini(&b);
}

static void test_attributes(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 10);
    otlp_attribute(&b, 9, S("k"), S("value"));
    WANTED(&b, "\x4a\x0c\x0a\x01k\x12\x07\x0a\x05value");
    buf_clear(&b);
    otlp_attribute_int(&b, 9, S("n"), 300);
    WANTED(&b, "\x4a\x08\x0a\x01n\x12\x03\x18\xac\x02");
    buf_clear(&b);
    otlp_attribute_list(&b, 9, S("l"), (const str[]){S("a"), S("bc")}, 2);
    WANTED(&b, "\x4a\x12\x0a\x01l\x12\x0d\x2a\x0b\x0a\x03\x0a\x01\x61\x0a\x04\x0a\x02\x62\x63");
    buf_fini(&b);
}

/* What is no UTF-8 becomes question marks, one a byte; what is too long is cut before a character. [RFC 3629 3] */
static void test_text(void **state) {
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"plain", "plain"},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"a\xff\xfe"
         "b",
         "a??b"},
        {"\xc3", "?"},
        {"\xc0\xaf", "??"}, /* an overlong one */
        {"\xe0\x80\xaf", "???"},
        {"\xed\xa0\x80", "???"},      /* half of a pair */
        {"\xf4\x90\x80\x80", "????"}, /* past the last */
        {"\xf8\x88\x80\x80\x80", "?????"},
        {"\xe2\x82", "??"},
        {"\x80", "?"},
    };
    struct buf b;
    buf_init(&b, 16 << 10);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        buf_clear(&b);
        otlp_text(&b, 5, str_of(cases[i].in));
        assert_int_equal(b.p[1], strlen(cases[i].out));
        assert_memory_equal(b.p + 2, cases[i].out, b.n - 2);
    }
    static char longer[OTLP_TEXT_BYTES_MAX + 10];
    memset(longer, 'x', sizeof longer);
    memcpy(longer + OTLP_TEXT_BYTES_MAX - 2, "\xe2\x82\xac", 3);
    buf_clear(&b);
    otlp_text(&b, 5, (str){longer, sizeof longer});
    assert_int_equal(b.n, 1 + 2 + OTLP_TEXT_BYTES_MAX - 2);
    assert_int_equal(b.p[b.n - 1], 'x');
    buf_fini(&b);
}

static void test_rejected(void **state) {
    (void)state;
    static const struct {
        str in;
        uint64_t n;
    } good[] = {
        {{"", 0}, 0},
        {{"\x0a\x00", 2}, 0},
        {{"\x0a\x02\x08\x07", 4}, 7},
        {{"\x0a\x08\x08\xac\x02\x12\x03why", 10}, 300},
        {{"\x10\x05\x19"
          "12345678\x25"
          "1234\x0a\x02\x08\x01",
          20},
         1}, /* fields of others are passed over */
    };
    static const str bad[] = {
        {"\x0a", 1},
        {"\x0a\x05\x08", 3},
        {"\x0a\x01\x08", 3},
        {"\x00\x00", 2},
        {"\x0b\x00", 2},
        {"\x08\x80", 2},
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12},
        {"\x09"
         "123",
         4},
        {"\xff", 1},
    };
    uint64_t n = 0;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_int_equal(otlp_rejected(good[i].in, &n), OK);
        assert_int_equal(n, good[i].n);
    }
    n = 77;
    for (size_t i = 0; i < COUNT_OF(bad); i++) assert_int_equal(otlp_rejected(bad[i], &n), ERR_PROTO);
    assert_int_equal(n, 77);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_fields), cmocka_unit_test(test_attributes),
                                       cmocka_unit_test(test_text), cmocka_unit_test(test_rejected)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
