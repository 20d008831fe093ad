/* SPDX-License-Identifier: Apache-2.0 */
#include "text/base64.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* [RFC 4648 10] */
static const struct {
    const char *bytes, *text;
} vectors[] = {{"", ""},
               {"f", "Zg=="},
               {"fo", "Zm8="},
               {"foo", "Zm9v"},
               {"foob", "Zm9vYg=="},
               {"fooba", "Zm9vYmE="},
               {"foobar", "Zm9vYmFy"}};

static void follows_the_vectors(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        str out;
        assert_true(str_eq(base64_encode(a, str_of(vectors[i].bytes)), str_of(vectors[i].text)));
        assert_int_equal(base64_decode(a, str_of(vectors[i].text), &out), OK);
        assert_true(str_eq(out, str_of(vectors[i].bytes)));
    }
}

static void skips_line_breaks_and_refuses_the_rest(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    static const char *const bad[] = {
        "Z", "Zg", "Zg=", "Zg===", "Zm9v=", "Zm 9v", "Zm9v!", "=Zg=", "Zg==Zg=="};
    str out;
    assert_int_equal(base64_decode(a, S("Zm9v\r\nYmFy\n"), &out), OK);
    assert_true(str_eq(out, S("foobar")));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(base64_decode(a, str_of(bad[i]), &out), ERR_PROTO);
}

static void all_bytes_come_back(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    char bytes[256];
    for (int i = 0; i < 256; i++) bytes[i] = (char)i;
    for (size_t n = 0; n <= sizeof bytes; n++) {
        str out;
        assert_int_equal(base64_decode(a, base64_encode(a, (str){bytes, n}), &out), OK);
        assert_true(str_eq(out, (str){bytes, n}));
    }
}

static void hashes(void **state) {
    (void)state;
    OWNED(arena) a = arena_new(); /* [FIPS 180-4] */
    assert_true(str_eq(base64_sha256_hex(a, S("abc")),
                       S("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")));
    assert_true(str_starts(base64_sha256_hex(a, S("")), S("e3b0c44298fc")));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(follows_the_vectors),
                                       cmocka_unit_test(skips_line_breaks_and_refuses_the_rest),
                                       cmocka_unit_test(all_bytes_come_back), cmocka_unit_test(hashes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
