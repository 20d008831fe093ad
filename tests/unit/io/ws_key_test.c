/* SPDX-License-Identifier: Apache-2.0 */
/* The key of a WebSocket handshake and its answer. */
#include "io/ws_key.h"

#include "../unit.h"

/* [RFC 6455 1.3] */
static void answers_as_the_example(void **state) {
    (void)state;
    char to[WS_KEY_ACCEPT_CHARS];
    ws_key_accept(S("dGhlIHNhbXBsZSBub25jZQ=="), to);
    assert_memory_equal(to, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", sizeof to);
}

static void tells_keys_from_others(void **state) {
    (void)state;
    assert_true(ws_key_ok(S("dGhlIHNhbXBsZSBub25jZQ==")));
    static const char *const bad[] = {"",
                                      "k",
                                      "dGhlIHNhbXBsZSBub25jZQ=",
                                      "dGhlIHNhbXBsZSBub25jZQ===",
                                      "dGhlIHNhbXBsZSBub25jZQQQ",
                                      "dGhlIHNhbXBsZSBub25jZ===",
                                      "dGhl,HNhbXBsZSBub25jZQ=="};
    for (size_t i = 0; i < COUNT_OF(bad); i++) assert_false(ws_key_ok(str_of(bad[i])));
}

static void makes_a_new_one_each_time(void **state) {
    (void)state;
    char a[WS_KEY_CHARS], b[WS_KEY_CHARS];
    ws_key_make(a), ws_key_make(b);
    assert_true(ws_key_ok((str){a, sizeof a}) && ws_key_ok((str){b, sizeof b}));
    assert_memory_not_equal(a, b, sizeof a);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(answers_as_the_example),
                                       cmocka_unit_test(tells_keys_from_others),
                                       cmocka_unit_test(makes_a_new_one_each_time)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
