/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kube_settings.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "text/base64.h"
#include "text/yaml.h"

#define POD_FOLDER "/var/run/secrets/kubernetes.io/serviceaccount"

/* [Kubernetes kubeconfig] Several files are one: of a context, cluster or user the first file that has the name counts, of
 * current-context the first file that sets it. A path in a file is below that file's folder. */
enum { FILES_MAX = 16 };
struct source {
    const char *path;
    str folder;
    const struct node *top;
};
struct reader {
    struct kube_config *c;
    struct buf *why;
    struct source files[FILES_MAX];
    unsigned n;
    bool wrong;
};
/* One entry, or a struct in it, and where it stands. */
struct place {
    const struct source *file;
    const struct node *node;
    const char *what; /* "users[].user" */
};

__attribute__((format(printf, 5, 0))) static void vsay(struct reader *r, const struct place *p,
                                                       const struct node *at, const char *field,
                                                       const char *fmt, va_list args) {
    if (!at) at = p->node;
    buf_printf(r->why, "%s:%u:%u: %s%s%s: ", p->file->path, at ? at->line : 1, at ? at->column : 1, p->what,
               *p->what && *field ? "." : "", field);
    buf_vprintf(r->why, fmt, args);
    buf_add_char(r->why, '\n');
}

/* A warning. */
__attribute__((format(printf, 5, 6))) static void
say(struct reader *r, const struct place *p, const struct node *at, const char *field, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    vsay(r, p, at, field, fmt, args);
    va_end(args);
}

/* An error. */
__attribute__((format(printf, 5, 6))) static void wrong_at(struct reader *r, const struct place *p,
                                                           const struct node *at, const char *field,
                                                           const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    vsay(r, p, at, field, fmt, args);
    va_end(args);
    r->wrong = true;
}

static err read_source(struct reader *r, const char *path, bool alone) {
    str text, message;
    struct node *top = NULL;
    uint32_t line, column;
    err e = kube_settings_read_file(r->c->a, path, &text);
    if (e == ERR_IO && errno == ENOENT && !alone) return OK; /* as kubectl has it */
    if (e != OK) {
        buf_printf(r->why, "%s: can not be read: %s\n", path,
                   e == ERR_LIMIT ? "it is longer than 1 MiB" : strerror(errno));
        return ERR_IO;
    }
    if (yaml_parse(r->c->a, text, 1, &top, &message, &line, &column) != OK) {
        buf_printf(r->why, "%s:%u:%u: " STR_FMT "\n", path, line, column, STR_ARG(message));
        return ERR_PROTO;
    }
    if (top && top->kind != NODE_MAP) {
        buf_printf(r->why, "%s:%u:%u: is no kubeconfig: expected an object\n", path, top->line, top->column);
        return ERR_PROTO;
    }
    const char *slash = strrchr(path, '/');
    str folder = slash ? (str){path, (size_t)(slash - path)} : S(".");
    r->files[r->n++] = (struct source){path, arena_str(r->c->a, folder), top};
    return OK;
}

static err read_sources(struct reader *r, const char *paths) {
    str rest = str_of(paths);
    bool alone = !strchr(paths, ':');
    while (rest.p) {
        str one = str_cut(&rest, ':');
        if (!one.n) continue;
        if (r->n == FILES_MAX) {
            buf_printf(r->why, "%s: more than %d files\n", paths, FILES_MAX);
            return ERR_PROTO;
        }
        TRY(read_source(r, arena_str(r->c->a, one).p, alone));
    }
    if (r->n) return OK;
    buf_printf(r->why, "%s: there is no such file\n", paths);
    return ERR_ABSENT;
}

/* A string member; not given when it is not there or empty. */
static str text_of(struct reader *r, const struct place *p, const char *field) {
    const struct node *n = p->node ? node_get(p->node, str_of(field)) : NULL;
    if (!n || yaml_is_null(n)) return (str){0};
    if (n->kind == NODE_SCALAR) return n->scalar.n ? n->scalar : (str){0};
    wrong_at(r, p, n, field, "must be a string");
    return (str){0};
}

