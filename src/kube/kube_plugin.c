/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kube_plugin.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "schema/scalar.h"
#include "text/base64.h"
#include "text/json.h"

enum { OUTPUT_BYTES_MAX = 1 << 20, RUN_US_MAX = 60000000 };

struct kube_plugin {
    struct loop *loop;
    const struct kube_exec *exec;
    kube_plugin_done_fn *on_done;
    void *arg;
    pid_t pid;
    struct loop_fd out, end; /* its standard output; the process */
    struct timer timer;
    struct buf output;
};

/* Its environment: ours, what the kubeconfig adds, and what it is asked. */
static char **environment(struct arena *a, const struct kube_config *c) {
    const struct kube_exec *x = c->exec;
    size_t ours = 0, theirs = 0, n = 0;
    while (environ[ours]) ours++;
    while (x->env[theirs]) theirs++;
    char **all = arena_array(a, char *, ours + theirs + 2);
    for (size_t i = 0; i < theirs; i++) all[n++] = x->env[i];
    struct buf b;
    buf_init(&b, KUBE_FILE_BYTES_MAX * 3);
    buf_printf(&b, "KUBERNETES_EXEC_INFO={\"apiVersion\":\"%s\",\"kind\":\"ExecCredential\",\"spec\":{",
               x->api_version);
    if (x->cluster_info) {
        str ca = c->ca.data;
        if (c->ca.path && kube_settings_read_file(a, c->ca.path, &ca) != OK) ca = (str){0};
        buf_printf(&b, "\"cluster\":{\"server\":");
        buf_add_json(&b, c->server);
        if (c->tls_server_name.n) {
            buf_printf(&b, ",\"tls-server-name\":");
            buf_add_json(&b, c->tls_server_name);
        }
        if (ca.p) {
            buf_printf(&b, ",\"certificate-authority-data\":");
            buf_add_json(&b, base64_encode(a, ca));
        }
        buf_printf(&b, "},");
    }
    buf_printf(&b, "\"interactive\":false}}");
    all[n++] = (char *)(uintptr_t)arena_str(a, buf_str(&b)).p;
    buf_fini(&b);
    for (size_t i = 0; i < ours; i++) all[n++] = environ[i];
    return all; /* of a name given twice the first counts for getenv() */
}

static err spawn(struct kube_plugin *p, char *const *env, int out) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    int e = posix_spawnp(&p->pid, p->exec->argv[0], &files, &attr, p->exec->argv, env);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    errno = e;
    return e ? ERR_IO : OK;
}

static void dispose(struct kube_plugin *p) {
    loop_close(p->loop, &p->out);
    loop_close(p->loop, &p->end);
    timer_forget(&p->loop->timers, &p->timer);
    buf_fini(&p->output);
    free(p);
}

void kube_plugin_kill(struct kube_plugin *p) {
    if (!p) return;
    kill(-p->pid, SIGKILL);
    kill(p->pid, SIGKILL);
    waitpid(p->pid, NULL, 0);
    dispose(p);
}

static err read_credential(struct arena *a, const struct kube_exec *x, str output,
                           struct kube_credential *ret, str *why) {
    struct node *top = NULL;
    str message;
    if (json_parse(a, output, &top, &message) != OK) {
        *why = arena_printf(a, "it printed no JSON: " STR_FMT, STR_ARG(message));
        return ERR_PROTO;
    }
    const struct node *status = node_get(top, S("status"));
    str version = node_get_str(top, S("apiVersion")),
        expires = node_get_str(status, S("expirationTimestamp"));
    *ret = (struct kube_credential){.token = node_get_str(status, S("token")),
                                    .cert = node_get_str(status, S("clientCertificateData")),
                                    .key = node_get_str(status, S("clientKeyData"))};
    bool fits =
        str_eq(node_get_str(top, S("kind")), S("ExecCredential")) && str_eq(version, str_of(x->api_version));
    if (!fits)
        *why = arena_printf(a, "it printed no ExecCredential of %s", x->api_version);
    else if (!ret->token.n && !(ret->cert.n && ret->key.n))
        *why = S("its ExecCredential has neither a token nor a certificate with its key");
    else if (expires.n && scalar_time_parse(expires, &ret->expires_s) != OK)
        *why = S("its expirationTimestamp is no time");
    else
        return OK;
    return ERR_PROTO;
}

