/* SPDX-License-Identifier: Apache-2.0 */
#include "files/files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/num.h"
#include "files/document.h"
#include "files/source.h"
#include "io/clock.h"

enum {
    FILE_BYTES_MAX = 256 << 20,
    AGAIN_ROUNDS_MAX = 8,
    /* A file written this shortly before it was read may be written again within the same tick of the file system's clock. */
    TICK_NS = 50000000,
    HUGE_PAGE = 2 << 20,
};

/* A path that can not be read: a root that is not there, a folder without permission. What was known below it stays. */
struct trouble {
    char *path, *why;
};
struct files {
    char **roots;
    size_t roots_n;
    struct map by_path;  /* struct document_file */
    struct map troubles; /* struct trouble */
    struct map marks;    /* paths to look at; the value is the key's own memory */
    bool all;
    uint64_t walk; /* counts them, so that a walk knows what it met */
    struct claims claims;
    struct arena *scratch;
    char *room; /* what a file is read into */
    size_t room_bytes, room_used;
    struct files_work *work; /* of the read under way */
    bool force;              /* read what looks unchanged, too */
};

struct files *files_new(const char *const *paths, size_t n) {
    struct files *fs = base_zalloc(sizeof *fs);
    fs->roots = base_zalloc((n + 1) * sizeof *fs->roots);
    for (size_t i = 0; i < n; i++) fs->roots[i] = source_normal(paths[i]);
    fs->roots_n = n;
    fs->all = true;
    claim_init(&fs->claims);
    fs->scratch = arena_new();
    return fs;
}

static void free_file(struct files *fs, struct document_file *f) {
    document_clear(f, &fs->claims);
    free(f->trouble);
    free((void *)(uintptr_t)f->path.p);
    free(f);
}

static void free_trouble(struct trouble *t) {
    if (!t) return;
    free(t->path);
    free(t->why);
    free(t);
}

void files_free(struct files *fs) {
    if (!fs) return;
    map_each (e, &fs->by_path) free_file(fs, e->value);
    map_each (e, &fs->troubles) free_trouble(e->value);
    map_each (e, &fs->marks) free(e->value);
    map_fini(&fs->by_path);
    map_fini(&fs->troubles);
    map_fini(&fs->marks);
    claim_fini(&fs->claims);
    arena_free(fs->scratch);
    free(fs->room);
    for (size_t i = 0; i < fs->roots_n; i++) free(fs->roots[i]);
    free(fs->roots);
    free(fs);
}

void files_mark(struct files *fs, str path) {
    if (path.n == 0) fs->all = true;
    if (fs->all || map_get(&fs->marks, path)) return;
    char *copy = str_dup(path);
    map_put(&fs->marks, str_of(copy), copy);
}

static void set_trouble(struct files *fs, const char *path, const char *why) {
    free_trouble(map_take(&fs->troubles, str_of(path)));
    if (!why) return;
    struct trouble *t = base_alloc(sizeof *t);
    *t = (struct trouble){str_dup(str_of(path)), str_dup(str_of(why))};
    map_put(&fs->troubles, str_of(t->path), t);
}

static bool is_root(const struct files *fs, const char *path) {
    for (size_t i = 0; i < fs->roots_n; i++)
        if (strcmp(fs->roots[i], path) == 0) return true;
    return false;
}

static bool is_below(str path, const char *folder) {
    size_t n = strlen(folder);
    if (strcmp(folder, ".") == 0) return path.n && path.p[0] != '/' && !str_starts(path, S("../"));
    if (path.n <= n || memcmp(path.p, folder, n) != 0) return false;
    return path.p[n] == '/' || folder[n - 1] == '/';
}

/* The file and everything below a folder of this name are gone, but for what the walk `met` (0: none). What the user names is never
 * forgotten: it stays in force until it can be read again. */