static bool flag_of(struct reader *r, const struct place *p, const char *field) {
    const struct node *n = p->node ? node_get(p->node, str_of(field)) : NULL;
    bool v = false;
    if (n && !yaml_is_null(n) && !yaml_bool(n, &v)) wrong_at(r, p, n, field, "must be true or false");
    return v;
}

static const char *path_below(struct reader *r, const struct place *p, str path) {
    if (path.p[0] == '/') return arena_str(r->c->a, path).p;
    return arena_printf(r->c->a, STR_FMT "/" STR_FMT, STR_ARG(p->file->folder), STR_ARG(path)).p;
}

/* FIELD-data (base64) or FIELD, a path; the data counts. */
static struct kube_text pem_of(struct reader *r, const struct place *p, const char *field) {
    struct kube_text t = {0};
    str name = arena_printf(r->c->a, "%s-data", field);
    str data = text_of(r, p, name.p), path = text_of(r, p, field), probe;
    if (data.p) {
        if (base64_decode(r->c->a, data, &t.data) != OK)
            wrong_at(r, p, node_get(p->node, name), name.p, "is no base64");
        else if (!memmem(t.data.p, t.data.n, "-----BEGIN", 10))
            wrong_at(r, p, node_get(p->node, name), name.p, "holds no PEM");
    } else if (path.p) {
        t.path = path_below(r, p, path);
        if (kube_settings_read_file(r->c->a, t.path, &probe) != OK)
            wrong_at(r, p, node_get(p->node, str_of(field)), field, "%s can not be read: %s", t.path,
                     strerror(errno));
    }
    return t;
}

/* The entry of the list with the name, from the first file that has it: its member `inner`. */
static bool find(struct reader *r, const char *list, str name, const char *inner, const char *what,
                 struct place *ret) {
    for (unsigned i = 0; i < r->n; i++) {
        const struct node *l = node_get(r->files[i].top, str_of(list));
        for (const struct node *e = l && l->kind == NODE_SEQ ? l->child : NULL; e; e = e->next) {
            if (!str_eq(node_get_str(e, S("name")), name)) continue;
            const struct node *n = node_get(e, str_of(inner));
            *ret = (struct place){&r->files[i], n ? n : e, what};
            if (n && n->kind == NODE_MAP) return true;
            wrong_at(r, ret, NULL, "", "must be an object");
            return false;
        }
    }
    return false;
}

static void read_cluster(struct reader *r, const struct place *p) {
    struct kube_config *c = r->c;
    c->server = text_of(r, p, "server");
    while (c->server.n && c->server.p[c->server.n - 1] == '/') c->server.n--;
    bool https = str_starts(c->server, S("https://")), http = str_starts(c->server, S("http://"));
    if (!c->server.n)
        wrong_at(r, p, NULL, "server", "is required, as in https://10.0.0.1:6443");
    else if (!https && !http)
        wrong_at(r, p, node_get(p->node, S("server")), "server", "\"" STR_FMT "\" is no https:// address",
                 STR_ARG(str_upto(c->server, 200)));
    c->ca = pem_of(r, p, "certificate-authority");
    c->tls_server_name = text_of(r, p, "tls-server-name");
    c->proxy_url = text_of(r, p, "proxy-url");
    c->insecure = flag_of(r, p, "insecure-skip-tls-verify");
    if (c->insecure && kube_text_given(&c->ca))
        wrong_at(r, p, node_get(p->node, S("insecure-skip-tls-verify")), "insecure-skip-tls-verify",
                 "contradicts certificate-authority; remove one of them");
    else if (c->insecure)
        say(r, p, node_get(p->node, S("insecure-skip-tls-verify")), "insecure-skip-tls-verify",
            "the API server's certificate is not verified");
}

