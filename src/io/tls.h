/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/ip.h"

/* TLS 1.2 and 1.3 over a socket, by OpenSSL: what is the same on both sides. Connections are made by tls_server.h and tls_client.h. The
 * socket is read ahead and written in one call per tls_write(). */
struct tls_conn;
/* Why a handshake failed, as counters and logs name it: X(ID, "name", "what it tells a person") */
#define TLS_REASONS(X)                                                                                       \
    X(TLS_CLOSED, "closed", "the peer closed the connection before the handshake was done")                  \
    X(TLS_TIMEOUT, "timeout", "the handshake took too long")                                                 \
    X(TLS_NO_CERTIFICATE, "no_certificate", "no listener has a certificate for the server name")             \
    X(TLS_NO_VERSION, "no_shared_version", "no version in common")                                           \
    X(TLS_NO_CIPHER, "no_shared_cipher", "no cipher, group or signature algorithm in common")                \
    X(TLS_NO_PROTOCOL, "no_shared_protocol", "none of the protocols that ALPN offers is served")             \
    X(TLS_PEER_MISSING, "client_certificate_missing", "no certificate was shown")                            \
    X(TLS_PEER_REFUSED, "client_certificate_refused", "the certificate shown is not trusted")                \
    X(TLS_ALERT, "refused_by_peer", "the peer ended it by an alert, often because it does not trust us")     \
    X(TLS_PLAIN_HTTP, "plain_http", "plain HTTP was sent where TLS is spoken")                               \
    X(TLS_NOT_TLS, "not_tls", "what was sent is no TLS")                                                     \
    X(TLS_BROKEN, "broken", "the peer broke the protocol")                                                   \
    X(TLS_INTERNAL, "internal", "it failed on our side")
#define TLS_REASON_ID(id, name, words) id,
enum tls_reason { TLS_DONE, TLS_REASONS(TLS_REASON_ID) TLS_REASON_COUNT };
#undef TLS_REASON_ID
const char *tls_reason_name(enum tls_reason r);
const char *tls_reason_words(enum tls_reason r);
/* What all connections of a worker share: its OpenSSL, and where records wait during a call. */
struct tls_scratch;
struct tls_scratch *tls_scratch_new(void);
void tls_scratch_free(struct tls_scratch *s); /* once no connection uses it; NULL is fine */
void tls_free(struct tls_conn *c);            /* NULL is fine */
/* OK: done. ERR_AGAIN: more bytes must come (or go: tls_pending). ERR_PROTO: failed, tls_error says why. */
err tls_handshake(struct tls_conn *c);
/* An event said that the socket is readable; to_the_end: the peer has shut its side, so that the end is to be read. Until the next such
 * event the socket is not read again once a read gave less than asked. */
void tls_readable(struct tls_conn *c, bool to_the_end);
/* Nothing more is to be had before the next event. */
bool tls_drained(const struct tls_conn *c);
/* Bytes that the socket did not take yet (a ticket that waits for the first write does not count); tls_write with or without pieces tries again. */
size_t tls_pending(const struct tls_conn *c);
/* As read(2) and writev: OK with *ret_n > 0; ERR_AGAIN; ERR_END: close_notify or end; ERR_PROTO, ERR_IO. */
err tls_read(struct tls_conn *c, void *p, size_t n, size_t *ret_n);
err tls_write(struct tls_conn *c, const str *pieces, size_t n, size_t *ret_n);
void tls_close_notify(struct tls_conn *c);
bool tls_resumed(const struct tls_conn *c);
str tls_alpn(const struct tls_conn *c); /* the protocol chosen; "" = none */
/* For the record, once the handshake is done; static. */
str tls_version(const struct tls_conn *c); /* "TLSv1.3" */
str tls_cipher(const struct tls_conn *c);  /* "TLS_AES_128_GCM_SHA256" */
/* It failed because the peer refuses what we show, or how we speak. */
bool tls_alerted(const struct tls_conn *c);
/* Why it failed: one of the reasons, and words with the details, which are static or of the connection. */
enum tls_reason tls_why(const struct tls_conn *c);
str tls_error(const struct tls_conn *c);
void tls_random(void *p, size_t n);
