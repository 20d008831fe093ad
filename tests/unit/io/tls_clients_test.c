/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_rig.h"

/* Client certificates, and what of them a resumed session may keep. */

struct world {
    struct rig r;
    struct id ca, other_ca, middle;
    struct id good, strange, ended, long_chain;
};
static void world_init(struct world *w) {
    rig_init(&w->r);
    rig_add(&w->r, KEY_P256);
    struct arena *a = w->r.a;
    w->ca = rig_id(a, KEY_P256, "ca", NULL, true, 7200);
    w->other_ca = rig_id(a, KEY_P256, "other ca", NULL, true, 7200);
    w->middle = rig_id(a, KEY_P256, "middle", &w->ca, true, 7200);
    w->good = rig_id(a, KEY_P256, "good", &w->ca, false, 7200);
    w->strange = rig_id(a, KEY_P256, "strange", &w->other_ca, false, 7200);
    w->ended = rig_id(a, KEY_P256, "ended", &w->ca, false, -60);
    w->long_chain = rig_id(a, KEY_P256, "below", &w->middle, false, 7200);
    w->r.choice.clients_id = S("one");
    w->r.choice.ca_pem = w->ca.chain_pem;
}
static void world_fini(struct world *w) {
    struct id *all[] = {&w->ca, &w->other_ca, &w->middle, &w->good, &w->strange, &w->ended, &w->long_chain};
    for (size_t i = 0; i < COUNT_OF(all); i++) rig_id_free(all[i]);
    rig_fini(&w->r);
}
static SSL_CTX *client_with(const struct id *id, int version) {
    SSL_CTX *x = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(x, version), SSL_CTX_set_max_proto_version(x, version);
    if (!id) return x;
    assert_int_equal(SSL_CTX_use_certificate(x, id->x), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(x, id->key), 1);
    return x;
}

/* alert: what the client is told; 0: it gets in. */
static void expect(struct world *w, const struct id *id, const struct id *above, bool lenient, int alert12,
                   int alert13, bool verified) {
    w->r.choice.lenient = lenient;
    for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
        struct hand h;
        SSL_CTX *x = client_with(id, v);
        if (above) SSL_CTX_add1_chain_cert(x, above->x);
        hand_begin(&h, &w->r, x);
        hand_run(&h);
        int alert = v == TLS1_2_VERSION ? alert12 : alert13;
        if (alert)
            assert_int_equal(ERR_GET_REASON(h.fault), SSL_AD_REASON_OFFSET + alert);
        else if (!h.ok)
            fail_msg("refused: %.*s", STR_ARG(tls_error(h.server)));
        assert_int_equal(h.ok, !alert);
        if (alert)
            assert_int_equal(tls_why(h.server), id ? TLS_PEER_REFUSED : TLS_PEER_MISSING);
        else
            assert_int_equal(tls_server_client_verified(h.server), verified);
        hand_end(&h);
        SSL_CTX_free(x);
    }
}

static void only_whom_the_authorities_have_signed(void **state) {
    (void)state;
    struct world w;
    world_init(&w);
    expect(&w, &w.good, NULL, false, 0, 0, true);
    expect(&w, &w.long_chain, &w.middle, false, 0, 0, true);
    expect(&w, NULL, NULL, false, SSL_AD_HANDSHAKE_FAILURE, SSL_AD_CERTIFICATE_REQUIRED, false);
    expect(&w, &w.strange, NULL, false, SSL_AD_UNKNOWN_CA, SSL_AD_UNKNOWN_CA, false);
    expect(&w, &w.long_chain, NULL, false, SSL_AD_UNKNOWN_CA, SSL_AD_UNKNOWN_CA, false);
    expect(&w, &w.ended, NULL, false, SSL_AD_CERTIFICATE_EXPIRED, SSL_AD_CERTIFICATE_EXPIRED, false);
    world_fini(&w);
}

static void lenient_lets_everyone_in(void **state) {
    (void)state;
    struct world w;
    world_init(&w);
    expect(&w, &w.good, NULL, true, 0, 0, true);
    expect(&w, NULL, NULL, true, 0, 0, false);
    expect(&w, &w.strange, NULL, true, 0, 0, false);
    expect(&w, &w.ended, NULL, true, 0, 0, false);
    world_fini(&w);
}

/* One that was itself signed by another is trusted for itself. */
static void an_authority_need_not_be_a_root(void **state) {
    (void)state;
    struct world w;
    world_init(&w);
    w.r.choice.clients_id = S("middle");
    w.r.choice.ca_pem = w.middle.chain_pem;
    expect(&w, &w.long_chain, NULL, false, 0, 0, true);
    expect(&w, &w.good, NULL, false, SSL_AD_UNKNOWN_CA, SSL_AD_UNKNOWN_CA, false);
    world_fini(&w);
}

