/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

/* Where the API server is and who we are to it. Read once; what rotates (token files, exec plugins, certificate files) is
 * read again by the client when it is due. */
struct kube_config;
struct kube_config_options {
    const char *
        kubeconfig; /* paths with ':' between them, the first that says a thing wins [kubeconfig merge rules];
                             * NULL: $KUBECONFIG, else the pod's ServiceAccount when there is one, else ~/.kube/config */
    const char *context; /* NULL: current-context */
};
/* ERR_ABSENT: there is no configuration; ERR_PROTO: one of its files is wrong; ERR_IO: can't be read. *why then tells in
 * lines for people ("config:12:5: users[0].user.exec.command: ...; remedy"), each without a newline at its end. On OK *why
 * may hold warnings (a key file that others can read, verification switched off). */
err kube_config_load(const struct kube_config_options *o, struct kube_config **ret, struct buf *why);
void kube_config_free(struct kube_config *c); /* NULL is fine */
DEFINE_CLEANUP(kube_config)

/* A credential plugin is one. */
bool kube_config_starts_programs(const struct kube_config *c);
/* The files that are read, now or when they change; c: NULL when it can not be loaded. kubeconfig: as it was given to kube_config_load(). */
void kube_config_each_path(const struct kube_config *c, const char *kubeconfig,
                           void (*each)(void *arg, const char *path), void *arg);
str kube_config_server(const struct kube_config *c); /* "https://10.0.0.1:6443" */
/* Of the context, or of the pod; "default" when neither says. */
str kube_config_namespace(const struct kube_config *c);
/* For logs: "context kind-a of /home/me/.kube/config", "the pod's ServiceAccount". */
str kube_config_origin(const struct kube_config *c);
