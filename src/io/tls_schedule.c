/* SPDX-License-Identifier: Apache-2.0 */
#include "io/tls_schedule.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>

#include "base/str.h"

enum { HASHES = 2, BLOCK_BYTES_MAX = 128, LABEL_BYTES_MAX = 2 + 256 + 256, ROUNDS_MAX = 255 };

struct hash {
    EVP_MD *md; /* NULL: not looked up yet */
    EVP_MD_CTX *run;
    size_t bytes, block_bytes;
    uint8_t of_nothing[EVP_MAX_MD_SIZE];
};
struct schedule { /* owner: the provider, which one thread uses */
    OSSL_LIB_CTX *context;
    struct hash hashes[HASHES];
};
/* Pieces of a text that is hashed as one. */
struct pieces {
    str p[3];
    size_t n;
};

/* ---- HKDF ---- */

static bool digest(struct hash *h, const uint8_t pad[BLOCK_BYTES_MAX], const struct pieces *text,
                   uint8_t *ret) {
    if (EVP_DigestInit_ex2(h->run, h->md, NULL) != 1 || EVP_DigestUpdate(h->run, pad, h->block_bytes) != 1)
        return false;
    for (size_t i = 0; i < text->n; i++)
        if (EVP_DigestUpdate(h->run, text->p[i].p, text->p[i].n) != 1) return false;
    return EVP_DigestFinal_ex(h->run, ret, NULL) == 1;
}

/* The keys are digests: none is longer than a block. ret may be within the text. [RFC 2104 2] */
static bool hmac(struct hash *h, str key, const struct pieces *text, uint8_t *ret) {
    uint8_t pad[BLOCK_BYTES_MAX] = {0}, inner[EVP_MAX_MD_SIZE];
    if (key.n > h->block_bytes) return false;
    if (key.n) memcpy(pad, key.p, key.n);
    for (size_t i = 0; i < h->block_bytes; i++) pad[i] ^= 0x36;
    bool good = digest(h, pad, text, inner);
    for (size_t i = 0; i < h->block_bytes; i++) pad[i] ^= 0x36 ^ 0x5c;
    good = good && digest(h, pad, &(struct pieces){{{(const char *)inner, h->bytes}}, 1}, ret);
    OPENSSL_cleanse(pad, sizeof pad);
    OPENSSL_cleanse(inner, sizeof inner);
    return good;
}

/* Each round's output begins the next round's text. [RFC 5869 2.3] */
static bool expand(struct hash *h, str secret, str info, uint8_t *ret, size_t n) {
    uint8_t out[EVP_MAX_MD_SIZE];
    size_t done = 0, had = 0;
    bool good = n <= ROUNDS_MAX * h->bytes;
    for (uint8_t round = 1; good && done < n; round++) {
        struct pieces text = {{{(const char *)out, had}, info, {(const char *)&round, 1}}, 3};
        good = hmac(h, secret, &text, out);
        size_t some = n - done < h->bytes ? n - done : h->bytes;
        if (good) memcpy(ret + done, out, some);
        done += some, had = h->bytes;
    }
    OPENSSL_cleanse(out, sizeof out);
    return good;
}

/* ---- the schedule ---- */

struct call { /* what one derivation is told; borrowed */
    int mode;
    struct hash *hash;
    str key, salt, prefix, label, data;
    bool has_key, has_salt;
};

/* HKDF-Expand-Label [RFC 8446 7.1]; its prefix is told as well, since DTLS has another. */
static bool expand_label(const struct call *c, str secret, str context, uint8_t *ret, size_t n) {
    uint8_t info[LABEL_BYTES_MAX];
    size_t label_n = c->prefix.n + c->label.n, at = 0;
    if (n > UINT16_MAX || label_n > UINT8_MAX || context.n > UINT8_MAX) return false;
    info[at++] = (uint8_t)(n >> 8), info[at++] = (uint8_t)n, info[at++] = (uint8_t)label_n;
    if (c->prefix.n) memcpy(info + at, c->prefix.p, c->prefix.n);
    at += c->prefix.n;
    if (c->label.n) memcpy(info + at, c->label.p, c->label.n);
    at += c->label.n;
    info[at++] = (uint8_t)context.n;
    if (context.n) memcpy(info + at, context.p, context.n);
    return expand(c->hash, secret, (str){(const char *)info, at + context.n}, ret, n);
}

/* The next of early, handshake and master secret: from the one before (salt; none: zeros), by way of "derived", and from what is new (key;
 * none: zeros). */
static bool extract(const struct call *c, uint8_t *ret, size_t n) {
    static const uint8_t zeros[EVP_MAX_MD_SIZE];
    uint8_t derived[EVP_MAX_MD_SIZE];
    struct hash *h = c->hash;
    str nothing = {(const char *)zeros, h->bytes}, salt = {(const char *)derived, h->bytes};
    if (n != h->bytes) return false;
    bool good = !c->has_salt ||
                expand_label(c, c->salt, (str){(const char *)h->of_nothing, h->bytes}, derived, h->bytes);
    good = good &&
           hmac(h, c->has_salt ? salt : nothing, &(struct pieces){{c->has_key ? c->key : nothing}, 1}, ret);
    OPENSSL_cleanse(derived, sizeof derived);
    return good;
}

