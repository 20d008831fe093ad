/* SPDX-License-Identifier: Apache-2.0 */
#include "files/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "files/holdover.h"
#include "files/machine.h"
#include "files/pair.h"
#include "files/source.h"
#include "io/clock.h"

enum {
    AGAIN_ROUNDS_MAX = 8,
    /* A file written this shortly before it was read may be written again within the same tick of the file system's clock. */
    TICK_NS = 50000000,
};

/* A path that can not be read: a root that is not there, a folder without permission. What was known below it stays. */
struct trouble {
    char *path, *why;
};
struct root {
    char *path;
    struct tenant *tenant; /* NULL: the operator's */
};
/* A name that files lie below. */
struct folder {
    uint32_t files, n;
    char path[];
};
struct files {
    struct root *roots;
    size_t roots_n;
    struct map roots_by_path;
    struct pair *pairs;
    size_t pairs_n;
    size_t tenants_n;
    struct ip_net *tenant_endpoints;
    struct ip *(*ask_own)(size_t *ret_n);
    struct ip *own; /* this machine's addresses when they were last asked for; only when there are tenants */
    size_t own_n;
    struct index by_path; /* struct document_file */
    struct index folders; /* struct folder */
    struct map troubles;  /* struct trouble */
    struct map marks;     /* paths to look at; the value is the key's own memory */
    struct map gone;      /* paths below which only what a walk met stays: struct gone */
    bool all;
    uint64_t walk; /* counts them, so that a walk knows what it met */
    struct claims claims;
    struct arena *scratch, *gone_arena;
    struct window window;    /* of the file that is read */
    struct files_work *work; /* of the read under way */
    bool force;              /* read what looks unchanged, too */
    bool finds;              /* the read before had findings */
};

static void add_root(struct files *fs, const struct files_root *given, const struct files_config *c) {
    struct root *r = &fs->roots[fs->roots_n++];
    r->path = source_normal(given->path);
    map_put(&fs->roots_by_path, str_of(r->path), r);
    if (!given->tenant) return;
    r->tenant = base_zalloc(sizeof *r->tenant);
    *r->tenant = (struct tenant){.ns = str_dup(str_of(given->tenant)),
                                 .allowed = fs->tenant_endpoints,
                                 .allowed_n = c->tenant_endpoints_n};
    fs->tenants_n++;
}

static str key_of_file(const void *file) { return ((const struct document_file *)file)->path; }

static str key_of_folder(const void *folder) {
    const struct folder *d = folder;
    return (str){d->path, d->n};
}

struct files *files_new(const struct files_config *c) {
    struct files *fs = base_zalloc(sizeof *fs);
    size_t nets = c->tenant_endpoints_n * sizeof *fs->tenant_endpoints;
    fs->tenant_endpoints = base_zalloc(nets + 1);
    if (nets) memcpy(fs->tenant_endpoints, c->tenant_endpoints, nets);
    fs->ask_own = c->own ? c->own : machine_addresses;
    fs->roots = base_zalloc((c->roots_n + 1) * sizeof *fs->roots);
    for (size_t i = 0; i < c->roots_n; i++) add_root(fs, &c->roots[i], c);
    fs->pairs_n = c->pairs_n;
    fs->pairs = base_zalloc((c->pairs_n + 1) * sizeof *fs->pairs);
    for (size_t i = 0; i < c->pairs_n; i++) pair_init(&fs->pairs[i], &c->pairs[i]);
    fs->all = true;
    fs->by_path.key = key_of_file;
    fs->folders.key = key_of_folder;
    claim_init(&fs->claims);
    fs->scratch = arena_new();
    fs->gone_arena = arena_new();
    return fs;
}

static void count_folder(struct files *fs, str path, int step) {
    struct folder *d = index_get(&fs->folders, path);
    if (!d) {
        d = base_zalloc(sizeof *d + path.n);
        d->n = (uint32_t)path.n;
        memcpy(d->path, path.p, path.n);
        index_put(&fs->folders, d);
    }
    d->files += (uint32_t)step;
    if (d->files) return;
    index_take(&fs->folders, path);
    free(d);
}

