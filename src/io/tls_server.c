/* SPDX-License-Identifier: Apache-2.0 */
#include "io/tls_server.h"

#include <openssl/err.h>

#include "base/hash.h"
#include "io/tls_authorities.h"
#include "io/tls_inside.h"
#include "io/tls_offer.h"
#include "io/tls_store.h"
#include "io/tls_tickets.h"

/* A chain of ten says more of its length than of its owner; 32 kB are ten certificates. */
enum { NAME_BYTES = 256, LIST_BYTES = 512, CLIENT_DEPTH = 10, CLIENT_CHAIN_BYTES = 32 << 10 };

struct tls_server { /* owner: worker */
    SSL_CTX *context;
    struct tls_scratch *scratch;
    struct tls_store *store;
    struct tls_authorities *authorities;
    struct tls_tickets *tickets;
};
struct side {
    struct tls_conn conn;
    struct tls_server *server;
    tls_server_choose *choose;
    void *arg;
    bool asks, lenient; /* for a client certificate */
    char *name;         /* NULL: none */
    size_t name_n;
};

static struct side *of(const struct tls_conn *c) {
    return container_of((struct tls_conn *)(uintptr_t)c, struct side, conn);
}

/* ---- the ClientHello ---- */

static str extension(SSL *ssl, unsigned type) {
    const unsigned char *p;
    size_t n;
    return SSL_client_hello_get0_ext(ssl, type, &p, &n) ? (str){(const char *)p, n} : S("");
}

/* The one host_name of a server_name extension [RFC 6066 3]; "" when it is absent or not well-formed. */
static str hello_name(SSL *ssl) {
    str e = extension(ssl, TLSEXT_TYPE_server_name);
    if (e.n < 5) return S("");
    const uint8_t *p = (const uint8_t *)e.p;
    size_t list = (size_t)p[0] << 8 | p[1], name = (size_t)p[3] << 8 | p[4];
    if (list != e.n - 2 || p[2] != TLSEXT_NAMETYPE_host_name || name > e.n - 5) return S("");
    return (str){e.p + 5, name};
}

static bool set_name(struct side *c, str name) {
    if (name.n && name.p[name.n - 1] == '.') name.n--;
    if (name.n > NAME_BYTES || memchr(name.p, 0, name.n)) return false;
    free(c->name); /* after a HelloRetryRequest it is said once more */
    c->name = name.n ? base_alloc(name.n) : NULL;
    for (size_t i = 0; i < name.n; i++) c->name[i] = str_lower(name.p[i]);
    c->name_n = name.n;
    return true;
}

static void fini(struct tls_conn *c) { free(of(c)->name); }

static struct tls_choice choose(struct side *c, SSL *ssl) {
    const unsigned char *ciphers;
    size_t n = SSL_client_hello_get0_ciphers(ssl, &ciphers);
    struct tls_offer offer = {.ciphers = {(const char *)ciphers, n},
                              .signatures = extension(ssl, TLSEXT_TYPE_signature_algorithms),
                              .groups = extension(ssl, TLSEXT_TYPE_supported_groups),
                              .versions = extension(ssl, TLSEXT_TYPE_supported_versions)};
    struct tls_hello hello = {.server_name = {c->name, c->name_n},
                              .tls13 = tls_offer_has_tls13(&offer),
                              .kinds12 = tls_offer_kinds(&offer, false),
                              .kinds13 = tls_offer_kinds(&offer, true)};
    return c->choose(c->arg, &hello);
}

static bool set_versions(SSL *ssl, const struct tls_choice *t) {
    char list[LIST_BYTES];
    if (t->version_min == 13 && !SSL_set_min_proto_version(ssl, TLS1_3_VERSION)) return false;
    if (t->version_max == 12 && !SSL_set_max_proto_version(ssl, TLS1_2_VERSION)) return false;
    if (t->ciphers.n >= sizeof list || t->suites.n >= sizeof list) return false;
    snprintf(list, sizeof list, STR_FMT, STR_ARG(t->ciphers));
    if (t->ciphers.n && !SSL_set_cipher_list(ssl, list)) return false;
    snprintf(list, sizeof list, STR_FMT, STR_ARG(t->suites));
    return !t->suites.n || SSL_set_ciphersuites(ssl, list);
}

/* Another name is another session: the client has seen the certificate for that one [RFC 6066 3]. */
static bool bind_session(SSL *ssl, const struct side *c, const char *session) {
    unsigned char id[TLS_SESSION_BYTES + sizeof(uint64_t)];
    uint64_t name = hash_bytes(c->name, c->name_n, 0);
    static_assert(sizeof id <= SSL_MAX_SID_CTX_LENGTH, "it fits");
    memcpy(id, session, TLS_SESSION_BYTES);
    memcpy(id + TLS_SESSION_BYTES, &name, sizeof name);
    return SSL_set_session_id_context(ssl, id, sizeof id) == 1;
}

