/* SPDX-License-Identifier: Apache-2.0 */
#include "io/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "io/tls_store.h"

enum {
    OUT_BYTES = 160 << 10, /* records of one tls_write: 128 kB of text at most, in one call of the system */
    TEXT_BYTES = 16 << 10, /* of one record: small pieces share it */
    TEXT_BYTES_MAX = 128 << 10,
    NAME_BYTES = 256,
};

struct tls_server { /* owner: worker */
    SSL_CTX *context;
    BIO_METHOD *method;
    struct tls_store *store;
    char *out; /* records of the call that runs: empty between calls */
    size_t out_n;
    char *text; /* pieces on their way into one record */
};

struct tls_conn {
    SSL *ssl;
    struct tls_server *server;
    int fd;
    tls_choose_fn *choose;
    void *arg;
    char *stash; /* records that the socket did not take */
    size_t stash_at, stash_n;
    bool drained, to_the_end, failed, closed;
    int io_errno;
    const char *why;
    char error[120];
    char name[NAME_BYTES];
    size_t name_n;
};

/* ---- between OpenSSL and the socket ---- */

static int bio_read(BIO *b, char *p, int n) {
    struct tls_conn *c = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    if (n <= 0) return 0;
    if (c->drained) {
        BIO_set_retry_read(b);
        return -1;
    }
    ssize_t got = recv(c->fd, p, (size_t)n, 0);
    if (got > 0) {
        c->drained = got < n && !c->to_the_end;
        return (int)got;
    }
    if (got == 0) return 0;
    if (errno == EAGAIN || errno == EINTR) {
        c->drained = true;
        BIO_set_retry_read(b);
    } else {
        c->io_errno = errno;
    }
    return -1;
}

static size_t send_some(struct tls_conn *c, const char *p, size_t n) {
    if (c->io_errno || n == 0) return 0;
    ssize_t went = send(c->fd, p, n, MSG_NOSIGNAL);
    if (went >= 0) return (size_t)went;
    if (errno != EAGAIN && errno != EINTR) c->io_errno = errno;
    return 0;
}

/* What the socket does not take now waits in the connection. */
static void stash(struct tls_conn *c, const char *p, size_t n) {
    if (n == 0) return;
    if (c->stash_at) memmove(c->stash, c->stash + c->stash_at, c->stash_n - c->stash_at);
    c->stash_n -= c->stash_at, c->stash_at = 0;
    c->stash = base_realloc(c->stash, c->stash_n + n);
    memcpy(c->stash + c->stash_n, p, n);
    c->stash_n += n;
}

static void flush_stash(struct tls_conn *c) {
    if (c->stash_at == c->stash_n) return;
    c->stash_at += send_some(c, c->stash + c->stash_at, c->stash_n - c->stash_at);
    if (c->stash_at < c->stash_n) return;
    free(c->stash);
    c->stash = NULL;
    c->stash_at = c->stash_n = 0;
}

/* The records that the call made go out: the scratch is empty between calls. */
static void flush(struct tls_conn *c) {
    struct tls_server *s = c->server;
    flush_stash(c);
    if (s->out_n == 0) return;
    size_t went = c->stash_n ? 0 : send_some(c, s->out, s->out_n);
    if (!c->io_errno) stash(c, s->out + went, s->out_n - went);
    s->out_n = 0;
}

static int bio_write(BIO *b, const char *p, int n) {
    struct tls_conn *c = BIO_get_data(b);
    struct tls_server *s = c->server;
    BIO_clear_retry_flags(b);
    if (n <= 0) return 0;
    if (s->out_n + (size_t)n > OUT_BYTES) flush(c);
    if ((size_t)n > OUT_BYTES) return -1; /* no record is as long */
    memcpy(s->out + s->out_n, p, (size_t)n);
    s->out_n += (size_t)n;
    return n;
}

static long bio_ctrl(BIO *b, int what, long n, void *p) {
    (void)b, (void)n, (void)p;
    return what == BIO_CTRL_FLUSH || what == BIO_CTRL_DUP; /* flushed once a call */
}

