/* SPDX-License-Identifier: Apache-2.0 */
#include "text/x509.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/buf.h"

enum { BEGIN_S = 1767225600 /* 2026-01-01 */, DAY_S = 86400 };

static void make(struct arena *a, str *chain, str *key) {
    const str names[] = {S("A.example.com"), S("*.example.com"), S("127.0.0.1"), S("::1")};
    assert_int_equal(x509_make(a, names, COUNT_OF(names), BEGIN_S, 30, chain, key), OK);
}

static void expect_refused(struct arena *a, str chain, str key, const char *part) {
    struct x509_info info;
    str message = {0};
    assert_int_equal(x509_read_pair(a, chain, key, &info, &message), ERR_PROTO);
    if (!message.n || !memmem(message.p, message.n, part, strlen(part)))
        fail_msg("\"%.*s\" has no \"%s\"", STR_ARG(message), part);
}

static void reads_what_it_makes(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    str chain, key, message;
    struct x509_info info = {0};
    make(a, &chain, &key);
    assert_int_equal(x509_read_pair(a, chain, key, &info, &message), OK);
    assert_int_equal(info.names_n, 2);
    assert_true(str_eq(info.names[0], S("a.example.com")));
    assert_true(str_eq(info.names[1], S("*.example.com")));
    assert_true(info.not_before_s == BEGIN_S);
    assert_true(info.not_after_s == BEGIN_S + 30 * DAY_S);
    assert_int_equal(info.key_kind, KEY_P256);
}

static void a_chain_may_be_long_and_commented(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    str chain, key, other, other_key, message;
    struct x509_info info = {0};
    make(a, &chain, &key);
    make(a, &other, &other_key);
    str both = arena_printf(a, "words\n" STR_FMT "\nwords\n" STR_FMT, STR_ARG(chain), STR_ARG(other));
    assert_int_equal(x509_read_pair(a, both, key, &info, &message), OK);
    str all = arena_printf(a, STR_FMT STR_FMT, STR_ARG(key), STR_ARG(chain));
    assert_int_equal(x509_read_pair(a, all, all, &info, &message), OK);
    struct buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 33; i++) buf_add(&b, chain);
    assert_int_equal(x509_read_pair(a, buf_str(&b), key, &info, &message), ERR_LIMIT);
    buf_fini(&b);
}

static void without_names_the_common_name_counts(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    str chain, key, message;
    struct x509_info info = {0};
    assert_int_equal(x509_make(a, NULL, 0, BEGIN_S, 1, &chain, &key), OK);
    assert_int_equal(x509_read_pair(a, chain, key, &info, &message), OK);
    assert_int_equal(info.names_n, 1);
    assert_true(str_eq(info.names[0], S("postern")));
}

static void tells_what_is_wrong(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    str chain, key, other, other_key;
    make(a, &chain, &key);
    make(a, &other, &other_key);
    expect_refused(a, S(""), key, "no certificate");
    expect_refused(a, (str){0}, key, "no certificate");
    expect_refused(a, key, key, "no certificate");
    expect_refused(a, chain, S(""), "no private key");
    expect_refused(a, chain, chain, "no private key");
    expect_refused(a, chain, other_key, "do not belong together");
    expect_refused(a, str_upto(chain, chain.n / 2), key, "certificate 1 of the chain is not readable");
    expect_refused(a, chain, str_upto(key, key.n / 2), "private key is not readable");
    str cut = arena_printf(a, STR_FMT STR_FMT, STR_ARG(chain), STR_ARG(str_upto(other, other.n - 40)));
    expect_refused(a, cut, key, "certificate 2 of the chain is not readable");
    expect_refused(a, chain,
                   S("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
                     "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhVm5kbkbrq2QICCAAw\n"
                     "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEG1wl3Zl9HbXJ8qBo9xQ6kYEgZCQ\n"
                     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
                     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
                     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
                     "-----END ENCRYPTED PRIVATE KEY-----\n"),
                   "encrypted");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_it_makes), cmocka_unit_test(a_chain_may_be_long_and_commented),
        cmocka_unit_test(without_names_the_common_name_counts), cmocka_unit_test(tells_what_is_wrong)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