/* Lenient: what is wrong with the certificate stays in the result, and ends nothing. */
static int on_verify(int good, X509_STORE_CTX *x) {
    const SSL *ssl = X509_STORE_CTX_get_ex_data(x, SSL_get_ex_data_X509_STORE_CTX_idx());
    return good || of(SSL_get_app_data(ssl))->lenient;
}

static bool set_clients(SSL *ssl, struct side *c, const struct tls_choice *t) {
    if (!t->clients_id.n) return true;
    c->asks = true, c->lenient = t->lenient;
    SSL_set_verify(ssl, SSL_VERIFY_PEER | (t->lenient ? 0 : SSL_VERIFY_FAIL_IF_NO_PEER_CERT), on_verify);
    return tls_authorities_use(c->server->authorities, t->clients_id, t->ca_pem, ssl) == OK;
}

static bool set_ocsp(SSL *ssl, str ocsp) {
    if (!ocsp.n || !SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_status_request, &(const unsigned char *){NULL},
                                              &(size_t){0}))
        return true;
    unsigned char *copy = OPENSSL_memdup(ocsp.p, ocsp.n);
    return copy && SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)ocsp.n) == 1;
}

static int on_hello(SSL *ssl, int *alert, void *arg) {
    (void)arg;
    struct side *c = of(SSL_get_app_data(ssl));
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    tls_blame(&c->conn, TLS_NO_CERTIFICATE, "no listener has a certificate for the server name");
    if (!set_name(c, hello_name(ssl))) return SSL_CLIENT_HELLO_ERROR;
    struct tls_choice t = choose(c, ssl);
    if (!t.certificate_id) return SSL_CLIENT_HELLO_ERROR;
    *alert = SSL_AD_INTERNAL_ERROR;
    tls_blame(&c->conn, TLS_INTERNAL, "the certificate cannot be used");
    if (tls_store_use(c->server->store, t.certificate_id, t.chain_pem, t.key_pem, ssl) != OK)
        return SSL_CLIENT_HELLO_ERROR;
    tls_blame(&c->conn, TLS_INTERNAL, "the listener's TLS options cannot be used");
    if (!set_versions(ssl, &t) || !bind_session(ssl, c, t.session) || !set_clients(ssl, c, &t) ||
        !set_ocsp(ssl, t.ocsp))
        return SSL_CLIENT_HELLO_ERROR;
    tls_blame(&c->conn, TLS_DONE, NULL);
    return SSL_CLIENT_HELLO_SUCCESS;
}

/* The name was looked at in on_hello(). With this one the server says that it did [RFC 6066 3]. */
static int on_name(SSL *ssl, int *alert, void *arg) {
    (void)ssl, (void)alert, (void)arg;
    return SSL_TLSEXT_ERR_OK;
}

/* The response was set in on_hello(). */
static int on_status(SSL *ssl, void *arg) {
    (void)arg;
    const unsigned char *p;
    return SSL_get_tlsext_status_ocsp_resp(ssl, &p) > 0 ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

static const unsigned char *offered(const unsigned char *in, unsigned n, const char *name, unsigned name_n) {
    for (unsigned at = 0; at < n && at + in[at] < n; at += in[at] + 1u)
        if (in[at] == name_n && memcmp(in + at + 1, name, name_n) == 0) return in + at;
    return NULL;
}

/* HTTP/2 rather than HTTP/1.1, whatever order the client has. No protocol in common ends the handshake [RFC 7301 3.2]. */
static int on_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_n, const unsigned char *in,
                   unsigned n, void *arg) {
    (void)ssl, (void)arg;
    const unsigned char *name = offered(in, n, "h2", 2);
    if (!name) name = offered(in, n, "http/1.1", 8);
    if (!name) return SSL_TLSEXT_ERR_ALERT_FATAL;
    *ret = name + 1;
    *ret_n = *name;
    return SSL_TLSEXT_ERR_OK;
}

/* ---- sessions ---- */

static int on_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                         EVP_MAC_CTX *mac, int seal) {
    int done = tls_tickets_key(of(SSL_get_app_data(ssl))->server->tickets, name, iv, cipher, mac, seal != 0);
    /* A ticket of TLS 1.3 is used once [RFC 8446 C.4]: each opened one is followed by another. */
    return done == 1 && !seal && SSL_version(ssl) == TLS1_3_VERSION ? 2 : done;
}

