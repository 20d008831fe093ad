/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_rig.h"

#include <sys/ioctl.h>

static SSL_CTX *client_of(int version, const char *cipher) {
    SSL_CTX *x = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(x, 0);
    if (version) SSL_CTX_set_min_proto_version(x, version), SSL_CTX_set_max_proto_version(x, version);
    if (cipher && version == TLS1_3_VERSION)
        assert_int_equal(SSL_CTX_set_ciphersuites(x, cipher), 1);
    else if (cipher)
        assert_int_equal(SSL_CTX_set_cipher_list(x, cipher), 1);
    return x;
}

/* What a client with one version and one cipher gets: what is agreed on, or the reason of the refusal. */
static void expect(struct rig *r, SSL_CTX *x, const char *what, enum tls_reason reason) {
    struct hand h;
    hand_begin(&h, r, x);
    hand_run(&h);
    if (reason != TLS_DONE && (h.result != ERR_PROTO || h.ok || tls_why(h.server) != reason))
        fail_msg("%s: %s, reason %s (%.*s), not %s", what, h.ok ? "done" : "refused",
                 tls_reason_name(tls_why(h.server)), STR_ARG(tls_error(h.server)), tls_reason_name(reason));
    if (reason == TLS_DONE && (h.result != OK || !h.ok))
        fail_msg("%s: refused, %.*s", what, STR_ARG(tls_error(h.server)));
    hand_end(&h);
    SSL_CTX_free(x);
}

/* ---- the profile ---- */

