/* SPDX-License-Identifier: Apache-2.0 */
/* links: compile */
#include "rig.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* ---- certificates ---- */

static str pem_of(struct arena *a, BIO *b) {
    char *p;
    long n = BIO_get_mem_data(b, &p);
    str s = arena_str(a, (str){p, (size_t)n});
    BIO_free(b);
    return s;
}
/* A self-signed certificate for the name. Key of the piece: the name. */
static void add_certificate(struct rig *r, const char *name) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, key);
    X509_NAME *n = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(x, n);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    BIO *chain = BIO_new(BIO_s_mem()), *secret = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(chain, x);
    PEM_write_bio_PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL);
    str *names = arena_make(r->a, str);
    *names = str_of(name);
    rig_set(r, &(struct plan_certificate){.piece = {.kind = PLAN_CERTIFICATE, .key = str_of(name)},
                                          .chain_pem = pem_of(r->a, chain),
                                          .key_pem = pem_of(r->a, secret),
                                          .names = {names, 1}});
    X509_free(x);
    EVP_PKEY_free(key);
}

struct usual {
    struct rig rig;
    struct backend *backend;
    SSL_CTX *client;
};
static void usual_init(struct usual *u) {
    rig_init(&u->rig, ACCESS_OFF);
    u->backend = backend_start();
    u->client = SSL_CTX_new(TLS_client_method());
    add_certificate(&u->rig, "a.example");
    add_certificate(&u->rig, "b.example");
    rig_listener(&u->rig, "a", "a.example", "a.example");
    rig_listener(&u->rig, "b", "b.example", "b.example");
    rig_backend(&u->rig, "back", &u->backend->port, 1);
    rig_route(&u->rig, "a", "a", "", "back", NULL);
    rig_start(&u->rig);
}
static void usual_fini(struct usual *u) {
    SSL_CTX_free(u->client);
    rig_fini(&u->rig);
    backend_stop(u->backend);
}

/* ---- a client ---- */

static SSL *try_connect(struct usual *u, const char *name, SSL_SESSION *session, bool *ret_ok) {
    int fd = rig_connect(&u->rig);
    SSL *s = SSL_new(u->client);
    SSL_set_fd(s, fd);
    if (name) SSL_set_tlsext_host_name(s, name);
    if (session) SSL_set_session(s, session);
    *ret_ok = SSL_connect(s) == 1;
    return s;
}
static SSL *connect_to(struct usual *u, const char *name) {
    bool ok;
    SSL *s = try_connect(u, name, NULL, &ok);
    assert_true(ok);
    return s;
}
static void finish(SSL *s) {
    int fd = SSL_get_fd(s);
    if (SSL_is_init_finished(s)) SSL_shutdown(s); /* or its session is spoilt */
    ERR_clear_error();
    SSL_free(s);
    close(fd);
}
static void send_all(SSL *s, str bytes) {
    while (bytes.n) {
        size_t n;
        assert_int_equal(SSL_write_ex(s, bytes.p, bytes.n, &n), 1);
        bytes = str_from(bytes, n);
    }
}
/* Reads until the response by Content-Length is whole. Its head and body are in b. */
static int read_reply(SSL *s, struct buf *b) {
    static char bytes[65536];
    size_t head, n;
    buf_clear(b);
    while ((head = rig_find(buf_str(b), "\r\n\r\n")) == SIZE_MAX) {
        if (SSL_read_ex(s, bytes, sizeof bytes, &n) != 1) return -1;
        buf_add(b, (str){bytes, n});
    }
    size_t at = rig_find(buf_str(b), "Content-Length: ");
    size_t body = at == SIZE_MAX ? 0 : strtoul(b->p + at + 16, NULL, 10);
    while (b->n < head + 4 + body) {
        if (SSL_read_ex(s, bytes, sizeof bytes, &n) != 1) return -1;
        buf_add(b, (str){bytes, n});
    }
    return (int)strtol(b->p + 9, NULL, 10);
}
static int ask(SSL *s, const char *host, const char *path, struct buf *b) {
    char request[256];
    int n = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, host);
    send_all(s, (str){request, (size_t)n});
    return read_reply(s, b);
}

/* ---- cases ---- */

