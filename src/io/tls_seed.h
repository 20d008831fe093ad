/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/str.h"

/* What the keys of session tickets are made of. All that have the same seed open one another's tickets: workers, a serving process and the one
 * that takes its place, replicas that are given one secret. */
enum {
    TLS_SEED_BYTES = 32,
    TLS_SEED_PERIOD_S = 6 * 3600, /* of a key; as long as a session may be resumed */
};
struct tls_seed {
    uint8_t secret[TLS_SEED_BYTES];
    /* Not shared: the secret is that of `epoch`; each epoch's is made of the one before, which is forgotten, so that what was sealed then
     * can not be opened any more. */
    int64_t epoch;
    bool shared; /* the secret is for all times */
};
/* The epoch of a time. */
int64_t tls_seed_epoch(int64_t now_s);
/* Makes it that of a later epoch. Nothing happens to a shared one. */
void tls_seed_forward(struct tls_seed *s, int64_t epoch);
/* A new one, of this time. */
void tls_seed_make(struct tls_seed *s, int64_t now_s);
/* One that is shared, from any text of 32 bytes or more that others do not know. */
void tls_seed_share(struct tls_seed *s, str text);
/* 32 bytes from a secret and a label. */
void tls_seed_derive(const uint8_t secret[TLS_SEED_BYTES], const char *label, uint64_t number,
                     uint8_t ret[32]);
