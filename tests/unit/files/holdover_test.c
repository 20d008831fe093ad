/* SPDX-License-Identifier: Apache-2.0 */
#include "files/holdover.h"

#include "api/core.h"
#include "files_case.h"

#define MAP(name, value) "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " name "}\ndata: {k: " value "}\n"
#define UNREADABLE       "kind: [unclosed\n"
#define WRONG(name)      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " name "}\ndata: 7\n"
#define KEPT             "what it said before stays in force"

static void begin(struct files_case *c) {
    struct files_root root = {c->dir, NULL};
    case_begin(c, &(struct files_config){.roots = &root, .roots_n = 1});
    assert_int_equal(files_kept_sign(c->files), 0);
}

/* What k of the ConfigMap says; "" when there is none. */
static const char *value(const struct files_case *c, const char *ns, const char *name) {
    const struct config_map *m =
        (const void *)store_get(c->store, c->a, KIND_CONFIG_MAP, str_of(ns), str_of(name));
    return m ? arena_str(c->a, schema_map_get(&m->data, S("k"))).p : "";
}

static str left(struct files_case *c) {
    struct buf b;
    buf_init(&b, 1 << 20);
    assert_int_equal(files_kept_put(c->files, c->store, &b), 0);
    str text = arena_str(c->a, buf_str(&b));
    buf_fini(&b);
    return text;
}

/* Another process, which is left the text. Returns how many files it took. */
static uint32_t begin_again(struct files_case *c, const struct files_config *config, str text) {
    uint32_t n;
    files_free(c->files);
    files_watch_free(c->watch);
    store_free(c->store);
    c->store = store_new();
    c->files = files_new(config);
    assert_int_equal(files_watch_new(&c->watch, config), OK);
    assert_int_equal(files_keep(c->files, text, &n), OK);
    case_read(c);
    return n;
}

static uint32_t again(struct files_case *c) {
    struct files_root root = {c->dir, NULL};
    str text = left(c);
    return begin_again(c, &(struct files_config){.roots = &root, .roots_n = 1}, text);
}

static void test_nothing_is_left_of_what_is_sound(void **state) {
    struct files_case *c = *state;
    case_put(c, "a.yaml", MAP("a", "one"));
    begin(c);
    assert_int_equal(left(c).n, 0);
    case_put(c, "b.yaml", UNREADABLE); /* it never said anything else */
    case_follow(c);
    assert_int_equal(c->found.n, 1);
    assert_int_equal(files_kept_sign(c->files), 0);
    assert_int_equal(left(c).n, 0);
}

static void test_a_broken_document(void **state) {
    struct files_case *c = *state;
    case_put(c, "a.yaml", MAP("a", "one") "---\n" MAP("b", "one") "---\n" MAP("c", "one"));
    begin(c);
    case_put(c, "a.yaml", MAP("a", "two") "---\n" UNREADABLE "---\n" WRONG("c"));
    case_follow(c);
    uint64_t sign = files_kept_sign(c->files);
    assert_int_not_equal(sign, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(again(c), 1);
        assert_string_equal(value(c, "default", "a"), "two");
        assert_string_equal(value(c, "default", "b"), "one");
        assert_string_equal(value(c, "default", "c"), "one");
        assert_int_equal(c->found.n, 2);
        for (const struct finding *f = c->found.first; f; f = f->next) assert_says(f->message.p, KEPT);
    }
    case_put(c, "a.yaml", MAP("a", "two") "---\n" UNREADABLE "---\n" MAP("c", "two"));
    case_follow(c);
    assert_string_equal(value(c, "default", "c"), "two");
    assert_int_not_equal(files_kept_sign(c->files), sign);
    assert_int_equal(again(c), 1);
    assert_string_equal(value(c, "default", "b"), "one");
    assert_string_equal(value(c, "default", "c"), "two");
    assert_says(case_finding(c), KEPT);
    case_put(c, "a.yaml", MAP("a", "two"));
    case_follow(c);
    assert_int_equal(files_kept_sign(c->files), 0);
    assert_string_equal(value(c, "default", "b"), "");
}

