/* SPDX-License-Identifier: Apache-2.0 */
#include "io/tls_store.h"

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

static bool read_key(OSSL_LIB_CTX *context, struct entry *e, str pem) {
    BIO *b = BIO_new_mem_buf(pem.p, (int)pem.n);
    if (!b) return false;
    e->key = PEM_read_bio_PrivateKey_ex(b, NULL, no_passphrase, NULL, context, NULL);
    BIO_free(b);
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
    if (!read_chain(s->context, e, chain_pem) || !read_key(s->context, e, key_pem)) {
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
    ERR_clear_error(); /* the end of a chain is one, and would be taken for the handshake's */
    return e && SSL_use_cert_and_key(ssl, e->leaf, e->key, e->chain, 1) == 1 ? OK : ERR_PROTO;
}
