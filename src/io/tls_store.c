/* SPDX-License-Identifier: Apache-2.0 */
#include "io/tls_store.h"

#include <openssl/decoder.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/link.h"
#include "base/map.h"
#include "io/tls_library.h"

enum { CERTIFICATES_MAX = 10000 };

struct entry {
    uint64_t id;
    struct link recency;
    X509 *leaf;
    STACK_OF(X509) * chain;
    EVP_PKEY *key;
};
struct tls_store { /* owner: worker */
    OSSL_LIB_CTX *context;
    OSSL_DECODER_CTX *decoder; /* of keys, into `decoded`: to make one costs eight times its use */
    EVP_PKEY *decoded;
    struct map by_id;   /* the key is the id's bytes */
    struct link recent; /* the most recent last */
};

struct tls_store *tls_store_new(const struct tls_library *library) {
    struct tls_store *s = base_zalloc(sizeof *s);
    s->context = tls_library_context(library);
    map_init(&s->by_id);
    link_init(&s->recent);
    return s;
}

static void entry_free(struct entry *e) {
    X509_free(e->leaf);
    sk_X509_pop_free(e->chain, X509_free);
    EVP_PKEY_free(e->key);
    free(e);
}

static str id_bytes(const uint64_t *id) { return (str){(const char *)id, sizeof *id}; }

static void drop(struct tls_store *s, struct entry *e) {
    map_take(&s->by_id, id_bytes(&e->id));
    link_remove(&e->recency);
    entry_free(e);
}

void tls_store_free(struct tls_store *s) {
    if (!s) return;
    list_each (struct entry, e, &s->recent, recency) drop(s, e);
    map_fini(&s->by_id);
    OSSL_DECODER_CTX_free(s->decoder);
    free(s);
}

/* A key with a passphrase is refused rather than asked for. */
static int no_passphrase(char *p, int n, int writing, void *arg) {
    (void)p, (void)n, (void)writing, (void)arg;
    return -1;
}

static X509 *read_one(OSSL_LIB_CTX *context, BIO *b) {
    X509 *x = X509_new_ex(context, NULL);
    if (x && PEM_read_bio_X509(b, &x, no_passphrase, NULL)) return x;
    X509_free(x);
    return NULL;
}

static bool read_chain(OSSL_LIB_CTX *context, struct entry *e, str pem) {
    BIO *b = BIO_new_mem_buf(pem.p, (int)pem.n);
    if (!b) return false;
    e->chain = sk_X509_new_null();
    e->leaf = read_one(context, b);
    for (X509 *x; e->leaf && e->chain && (x = read_one(context, b));)
        if (!sk_X509_push(e->chain, x)) X509_free(x);
    BIO_free(b);
    return e->leaf && e->chain;
}

static void make_decoder(struct tls_store *s) {
    s->decoder =
        OSSL_DECODER_CTX_new_for_pkey(&s->decoded, "PEM", NULL, NULL, EVP_PKEY_KEYPAIR, s->context, NULL);
    if (s->decoder) OSSL_DECODER_CTX_set_pem_password_cb(s->decoder, no_passphrase, NULL);
}

/* The way that takes every form of a key, and looks for its reader each time. */
static EVP_PKEY *read_any_key(OSSL_LIB_CTX *context, str pem) {
    BIO *b = BIO_new_mem_buf(pem.p, (int)pem.n);
    EVP_PKEY *key = b ? PEM_read_bio_PrivateKey_ex(b, NULL, no_passphrase, NULL, context, NULL) : NULL;
    BIO_free(b);
    return key;
}

/* A decoder that failed once is not used again. */
static bool read_key(struct tls_store *s, struct entry *e, str pem) {
    const unsigned char *p = (const unsigned char *)pem.p;
    size_t n = pem.n;
    if (!s->decoder) make_decoder(s);
    if (s->decoder && OSSL_DECODER_from_data(s->decoder, &p, &n) == 1 && s->decoded) {
        e->key = TAKE(s->decoded);
        return true;
    }
    EVP_PKEY_free(TAKE(s->decoded));
    OSSL_DECODER_CTX_free(TAKE(s->decoder));
    e->key = read_any_key(s->context, pem);
    return e->key != NULL;
}

static struct entry *find(struct tls_store *s, uint64_t id, str chain_pem, str key_pem) {
    struct entry *e = map_get(&s->by_id, id_bytes(&id));
    if (e) {
        link_remove(&e->recency);
        link_append(&s->recent, &e->recency);
        return e;
    }
    e = base_zalloc(sizeof *e);
    e->id = id;
    if (!read_chain(s->context, e, chain_pem) || !read_key(s, e, key_pem)) {
        entry_free(e);
        return NULL;
    }
    if (s->by_id.n >= CERTIFICATES_MAX) drop(s, container_of(s->recent.next, struct entry, recency));
    map_put(&s->by_id, id_bytes(&e->id), e);
    link_append(&s->recent, &e->recency);
    return e;
}

err tls_store_use(struct tls_store *s, uint64_t id, str chain_pem, str key_pem, SSL *ssl) {
    struct entry *e = find(s, id, chain_pem, key_pem);
    bool good = e && SSL_use_cert_and_key(ssl, e->leaf, e->key, e->chain, 1) == 1;
    ERR_clear_error(); /* the end of a chain is one, and would be taken for the handshake's */
    return good ? OK : ERR_PROTO;
}

void tls_store_forget(struct tls_store *s, uint64_t id) {
    struct entry *e = map_get(&s->by_id, id_bytes(&id));
    if (e) drop(s, e);
}
