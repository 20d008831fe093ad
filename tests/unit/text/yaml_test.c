/* SPDX-License-Identifier: Apache-2.0 */
#include "text/yaml.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct parsed {
    struct arena *a;
    struct node *root;
    err e;
    str message;
    uint32_t line, column;
};
static struct parsed parse(const char *text) {
    struct parsed p = {.a = arena_new()};
    p.e = yaml_parse(p.a, str_of(text), 1, &p.root, &p.message, &p.line, &p.column);
    return p;
}
static void done(struct parsed *p) { arena_free(p->a); }
static bool has(str s, const char *part) { return memmem(s.p, s.n, part, strlen(part)) != NULL; }

static void expect_refused(const char *text, err e, const char *part, uint32_t line, uint32_t column) {
    struct parsed p = parse(text);
    assert_int_equal(p.e, e);
    if (!has(p.message, part)) fail_msg("\"%.*s\" has no \"%s\"", STR_ARG(p.message), part);
    if (p.line != line || p.column != column) fail_msg("%s: %u:%u", text, p.line, p.column);
    done(&p);
}

static void reads_maps_and_lists_with_places(void **state) {
    (void)state;
    struct parsed p = parse("# head\nspec:\n  ports:\n  - port: 80\n    name: \"80\"\n  - {port: 81}\n");
    assert_int_equal(p.e, OK);
    const struct node *ports = node_get(node_get(p.root, S("spec")), S("ports"));
    assert_int_equal(ports->kind, NODE_SEQ);
    assert_int_equal(ports->n, 2);
    const struct node *port = node_get(ports->child, S("port")), *name = node_get(ports->child, S("name"));
    assert_int_equal(port->line, 4);
    assert_int_equal(port->column, 11);
    assert_int_equal(port->key_column, 5);
    assert_false(port->quoted);
    assert_true(name->quoted);
    assert_true(str_eq(name->scalar, S("80")));
    assert_int_equal(ports->child->next->child->line, 6);
    assert_null(node_get(ports, S("port")));
    assert_null(node_get_str(p.root, S("spec")).p);
    done(&p);
}

static void counts_lines_from_the_files_begin(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct node *root;
    str message;
    uint32_t line, column;
    assert_int_equal(yaml_parse(a, S("a: 1\nb: [\n"), 101, &root, &message, &line, &column), ERR_PROTO);
    assert_int_equal(line, 103);
    assert_int_equal(yaml_parse(a, S("a:\n  b: 1\n"), 101, &root, &message, &line, &column), OK);
    assert_int_equal(node_get(node_get(root, S("a")), S("b"))->line, 102);
}

static void reads_json(void **state) {
    (void)state;
    struct parsed p =
        parse("{\"a\":{\"b\":[1,\"x\\/y\",true,null]},\n\t\"c\":\"\\ud83d\\ude00 \\\\ud83d\\\"\"}");
    assert_int_equal(p.e, OK);
    const struct node *list = node_get(node_get(p.root, S("a")), S("b"));
    assert_int_equal(list->n, 4);
    assert_true(str_eq(list->child->next->scalar, S("x/y")));
    assert_true(yaml_is_null(list->child->next->next->next));
    assert_true(str_eq(node_get(p.root, S("c"))->scalar, S("\xF0\x9F\x98\x80 \\ud83d\"")));
    assert_int_equal(node_get(p.root, S("c"))->line, 2);
    done(&p);
}

static void an_empty_document_is_no_error(void **state) {
    (void)state;
    static const char *const texts[] = {"", "# only words\n", "---\n", "--- # words\n", "null\n", "~"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct parsed p = parse(texts[i]);
        assert_int_equal(p.e, OK);
        assert_null(p.root);
        done(&p);
    }
}

static void keeps_duplicate_keys(void **state) {
    (void)state;
    struct parsed p = parse("a: 1\na: 2\n");
    assert_int_equal(p.root->n, 2);
    assert_int_equal(p.root->child->next->key_line, 2);
    done(&p);
}

