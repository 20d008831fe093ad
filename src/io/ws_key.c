/* SPDX-License-Identifier: Apache-2.0 */
#include "io/ws_key.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

enum { KEY_BYTES = 16, HASH_BYTES = 20, TEXT_MAX = 32 };

/* What the library can only refuse for want of memory, or when it is broken. */
static void must(bool done) {
    if (!done) abort();
}

static void encode(const uint8_t *bytes, int n, char *to, size_t chars) {
    uint8_t text[TEXT_MAX];
    must((size_t)EVP_EncodeBlock(text, bytes, n) == chars); /* puts a NUL behind it */
    memcpy(to, text, chars);
}

void ws_key_make(char to[WS_KEY_CHARS]) {
    uint8_t bytes[KEY_BYTES];
    must(RAND_bytes(bytes, sizeof bytes) == 1);
    encode(bytes, KEY_BYTES, to, WS_KEY_CHARS);
}

static bool is_base64(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

bool ws_key_ok(str key) {
    enum { DIGITS = 22 };
    if (key.n != WS_KEY_CHARS) return false;
    for (size_t i = 0; i < DIGITS; i++)
        if (!is_base64(key.p[i])) return false;
    return key.p[DIGITS] == '=' && key.p[DIGITS + 1] == '=';
}

void ws_key_accept(str key, char to[WS_KEY_ACCEPT_CHARS]) {
    static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    must(c && EVP_DigestInit_ex(c, EVP_sha1(), NULL) == 1 && EVP_DigestUpdate(c, key.p, key.n) == 1 &&
         EVP_DigestUpdate(c, magic, sizeof magic - 1) == 1 && EVP_DigestFinal_ex(c, hash, &n) == 1 &&
         n == HASH_BYTES);
    EVP_MD_CTX_free(c);
    encode(hash, HASH_BYTES, to, WS_KEY_ACCEPT_CHARS);
}