static void forget(struct files *fs, const char *path, uint64_t met, bool itself) {
    struct document_file **gone = NULL;
    size_t n = 0, cap = 0;
    map_each (e, &fs->by_path) {
        struct document_file *f = e->value;
        bool below = is_below(f->path, path) || (itself && str_eq(f->path, str_of(path)));
        bool kept = f->seen == met || (is_root(fs, f->path.p) && !str_eq(f->path, str_of(path)));
        if (!below || kept) continue;
        if (n == cap) gone = base_realloc(gone, (cap = cap ? cap * 2 : 8) * sizeof *gone);
        gone[n++] = f;
    }
    for (size_t i = 0; i < n; i++) {
        map_take(&fs->by_path, gone[i]->path);
        free_file(fs, gone[i]);
    }
    free(gone);
}

static struct document_signature sign(const struct stat *st) {
    return (struct document_signature){
        .dev = st->st_dev,
        .ino = st->st_ino,
        .size = (uint64_t)st->st_size,
        .mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
        .ctime_ns = (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec,
    };
}

static bool is_signature(const struct document_signature *a, const struct document_signature *b) {
    return a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->mtime_ns == b->mtime_ns &&
           a->ctime_ns == b->ctime_ns;
}

/* Room for n bytes, kept from file to file: reading 40 MB into fresh pages takes twice as long as into known ones, and huge ones are known
 * soonest. */
static void make_room(struct files *fs, size_t n) {
    if (n <= fs->room_bytes) return;
    size_t bytes = num_round_up(n, HUGE_PAGE);
    char *p = aligned_alloc(HUGE_PAGE, bytes);
    if (!p) base_out_of_memory(bytes);
    madvise(p, bytes, MADV_HUGEPAGE);
    if (fs->room_used) memcpy(p, fs->room, fs->room_used);
    free(fs->room);
    fs->room = p, fs->room_bytes = bytes;
}

/* All of it into the room. NULL: done; else why not. */
static const char *read_whole(struct files *fs, int fd, size_t expected) {
    fs->room_used = 0;
    make_room(fs, expected + 1);
    for (;;) {
        make_room(fs, fs->room_used + 1);
        ssize_t got = read(fd, fs->room + fs->room_used, fs->room_bytes - fs->room_used);
        if (got == 0) return NULL;
        if (got < 0 && errno != EINTR) return strerror(errno);
        if (got > 0) fs->room_used += (size_t)got;
        if (fs->room_used > FILE_BYTES_MAX) return "is larger than 256 MiB";
    }
}

static const char *read_open_file(struct files *fs, struct document_file *f, int fd) {
    struct stat st;
    if (fstat(fd, &st) < 0) return strerror(errno);
    if (!S_ISREG(st.st_mode)) return "is neither a file nor a folder";
    if (st.st_size > FILE_BYTES_MAX) return "is larger than 256 MiB";
    struct document_signature now = sign(&st);
    if (!fs->force && !f->again && !f->trouble && is_signature(&now, &f->signature)) return NULL;
    int64_t read_ns = clock_wall_us() * 1000;
    const char *why = read_whole(fs, fd, (size_t)st.st_size);
    if (why) return why;
    fs->work->files_read++;
    f->signature = now;
    f->again = read_ns - now.mtime_ns < TICK_NS;
    document_update(f, (str){fs->room, fs->room_used}, &fs->claims, fs->scratch,
                    &fs->work->documents_decoded);
    return NULL;
}

/* A file that can not be read keeps what it said. */
static void read_file(struct files *fs, const char *path) {
    struct document_file *f = map_get(&fs->by_path, str_of(path));
    if (!f) {
        f = base_zalloc(sizeof *f);
        f->path = str_of(str_dup(str_of(path)));
        f->again = true;
        map_put(&fs->by_path, f->path, f);
    }
    f->seen = fs->walk;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* a pipe must not hold us up */
    const char *why = fd < 0 ? strerror(errno) : read_open_file(fs, f, fd);
    char *trouble = why ? str_dup(str_of(why)) : NULL;
    if (fd >= 0) close(fd);
    free(f->trouble);
    f->trouble = trouble;
}

/* What lies below stays as it is known. */
static void keep_below(struct files *fs, const char *path) {
    map_each (e, &fs->by_path) {
        struct document_file *f = e->value;
        if (is_below(f->path, path)) f->seen = fs->walk;
    }
}

static void on_found(void *arg, const struct source_found *found) {
    struct files *fs = arg;
    switch (found->kind) {
    case SOURCE_FOLDER: set_trouble(fs, found->path, NULL); break;
    case SOURCE_FILE: read_file(fs, found->path); break;
    case SOURCE_TROUBLE:
        set_trouble(fs, found->path, found->why);
        keep_below(fs, found->path);
        break;
    }
}

/* Looks at what is at the path now. A path below a hidden name never gets here. */
static void look(struct files *fs, const char *path, bool force) {
    struct stat st;
    bool root = is_root(fs, path);
    fs->walk++;
    if (stat(path, &st) < 0) {
        bool absent = errno == ENOENT || errno == ENOTDIR;
        if (root || !absent) {
            set_trouble(fs, path, strerror(errno));
        } else {
            set_trouble(fs, path, NULL);
            forget(fs, path, 0, true);
        }
        return;
    }
    set_trouble(fs, path, NULL);
    const char *slash = strrchr(path, '/');
    str name = str_of(slash ? slash + 1 : path);
    if (S_ISDIR(st.st_mode)) {
        fs->force = force && fs->all;
        source_walk(path, on_found, fs);
        forget(fs, path, fs->walk, true);
    } else if (root || source_is_manifest(name)) {
        fs->force = force;
        read_file(fs, path);
        forget(fs, path, fs->walk, false);
    }
}

/* Its file must be read although it is as it was: a document whose object another one had hidden comes to the front. */
static void decode_again(void *arg, struct document *d) {
    struct files *fs = arg;
    document_decode_again(d);
    char *path = str_dup(d->file->path);
    if (map_get(&fs->marks, str_of(path))) {
        free(path);
    } else {
        map_put(&fs->marks, str_of(path), path);
    }
}

static void look_at_marks(struct files *fs) {
    struct map marks = fs->marks;
    map_init(&fs->marks);
    size_t n;
    struct map_entry *sorted = map_sorted(&marks, &n);
    for (size_t i = 0; i < n; i++) {
        look(fs, sorted[i].value, true);
        free(sorted[i].value);
    }
    free(sorted);
    map_fini(&marks);
}

static void report(const struct files *fs, struct findings *f) {
    size_t n;
    struct map_entry *sorted = map_sorted(&fs->troubles, &n);
    for (size_t i = 0; i < n; i++) {
        const struct trouble *t = sorted[i].value;
        f->file = str_of(t->path);
        finding_add(f, FINDING_MEANING, 0, 0, S(""), S("it is followed, and read as soon as it can be"),
                    "can not be read: %s; what was read there before stays in force", t->why);
    }
    free(sorted);
    sorted = map_sorted(&fs->by_path, &n);
    for (size_t i = 0; i < n; i++) {
        const struct document_file *file = sorted[i].value;
        f->file = file->path;
        if (file->trouble) {
            finding_add(f, FINDING_MEANING, 0, 0, S(""), S("it is followed, and read as soon as it can be"),
                        "can not be read: %s; what was read there before stays in force", file->trouble);
        }
        document_report(file, f);
    }
    free(sorted);
    claim_report(&fs->claims, f);
    f->file = f->kind = f->ns = f->name = (str){0};
}

static bool has_findings(const struct files *fs) {
    if (fs->troubles.n || !link_empty(&fs->claims.contested)) return true;
    map_each (e, &fs->by_path) {
        const struct document_file *f = e->value;
        if (f->trouble || f->findings_n) return true;
    }
    return false;
}

void files_read(struct files *fs, struct store *s, struct findings *f, struct files_work *ret_work) {
    struct files_work work = {0};
    fs->work = &work;
    if (fs->all) {
        map_each (e, &fs->marks) free(e->value);
        map_fini(&fs->marks);
        map_init(&fs->marks);
        for (size_t i = 0; i < fs->roots_n; i++) look(fs, fs->roots[i], true);
        fs->all = false;
    } else {
        look_at_marks(fs);
    }
    work.objects_changed += claim_settle(&fs->claims, s, decode_again, fs);
    for (unsigned round = 0; fs->marks.n && round < AGAIN_ROUNDS_MAX; round++) {
        look_at_marks(fs);
        work.objects_changed += claim_settle(&fs->claims, s, decode_again, fs);
    }
    fs->work = NULL;
    if (has_findings(fs)) report(fs, f);
    *ret_work = work;
}
