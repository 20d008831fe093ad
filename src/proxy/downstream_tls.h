/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "proxy/downstream.h"

/* TLS of a client's connection. */
/* The certificate and the listener of a handshake; arg: the struct downstream.                          [GW 11.4, 11.5] */
struct tls_choice downstream_tls_choose(void *arg, const struct tls_hello *hello);
/* A handshake ended well. */
void downstream_tls_done(struct downstream *d);
/* A handshake failed: counted, and told. The words may be NULL. */
void downstream_tls_failed(struct downstream *d, enum tls_reason reason, const char *words);
/* Is it served as it was when it began? A plain connection is its port's; one with TLS the listener's that its server name leads to, on that
 * listener's terms. */
bool downstream_tls_at_home(const struct downstream *d);
/* Listeners came or went, or ask another thing of their clients than in the table before: who was let in by what does not hold any more
 * finishes what it has begun, and comes again. */
void downstream_tls_recheck(struct proxy *p);
