/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files/files.h"
#include "files/source.h"
#include "io/log.h"

/* inotify tells of names in folders, so folders are what is watched: those below a root, those that the way to a root leads through (a part of it
 * may be a link that is turned, as in `current -> releases/7`, or not exist yet), and those that a link's target lies in (a mounted ConfigMap is
 * files -> `..data` -> a folder that is replaced). After a change of shape the watches are made anew in place: those that stay are never gone. */
enum {
    SHAPE = IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE,
    SELF = IN_DELETE_SELF | IN_MOVE_SELF,
    CONTENT = IN_CLOSE_WRITE | IN_ATTRIB, /* not IN_MODIFY: a file half written is no news */
    LINKS_MAX = 16,
};
enum entry_kind {
    ENTRY_WAY,    /* `name` is a step of the way to `report` */
    ENTRY_TREE,   /* a folder of manifests: report + "/" + name */
    ENTRY_TARGET, /* a link's target is in here: any name means `report` */
};
struct entry {
    struct entry *next;
    enum entry_kind kind;
    char *name, *report;
    uint64_t round;
};
struct dir {
    int wd;
    struct entry *entries;
};
struct files_watch {
    int fd;
    struct watched_root {
        char *path;
        bool file, contained; /* a certificate's; a tenant's */
    } * roots;
    size_t roots_n;
    struct map dirs;    /* by the bytes of wd */
    struct map visited; /* ways walked in this round */
    uint64_t round;
    bool exhausted; /* the kernel gave no further watch: said once */
};
struct taking { /* one files_watch_take() */
    struct files_watch *w;
    struct arena *a;
    struct map marks;
    bool reshape, all;
    uint32_t backup_cookie; /* of a rename that an editor begins to save with */
    str backup_of;
};

static void free_entry(struct entry *e) {
    free(e->name);
    free(e->report);
    free(e);
}

static void free_dir(struct files_watch *w, struct dir *d) {
    map_take(&w->dirs, (str){(const char *)&d->wd, sizeof d->wd});
    for (struct entry *e = d->entries, *next; e; e = next) {
        next = e->next;
        free_entry(e);
    }
    free(d);
}

static struct dir *dir_of(const struct files_watch *w, int wd) {
    return map_get(&w->dirs, (str){(const char *)&wd, sizeof wd});
}

/* true: the folder is there and watched. */
static bool watch(struct files_watch *w, const char *folder, enum entry_kind kind, uint32_t events,
                  const char *name, const char *report) {
    int wd = inotify_add_watch(w->fd, folder, events | IN_MASK_ADD | IN_ONLYDIR);
    if (wd < 0) {
        if (errno == ENOSPC && !w->exhausted) {
            log_warn("files watch path=\"%s\" err=\"no inotify watches left\" "
                     "remedy=\"raise fs.inotify.max_user_watches; changes there are seen on SIGHUP alone\"",
                     folder);
            w->exhausted = true;
        }
        return false;
    }
    struct dir *d = dir_of(w, wd);
    if (!d) {
        d = base_zalloc(sizeof *d);
        d->wd = wd;
        map_put(&w->dirs, (str){(const char *)&d->wd, sizeof d->wd}, d);
    }
    struct entry *e = d->entries;
    while (e && (e->kind != kind || strcmp(e->report, report) != 0 || strcmp(e->name, name) != 0))
        e = e->next;
    if (!e) {
        e = base_zalloc(sizeof *e);
        *e = (struct entry){.next = d->entries,
                            .kind = kind,
                            .name = str_dup(str_of(name)),
                            .report = str_dup(str_of(report))};
        d->entries = e;
    }
    e->round = w->round;
    return true;
}

/* "dir/target", or the target when it is absolute; free() it. */
static char *target_of(const char *link, const char *dir) {
    char target[PATH_MAX];
    ssize_t n = readlink(link, target, sizeof target - 1);
    if (n <= 0) return NULL;
    target[n] = 0;
    return target[0] == '/' ? str_dup(str_of(target)) : source_join(dir, target);
}

static char *dir_part(const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash) return str_dup(S("."));
    return str_dup((str){path, slash == path ? 1 : (size_t)(slash - path)});
}

static bool is_visited(struct files_watch *w, const char *dir, const char *step, const char *report) {
    size_t a = strlen(dir), b = strlen(step), c = strlen(report);
    char *key = base_alloc(a + b + c + 3);
    memcpy(key, dir, a + 1);
    memcpy(key + a + 1, step, b + 1);
    memcpy(key + a + b + 2, report, c + 1);
    str k = {key, a + b + c + 2};
    if (map_get(&w->visited, k)) {
        free(key);
        return true;
    }
    map_put(&w->visited, k, key);
    return false;
}

