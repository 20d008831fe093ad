/* SPDX-License-Identifier: Apache-2.0 */
#include "io/tls_server.h"

#include "io/tls_inside.h"
#include "io/tls_store.h"

enum { NAME_BYTES = 256 };

struct tls_server { /* owner: worker */
    SSL_CTX *context;
    struct tls_scratch *scratch;
    struct tls_store *store;
};
struct side {
    struct tls_conn conn;
    struct tls_server *server;
    tls_server_choose *choose;
    void *arg;
    char name[NAME_BYTES];
    size_t name_n;
};

static struct side *of(const struct tls_conn *c) {
    return container_of((struct tls_conn *)(uintptr_t)c, struct side, conn);
}

/* ---- the ClientHello ---- */

/* The one host_name of a server_name extension [RFC 6066 3]; "" when it is absent or not well-formed. */
static str hello_name(SSL *ssl) {
    const unsigned char *p;
    size_t n;
    if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &p, &n) || n < 5) return S("");
    size_t list = (size_t)p[0] << 8 | p[1], name = (size_t)p[3] << 8 | p[4];
    if (list != n - 2 || p[2] != TLSEXT_NAMETYPE_host_name || name > n - 5) return S("");
    return (str){(const char *)p + 5, name};
}

static bool set_name(struct side *c, str name) {
    if (name.n && name.p[name.n - 1] == '.') name.n--;
    if (name.n > NAME_BYTES || memchr(name.p, 0, name.n)) return false;
    for (size_t i = 0; i < name.n; i++) c->name[i] = str_lower(name.p[i]);
    c->name_n = name.n;
    return true;
}

static int on_hello(SSL *ssl, int *alert, void *arg) {
    (void)arg;
    struct side *c = of(SSL_get_app_data(ssl));
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    c->conn.why = "no certificate for the server name";
    if (!set_name(c, hello_name(ssl))) return SSL_CLIENT_HELLO_ERROR;
    struct tls_choice choice = c->choose(c->arg, (str){c->name, c->name_n});
    if (!choice.certificate_id) return SSL_CLIENT_HELLO_ERROR;
    *alert = SSL_AD_INTERNAL_ERROR;
    c->conn.why = "the certificate cannot be used";
    if (tls_store_use(c->server->store, choice.certificate_id, choice.chain_pem, choice.key_pem, ssl) != OK)
        return SSL_CLIENT_HELLO_ERROR;
    if (choice.version_min == 13 && !SSL_set_min_proto_version(ssl, TLS1_3_VERSION))
        return SSL_CLIENT_HELLO_ERROR;
    c->conn.why = NULL;
    return SSL_CLIENT_HELLO_SUCCESS;
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

/* ---- the server ---- */

static SSL_CTX *make_context(const uint8_t ticket_keys[80]) {
    /* Mozilla's "intermediate" recommendation, without the finite-field exchanges: a client that knows those alone is older than
     * TLS 1.2's elliptic curves, and they cost the server most. */
    static const char ciphers[] =
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
        "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
    static const unsigned char id[] = "postern";
    SSL_CTX *x = SSL_CTX_new(TLS_server_method());
    assert(x);
    tls_set_context(x);
    SSL_CTX_set_session_cache_mode(x, SSL_SESS_CACHE_OFF); /* tickets alone: nothing is kept here */
    SSL_CTX_set_num_tickets(x, 1); /* enough for the next connection; the library's two cost twice */
    SSL_CTX_set_client_hello_cb(x, on_hello, NULL);
    SSL_CTX_set_alpn_select_cb(x, on_alpn, NULL);
    uint8_t keys[80];
    memcpy(keys, ticket_keys, sizeof keys);
    bool ok = SSL_CTX_set_min_proto_version(x, TLS1_2_VERSION) && SSL_CTX_set_cipher_list(x, ciphers) &&
              SSL_CTX_set1_groups_list(x, "X25519:P-256:P-384") &&
              SSL_CTX_set_session_id_context(x, id, sizeof id - 1) &&
              SSL_CTX_set_tlsext_ticket_keys(x, keys, sizeof keys);
    OPENSSL_cleanse(keys, sizeof keys);
    assert(ok);
    return x;
}

struct tls_server *tls_server_new(struct tls_scratch *scratch, const uint8_t ticket_keys[80]) {
    struct tls_server *s = base_zalloc(sizeof *s);
    s->context = make_context(ticket_keys);
    s->scratch = scratch;
    s->store = tls_store_new();
    return s;
}

void tls_server_free(struct tls_server *s) {
    if (!s) return;
    SSL_CTX_free(s->context);
    tls_store_free(s->store);
    free(s);
}

struct tls_conn *tls_server_accept(struct tls_server *s, int fd, tls_server_choose *choose, void *arg) {
    struct side *c = base_zalloc(sizeof *c);
    c->server = s, c->choose = choose, c->arg = arg;
    tls_open(&c->conn, s->scratch, s->context, fd);
    SSL_set_accept_state(c->conn.ssl);
    return &c->conn;
}

str tls_server_name(const struct tls_conn *c) { return (str){of(c)->name, of(c)->name_n}; }
