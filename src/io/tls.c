/* SPDX-License-Identifier: Apache-2.0 */
#include "io/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <sys/socket.h>

#include "io/tls_inside.h"

enum {
    OUT_BYTES = 160 << 10, /* records of one tls_write: 128 kB of text at most, in one call of the system */
    TEXT_BYTES = 16 << 10, /* of one record: small pieces share it */
    TEXT_BYTES_MAX = 128 << 10,
    ERROR_BYTES = 160,
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
    c->held = false;
    if (c->stash_at == c->stash_n) return;
    c->stash_at += send_some(c, c->stash + c->stash_at, c->stash_n - c->stash_at);
    if (c->stash_at < c->stash_n) return;
    free(c->stash);
    c->stash = NULL;
    c->stash_at = c->stash_n = 0;
}

/* The records that the call made go out: the scratch is empty between calls. */
static void flush(struct tls_conn *c) {
    struct tls_scratch *s = c->scratch;
    flush_stash(c);
    if (s->out_n == 0) return;
    size_t went = c->stash_n ? 0 : send_some(c, s->out, s->out_n);
    if (!c->io_errno) stash(c, s->out + went, s->out_n - went);
    s->out_n = 0;
}

/* What the call made goes with the next write, in one call of the system. */
static void hold(struct tls_conn *c) {
    struct tls_scratch *s = c->scratch;
    if (s->out_n == 0 || c->stash_n) {
        flush(c);
        return;
    }
    stash(c, s->out, s->out_n);
    s->out_n = 0;
    c->held = true;
}

/* Before the next write's records: the scratch is empty. */
static void take_held(struct tls_conn *c) {
    if (!c->held) return;
    struct tls_scratch *s = c->scratch;
    assert(s->out_n == 0 && c->stash_n <= OUT_BYTES);
    memcpy(s->out, c->stash, c->stash_n);
    s->out_n = c->stash_n;
    free(TAKE(c->stash));
    c->stash_n = 0;
    c->held = false;
}

