/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "io/loop.h"
#include "kube/kube_settings.h"

/* One run of an exec plugin as a child process [Kubernetes client.authentication.k8s.io]: nothing on its standard input, its
 * standard error is ours, what it prints is an ExecCredential. */
struct kube_plugin;
struct kube_credential {
    str token, cert, key; /* not given where there is none */
    int64_t expires_s;    /* since 1970; 0: not said */
};
/* why: OK's is "". The credential and why live until on_done returns; the plugin is gone then. */
typedef void kube_plugin_done_fn(void *arg, err e, const struct kube_credential *c, str why);
/* ERR_IO: it can not be started; *ret_why (in a) tells. */
err kube_plugin_start(struct loop *l, const struct kube_config *config, kube_plugin_done_fn *on_done,
                      void *arg, struct arena *a, struct kube_plugin **ret, str *ret_why);
void kube_plugin_kill(struct kube_plugin *p); /* on_done is not called; NULL is fine */
