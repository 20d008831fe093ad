/* fuzz: io, 60000 inputs */
/* SPDX-License-Identifier: Apache-2.0 */
/* What a client may send to a TLS listener before it has shown who it is. The first four bytes say how the listener is set up and in how large
 * pieces the rest comes; the rest is what comes. Whatever it is, the handshake waits, is done, or fails for a reason that has words. */
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/tls_server.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { KINDS = 3, PEM_BYTES_MAX = 4096, SETUP_BYTES = 4, NOW_S = 1800000000 };

struct identity {
    char chain[PEM_BYTES_MAX], key[PEM_BYTES_MAX];
    size_t chain_n, key_n;
};
struct setup { /* of one input */
    uint8_t byte[SETUP_BYTES];
    char name[256];
    size_t name_n;
    bool asked;
};

/* What is made once, as a worker does. */
static struct identity identities[KINDS];
static struct tls_scratch *scratch;
static struct tls_server *server;

static size_t take(BIO *b, char *to) {
    char *p;
    long n = BIO_get_mem_data(b, &p);
    assert(n > 0 && n < PEM_BYTES_MAX);
    memcpy(to, p, (size_t)n);
    BIO_free(b);
    return (size_t)n;
}

static void make(struct identity *id, EVP_PKEY *key) {
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 1000000);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)"a.example", -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    int ok = X509_sign(x, key, EVP_PKEY_get_id(key) == EVP_PKEY_ED25519 ? NULL : EVP_sha256());
    assert(ok);
    BIO *b = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(b, x);
    id->chain_n = take(b, id->chain);
    b = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL);
    id->key_n = take(b, id->key);
    X509_free(x);
    EVP_PKEY_free(key);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    static const struct tls_seed seed = {.secret = "the same secret in every run ..", .shared = true};
    make(&identities[0], EVP_EC_gen("P-256"));
    make(&identities[1], EVP_RSA_gen(2048));
    make(&identities[2], EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
    scratch = tls_scratch_new();
    server = tls_server_new(scratch, &seed, NOW_S);
    return 0;
}

/* By the setup: 0: kind of key, or none; versions. 1: clients' certificates, a staple. 2: suites. */
static struct tls_choice on_choose(void *arg, const struct tls_hello *hello) {
    static const char session[TLS_SESSION_BYTES] = "a listener";
    static const char *const suites[] = {"", "TLS_AES_256_GCM_SHA384"};
    static const char *const ciphers[] = {"", "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"};
    struct setup *s = arg;
    assert(!s->asked && hello->server_name.n <= sizeof s->name);
    s->asked = true;
    memcpy(s->name, hello->server_name.p, hello->server_name.n);
    s->name_n = hello->server_name.n;
    for (size_t i = 0; i < s->name_n; i++) assert(s->name[i] == str_lower(s->name[i]) && s->name[i]);
    unsigned kind = s->byte[0] % (KINDS + 1);
    if (kind == KINDS) return (struct tls_choice){0};
    const struct identity *id = &identities[kind];
    struct tls_choice c = {.certificate_id = 1 + kind,
                           .chain_pem = {id->chain, id->chain_n},
                           .key_pem = {id->key, id->key_n},
                           .version_min = s->byte[0] & 0x10 ? 13 : 12,
                           .version_max = s->byte[0] & 0x20 ? 12 : 13,
                           .session = session,
                           .ciphers = str_of(ciphers[s->byte[2] % COUNT_OF(ciphers)]),
                           .suites = str_of(suites[s->byte[2] / 16 % COUNT_OF(suites)])};
    if (c.version_min > c.version_max) c.version_min = 12;
    if (s->byte[1] & 1)
        c.clients_id = S("clients"), c.ca_pem = (str){identities[0].chain, identities[0].chain_n};
    c.lenient = s->byte[1] & 2;
    if (s->byte[1] & 4) c.ocsp = S("as good as any");
    return c;
}

/* What we say is not looked at. */
static void drain(int fd) {
    char bytes[16384];
    while (recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0) {}
}

static err go_on(struct tls_conn *c, bool last) {
    char bytes[512];
    size_t n;
    tls_readable(c, last);
    err e = tls_handshake(c);
    while (e == OK && tls_read(c, bytes, sizeof bytes, &n) == OK) assert(n <= sizeof bytes);
    return e;
}

static err shake(struct tls_conn *c, int peer, const struct setup *s, const uint8_t *data, size_t size) {
    size_t piece = s->byte[3] ? s->byte[3] : 4096, at = 0;
    err e = ERR_AGAIN;
    while (at < size && (e == ERR_AGAIN || e == OK)) {
        size_t n = size - at < piece ? size - at : piece;
        ssize_t went = send(peer, data + at, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (went <= 0) break;
        at += (size_t)went;
        e = go_on(c, false);
        drain(peer);
    }
    if (e != ERR_AGAIN) return e;
    shutdown(peer, SHUT_WR);
    return go_on(c, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct setup s = {0};
    int fds[2];
    if (size < SETUP_BYTES) return 0;
    memcpy(s.byte, data, SETUP_BYTES);
    int paired = socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds);
    assert(paired == 0);
    struct tls_conn *c = tls_server_accept(server, fds[0], NOW_S, on_choose, &s);
    err e = shake(c, fds[1], &s, data + SETUP_BYTES, size - SETUP_BYTES);
    assert(e != ERR_AGAIN); /* after the end there is nothing to wait for */
    if (e != OK) assert(tls_why(c) != TLS_DONE && tls_why(c) < TLS_REASON_COUNT && tls_error(c).n);
    str name = tls_server_name(c);
    if (s.asked) assert(str_eq(name, (str){s.name, s.name_n}));
    tls_close_notify(c);
    tls_free(c);
    close(fds[0]), close(fds[1]);
    return 0;
}
