/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"
#include "base/key_kind.h"

/* What a chain and its key are good for. */
struct x509_info {
    str *names; /* DNS names of the leaf's SAN (its CN when there is none), lower case */
    uint32_t names_n;
    int64_t not_before_s, not_after_s; /* of the leaf */
    enum key_kind key_kind;
};
/* PEM of a chain, leaf first, and of its private key. ERR_PROTO: *ret_message (in a) says what is wrong: no certificate, no key, they do not
 * belong together, or are too weak for TLS (below 112 bits: RSA below 2048, SHA-1). */
err x509_read_pair(struct arena *a, str chain_pem, str key_pem, struct x509_info *ret, str *ret_message);
/* ERR_PROTO unless the PEM is one or more certificates; *ret_message (in a) says what is wrong. */
err x509_read_bundle(struct arena *a, str pem, str *ret_message);
/* A self-signed ECDSA P-256 certificate and key as PEM for these DNS names and IP addresses, for demo and tests. */
err x509_make(struct arena *a, const str *names, size_t names_n, int64_t not_before_s, int64_t days,
              str *ret_chain_pem, str *ret_key_pem);
