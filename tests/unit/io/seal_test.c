/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "io/seal.h"

static const char plain[] = "what nobody else may read."; /* 26 bytes */
enum { N = 26 };

static void test_opens_what_it_closed(void **state) {
    (void)state;
    uint8_t key[SEAL_KEY_BYTES], other_key[SEAL_KEY_BYTES];
    seal_key(S("the installation's secret"), "tests", key);
    seal_key(S("the installation's secret"), "other tests", other_key);
    assert_memory_not_equal(key, other_key, sizeof key);
    struct seal *a = seal_new(key), *b = seal_new(key), *c = seal_new(other_key);
    char one[SEAL_TEXT_MAX], two[SEAL_TEXT_MAX], got[N];
    str text = seal_close(a, (str){plain, N}, S("context"), one);
    assert_int_equal(text.n, 72);
    for (size_t i = 0; i < text.n; i++) assert_true(text.p[i] > ' ' && !strchr("=;,\"\\", text.p[i]));
    str again = seal_close(a, (str){plain, N}, S("context"), two);
    assert_false(str_eq(text, again)); /* who sees two can not tell that they say the same */
    assert_ok(seal_open(b, text, S("context"), got, N));
    assert_memory_equal(got, plain, N);
    assert_int_equal(seal_open(c, text, S("context"), got, N), ERR_PROTO);
    assert_int_equal(seal_open(a, text, S("another"), got, N), ERR_PROTO);
    assert_int_equal(seal_open(a, text, S("context"), got, N - 3), ERR_PROTO);
    seal_free(a);
    seal_free(b);
    seal_free(c);
    seal_free(NULL);
}

static void test_every_change_is_seen(void **state) {
    (void)state;
    uint8_t key[SEAL_KEY_BYTES] = {1};
    struct seal *s = seal_new(key);
    char text[SEAL_TEXT_MAX], got[N];
    str sealed = seal_close(s, (str){plain, N}, S(""), text);
    for (size_t i = 0; i < sealed.n; i++) {
        for (unsigned k = 0; k < 3; k++) {
            char was = text[i];
            text[i] = k == 0 ? (was == 'A' ? 'B' : 'A') : k == 1 ? '=' : ' ';
            assert_int_equal(seal_open(s, sealed, S(""), got, N), ERR_PROTO);
            text[i] = was;
        }
    }
    for (size_t n = 0; n < sealed.n; n++)
        assert_int_equal(seal_open(s, str_upto(sealed, n), S(""), got, N), ERR_PROTO);
    assert_ok(seal_open(s, sealed, S(""), got, N));
    seal_free(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_opens_what_it_closed),
                                       cmocka_unit_test(test_every_change_is_seen)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
