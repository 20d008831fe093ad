/* SPDX-License-Identifier: Apache-2.0 */
#include "io/tls_store.h"

#include "io/tls_library.h"
#include "tls_rig.h"

struct case_of_store {
    struct arena *a;
    struct tls_library *library;
    struct tls_store *store;
    SSL_CTX *context;
};
static void begin(struct case_of_store *c) {
    c->a = arena_new();
    c->library = tls_library_new();
    c->store = tls_store_new(c->library);
    c->context = SSL_CTX_new_ex(tls_library_context(c->library), NULL, TLS_server_method());
    assert_non_null(c->context);
}
static void end(struct case_of_store *c) {
    SSL_CTX_free(c->context);
    tls_store_free(c->store);
    tls_library_free(c->library);
    arena_free(c->a);
}

/* Does a connection get this certificate and key? */
static err use(struct case_of_store *c, uint64_t id, const struct id *d, str key_pem) {
    SSL *ssl = SSL_new(c->context);
    err e = tls_store_use(c->store, id, d->chain_pem, key_pem, ssl);
    if (e == OK) {
        assert_int_equal(X509_cmp(SSL_get_certificate(ssl), d->x), 0);
        assert_int_equal(EVP_PKEY_eq(SSL_get_privatekey(ssl), d->key), 1);
    }
    assert_int_equal(ERR_peek_error(), 0);
    SSL_free(ssl);
    return e;
}

static str form(struct case_of_store *c, const struct id *d, bool traditional, const char *password) {
    BIO *b = BIO_new(BIO_s_mem());
    const EVP_CIPHER *cipher = password ? EVP_aes_128_cbc() : NULL;
    const unsigned char *word = (const unsigned char *)password;
    int n = password ? (int)strlen(password) : 0;
    if (traditional &&
        EVP_PKEY_get_base_id(d->key) == EVP_PKEY_EC) /* as `openssl ecparam -genkey` writes it */
        BIO_puts(b, "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n");
    int done = traditional ? PEM_write_bio_PrivateKey_traditional(b, d->key, cipher, word, n, NULL, NULL)
                           : PEM_write_bio_PKCS8PrivateKey(b, d->key, cipher, password, n, NULL, NULL);
    assert_int_equal(done, 1);
    return rig_pem(c->a, b);
}

/* Every kind of key and every form of PEM, one after the other and with bad ones among them: none is the worse for what came before. */
static void keys_in_any_order(void **state) {
    (void)state;
    struct case_of_store c;
    begin(&c);
    static const enum key_kind kinds[] = {KEY_P256, KEY_RSA, KEY_ED25519, KEY_P384, KEY_RSA_PSS, KEY_P256};
    struct id ids[COUNT_OF(kinds)];
    uint64_t id = 0;
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        ids[i] = rig_id(c.a, kinds[i], "a.example.com", NULL, false, 3600);
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        const struct id *d = &ids[i], *other = &ids[(i + 1) % COUNT_OF(kinds)];
        bool plain = kinds[i] == KEY_P256 || kinds[i] == KEY_RSA;
        assert_int_equal(use(&c, ++id, d, d->key_pem), OK);
        assert_int_equal(use(&c, ++id, d, form(&c, d, false, NULL)), OK);
        if (plain) assert_int_equal(use(&c, ++id, d, form(&c, d, true, NULL)), OK);
        assert_int_equal(use(&c, ++id, d, other->key_pem), ERR_PROTO);
        assert_int_equal(use(&c, ++id, d, form(&c, d, false, "a password")), ERR_PROTO);
        if (plain) assert_int_equal(use(&c, ++id, d, form(&c, d, true, "a password")), ERR_PROTO);
        assert_int_equal(use(&c, ++id, d, S("no key")), ERR_PROTO);
        assert_int_equal(use(&c, ++id, d, S("")), ERR_PROTO);
        assert_int_equal(use(&c, ++id, d, d->chain_pem), ERR_PROTO);
        assert_int_equal(use(&c, ++id, d, d->key_pem), OK);
    }
    for (size_t i = 0; i < COUNT_OF(kinds); i++) rig_id_free(&ids[i]);
    end(&c);
}

static struct id begin_with_one(struct case_of_store *c) {
    begin(c);
    return rig_id(c->a, KEY_P256, "a.example.com", NULL, false, 3600);
}
static struct id without_pem(const struct id *d) {
    struct id none = *d;
    none.chain_pem = S("");
    return none;
}

/* What is there is not read again: the PEM may be gone. */
static void read_once(void **state) {
    (void)state;
    struct case_of_store c;
    struct id d = begin_with_one(&c), none = without_pem(&d);
    assert_int_equal(use(&c, 1, &d, d.key_pem), OK);
    assert_int_equal(use(&c, 1, &none, S("")), OK);
    assert_int_equal(use(&c, 2, &none, S("")), ERR_PROTO);
    rig_id_free(&d);
    end(&c);
}

/* What is forgotten is not there any more, and others are. */
static void forgets(void **state) {
    (void)state;
    struct case_of_store c;
    struct id d = begin_with_one(&c), none = without_pem(&d);
    assert_int_equal(use(&c, 1, &d, d.key_pem), OK);
    assert_int_equal(use(&c, 2, &d, d.key_pem), OK);
    tls_store_forget(c.store, 1);
    tls_store_forget(c.store, 3); /* never used */
    assert_int_equal(use(&c, 1, &none, S("")), ERR_PROTO);
    assert_int_equal(use(&c, 2, &none, S("")), OK);
    rig_id_free(&d);
    end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(keys_in_any_order), cmocka_unit_test(read_once),
                                       cmocka_unit_test(forgets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