static void finish(struct kube_plugin *p, err e, str why) {
    OWNED(arena) a = arena_new();
    struct kube_credential c = {0};
    if (e == OK) e = read_credential(a, p->exec, buf_str(&p->output), &c, &why);
    if (e != OK)
        why = arena_printf(a, "%s: " STR_FMT "%s" STR_FMT, p->exec->argv[0], STR_ARG(why),
                           p->exec->hint.n ? "; " : "", STR_ARG(p->exec->hint));
    kube_plugin_done_fn *done = p->on_done;
    void *arg = p->arg;
    done(arg, e, &c, why);
    dispose(p);
}

static void on_out(struct loop_fd *f, uint32_t events) {
    struct kube_plugin *p = container_of(f, struct kube_plugin, out);
    char chunk[4096];
    (void)events;
    ssize_t n = read(f->fd, chunk, sizeof chunk);
    if (n > 0) buf_add(&p->output, (str){chunk, (size_t)n});
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) loop_close(p->loop, f);
}

static void on_exit_of(struct loop_fd *f, uint32_t events) {
    struct kube_plugin *p = container_of(f, struct kube_plugin, end);
    int status = 0;
    (void)events;
    if (waitpid(p->pid, &status, WNOHANG) != p->pid) return;
    for (size_t before = SIZE_MAX; p->out.fd >= 0 && before != p->output.n && !p->output.overflow;) {
        before = p->output.n; /* what is still in the pipe */
        on_out(&p->out, 0);
    }
    char words[64];
    if (WIFSIGNALED(status))
        snprintf(words, sizeof words, "it was ended by signal %d", WTERMSIG(status));
    else
        snprintf(words, sizeof words, "it failed with status %d", WEXITSTATUS(status));
    if (p->output.overflow)
        finish(p, ERR_LIMIT, S("it printed more than 1 MiB"));
    else
        finish(p, status ? ERR_IO : OK, status ? str_of(words) : S(""));
}

static void on_late(struct timer *t, uint64_t now_us) {
    struct kube_plugin *p = container_of(t, struct kube_plugin, timer);
    (void)now_us;
    kill(-p->pid, SIGKILL);
    waitpid(p->pid, NULL, 0);
    finish(p, ERR_AGAIN, S("it did not end within 60 s"));
}

err kube_plugin_start(struct loop *l, const struct kube_config *config, kube_plugin_done_fn *on_done,
                      void *arg, struct arena *a, struct kube_plugin **ret, str *ret_why) {
    int fds[2];
    const struct kube_exec *x = config->exec;
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0) {
        *ret_why = arena_printf(a, "%s: pipe: %s", x->argv[0], strerror(errno));
        return ERR_IO;
    }
    fcntl(fds[1], F_SETFL, 0); /* the plugin's side blocks, as programs expect */
    struct kube_plugin *p = base_zalloc(sizeof *p);
    *p = (struct kube_plugin){.loop = l, .exec = x, .on_done = on_done, .arg = arg};
    p->out = (struct loop_fd){.fd = -1, .on_ready = on_out};
    p->end = (struct loop_fd){.fd = -1, .on_ready = on_exit_of};
    timer_init(&p->timer, on_late);
    buf_init(&p->output, OUTPUT_BYTES_MAX);
    err e = spawn(p, environment(a, config), fds[1]);
    int error = errno;
    close(fds[1]);
    if (e != OK) {
        close(fds[0]);
        *ret_why = arena_printf(a, "%s: can not be started: %s%s" STR_FMT, x->argv[0], strerror(error),
                                x->hint.n ? "; " : "", STR_ARG(x->hint));
        dispose(p);
        return ERR_IO;
    }
    int end = (int)syscall(SYS_pidfd_open, p->pid, 0);
    if (end < 0 || loop_add_level(l, &p->out, fds[0]) != OK || loop_add_level(l, &p->end, end) != OK) {
        *ret_why = arena_printf(a, "%s: can not be followed: %s", x->argv[0], strerror(errno));
        if (p->out.fd < 0) close(fds[0]);
        if (end >= 0) close(end);
        kube_plugin_kill(p);
        return ERR_IO;
    }
    timer_set(&l->timers, &p->timer, l->now_us + RUN_US_MAX);
    *ret = p;
    return OK;
}