/* ---- for OpenSSL ---- */

static bool hash_open(struct hash *h, OSSL_LIB_CTX *context, const char *name) {
    if (h->md) return true;
    EVP_MD *md = EVP_MD_fetch(context, name, NULL);
    EVP_MD_CTX *run = EVP_MD_CTX_new();
    unsigned n = 0;
    bool good = md && run && EVP_Digest("", 0, h->of_nothing, &n, md, NULL) == 1 &&
                EVP_MD_get_block_size(md) <= BLOCK_BYTES_MAX;
    if (!good) {
        EVP_MD_free(md);
        EVP_MD_CTX_free(run);
        return false;
    }
    h->md = md, h->run = run, h->bytes = n, h->block_bytes = (size_t)EVP_MD_get_block_size(md);
    return true;
}

static struct hash *find_hash(struct schedule *s, const char *name) {
    static const char *const names[HASHES][2] = {{"SHA2-256", "SHA256"}, {"SHA2-384", "SHA384"}};
    for (int i = 0; i < HASHES; i++)
        if (strcmp(name, names[i][0]) == 0 || strcmp(name, names[i][1]) == 0)
            return hash_open(&s->hashes[i], s->context, names[i][0]) ? &s->hashes[i] : NULL;
    return NULL;
}

static bool take_octets(const OSSL_PARAM *p, str *ret) {
    const void *bytes;
    size_t n;
    if (!OSSL_PARAM_get_octet_string_ptr(p, &bytes, &n)) return false;
    *ret = (str){bytes, n};
    return true;
}

static bool take(struct schedule *s, const OSSL_PARAM *p, struct call *c) {
    const char *name = NULL;
    if (strcmp(p->key, OSSL_KDF_PARAM_MODE) == 0) return OSSL_PARAM_get_int(p, &c->mode);
    if (strcmp(p->key, OSSL_KDF_PARAM_DIGEST) == 0)
        return OSSL_PARAM_get_utf8_string_ptr(p, &name) && (c->hash = find_hash(s, name));
    if (strcmp(p->key, OSSL_KDF_PARAM_KEY) == 0) return c->has_key = true, take_octets(p, &c->key);
    if (strcmp(p->key, OSSL_KDF_PARAM_SALT) == 0) return c->has_salt = true, take_octets(p, &c->salt);
    if (strcmp(p->key, OSSL_KDF_PARAM_PREFIX) == 0) return take_octets(p, &c->prefix);
    if (strcmp(p->key, OSSL_KDF_PARAM_LABEL) == 0) return take_octets(p, &c->label);
    if (strcmp(p->key, OSSL_KDF_PARAM_DATA) == 0) return take_octets(p, &c->data);
    return true;
}

static int derive(void *arg, unsigned char *ret, size_t n, const OSSL_PARAM params[]) {
    struct call c = {.mode = -1};
    for (const OSSL_PARAM *p = params; p && p->key; p++)
        if (!take(arg, p, &c)) return 0;
    if (!c.hash || n == 0) return 0;
    if (c.mode == EVP_KDF_HKDF_MODE_EXTRACT_ONLY) return extract(&c, ret, n);
    return c.mode == EVP_KDF_HKDF_MODE_EXPAND_ONLY && c.has_key && expand_label(&c, c.key, c.data, ret, n);
}

/* A derivation keeps nothing: all are the one schedule. */
static void *derivation_new(void *schedule) { return schedule; }
static void derivation_free(void *schedule) { (void)schedule; }

static const OSSL_ALGORITHM *query(void *schedule, int operation, int *ret_no_cache) {
    static const OSSL_DISPATCH functions[] = {{OSSL_FUNC_KDF_NEWCTX, (void (*)(void))derivation_new},
                                              {OSSL_FUNC_KDF_FREECTX, (void (*)(void))derivation_free},
                                              {OSSL_FUNC_KDF_DERIVE, (void (*)(void))derive},
                                              {0, NULL}};
    static const OSSL_ALGORITHM kdfs[] = {
        {"TLS13-KDF", "provider=" TLS_SCHEDULE_NAME, functions, "the key schedule of TLS 1.3"},
        {NULL, NULL, NULL, NULL}};
    (void)schedule;
    *ret_no_cache = 0;
    return operation == OSSL_OP_KDF ? kdfs : NULL;
}

static void teardown(void *arg) {
    struct schedule *s = arg;
    for (int i = 0; i < HASHES; i++) {
        EVP_MD_CTX_free(s->hashes[i].run);
        EVP_MD_free(s->hashes[i].md);
    }
    free(s);
}

int tls_schedule_provider(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
                          void **ret) {
    static const OSSL_DISPATCH functions[] = {{OSSL_FUNC_PROVIDER_TEARDOWN, (void (*)(void))teardown},
                                              {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query},
                                              {0, NULL}};
    OSSL_FUNC_core_get_libctx_fn *context_of = NULL;
    for (; in->function_id; in++)
        if (in->function_id == OSSL_FUNC_CORE_GET_LIBCTX) context_of = OSSL_FUNC_core_get_libctx(in);
    if (!context_of) return 0;
    struct schedule *s = base_zalloc(sizeof *s);
    s->context = (OSSL_LIB_CTX *)context_of(handle);
    *out = functions, *ret = s;
    return 1;
}
