/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A folder of its own, what is read from it, and what stands after the last reading. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files/files.h"
#include <cmocka.h>

struct files_case {
    char dir[64];
    struct files *files;
    struct files_watch *watch;
    struct store *store;
    struct arena *a;
    struct findings found;
    struct files_work work;
};

static inline const char *case_path(const struct files_case *c, const char *name) {
    return arena_printf(c->a, "%s/%s", c->dir, name).p;
}

/* Moved into place, as a deployment does. */
static inline void case_put(const struct files_case *c, const char *name, const char *text) {
    const char *path = case_path(c, name), *staged = arena_printf(c->a, "%s/.staged", c->dir).p;
    FILE *f = fopen(staged, "we");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(rename(staged, path), 0);
}

static inline void case_read(struct files_case *c) {
    finding_init(&c->found, c->a);
    files_read(c->files, c->store, &c->found, &c->work);
}

static inline void case_begin(struct files_case *c, const struct files_config *config) {
    c->files = files_new(config);
    assert_int_equal(files_watch_new(&c->watch, config), OK);
    case_read(c);
}

/* Waits until inotify has something to say, then reads what it named. */
static inline void case_follow(struct files_case *c) {
    struct pollfd p = {.fd = files_watch_fd(c->watch), .events = POLLIN};
    assert_int_equal(poll(&p, 1, 5000), 1);
    size_t n;
    bool all;
    const str *paths = files_watch_take(c->watch, c->a, &n, &all);
    if (all) files_mark(c->files, S(""));
    for (size_t i = 0; i < n; i++) files_mark(c->files, paths[i]);
    case_read(c);
}

/* The only finding, printed. */
static inline const char *case_finding(const struct files_case *c) {
    assert_int_equal(c->found.n, 1);
    struct buf b;
    buf_init(&b, 1 << 16);
    finding_print(&b, c->found.first);
    str s = arena_str(c->a, buf_str(&b));
    buf_fini(&b);
    return s.p;
}
static inline void assert_says(const char *text, const char *words) {
    if (!strstr(text, words)) fail_msg("\"%s\" does not say \"%s\"", text, words);
}
static inline void assert_silent(const char *text, const char *words) {
    if (strstr(text, words)) fail_msg("\"%s\" says \"%s\"", text, words);
}

static inline int case_setup(void **state) {
    struct files_case *c = base_zalloc(sizeof *c);
    snprintf(c->dir, sizeof c->dir, "/tmp/files_case.XXXXXX");
    assert_non_null(mkdtemp(c->dir));
    c->store = store_new();
    c->a = arena_new();
    *state = c;
    return 0;
}
static inline int case_teardown(void **state) {
    struct files_case *c = *state;
    char command[128];
    files_free(c->files);
    files_watch_free(c->watch);
    store_free(c->store);
    arena_free(c->a);
    snprintf(command, sizeof command, "rm -rf %s", c->dir);
    int gone = system(command);
    free(c);
    return gone;
}
#define CASE(name) cmocka_unit_test_setup_teardown(name, case_setup, case_teardown)
