/* SPDX-License-Identifier: Apache-2.0 */
#include "io/tls_client.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/link.h"
#include "base/map.h"
#include "io/tls_inside.h"

enum {
    CONTEXTS_MAX = 1024, /* 13 kB each without its authorities */
    AUTHORITIES_MAX = 1000,
    HANDSHAKE_HOST_MAX = 253, /* of a DNS name */
};

struct context_key {
    uint64_t id, certificate_id, trust_version;
};
struct context { /* counted: by the client while it is kept, and by each connection */
    struct context_key key;
    struct link recency;
    uint32_t holds;
    SSL_CTX *x;
    char hostname[HANDSHAKE_HOST_MAX + 1];
    uint32_t names_n;
    struct tls_client_name *names; /* the strings behind them */
};
struct tls_client { /* owner: worker */
    struct tls_scratch *scratch;
    struct tls_trust *trust; /* not owned */
    struct map contexts;     /* by the bytes of the key */
    struct link recent;      /* the most recent last */
};
struct side {
    struct tls_conn conn;
    struct context *context;
    struct tls_session **place;
    char why[120];
};

static struct side *of(const struct tls_conn *c) {
    return container_of((struct tls_conn *)(uintptr_t)c, struct side, conn);
}

/* ---- whom to believe ---- */

static bool has_uri(X509 *x, str uri) {
    GENERAL_NAMES *all = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    bool has = false;
    for (int i = 0; i < sk_GENERAL_NAME_num(all) && !has; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);
        if (name->type != GEN_URI) continue;
        const ASN1_IA5STRING *s = name->d.uniformResourceIdentifier;
        has = str_eq((str){(const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s)}, uri);
    }
    GENERAL_NAMES_free(all);
    return has;
}

/* The subject's common name is no name of a server [RFC 9525 2]; a wildcard is a whole label. */
static bool has_host(X509 *x, str name) {
    return X509_check_host(x, name.p, name.n,
                           X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS,
                           NULL) == 1;
}

/* One of the names, byte for byte if it is a URI; without names, the hostname.       [GW BackendTLSPolicyValidation.subjectAltNames] */
static bool has_a_name(const struct context *cx, X509 *leaf) {
    if (!cx->names_n) return has_host(leaf, str_of(cx->hostname));
    for (uint32_t i = 0; i < cx->names_n; i++) {
        const struct tls_client_name *n = &cx->names[i];
        if (n->uri ? has_uri(leaf, n->value) : has_host(leaf, n->value)) return true;
    }
    return false;
}

