/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <openssl/ssl.h>

#include "io/tls.h"
#include "io/tls_library.h"

struct tls_trust;

/* What tls.c shares with the two sides. A side embeds struct tls_conn as its first member, so that the one block is freed by tls_free(). */
struct tls_scratch { /* owner: worker */
    struct tls_library *library;
    BIO_METHOD *method;
    char *out; /* records of the call that runs: empty between calls */
    size_t out_n;
    char *text; /* pieces on their way into one record */
};
struct tls_conn { /* owner: worker */
    SSL *ssl;     /* its app data is the connection */
    struct tls_scratch *scratch;
    void (*fini)(struct tls_conn *c); /* the side's own part; NULL: nothing to do */
    int fd;                           /* not owned */
    char *stash;                      /* records that the socket did not take */
    size_t stash_at, stash_n;
    bool held; /* the stash is for the next write: nobody waits for it */
    bool drained, to_the_end, failed, closed;
    bool alerted; /* it failed because the peer said so */
    int io_errno;
    uint8_t reason;  /* enum tls_reason */
    const char *why; /* with the reason, when a side's callback has set it: in words */
    char *error;     /* in words; NULL: none */
};
/* c is zeroed memory from base_zalloc. The state (accept or connect) is set by the side. */
void tls_open(struct tls_conn *c, struct tls_scratch *s, SSL_CTX *context, int fd);
/* What a failure from here on is put down to; TLS_DONE: to what the library says. words: static. */
void tls_blame(struct tls_conn *c, enum tls_reason r, const char *words);
/* What both sides ask of a context. */
void tls_set_context(SSL_CTX *x);
/* The store that the system's bundle is in, counted once more; NULL: none was read. version: changes with it. */
X509_STORE *tls_trust_hold(struct tls_trust *t, uint64_t *ret_version);
