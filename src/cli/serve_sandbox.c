/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/serve_sandbox.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/log.h"
#include "io/privileges.h"
#include "io/sandbox.h"
#include "kube/kube_config.h"

/* What libraries read: certificates of authorities, OpenSSL's settings, how names are resolved, and themselves when they are loaded late. */
static const char *const public_places[] = {
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls",
    "/etc/pki/ca-trust",
    "/etc/ca-certificates",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/usr/share/pki",
    "/etc/crypto-policies",
    "/usr/share/crypto-policies",
    "/etc/ld.so.cache",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/dev/urandom",
    "/dev/null",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/nsswitch.conf",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/proc/self",
};
static const char *const named_by_environment[] = {"SSL_CERT_FILE", "SSL_CERT_DIR", "OPENSSL_CONF",
                                                   "OPENSSL_MODULES", "LD_LIBRARY_PATH"};
enum { KUBE_WHY_BYTES_MAX = 1 << 16 };

err serve_sandbox_read(const struct cli_options *o, struct serve_sandbox *s) {
    static const char *const choices[] = {"on", "off", NULL};
    const char *user = options_get(o, "user", NULL);
    size_t choice;
    struct buf why;
    *s = (struct serve_sandbox){0};
    TRY(options_choice(o, "sandbox", choices, &choice));
    s->on = choice == 0;
    if (!user) return OK;
    buf_init(&why, 1024);
    err e = privileges_become(user, &why);
    if (e != OK) (void)options_wrong(o->command, "--user \"%s\": " STR_FMT, user, STR_ARG(buf_str(&why)));
    buf_fini(&why);
    return e == OK ? OK : ERR_PROTO;
}

void serve_sandbox_supervisor(const struct serve_sandbox *s) {
    privileges_hide_memory(); /* both processes: whoever knows the seed of tickets reads what was sealed by it */
    if (s->on && privileges_keep_ports() != OK)
        log_warn("sandbox privileges=kept process=supervisor err=\"%s\"", strerror(errno));
}

/* Paths with ':' between them. */
static void follow_list(struct sandbox *s, const char *list) {
    for (str rest = str_of(list ? list : ""); rest.n;) {
        str one = str_cut(&rest, ':');
        char *path = str_dup(one);
        if (one.n) sandbox_follow(s, path);
        free(path);
    }
}

static void allow_public(struct sandbox *s) {
    char real[PATH_MAX];
    for (size_t i = 0; i < COUNT_OF(public_places); i++) sandbox_allow(s, public_places[i], LANDLOCK_READS);
    for (size_t i = 0; i < COUNT_OF(named_by_environment); i++)
        follow_list(s, getenv(named_by_environment[i]));
    /* Who writes these two anew moves another file in place. Root would be shown the secrets of the machine with them. */
    if (geteuid() != 0) sandbox_allow(s, "/etc", LANDLOCK_READS);
    if (realpath("/etc/resolv.conf", real) && strncmp(real, "/etc/", 5) != 0) sandbox_follow(s, real);
}

static void allow_files(struct sandbox *s, const struct files_config *f) {
    for (size_t i = 0; i < f->roots_n; i++) {
        sandbox_follow(s, f->roots[i].path);
        if (!f->roots[i].tenant) sandbox_follow_links(s, f->roots[i].path);
    }
    for (size_t i = 0; i < f->pairs_n; i++) {
        sandbox_follow(s, f->pairs[i].cert);
        sandbox_follow(s, f->pairs[i].key);
    }
}

/* A file may be moved away and made again; what is no file (a pipe, a device) is itself alone. */
static void allow_log(struct sandbox *s, const char *to) {
    struct stat st;
    char folder[PATH_MAX], real[PATH_MAX];
    if (!to || strcmp(to, "-") == 0) to = "/proc/self/fd/1";
    if (strncmp(to, "unix:", 5) == 0) return; /* who connects makes nothing */
    bool there = stat(to, &st) == 0;
    sandbox_allow(s, to, LANDLOCK_APPENDS);
    if (there && !S_ISREG(st.st_mode)) return;
    if (!there || !realpath(to, real)) snprintf(real, sizeof real, "%s", to);
    for (int i = 0; i < 2; i++) {
        const char *path = i ? real : to, *slash = strrchr(path, '/');
        snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
        sandbox_allow(s, folder[0] ? folder : "/", LANDLOCK_APPENDS);
    }
}

static void allow_control_socket(struct sandbox *s, const char *path) {
    char folder[PATH_MAX];
    const char *slash = path ? strrchr(path, '/') : NULL;
    if (!slash) return;
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    sandbox_allow(s, folder, LANDLOCK_LISTENS);
}

static void follow(void *sandbox, const char *path) { sandbox_follow(sandbox, path); }

/* What is wrong with it is told by who follows the API server. */
static struct kube_config *load_cluster(const struct control_config *c) {
    struct kube_config *k = NULL;
    struct buf why;
    if (!c->cluster) return NULL;
    buf_init(&why, KUBE_WHY_BYTES_MAX);
    struct kube_config_options o = {.kubeconfig = c->cluster->kubeconfig, .context = c->cluster->context};
    if (kube_config_load(&o, &k, &why) != OK) k = NULL;
    buf_fini(&why);
    return k;
}

void serve_sandbox_serving(struct serve_sandbox *s, struct control_config *c) {
    c->sandbox = "off";
    if (!s->on) {
        log_warn("sandbox off user=%u remedy=\"start without --sandbox off\"", geteuid());
        return;
    }
    struct buf words;
    buf_init(&words, sizeof s->words - 1);
    OWNED(kube_config) k = load_cluster(c);
    struct sandbox_config of = {.programs = k && kube_config_starts_programs(k),
                                .keeps_abstract = c->notify_socket && c->notify_socket[0] == '@'};
    OWNED(sandbox) box = sandbox_new(&of);
    allow_public(box);
    allow_files(box, &c->files);
    if (c->cluster) kube_config_each_path(k, c->cluster->kubeconfig, follow, box);
    allow_log(box, c->access_to);
    allow_control_socket(box, c->socket_path);
    sandbox_allow_port(box, c->admin_port);
    sandbox_allow_port(box, c->health_port);
    sandbox_begin(box, &words);
    snprintf(s->words, sizeof s->words, STR_FMT, STR_ARG(buf_str(&words)));
    c->sandbox = s->words;
    buf_fini(&words);
}
