/* SPDX-License-Identifier: Apache-2.0 */
#include "files/source.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

char *source_normal(const char *path) {
    size_t n = strlen(path), at = 0;
    char *p = base_alloc(n + 2);
    while (path[0] == '.' && path[1] == '/') {
        path += 2;
        while (*path == '/') path++;
    }
    for (; *path; path++) {
        if (at && p[at - 1] == '/' && (*path == '/' || (path[0] == '.' && (path[1] == '/' || !path[1]))))
            continue;
        p[at++] = *path;
    }
    while (at > 1 && p[at - 1] == '/') at--;
    if (at == 0) p[at++] = '.';
    p[at] = 0;
    return p;
}

bool source_is_manifest(str name) {
    if (name.n == 0 || name.p[0] == '.') return false;
    return str_ends(name, S(".yaml")) || str_ends(name, S(".yml")) || str_ends(name, S(".json"));
}

char *source_join(const char *dir, const char *name) {
    size_t dir_n = strcmp(dir, ".") == 0 ? 0 : strlen(dir), name_n = strlen(name);
    char *p = base_alloc(dir_n + name_n + 2);
    memcpy(p, dir, dir_n);
    if (dir_n && p[dir_n - 1] != '/') p[dir_n++] = '/';
    memcpy(p + dir_n, name, name_n + 1);
    return p;
}

struct walk {
    void (*visit)(void *arg, const struct source_found *f);
    void *arg;
    struct {
        dev_t dev;
        ino_t ino;
    } above[SOURCE_DEPTH_MAX]; /* the folders that lead here: a link back to one of them is not followed */
    unsigned depth;
    const char *inside; /* where links must not lead out of, or NULL */
};
static void walk_folder(struct walk *w, const char *path, bool link);

static void walk_entry(struct walk *w, const char *dir, const struct dirent *e) {
    if (e->d_name[0] == '.') return;
    bool manifest = source_is_manifest(str_of(e->d_name));
    bool link = e->d_type == DT_LNK, folder = e->d_type == DT_DIR, file = e->d_type == DT_REG;
    if (file && !manifest) return;
    char *path = source_join(dir, e->d_name);
    struct stat st;
    if (!folder && !file) { /* a link, or a file system that does not tell */
        if (e->d_type == DT_UNKNOWN) link = lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
        bool there = stat(path, &st) == 0;
        folder = there && S_ISDIR(st.st_mode);
        file = there && !folder; /* a pipe is reported by whoever opens it */
    }
    if (folder) {
        walk_folder(w, path, link);
    } else if (manifest && (file || link)) {
        w->visit(w->arg, &(struct source_found){SOURCE_FILE, link, path, NULL});
    }
    free(path);
}

bool source_is_in(str path, str folder) {
    if (str_eq(folder, S("."))) return path.n && path.p[0] != '/' && !str_starts(path, S("../"));
    if (!str_starts(path, folder)) return false;
    return path.n == folder.n || path.p[folder.n] == '/' || folder.p[folder.n - 1] == '/';
}

static bool leads_out(const struct walk *w, const char *path) {
    char *real = realpath(path, NULL);
    bool out = !real || !source_is_in(str_of(real), str_of(w->inside));
    free(real);
    return out;
}

/* Folders lie in each other at most SOURCE_DEPTH_MAX deep. */
static void walk_folder(struct walk *w, const char *path, bool link) {
    struct stat st;
    if (stat(path, &st) < 0) return;
    for (unsigned i = 0; i < w->depth; i++)
        if (w->above[i].dev == st.st_dev && w->above[i].ino == st.st_ino) return;
    if (w->depth == SOURCE_DEPTH_MAX) {
        w->visit(w->arg,
                 &(struct source_found){SOURCE_TROUBLE, link, path, "too many folders in each other"});
        return;
    }
    if (w->inside && (link || w->depth == 0) && leads_out(w, path)) {
        w->visit(w->arg,
                 &(struct source_found){SOURCE_TROUBLE, false, path, "the link leads out of the folder"});
        return;
    }
    w->visit(w->arg, &(struct source_found){SOURCE_FOLDER, link, path, NULL});
    DIR *d = opendir(path);
    if (!d) {
        w->visit(w->arg, &(struct source_found){SOURCE_TROUBLE, link, path, strerror(errno)});
        return;
    }
    w->above[w->depth].dev = st.st_dev, w->above[w->depth].ino = st.st_ino;
    w->depth++;
    for (const struct dirent *e; (e = readdir(d));) walk_entry(w, path, e);
    w->depth--;
    closedir(d);
}

void source_walk(const char *folder, const char *inside,
                 void (*visit)(void *arg, const struct source_found *f), void *arg) {
    struct walk w = {.visit = visit, .arg = arg, .inside = inside};
    walk_folder(&w, folder, false);
}
