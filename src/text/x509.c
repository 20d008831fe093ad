/* SPDX-License-Identifier: Apache-2.0 */
#include "text/x509.h"

#include <openssl/decoder.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

/* What TLS asks of every certificate that is sent: OpenSSL refuses less on security level 2. */
enum { SECURITY_BITS = 112 };
/* No public chain has more than five; a name list of a certificate has thousands at most. */
enum { CHAIN_MAX = 32, NAMES_MAX = 10000, PEM_BYTES_MAX = 1 << 20 };

static str lower_copy(struct arena *a, const unsigned char *p, int n) {
    str s = arena_str(a, (str){(const char *)p, n > 0 ? (size_t)n : 0});
    char *w = (char *)s.p;
    for (size_t i = 0; i < s.n; i++) w[i] = str_lower(w[i]);
    return s;
}

static err say(struct arena *a, err e, str *ret_message, const char *words) {
    *ret_message = arena_str(a, str_of(words));
    ERR_clear_error();
    return e;
}

/* NULL: good enough. The signature of one that has signed itself is not looked at: it proves nothing. */
static const char *weakness(X509 *x) {
    const EVP_PKEY *key = X509_get0_pubkey(x);
    int bits;
    if (!key) return "has a public key that is not readable";
    if (EVP_PKEY_get_security_bits(key) < SECURITY_BITS)
        return "has a key that is too short: use RSA of 2048 bits or more, or ECDSA";
    if (X509_get_extension_flags(x) & EXFLAG_SS) return NULL;
    if (X509_get_signature_info(x, NULL, NULL, &bits, NULL) && bits >= SECURITY_BITS) return NULL;
    return "is signed with a digest that is too weak: have it signed with SHA-256 or better";
}

static err read_chain(struct arena *a, str pem, X509 **ret_leaf, str *ret_message) {
    BIO *bio = BIO_new_mem_buf(pem.n ? pem.p : "", (int)pem.n);
    X509 *leaf = NULL;
    unsigned n = 0;
    bool broken = false;
    const char *weak = NULL;
    for (;;) {
        X509 *one = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        if (!one) {
            broken = ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE;
            break;
        }
        if (n < CHAIN_MAX && (weak = weakness(one)))
            *ret_message = arena_printf(a, "certificate %u of the chain %s", n + 1, weak);
        if (n++ == 0)
            leaf = one;
        else
            X509_free(one);
        if (weak || n > CHAIN_MAX) break;
    }
    BIO_free(bio);
    ERR_clear_error();
    if (leaf && !weak && !broken && n <= CHAIN_MAX) {
        *ret_leaf = leaf;
        return OK;
    }
    X509_free(leaf);
    if (weak) return ERR_PROTO;
    if (broken)
        *ret_message = arena_printf(a, "certificate %u of the chain is not readable PEM", n + 1);
    else if (n)
        *ret_message = arena_printf(a, "more than %d certificates in the chain", CHAIN_MAX);
    else
        *ret_message = S("no certificate: a PEM block \"BEGIN CERTIFICATE\" is expected");
    return n > CHAIN_MAX ? ERR_LIMIT : ERR_PROTO;
}

/* Without this one OpenSSL would ask on the terminal. */
static int refuse_password(char *text, int size, int writing, void *none) {
    (void)text, (void)size, (void)writing, (void)none;
    return -1;
}

static bool contains(str s, const char *part) { return s.n && memmem(s.p, s.n, part, strlen(part)); }

/* Of the type that the certificate has: to look for readers of that one alone costs a third. NULL: it is another one, or none. */
static EVP_PKEY *read_key_as(const EVP_PKEY *public, str pem) {
    EVP_PKEY *key = NULL;
    const unsigned char *p = (const unsigned char *)pem.p;
    size_t n = pem.n;
    const char *type = public ? EVP_PKEY_get0_type_name(public) : NULL;
    OSSL_DECODER_CTX *d =
        type && n ? OSSL_DECODER_CTX_new_for_pkey(&key, "PEM", NULL, type, EVP_PKEY_KEYPAIR, NULL, NULL)
                  : NULL;
    if (!d) return NULL;
    OSSL_DECODER_CTX_set_pem_password_cb(d, refuse_password, NULL);
    bool good = OSSL_DECODER_from_data(d, &p, &n) == 1;
    OSSL_DECODER_CTX_free(d);
    if (good) return key;
    EVP_PKEY_free(key);
    return NULL;
}

