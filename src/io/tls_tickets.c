/* SPDX-License-Identifier: Apache-2.0 */
#include "io/tls_tickets.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

enum { NAME_BYTES = 16, KEY_BYTES = 32, EPOCHS = 3 /* before, present, next */ };
struct key {
    uint8_t name[NAME_BYTES], mac[KEY_BYTES], cipher[KEY_BYTES];
};
struct tls_tickets { /* owner: worker */
    struct tls_seed seed;
    int64_t epoch; /* that the keys are for */
    struct key keys[EPOCHS];
    EVP_CIPHER *aes; /* fetched once: a look-up costs more than the sealing */
};

/* The keys of an epoch from its secret. */
static void make_key(const struct tls_seed *seed, int64_t epoch, struct key *k) {
    struct tls_seed s = *seed;
    uint8_t name[32];
    tls_seed_forward(&s, epoch);
    if (s.shared) tls_seed_derive(seed->secret, "postern epoch", (uint64_t)epoch, s.secret);
    tls_seed_derive(s.secret, "postern ticket name", 0, name);
    tls_seed_derive(s.secret, "postern ticket mac", 0, k->mac);
    tls_seed_derive(s.secret, "postern ticket cipher", 0, k->cipher);
    memcpy(k->name, name, NAME_BYTES);
    OPENSSL_cleanse(&s, sizeof s);
}

/* A clock that was put back leaves keys as they are: what was forgotten can not come back. */
static void make_keys(struct tls_tickets *t, int64_t epoch) {
    t->epoch = epoch;
    tls_seed_forward(&t->seed, epoch - 1);
    int64_t first = t->seed.shared ? epoch - 1 : t->seed.epoch;
    for (int k = 0; k < EPOCHS; k++) make_key(&t->seed, first + k, &t->keys[k]);
}

struct tls_tickets *tls_tickets_new(const struct tls_seed *seed, int64_t now_s) {
    struct tls_tickets *t = base_zalloc(sizeof *t);
    t->aes = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    assert(t->aes);
    t->seed = *seed;
    make_keys(t, tls_seed_epoch(now_s));
    return t;
}

void tls_tickets_free(struct tls_tickets *t) {
    if (!t) return;
    EVP_CIPHER_free(t->aes);
    OPENSSL_cleanse(t, sizeof *t);
    free(t);
}

void tls_tickets_at(struct tls_tickets *t, int64_t now_s) {
    int64_t epoch = tls_seed_epoch(now_s);
    if (epoch != t->epoch) make_keys(t, epoch);
}

/* ---- for OpenSSL ---- */

static const struct key *find_key(const struct tls_tickets *t, const unsigned char *name) {
    for (int k = 0; k < EPOCHS; k++)
        if (memcmp(t->keys[k].name, name, NAME_BYTES) == 0) return &t->keys[k];
    return NULL;
}

static bool set_mac(EVP_MAC_CTX *mac, const struct key *k) {
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                           OSSL_PARAM_construct_end()};
    return EVP_MAC_init(mac, k->mac, KEY_BYTES, params) == 1;
}

int tls_tickets_key(const struct tls_tickets *t, unsigned char *name, unsigned char *iv,
                    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, bool seal) {
    const struct key *present = &t->keys[1];
    if (seal) {
        memcpy(name, present->name, NAME_BYTES);
        bool good = RAND_bytes(iv, EVP_CIPHER_get_iv_length(t->aes)) == 1 &&
                    EVP_EncryptInit_ex(cipher, t->aes, NULL, present->cipher, iv) == 1 &&
                    set_mac(mac, present);
        return good ? 1 : -1;
    }
    const struct key *k = find_key(t, name);
    if (!k) return 0;
    if (EVP_DecryptInit_ex(cipher, t->aes, NULL, k->cipher, iv) != 1 || !set_mac(mac, k)) return -1;
    return k == present ? 1 : 2;
}
