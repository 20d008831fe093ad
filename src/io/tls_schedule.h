/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <openssl/core.h>

/* The key schedule of TLS 1.3 [RFC 8446 7.1], over HKDF [RFC 5869], as a provider of OpenSSL's that offers this alone: "TLS13-KDF" with SHA-256
 * and SHA-384, which are the digests of all its cipher suites. For library contexts that one thread uses, and where the "default" provider is
 * loaded as well. Parameters are those of the library's own, and all come with the call that derives. */
#define TLS_SCHEDULE_NAME "postern"
OSSL_provider_init_fn tls_schedule_provider;