static err read_key(struct arena *a, const EVP_PKEY *public, str pem, EVP_PKEY **ret, str *ret_message) {
    if ((*ret = read_key_as(public, pem))) {
        ERR_clear_error();
        return OK;
    }
    BIO *bio = BIO_new_mem_buf(pem.n ? pem.p : "", (int)pem.n);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, refuse_password, NULL);
    BIO_free(bio);
    ERR_clear_error();
    if (key) {
        *ret = key;
        return OK;
    }
    if (contains(pem, "ENCRYPTED"))
        return say(a, ERR_PROTO, ret_message, "the private key is encrypted: store it without a password");
    if (!contains(pem, "PRIVATE KEY-----"))
        return say(a, ERR_PROTO, ret_message,
                   "no private key: a PEM block \"BEGIN PRIVATE KEY\" is expected");
    return say(a, ERR_PROTO, ret_message, "the private key is not readable PEM");
}

/* Seconds since 1970, without a struct tm: a difference to the epoch is days and seconds. */
static bool seconds_of(const ASN1_TIME *t, int64_t *ret) {
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0, seconds = 0;
    bool good = epoch && ASN1_TIME_diff(&days, &seconds, epoch, t);
    ASN1_TIME_free(epoch);
    *ret = (int64_t)days * 86400 + seconds;
    return good;
}

static void add_common_name(struct arena *a, const X509 *leaf, struct x509_info *info) {
    const X509_NAME *subject = X509_get_subject_name(leaf);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0) return;
    const ASN1_STRING *cn = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
    info->names = arena_array(a, str, 1);
    info->names[info->names_n++] = lower_copy(a, ASN1_STRING_get0_data(cn), ASN1_STRING_length(cn));
}

static void add_names(struct arena *a, X509 *leaf, struct x509_info *info) {
    GENERAL_NAMES *all = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    if (!all) {
        add_common_name(a, leaf, info);
        return;
    }
    int n = sk_GENERAL_NAME_num(all);
    if (n > NAMES_MAX) n = NAMES_MAX;
    info->names = arena_array(a, str, n > 0 ? (size_t)n : 1);
    for (int i = 0; i < n; i++) {
        const GENERAL_NAME *one = sk_GENERAL_NAME_value(all, i);
        if (one->type != GEN_DNS) continue;
        const ASN1_IA5STRING *dns = one->d.dNSName;
        info->names[info->names_n++] = lower_copy(a, ASN1_STRING_get0_data(dns), ASN1_STRING_length(dns));
    }
    GENERAL_NAMES_free(all);
}

static enum key_kind kind_of(const EVP_PKEY *key) {
    char group[64];
    size_t n;
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA: return KEY_RSA;
    case EVP_PKEY_RSA_PSS: return KEY_RSA_PSS;
    case EVP_PKEY_ED25519: return KEY_ED25519;
    case EVP_PKEY_EC:
        if (!EVP_PKEY_get_group_name(key, group, sizeof group, &n)) return KEY_UNKNOWN;
        return strcmp(group, "prime256v1") == 0  ? KEY_P256
               : strcmp(group, "secp384r1") == 0 ? KEY_P384
               : strcmp(group, "secp521r1") == 0 ? KEY_P521
                                                 : KEY_UNKNOWN;
    default: return KEY_UNKNOWN;
    }
}

static err read_leaf(struct arena *a, X509 *leaf, EVP_PKEY *key, struct x509_info *info, str *ret_message) {
    EVP_PKEY *public = X509_get0_pubkey(leaf);
    if (!public) return say(a, ERR_PROTO, ret_message, "the certificate's public key is not readable");
    if (EVP_PKEY_eq(public, key) != 1)
        return say(a, ERR_PROTO, ret_message, "certificate and private key do not belong together");
    info->key_kind = kind_of(key);
    if (!info->key_kind)
        return say(a, ERR_PROTO, ret_message,
                   "the key's type is not supported: use ECDSA (P-256, P-384, P-521), RSA or Ed25519");
    if (!seconds_of(X509_get0_notBefore(leaf), &info->not_before_s) ||
        !seconds_of(X509_get0_notAfter(leaf), &info->not_after_s))
        return say(a, ERR_PROTO, ret_message, "the certificate's validity is not readable");
    add_names(a, leaf, info);
    return OK;
}