/* Watches each step of the way to path, through links as well: a change of one means `report`. */
static void watch_way(struct files_watch *w, const char *path, const char *report, unsigned links) {
    for (const char *end = path; *end;) {
        const char *start = end;
        while (*start == '/') start++;
        end = start;
        while (*end && *end != '/') end++;
        if (end == start) return;
        char *step = str_dup((str){start, (size_t)(end - start)});
        char *prefix = str_dup((str){path, (size_t)(end - path)}), *dir = dir_part(prefix), *target = NULL;
        bool last = !*end, there = true;
        if (!is_visited(w, dir, step, report)) {
            there = watch(w, dir, ENTRY_WAY, SHAPE | SELF | (last ? CONTENT : 0u), step, report);
            target = there && links < LINKS_MAX ? target_of(prefix, dir) : NULL;
        }
        if (target) watch_way(w, target, report, links + 1);
        free(target);
        free(dir);
        free(prefix);
        free(step);
        if (!there) return; /* the step before tells when it comes */
    }
}

/* A link in a folder of manifests: what its target goes through, and the folder that holds the target. */
static void watch_link(struct files_watch *w, const char *link, const char *report, unsigned links) {
    char *dir = dir_part(link), *target = target_of(link, dir);
    if (target) {
        char *target_dir = dir_part(target);
        watch_way(w, target_dir, report, links + 1);
        if (strcmp(target_dir, dir) != 0)
            watch(w, target_dir, ENTRY_TARGET, SHAPE | SELF | CONTENT, "", report);
        struct stat st;
        if (links < LINKS_MAX && lstat(target, &st) == 0 && S_ISLNK(st.st_mode))
            watch_link(w, target, report, links + 1);
        free(target_dir);
    }
    free(target);
    free(dir);
}

static void on_found(void *arg, const struct source_found *f) {
    struct files_watch *w = arg;
    if (f->kind == SOURCE_FOLDER) watch(w, f->path, ENTRY_TREE, SHAPE | SELF | CONTENT, "", f->path);
    if (!f->link) return;
    char *dir = dir_part(f->path);
    watch_link(w, f->path, dir, 0); /* the folder is looked at as a whole: one entry for all its links */
    free(dir);
}

static void drop_stale(struct files_watch *w) {
    struct dir **stale = base_alloc((w->dirs.n + 1) * sizeof(struct dir *));
    size_t n = 0;
    map_each (it, &w->dirs) {
        struct dir *d = it->value;
        for (struct entry **at = &d->entries, *e; (e = *at);) {
            if (e->round == w->round) {
                at = &e->next;
            } else {
                *at = e->next;
                free_entry(e);
            }
        }
        if (!d->entries) stale[n++] = d;
    }
    for (size_t i = 0; i < n; i++) {
        inotify_rm_watch(w->fd, stale[i]->wd);
        free_dir(w, stale[i]);
    }
    free(stale);
}

static void watch_all(struct files_watch *w) {
    w->round++;
    for (size_t i = 0; i < w->roots_n; i++) {
        const struct watched_root *r = &w->roots[i];
        watch_way(w, r->path, r->path, 0);
        char *inside = r->contained ? realpath(r->path, NULL) : NULL;
        if (!r->file && (inside || !r->contained)) source_walk(r->path, inside, on_found, w);
        free(inside);
    }
    map_each (it, &w->visited) free(it->value);
    map_fini(&w->visited);
    map_init(&w->visited);
    drop_stale(w);
}

static void add_root(struct files_watch *w, const char *path, bool file, bool contained) {
    w->roots[w->roots_n++] = (struct watched_root){source_normal(path), file, contained};
}

err files_watch_new(struct files_watch **ret, const struct files_config *c) {
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0) return ERR_IO;
    struct files_watch *w = base_zalloc(sizeof *w);
    w->fd = fd;
    w->roots = base_zalloc((c->roots_n + 2 * c->pairs_n + 1) * sizeof *w->roots);
    for (size_t i = 0; i < c->roots_n; i++) add_root(w, c->roots[i].path, false, c->roots[i].tenant);
    for (size_t i = 0; i < c->pairs_n; i++) {
        add_root(w, c->pairs[i].cert, true, false);
        add_root(w, c->pairs[i].key, true, false);
    }
    watch_all(w);
    *ret = w;
    return OK;
}

void files_watch_free(struct files_watch *w) {
    if (!w) return;
    w->round++;
    drop_stale(w);
    map_fini(&w->dirs);
    for (size_t i = 0; i < w->roots_n; i++) free(w->roots[i].path);
    free(w->roots);
    close(w->fd);
    free(w);
}

int files_watch_fd(const struct files_watch *w) { return w->fd; }

static void mark(struct taking *t, str path) {
    if (map_get(&t->marks, path)) return;
    path = arena_str(t->a, path);
    map_put(&t->marks, path, (void *)(uintptr_t)path.p);
}

