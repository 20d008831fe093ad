/* SPDX-License-Identifier: Apache-2.0 */
#include "io/tls_offer.h"

static unsigned number_at(str s, size_t i) { return (unsigned)(uint8_t)s.p[i] << 8 | (uint8_t)s.p[i + 1]; }

/* The two-byte numbers behind a length of `prefix` bytes; "" when it does not add up. */
static str list_of(str extension, size_t prefix) {
    if (extension.n < prefix) return S("");
    size_t n = prefix == 1 ? (uint8_t)extension.p[0] : number_at(extension, 0);
    return n % 2 == 0 && n == extension.n - prefix ? str_from(extension, prefix) : S("");
}

static bool has(str list, unsigned number) {
    for (size_t i = 0; i + 1 < list.n; i += 2)
        if (number_at(list, i) == number) return true;
    return false;
}

static bool has_any(str list, const uint16_t *numbers, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (has(list, numbers[i])) return true;
    return false;
}

bool tls_offer_has_tls13(const struct tls_offer *o) { return has(list_of(o->versions, 1), 0x0304); }

/* What verifies a signature by each kind. In TLS 1.3 a curve has its one digest; RSA is by PSS alone [RFC 8446 4.2.3]. */
static const struct {
    uint8_t kind; /* enum key_kind */
    uint16_t tls13[3];
    uint16_t tls12[6];
    uint16_t group; /* that TLS 1.2 asks for besides; 0: none */
} kinds[] = {
    {KEY_P256, {0x0403}, {0x0403, 0x0503, 0x0603}, 23},
    {KEY_P384, {0x0503}, {0x0403, 0x0503, 0x0603}, 24},
    {KEY_P521, {0x0603}, {0x0403, 0x0503, 0x0603}, 25},
    {KEY_ED25519, {0x0807}, {0x0807}, 0},
    {KEY_RSA, {0x0804, 0x0805, 0x0806}, {0x0401, 0x0501, 0x0601, 0x0804, 0x0805, 0x0806}, 0},
    {KEY_RSA_PSS, {0x0809, 0x080a, 0x080b}, {0x0809, 0x080a, 0x080b}, 0},
};

uint32_t tls_offer_kinds(const struct tls_offer *o, bool tls13) {
    static const uint16_t by_ecdsa[] = {0xc02b, 0xc02c, 0xcca9}, by_rsa[] = {0xc02f, 0xc030, 0xcca8};
    str signatures = list_of(o->signatures, 2), groups = list_of(o->groups, 2);
    uint32_t all = 0;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        bool rsa = kinds[i].kind >= KEY_RSA;
        bool can = tls13 ? has_any(signatures, kinds[i].tls13, COUNT_OF(kinds[i].tls13))
                         : has_any(signatures, kinds[i].tls12, COUNT_OF(kinds[i].tls12)) &&
                               has_any(o->ciphers, rsa ? by_rsa : by_ecdsa, 3) &&
                               (!kinds[i].group || !groups.n || has(groups, kinds[i].group));
        if (can) all |= 1u << kinds[i].kind;
    }
    return all;
}
