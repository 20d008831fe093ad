/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <openssl/types.h>

/* OpenSSL as one worker has it: a library context of its own, so that no look-up of an algorithm takes a lock that another worker takes, and
 * in it the key schedule of TLS 1.3 over digests that were looked up once. OpenSSL 3.0 derives each of a handshake's twenty secrets by
 * nine look-ups and thirty allocations, which is a quarter of what it does besides arithmetic. */
struct tls_library;
struct tls_library *tls_library_new(void);
void tls_library_free(struct tls_library *l); /* NULL is fine */
/* For SSL_CTX_new_ex and its like. NULL is the process's own: when that is set up for FIPS, or without the usual algorithms, it is obeyed. */
OSSL_LIB_CTX *tls_library_context(const struct tls_library *l);
