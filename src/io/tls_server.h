/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "io/tls.h"
#include "io/tls_seed.h"

/* The server's side of TLS, by Mozilla's "intermediate" profile. One struct tls_server per worker: one context, parsed certificates and
 * authorities by id, kept by recency. Who is served how is chosen while the ClientHello is read. */
struct tls_server;
struct tls_hello {
    str server_name; /* "" when none; lower case */
    bool tls13;      /* offered */
    /* Keys whose signatures the client can verify, in a handshake of TLS 1.2 and of 1.3: bits by enum key_kind. */
    uint32_t kinds12, kinds13;
};
enum { TLS_SESSION_BYTES = 24 };
/* Strs are borrowed for the call. */
struct tls_choice {
    uint64_t certificate_id; /* never reused; 0: refuse the handshake (unrecognized_name) */
    str chain_pem, key_pem;
    str ocsp;                         /* a response to staple, DER; "" = none */
    uint8_t version_min, version_max; /* 12 or 13 */
    str ciphers, suites; /* of TLS 1.2 and 1.3, by OpenSSL's names between colons; "" = the usual ones */
    /* TLS_SESSION_BYTES: a session is resumed only where these and the server name are what it began with. */
    const char *session;
    str clients_id; /* of ca_pem: a digest; "" = nobody is asked for a certificate */
    str ca_pem;     /* one of these must have signed it */
    bool lenient;   /* or not: whoever shows another one or none is let in all the same */
};
/* Called while the ClientHello is read. */
typedef struct tls_choice tls_server_choose(void *arg, const struct tls_hello *hello);
/* seed: of the tickets' keys, for the call. The scratch outlives it. */
struct tls_server *tls_server_new(struct tls_scratch *scratch, const struct tls_seed *seed, int64_t now_s);
void tls_server_free(struct tls_server *s); /* NULL is fine */
/* No choice names this certificate any more: its key leaves memory with the last connection that shows it. */
void tls_server_forget(struct tls_server *s, uint64_t certificate_id);
/* A connection over fd (not owned). now_s: of the wall clock. */
struct tls_conn *tls_server_accept(struct tls_server *s, int fd, int64_t now_s, tls_server_choose *choose,
                                   void *arg);
str tls_server_name(const struct tls_conn *c);
/* Did the client show a certificate that is trusted? */
bool tls_server_client_verified(const struct tls_conn *c);
