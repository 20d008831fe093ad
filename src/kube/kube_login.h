/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "io/loop.h"
#include "kube/kube_settings.h"

/* What we show to the API server, kept fresh: files are read again when they have changed, an exec plugin runs again when what
 * it gave is about to end. */
struct kube_login;
struct
    kube_identity { /* PEM and a token; not given where there is none. Valid until the next call for the same login. */
    str ca, cert, key, token;
    unsigned serial; /* of what a plugin gave */
};
/* on_ready: what was ERR_AGAIN can be asked for again. config outlives it. */
struct kube_login *kube_login_new(struct loop *l, const struct kube_config *config,
                                  void (*on_ready)(void *arg), void *arg);
void kube_login_free(struct kube_login *l); /* ends a plugin that runs; NULL is fine */
/* ERR_AGAIN: a plugin runs; ERR_REFUSED: nothing is to be had now, *ret_why (valid until the next call) tells. */
err kube_login_get(struct kube_login *l, struct kube_identity *ret, str *ret_why);
/* The server did not take what was shown (its serial): what can be had anew is, once for all who showed it. false: nothing can. */
bool kube_login_renew(struct kube_login *l, unsigned serial);