static void many_authorities(void **state) {
    (void)state;
    enum { MANY = 150 };
    struct world w;
    world_init(&w);
    struct buf all;
    buf_init(&all, 1 << 20);
    for (int i = 0; i < MANY; i++) {
        char name[120];
        snprintf(name, sizeof name, "authority %d", i);
        struct id d = rig_id(w.r.a, KEY_P256, name, NULL, true, 7200);
        buf_add(&all, d.chain_pem);
        rig_id_free(&d);
        if (i == MANY / 2) buf_add(&all, w.ca.chain_pem);
    }
    w.r.choice.clients_id = S("many");
    w.r.choice.ca_pem = buf_str(&all);
    expect(&w, &w.good, NULL, false, 0, 0, true);
    expect(&w, &w.strange, NULL, false, SSL_AD_UNKNOWN_CA, SSL_AD_UNKNOWN_CA, false);
    buf_fini(&all);
    world_fini(&w);
}

/* ---- sessions ---- */

static int keep_session(SSL *ssl, SSL_SESSION *s) {
    SSL_SESSION **to = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    SSL_SESSION_free(*to);
    *to = s;
    return 1;
}
/* A handshake that offers *session and leaves the new one there. */
static bool resumes(struct world *w, SSL_CTX *x, const char *name, SSL_SESSION **session, bool expect_ok) {
    struct hand h;
    SSL_SESSION *offered = *session;
    *session = NULL;
    SSL_CTX_set_session_cache_mode(x, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_set_app_data(x, session);
    SSL_CTX_sess_set_new_cb(x, keep_session);
    hand_begin(&h, &w->r, x);
    if (name) SSL_set_tlsext_host_name(h.client, name);
    if (offered) assert_int_equal(SSL_set_session(h.client, offered), 1);
    hand_run(&h);
    if (h.ok != expect_ok) fail_msg("%.*s", STR_ARG(tls_error(h.server)));
    bool resumed = h.ok && tls_resumed(h.server);
    if (h.ok) assert_int_equal(resumed, SSL_session_reused(h.client));
    if (h.ok && !*session)
        *session = SSL_get1_session(h.client); /* of 1.2: told of only when it is all new */
    hand_end(&h);
    SSL_SESSION_free(offered);
    return resumed;
}

/* What a session began with must be what it is resumed with: [RFC 8446 4.2.11] [RFC 6066 3] and the rule for clients. */
static void sessions_are_bound(void **state) {
    (void)state;
    for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
        struct world w;
        world_init(&w);
        SSL_CTX *x = client_with(&w.good, v);
        SSL_SESSION *s = NULL;
        assert_false(resumes(&w, x, "a.example", &s, true));
        assert_true(resumes(&w, x, "a.example", &s, true));
        assert_true(resumes(&w, x, "A.example.", &s, true)); /* the same name */
        assert_false(resumes(&w, x, "b.example", &s, true));
        assert_true(resumes(&w, x, "b.example", &s, true));
        w.r.choice.session = "listener-b--------------";
        assert_false(resumes(&w, x, "b.example", &s, true));
        assert_true(resumes(&w, x, "b.example", &s, true));
        SSL_SESSION_free(s);
        SSL_CTX_free(x);
        world_fini(&w);
    }
}

/* A session of a listener that asks nobody does not lead into one that does. */
static void sessions_do_not_pass_the_question(void **state) {
    (void)state;
    for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
        struct world w;
        world_init(&w);
        SSL_CTX *x = client_with(NULL, v);
        SSL_SESSION *s = NULL;
        w.r.choice.clients_id = S("");
        assert_false(resumes(&w, x, "a.example", &s, true));
        assert_true(resumes(&w, x, "a.example", &s, true));
        w.r.choice.clients_id = S("one");
        assert_false(resumes(&w, x, "a.example", &s, false)); /* although its binding were the same */
        SSL_SESSION_free(s);
        SSL_CTX_free(x);
        world_fini(&w);
    }
}

/* A certificate that ends while its session lives. */
static void sessions_end_with_the_certificate(void **state) {
    (void)state;
    for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
        struct world w;
        world_init(&w);
        SSL_CTX *x = client_with(&w.ended, v);
        SSL_SESSION *s = NULL;
        w.r.choice.lenient = true;
        assert_false(resumes(&w, x, "a.example", &s, true));
        assert_true(resumes(&w, x, "a.example", &s, true));
        w.r.choice.lenient =
            false; /* stands for the time that passes: the session has a certificate that is over */
        assert_false(resumes(&w, x, "a.example", &s, false));
        SSL_SESSION_free(s);
        SSL_CTX_free(x);
        world_fini(&w);
    }
}