static void serves_the_listener_of_the_name(void **state) {
    (void)state;
    struct usual u;
    usual_init(&u);
    struct buf b;
    buf_init(&b, 1 << 20);
    SSL *s = connect_to(&u, "a.example");
    X509 *peer = SSL_get1_peer_certificate(s);
    char name[64];
    X509_NAME_get_text_by_NID(X509_get_subject_name(peer), NID_commonName, name, sizeof name);
    assert_string_equal(name, "a.example");
    X509_free(peer);
    for (int i = 0; i < 20; i++) assert_int_equal(ask(s, "a.example", "/x", &b), 200);
    assert_true(rig_find(buf_str(&b), "X-Forwarded-Proto: https\r\n") != SIZE_MAX);
    assert_int_equal(ask(s, "b.example", "/x", &b), 421); /* another listener's */
    assert_int_equal(ask(s, "c.example", "/x", &b), 404); /* nobody's */
    assert_int_equal(ask(s, "a.example", "/x", &b), 200); /* and the connection lives on */
    finish(s);
    s = connect_to(&u, "B.Example");
    assert_int_equal(ask(s, "b.example", "/x", &b), 404); /* no route */
    finish(s);
    buf_fini(&b);
    usual_fini(&u);
}

static void refuses_unknown_names(void **state) {
    (void)state;
    struct usual u;
    usual_init(&u);
    static const char *const names[] = {"c.example", NULL};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        bool ok;
        SSL *s = try_connect(&u, names[i], NULL, &ok);
        assert_false(ok);
        assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_TLSV1_UNRECOGNIZED_NAME);
        ERR_clear_error();
        finish(s);
    }
    const struct worker_stats *st = worker_stats(u.rig.worker);
    rig_until(&u.rig, stats_get(&st->handshakes_failed[TLS_NO_CERTIFICATE]) == 2 &&
                          stats_get(&st->connections_open) == 0);
    usual_fini(&u);
}

static void agrees_on_a_protocol(void **state) {
    (void)state;
    struct usual u;
    usual_init(&u);
    static const struct {
        const char *offered, *chosen;
    } cases[] = {{"\x02h2\x08http/1.1", "h2"},
                 {"\x08http/1.1\x02h2", "h2"},
                 {"\x02h2", "h2"},
                 {"\x08http/1.1", "http/1.1"},
                 {"\x02hx\x08http/1.1", "http/1.1"}};
    bool ok;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const unsigned char *chosen;
        unsigned n;
        str offered = str_of(cases[i].offered);
        SSL_CTX_set_alpn_protos(u.client, (const unsigned char *)offered.p, (unsigned)offered.n);
        SSL *s = connect_to(&u, "a.example");
        SSL_get0_alpn_selected(s, &chosen, &n);
        assert_str(((str){(const char *)chosen, n}), cases[i].chosen);
        finish(s);
    }
    SSL_CTX_set_alpn_protos(u.client, (const unsigned char *)"\x02h3", 3);
    SSL *s = try_connect(&u, "a.example", NULL, &ok);
    assert_false(ok);
    ERR_clear_error();
    finish(s);
    usual_fini(&u);
}

static void resumes_sessions(void **state) {
    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct usual u;
        usual_init(&u);
        struct buf b;
        buf_init(&b, 1 << 20);
        SSL_CTX_set_max_proto_version(u.client, version);
        SSL *s = connect_to(&u, "a.example");
        assert_int_equal(ask(s, "a.example", "/x", &b), 200); /* the ticket of 1.3 comes with what follows */
        SSL_SESSION *session = SSL_get1_session(s);
        finish(s);
        bool ok;
        s = try_connect(&u, "a.example", session, &ok);
        assert_true(ok);
        assert_true(SSL_session_reused(s));
        assert_int_equal(ask(s, "a.example", "/x", &b), 200);
        finish(s);
        SSL_SESSION_free(session);
        const struct worker_stats *st = worker_stats(u.rig.worker);
        rig_until(&u.rig, stats_get(&st->handshakes_full) == 1 && stats_get(&st->handshakes_resumed) == 1);
        buf_fini(&b);
        usual_fini(&u);
    }
}