err x509_read_bundle(struct arena *a, str pem, str *ret_message) {
    enum { BUNDLE_MAX = 1000 }; /* the system's own has some 150 */
    BIO *bio = BIO_new_mem_buf(pem.n ? pem.p : "", (int)pem.n);
    unsigned n = 0;
    for (X509 *one; n <= BUNDLE_MAX && (one = PEM_read_bio_X509(bio, NULL, NULL, NULL)); n++) X509_free(one);
    bool broken = n <= BUNDLE_MAX && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE;
    BIO_free(bio);
    ERR_clear_error();
    if (broken)
        *ret_message = arena_printf(a, "certificate %u is not readable PEM", n + 1);
    else if (n > BUNDLE_MAX)
        *ret_message = arena_printf(a, "more than %d certificates", BUNDLE_MAX);
    else if (!n)
        *ret_message = S("no certificate: a PEM block \"BEGIN CERTIFICATE\" is expected");
    return n && !broken && n <= BUNDLE_MAX ? OK : ERR_PROTO;
}

err x509_read_pair(struct arena *a, str chain_pem, str key_pem, struct x509_info *ret, str *ret_message) {
    if (chain_pem.n > PEM_BYTES_MAX || key_pem.n > PEM_BYTES_MAX)
        return say(a, ERR_LIMIT, ret_message, "more than 1 MiB of PEM");
    X509 *leaf = NULL;
    EVP_PKEY *key = NULL;
    struct x509_info info = {0};
    err e = read_chain(a, chain_pem, &leaf, ret_message);
    if (e == OK) e = read_key(a, X509_get0_pubkey(leaf), key_pem, &key, ret_message);
    if (e == OK) e = read_leaf(a, leaf, key, &info, ret_message);
    X509_free(leaf);
    EVP_PKEY_free(key);
    ERR_clear_error();
    if (e == OK) *ret = info;
    return e;
}

static bool add_alt_name(struct arena *a, GENERAL_NAMES *all, str name) {
    const char *z = arena_str(a, name).p;
    ASN1_OCTET_STRING *ip = a2i_IPADDRESS(z);
    ERR_clear_error();
    GENERAL_NAME *one = GENERAL_NAME_new();
    ASN1_IA5STRING *dns = ip ? NULL : ASN1_IA5STRING_new();
    if (!one || (!ip && (!dns || !ASN1_STRING_set(dns, name.n ? name.p : "", (int)name.n)))) return false;
    GENERAL_NAME_set0_value(one, ip ? GEN_IPADD : GEN_DNS, ip ? (void *)ip : (void *)dns);
    return sk_GENERAL_NAME_push(all, one) > 0;
}

static bool fill(struct arena *a, X509 *x, EVP_PKEY *key, const str *names, size_t names_n,
                 int64_t not_before_s, int64_t days) {
    unsigned char serial[16];
    if (RAND_bytes(serial, sizeof serial) != 1) return false;
    serial[0] &= 0x7f; /* positive [RFC 5280 4.1.2.2] */
    BIGNUM *number = BN_bin2bn(serial, sizeof serial, NULL);
    bool good = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x)) && X509_set_version(x, 2) &&
                ASN1_TIME_set(X509_getm_notBefore(x), not_before_s) &&
                ASN1_TIME_set(X509_getm_notAfter(x), not_before_s + days * 86400) && X509_set_pubkey(x, key);
    BN_free(number);
    X509_NAME *subject = X509_get_subject_name(x);
    str cn = names_n && names[0].n <= 64 ? names[0] : S("postern");
    good = good &&
           X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8, (const unsigned char *)cn.p,
                                      (int)cn.n, -1, 0) &&
           X509_set_issuer_name(x, subject);
    GENERAL_NAMES *all = GENERAL_NAMES_new();
    for (size_t i = 0; good && i < names_n; i++) good = add_alt_name(a, all, names[i]);
    if (good && names_n) good = X509_add1_ext_i2d(x, NID_subject_alt_name, all, 0, 0) == 1;
    GENERAL_NAMES_free(all);
    return good && X509_sign(x, key, EVP_sha256()) > 0;
}

static str bio_text(struct arena *a, BIO *bio) {
    char *p = NULL;
    long n = BIO_get_mem_data(bio, &p);
    return arena_str(a, (str){p, n > 0 ? (size_t)n : 0});
}

err x509_make(struct arena *a, const str *names, size_t names_n, int64_t not_before_s, int64_t days,
              str *ret_chain_pem, str *ret_key_pem) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    BIO *chain = BIO_new(BIO_s_mem()), *secret = BIO_new(BIO_s_mem());
    bool good = key && x && chain && secret && fill(a, x, key, names, names_n, not_before_s, days) &&
                PEM_write_bio_X509(chain, x) &&
                PEM_write_bio_PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL);
    if (good) *ret_chain_pem = bio_text(a, chain), *ret_key_pem = bio_text(a, secret);
    BIO_free(chain);
    BIO_free(secret);
    X509_free(x);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return good ? OK : ERR_IO;
}