static str below(struct taking *t, const char *dir, const char *name) {
    char *path = source_join(dir, name);
    str s = arena_str(t->a, str_of(path));
    free(path);
    return s;
}

/* Editors save by moving the file to "name~" and writing it anew. Between the two it is not there, and taking that for its end would drop
 * traffic: the file stays in force until it is written, or until its backup goes as well. true: the event is no more than that. */
static bool is_backup(struct taking *t, const struct entry *e, const struct inotify_event *ev) {
    size_t n = strlen(ev->name);
    if (ev->mask & IN_MOVED_FROM) {
        t->backup_cookie = ev->cookie;
        t->backup_of = below(t, e->report, ev->name);
        return false;
    }
    if (n < 2 || ev->name[n - 1] != '~') return false;
    str of = below(t, e->report, ev->name);
    of.n--;
    if ((ev->mask & IN_MOVED_TO) && ev->cookie == t->backup_cookie && str_eq(of, t->backup_of)) {
        map_take(&t->marks, of);
        return true;
    }
    if (ev->mask & (IN_DELETE | IN_MOVED_FROM)) mark(t, of);
    return true;
}

static void on_tree(struct taking *t, const struct entry *e, const struct inotify_event *ev) {
    const char *name = ev->name;
    if (name[0] == '.') {
        if (name[1] == '.') mark(t, str_of(e->report)), t->reshape = true; /* a ConfigMap's ..data turned */
        return;
    }
    str path = below(t, e->report, name);
    if (ev->mask & IN_ISDIR) {
        if (ev->mask & (SHAPE | IN_ATTRIB)) mark(t, path), t->reshape = true;
        return;
    }
    struct stat st;
    bool comes = ev->mask & (IN_CREATE | IN_MOVED_TO), goes = ev->mask & (IN_DELETE | IN_MOVED_FROM);
    bool link = comes && lstat(path.p, &st) == 0 && S_ISLNK(st.st_mode);
    if (link) t->reshape = true;
    if (is_backup(t, e, ev)) return;
    if (!source_is_manifest(str_of(name))) {
        if (link || goes) mark(t, path); /* it may be a link to a folder */
        return;
    }
    /* Just made and still empty: its writer is about to fill it, and IN_CLOSE_WRITE will tell. */
    if ((ev->mask & IN_CREATE) && !link && stat(path.p, &st) == 0 && st.st_size == 0) return;
    mark(t, path);
}

static void on_way(struct taking *t, const struct entry *e, const struct inotify_event *ev) {
    if (strcmp(ev->name, e->name) != 0) return;
    struct stat st;
    if (ev->mask & SHAPE) t->reshape = true;
    bool empty = stat(e->report, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0;
    if ((ev->mask & IN_CREATE) && empty) return;
    mark(t, str_of(e->report));
}

static void on_event(struct taking *t, const struct inotify_event *ev) {
    if (ev->mask & IN_Q_OVERFLOW) {
        t->all = t->reshape = true;
        return;
    }
    struct dir *d = dir_of(t->w, ev->wd);
    if (!d) return;
    bool self = !ev->len || (ev->mask & (SELF | IN_IGNORED | IN_UNMOUNT));
    for (struct entry *e = d->entries; e; e = e->next) {
        if (self) {
            if (ev->mask & (SELF | IN_IGNORED | IN_UNMOUNT)) mark(t, str_of(e->report)), t->reshape = true;
        } else if (e->kind == ENTRY_TREE) {
            on_tree(t, e, ev);
        } else if (e->kind == ENTRY_WAY) {
            on_way(t, e, ev);
        } else {
            if (ev->mask & SHAPE) t->reshape = true;
            mark(t, str_of(e->report));
        }
    }
    /* A watch follows its folder to another name: there it is none of ours. */
    if (ev->mask & (IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)) {
        if (ev->mask & IN_MOVE_SELF) inotify_rm_watch(t->w->fd, d->wd);
        free_dir(t->w, d);
    }
}

str *files_watch_take(struct files_watch *w, struct arena *a, size_t *ret_n, bool *ret_all) {
    struct taking t = {.w = w, .a = a};
    union {
        struct inotify_event event;
        char bytes[1 << 16];
    } in;
    for (ssize_t n; (n = read(w->fd, &in, sizeof in)) > 0 || (n < 0 && errno == EINTR);) {
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *ev = (const void *)(in.bytes + at);
            on_event(&t, ev);
            at += (ssize_t)(sizeof *ev + ev->len);
        }
    }
    if (t.reshape) watch_all(w);
    size_t n = 0;
    struct map_entry *sorted = map_sorted(&t.marks, &n);
    str *paths = arena_array(a, str, n + 1);
    for (size_t i = 0; i < n; i++) paths[i] = sorted[i].key;
    free(sorted);
    map_fini(&t.marks);
    *ret_n = n;
    *ret_all = t.all;
    return paths;
}
