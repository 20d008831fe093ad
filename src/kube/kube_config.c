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

bool kube_config_starts_programs(const struct kube_config *c) { return c->exec; }

static void each_of_list(const char *list, void (*each)(void *arg, const char *path), void *arg) {
    for (str rest = str_of(list); rest.n;) {
        str one = str_cut(&rest, ':');
        char *path = str_dup(one);
        if (one.n) each(arg, path);
        free(path);
    }
}

void kube_config_each_path(const struct kube_config *c, const char *kubeconfig,
                           void (*each)(void *arg, const char *path), void *arg) {
    const char *env = getenv("KUBECONFIG"), *home = getenv("HOME");
    if (!kubeconfig && env && *env) kubeconfig = env;
    if (kubeconfig) each_of_list(kubeconfig, each, arg);
    kube_settings_pod_path(each, arg);
    if (home) {
        OWNED(arena) a = arena_new();
        str path = arena_printf(a, "%s/.kube/config", home);
        if (!kubeconfig && access(path.p, F_OK) == 0) each(arg, path.p);
    }
    const struct kube_text *texts[] = {&c->ca, &c->client_cert, &c->client_key, &c->token};
    for (size_t i = 0; c && i < COUNT_OF(texts); i++)
        if (texts[i]->path) each(arg, texts[i]->path);
}

str kube_config_server(const struct kube_config *c) { return c->server; }
str kube_config_namespace(const struct kube_config *c) { return c->ns; }
str kube_config_origin(const struct kube_config *c) { return c->origin; }