/* What was kept of a text is not what is kept of the same text later. */
static void test_the_sign_tells_one_time_from_another(void **state) {
    struct files_case *c = *state;
    case_put(c, "a.yaml", MAP("a", "one"));
    begin(c);
    uint64_t signs[2];
    for (int i = 0; i < 2; i++) {
        case_put(c, "a.yaml", UNREADABLE);
        case_follow(c);
        signs[i] = files_kept_sign(c->files);
        case_put(c, "b.yaml", MAP("b", "one"));
        case_follow(c);
        assert_int_equal(files_kept_sign(c->files), signs[i]);
        case_put(c, "a.yaml", MAP("a", "two"));
        case_follow(c);
    }
    assert_int_not_equal(signs[0], signs[1]);
}

/* Of a list with one broken item, only that; of a list that can not be parsed, all. */
static void test_lists(void **state) {
    struct files_case *c = *state;
    const char *item = "- {apiVersion: v1, kind: ConfigMap, metadata: {name: %s}, data: %s}\n";
    str first = arena_printf(c->a, item, "a", "{k: one}"), bad = arena_printf(c->a, item, "b", "7");
    str second = arena_printf(c->a, item, "b", "{k: one}"), third = arena_printf(c->a, item, "c", "{k: one}");
    const char *list = "apiVersion: v1\nkind: List\nitems:\n" STR_FMT STR_FMT STR_FMT;
    case_put(c, "l.yaml", arena_printf(c->a, list, STR_ARG(first), STR_ARG(second), STR_ARG(third)).p);
    begin(c);
    case_put(c, "l.yaml", arena_printf(c->a, list, STR_ARG(first), STR_ARG(bad), STR_ARG(third)).p);
    case_follow(c);
    assert_silent(left(c).p, "\"name\":\"a\"");
    assert_says(left(c).p, "\"name\":\"b\"");
    assert_int_equal(again(c), 1);
    assert_string_equal(value(c, "default", "b"), "one");
    assert_string_equal(value(c, "default", "c"), "one");
    case_put(c, "l.yaml", "kind: List\nitems: [\n");
    case_follow(c);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(again(c), 1);
        assert_string_equal(value(c, "default", "a"), "one");
        assert_string_equal(value(c, "default", "b"), "one");
        assert_string_equal(value(c, "default", "c"), "one");
        assert_says(case_finding(c), KEPT);
    }
}

/* A file that was named and is away is kept whole, and nothing is told of what it said besides. */
static void test_a_file_out_of_reach(void **state) {
    struct files_case *c = *state;
    case_put(c, "a.yaml", MAP("a", "one") "---\nnull\n---\n" MAP("b", "one"));
    struct files_root root = {case_path(c, "a.yaml"), NULL};
    struct files_config config = {.roots = &root, .roots_n = 1};
    case_begin(c, &config);
    assert_int_equal(unlink(root.path), 0);
    case_follow(c);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(begin_again(c, &config, left(c)), 1);
        assert_string_equal(value(c, "default", "a"), "one");
        assert_string_equal(value(c, "default", "b"), "one");
        assert_says(case_finding(c), "what was read there before stays in force");
    }
    case_put(c, "a.yaml", MAP("a", "two"));
    case_follow(c);
    assert_string_equal(value(c, "default", "a"), "two");
    assert_string_equal(value(c, "default", "b"), "");
    assert_int_equal(files_kept_sign(c->files), 0);
}

static void test_what_is_gone_meanwhile(void **state) {
    struct files_case *c = *state;
    case_put(c, "a.yaml", MAP("a", "one"));
    begin(c);
    case_put(c, "a.yaml", UNREADABLE);
    case_follow(c);
    assert_string_equal(value(c, "default", "a"), "one");
    assert_int_equal(unlink(case_path(c, "a.yaml")), 0);
    assert_int_equal(again(c), 1);
    assert_string_equal(value(c, "default", "a"), "");
    assert_int_equal(c->found.n, 0);
    assert_int_equal(files_kept_sign(c->files), 0);
}