static void expands_aliases(void **state) {
    (void)state;
    struct parsed p = parse("a: &x {k: [1, 2]}\nb: *x\nc: [*x, &y z, *y]\n");
    assert_int_equal(p.e, OK);
    const struct node *b = node_get(p.root, S("b")), *c = node_get(p.root, S("c"));
    assert_int_equal(node_get(b, S("k"))->n, 2);
    assert_int_equal(b->line, 2);
    assert_int_equal(c->n, 3);
    assert_true(str_eq(c->child->next->next->scalar, S("z")));
    done(&p);
}

static void refuses_what_kubernetes_objects_do_not_need(void **state) {
    (void)state;
    expect_refused("a: 1\nb:\n  <<: {x: y}\n", ERR_PROTO, "merge keys", 3, 3);
    expect_refused("a: *nobody\n", ERR_PROTO, "*nobody", 1, 4);
    expect_refused("a: &x [1, *x]\n", ERR_PROTO, "no complete value", 1, 11);
    expect_refused("? [a]\n: b\n", ERR_PROTO, "key must be a scalar", 1, 3);
    expect_refused("a: !thing b\n", ERR_PROTO, "!thing", 1, 4);
    expect_refused("a: b\n--- \nc: d\n", ERR_PROTO, "second document", 2, 1);
    expect_refused("a: b\n  c: d\n", ERR_PROTO, "not allowed", 2, 4);
    expect_refused("a: \"x\n", ERR_PROTO, "quoted scalar", 2, 1);
    expect_refused("a: b\n\x01: c\n", ERR_PROTO, "control characters", 2, 1);
}

static void a_tag_may_say_that_it_is_a_string(void **state) {
    (void)state;
    struct parsed p = parse("a: !!str 80\nb: !!int \"80\"\n");
    assert_int_equal(yaml_meaning(node_get(p.root, S("a"))), YAML_IS_STRING);
    assert_int_equal(yaml_meaning(node_get(p.root, S("b"))), YAML_IS_INT);
    done(&p);
}

static void bounds_what_aliases_grow(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 16);
    buf_add(&b, S("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"));
    for (int i = 1; i < 10; i++) {
        buf_printf(&b, "a%d: &a%d [", i, i);
        for (int k = 0; k < 10; k++) buf_printf(&b, "*a%d,", i - 1);
        buf_add(&b, S("]\n"));
    }
    buf_add_char(&b, '\0');
    struct parsed p = parse(b.p);
    assert_int_equal(p.e, ERR_LIMIT);
    assert_true(has(p.message, "100000 values"));
    assert_int_equal(p.line, 5);
    assert_true(arena_size(p.a) < 1 << 20);
    done(&p);
    buf_fini(&b);
}

static void bounds_depth_and_size(void **state) {
    (void)state;
    char deep[300];
    memset(deep, '[', 65), deep[65] = 0;
    expect_refused(deep, ERR_LIMIT, "deeper than 64", 1, 65);
    memset(deep, '[', 64), memset(deep + 64, ']', 64), deep[128] = 0;
    struct parsed p = parse(deep);
    assert_int_equal(p.e, OK);
    done(&p);
    expect_refused(
        "a: &a [[[[[[[[[[1]]]]]]]]]]\nb: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[*a]]]]",
        ERR_LIMIT, "deeper than 64", 2, 59);
    size_t n = (3 << 19) + 1;
    char *large = base_alloc(n + 1);
    memset(large, '#', n), large[n] = 0;
    expect_refused(large, ERR_LIMIT, "bytes", 1, 1);
    free(large);
    char *wide = base_alloc(400000);
    for (size_t i = 0; i < 399998; i += 2) wide[i] = '-', wide[i + 1] = '\n';
    wide[399998] = 0;
    p = parse(wide);
    assert_int_equal(p.e, ERR_LIMIT);
    done(&p);
    free(wide);
}

static enum yaml_meaning meaning(const char *text, bool quoted) {
    struct node n = {.kind = NODE_SCALAR, .scalar = str_of(text), .quoted = quoted};
    return yaml_meaning(&n);
}

