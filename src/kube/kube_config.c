/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kube_config.h"

#include <unistd.h>

#include "kube/kube_settings.h"

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