static int on_verify(int ok, X509_STORE_CTX *v) {
    SSL *ssl = X509_STORE_CTX_get_ex_data(v, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct side *c = of(SSL_get_app_data(ssl));
    if (ok && X509_STORE_CTX_get_error_depth(v) == 0 &&
        !has_a_name(c->context, X509_STORE_CTX_get_current_cert(v))) {
        X509_STORE_CTX_set_error(v, X509_V_ERR_HOSTNAME_MISMATCH);
        ok = 0;
    }
    if (ok) return 1;
    int e = X509_STORE_CTX_get_error(v);
    if (e == X509_V_ERR_HOSTNAME_MISMATCH)
        snprintf(c->why, sizeof c->why, "its certificate is for other names");
    else
        snprintf(c->why, sizeof c->why, "its certificate: %s", X509_verify_cert_error_string(e));
    c->conn.why = c->why;
    return 0;
}

/* ---- sessions ---- */

void tls_client_forget(struct tls_session *s) { SSL_SESSION_free((SSL_SESSION *)s); }

/* A copy: the library bars the connection's own once that ends without close_notify. The latest serves all later connections of the place: that one of several with one ticket may be told from others matters to people,
 * not to a gateway [RFC 8446 C.4]. */
static int on_session(SSL *ssl, SSL_SESSION *session) {
    struct side *c = of(SSL_get_app_data(ssl));
    tls_client_forget(*c->place);
    *c->place = (struct tls_session *)SSL_SESSION_dup(session);
    return 0; /* the library's count stays its own */
}

/* ---- contexts ---- */

static int no_passphrase(char *p, int n, int writing, void *arg) {
    (void)p, (void)n, (void)writing, (void)arg;
    return -1;
}

static bool trust_pem(SSL_CTX *x, str pem) {
    BIO *b = BIO_new_mem_buf(pem.p, (int)pem.n);
    X509_STORE *store = X509_STORE_new();
    if (!b || !store) base_out_of_memory(0);
    unsigned n = 0;
    for (X509 *a; n < AUTHORITIES_MAX && (a = PEM_read_bio_X509(b, NULL, no_passphrase, NULL)); n++) {
        X509_STORE_add_cert(store, a);
        X509_free(a);
    }
    BIO_free(b);
    /* Who is named is trusted, be it a root or not. */
    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
    SSL_CTX_set_cert_store(x, store);
    return n > 0;
}

static bool show(SSL_CTX *x, str chain_pem, str key_pem) {
    BIO *b = BIO_new_mem_buf(chain_pem.p, (int)chain_pem.n), *k = BIO_new_mem_buf(key_pem.p, (int)key_pem.n);
    if (!b || !k) base_out_of_memory(0);
    X509 *leaf = PEM_read_bio_X509(b, NULL, no_passphrase, NULL);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(k, NULL, no_passphrase, NULL);
    bool ok = leaf && key && SSL_CTX_use_certificate(x, leaf) == 1 && SSL_CTX_use_PrivateKey(x, key) == 1;
    for (X509 *next; ok && (next = PEM_read_bio_X509(b, NULL, no_passphrase, NULL));)
        if (SSL_CTX_add0_chain_cert(x, next) != 1) X509_free(next), ok = false;
    X509_free(leaf);
    EVP_PKEY_free(key);
    BIO_free(b);
    BIO_free(k);
    return ok;
}

/* What the two sides agree on is OpenSSL's choice but for the oldest version: a backend is known, and may be old. An end without
 * close_notify is an error here: a body that lasts to the end would look complete [RFC 9112 9.8]. */
static err make(struct context *cx, const struct tls_client_identity *who, X509_STORE *system,
                const char **ret_why) {
    SSL_CTX *x = cx->x = SSL_CTX_new(TLS_client_method());
    if (!x) base_out_of_memory(0);
    tls_set_context(x);
    SSL_CTX_clear_options(x, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_verify(x, SSL_VERIFY_PEER, on_verify);
    SSL_CTX_set_session_cache_mode(x, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(x, on_session);
    bool ok = SSL_CTX_set_min_proto_version(x, TLS1_2_VERSION) == 1;
    assert(ok);
    *ret_why = "none of the authorities for its certificate can be read";
    if (who->ca_pem.n && !trust_pem(x, who->ca_pem)) return ERR_PROTO;
    *ret_why = "this system has no certificates of authorities";
    if (!who->ca_pem.n && !system) return ERR_PROTO;
    if (!who->ca_pem.n) SSL_CTX_set1_cert_store(x, system);
    *ret_why = "the certificate to be shown can not be used";
    return !who->chain_pem.n || show(x, who->chain_pem, who->key_pem) ? OK : ERR_PROTO;
}

static struct context *context_new(const struct context_key *key, const struct tls_client_identity *who) {
    size_t n = who->names_n * sizeof(struct tls_client_name);
    for (uint32_t i = 0; i < who->names_n; i++) n += who->names[i].value.n;
    struct context *cx = base_zalloc(sizeof *cx);
    cx->key = *key;
    cx->holds = 1;
    str host = str_upto(who->hostname, HANDSHAKE_HOST_MAX);
    if (host.n) memcpy(cx->hostname, host.p, host.n);
    if (!who->names_n) return cx;
    cx->names = base_alloc(n);
    cx->names_n = who->names_n;
    char *at = (char *)(cx->names + who->names_n);
    for (uint32_t i = 0; i < who->names_n; i++) {
        str value = who->names[i].value;
        if (value.n) memcpy(at, value.p, value.n);
        cx->names[i] = (struct tls_client_name){who->names[i].uri, {at, value.n}};
        at += value.n;
    }
    return cx;
}

static void context_release(struct context *cx) {
    if (--cx->holds) return;
    SSL_CTX_free(cx->x);
    free(cx->names);
    free(cx);
}

static str key_of(const struct context_key *k) { return (str){(const char *)k, sizeof *k}; }

static void drop(struct tls_client *c, struct context *cx) {
    map_take(&c->contexts, key_of(&cx->key));
    link_remove(&cx->recency);
    context_release(cx);
}

/* The authorities are parsed when an identity is used first: some 30 us for each. */
static err context_of(struct tls_client *c, const struct tls_client_identity *who, struct context **ret,
                      const char **ret_why) {
    struct context_key key = {who->id, who->certificate_id, 0};
    X509_STORE *system = NULL;
    if (!who->ca_pem.n && c->trust) system = tls_trust_hold(c->trust, &key.trust_version);
    struct context *cx = map_get(&c->contexts, key_of(&key));
    err e = OK;
    if (cx) {
        link_remove(&cx->recency);
        link_append(&c->recent, &cx->recency);
    } else {
        cx = context_new(&key, who);
        e = make(cx, who, system, ret_why);
        if (e == OK) {
            if (c->contexts.n >= CONTEXTS_MAX) drop(c, container_of(c->recent.next, struct context, recency));
            map_put(&c->contexts, key_of(&cx->key), cx);
            link_append(&c->recent, &cx->recency);
        } else {
            context_release(cx);
        }
    }
    X509_STORE_free(system);
    ERR_clear_error(); /* the end of a bundle is one, and would be taken for the handshake's */
    if (e == OK) *ret = cx;
    return e;
}

struct tls_client *tls_client_new(struct tls_scratch *scratch, struct tls_trust *trust) {
    struct tls_client *c = base_zalloc(sizeof *c);
    c->scratch = scratch, c->trust = trust;
    map_init(&c->contexts);
    link_init(&c->recent);
    return c;
}

void tls_client_free(struct tls_client *c) {
    if (!c) return;
    list_each (struct context, cx, &c->recent, recency) drop(c, cx);
    map_fini(&c->contexts);
    free(c);
}

size_t tls_client_contexts(const struct tls_client *c) { return c->contexts.n; }

/* ---- a connection ---- */

static void fini(struct tls_conn *c) { context_release(of(c)->context); }

static bool set_alpn(SSL *ssl, enum tls_client_alpn alpn) {
    static const unsigned char either[] = "\x02h2\x08http/1.1";
    const unsigned char *p = alpn == TLS_CLIENT_HTTP1 ? either + 3 : either;
    unsigned n = alpn == TLS_CLIENT_EITHER ? 12 : alpn == TLS_CLIENT_HTTP1 ? 9 : 3;
    return SSL_set_alpn_protos(ssl, p, n) == 0;
}

err tls_client_connect(struct tls_client *c, int fd, const struct tls_client_identity *who,
                       enum tls_client_alpn alpn, struct tls_session **place, struct tls_conn **ret,
                       const char **ret_why) {
    struct context *cx;
    TRY(context_of(c, who, &cx, ret_why));
    struct side *side = base_zalloc(sizeof *side);
    side->context = cx;
    cx->holds++;
    side->place = place;
    side->conn.fini = fini;
    tls_open(&side->conn, c->scratch, cx->x, fd);
    SSL *ssl = side->conn.ssl;
    SSL_set_connect_state(ssl);
    bool ok = set_alpn(ssl, alpn) && (!cx->hostname[0] || SSL_set_tlsext_host_name(ssl, cx->hostname) == 1);
    if (!ok) base_out_of_memory(0);
    if (*place) SSL_set_session(ssl, (SSL_SESSION *)*place); /* one that is over is left out by the library */
    *ret = &side->conn;
    return OK;
}