static void scalars_mean_what_kubernetes_reads(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum yaml_meaning is;
    } cases[] = {{"true", YAML_IS_BOOL},
                 {"yes", YAML_IS_BOOL},
                 {"Off", YAML_IS_BOOL},
                 {"n", YAML_IS_BOOL},
                 {"tRue", YAML_IS_STRING},
                 {"null", YAML_IS_NULL},
                 {"~", YAML_IS_NULL},
                 {"", YAML_IS_NULL},
                 {"80", YAML_IS_INT},
                 {"-1", YAML_IS_INT},
                 {"+1", YAML_IS_INT},
                 {"0x1F", YAML_IS_INT},
                 {"010", YAML_IS_INT},
                 {"1_000", YAML_IS_INT},
                 {"1.5", YAML_IS_FLOAT},
                 {".5", YAML_IS_FLOAT},
                 {"1e3", YAML_IS_FLOAT},
                 {".inf", YAML_IS_FLOAT},
                 {"080", YAML_IS_FLOAT},
                 {"1.2.3", YAML_IS_STRING},
                 {"1s", YAML_IS_STRING},
                 {"-", YAML_IS_STRING},
                 {"2026-01-01", YAML_IS_STRING},
                 {"12:30", YAML_IS_STRING},
                 {"0x", YAML_IS_STRING},
                 {"a", YAML_IS_STRING},
                 {"99999999999999999999", YAML_IS_FLOAT}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (meaning(cases[i].text, false) != cases[i].is) fail_msg("%s", cases[i].text);
        assert_int_equal(meaning(cases[i].text, true), YAML_IS_STRING);
    }
}

static void integers_have_several_forms(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t v;
    } good[] = {{"80", 80},
                {"80.0", 80},
                {"8e1", 80},
                {"0x50", 80},
                {"0o120", 80},
                {"0120", 80},
                {"0b11", 3},
                {"-5", -5},
                {"9223372036854775807", INT64_MAX},
                {"-9223372036854775808", INT64_MIN}};
    static const char *const bad[] = {"80.5", "9223372036854775808", "eighty", "", "1e300", ".inf"};
    int64_t v;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct node n = {.kind = NODE_SCALAR, .scalar = str_of(good[i].text)};
        assert_true(yaml_int(&n, &v));
        assert_true(v == good[i].v);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct node n = {.kind = NODE_SCALAR, .scalar = str_of(bad[i])};
        assert_false(yaml_int(&n, &v));
    }
}

/* Expects the documents of a text: their lines and their bytes. */
static void expect_documents(const char *text, size_t n, const uint32_t *lines,
                             const char *const *documents) {
    str rest = str_of(text), one;
    uint32_t line = 1, at;
    size_t i = 0;
    while (yaml_next_document(&rest, &line, &one, &at)) {
        assert_true(i < n);
        assert_int_equal(at, lines[i]);
        if (!str_eq(one, str_of(documents[i]))) fail_msg("\"%.*s\"", STR_ARG(one));
        i++;
    }
    assert_int_equal(i, n);
    assert_int_equal(rest.n, 0);
}

static void splits_at_markers(void **state) {
    (void)state;
    expect_documents("", 0, NULL, NULL);
    expect_documents("# words\n\n---\n# more\n--- # and more\n...\n", 0, NULL, NULL);
    expect_documents("a: 1", 1, (uint32_t[]){1}, (const char *const[]){"a: 1"});
    expect_documents("# head\na: 1\n---\nb: 2\n", 2, (uint32_t[]){1, 3},
                     (const char *const[]){"# head\na: 1\n", "---\nb: 2\n"});
    expect_documents("---\n---\na: 1\n---\n---\n", 1, (uint32_t[]){2}, (const char *const[]){"---\na: 1\n"});
    expect_documents("a: |\n  ---\n  x\n---x: 1\n", 1, (uint32_t[]){1},
                     (const char *const[]){"a: |\n  ---\n  x\n---x: 1\n"});
    expect_documents("--- {a: 1}\n--- {b: 2}\r\n", 2, (uint32_t[]){1, 2},
                     (const char *const[]){"--- {a: 1}\n", "--- {b: 2}\r\n"});
    expect_documents("a: 1\n...\n# between\n---\nb: 2\n...", 2, (uint32_t[]){1, 4},
                     (const char *const[]){"a: 1\n", "---\nb: 2\n"});
    expect_documents("%YAML 1.1\n---\na: 1\n", 1, (uint32_t[]){1},
                     (const char *const[]){"%YAML 1.1\n---\na: 1\n"});
    expect_documents("\xEF\xBB\xBF---\na: 1\n---\r\nb: 1\r\n", 2, (uint32_t[]){1, 3},
                     (const char *const[]){"\xEF\xBB\xBF---\na: 1\n", "---\r\nb: 1\r\n"});
    expect_documents("{\"a\":\n 1}\n", 1, (uint32_t[]){1}, (const char *const[]){"{\"a\":\n 1}\n"});
}