static char **words_of(struct reader *r, const struct place *p, const char *field, const char *first) {
    char **words = arena_array(r->c->a, char *, KUBE_EXEC_ARGS_MAX + 2);
    unsigned n = 0;
    if (first) words[n++] = (char *)(uintptr_t)first;
    const struct node *l = node_get(p->node, str_of(field));
    if (l && !yaml_is_null(l) && l->kind != NODE_SEQ) wrong_at(r, p, l, field, "must be a list");
    for (const struct node *e = l && l->kind == NODE_SEQ ? l->child : NULL; e; e = e->next) {
        bool env = strcmp(field, "env") == 0;
        str name = env ? node_get_str(e, S("name")) : (e->kind == NODE_SCALAR ? e->scalar : (str){0});
        str value = env ? node_get_str(e, S("value")) : S("");
        if (n >= KUBE_EXEC_ARGS_MAX || !name.p || memchr(name.p, 0, name.n)) {
            wrong_at(r, p, e, field,
                     n >= KUBE_EXEC_ARGS_MAX ? "has more than 64 entries" : "must be a string");
            break;
        }
        str word = env ? arena_printf(r->c->a, STR_FMT "=" STR_FMT, STR_ARG(name), STR_ARG(value))
                       : arena_str(r->c->a, name);
        words[n++] = (char *)(uintptr_t)word.p;
    }
    return words;
}

static void read_exec(struct reader *r, const struct place *user) {
    const struct node *n = node_get(user->node, S("exec"));
    if (!n || yaml_is_null(n)) return;
    struct place p = {user->file, n, "users[].user.exec"};
    if (n->kind != NODE_MAP) {
        wrong_at(r, &p, n, "", "must be an object");
        return;
    }
    str command = text_of(r, &p, "command"), version = text_of(r, &p, "apiVersion");
    if (!command.p) {
        wrong_at(r, &p, NULL, "command", "is required");
        return;
    }
    bool known = str_eq(version, S("client.authentication.k8s.io/v1")) ||
                 str_eq(version, S("client.authentication.k8s.io/v1beta1"));
    if (!known)
        wrong_at(r, &p, node_get(n, S("apiVersion")), "apiVersion",
                 "\"" STR_FMT "\" is not known; supported: client.authentication.k8s.io/v1, v1beta1",
                 STR_ARG(str_upto(version, 100)));
    if (str_eq(text_of(r, &p, "interactiveMode"), S("Always")))
        wrong_at(r, &p, node_get(n, S("interactiveMode")), "interactiveMode",
                 "Always needs a person at a terminal, and this program has none; use a plugin that works "
                 "without");
    struct kube_exec *x = arena_make(r->c->a, struct kube_exec);
    const char *path =
        str_find(command, '/') < command.n ? path_below(r, &p, command) : arena_str(r->c->a, command).p;
    x->api_version = arena_str(r->c->a, version).p;
    x->argv = words_of(r, &p, "args", path);
    x->env = words_of(r, &p, "env", NULL);
    x->hint = text_of(r, &p, "installHint");
    x->cluster_info = flag_of(r, &p, "provideClusterInfo");
    r->c->exec = x;
}

static void read_impersonation(struct reader *r, const struct place *p) {
    struct kube_config *c = r->c;
    c->as = text_of(r, p, "as");
    c->as_uid = text_of(r, p, "as-uid");
    const struct node *groups = node_get(p->node, S("as-groups"));
    if (groups && groups->kind == NODE_SEQ) {
        c->as_groups = arena_array(c->a, str, groups->n);
        for (const struct node *e = groups->child; e; e = e->next)
            if (e->kind == NODE_SCALAR) c->as_groups[c->as_groups_n++] = e->scalar;
    }
    if (!c->as.n && (c->as_uid.n || c->as_groups_n))
        wrong_at(r, p, NULL, "as", "is required with as-uid or as-groups");
    const struct node *extra = node_get(p->node, S("as-user-extra"));
    if (extra && extra->n) wrong_at(r, p, extra, "as-user-extra", "is not supported; remove it");
}

static void check_key_file(struct reader *r, const struct place *p) {
    struct stat st;
    const char *path = r->c->client_key.path;
    if (path && stat(path, &st) == 0 && st.st_mode & S_IROTH)
        say(r, p, node_get(p->node, S("client-key")), "client-key", "%s can be read by everybody; chmod 600",
            path);
}

