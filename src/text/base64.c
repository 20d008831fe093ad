/* SPDX-License-Identifier: Apache-2.0 */
#include "text/base64.h"

#include <openssl/sha.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int digit_value(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

err base64_decode(struct arena *a, str text, str *ret) {
    char *out = arena_bytes(a, text.n / 4 * 3 + 4);
    size_t n = 0, held = 0, pads = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '\n' || c == '\r') continue;
        if (c == '=') {
            if (++pads > 2) return ERR_PROTO;
            continue;
        }
        int v = digit_value(c);
        if (v < 0 || pads) return ERR_PROTO;
        bits = bits << 6 | (uint32_t)v;
        if (++held < 4) continue;
        out[n++] = (char)(bits >> 16), out[n++] = (char)(bits >> 8), out[n++] = (char)bits;
        bits = 0, held = 0;
    }
    if (held == 1 || (held && held + pads != 4) || (!held && pads)) return ERR_PROTO;
    bits <<= held ? 6 * (4 - held) : 0;
    if (held > 1) out[n++] = (char)(bits >> 16);
    if (held > 2) out[n++] = (char)(bits >> 8);
    out[n] = 0;
    *ret = (str){out, n};
    return OK;
}

str base64_encode(struct arena *a, str bytes) {
    char *out = arena_bytes(a, (bytes.n + 2) / 3 * 4 + 1), *o = out;
    for (size_t i = 0; i < bytes.n; i += 3) {
        size_t left = bytes.n - i;
        uint32_t bits = (uint32_t)(unsigned char)bytes.p[i] << 16;
        if (left > 1) bits |= (uint32_t)(unsigned char)bytes.p[i + 1] << 8;
        if (left > 2) bits |= (unsigned char)bytes.p[i + 2];
        *o++ = digits[bits >> 18], *o++ = digits[bits >> 12 & 63];
        *o++ = left > 1 ? digits[bits >> 6 & 63] : '=';
        *o++ = left > 2 ? digits[bits & 63] : '=';
    }
    return (str){out, (size_t)(o - out)};
}

str base64_sha256_hex(struct arena *a, str bytes) {
    unsigned char sum[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)(bytes.n ? bytes.p : ""), bytes.n, sum);
    char *out = arena_bytes(a, 2 * sizeof sum + 1);
    for (size_t i = 0; i < sizeof sum; i++)
        out[2 * i] = "0123456789abcdef"[sum[i] >> 4], out[2 * i + 1] = "0123456789abcdef"[sum[i] & 15];
    return (str){out, 2 * sizeof sum};
}