/* Counts a file in, or out of, each folder that its path names. */
static void count_folders(struct files *fs, str path, int step) {
    str at = path;
    for (size_t slash; (slash = str_rfind(at, '/')) < at.n; at = str_upto(at, slash))
        count_folder(fs, str_upto(at, slash ? slash : 1), step);
    if (path.n && path.p[0] != '/') count_folder(fs, S("."), step);
}

static void free_file(struct files *fs, struct document_file *f) {
    document_clear(f, &fs->claims);
    count_folders(fs, f->path, -1);
    document_file_fini(f);
    free(f);
}

static void free_trouble(struct trouble *t) {
    if (!t) return;
    free(t->path);
    free(t->why);
    free(t);
}

static void free_root(struct root *r) {
    if (r->tenant) {
        free(r->tenant->ns);
        free(r->tenant->real);
        free(r->tenant);
    }
    free(r->path);
}

void files_free(struct files *fs) {
    if (!fs) return;
    index_each (struct document_file, f, &fs->by_path) free_file(fs, f);
    map_each (e, &fs->troubles) free_trouble(e->value);
    map_each (e, &fs->marks) free(e->value);
    for (size_t i = 0; i < fs->pairs_n; i++) pair_fini(&fs->pairs[i], &fs->claims);
    for (size_t i = 0; i < fs->roots_n; i++) free_root(&fs->roots[i]);
    index_fini(&fs->by_path);
    index_fini(&fs->folders);
    map_fini(&fs->troubles);
    map_fini(&fs->marks);
    map_fini(&fs->gone);
    map_fini(&fs->roots_by_path);
    claim_fini(&fs->claims);
    arena_free(fs->scratch);
    arena_free(fs->gone_arena);
    free(fs->window.p);
    free(fs->roots);
    free(fs->pairs);
    free(fs->tenant_endpoints);
    free(fs->own);
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

static bool is_root(const struct files *fs, str path) { return map_get(&fs->roots_by_path, path); }

/* The tenant in whose folder the path lies: as it is spelled, or as it really is. */
static const struct tenant *tenant_at(const struct files *fs, str path, bool real) {
    const struct tenant *found = NULL;
    size_t longest = 0;
    for (size_t i = 0; i < fs->roots_n && fs->tenants_n; i++) {
        const struct tenant *t = fs->roots[i].tenant;
        str folder = t ? str_of(real ? t->real : fs->roots[i].path) : (str){0};
        if (folder.p && folder.n >= longest && source_is_in(path, folder)) found = t, longest = folder.n;
    }
    return found;
}

/* Of what is at this path and below it, only what has been met since the walk is there. */
struct gone {
    str path;
    uint64_t walk;
    bool itself;
};

static void forget(struct files *fs, const char *path, bool itself) {
    str at = arena_str(fs->gone_arena, str_of(path));
    struct gone *g = arena_make(fs->gone_arena, struct gone);
    *g = (struct gone){at, fs->walk, itself};
    map_put(&fs->gone, at, g);
}

static bool is_gone_by(const struct files *fs, const struct document_file *f, str folder) {
    const struct gone *g = map_get(&fs->gone, folder);
    bool below = g && (g->itself || folder.n < f->path.n);
    return below && f->seen < g->walk;
}

/* What the user names is never forgotten but by its own name: it stays in force until it can be read again. */
static bool is_gone(const struct files *fs, const struct document_file *f) {
    if (is_gone_by(fs, f, f->path)) return true;
    if (is_root(fs, f->path)) return false;
    str at = f->path;
    for (size_t slash; (slash = str_rfind(at, '/')) < at.n; at = str_upto(at, slash))
        if (is_gone_by(fs, f, str_upto(at, slash ? slash : 1))) return true;
    return f->path.p[0] != '/' && is_gone_by(fs, f, S("."));
}

static void drop_file(struct files *fs, struct document_file *f) {
    index_take(&fs->by_path, f->path);
    free_file(fs, f);
}

/* All of them in one pass: each file asks for the folders that it lies in. */
static void drop_below(struct files *fs) {
    struct document_file **gone = NULL;
    size_t n = 0, cap = 0;
    index_each (struct document_file, f, &fs->by_path) {
        if (!is_gone(fs, f)) continue;
        if (n == cap) gone = base_realloc(gone, (cap = cap ? cap * 2 : 8) * sizeof *gone);
        gone[n++] = f;
    }
    for (size_t i = 0; i < n; i++) drop_file(fs, gone[i]);
    free(gone);
}

/* Only when something lies below a name that is gone each file is looked at. */
static void drop_gone(struct files *fs) {
    bool below = false;
    map_each (e, &fs->gone) below |= index_get(&fs->folders, e->key) != NULL;
    if (below) drop_below(fs);
    map_each (e, &fs->gone) {
        struct document_file *f = index_get(&fs->by_path, e->key);
        if (f && is_gone(fs, f)) drop_file(fs, f);
    }
    map_fini(&fs->gone);
    map_init(&fs->gone);
    arena_reset(fs->gone_arena);
}

static uint64_t sign(const struct stat *st) {
    uint64_t h = hash_join(hash_join(hash_join(1, st->st_dev), st->st_ino), (uint64_t)st->st_size);
    h = hash_join(hash_join(h, (uint64_t)st->st_mtim.tv_sec), (uint64_t)st->st_mtim.tv_nsec);
    return hash_join(hash_join(h, (uint64_t)st->st_ctim.tv_sec), (uint64_t)st->st_ctim.tv_nsec);
}

/* A tenant's file lies in its tenant's folder, whatever links lead to it; what an operator's link finds there is the tenant's all the same, and
 * read there. true: not to be read here; *ret_why is NULL when that is no trouble. */
static bool is_elsewhere(const struct files *fs, const struct document_file *f, int fd,
                         const char **ret_why) {
    char link[64], real[PATH_MAX];
    if (!fs->tenants_n) return false;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, real, sizeof real);
    const struct tenant *owner = n > 0 ? tenant_at(fs, (str){real, (size_t)n}, true) : NULL;
    bool known = n > 0 && n < (ssize_t)sizeof real;
    *ret_why = f->tenant ? "it lies outside the folder" : NULL;
    return (f->tenant && !known) || owner != f->tenant;
}