static void read_user(struct reader *r, const struct place *p) {
    struct kube_config *c = r->c;
    c->client_cert = pem_of(r, p, "client-certificate");
    c->client_key = pem_of(r, p, "client-key");
    if (kube_text_given(&c->client_cert) != kube_text_given(&c->client_key))
        wrong_at(r, p, NULL, "", "client-certificate and client-key must be given together");
    check_key_file(r, p);
    str file = text_of(r, p, "tokenFile");
    c->token.data = text_of(r, p, "token");
    str probe;
    if (file.p) {
        c->token = (struct kube_text){.path = path_below(r, p, file)};
        if (kube_settings_read_file(c->a, c->token.path, &probe) != OK)
            wrong_at(r, p, node_get(p->node, S("tokenFile")), "tokenFile", "%s can not be read: %s",
                     c->token.path, strerror(errno));
    }
    read_exec(r, p);
    if (text_of(r, p, "username").p || text_of(r, p, "password").p)
        wrong_at(r, p, NULL, "username",
                 "names and passwords are not served by Kubernetes any more; use a token, "
                 "a certificate or exec");
    if (node_get(p->node, S("auth-provider")))
        wrong_at(r, p, node_get(p->node, S("auth-provider")), "auth-provider",
                 "is not served by Kubernetes any more; use exec");
    read_impersonation(r, p);
}

static str current_context(struct reader *r) {
    for (unsigned i = 0; i < r->n; i++) {
        struct place p = {&r->files[i], r->files[i].top, ""};
        str name = text_of(r, &p, "current-context");
        if (name.p) return name;
    }
    return (str){0};
}

static void list_contexts(struct reader *r) {
    unsigned n = 0;
    for (unsigned i = 0; i < r->n; i++) {
        const struct node *l = node_get(r->files[i].top, S("contexts"));
        for (const struct node *e = l && l->kind == NODE_SEQ ? l->child : NULL; e && n < 20; e = e->next, n++)
            buf_printf(r->why, "%s" STR_FMT, n ? ", " : "", STR_ARG(node_get_str(e, S("name"))));
    }
    buf_printf(r->why, n ? "\n" : "none\n");
}

static err read_context(struct reader *r, const char *context) {
    str name = context ? str_of(context) : current_context(r);
    if (!name.p) {
        buf_printf(r->why, "%s: current-context is not set; contexts: ", r->files[0].path);
        list_contexts(r);
        return ERR_PROTO;
    }
    struct place p, cluster, user;
    if (!find(r, "contexts", name, "context", "contexts[].context", &p)) {
        buf_printf(r->why, "%s: there is no context \"" STR_FMT "\"; contexts: ", r->files[0].path,
                   STR_ARG(name));
        list_contexts(r);
        return ERR_PROTO;
    }
    r->c->origin = arena_printf(r->c->a, "context " STR_FMT " of %s", STR_ARG(name), p.file->path);
    str ns = text_of(r, &p, "namespace");
    if (ns.p) r->c->ns = ns;
    str cluster_name = text_of(r, &p, "cluster"), user_name = text_of(r, &p, "user");
    if (find(r, "clusters", cluster_name, "cluster", "clusters[].cluster", &cluster))
        read_cluster(r, &cluster);
    else
        wrong_at(r, &p, node_get(p.node, S("cluster")), "cluster", "there is no cluster \"" STR_FMT "\"",
                 STR_ARG(cluster_name));
    if (!user_name.p) return OK; /* nobody in particular */
    if (find(r, "users", user_name, "user", "users[].user", &user))
        read_user(r, &user);
    else
        wrong_at(r, &p, node_get(p.node, S("user")), "user", "there is no user \"" STR_FMT "\"",
                 STR_ARG(user_name));
    return OK;
}

err kube_settings_from_files(const char *paths, const char *context, struct kube_config *c, struct buf *why) {
    struct reader r = {.c = c, .why = why};
    TRY(read_sources(&r, paths));
    TRY(read_context(&r, context));
    return r.wrong ? ERR_PROTO : OK;
}

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

void kube_settings_pod_path(void (*each)(void *arg, const char *path), void *arg) {
    if (access(POD_FOLDER, F_OK) == 0) each(arg, POD_FOLDER);
}