/* [Mozilla Server Side TLS 6.0, intermediate] */
static void serves_the_profile_alone(void **state) {
    (void)state;
    static const struct {
        int version;
        const char *cipher;
        enum tls_reason by_ecdsa, by_rsa;
    } cases[] = {
        {TLS1_VERSION, NULL, TLS_NO_VERSION, TLS_NO_VERSION},
        {TLS1_1_VERSION, NULL, TLS_NO_VERSION, TLS_NO_VERSION},
        {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", TLS_DONE, TLS_NO_CIPHER},
        {TLS1_2_VERSION, "ECDHE-RSA-AES128-GCM-SHA256", TLS_NO_CIPHER, TLS_DONE},
        {TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384", TLS_DONE, TLS_NO_CIPHER},
        {TLS1_2_VERSION, "ECDHE-RSA-AES256-GCM-SHA384", TLS_NO_CIPHER, TLS_DONE},
        {TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", TLS_DONE, TLS_NO_CIPHER},
        {TLS1_2_VERSION, "ECDHE-RSA-CHACHA20-POLY1305", TLS_NO_CIPHER, TLS_DONE},
        {TLS1_2_VERSION, "DHE-RSA-AES128-GCM-SHA256", TLS_NO_CIPHER, TLS_NO_CIPHER},
        {TLS1_2_VERSION, "DHE-RSA-CHACHA20-POLY1305", TLS_NO_CIPHER, TLS_NO_CIPHER},
        {TLS1_2_VERSION, "AES128-GCM-SHA256", TLS_NO_CIPHER, TLS_NO_CIPHER},
        {TLS1_2_VERSION, "AES128-SHA", TLS_NO_CIPHER, TLS_NO_CIPHER},
        {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256", TLS_NO_CIPHER, TLS_NO_CIPHER},
        {TLS1_2_VERSION, "ECDHE-RSA-AES256-SHA384", TLS_NO_CIPHER, TLS_NO_CIPHER},
        {TLS1_2_VERSION, "ECDHE-RSA-AES128-SHA", TLS_NO_CIPHER, TLS_NO_CIPHER},
        {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-CCM", TLS_NO_CIPHER, TLS_NO_CIPHER},
        {TLS1_2_VERSION, "AECDH-AES128-SHA", TLS_NO_CIPHER, TLS_NO_CIPHER},
        {TLS1_2_VERSION, "ECDHE-ECDSA-NULL-SHA", TLS_NO_CIPHER, TLS_NO_CIPHER},
        {TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", TLS_DONE, TLS_DONE},
        {TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", TLS_DONE, TLS_DONE},
        {TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256", TLS_DONE, TLS_DONE},
        {TLS1_3_VERSION, "TLS_AES_128_CCM_SHA256", TLS_NO_CIPHER, TLS_NO_CIPHER},
        {TLS1_3_VERSION, "TLS_AES_128_CCM_8_SHA256", TLS_NO_CIPHER, TLS_NO_CIPHER},
    };
    for (int rsa = 0; rsa < 2; rsa++) {
        struct rig r;
        rig_init(&r);
        rig_add(&r, rsa ? KEY_RSA : KEY_P256);
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
            char what[80];
            snprintf(what, sizeof what, "%s %x %s", rsa ? "RSA" : "ECDSA", (unsigned)cases[i].version,
                     cases[i].cipher ? cases[i].cipher : "");
            expect(&r, client_of(cases[i].version, cases[i].cipher), what,
                   rsa ? cases[i].by_rsa : cases[i].by_ecdsa);
        }
        rig_fini(&r);
    }
}

static void serves_the_groups_of_the_profile(void **state) {
    (void)state;
    static const struct {
        const char *group;
        bool served;
    } cases[] = {{"X25519", true}, {"P-256", true},      {"P-384", true},
                 {"P-521", false}, {"ffdhe2048", false}, {"X448", false}};
    struct rig r;
    rig_init(&r);
    rig_add(&r, KEY_RSA); /* whose signature needs no curve of the client's */
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
            if (v == TLS1_2_VERSION && strcmp(cases[i].group, "ffdhe2048") == 0) continue;
            SSL_CTX *x = client_of(v, NULL);
            assert_int_equal(SSL_CTX_set1_groups_list(x, cases[i].group), 1);
            expect(&r, x, cases[i].group, cases[i].served ? TLS_DONE : TLS_NO_CIPHER);
        }
    rig_fini(&r);
}

/* Of what both have the client says which. */
static void the_client_says_which_cipher(void **state) {
    (void)state;
    static const char *const first[] = {"TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_256_GCM_SHA384"};
    struct rig r;
    rig_init(&r);
    rig_add(&r, KEY_P256);
    for (size_t i = 0; i < COUNT_OF(first); i++) {
        struct hand h;
        char list[100];
        snprintf(list, sizeof list, "%s:TLS_AES_128_GCM_SHA256", first[i]);
        SSL_CTX *x = client_of(TLS1_3_VERSION, list);
        hand_begin(&h, &r, x);
        hand_run(&h);
        assert_string_equal(SSL_get_cipher_name(h.client), first[i]);
        hand_end(&h);
        SSL_CTX_free(x);
    }
    rig_fini(&r);
}

static void a_listener_takes_versions_and_ciphers_away(void **state) {
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_add(&r, KEY_P256);
    r.choice.version_min = 13;
    expect(&r, client_of(TLS1_2_VERSION, NULL), "1.2 of 1.3", TLS_NO_VERSION);
    expect(&r, client_of(TLS1_3_VERSION, NULL), "1.3 of 1.3", TLS_DONE);
    r.choice.version_min = 12, r.choice.version_max = 12;
    expect(&r, client_of(TLS1_2_VERSION, NULL), "1.2 of 1.2", TLS_DONE);
    expect(&r, client_of(TLS1_3_VERSION, NULL), "1.3 of 1.2", TLS_NO_VERSION);
    r.choice.version_max = 13;
    r.choice.ciphers = S("ECDHE-ECDSA-AES256-GCM-SHA384");
    r.choice.suites = S("TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256");
    expect(&r, client_of(TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384"), "of the list", TLS_DONE);
    expect(&r, client_of(TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256"), "not of the list", TLS_NO_CIPHER);
    expect(&r, client_of(TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256"), "of the list", TLS_DONE);
    expect(&r, client_of(TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256"), "not of the list", TLS_NO_CIPHER);
    rig_fini(&r);
}

/* ---- which certificate ---- */

static enum key_kind shown_kind(struct rig *r, int version, const char *ciphers, const char *signatures,
                                const char *groups) {
    struct hand h;
    SSL_CTX *x = client_of(version, ciphers);
    if (signatures) assert_int_equal(SSL_CTX_set1_sigalgs_list(x, signatures), 1);
    if (groups) assert_int_equal(SSL_CTX_set1_groups_list(x, groups), 1);
    hand_begin(&h, r, x);
    hand_run(&h);
    uint32_t i = 0;
    X509 *shown = h.ok ? SSL_get0_peer_certificate(h.client) : NULL;
    while (shown && X509_cmp(shown, r->ids[i].x) != 0) i++;
    enum key_kind kind = shown ? r->kinds[i] : KEY_UNKNOWN;
    hand_end(&h);
    SSL_CTX_free(x);
    return kind;
}

static void shows_what_the_client_can_verify(void **state) {
    (void)state;
    static const struct {
        int version;
        const char *ciphers, *signatures, *groups;
        enum key_kind kind; /* shown; UNKNOWN: the handshake fails */
    } cases[] = {
        {0, NULL, NULL, NULL, KEY_P256},
        {TLS1_3_VERSION, NULL, "RSA-PSS+SHA256", NULL, KEY_RSA},
        {TLS1_3_VERSION, NULL, "RSA-PSS+SHA256:ECDSA+SHA256", NULL, KEY_P256},
        {TLS1_3_VERSION, NULL, "ECDSA+SHA384", NULL, KEY_P384},
        {TLS1_3_VERSION, NULL, "ECDSA+SHA384:RSA-PSS+SHA384", NULL, KEY_P384},
        {TLS1_3_VERSION, NULL, "ed25519", NULL, KEY_UNKNOWN},
        {TLS1_3_VERSION, NULL, "RSA+SHA256", NULL, KEY_UNKNOWN}, /* PKCS #1 1.5 is none of 1.3's */
        {TLS1_2_VERSION, NULL, NULL, NULL, KEY_P256},
        {TLS1_2_VERSION, "ECDHE-RSA-AES128-GCM-SHA256", NULL, NULL, KEY_RSA},
        {TLS1_2_VERSION, NULL, "RSA+SHA256", NULL, KEY_RSA},
        {TLS1_2_VERSION, NULL, "ECDSA+SHA512", NULL, KEY_P256}, /* the digest is not the curve's matter */
        {TLS1_2_VERSION, NULL, NULL, "P-384", KEY_P384},
        {TLS1_2_VERSION, NULL, NULL, "X25519", KEY_RSA}, /* no curve to verify with */
        {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", "RSA+SHA256", NULL, KEY_UNKNOWN},
    };
    struct rig r;
    rig_init(&r);
    rig_add(&r, KEY_P256);
    rig_add(&r, KEY_P384);
    rig_add(&r, KEY_RSA);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        enum key_kind kind =
            shown_kind(&r, cases[i].version, cases[i].ciphers, cases[i].signatures, cases[i].groups);
        if (kind != cases[i].kind) fail_msg("case %zu: key kind %d, not %d", i, kind, cases[i].kind);
    }
    rig_fini(&r);
}

static void every_kind_of_key_serves(void **state) {
    (void)state;
    for (enum key_kind k = KEY_P256; k <= KEY_RSA_PSS; k++)
        for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
            struct rig r;
            rig_init(&r);
            rig_add(&r, k);
            expect(&r, client_of(v, NULL), "any key", TLS_DONE);
            assert_true((v == TLS1_3_VERSION ? r.hello.kinds13 : r.hello.kinds12) >> k & 1);
            rig_fini(&r);
        }
}

/* ---- stapling ---- */

static void staples_when_asked(void **state) {
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_add(&r, KEY_P256);
    r.choice.ocsp = S("a response"); /* what is in it the control plane has looked at */
    for (int asked = 0; asked < 2; asked++)
        for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
            struct hand h;
            SSL_CTX *x = client_of(v, NULL);
            if (asked) SSL_CTX_set_tlsext_status_type(x, TLSEXT_STATUSTYPE_ocsp);
            hand_begin(&h, &r, x);
            hand_run(&h);
            assert_true(h.ok);
            const unsigned char *p = NULL;
            long n = SSL_get_tlsext_status_ocsp_resp(h.client, &p);
            assert_true(asked ? n == 10 && memcmp(p, "a response", 10) == 0 : n <= 0);
            hand_end(&h);
            SSL_CTX_free(x);
        }
    r.choice.ocsp = S("");
    SSL_CTX *x = client_of(0, NULL);
    SSL_CTX_set_tlsext_status_type(x, TLSEXT_STATUSTYPE_ocsp);
    expect(&r, x, "none to staple", TLS_DONE);
    rig_fini(&r);
}

/* ---- failures and their reasons ---- */

static void expect_bytes(struct rig *r, str bytes, bool end, enum tls_reason reason) {
    struct hand h;
    hand_begin(&h, r, NULL);
    assert_int_equal(write(h.fds[1], bytes.p, bytes.n), bytes.n);
    if (end) shutdown(h.fds[1], SHUT_WR);
    hand_server(&h);
    tls_readable(h.server, end);
    if (h.result == ERR_AGAIN) h.result = tls_handshake(h.server);
    if (h.result != ERR_PROTO) fail_msg("%.*s: not refused", STR_ARG(bytes));
    if (tls_why(h.server) != reason)
        fail_msg("%s (%.*s), not %s", tls_reason_name(tls_why(h.server)), STR_ARG(tls_error(h.server)),
                 tls_reason_name(reason));
    hand_end(&h);
}

static void failures_have_reasons(void **state) {
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_add(&r, KEY_P256);
    expect_bytes(&r, S("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), false, TLS_PLAIN_HTTP);
    expect_bytes(&r, S("CONNECT a:443 HTTP/1.1\r\n\r\n"), false, TLS_PLAIN_HTTP);
    expect_bytes(&r, S("SSH-2.0-x\r\n"), false, TLS_NOT_TLS);
    expect_bytes(&r, S("\x17\x03\x03\x00\x01x"), false, TLS_NOT_TLS);
    expect_bytes(&r, S(""), true, TLS_CLOSED);
    expect_bytes(&r, S("\x16\x03\x01\x00"), true, TLS_CLOSED);
    expect_bytes(&r, S("\x16\x03\x01\x00\x05\x01\x00\x00\x01x"), true, TLS_BROKEN);
    SSL_CTX *x = client_of(0, NULL);
    SSL_CTX_set_alpn_protos(x, (const unsigned char *)"\x03xyz", 4);
    expect(&r, x, "a protocol that is not served", TLS_NO_PROTOCOL);
    x = client_of(0, NULL);
    SSL_CTX_set_verify(x, SSL_VERIFY_PEER, NULL);
    expect(&r, x, "a client that does not trust us", TLS_ALERT);
    r.choice.certificate_id = 0;
    expect(&r, client_of(0, NULL), "a name that nobody has", TLS_NO_CERTIFICATE);
    r.choice.certificate_id = 9;
    r.ids[0].key_pem = S("no key");
    expect(&r, client_of(0, NULL), "a key that can not be read", TLS_INTERNAL);
    rig_fini(&r);
}

/* The client that mistook the port is told so, in its own words. */
static void plain_http_gets_an_answer(void **state) {
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_add(&r, KEY_P256);
    struct hand h;
    hand_begin(&h, &r, NULL);
    assert_int_equal(write(h.fds[1], "GET / HTTP/1.1\r\n\r\n", 18), 18);
    hand_server(&h);
    char bytes[1000];
    ssize_t n = read(h.fds[1], bytes, sizeof bytes);
    assert_true(n > 12 && memcmp(bytes, "HTTP/1.1 400", 12) == 0);
    assert_non_null(memmem(bytes, (size_t)n, "HTTPS", 5));
    hand_end(&h);
    rig_fini(&r);
}

static int count_ticket(SSL *ssl, SSL_SESSION *session) {
    (void)session;
    ++*(int *)SSL_get_app_data(ssl);
    return 0;
}
static int unread(const struct hand *h) {
    int n = -1;
    assert_int_equal(ioctl(h->fds[1], FIONREAD, &n), 0);
    return n;
}

/* The ticket costs no packet and no call of its own: it goes with the first answer, or with the farewell, whichever is first; once. */
static void a_ticket_goes_with_what_is_written_first(void **state) {
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_add(&r, KEY_P256);
    for (int answers = 0; answers < 2; answers++) {
        SSL_CTX *x = client_of(TLS1_3_VERSION, NULL);
        SSL_CTX_set_session_cache_mode(x, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(x, count_ticket);
        struct hand h;
        hand_begin(&h, &r, x);
        int tickets = 0;
        char byte = 0;
        size_t n = 0;
        SSL_set_app_data(h.client, &tickets);
        for (int i = 0; i < 20 && h.result == ERR_AGAIN; i++) {
            SSL_do_handshake(h.client);
            hand_server(&h);
        }
        assert_ok(h.result);
        assert_int_equal(unread(&h), 0);
        assert_int_equal(tls_pending(h.server), 0);
        if (answers) {
            assert_ok(tls_write(h.server, &S("y"), 1, &n));
            assert_int_equal(n, 1);
        }
        int first = unread(&h);
        tls_close_notify(h.server);
        assert_true(answers ? first > 100 && unread(&h) - first < 50 : first == 0 && unread(&h) > 100);
        assert_int_equal(SSL_read(h.client, &byte, 1), answers);
        assert_int_equal(byte, answers ? 'y' : 0);
        assert_int_equal(tickets, 1);
        hand_end(&h);
        SSL_CTX_free(x);
    }
    rig_fini(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(serves_the_profile_alone),
        cmocka_unit_test(serves_the_groups_of_the_profile),
        cmocka_unit_test(the_client_says_which_cipher),
        cmocka_unit_test(a_listener_takes_versions_and_ciphers_away),
        cmocka_unit_test(shows_what_the_client_can_verify),
        cmocka_unit_test(every_kind_of_key_serves),
        cmocka_unit_test(staples_when_asked),
        cmocka_unit_test(failures_have_reasons),
        cmocka_unit_test(plain_http_gets_an_answer),
        cmocka_unit_test(a_ticket_goes_with_what_is_written_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