/* A certificate that was good when the session began may have ended since. That the authorities are the same the session's binding says. */
static bool still_good(const struct side *c, SSL_SESSION *session) {
    if (!c->asks || c->lenient) return true;
    X509 *peer = SSL_SESSION_get0_peer(session);
    return peer && X509_cmp_current_time(X509_get0_notAfter(peer)) > 0;
}

static SSL_TICKET_RETURN on_ticket(SSL *ssl, SSL_SESSION *session, const unsigned char *name, size_t name_n,
                                   SSL_TICKET_STATUS status, void *arg) {
    (void)name, (void)name_n, (void)arg;
    bool opened = status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW;
    if (!opened || !still_good(of(SSL_get_app_data(ssl)), session)) return SSL_TICKET_RETURN_IGNORE_RENEW;
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

/* ---- the server ---- */

/* The profile of version 6.0. Which of what both sides have the client says: all are good. The exchange that is safe from quantum computers is
 * there from OpenSSL 3.5 on. */
static bool set_profile(SSL_CTX *x) {
    static const char suites[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
    static const char ciphers[] =
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
        "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
    SSL_CTX_set_security_level(x, 2); /* 112 bits, whatever the system's openssl.cnf says */
    return SSL_CTX_set_min_proto_version(x, TLS1_2_VERSION) && SSL_CTX_set_max_proto_version(x, 0) &&
           SSL_CTX_set_cipher_list(x, ciphers) && SSL_CTX_set_ciphersuites(x, suites) &&
           (SSL_CTX_set1_groups_list(x, "X25519MLKEM768:X25519:P-256:P-384") ||
            SSL_CTX_set1_groups_list(x, "X25519:P-256:P-384"));
}

static SSL_CTX *make_context(const struct tls_library *library) {
    SSL_CTX *x = SSL_CTX_new_ex(tls_library_context(library), NULL, TLS_server_method());
    assert(x);
    tls_set_context(x);
    SSL_CTX_clear_options(x, SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(x, SSL_SESS_CACHE_OFF); /* tickets alone: nothing is kept here */
    SSL_CTX_set_timeout(x, TLS_SEED_PERIOD_S);
    SSL_CTX_set_num_tickets(x, 1); /* enough for the next connection; the library's two cost twice */
    SSL_CTX_set_tlsext_ticket_key_evp_cb(x, on_ticket_key);
    SSL_CTX_set_session_ticket_cb(x, NULL, on_ticket, NULL);
    SSL_CTX_set_client_hello_cb(x, on_hello, NULL);
    SSL_CTX_set_tlsext_servername_callback(x, on_name);
    SSL_CTX_set_tlsext_status_cb(x, on_status);
    SSL_CTX_set_alpn_select_cb(x, on_alpn, NULL);
    SSL_CTX_set_verify_depth(x, CLIENT_DEPTH);
    SSL_CTX_set_max_cert_list(x, CLIENT_CHAIN_BYTES);
    bool ok = set_profile(x);
    assert(ok);
    ERR_clear_error(); /* groups that this library does not have */
    return x;
}

struct tls_server *tls_server_new(struct tls_scratch *scratch, const struct tls_seed *seed, int64_t now_s) {
    struct tls_server *s = base_zalloc(sizeof *s);
    s->context = make_context(scratch->library);
    s->scratch = scratch;
    s->store = tls_store_new(scratch->library);
    s->authorities = tls_authorities_new();
    s->tickets = tls_tickets_new(seed, now_s);
    return s;
}

void tls_server_forget(struct tls_server *s, uint64_t certificate_id) {
    tls_store_forget(s->store, certificate_id);
}

void tls_server_free(struct tls_server *s) {
    if (!s) return;
    SSL_CTX_free(s->context);
    tls_store_free(s->store);
    tls_authorities_free(s->authorities);
    tls_tickets_free(s->tickets);
    free(s);
}

struct tls_conn *tls_server_accept(struct tls_server *s, int fd, int64_t now_s, tls_server_choose *choose_,
                                   void *arg) {
    struct side *c = base_zalloc(sizeof *c);
    tls_tickets_at(s->tickets, now_s);
    c->server = s, c->choose = choose_, c->arg = arg;
    c->conn.fini = fini;
    tls_open(&c->conn, s->scratch, s->context, fd);
    SSL_set_accept_state(c->conn.ssl);
    return &c->conn;
}

str tls_server_name(const struct tls_conn *c) { return (str){of(c)->name, of(c)->name_n}; }

bool tls_server_client_verified(const struct tls_conn *c) {
    return of(c)->asks && SSL_get0_peer_certificate(c->ssl) && SSL_get_verify_result(c->ssl) == X509_V_OK;
}
