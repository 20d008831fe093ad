/* SPDX-License-Identifier: Apache-2.0 */
#include "io/tls_schedule.h"

#include "../unit.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "base/hash.h"
#include "io/tls_library.h"

/* One derivation as libssl asks for it; a str with p NULL is left out. */
struct job {
    int mode;
    const char *digest, *label;
    str key, salt, data;
    size_t n;
};
static int run(OSSL_LIB_CTX *context, const char *query, const struct job *j, uint8_t *ret) {
    EVP_KDF *kdf = EVP_KDF_fetch(context, OSSL_KDF_NAME_TLS1_3_KDF, query);
    assert_non_null(kdf);
    EVP_KDF_CTX *c = EVP_KDF_CTX_new(kdf);
    int mode = j->mode, at = 0;
    OSSL_PARAM p[8];
    p[at++] = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode);
    if (j->digest)
        p[at++] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t)j->digest, 0);
    if (j->key.p)
        p[at++] =
            OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (char *)(uintptr_t)j->key.p, j->key.n);
    if (j->salt.p)
        p[at++] =
            OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (char *)(uintptr_t)j->salt.p, j->salt.n);
    p[at++] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PREFIX, (char[]){"tls13 "}, 6);
    p[at++] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_LABEL, (char *)(uintptr_t)j->label,
                                                strlen(j->label));
    if (j->data.p)
        p[at++] =
            OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_DATA, (char *)(uintptr_t)j->data.p, j->data.n);
    p[at] = OSSL_PARAM_construct_end();
    int done = EVP_KDF_derive(c, ret, j->n, p);
    EVP_KDF_CTX_free(c);
    EVP_KDF_free(kdf);
    return done;
}

static struct tls_library *begin(OSSL_LIB_CTX **ret_context) {
    struct tls_library *l = tls_library_new();
    *ret_context = tls_library_context(l);
    assert_non_null(*ret_context);
    return l;
}

static void expect(const uint8_t *got, const char *hex) {
    for (size_t i = 0; hex[2 * i]; i++) {
        unsigned byte;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        assert_int_equal(got[i], byte);
    }
}

/* [RFC 8448 3]: the three secrets of a handshake, and the step between the first two. */
static void test_vectors(void **state) {
    (void)state;
    static const uint8_t shared[] = {0x8b, 0xd4, 0x05, 0x4f, 0xb5, 0x5b, 0x9d, 0x63, 0xfd, 0xfb, 0xac,
                                     0xf9, 0xf0, 0x4b, 0x9f, 0x0d, 0x35, 0xe6, 0xd6, 0x3f, 0x53, 0x75,
                                     0x63, 0xef, 0xd4, 0x62, 0x72, 0x90, 0x0f, 0x89, 0x49, 0x2d};
    OSSL_LIB_CTX *context;
    struct tls_library *l = begin(&context);
    uint8_t early[32], derived[32], handshake[32], master[32], nothing[32];
    EVP_Digest("", 0, nothing, NULL, EVP_sha256(), NULL);
    struct job j = {EVP_KDF_HKDF_MODE_EXTRACT_ONLY, "SHA2-256", "derived", .n = 32};
    assert_int_equal(run(context, NULL, &j, early), 1);
    expect(early, "33ad0a1c607ec03b09e6cd9893680ce210adf300aa1f2660e1b22e10f170f92a");
    struct job between = {EVP_KDF_HKDF_MODE_EXPAND_ONLY, "SHA256", "derived", .key = {(char *)early, 32},
                          .data = {(char *)nothing, 32}, .n = 32};
    assert_int_equal(run(context, NULL, &between, derived), 1);
    expect(derived, "6f2615a108c702c5678f54fc9dbab69716c076189c48250cebeac3576c3611ba");
    j.salt = (str){(char *)early, 32}, j.key = (str){(const char *)shared, sizeof shared};
    assert_int_equal(run(context, NULL, &j, handshake), 1);
    expect(handshake, "1dc826e93606aa6fdc0aadc12f741b01046aa6b99f691ed221a9f0ca043fbeac");
    j.salt = (str){(char *)handshake, 32}, j.key = (str){0};
    assert_int_equal(run(context, NULL, &j, master), 1);
    expect(master, "18df06843d13a08bf2a449844c5f8a478001bc4d4c627984d5a41da8d0402919");
    tls_library_free(l);
}

/* The same as OpenSSL's own, whatever it is asked. */
static void test_as_the_library(void **state) {
    (void)state;
    static const char *const digests[] = {"SHA2-256", "SHA2-384"}, *const labels[] = {"key", "exp master",
                                                                                      "x"};
    static const size_t sizes[] = {1, 12, 16, 32, 48, 49, 255, 1000};
    OSSL_LIB_CTX *context;
    struct tls_library *l = begin(&context);
    char bytes[256];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)hash_bytes(&i, sizeof i, 7);
    for (unsigned k = 0; k < 2 * 3 * 8 * 4; k++) {
        bool extracts = k % 4 == 0, wide = k / 4 % 2;
        size_t secret = wide ? 48 : 32;
        struct job j = {extracts ? EVP_KDF_HKDF_MODE_EXTRACT_ONLY : EVP_KDF_HKDF_MODE_EXPAND_ONLY,
                        digests[wide],
                        labels[k / 8 % 3],
                        .key = {bytes + k % 8, extracts ? secret + k % 64 : secret},
                        .data = {k % 4 == 1 ? NULL : bytes + 100, k % 4 == 2 ? 0 : secret},
                        .n = extracts ? secret : sizes[k / 24 % 8]};
        if (extracts) j.data = (str){0}, j.salt = (str){k / 8 % 2 ? bytes : NULL, secret};
        uint8_t ours[1000] = {0}, theirs[1000] = {1};
        assert_int_equal(run(context, NULL, &j, ours), 1);
        assert_int_equal(run(context, "provider=default", &j, theirs), 1);
        assert_memory_equal(ours, theirs, j.n);
    }
    tls_library_free(l);
}

/* What is not of TLS 1.3 is refused, and says so. */
static void test_refused(void **state) {
    (void)state;
    OSSL_LIB_CTX *context;
    struct tls_library *l = begin(&context);
    static uint8_t out[256 * 48];
    char key[200] = {0}, label[256];
    memset(label, 'x', 255);
    label[255] = 0;
    struct job good = {EVP_KDF_HKDF_MODE_EXPAND_ONLY, "SHA2-256", "key", .key = {key, 32}, .n = 16};
    assert_int_equal(run(context, NULL, &good, out), 1);
    struct job bad[] = {good, good, good, good, good, good, good, good, good};
    bad[0].digest = "SHA2-512";
    bad[1].digest = NULL;
    bad[2].mode = EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND;
    bad[3].key.n = 65; /* longer than a block: no secret is */
    bad[4].n = 255 * 32 + 1;
    bad[5].label = label;
    bad[6].data = (str){(char *)out, 256};
    bad[7].key = (str){0};
    bad[8].mode = EVP_KDF_HKDF_MODE_EXTRACT_ONLY; /* 16 bytes: not the digest's size */
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(run(context, NULL, &bad[i], out), 0);
    tls_library_free(l);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors), cmocka_unit_test(test_as_the_library),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
