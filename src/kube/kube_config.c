/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kube_config.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "kube/kube_settings.h"

#define POD_FOLDER "/var/run/secrets/kubernetes.io/serviceaccount"

err kube_settings_read_file(struct arena *a, const char *path, str *ret) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return ERR_IO;
    size_t n = 0, cap = 16 << 10;
    char *p = arena_raw(a, cap);
    err e = OK;
    for (;;) {
        ssize_t got = read(fd, p + n, cap - n);
        if (got < 0) e = ERR_IO;
        if (got <= 0) break;
        n += (size_t)got;
        if (n < cap) continue;
        if (cap > KUBE_FILE_BYTES_MAX) {
            e = ERR_LIMIT;
            break;
        }
        char *more = arena_raw(a, cap * 2);
        memcpy(more, p, n);
        p = more, cap *= 2;
    }
    int error = errno;
    close(fd);
    errno = error;
    if (e == OK) *ret = (str){p, n};
    return e;
}

err kube_settings_from_pod(struct kube_config *c, struct buf *why) {
    const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
    if (!host || !*host || !port || !*port) return ERR_ABSENT;
    bool v6 = strchr(host, ':');
    c->server = arena_printf(c->a, "https://%s%s%s:%s", v6 ? "[" : "", host, v6 ? "]" : "", port);
    c->origin = S("the pod's ServiceAccount");
    c->token.path = POD_FOLDER "/token";
    c->ca.path = POD_FOLDER "/ca.crt";
    str ns = {0}, probe;
    const char *const needed[] = {c->token.path, c->ca.path};
    for (size_t i = 0; i < COUNT_OF(needed); i++)
        if (kube_settings_read_file(c->a, needed[i], &probe) != OK) {
            buf_printf(why,
                       "%s: can not be read: %s; let the pod have its ServiceAccount's token "
                       "(automountServiceAccountToken)\n",
                       needed[i], strerror(errno));
            return ERR_IO;
        }
    if (kube_settings_read_file(c->a, POD_FOLDER "/namespace", &ns) == OK && str_trim(ns).n)
        c->ns = str_trim(ns);
    while (c->ns.n && c->ns.p[c->ns.n - 1] == '\n') c->ns.n--;
    return OK;
}

static err load(const struct kube_config_options *o, struct kube_config *c, struct buf *why) {
    const char *paths = o->kubeconfig, *home = getenv("HOME");
    if (!paths) paths = getenv("KUBECONFIG");
    if (paths && *paths) return kube_settings_from_files(paths, o->context, c, why);
    if (!o->context) {
        err e = kube_settings_from_pod(c, why);
        if (e != ERR_ABSENT) return e;
    }
    str path = arena_printf(c->a, "%s/.kube/config", home ? home : "");
    if (home && access(path.p, F_OK) == 0) return kube_settings_from_files(path.p, o->context, c, why);
    buf_printf(why,
               "no API server is known: KUBECONFIG is not set, this is no pod (KUBERNETES_SERVICE_HOST), and "
               "there is no %s; name a kubeconfig",
               home ? path.p : "~/.kube/config");
    return ERR_ABSENT;
}

err kube_config_load(const struct kube_config_options *o, struct kube_config **ret, struct buf *why) {
    OWNED(arena) a = arena_new();
    struct kube_config *c = arena_make(a, struct kube_config);
    c->a = a;
    c->ns = S("default");
    err e = load(o, c, why);
    while (why->n && why->p[why->n - 1] == '\n') why->n--;
    TRY(e);
    (void)TAKE(a);
    *ret = c;
    return OK;
}

void kube_config_free(struct kube_config *c) {
    if (c) arena_free(c->a);
}

str kube_config_server(const struct kube_config *c) { return c->server; }
str kube_config_namespace(const struct kube_config *c) { return c->ns; }
str kube_config_origin(const struct kube_config *c) { return c->origin; }
