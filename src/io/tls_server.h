/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "io/tls.h"

/* The server's side of TLS. One struct tls_server per worker: one context, parsed certificates by id, kept by recency. The certificate is
 * chosen while the ClientHello is read. */
struct tls_server;
struct tls_choice {
    uint64_t certificate_id; /* never reused; 0: refuse the handshake (unrecognized_name) */
    str chain_pem, key_pem;  /* borrowed for the call */
    uint8_t version_min;     /* 12 or 13 */
};
/* Called with the server name ("" when none, lower case) while the ClientHello is read. */
typedef struct tls_choice tls_server_choose(void *arg, str server_name);
/* ticket_keys: 80 bytes shared by all workers, so that a session resumes on any. The scratch outlives it. */
struct tls_server *tls_server_new(struct tls_scratch *scratch, const uint8_t ticket_keys[80]);
void tls_server_free(struct tls_server *s); /* NULL is fine */
/* A connection over fd (not owned). */
struct tls_conn *tls_server_accept(struct tls_server *s, int fd, tls_server_choose *choose, void *arg);
str tls_server_name(const struct tls_conn *c);