/* The text gives nobody what the files could not: nothing from elsewhere, and a tenant no more than a tenant's. */
static void test_who_may_say_what(void **state) {
    struct files_case *c = *state;
    case_put(c, "a.yaml", UNREADABLE);
    assert_int_equal(mkdir(case_path(c, "t"), 0700), 0);
    case_put(c, "t/a.yaml", UNREADABLE);
    struct files_root roots[] = {{case_path(c, "t"), "shop"}, {case_path(c, "a.yaml"), NULL}};
    struct files_config config = {.roots = roots, .roots_n = 2};
    case_begin(c, &config);
    static const char mine[] = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: infra}\n";
    const char *const places[] = {"t/a.yaml", "b.yaml", "a.yaml"};
    struct buf b;
    size_t first = 0;
    buf_init(&b, 1 << 16);
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        const char *path = case_path(c, places[i]);
        buf_printf(&b, "file %zu %zu\n%s%s", strlen(path), sizeof mine - 1, path, mine);
        if (!i) first = b.n;
    }
    str one = arena_str(c->a, str_upto(buf_str(&b), first));
    str text = arena_str(c->a, buf_str(&b));
    assert_int_equal(begin_again(c, &config, text), 2);
    assert_true(store_has(c->store, KIND_CONFIG_MAP, S("infra"), S("x"))); /* by the operator's own */
    assert_int_equal(begin_again(c, &config, one), 1);
    assert_false(store_has(c->store, KIND_CONFIG_MAP, S("infra"), S("x")));
    buf_fini(&b);
}

static void test_what_there_is_no_room_for(void **state) {
    struct files_case *c = *state;
    char big[4096 + 128];
    snprintf(big, sizeof big, MAP("a", "\"%04096d\""), 7);
    case_put(c, "a.yaml", big);
    case_put(c, "b.yaml", MAP("b", "one"));
    begin(c);
    case_put(c, "a.yaml", WRONG("a"));
    case_follow(c);
    case_put(c, "b.yaml", WRONG("b"));
    case_follow(c);
    struct buf b;
    buf_init(&b, 4096);
    assert_int_equal(files_kept_put(c->files, c->store, &b), 1);
    struct files_root root = {c->dir, NULL};
    str text = arena_str(c->a, buf_str(&b));
    assert_int_equal(begin_again(c, &(struct files_config){.roots = &root, .roots_n = 1}, text), 1);
    assert_string_equal(value(c, "default", "a"), "");
    assert_string_equal(value(c, "default", "b"), "one");
    buf_fini(&b);
}

/* Each beginning of a text, and each with one byte changed, is taken for what it says, or refused. */
static void test_garbage(void **state) {
    struct files_case *c = *state;
    case_put(c, "a.yaml", MAP("a", "one"));
    begin(c);
    case_put(c, "a.yaml", UNREADABLE);
    case_follow(c);
    str whole = left(c);
    struct files_root root = {c->dir, NULL};
    struct files_config config = {.roots = &root, .roots_n = 1};
    for (size_t i = 0; i < 2 * whole.n; i++) {
        OWNED(files) f = files_new(&config);
        OWNED(store) s = store_new();
        OWNED(arena) a = arena_new();
        str text = arena_str(a, i < whole.n ? str_upto(whole, i) : whole);
        if (i >= whole.n) *(char *)(uintptr_t)(text.p + (i - whole.n)) ^= 0x15;
        uint32_t n;
        struct findings found;
        finding_init(&found, a);
        err e = files_keep(f, text, &n);
        assert_true(e == OK || e == ERR_PROTO);
        assert_true(n <= 1);
        if (i && i < whole.n) assert_int_equal(e, ERR_PROTO);
        struct files_work work;
        files_read(f, s, &found, &work);
        assert_int_equal(found.n, 1);
    }
    static const char *const none[] = {
        "file",           "file 1 0",        "file 0 0\n",   "file 1 9\na",   "pair x 0\n", "other 1 0\na",
        "file 1 0 0\na0", "file 99999 0\na", "file -1 0\na", "file 1 1 \nab", "\n",         "file 1\na"};
    for (size_t i = 0; i < COUNT_OF(none); i++) {
        str text = str_of(none[i]);
        struct holdover_record r;
        assert_int_equal(holdover_next(&text, &r), ERR_PROTO);
    }
    str zero = S("file 2 0\na\0");
    struct holdover_record r;
    assert_int_equal(holdover_next(&zero, &r), ERR_PROTO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_nothing_is_left_of_what_is_sound),
        CASE(test_a_broken_document),
        CASE(test_the_sign_tells_one_time_from_another),
        CASE(test_lists),
        CASE(test_a_file_out_of_reach),
        CASE(test_what_is_gone_meanwhile),
        CASE(test_who_may_say_what),
        CASE(test_what_there_is_no_room_for),
        CASE(test_garbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
