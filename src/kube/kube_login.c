/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kube_login.h"

#include <errno.h>
#include <sys/stat.h>

#include "io/clock.h"
#include "io/log.h"
#include "kube/kube_backoff.h"
#include "kube/kube_plugin.h"

enum {
    LOOK_US = 1000000, /* between two looks at a file */
    EARLY_S = 10,      /* before its end a credential is renewed */
    PLUGIN_PAUSE_US = 1000000,
    PLUGIN_PAUSE_US_MAX = 60000000,
};

/* A file's text and what the file looked like then. */
struct followed {
    const struct kube_text *of;
    struct arena *a;
    str text;
    uint64_t looked_us;
    struct timespec mtime;
    ino_t inode;
    off_t bytes;
};
struct kube_login {
    struct loop *loop;
    const struct kube_config *config;
    void (*on_ready)(void *arg);
    void *arg;
    struct followed ca, cert, key, token;
    struct kube_plugin *plugin; /* that runs */
    struct arena *given_arena;  /* what the last one gave, or why it gave nothing */
    struct kube_credential given;
    bool has_given;
    unsigned serial; /* of what is given */
    char why[512];
    struct kube_backoff pause;
    struct rng rng;
    uint64_t not_before_us; /* the plugin's next run */
};

struct kube_login *kube_login_new(struct loop *l, const struct kube_config *config,
                                  void (*on_ready)(void *arg), void *arg) {
    struct kube_login *g = base_zalloc(sizeof *g);
    *g = (struct kube_login){.loop = l, .config = config, .on_ready = on_ready, .arg = arg};
    g->ca.of = &config->ca, g->cert.of = &config->client_cert;
    g->key.of = &config->client_key, g->token.of = &config->token;
    g->given_arena = arena_new();
    g->pause = (struct kube_backoff){.min_us = PLUGIN_PAUSE_US, .max_us = PLUGIN_PAUSE_US_MAX};
    g->rng.state = clock_monotonic_us();
    return g;
}

void kube_login_free(struct kube_login *g) {
    if (!g) return;
    kube_plugin_kill(g->plugin);
    struct followed *all[] = {&g->ca, &g->cert, &g->key, &g->token};
    for (size_t i = 0; i < COUNT_OF(all); i++) arena_free(all[i]->a);
    arena_free(g->given_arena);
    free(g);
}

static bool looks_same(const struct followed *f, const struct stat *st) {
    return f->text.p && st->st_ino == f->inode && st->st_size == f->bytes &&
           st->st_mtim.tv_sec == f->mtime.tv_sec && st->st_mtim.tv_nsec == f->mtime.tv_nsec;
}

/* A file that can not be read keeps what it said: kubelet swaps folders under our eyes. ERR_IO: it never said anything. */
static err look(struct kube_login *g, struct followed *f, str *ret) {
    if (!f->of->path) {
        *ret = f->of->data;
        return OK;
    }
    uint64_t now = clock_monotonic_us();
    struct stat st;
    if ((!f->text.p || now - f->looked_us >= LOOK_US) && stat(f->of->path, &st) == 0 && !looks_same(f, &st)) {
        OWNED(arena) a = arena_new();
        str text;
        if (kube_settings_read_file(a, f->of->path, &text) == OK) {
            arena_free(f->a);
            f->a = TAKE(a), f->text = text;
            f->mtime = st.st_mtim, f->inode = st.st_ino, f->bytes = st.st_size;
        }
    }
    f->looked_us = now;
    *ret = f->text;
    if (f->text.p) return OK;
    snprintf(g->why, sizeof g->why, "%s: can not be read: %s", f->of->path, strerror(errno));
    return ERR_REFUSED;
}

static void on_plugin(void *arg, err e, const struct kube_credential *c, str why) {
    struct kube_login *g = arg;
    g->plugin = NULL;
    arena_reset(g->given_arena);
    g->has_given = e == OK;
    if (e == OK) {
        g->given = *c;
        g->serial++;
        str *texts[] = {&g->given.token, &g->given.cert, &g->given.key};
        for (size_t i = 0; i < COUNT_OF(texts); i++)
            if (texts[i]->p) *texts[i] = arena_str(g->given_arena, *texts[i]);
        kube_backoff_reset(&g->pause);
    } else {
        uint64_t pause = kube_backoff_next(&g->pause, &g->rng);
        snprintf(g->why, sizeof g->why, STR_FMT, STR_ARG(why));
        g->not_before_us = clock_monotonic_us() + pause;
        log_warn("kube credentials err=\"" STR_FMT "\" again_in_ms=%llu", STR_ARG(why),
                 (unsigned long long)(pause / 1000));
    }
    g->on_ready(g->arg);
}

static err ask_plugin(struct kube_login *g) {
    bool fresh = g->has_given && (!g->given.expires_s || g->given.expires_s > clock_wall_s() + EARLY_S);
    if (fresh) return OK;
    if (g->plugin) return ERR_AGAIN;
    if (!g->has_given && clock_monotonic_us() < g->not_before_us) return ERR_REFUSED;
    OWNED(arena) a = arena_new();
    str why;
    g->has_given = false;
    if (kube_plugin_start(g->loop, g->config, on_plugin, g, a, &g->plugin, &why) == OK) return ERR_AGAIN;
    snprintf(g->why, sizeof g->why, STR_FMT, STR_ARG(why));
    g->not_before_us = clock_monotonic_us() + kube_backoff_next(&g->pause, &g->rng);
    log_warn("kube credentials err=\"" STR_FMT "\"", STR_ARG(why));
    return ERR_REFUSED;
}

static err collect(struct kube_login *g, struct kube_identity *ret) {
    *ret = (struct kube_identity){0};
    TRY(look(g, &g->ca, &ret->ca));
    TRY(look(g, &g->cert, &ret->cert));
    TRY(look(g, &g->key, &ret->key));
    TRY(look(g, &g->token, &ret->token));
    ret->token = str_trim(ret->token);
    while (ret->token.n && (ret->token.p[ret->token.n - 1] == '\n' || ret->token.p[ret->token.n - 1] == '\r'))
        ret->token.n--;
    if (!g->config->exec || ret->token.n || ret->cert.p)
        return OK; /* what the kubeconfig itself has counts */
    TRY(ask_plugin(g));
    ret->token = g->given.token;
    ret->serial = g->serial;
    if (g->given.cert.n) ret->cert = g->given.cert, ret->key = g->given.key;
    return OK;
}

err kube_login_get(struct kube_login *g, struct kube_identity *ret, str *ret_why) {
    err e = collect(g, ret);
    if (e != OK && e != ERR_AGAIN) *ret_why = str_of(g->why);
    return e;
}

bool kube_login_renew(struct kube_login *g, unsigned serial) {
    g->token.looked_us = g->cert.looked_us = g->key.looked_us = g->ca.looked_us = 0;
    bool files = g->config->token.path || g->config->client_cert.path;
    if (!g->config->exec) return files;
    if (serial == g->serial) g->has_given = false;
    return true;
}