struct taken {
    struct arena *a;
    struct buf b;
};
static void take_item(void *arg, struct node *n) {
    struct taken *t = arg;
    buf_printf(&t->b, "%u:", n->line);
    node_json(&t->b, n, false);
    buf_add_char(&t->b, ' ');
}

static err take_items(struct taken *t, str text, struct node **ret, str *ret_message) {
    uint32_t line, column;
    t->a = arena_new();
    buf_init(&t->b, 4096);
    return yaml_parse_items(t->a, text, 10, take_item, t, ret, ret_message, &line, &column);
}
static void done_items(struct taken *t) {
    buf_fini(&t->b);
    arena_free(t->a);
}

static void passes_items_one_by_one(void **state) {
    (void)state;
    struct taken t;
    struct node *rest = NULL;
    str message = {0};
    assert_int_equal(
        take_items(&t, S("a: {items: [1]}\nitems:\n- b: &x [1, 2]\n  c: *x\n- d\n- items: [e]\nkind: List\n"),
                   &rest, &message),
        OK);
    assert_true(str_eq(buf_str(&t.b), S("12:{\"b\":[1,2],\"c\":[1,2]} 14:d 15:{\"items\":[e]} ")));
    const struct node *items = node_get(rest, S("items"));
    assert_true(items && items->kind == NODE_SEQ && items->n == 3 && !items->child);
    assert_true(str_eq(node_get_str(rest, S("kind")), S("List")));
    done_items(&t);
    assert_int_equal(take_items(&t, S("items:\n- &x a\n- *x\n"), &rest, &message), ERR_PROTO);
    assert_true(str_eq(message, S("alias *x: no complete value has this anchor")));
    assert_true(str_eq(buf_str(&t.b), S("11:a ")));
    done_items(&t);
    assert_int_equal(take_items(&t, S("[items, [a]]"), &rest, &message), OK);
    assert_int_equal(t.b.n, 0);
    done_items(&t);
}

/* The bounds of a document are those of each item. */
static void bounds_items_each(void **state) {
    (void)state;
    struct taken t;
    struct node *rest = NULL;
    str message = {0};
    struct buf b;
    buf_init(&b, 8 << 20);
    buf_add(&b, S("items:\n"));
    for (unsigned i = 0; i < 3; i++) {
        buf_add(&b, S("- ["));
        for (unsigned k = 0; k < 60000; k++) buf_add(&b, S("1,"));
        buf_add(&b, S("1]\n"));
    }
    assert_int_equal(take_items(&t, buf_str(&b), &rest, &message), OK);
    done_items(&t);
    b.n -= 2;
    for (unsigned k = 0; k < 60000; k++) buf_add(&b, S(",1"));
    buf_add(&b, S("]\n"));
    assert_int_equal(take_items(&t, buf_str(&b), &rest, &message), ERR_LIMIT);
    done_items(&t);
    buf_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_items_one_by_one),
        cmocka_unit_test(bounds_items_each),
        cmocka_unit_test(reads_maps_and_lists_with_places),
        cmocka_unit_test(counts_lines_from_the_files_begin),
        cmocka_unit_test(reads_json),
        cmocka_unit_test(an_empty_document_is_no_error),
        cmocka_unit_test(keeps_duplicate_keys),
        cmocka_unit_test(expands_aliases),
        cmocka_unit_test(refuses_what_kubernetes_objects_do_not_need),
        cmocka_unit_test(a_tag_may_say_that_it_is_a_string),
        cmocka_unit_test(bounds_what_aliases_grow),
        cmocka_unit_test(bounds_depth_and_size),
        cmocka_unit_test(scalars_mean_what_kubernetes_reads),
        cmocka_unit_test(integers_have_several_forms),
        cmocka_unit_test(splits_at_markers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
