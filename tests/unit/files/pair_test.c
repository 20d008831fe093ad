/* SPDX-License-Identifier: Apache-2.0 */
#include "files/pair.h"

#include "api/core.h"
#include "files_case.h"
#include "text/x509.h"

struct made {
    str cert, key;
};
static struct made make(struct files_case *c, const char *name) {
    struct made m;
    str names = str_of(name);
    assert_int_equal(x509_make(c->a, &names, 1, 1700000000, 10000, &m.cert, &m.key), OK);
    return m;
}

static void begin(struct files_case *c, const char *cert, const char *key) {
    struct files_pair p = {"default", "site", case_path(c, cert), case_path(c, key)};
    struct files_root root = {case_path(c, "m"), NULL};
    assert_int_equal(mkdir(root.path, 0700), 0);
    case_begin(c, &(struct files_config){.roots = &root, .roots_n = 1, .pairs = &p, .pairs_n = 1});
}

static const struct secret *site(const struct files_case *c) {
    return (const void *)store_get(c->store, c->a, KIND_SECRET, S("default"), S("site"));
}
static bool shows(const struct files_case *c, const struct made *m) {
    const struct secret *s = site(c);
    return s && str_eq(s->type, S("kubernetes.io/tls")) &&
           str_eq(schema_map_get(&s->data, S("tls.crt")), m->cert) &&
           str_eq(schema_map_get(&s->data, S("tls.key")), m->key);
}

static void test_two_files_are_a_secret(void **state) {
    struct files_case *c = *state;
    struct made one = make(c, "one.example"), two = make(c, "two.example");
    case_put(c, "c.pem", one.cert.p);
    case_put(c, "k.pem", one.key.p);
    begin(c, "c.pem", "k.pem");
    assert_int_equal(c->found.n, 0);
    assert_true(shows(c, &one));
    /* One after the other: between the two the last good pair stays. */
    case_put(c, "c.pem", two.cert.p);
    case_follow(c);
    assert_true(shows(c, &one));
    const char *says = case_finding(c);
    assert_says(says, "Secret default/site: --tls: ");
    assert_says(says, "the last good pair stays in force");
    assert_silent(says, "PRIVATE");
    case_put(c, "k.pem", two.key.p);
    case_follow(c);
    assert_true(shows(c, &two));
    assert_int_equal(c->found.n, 0);
    assert_int_equal(unlink(case_path(c, "k.pem")), 0);
    case_follow(c);
    assert_says(case_finding(c), "k.pem: No such file or directory; the last good pair stays in force");
    assert_true(shows(c, &two));
}

static void test_files_that_come_later(void **state) {
    struct files_case *c = *state;
    struct made one = make(c, "one.example");
    begin(c, "c.pem", "k.pem");
    assert_null(site(c));
    assert_says(case_finding(c), "the Secret does not exist until then");
    case_put(c, "c.pem", one.cert.p);
    case_put(c, "k.pem", one.key.p);
    case_follow(c);
    assert_true(shows(c, &one));
    assert_int_equal(c->found.n, 0);
}

static void put_version(const struct files_case *c, const char *version, const struct made *m) {
    assert_int_equal(mkdir(case_path(c, arena_printf(c->a, "t/%s", version).p), 0700), 0);
    case_put(c, arena_printf(c->a, "t/%s/tls.crt", version).p, m->cert.p);
    case_put(c, arena_printf(c->a, "t/%s/tls.key", version).p, m->key.p);
    assert_int_equal(symlink(version, case_path(c, "t/..new")), 0);
    assert_int_equal(rename(case_path(c, "t/..new"), case_path(c, "t/..data")), 0);
}

static void test_a_mounted_secret_is_swapped(void **state) {
    struct files_case *c = *state;
    struct made one = make(c, "one.example"), two = make(c, "two.example");
    assert_int_equal(mkdir(case_path(c, "t"), 0700), 0);
    put_version(c, "..1", &one);
    assert_int_equal(symlink("..data/tls.crt", case_path(c, "t/tls.crt")), 0);
    assert_int_equal(symlink("..data/tls.key", case_path(c, "t/tls.key")), 0);
    begin(c, "t/tls.crt", "t/tls.key");
    assert_true(shows(c, &one));
    put_version(c, "..2", &two);
    case_follow(c);
    assert_true(shows(c, &two));
    assert_int_equal(c->found.n, 0);
}

static void test_the_command_line_wins(void **state) {
    struct files_case *c = *state;
    struct made one = make(c, "one.example");
    case_put(c, "c.pem", one.cert.p);
    case_put(c, "k.pem", one.key.p);
    begin(c, "c.pem", "k.pem");
    case_put(c, "m/s.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: site}\nstringData: {a: b}\n");
    case_follow(c);
    assert_true(shows(c, &one));
    assert_says(case_finding(c), "m/s.yaml:1:1: Secret default/site: is given already by --tls, from ");
}

static void test_what_is_no_file(void **state) {
    struct files_case *c = *state;
    struct made one = make(c, "one.example");
    case_put(c, "k.pem", one.key.p);
    assert_int_equal(mkdir(case_path(c, "c.pem"), 0700), 0);
    begin(c, "c.pem", "k.pem");
    assert_says(case_finding(c), "c.pem: is not a file");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_two_files_are_a_secret),
        CASE(test_files_that_come_later),
        CASE(test_a_mounted_secret_is_swapped),
        CASE(test_the_command_line_wins),
        CASE(test_what_is_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
