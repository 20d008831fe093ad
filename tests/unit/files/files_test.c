/* SPDX-License-Identifier: Apache-2.0 */
#include "files/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* A folder of its own, what is read from it, and what stands after the last reading. */
struct case_state {
    char dir[64];
    struct files *files;
    struct files_watch *watch;
    struct store *store;
    struct arena *a;
    struct findings found;
    struct files_work work;
};

static char *path_of(const struct case_state *c, const char *name) {
    static char path[4][512];
    static unsigned turn;
    char *p = path[turn++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", c->dir, name);
    return p;
}

static void write_text(const char *path, const char *text) {
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}
static void put(const struct case_state *c, const char *name, const char *text) {
    write_text(path_of(c, name), text);
}

static void read_now(struct case_state *c) {
    arena_reset(c->a);
    finding_init(&c->found, c->a);
    files_read(c->files, c->store, &c->found, &c->work);
}

/* Waits until inotify has something to say, then reads what it named. */
static void follow(struct case_state *c) {
    struct pollfd p = {.fd = files_watch_fd(c->watch), .events = POLLIN};
    assert_int_equal(poll(&p, 1, 5000), 1);
    struct arena *a = arena_new();
    size_t n;
    bool all;
    const str *paths = files_watch_take(c->watch, a, &n, &all);
    if (all) files_mark(c->files, S(""));
    for (size_t i = 0; i < n; i++) files_mark(c->files, paths[i]);
    arena_free(a);
    read_now(c);
}

/* Nothing that concerns the manifests has happened; others may do as they like in the folders above. */
static void assert_no_news(struct case_state *c) {
    struct arena *a = arena_new();
    size_t n;
    bool all;
    files_watch_take(c->watch, a, &n, &all);
    assert_int_equal(n, 0);
    assert_false(all);
    arena_free(a);
}

static const char *label(const struct case_state *c, const char *name) {
    const struct object *o = store_get(c->store, c->a, KIND_NAMESPACE, S(""), str_of(name));
    if (!o) return NULL;
    str v = schema_map_get(&o->meta.labels, S("v"));
    return v.p ? v.p : "";
}
static bool has(const struct case_state *c, const char *name, const char *version) {
    const struct object *o = store_get(c->store, c->a, KIND_NAMESPACE, S(""), str_of(name));
    return o && str_eq(schema_map_get(&o->meta.labels, S("v")), str_of(version));
}

#define NS(name, v)     "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: " name "\n  labels: {v: '" v "'}\n"
#define BROKEN_NS(name) "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: " name "\n  lables: {v: x}\n"

static void begin_at(struct case_state *c, const char *const *names, size_t n) {
    struct files_root roots[4];
    for (size_t i = 0; i < n; i++)
        roots[i] = (struct files_root){names[i][0] ? path_of(c, names[i]) : c->dir, NULL};
    struct files_config config = {.roots = roots, .roots_n = n};
    c->files = files_new(&config);
    assert_int_equal(files_watch_new(&c->watch, &config), OK);
    read_now(c);
}
static void begin(struct case_state *c) {
    const char *whole = "";
    begin_at(c, &whole, 1);
}

static int setup(void **state) {
    struct case_state *c = base_zalloc(sizeof *c);
    snprintf(c->dir, sizeof c->dir, "/tmp/files_test.XXXXXX");
    assert_non_null(mkdtemp(c->dir));
    c->store = store_new();
    c->a = arena_new();
    *state = c;
    return 0;
}

static void remove_all(const char *dir) {
    DIR *d = opendir(dir);
    char path[600];
    for (const struct dirent *e; d && (e = readdir(d));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        struct stat st;
        if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
            remove_all(path);
        else
            unlink(path);
    }
    if (d) closedir(d);
    rmdir(dir);
}

static int teardown(void **state) {
    struct case_state *c = *state;
    files_free(c->files);
    files_watch_free(c->watch);
    store_free(c->store);
    arena_free(c->a);
    remove_all(c->dir);
    free(c);
    return 0;
}

static void test_a_folder_is_read_in_depth(void **state) {
    struct case_state *c = *state;
    assert_int_equal(mkdir(path_of(c, "deep"), 0700), 0);
    assert_int_equal(mkdir(path_of(c, ".hidden"), 0700), 0);
    put(c, "a.yaml", NS("a", "1") "---\n" NS("b", "1"));
    put(c, "deep/c.yml", NS("c", "1"));
    put(c, "deep/d.json", "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"d\"}}\n");
    put(c, ".e.yaml", NS("e", "1"));
    put(c, ".hidden/f.yaml", NS("f", "1"));
    put(c, "g.txt", NS("g", "1"));
    assert_int_equal(symlink(".", path_of(c, "loop")), 0);
    begin(c);
    assert_int_equal(store_count(c->store, KIND_NAMESPACE), 4);
    assert_true(has(c, "a", "1") && has(c, "b", "1") && has(c, "c", "1") && label(c, "d"));
    assert_int_equal(c->work.files_read, 3);
    assert_int_equal(c->work.documents_decoded, 4);
    assert_int_equal(c->work.objects_changed, 4);
    assert_int_equal(c->found.n, 0);
}

static void test_only_changed_documents_are_decoded(void **state) {
    struct case_state *c = *state;
    put(c, "a.yaml", NS("a", "1") "---\n" NS("b", "1") "---\n" NS("c", "1"));
    put(c, "z.yaml", NS("z", "1"));
    begin(c);
    put(c, "a.yaml", NS("a", "1") "---\n" NS("b", "2") "---\n" NS("c", "1"));
    follow(c);
    assert_int_equal(c->work.files_read, 1);
    assert_int_equal(c->work.documents_decoded, 1);
    assert_int_equal(c->work.objects_changed, 1);
    assert_true(has(c, "b", "2") && has(c, "a", "1") && has(c, "z", "1"));
    /* Moved about, one new in front: the others are known again. */
    put(c, "a.yaml", NS("new", "1") "---\n" NS("c", "1") "---\n" NS("a", "1") "---\n" NS("b", "2"));
    follow(c);
    assert_int_equal(c->work.objects_changed, 1);
    assert_true(c->work.documents_decoded <= 2);
    assert_int_equal(store_count(c->store, KIND_NAMESPACE), 5);
    assert_int_equal(c->found.n, 0);
}

static void test_what_vanishes_is_removed(void **state) {
    struct case_state *c = *state;
    assert_int_equal(mkdir(path_of(c, "d"), 0700), 0);
    put(c, "a.yaml", NS("a", "1") "---\n" NS("b", "1"));
    put(c, "d/c.yaml", NS("c", "1"));
    put(c, "e.yaml", NS("e", "1"));
    begin(c);
    assert_int_equal(store_count(c->store, KIND_NAMESPACE), 4);
    put(c, "a.yaml", NS("b", "1"));
    follow(c);
    assert_null(label(c, "a"));
    assert_true(has(c, "b", "1"));
    assert_int_equal(unlink(path_of(c, "e.yaml")), 0);
    follow(c);
    assert_null(label(c, "e"));
    remove_all(path_of(c, "d"));
    follow(c);
    assert_null(label(c, "c"));
    assert_int_equal(c->found.n, 0);
}

static void test_a_moved_object_stays_the_same(void **state) {
    struct case_state *c = *state;
    put(c, "a.yaml", NS("m", "1"));
    begin(c);
    assert_int_equal(rename(path_of(c, "a.yaml"), path_of(c, "b.yaml")), 0);
    follow(c);
    assert_true(has(c, "m", "1"));
    assert_int_equal(c->work.objects_changed, 0);
}

static void test_a_broken_document_keeps_the_last_good_one(void **state) {
    struct case_state *c = *state;
    put(c, "a.yaml", NS("a", "1") "---\n" NS("b", "1"));
    begin(c);
    put(c, "a.yaml", NS("a", "2") "---\n" BROKEN_NS("b")); /* its name can be read */
    follow(c);
    assert_true(has(c, "a", "2") && has(c, "b", "1"));
    assert_true(c->found.n >= 1);
    assert_int_equal(c->found.first->line, 11);
    assert_non_null(strstr(c->found.first->message.p, "stays in force"));
    put(c, "a.yaml", NS("a", "2") "---\nkind: [\n"); /* nothing can be read: its place tells */
    follow(c);
    assert_true(has(c, "b", "1"));
    assert_true(c->found.n >= 1);
    put(c, "a.yaml", "---\nkind: {\n---\n" NS("a", "2") "---\nkind: [\n"); /* broken again, and moved */
    follow(c);
    assert_true(has(c, "a", "2"));
    put(c, "a.yaml", NS("a", "2") "---\n" NS("b", "3"));
    follow(c);
    assert_true(has(c, "b", "3"));
    assert_int_equal(c->found.n, 0);
}

static void test_broken_by_name_when_moved(void **state) {
    struct case_state *c = *state;
    put(c, "a.yaml", NS("a", "1") "---\n" NS("b", "1"));
    begin(c);
    put(c, "a.yaml", BROKEN_NS("b") "---\n" NS("a", "2"));
    follow(c);
    assert_true(has(c, "a", "2") && has(c, "b", "1"));
    assert_int_equal(c->found.n, 1);
    put(c, "a.yaml", NS("a", "2")); /* gone for good */
    follow(c);
    assert_null(label(c, "b"));
    assert_int_equal(c->found.n, 0);
}

static void test_findings_stand_until_mended(void **state) {
    struct case_state *c = *state;
    put(c, "a.yaml", NS("x", "1") "---\n" BROKEN_NS("a"));
    put(c, "b.yaml", NS("b", "1"));
    begin(c);
    assert_int_equal(c->found.n, 1);
    put(c, "b.yaml", NS("b", "2"));
    follow(c);
    assert_int_equal(c->found.n, 1); /* of a.yaml, which was not read */
    assert_true(str_ends(c->found.first->file, S("a.yaml")));
    assert_int_equal(c->found.first->line, 11);
    put(c, "a.yaml", "# a line more\n" NS("x", "1") "---\n" BROKEN_NS("a"));
    follow(c);
    assert_int_equal(c->found.n, 1);
    assert_int_equal(c->found.first->line, 12); /* moved with its document */
}

static void test_defined_twice_the_first_path_wins(void **state) {
    struct case_state *c = *state;
    put(c, "b.yaml", NS("t", "b"));
    begin(c);
    assert_true(has(c, "t", "b"));
    put(c, "c.yaml", NS("other", "1") "---\n" NS("t", "c"));
    follow(c);
    assert_true(has(c, "t", "b"));
    assert_int_equal(c->found.n, 1);
    assert_true(str_ends(c->found.first->file, S("c.yaml")));
    assert_int_equal(c->found.first->line, 7);
    assert_non_null(strstr(c->found.first->message.p, "b.yaml:1"));
    put(c, "a.yaml", NS("t", "a"));
    follow(c);
    assert_true(has(c, "t", "a"));
    assert_int_equal(c->found.n, 2);
    assert_int_equal(unlink(path_of(c, "a.yaml")), 0); /* b's own was not kept: it is decoded again */
    follow(c);
    assert_true(has(c, "t", "b"));
    assert_int_equal(c->found.n, 1);
    assert_int_equal(unlink(path_of(c, "b.yaml")), 0);
    follow(c);
    assert_true(has(c, "t", "c"));
    assert_int_equal(c->found.n, 0);
    assert_int_equal(unlink(path_of(c, "c.yaml")), 0);
    follow(c);
    assert_null(label(c, "t"));
}

static void test_lists_are_taken_apart(void **state) {
    struct case_state *c = *state;
#define ITEM(name, v)                                                                                        \
    "- {apiVersion: v1, kind: Namespace, metadata: {name: " name ", labels: {v: '" v "'}}}\n"
    put(c, "l.yaml", "apiVersion: v1\nkind: List\nitems:\n" ITEM("a", "1") ITEM("b", "1"));
    begin(c);
    assert_true(has(c, "a", "1") && has(c, "b", "1"));
    put(c, "l.yaml",
        "apiVersion: v1\nkind: List\nitems:\n" ITEM(
            "a", "2") "- {apiVersion: v1, kind: Namespace, metadata: {name: b, x: y}}\n");
    follow(c);
    assert_true(has(c, "a", "2") && has(c, "b", "1")); /* the broken item keeps what it was */
    assert_int_equal(c->found.n, 1);
    put(c, "l.yaml", "apiVersion: v1\nkind: List\nitems: [\n"); /* as a whole, too */
    follow(c);
    assert_true(has(c, "a", "2") && has(c, "b", "1"));
    put(c, "l.yaml", "apiVersion: v1\nkind: List\nitems:\n" ITEM("b", "3"));
    follow(c);
    assert_null(label(c, "a"));
    assert_true(has(c, "b", "3"));
    put(c, "l.yaml", "apiVersion: v1\nkind: List\nitems: 7\n");
    follow(c);
    assert_int_equal(c->found.n, 1);
}

static void test_an_unreadable_file_keeps_its_state(void **state) {
    struct case_state *c = *state;
    put(c, "a.yaml", NS("a", "1"));
    begin(c);
    assert_int_equal(unlink(path_of(c, "a.yaml")), 0);
    assert_int_equal(mkfifo(path_of(c, "a.yaml"), 0600), 0); /* root reads any file, but a pipe is none */
    follow(c);
    assert_true(has(c, "a", "1"));
    assert_int_equal(c->found.n, 1);
    assert_int_equal(unlink(path_of(c, "a.yaml")), 0);
    put(c, "a.yaml", NS("a", "2"));
    follow(c);
    assert_true(has(c, "a", "2"));
    assert_int_equal(c->found.n, 0);
}

static void test_a_file_too_large_is_refused(void **state) {
    struct case_state *c = *state;
    put(c, "a.yaml", NS("a", "1"));
    assert_int_equal(truncate(path_of(c, "a.yaml"), (off_t)(256 << 20) + 1), 0);
    begin(c);
    assert_null(label(c, "a"));
    assert_int_equal(c->found.n, 1);
    assert_non_null(strstr(c->found.first->message.p, "256 MiB"));
}

static void test_editors_rename_over(void **state) {
    struct case_state *c = *state;
    put(c, "a.yaml", NS("a", "1"));
    const char *name = "a.yaml";
    begin_at(c, &name, 1);
    put(c, "a.yaml.new", NS("a", "2"));
    assert_int_equal(rename(path_of(c, "a.yaml.new"), path_of(c, "a.yaml")), 0);
    follow(c);
    assert_true(has(c, "a", "2"));
    /* Away and written anew: between the two it stays in force. */
    assert_int_equal(rename(path_of(c, "a.yaml"), path_of(c, "a.yaml~")), 0);
    follow(c);
    assert_true(has(c, "a", "2"));
    put(c, "a.yaml", NS("a", "3"));
    follow(c);
    assert_true(has(c, "a", "3"));
    assert_int_equal(c->found.n, 0);
}

static void test_a_backup_is_no_end_in_a_folder(void **state) {
    struct case_state *c = *state;
    put(c, "a.yaml", NS("a", "1"));
    begin(c);
    assert_int_equal(rename(path_of(c, "a.yaml"), path_of(c, "a.yaml~")), 0);
    follow(c);
    assert_true(has(c, "a", "1"));
    put(c, "a.yaml", NS("a", "2"));
    follow(c);
    assert_true(has(c, "a", "2"));
    assert_int_equal(rename(path_of(c, "a.yaml"), path_of(c, "a.yaml~")), 0);
    assert_int_equal(unlink(path_of(c, "a.yaml~")), 0);
    follow(c);
    assert_null(label(c, "a"));
}

static void test_a_file_that_is_being_made_is_no_news(void **state) {
    struct case_state *c = *state;
    put(c, "a.yaml", NS("a", "1"));
    begin(c);
    int fd = open(path_of(c, "a.yaml"), O_WRONLY | O_TRUNC | O_CLOEXEC); /* emptied, and not closed yet */
    assert_no_news(c);
    const char text[] = NS("a", "2");
    assert_int_equal(write(fd, text, sizeof text - 1), (ssize_t)sizeof text - 1);
    assert_no_news(c);
    assert_true(has(c, "a", "1"));
    close(fd);
    follow(c);
    assert_true(has(c, "a", "2"));
}

static void test_paths_that_come_later(void **state) {
    struct case_state *c = *state;
    const char *names[] = {"not/yet/x.yaml", "later"};
    begin_at(c, names, 2);
    assert_int_equal(c->found.n, 2);
    assert_int_equal(mkdir(path_of(c, "not"), 0700), 0);
    follow(c);
    assert_int_equal(mkdir(path_of(c, "not/yet"), 0700), 0);
    follow(c);
    put(c, "not/yet/x.yaml", NS("x", "1"));
    follow(c);
    assert_true(has(c, "x", "1"));
    assert_int_equal(c->found.n, 1);
    assert_int_equal(mkdir(path_of(c, "later"), 0700), 0);
    follow(c);
    put(c, "later/y.yaml", NS("late", "1"));
    follow(c);
    assert_true(has(c, "late", "1"));
    assert_int_equal(c->found.n, 0);
}

static void test_new_folders_are_followed(void **state) {
    struct case_state *c = *state;
    begin(c);
    assert_int_equal(mkdir(path_of(c, "d"), 0700), 0);
    assert_int_equal(mkdir(path_of(c, "d/e"), 0700), 0);
    put(c, "d/e/a.yaml", NS("a", "1")); /* before anything was watched there */
    follow(c);
    assert_true(has(c, "a", "1"));
    put(c, "d/e/a.yaml", NS("a", "2"));
    follow(c);
    assert_true(has(c, "a", "2"));
    assert_int_equal(rename(path_of(c, "d"), path_of(c, "moved")), 0);
    follow(c);
    assert_true(has(c, "a", "2"));
    put(c, "moved/e/a.yaml", NS("a", "3"));
    follow(c);
    assert_true(has(c, "a", "3"));
}

/* As the kubelet mounts a ConfigMap: files are links into ..data, which is a link to a folder that is replaced. */
static void test_a_config_map_is_swapped(void **state) {
    struct case_state *c = *state;
    assert_int_equal(mkdir(path_of(c, "..1"), 0700), 0);
    put(c, "..1/a.yaml", NS("a", "1"));
    put(c, "..1/b.yaml", NS("b", "1"));
    assert_int_equal(symlink("..1", path_of(c, "..data")), 0);
    assert_int_equal(symlink("..data/a.yaml", path_of(c, "a.yaml")), 0);
    assert_int_equal(symlink("..data/b.yaml", path_of(c, "b.yaml")), 0);
    begin(c);
    assert_true(has(c, "a", "1") && has(c, "b", "1"));
    for (unsigned i = 2; i < 5; i++) {
        char dir[8], text[256], version[4];
        snprintf(dir, sizeof dir, "..%u", i);
        snprintf(version, sizeof version, "%u", i);
        assert_int_equal(mkdir(path_of(c, dir), 0700), 0);
        snprintf(text, sizeof text, NS("a", "%u"), i);
        char name[32];
        snprintf(name, sizeof name, "%s/a.yaml", dir);
        put(c, name, text);
        snprintf(name, sizeof name, "%s/b.yaml", dir);
        put(c, name, NS("b", "1"));
        assert_int_equal(symlink(dir, path_of(c, "..data_tmp")), 0);
        assert_int_equal(rename(path_of(c, "..data_tmp"), path_of(c, "..data")), 0);
        snprintf(dir, sizeof dir, "..%u", i - 1);
        remove_all(path_of(c, dir));
        follow(c);
        assert_true(has(c, "a", version) && has(c, "b", "1"));
        assert_int_equal(c->found.n, 0);
    }
}

/* `current -> releases/1`, turned over to another release in one step. */
static void test_a_link_on_the_way_is_turned(void **state) {
    struct case_state *c = *state;
    assert_int_equal(mkdir(path_of(c, "r1"), 0700), 0);
    assert_int_equal(mkdir(path_of(c, "r2"), 0700), 0);
    put(c, "r1/a.yaml", NS("a", "1") "---\n" NS("only1", "1"));
    put(c, "r2/a.yaml", NS("a", "2"));
    assert_int_equal(symlink("r1", path_of(c, "current")), 0);
    const char *name = "current";
    begin_at(c, &name, 1);
    assert_true(has(c, "a", "1"));
    assert_int_equal(symlink("r2", path_of(c, "next")), 0);
    assert_int_equal(rename(path_of(c, "next"), path_of(c, "current")), 0);
    follow(c);
    assert_true(has(c, "a", "2"));
    assert_null(label(c, "only1"));
    put(c, "r2/a.yaml", NS("a", "3"));
    follow(c);
    assert_true(has(c, "a", "3"));
}

static void test_reading_all_again_changes_nothing(void **state) {
    struct case_state *c = *state;
    put(c, "a.yaml", NS("a", "1") "---\n" BROKEN_NS("b"));
    begin(c);
    files_mark(c->files, S(""));
    read_now(c);
    assert_int_equal(c->work.files_read, 1);
    assert_int_equal(c->work.documents_decoded, 0);
    assert_int_equal(c->work.objects_changed, 0);
    assert_int_equal(c->found.n, 1);
}

/* One of many: what is done does not grow with what did not change. */
static void test_one_of_many_documents(void **state) {
    struct case_state *c = *state;
    enum { MANY = 2000 };
    struct buf b;
    buf_init(&b, 1 << 22);
    size_t last = 0;
    for (unsigned i = 0; i < MANY; i++) {
        last = b.n;
        buf_printf(&b, "---\n" NS("n%u", "1"), i);
    }
    buf_add_char(&b, 0);
    put(c, "many.yaml", b.p);
    begin(c);
    assert_int_equal(store_count(c->store, KIND_NAMESPACE), MANY);
    b.n = last;
    buf_printf(&b, "---\n" NS("n%u", "2"), MANY - 1);
    buf_add_char(&b, 0);
    put(c, "many.yaml", b.p);
    follow(c);
    assert_int_equal(c->work.documents_decoded, 1);
    assert_int_equal(c->work.objects_changed, 1);
    assert_true(has(c, "n1999", "2") && has(c, "n7", "1"));
    buf_fini(&b);
}

/* n items, the one at `odd` with its own label (NULL: broken), as JSON of more than a document may have. */
static char *long_list(unsigned n, unsigned odd, const char *label, const char *kind) {
    struct buf b;
    buf_init(&b, 1 << 24);
    buf_add(&b, S("{\n\"apiVersion\": \"v1\",\n\"items\": [\n"));
    for (unsigned i = 0; i < n; i++) {
        const char *v = i == odd ? label : "1";
        buf_printf(&b,
                   "{\"apiVersion\": \"v1\", \"kind\": \"Namespace\", \"metadata\": {\"name\": \"n%u\", "
                   "\"%s\": {\"v\": \"%s\"},\n",
                   i, v ? "labels" : "lables", v ? v : "x");
        buf_printf(&b, "\"annotations\": {\"filler\": \"%0100d\"}}}%s\n", 0, i + 1 < n ? "," : "");
    }
    buf_printf(&b, "],\n\"kind\": \"%s\", \"metadata\": {\"resourceVersion\": \"\"}}\n", kind);
    buf_add_char(&b, 0);
    assert_true(b.n > 3 << 19 && !b.overflow);
    return b.p;
}

static void put_long_list(struct case_state *c, unsigned odd, const char *label, const char *kind) {
    char *text = long_list(20000, odd, label, kind);
    put(c, "list.json", text);
    free(text);
}

static void test_a_long_list_is_taken_item_by_item(void **state) {
    struct case_state *c = *state;
    put_long_list(c, 7, "2", "List");
    begin(c);
    assert_int_equal(c->found.n, 0);
    assert_int_equal(store_count(c->store, KIND_NAMESPACE), 20000);
    assert_true(has(c, "n7", "2") && has(c, "n19999", "1"));
    put_long_list(c, 19999, NULL, "NamespaceList");
    follow(c);
    assert_int_equal(c->found.n, 1);
    assert_int_equal(c->found.first->line, 4 + 2 * 19999);
    assert_int_equal(c->work.objects_changed, 1);
    assert_true(has(c, "n7", "1") && has(c, "n19999", "1"));
    assert_int_equal(store_count(c->store, KIND_NAMESPACE), 20000);
}

/* What is no list, or breaks off, keeps all that was there. */
static void test_a_long_document_that_is_no_list(void **state) {
    struct case_state *c = *state;
    put_long_list(c, 0, "1", "List");
    begin(c);
    put_long_list(c, 0, "2", "Things");
    follow(c);
    assert_int_equal(c->found.n, 1);
    assert_non_null(strstr(c->found.first->message.p, "bytes; at most 1572864 are read"));
    assert_true(has(c, "n0", "1") && has(c, "n19999", "1"));
    char *text = long_list(20000, 0, "3", "List");
    text[strlen(text) - 4] = 0;
    put(c, "list.json", text);
    free(text);
    follow(c);
    assert_int_equal(c->found.n, 1);
    assert_in_range(c->found.first->line, 40004, 40005);
    assert_true(has(c, "n0", "1") && has(c, "n19999", "1"));
}

static void test_an_item_is_no_larger_than_an_object(void **state) {
    struct case_state *c = *state;
    char *big = base_alloc(2 << 20);
    memset(big, 'x', 2 << 20);
    big[(2 << 20) - 1] = 0;
    struct buf b;
    buf_init(&b, 8 << 20);
    buf_printf(
        &b, "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Namespace, metadata: {name: a}}\n");
    buf_printf(&b, "- {apiVersion: v1, kind: Namespace, metadata: {name: b, annotations: {c: %s}}}\n", big);
    buf_add_char(&b, 0);
    put(c, "list.yaml", b.p);
    begin(c);
    assert_int_equal(c->found.n, 1);
    assert_non_null(strstr(c->found.first->message.p, "an item of more than 1572864 bytes"));
    assert_int_equal(c->found.first->line, 5);
    assert_int_equal(store_count(c->store, KIND_NAMESPACE), 0);
    buf_fini(&b);
    free(big);
}

/* A folder's files go and stay as its name comes and goes, whatever else is looked at in the same reading. */
static void test_folders_and_files_of_like_names(void **state) {
    struct case_state *c = *state;
    assert_int_equal(mkdir(path_of(c, "a"), 0700), 0);
    assert_int_equal(mkdir(path_of(c, "a/deep"), 0700), 0);
    assert_int_equal(mkdir(path_of(c, "ab"), 0700), 0);
    put(c, "a/deep/x.yaml", NS("x", "1"));
    put(c, "a/w.yaml", NS("w", "1"));
    put(c, "ab/z.yaml", NS("z", "1"));
    begin(c);
    assert_int_equal(store_count(c->store, KIND_NAMESPACE), 3);
    assert_int_equal(rename(path_of(c, "a"), path_of(c, "b")), 0);
    follow(c);
    assert_int_equal(store_count(c->store, KIND_NAMESPACE), 3);
    assert_int_equal(c->work.objects_changed, 0);
    assert_int_equal(unlink(path_of(c, "b/deep/x.yaml")), 0);
    follow(c);
    assert_true(!label(c, "x") && has(c, "w", "1") && has(c, "z", "1"));
    assert_int_equal(rename(path_of(c, "b"), path_of(c, ".b")), 0);
    follow(c);
    assert_true(!label(c, "w") && has(c, "z", "1"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_a_folder_is_read_in_depth),
        CASE(test_only_changed_documents_are_decoded),
        CASE(test_what_vanishes_is_removed),
        CASE(test_a_moved_object_stays_the_same),
        CASE(test_a_broken_document_keeps_the_last_good_one),
        CASE(test_broken_by_name_when_moved),
        CASE(test_findings_stand_until_mended),
        CASE(test_defined_twice_the_first_path_wins),
        CASE(test_lists_are_taken_apart),
        CASE(test_an_unreadable_file_keeps_its_state),
        CASE(test_a_file_too_large_is_refused),
        CASE(test_editors_rename_over),
        CASE(test_a_backup_is_no_end_in_a_folder),
        CASE(test_a_file_that_is_being_made_is_no_news),
        CASE(test_paths_that_come_later),
        CASE(test_new_folders_are_followed),
        CASE(test_a_config_map_is_swapped),
        CASE(test_a_link_on_the_way_is_turned),
        CASE(test_reading_all_again_changes_nothing),
        CASE(test_one_of_many_documents),
        CASE(test_a_long_list_is_taken_item_by_item),
        CASE(test_a_long_document_that_is_no_list),
        CASE(test_an_item_is_no_larger_than_an_object),
        CASE(test_folders_and_files_of_like_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