static void relays_bodies(void **state) {
    (void)state;
    struct usual u;
    usual_init(&u);
    enum { BYTES = 2000000 };
    char *zeros = base_zalloc(BYTES);
    struct buf b;
    buf_init(&b, 64 << 20);
    SSL *s = connect_to(&u, "a.example");
    for (int i = 0; i < 2; i++) {
        send_all(s, S("PUT /p HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2000000\r\n\r\n"));
        send_all(s, (str){zeros, BYTES});
        assert_int_equal(read_reply(s, &b), 200);
        assert_true(rig_find(buf_str(&b), "X-Body: 2000000\r\n") != SIZE_MAX);
        assert_int_equal(ask(s, "a.example", "/big/6000000", &b), 200);
        assert_in_range(b.n, 6000000, 6001000);
    }
    finish(s);
    free(zeros);
    buf_fini(&b);
    usual_fini(&u);
}

/* A new certificate of the same listener is used by the next handshake; the connection before goes on. */
static void rotates_certificates(void **state) {
    (void)state;
    struct usual u;
    usual_init(&u);
    struct buf b;
    buf_init(&b, 1 << 20);
    SSL *before = connect_to(&u, "a.example");
    assert_int_equal(ask(before, "a.example", "/x", &b), 200);
    X509 *one = SSL_get1_peer_certificate(before);
    add_certificate(&u.rig, "a.example");
    rig_apply(&u.rig);
    SSL *after = connect_to(&u, "a.example");
    X509 *two = SSL_get1_peer_certificate(after);
    assert_int_not_equal(X509_cmp(one, two), 0);
    assert_int_equal(ask(after, "a.example", "/x", &b), 200);
    assert_int_equal(ask(before, "a.example", "/x", &b), 200);
    X509_free(one);
    X509_free(two);
    finish(before);
    finish(after);
    buf_fini(&b);
    usual_fini(&u);
}

/* More handshakes at once than one turn takes, some of them never finished. */
static void shakes_many_hands(void **state) {
    (void)state;
    struct usual u;
    usual_init(&u);
    enum { N = 60 };
    SSL *s[N];
    int mute[10];
    for (int i = 0; i < 10; i++) {
        mute[i] = rig_connect(&u.rig);
        rig_send(mute[i], S("\x16\x03\x01\x02"));
    }
    for (int i = 0; i < N; i++) {
        s[i] = SSL_new(u.client);
        int fd = rig_connect(&u.rig);
        SSL_set_fd(s[i], fd);
        SSL_set_tlsext_host_name(s[i], "a.example");
        SSL_set_connect_state(s[i]);
    }
    struct buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < N; i++) assert_int_equal(SSL_do_handshake(s[i]), 1);
    for (int i = 0; i < N; i++) assert_int_equal(ask(s[i], "a.example", "/x", &b), 200);
    for (int i = 0; i < N; i++) finish(s[i]);
    for (int i = 0; i < 10; i++) close(mute[i]);
    const struct worker_stats *st = worker_stats(u.rig.worker);
    rig_until(&u.rig, stats_get(&st->connections_open) == 0);
    buf_fini(&b);
    usual_fini(&u);
}

static void takes_no_plain_http(void **state) {
    (void)state;
    struct usual u;
    usual_init(&u);
    int fd = rig_connect(&u.rig);
    struct reply y = {0};
    buf_init(&y.bytes, 4096);
    rig_send(fd, S("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"));
    while (rig_take(fd, &y)) {}
    assert_true(reply_has(&y, "HTTP/1.1 400"));
    const struct worker_stats *st = worker_stats(u.rig.worker);
    rig_until(&u.rig, stats_get(&st->handshakes_failed[TLS_PLAIN_HTTP]) == 1);
    assert_int_equal(stats_get(&st->requests), 0);
    reply_fini(&y);
    close(fd);
    usual_fini(&u);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(serves_the_listener_of_the_name),
        cmocka_unit_test(refuses_unknown_names),
        cmocka_unit_test(agrees_on_a_protocol),
        cmocka_unit_test(resumes_sessions),
        cmocka_unit_test(relays_bodies),
        cmocka_unit_test(rotates_certificates),
        cmocka_unit_test(shakes_many_hands),
        cmocka_unit_test(takes_no_plain_http),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
