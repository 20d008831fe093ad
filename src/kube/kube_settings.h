/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"
#include "kube/kube_config.h"

/* What a kubeconfig or a pod says, taken apart: for the rest of kube/. */
enum { KUBE_FILE_BYTES_MAX = 1 << 20, KUBE_EXEC_ARGS_MAX = 64 };

/* PEM or a token: given as it is, or in a file that is read again when it has changed. */
struct kube_text {
    str data;         /* not given when there is a path */
    const char *path; /* absolute, or below the kubeconfig's folder; NULL: none */
};
static inline bool kube_text_given(const struct kube_text *t) { return t->data.p || t->path; }

struct kube_exec {
    const char *api_version; /* client.authentication.k8s.io/v1 or v1beta1 */
    char **argv;       /* argv[0] with the folder of the kubeconfig when it has a slash; ends with NULL */
    char **env;        /* "NAME=value", besides our own; ends with NULL */
    str hint;          /* installHint */
    bool cluster_info; /* provideClusterInfo */
};

struct kube_config {
    struct arena *a;
    str origin, server, ns;
    str tls_server_name, proxy_url;
    bool insecure;
    struct kube_text ca, client_cert, client_key, token;
    const struct kube_exec *exec; /* NULL: none */
    str as, as_uid;               /* impersonation; "" = none */
    str *as_groups;
    uint32_t as_groups_n;
};

/* The whole file, up to KUBE_FILE_BYTES_MAX, in a. ERR_IO: errno tells. ERR_LIMIT. */
err kube_settings_read_file(struct arena *a, const char *path, str *ret);
/* Those of a kubeconfig. Errors as kube_config_load() has them. */
err kube_settings_from_files(const char *paths, const char *context, struct kube_config *c, struct buf *why);
/* Where they are; nothing when we run in none. */
void kube_settings_pod_path(void (*each)(void *arg, const char *path), void *arg);
/* Those of the pod that we run in. ERR_ABSENT: we run in none. */
err kube_settings_from_pod(struct kube_config *c, struct buf *why);
