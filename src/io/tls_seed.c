/* SPDX-License-Identifier: Apache-2.0 */
#include "io/tls_seed.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>

#include "io/seal.h"
#include "io/tls.h"

int64_t tls_seed_epoch(int64_t now_s) { return (now_s < 0 ? 0 : now_s) / TLS_SEED_PERIOD_S; }

void tls_seed_derive(const uint8_t secret[TLS_SEED_BYTES], const char *label, uint64_t number,
                     uint8_t ret[32]) {
    uint8_t text[40];
    size_t n = strlen(label);
    assert(n + 8 <= sizeof text);
    memcpy(text, label, n);
    for (int i = 0; i < 8; i++) text[n++] = (uint8_t)(number >> (56 - 8 * i));
    unsigned char *done = HMAC(EVP_sha256(), secret, TLS_SEED_BYTES, text, n, ret, NULL);
    assert(done);
}

void tls_seed_forward(struct tls_seed *s, int64_t epoch) {
    uint8_t next[32];
    for (; !s->shared && s->epoch < epoch; s->epoch++) {
        tls_seed_derive(s->secret, "postern next epoch", 0, next);
        memcpy(s->secret, next, sizeof next);
    }
    OPENSSL_cleanse(next, sizeof next);
}

void tls_seed_make(struct tls_seed *s, int64_t now_s) {
    *s = (struct tls_seed){.epoch = tls_seed_epoch(now_s) - 1};
    tls_random(s->secret, sizeof s->secret);
}

void tls_seed_share(struct tls_seed *s, str text) {
    *s = (struct tls_seed){.shared = true};
    seal_key(text, "postern tickets 1", s->secret);
}
