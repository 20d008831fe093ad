/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <openssl/ssl.h>

#include "base/str.h"

/* Certificate authorities of one worker by the digest of their PEM, the most recent 1,000 sets: parsed on first use. */
struct tls_authorities;
struct tls_authorities *tls_authorities_new(void);
void tls_authorities_free(struct tls_authorities *t); /* NULL is fine */
/* The connection's peer is asked for a certificate, and told who may have signed it. What is asked of it is the caller's, by SSL_set_verify().
 * ERR_PROTO: the PEM can not be used. */
err tls_authorities_use(struct tls_authorities *t, str id, str ca_pem, SSL *ssl);