/* ---- the keys of tickets ---- */

static void keys_rotate(void **state) {
    (void)state;
    for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
        struct world w;
        world_init(&w);
        w.r.choice.clients_id = S("");
        SSL_CTX *x = client_with(NULL, v);
        SSL_SESSION *s = NULL, *first;
        assert_false(resumes(&w, x, "a.example", &s, true));
        SSL_SESSION_up_ref(first = s);
        w.r.now_s += TLS_SEED_PERIOD_S; /* sealed with the key before: opened, and sealed anew */
        assert_true(resumes(&w, x, "a.example", &s, true));
        w.r.now_s += TLS_SEED_PERIOD_S;
        assert_true(resumes(&w, x, "a.example", &s, true));
        SSL_SESSION_free(s);
        s = first; /* two keys back */
        assert_false(resumes(&w, x, "a.example", &s, true));
        SSL_SESSION_up_ref(first = s);
        w.r.now_s += 1000 * (int64_t)TLS_SEED_PERIOD_S;
        assert_false(resumes(&w, x, "a.example", &s, true));
        SSL_SESSION_free(first);
        SSL_SESSION_free(s);
        SSL_CTX_free(x);
        world_fini(&w);
    }
}

/* Another process with the seed: the one after a crash, a replica, one whose clock is ahead by a key. */
static void seeds_are_shared(void **state) {
    (void)state;
    for (int shared = 0; shared < 2; shared++) {
        struct world w;
        world_init(&w);
        w.r.choice.clients_id = S("");
        if (shared) tls_seed_share(&w.r.seed, S("a secret of many bytes that nobody knows"));
        tls_server_free(w.r.server);
        w.r.server = rig_server(&w.r);
        SSL_CTX *x = client_with(NULL, TLS1_3_VERSION);
        SSL_SESSION *s = NULL;
        assert_false(resumes(&w, x, "a.example", &s, true));
        struct tls_server *first = w.r.server;
        static const int64_t ahead[] = {0, TLS_SEED_PERIOD_S, 0};
        for (size_t i = 0; i < COUNT_OF(ahead); i++) {
            w.r.now_s = RIG_NOW_S + ahead[i];
            w.r.server = rig_server(&w.r);
            assert_true(
                resumes(&w, x, "a.example", &s, true)); /* the last time: by a key that is still the next */
            tls_server_free(w.r.server);
        }
        tls_seed_make(&w.r.seed, w.r.now_s);
        w.r.server = rig_server(&w.r);
        assert_false(resumes(&w, x, "a.example", &s, true)); /* another seed */
        tls_server_free(w.r.server);
        w.r.server = first;
        SSL_SESSION_free(s);
        SSL_CTX_free(x);
        world_fini(&w);
    }
}

/* What an epoch's secret was can not be told from the one after it; that it goes on the same way for all is told above. */
static void seeds_go_forward_alone(void **state) {
    (void)state;
    struct tls_seed a, b, c;
    tls_seed_make(&a, RIG_NOW_S);
    b = c = a;
    assert_int_equal(a.epoch, tls_seed_epoch(RIG_NOW_S) - 1);
    tls_seed_forward(&b, a.epoch + 3);
    for (int i = 1; i <= 3; i++) tls_seed_forward(&c, a.epoch + i);
    assert_memory_equal(b.secret, c.secret, sizeof b.secret);
    assert_memory_not_equal(a.secret, c.secret, sizeof a.secret);
    tls_seed_forward(&c, a.epoch);
    assert_memory_equal(b.secret, c.secret, sizeof b.secret);
    tls_seed_share(&a, S("x"));
    b = a;
    tls_seed_forward(&b, 1000000);
    assert_memory_equal(a.secret, b.secret, sizeof a.secret);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_whom_the_authorities_have_signed),
        cmocka_unit_test(lenient_lets_everyone_in),
        cmocka_unit_test(an_authority_need_not_be_a_root),
        cmocka_unit_test(many_authorities),
        cmocka_unit_test(sessions_are_bound),
        cmocka_unit_test(sessions_do_not_pass_the_question),
        cmocka_unit_test(sessions_end_with_the_certificate),
        cmocka_unit_test(keys_rotate),
        cmocka_unit_test(seeds_are_shared),
        cmocka_unit_test(seeds_go_forward_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