static int bio_create(BIO *b) {
    BIO_set_init(b, 1);
    return 1;
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

static bool set_name(struct tls_conn *c, str name) {
    if (name.n && name.p[name.n - 1] == '.') name.n--;
    if (name.n > NAME_BYTES || memchr(name.p, 0, name.n)) return false;
    for (size_t i = 0; i < name.n; i++) c->name[i] = str_lower(name.p[i]);
    c->name_n = name.n;
    return true;
}

static int on_hello(SSL *ssl, int *alert, void *arg) {
    (void)arg;
    struct tls_conn *c = SSL_get_app_data(ssl);
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    c->why = "no certificate for the server name";
    if (!set_name(c, hello_name(ssl))) return SSL_CLIENT_HELLO_ERROR;
    struct tls_choice choice = c->choose(c->arg, (str){c->name, c->name_n});
    if (!choice.certificate_id) return SSL_CLIENT_HELLO_ERROR;
    *alert = SSL_AD_INTERNAL_ERROR;
    c->why = "the certificate cannot be used";
    if (tls_store_use(c->server->store, choice.certificate_id, choice.chain_pem, choice.key_pem, ssl) != OK)
        return SSL_CLIENT_HELLO_ERROR;
    if (choice.version_min == 13 && !SSL_set_min_proto_version(ssl, TLS1_3_VERSION))
        return SSL_CLIENT_HELLO_ERROR;
    c->why = NULL;
    return SSL_CLIENT_HELLO_SUCCESS;
}

/* HTTP/1.1 is what is served. No protocol in common ends the handshake [RFC 7301 3.2]. */
static int on_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_n, const unsigned char *in,
                   unsigned n, void *arg) {
    (void)ssl, (void)arg;
    static const char http1[] = "http/1.1";
    for (unsigned at = 0; at < n && at + in[at] < n; at += in[at] + 1u) {
        if (in[at] != sizeof http1 - 1 || memcmp(in + at + 1, http1, sizeof http1 - 1) != 0) continue;
        *ret = in + at + 1;
        *ret_n = in[at];
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
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
    SSL_CTX_set_options(x, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(x, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(x, 1);
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

struct tls_server *tls_server_new(const uint8_t ticket_keys[80]) {
    struct tls_server *s = base_zalloc(sizeof *s);
    s->context = make_context(ticket_keys);
    s->store = tls_store_new();
    s->out = base_alloc(OUT_BYTES);
    s->text = base_alloc(TEXT_BYTES);
    s->method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "postern socket");
    assert(s->method);
    BIO_meth_set_read(s->method, bio_read);
    BIO_meth_set_write(s->method, bio_write);
    BIO_meth_set_ctrl(s->method, bio_ctrl);
    BIO_meth_set_create(s->method, bio_create);
    return s;
}

void tls_server_free(struct tls_server *s) {
    if (!s) return;
    SSL_CTX_free(s->context);
    BIO_meth_free(s->method);
    tls_store_free(s->store);
    free(s->out);
    free(s->text);
    free(s);
}

struct tls_conn *tls_accept(struct tls_server *s, int fd, tls_choose_fn *choose, void *arg) {
    struct tls_conn *c = base_zalloc(sizeof *c);
    *c = (struct tls_conn){.server = s, .fd = fd, .choose = choose, .arg = arg, .ssl = SSL_new(s->context)};
    BIO *b = BIO_new(s->method);
    if (!c->ssl || !b) base_out_of_memory(sizeof *c);
    BIO_set_data(b, c);
    SSL_set_bio(c->ssl, b, b);
    SSL_set_app_data(c->ssl, c);
    SSL_set_accept_state(c->ssl);
    return c;
}

void tls_free(struct tls_conn *c) {
    if (!c) return;
    SSL_free(c->ssl);
    free(c->stash);
    free(c);
}

/* ---- a connection ---- */

static err fail(struct tls_conn *c) {
    c->failed = true;
    unsigned long e = ERR_peek_error();
    if (!c->why && c->io_errno)
        snprintf(c->error, sizeof c->error, "%s", strerror(c->io_errno));
    else if (!c->why && e)
        snprintf(c->error, sizeof c->error, "%s",
                 ERR_reason_error_string(e) ? ERR_reason_error_string(e) : "TLS");
    else
        snprintf(c->error, sizeof c->error, "%s", c->why ? c->why : "the peer closed");
    ERR_clear_error();
    return c->io_errno ? ERR_IO : ERR_PROTO;
}

/* What a call of OpenSSL that gave no progress means. */
static err outcome(struct tls_conn *c, int result) {
    int e = SSL_get_error(c->ssl, result);
    if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE) return ERR_AGAIN;
    if (e == SSL_ERROR_ZERO_RETURN) return ERR_END;
    return fail(c);
}

err tls_handshake(struct tls_conn *c) {
    if (c->failed) return ERR_PROTO;
    ERR_clear_error();
    int done = SSL_do_handshake(c->ssl);
    err e = done == 1 ? OK : outcome(c, done);
    flush(c); /* an alert as well */
    if (e == ERR_END) e = fail(c);
    if (c->io_errno && !c->failed) e = fail(c);
    return e == ERR_IO ? ERR_PROTO : e;
}

void tls_readable(struct tls_conn *c, bool to_the_end) {
    c->drained = false;
    c->to_the_end |= to_the_end;
}

bool tls_drained(const struct tls_conn *c) { return c->drained && !SSL_has_pending(c->ssl); }

size_t tls_pending(const struct tls_conn *c) { return c->stash_n - c->stash_at; }

err tls_read(struct tls_conn *c, void *p, size_t n, size_t *ret_n) {
    if (c->failed) return ERR_PROTO;
    ERR_clear_error();
    size_t all = 0;
    err e = OK;
    while (all < n) { /* a record a call: as many as the buffer takes */
        size_t got = 0;
        int done = SSL_read_ex(c->ssl, (char *)p + all, n - all, &got);
        if (done <= 0) {
            e = outcome(c, done);
            break;
        }
        all += got;
        if (tls_drained(c)) break;
    }
    if (c->server->out_n) flush(c); /* a key update, an alert */
    if (all == 0) return e;
    *ret_n = all;
    return OK; /* what ended it shows at the next call */
}

/* Fills one record from the pieces, from *at of *i on; a long piece is not copied. */
static str next_text(struct tls_server *s, const str *pieces, size_t n, size_t *i, size_t *at) {
    while (*i < n && *at == pieces[*i].n) (*i)++, *at = 0;
    if (*i == n) return S("");
    size_t rest = pieces[*i].n - *at;
    if (rest >= TEXT_BYTES || *i + 1 == n) {
        str one = str_upto(str_from(pieces[*i], *at), TEXT_BYTES);
        *at += one.n;
        return one;
    }
    size_t m = 0;
    while (*i < n && m < TEXT_BYTES) {
        str part = str_upto(str_from(pieces[*i], *at), TEXT_BYTES - m);
        if (part.n) memcpy(s->text + m, part.p, part.n);
        m += part.n, *at += part.n;
        if (*at == pieces[*i].n) (*i)++, *at = 0;
    }
    return (str){s->text, m};
}

err tls_write(struct tls_conn *c, const str *pieces, size_t n, size_t *ret_n) {
    if (c->failed || c->closed) return ERR_IO;
    flush_stash(c);
    if (c->io_errno) return ERR_IO;
    if (c->stash_n) return ERR_AGAIN;
    ERR_clear_error();
    size_t all = 0, i = 0, at = 0;
    for (str text; all < TEXT_BYTES_MAX && (text = next_text(c->server, pieces, n, &i, &at)).n;) {
        size_t went = 0;
        int done = SSL_write_ex(c->ssl, text.p, text.n, &went);
        if (done <= 0) {
            err e = outcome(c, done);
            if (e != ERR_AGAIN) return e == ERR_END ? ERR_IO : e;
            break;
        }
        all += went;
        if (went < text.n) break;
    }
    flush(c);
    *ret_n = all;
    return c->io_errno ? ERR_IO : OK;
}

void tls_close_notify(struct tls_conn *c) {
    if (c->failed || c->closed || !SSL_is_init_finished(c->ssl)) return;
    c->closed = true;
    ERR_clear_error();
    SSL_shutdown(c->ssl);
    flush(c);
    ERR_clear_error();
}

str tls_server_name(const struct tls_conn *c) { return (str){c->name, c->name_n}; }

bool tls_resumed(const struct tls_conn *c) { return SSL_session_reused(c->ssl); }

str tls_error(const struct tls_conn *c) { return str_of(c->error); }

void tls_random(void *p, size_t n) {
    int ok = RAND_bytes(p, (int)n);
    assert(ok == 1);
}
