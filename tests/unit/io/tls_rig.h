/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "../unit.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/key_kind.h"
#include "io/tls_server.h"

/* Keys, certificates and handshakes between a server of ours and a client of OpenSSL's, over a pair of sockets in one thread. */

/* ---- certificates ---- */

struct id { /* a certificate with its key */
    EVP_PKEY *key;
    X509 *x;
    str chain_pem, key_pem;
};
static inline EVP_PKEY *rig_key(enum key_kind kind) {
    switch (kind) {
    case KEY_P384: return EVP_EC_gen("P-384");
    case KEY_P521: return EVP_EC_gen("P-521");
    case KEY_ED25519: return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    case KEY_RSA: return EVP_RSA_gen(2048);
    case KEY_RSA_PSS: {
        EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
        EVP_PKEY *k = NULL;
        assert_int_equal(EVP_PKEY_keygen_init(c), 1);
        assert_int_equal(EVP_PKEY_generate(c, &k), 1);
        EVP_PKEY_CTX_free(c);
        return k;
    }
    case KEY_P256:
    case KEY_UNKNOWN: break;
    }
    return EVP_EC_gen("P-256");
}
static inline str rig_pem(struct arena *a, BIO *b) {
    char *p;
    long n = BIO_get_mem_data(b, &p);
    str s = arena_str(a, (str){p, (size_t)n});
    BIO_free(b);
    return s;
}
static inline void rig_extend(X509 *x, X509 *issuer, int nid, const char *value) {
    X509V3_CTX c;
    X509V3_set_ctx(&c, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &c, nid, value);
    assert_non_null(e);
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
}
/* Signed by the issuer, or by itself (NULL). It ends after so many seconds, which may be negative. ca: it may sign. */
static inline struct id rig_id(struct arena *a, enum key_kind kind, const char *name, const struct id *issuer,
                               bool ca, long ends_s) {
    static long serial;
    struct id d = {.key = rig_key(kind), .x = X509_new()};
    X509_set_version(d.x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(d.x), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(d.x), -7200);
    X509_gmtime_adj(X509_getm_notAfter(d.x), ends_s);
    X509_set_pubkey(d.x, d.key);
    X509_NAME *n = X509_get_subject_name(d.x);
    X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(d.x, issuer ? X509_get_subject_name(issuer->x) : n);
    rig_extend(d.x, issuer ? issuer->x : d.x, NID_basic_constraints, ca ? "critical,CA:TRUE" : "CA:FALSE");
    EVP_PKEY *by = issuer ? issuer->key : d.key;
    assert_true(X509_sign(d.x, by, EVP_PKEY_get_base_id(by) == EVP_PKEY_ED25519 ? NULL : EVP_sha256()) > 0);
    BIO *chain = BIO_new(BIO_s_mem()), *secret = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(chain, d.x);
    PEM_write_bio_PrivateKey(secret, d.key, NULL, NULL, 0, NULL, NULL);
    d.chain_pem = rig_pem(a, chain), d.key_pem = rig_pem(a, secret);
    return d;
}
static inline void rig_id_free(struct id *d) {
    X509_free(d->x);
    EVP_PKEY_free(d->key);
}

/* ---- a server and its listener ---- */

enum { RIG_NOW_S = 1800000000 };
struct rig {
    struct arena *a;
    struct tls_scratch *scratch;
    struct tls_server *server;
    struct tls_seed seed;
    int64_t now_s;
    struct tls_choice choice; /* of the listener */
    struct id
        ids[4]; /* its certificates, in order of preference; the first that the client can verify is shown */
    uint32_t kinds[4], ids_n;
    struct tls_hello hello; /* the last; its name is not kept */
};
static inline struct tls_choice rig_choose(void *arg, const struct tls_hello *hello) {
    struct rig *r = arg;
    struct tls_choice c = r->choice;
    r->hello = *hello;
    uint32_t kinds = hello->tls13 && c.version_max >= 13 ? hello->kinds13 : hello->kinds12, i = 0;
    while (i < r->ids_n && !(kinds >> r->kinds[i] & 1)) i++;
    if (i == r->ids_n) i = 0;
    if (c.certificate_id) c.certificate_id += i;
    c.chain_pem = r->ids[i].chain_pem, c.key_pem = r->ids[i].key_pem;
    return c;
}
static inline struct tls_server *rig_server(struct rig *r) {
    return tls_server_new(r->scratch, &r->seed, r->now_s);
}
static inline void rig_init(struct rig *r) {
    *r = (struct rig){.a = arena_new(), .scratch = tls_scratch_new(), .now_s = RIG_NOW_S};
    tls_seed_make(&r->seed, r->now_s);
    r->server = rig_server(r);
    r->choice = (struct tls_choice){
        .certificate_id = 1, .version_min = 12, .version_max = 13, .session = "listener-a--------------"};
}
static inline void rig_add(struct rig *r, enum key_kind kind) {
    r->kinds[r->ids_n] = kind;
    r->ids[r->ids_n++] = rig_id(r->a, kind, "a.example", NULL, false, 7200);
}
static inline void rig_fini(struct rig *r) {
    for (uint32_t i = 0; i < r->ids_n; i++) rig_id_free(&r->ids[i]);
    tls_server_free(r->server);
    tls_scratch_free(r->scratch);
    arena_free(r->a);
}

/* ---- a handshake ---- */

struct hand { /* a handshake, until hand_end() */
    int fds[2];
    SSL *client;
    struct tls_conn *server;
    err result;          /* of the server */
    bool ok;             /* of the client */
    unsigned long fault; /* of the client */
};
static inline void hand_begin(struct hand *h, struct rig *r, SSL_CTX *client) {
    *h = (struct hand){.result = ERR_AGAIN};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, h->fds), 0);
    h->server = tls_server_accept(r->server, h->fds[0], r->now_s, rig_choose, r);
    if (!client) return;
    h->client = SSL_new(client);
    SSL_set_fd(h->client, h->fds[1]);
    SSL_set_connect_state(h->client);
}
static inline void hand_server(struct hand *h) {
    tls_readable(h->server, false);
    if (h->result == ERR_AGAIN) h->result = tls_handshake(h->server);
}
/* Both sides, until neither gets on; a byte each way in the end, with which alerts and tickets of TLS 1.3 arrive. */
static inline void hand_run(struct hand *h) {
    char byte = 0;
    size_t n;
    int done = 0;
    for (int i = 0; i < 20 && h->result == ERR_AGAIN; i++) {
        ERR_clear_error();
        done = SSL_do_handshake(h->client);
        hand_server(h);
    }
    ERR_clear_error();
    if (done != 1) done = SSL_do_handshake(h->client);
    if (done == 1 && h->result == OK) {
        assert_int_equal(SSL_write(h->client, "x", 1), 1);
        tls_readable(h->server, false);
        assert_ok(tls_read(h->server, &byte, 1, &n));
        assert_ok(tls_write(h->server, &S("y"), 1, &n));
    }
    if (done == 1) done = SSL_read(h->client, &byte, 1);
    h->ok = done == 1;
    h->fault = ERR_peek_error();
    ERR_clear_error();
}
static inline void hand_end(struct hand *h) {
    if (h->client && h->ok) SSL_shutdown(h->client); /* or its session is spoilt */
    SSL_free(h->client);
    tls_free(h->server);
    close(h->fds[0]), close(h->fds[1]);
    ERR_clear_error();
}
