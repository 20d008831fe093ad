/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <openssl/ssl.h>

#include "base/str.h"

/* Parsed certificates of one worker by id, the most recent 10,000: parsed on first use, so that a gateway of many listeners starts at once,
 * and each worker has its own copy, so that no lock of the library is shared in a handshake. */
struct tls_store;
struct tls_library;
struct tls_store *tls_store_new(const struct tls_library *library); /* which outlives it */
void tls_store_free(struct tls_store *s);
/* Sets certificate, chain and key on the connection. The PEM is read only when the id is not there. ERR_PROTO: it cannot be used. */
err tls_store_use(struct tls_store *s, uint64_t id, str chain_pem, str key_pem, SSL *ssl);
/* The id is not asked for any more. */
void tls_store_forget(struct tls_store *s, uint64_t id);
