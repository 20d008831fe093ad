/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <openssl/evp.h>

#include "io/tls_seed.h"

/* The keys that seal session tickets, of one worker. At any time three: the present one seals, the one before it and the next one
 * open as well, the latter for tickets of whoever's clock is ahead. All follow from the seed and the time, so that nobody has to tell
 * anybody.                                                                                       [RFC 5077 4] [RFC 8446 4.6.1] */
struct tls_tickets;
struct tls_tickets *tls_tickets_new(const struct tls_seed *seed, int64_t now_s);
void tls_tickets_free(struct tls_tickets *t); /* NULL is fine */
/* The time goes on. */
void tls_tickets_at(struct tls_tickets *t, int64_t now_s);
/* What OpenSSL asks for to seal a ticket or to open the one of that name. 1: done; 2: done, and a new ticket is due; 0: no key has the name, so
 * that a full handshake follows; -1: it failed. */
int tls_tickets_key(const struct tls_tickets *t, unsigned char *name, unsigned char *iv,
                    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, bool seal);
