/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/ip.h"

/* Server-side TLS 1.2 and 1.3 over a socket, by OpenSSL. One struct tls_server per worker: one context, parsed certificates by id, kept
 * by recency. The certificate is chosen while the ClientHello is read. The socket is read ahead and written in one call per tls_write(). */
struct tls_server;
struct tls_conn;
struct tls_choice {
    uint64_t certificate_id; /* never reused; 0: refuse the handshake (unrecognized_name) */
    str chain_pem, key_pem;  /* borrowed for the call */
    uint8_t version_min;     /* 12 or 13 */
};
/* Called with the server name ("" when none, lower case) while the ClientHello is read. */
typedef struct tls_choice tls_choose_fn(void *arg, str server_name);
/* ticket_keys: 80 bytes shared by all workers, so that a session resumes on any. */
struct tls_server *tls_server_new(const uint8_t ticket_keys[80]);
void tls_server_free(struct tls_server *s);
/* A connection over fd (not owned). */
struct tls_conn *tls_accept(struct tls_server *s, int fd, tls_choose_fn *choose, void *arg);
void tls_free(struct tls_conn *c); /* NULL is fine */
/* OK: done. ERR_AGAIN: more bytes must come (or go: tls_pending). ERR_PROTO: failed, tls_error says why. */
err tls_handshake(struct tls_conn *c);
/* An event said that the socket is readable; to_the_end: the peer has shut its side, so that the end is to be read. Until the next such
 * event the socket is not read again once a read gave less than asked. */
void tls_readable(struct tls_conn *c, bool to_the_end);
/* Nothing more is to be had before the next event. */
bool tls_drained(const struct tls_conn *c);
/* Bytes that the socket did not take yet; tls_write with or without pieces tries again. */
size_t tls_pending(const struct tls_conn *c);
/* As read(2) and writev: OK with *ret_n > 0; ERR_AGAIN; ERR_END: close_notify or end; ERR_PROTO, ERR_IO. */
err tls_read(struct tls_conn *c, void *p, size_t n, size_t *ret_n);
err tls_write(struct tls_conn *c, const str *pieces, size_t n, size_t *ret_n);
void tls_close_notify(struct tls_conn *c);
str tls_server_name(const struct tls_conn *c);
bool tls_resumed(const struct tls_conn *c);
str tls_error(const struct tls_conn *c); /* static or of the connection */
void tls_random(void *p, size_t n);
