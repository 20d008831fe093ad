/* SPDX-License-Identifier: Apache-2.0 */
#include "io/seal.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

enum { NONCE_BYTES = 12, TAG_BYTES = 16, EXTRA = NONCE_BYTES + TAG_BYTES };

struct seal {
    EVP_CIPHER *cipher; /* fetched once: that takes locks */
    EVP_CIPHER_CTX *context;
    uint8_t key[SEAL_KEY_BYTES];
};

/* What the library can only refuse for want of memory, or when it is broken. */
static void must(bool done) {
    if (!done) abort();
}

void seal_key(str secret, const char *purpose, uint8_t ret_key[SEAL_KEY_BYTES]) {
    unsigned n = SEAL_KEY_BYTES;
    must(HMAC(EVP_sha256(), secret.p, (int)secret.n, (const uint8_t *)purpose, strlen(purpose), ret_key, &n));
}

struct seal *seal_new(const uint8_t key[SEAL_KEY_BYTES]) {
    struct seal *s = base_alloc(sizeof *s);
    *s = (struct seal){EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL), EVP_CIPHER_CTX_new()};
    must(s->cipher && s->context);
    memcpy(s->key, key, sizeof s->key);
    return s;
}

void seal_free(struct seal *s) {
    if (!s) return;
    EVP_CIPHER_free(s->cipher);
    EVP_CIPHER_CTX_free(s->context);
    OPENSSL_cleanse(s, sizeof *s);
    free(s);
}

str seal_close(struct seal *s, str plain, str context, char to[SEAL_TEXT_MAX]) {
    uint8_t bytes[EXTRA + SEAL_PLAIN_MAX];
    char text[SEAL_TEXT_MAX + 1];
    assert(plain.n <= SEAL_PLAIN_MAX && (plain.n + EXTRA) % 3 == 0);
    int n = 0, last = 0;
    uint8_t *body = bytes + NONCE_BYTES;
    must(RAND_bytes(bytes, NONCE_BYTES) == 1 &&
         EVP_EncryptInit_ex2(s->context, s->cipher, s->key, bytes, NULL) == 1 &&
         EVP_EncryptUpdate(s->context, NULL, &n, (const uint8_t *)context.p, (int)context.n) == 1 &&
         EVP_EncryptUpdate(s->context, body, &n, (const uint8_t *)plain.p, (int)plain.n) == 1 &&
         EVP_EncryptFinal_ex(s->context, body + n, &last) == 1 &&
         EVP_CIPHER_CTX_ctrl(s->context, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, body + plain.n) == 1);
    int text_n = EVP_EncodeBlock((uint8_t *)text, bytes, (int)(EXTRA + plain.n)); /* puts a NUL behind it */
    memcpy(to, text, (size_t)text_n);
    return (str){to, (size_t)text_n};
}

/* The library reads "=" as "A", too. */
static bool is_base64(str s) {
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if ((c < '0' || c > '9') && ((c | 0x20) < 'a' || (c | 0x20) > 'z') && c != '+' && c != '/')
            return false;
    }
    return true;
}

err seal_open(struct seal *s, str text, str context, void *ret_plain, size_t plain_n) {
    uint8_t bytes[SEAL_TEXT_MAX], plain[SEAL_PLAIN_MAX];
    size_t all = EXTRA + plain_n;
    assert(plain_n <= SEAL_PLAIN_MAX && all % 3 == 0);
    if (text.n != all / 3 * 4 || !is_base64(text)) return ERR_PROTO;
    if (EVP_DecodeBlock(bytes, (const uint8_t *)text.p, (int)text.n) != (int)all) return ERR_PROTO;
    int n = 0, last = 0;
    uint8_t *body = bytes + NONCE_BYTES;
    bool ours = EVP_DecryptInit_ex2(s->context, s->cipher, s->key, bytes, NULL) == 1 &&
                EVP_DecryptUpdate(s->context, NULL, &n, (const uint8_t *)context.p, (int)context.n) == 1 &&
                EVP_DecryptUpdate(s->context, plain, &n, body, (int)plain_n) == 1 &&
                EVP_CIPHER_CTX_ctrl(s->context, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, body + plain_n) == 1 &&
                EVP_DecryptFinal_ex(s->context, plain + n, &last) == 1;
    if (!ours) return ERR_PROTO;
    memcpy(ret_plain, plain, plain_n);
    return OK;
}
