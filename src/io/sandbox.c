/* SPDX-License-Identifier: Apache-2.0 */
#include "io/sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/log.h"
#include "io/privileges.h"
#include "io/syscalls.h"

enum { LINKS_MAX = 4096, DEPTH_MAX = 32 };
struct sandbox {
    struct sandbox_config c;
    struct landlock *landlock; /* NULL: there is none, or it is not for us */
    unsigned links;
};

struct sandbox *sandbox_new(const struct sandbox_config *c) {
    struct sandbox *s = base_zalloc(sizeof *s);
    s->c = *c;
    if (!c->programs && landlock_version() && landlock_new(!c->keeps_abstract, &s->landlock) != OK)
        log_warn("sandbox files err=\"%s\"", strerror(errno));
    return s;
}

void sandbox_free(struct sandbox *s) {
    if (!s) return;
    landlock_free(s->landlock);
    free(s);
}

void sandbox_allow(struct sandbox *s, const char *path, enum landlock_use use) {
    if (s->landlock && landlock_allow(s->landlock, path, use) != OK)
        log_warn("sandbox path=\"%s\" err=\"%s\"", path, strerror(errno));
}

void sandbox_allow_port(struct sandbox *s, uint16_t port) {
    if (s->landlock && landlock_allow_port(s->landlock, port) != OK)
        log_warn("sandbox port=%u err=\"%s\"", port, strerror(errno));
}

/* The folder of a path, into p: "." for a bare name. */
static void folder_of(const char *path, char p[PATH_MAX]) {
    snprintf(p, PATH_MAX, "%s", path);
    size_t n = strlen(p);
    while (n > 1 && p[n - 1] == '/') p[--n] = 0;
    char *slash = strrchr(p, '/');
    if (!slash)
        snprintf(p, PATH_MAX, ".");
    else
        slash[slash == p] = 0;
}

void sandbox_follow(struct sandbox *s, const char *path) {
    char folder[PATH_MAX], real[PATH_MAX];
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        sandbox_allow(s, path, LANDLOCK_READS);
        return;
    }
    folder_of(path, folder);
    while (stat(folder, &st) < 0 && strcmp(folder, "/") != 0 && strcmp(folder, ".") != 0) {
        char below[PATH_MAX];
        memcpy(below, folder, sizeof below);
        folder_of(below, folder);
    }
    sandbox_allow(s, folder, LANDLOCK_READS);
    if (!realpath(path, real)) return;
    folder_of(real, folder);
    sandbox_allow(s, folder, LANDLOCK_READS);
}

static bool is_below(const char *path, const char *top) {
    size_t n = strlen(top);
    return strncmp(path, top, n) == 0 && (!path[n] || path[n] == '/' || top[n - 1] == '/');
}

static void follow_links(struct sandbox *s, const char *folder, const char *top, unsigned depth) {
    char path[PATH_MAX], real[PATH_MAX];
    DIR *d = depth < DEPTH_MAX ? opendir(folder) : NULL;
    for (const struct dirent *e; d && s->links < LINKS_MAX && (e = readdir(d));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        if (snprintf(path, sizeof path, "%s/%s", folder, e->d_name) >= (int)sizeof path) continue;
        if (e->d_type == DT_DIR) follow_links(s, path, top, depth + 1);
        if (e->d_type != DT_LNK || !realpath(path, real) || is_below(real, top)) continue;
        s->links++;
        sandbox_follow(s, real);
    }
    if (d) closedir(d);
}

void sandbox_follow_links(struct sandbox *s, const char *folder) {
    char top[PATH_MAX];
    if (s->landlock && realpath(folder, top)) follow_links(s, folder, top, 0);
}

static void tell(struct buf *words, const char *what) {
    buf_printf(words, "%s%s", words->n ? " " : "", what);
}

static void limit_files(struct sandbox *s, struct buf *words) {
    char text[32];
    const char *why = s->c.programs         ? "programs are started"
                      : !landlock_version() ? "the kernel has no Landlock, or it is off"
                                            : NULL;
    if (!why && (!s->landlock || landlock_begin(s->landlock) != OK)) why = strerror(errno);
    if (why) log_warn("sandbox files=all err=\"%s\"", why);
    snprintf(text, sizeof text, "landlock=%d", landlock_version());
    if (!why) tell(words, text);
}

static void limit_calls(const struct sandbox *s, struct buf *words) {
    err e = syscalls_limit(s->c.programs);
    if (e == OK)
        tell(words, syscalls_all_known() ? "seccomp" : "seccomp=partly");
    else
        log_warn("sandbox system_calls=all err=\"%s\"",
                 e == ERR_ABSENT ? "the kernel has no seccomp" : strerror(errno));
}

void sandbox_begin(struct sandbox *s, struct buf *words) {
    if (privileges_drop() == OK)
        tell(words, "no_new_privs capabilities=none");
    else
        log_warn("sandbox privileges=kept err=\"%s\"", strerror(errno));
    privileges_hide_memory();
    limit_files(s, words);
    limit_calls(s, words);
    log_info("sandbox user=%u holds=\"" STR_FMT "\"", geteuid(), STR_ARG(buf_str(words)));
}
