/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "io/tls.h"

/* The client's side of TLS. One struct tls_client per worker: one context per identity, that is for all connections that verify the same
 * names by the same authorities and show the same certificate, kept by recency. */

struct tls_trust;
struct tls_client;
struct tls_client *tls_client_new(struct tls_scratch *scratch, struct tls_trust *trust);
void tls_client_free(struct tls_client *c); /* NULL is fine */

struct tls_client_name {
    bool uri; /* else a DNS name */
    str value;
};
/* Who is connected to, and as whom. Borrowed for the call. */
struct tls_client_identity {
    uint64_t id, certificate_id; /* never reused for another content; 0: no certificate */
    str hostname;                /* the server name; verified unless there are names */
    uint32_t names_n;
    const struct tls_client_name *names; /* the certificate must have one of them */
    str ca_pem;                          /* who may have signed; "" = whom the system trusts */
    str chain_pem, key_pem;              /* to show when asked; "": nothing */
};
enum tls_client_alpn { TLS_CLIENT_HTTP1, TLS_CLIENT_HTTP2, TLS_CLIENT_EITHER };
/* A session that a later connection to the same place resumes; owned by whoever knows the place. */
struct tls_session;
void tls_client_forget(struct tls_session *s); /* NULL is fine */
/* A connection over fd (not owned). place: where its session is taken from and put; outlives the connection.
 * ERR_PROTO: the identity cannot be used; *ret_why says why, in words. */
err tls_client_connect(struct tls_client *c, int fd, const struct tls_client_identity *who,
                       enum tls_client_alpn alpn, struct tls_session **place, struct tls_conn **ret,
                       const char **ret_why);
/* How many identities have a context now. */
size_t tls_client_contexts(const struct tls_client *c);