static int bio_write(BIO *b, const char *p, int n) {
    struct tls_conn *c = BIO_get_data(b);
    struct tls_scratch *s = c->scratch;
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

struct tls_scratch *tls_scratch_new(void) {
    struct tls_scratch *s = base_zalloc(sizeof *s);
    s->library = tls_library_new();
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

void tls_scratch_free(struct tls_scratch *s) {
    if (!s) return;
    BIO_meth_free(s->method);
    tls_library_free(s->library);
    free(s->out);
    free(s->text);
    free(s);
}

void tls_set_context(SSL_CTX *x) {
    SSL_CTX_set_options(x, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(x, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(x, 1);
}

/* ---- a connection ---- */

void tls_open(struct tls_conn *c, struct tls_scratch *s, SSL_CTX *context, int fd) {
    c->scratch = s, c->fd = fd;
    c->ssl = SSL_new(context);
    BIO *b = BIO_new(s->method);
    if (!c->ssl || !b) base_out_of_memory(sizeof *c);
    BIO_set_data(b, c);
    SSL_set_bio(c->ssl, b, b);
    SSL_set_app_data(c->ssl, c);
}

void tls_free(struct tls_conn *c) {
    if (!c) return;
    if (c->fini) c->fini(c);
    SSL_free(c->ssl);
    free(c->stash);
    free(c->error);
    free(c);
}

const char *tls_reason_name(enum tls_reason r) {
#define NAME(id, name, words) name,
    static const char *const names[] = {"done", TLS_REASONS(NAME)};
#undef NAME
    return names[r];
}

void tls_blame(struct tls_conn *c, enum tls_reason r, const char *words) {
    c->reason = (uint8_t)r;
    c->why = words;
}

/* What the library's error tells of. An alert of the peer's has a number of its own. */
static enum tls_reason reason_of(unsigned long e) {
    if (ERR_GET_LIB(e) != ERR_LIB_SSL) return TLS_BROKEN;
    switch (ERR_GET_REASON(e)) {
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_NO_PROTOCOLS_AVAILABLE:
    case SSL_R_INAPPROPRIATE_FALLBACK: return TLS_NO_VERSION;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_GROUPS: return TLS_NO_CIPHER;
    case SSL_R_NO_APPLICATION_PROTOCOL: return TLS_NO_PROTOCOL;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return TLS_PEER_MISSING;
    case SSL_R_CERTIFICATE_VERIFY_FAILED: return TLS_PEER_REFUSED;
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST: return TLS_PLAIN_HTTP;
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_UNEXPECTED_MESSAGE: return TLS_NOT_TLS;
    default: return ERR_GET_REASON(e) >= SSL_AD_REASON_OFFSET ? TLS_ALERT : TLS_BROKEN;
    }
}

const char *tls_reason_words(enum tls_reason r) {
#define WORDS(id, name, words) words,
    static const char *const all[] = {"", TLS_REASONS(WORDS)};
#undef WORDS
    return all[r];
}

/* Who has mistaken the port reads it where it looks for the answer. */
static void answer_plain_http(struct tls_conn *c) {
    static const char text[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\n"
                               "Content-Length: 44\r\n\r\nThis port speaks HTTPS: use https:// for it\n";
    static_assert(sizeof "This port speaks HTTPS: use https:// for it\n" - 1 == 44, "as Content-Length says");
    send_some(c, text, sizeof text - 1);
}

/* The reason, and in brackets what the library or the system says besides. */
static err fail(struct tls_conn *c) {
    unsigned long e = ERR_peek_error();
    c->alerted = ERR_GET_LIB(e) == ERR_LIB_SSL && ERR_GET_REASON(e) >= SSL_AD_REASON_OFFSET;
    const char *more = NULL;
    c->failed = true;
    if (!c->why) {
        c->reason = (uint8_t)(c->io_errno || !e ? TLS_CLOSED : reason_of(e));
        more = c->io_errno ? strerror(c->io_errno) : e ? ERR_reason_error_string(e) : NULL;
        if (c->reason == TLS_PEER_REFUSED)
            more = X509_verify_cert_error_string(SSL_get_verify_result(c->ssl));
        c->why = tls_reason_words(c->reason);
    }
    if (c->reason == TLS_PLAIN_HTTP) answer_plain_http(c);
    free(c->error);
    c->error = base_alloc(ERROR_BYTES);
    snprintf(c->error, ERROR_BYTES, "%s%s%s%s", c->why, more ? " (" : "", more ? more : "", more ? ")" : "");
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
    /* What a server of TLS 1.3 says last are tickets, which the client does not wait for [RFC 8446 4.6.1]: they go with its first answer, or
     * with its farewell. */
    if (e == OK && SSL_is_server(c->ssl) && SSL_version(c->ssl) == TLS1_3_VERSION)
        hold(c);
    else
        flush(c); /* an alert as well */
    if (e == ERR_END) e = fail(c);
    if (c->io_errno && !c->failed) e = fail(c);
    return e == ERR_IO ? ERR_PROTO : e;
}

void tls_readable(struct tls_conn *c, bool to_the_end) {
    c->drained = false;
    c->to_the_end |= to_the_end;
}

/* An end that was met behind data is told by the next read, for which no event comes. */
bool tls_drained(const struct tls_conn *c) {
    bool ended = c->failed || SSL_get_shutdown(c->ssl) & SSL_RECEIVED_SHUTDOWN;
    return c->drained && !ended && !SSL_has_pending(c->ssl);
}

size_t tls_pending(const struct tls_conn *c) { return c->held ? 0 : c->stash_n - c->stash_at; }

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
    if (c->scratch->out_n) flush(c); /* a key update, an alert */
    if (all == 0) return e;
    *ret_n = all;
    return OK; /* what ended it shows at the next call */
}

/* Fills one record from the pieces, from *at of *i on; a long piece is not copied. */
static str next_text(struct tls_scratch *s, const str *pieces, size_t n, size_t *i, size_t *at) {
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
    if (!c->held) flush_stash(c);
    if (c->io_errno) return ERR_IO;
    if (!c->held && c->stash_n) return ERR_AGAIN;
    take_held(c);
    ERR_clear_error();
    size_t all = 0, i = 0, at = 0;
    for (str text; all < TEXT_BYTES_MAX && (text = next_text(c->scratch, pieces, n, &i, &at)).n;) {
        size_t went = 0;
        int done = SSL_write_ex(c->ssl, text.p, text.n, &went);
        if (done <= 0) {
            err e = outcome(c, done);
            if (e != ERR_AGAIN) {
                flush(c); /* what is there is this connection's */
                return e == ERR_END ? ERR_IO : e;
            }
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
    take_held(c);
    SSL_shutdown(c->ssl);
    flush(c);
    ERR_clear_error();
}

bool tls_resumed(const struct tls_conn *c) { return SSL_session_reused(c->ssl); }

str tls_version(const struct tls_conn *c) { return str_of(SSL_get_version(c->ssl)); }
str tls_cipher(const struct tls_conn *c) { return str_of(SSL_get_cipher_name(c->ssl)); }

str tls_alpn(const struct tls_conn *c) {
    const unsigned char *p;
    unsigned n;
    SSL_get0_alpn_selected(c->ssl, &p, &n);
    return (str){(const char *)p, n};
}

bool tls_alerted(const struct tls_conn *c) { return c->alerted; }

enum tls_reason tls_why(const struct tls_conn *c) { return c->reason; }

str tls_error(const struct tls_conn *c) { return str_of(c->error ? c->error : ""); }

void tls_random(void *p, size_t n) {
    int ok = RAND_bytes(p, (int)n);
    assert(ok == 1);
}