static const char *read_open_file(struct files *fs, struct document_file *f, int fd) {
    struct stat st;
    if (fstat(fd, &st) < 0) return strerror(errno);
    if (!S_ISREG(st.st_mode)) return "is neither a file nor a folder";
    if (st.st_size > CUT_BYTES_MAX) return "is larger than 256 MiB";
    const char *elsewhere;
    if (is_elsewhere(fs, f, fd, &elsewhere)) return elsewhere;
    uint64_t now = sign(&st);
    if (!fs->force && !f->again && !f->trouble && now == f->signature) return NULL;
    int64_t read_ns = clock_wall_us() * 1000;
    f->again = read_ns - ((int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec) < TICK_NS;
    fs->window.fd = fd, fs->window.n = 0;
    const char *why = document_update(f, &fs->window, &fs->claims, fs->scratch, &fs->work->documents_decoded);
    fs->window.trouble = 0;
    if (fs->window.cap > WINDOW_BYTES) window_fini(&fs->window);
    if (why) return why;
    fs->work->files_read++;
    f->signature = now;
    return NULL;
}

static struct document_file *add_file(struct files *fs, str path) {
    const struct tenant *t = tenant_at(fs, path, false);
    struct document_file *f = base_alloc(sizeof *f);
    document_file_init(f, path, t ? DOCUMENT_TENANT : DOCUMENT_OPERATOR);
    f->again = true;
    f->tenant = t;
    index_put(&fs->by_path, f);
    count_folders(fs, f->path, 1);
    return f;
}

/* A file that can not be read keeps what it said. */
static void read_file(struct files *fs, const char *path) {
    struct document_file *f = index_get(&fs->by_path, str_of(path));
    if (!f) f = add_file(fs, str_of(path));
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
    index_each (struct document_file, f, &fs->by_path) {
        if (source_is_in(f->path, str_of(path))) f->seen = fs->walk;
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

static bool mark_pairs(struct files *fs, const char *path) {
    bool any = false;
    for (size_t i = 0; i < fs->pairs_n; i++) {
        struct pair *p = &fs->pairs[i];
        bool its = strcmp(path, p->cert) == 0 || strcmp(path, p->key) == 0;
        p->due |= its, any |= its;
    }
    return any;
}

/* Looks at what is at the path now. A path below a hidden name never gets here. */
static void look(struct files *fs, const char *path, bool force) {
    struct stat st;
    bool root = is_root(fs, str_of(path));
    if (mark_pairs(fs, path) && !root) return;
    fs->walk++;
    if (stat(path, &st) < 0) {
        bool absent = errno == ENOENT || errno == ENOTDIR;
        if (root || !absent) {
            set_trouble(fs, path, strerror(errno));
        } else {
            set_trouble(fs, path, NULL);
            forget(fs, path, true);
        }
        return;
    }
    set_trouble(fs, path, NULL);
    const char *slash = strrchr(path, '/');
    str name = str_of(slash ? slash + 1 : path);
    if (S_ISDIR(st.st_mode)) {
        fs->force = force && fs->all;
        const struct tenant *t = tenant_at(fs, str_of(path), false);
        if (t && !t->real) return; /* it came this very moment, and will be told */
        source_walk(path, t ? t->real : NULL, on_found, fs);
        forget(fs, path, true);
    } else if (root || source_is_manifest(name)) {
        fs->force = force;
        read_file(fs, path);
        forget(fs, path, false);
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
    drop_gone(fs);
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
    void **files = index_sorted(&fs->by_path);
    for (uint32_t i = 0; i < fs->by_path.n; i++) {
        const struct document_file *file = files[i];
        f->file = file->path;
        if (file->trouble) {
            finding_add(f, FINDING_MEANING, 0, 0, S(""), S("it is followed, and read as soon as it can be"),
                        "can not be read: %s; what was read there before stays in force", file->trouble);
        }
        document_report(file, f);
    }
    free(files);
    for (size_t i = 0; i < fs->pairs_n; i++) pair_report(&fs->pairs[i], f);
    claim_report(&fs->claims, f);
    f->file = f->kind = f->ns = f->name = (str){0};
}

static bool has_findings(const struct files *fs) {
    if (fs->troubles.n || fs->claims.contested) return true;
    for (size_t i = 0; i < fs->pairs_n; i++)
        if (fs->pairs[i].trouble || fs->pairs[i].file.findings_n) return true;
    index_each (const struct document_file, f, &fs->by_path) {
        if (f->trouble || f->findings_n) return true;
    }
    return false;
}

static bool has_slice(const struct document *d) {
    for (uint32_t i = 0; i < d->items_n; i++)
        if (d->items[i].claim && d->items[i].claim->kind == KIND_ENDPOINT_SLICE) return true;
    return false;
}

/* Where tenants' folders are now, and what this machine's addresses are: when they have changed, tenants' endpoints are judged anew. */
static void look_around(struct files *fs) {
    if (!fs->tenants_n) return;
    size_t n;
    struct ip *own = fs->ask_own(&n);
    bool same = n == fs->own_n && (n == 0 || memcmp(own, fs->own, n * sizeof *own) == 0);
    free(fs->own);
    fs->own = own, fs->own_n = n;
    for (size_t i = 0; i < fs->roots_n; i++) {
        struct tenant *t = fs->roots[i].tenant;
        if (!t) continue;
        free(t->real);
        t->real = realpath(fs->roots[i].path, NULL);
        t->own = own, t->own_n = n;
    }
    index_each (const struct document_file, f, &fs->by_path) {
        for (uint32_t i = 0; !same && f->tenant && i < f->n; i++)
            if (has_slice(f->docs[i])) decode_again(fs, f->docs[i]);
    }
}

static void read_pairs(struct files *fs, bool all) {
    for (size_t i = 0; i < fs->pairs_n; i++) {
        struct pair *p = &fs->pairs[i];
        p->due |= all;
        if (pair_read(p, &fs->claims, fs->scratch, &fs->work->documents_decoded)) fs->work->files_read += 2;
    }
}

static void read_all(struct files *fs) {
    map_each (e, &fs->marks) free(e->value);
    map_fini(&fs->marks);
    map_init(&fs->marks);
    for (size_t i = 0; i < fs->roots_n; i++) look(fs, fs->roots[i].path, true);
    drop_gone(fs);
}

void files_read(struct files *fs, struct store *s, struct findings *f, struct files_work *ret_work) {
    struct files_work work = {0};
    fs->work = &work;
    look_around(fs);
    if (fs->all)
        read_all(fs);
    else
        look_at_marks(fs);
    read_pairs(fs, fs->all);
    fs->all = false;
    work.objects_changed += claim_settle(&fs->claims, s, decode_again, fs);
    for (unsigned round = 0; fs->marks.n && round < AGAIN_ROUNDS_MAX; round++) {
        look_at_marks(fs);
        read_pairs(fs, false);
        work.objects_changed += claim_settle(&fs->claims, s, decode_again, fs);
    }
    fs->work = NULL;
    fs->finds = has_findings(fs);
    if (fs->finds) report(fs, f);
    *ret_work = work;
}

/* ---- for the process that serves after this one ---- */

/* It, or what it lies in, can not be read. */
static bool is_out_of_reach(const struct files *fs, const struct document_file *f) {
    if (f->trouble) return true;
    if (!fs->troubles.n) return false;
    if (map_get(&fs->troubles, f->path)) return true;
    str at = f->path;
    for (size_t slash; (slash = str_rfind(at, '/')) < at.n; at = str_upto(at, slash))
        if (map_get(&fs->troubles, str_upto(at, slash ? slash : 1))) return true;
    return f->path.p[0] != '/' && map_get(&fs->troubles, S("."));
}

uint64_t files_kept_sign(const struct files *fs) {
    if (!fs->finds) return 0; /* as after nearly every read: nothing is kept without a finding */
    uint64_t sum = 0;
    index_each (const struct document_file, f, &fs->by_path) {
        bool whole = is_out_of_reach(fs, f);
        if (holdover_any(f, whole)) sum += holdover_sign(f, whole);
    }
    for (size_t i = 0; i < fs->pairs_n; i++) {
        const struct pair *p = &fs->pairs[i];
        if (p->trouble && holdover_any(&p->file, true)) sum += hash_join(holdover_sign(&p->file, true), i);
    }
    return sum ? hash_join(sum, fs->claims.moves) : 0;
}

/* Puts one whole, or nothing of it. false: there is no room. */
static bool put_kept(struct buf *b, str name, bool pair, const struct document_file *f, bool whole,
                     const struct store *s) {
    size_t before = b->n;
    holdover_put(b, name, pair, f, whole, s);
    if (!b->overflow) return true;
    b->n = before;
    b->overflow = false;
    return false;
}

uint32_t files_kept_put(const struct files *fs, const struct store *s, struct buf *b) {
    uint32_t left_out = 0;
    OWNED(arena) a = arena_new();
    for (size_t i = 0; i < fs->pairs_n; i++) {
        const struct pair *p = &fs->pairs[i];
        if (p->trouble && holdover_any(&p->file, true))
            left_out += !put_kept(b, pair_called(p, a), true, &p->file, true, s);
    }
    void **files = index_sorted(&fs->by_path);
    for (uint32_t i = 0; i < fs->by_path.n; i++) {
        const struct document_file *f = files[i];
        bool whole = is_out_of_reach(fs, f);
        if (holdover_any(f, whole)) left_out += !put_kept(b, f->path, false, f, whole, s);
    }
    free(files);
    return left_out;
}

static bool is_below_a_root(const struct files *fs, str path) {
    for (size_t i = 0; i < fs->roots_n; i++)
        if (source_is_in(path, str_of(fs->roots[i].path))) return true;
    return false;
}

/* The file that the record is of, not read yet; NULL: it is not ours. */
static struct document_file *file_of(struct files *fs, const struct holdover_record *r) {
    OWNED(arena) a = arena_new();
    for (size_t i = 0; r->pair && i < fs->pairs_n; i++)
        if (str_eq(pair_called(&fs->pairs[i], a), r->name))
            return fs->pairs[i].file.n ? NULL : &fs->pairs[i].file;
    if (r->pair || !is_below_a_root(fs, r->name) || index_get(&fs->by_path, r->name)) return NULL;
    return add_file(fs, r->name);
}

err files_keep(struct files *fs, str text, uint32_t *ret_files) {
    look_around(fs);
    *ret_files = 0;
    struct holdover_record r;
    err e;
    while ((e = holdover_next(&text, &r)) == OK) {
        struct document_file *f = file_of(fs, &r);
        if (!f) continue;
        holdover_take(f, r.text, &fs->claims, fs->scratch);
        ++*ret_files;
    }
    return e == ERR_END ? OK : e;
}
