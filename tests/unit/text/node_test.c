/* SPDX-License-Identifier: Apache-2.0 */
#include "text/node.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "text/yaml.h"

static struct node *parse(struct arena *a, const char *text) {
    struct node *root = NULL;
    str message;
    uint32_t line, column;
    assert_int_equal(yaml_parse(a, str_of(text), 1, &root, &message, &line, &column), OK);
    return root;
}

static const char source[] =
    "a: 1\nb: [x, {p: z, l: [1, [2]]}, [], {}]\n'yes': 'no'\nc: \"a\\tb: #\"\nd: null\n"
    "e: '2026-01-01'\nf: ''\ng: 'a b'\nh: '1.5'\ni: -x\nj: '*.a'\nk: gateway.networking.k8s.io/v1\n";

static void prints_json(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct buf b;
    buf_init(&b, 4096);
    node_json(&b, parse(a, "a: 1\nb: ['x', {y: true}, [], {}]\n"), false);
    assert_true(str_eq(buf_str(&b), S("{\"a\":1,\"b\":[\"x\",{\"y\":true},[],{}]}")));
    buf_clear(&b);
    node_json(&b, parse(a, "a: 1\nb: [2, {}]\n"), true);
    assert_true(str_eq(buf_str(&b), S("{\n  \"a\": 1,\n  \"b\": [\n    2,\n    {}\n  ]\n}")));
    buf_fini(&b);
}

/* What is printed as YAML reads as the same JSON. */
static void yaml_reads_back(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct buf json, yaml, again;
    buf_init(&json, 4096), buf_init(&yaml, 4096), buf_init(&again, 4096);
    struct node *root = parse(a, source);
    /* plain strings count as quoted ones when they are printed */
    for (struct node *n = root->child; n; n = n->next)
        if (n->kind == NODE_SCALAR && yaml_meaning(n) == YAML_IS_STRING) n->quoted = true;
    node_json(&json, root, false);
    node_yaml(&yaml, root, 4);
    assert_true(str_starts(buf_str(&yaml), S("    a: 1\n    b:\n    - x\n    - p: z\n      l:\n      - 1\n   "
                                             "   - - 2\n    - []\n    - {}\n    \"yes\": \"no\"\n")));
    struct node *back = parse(a, arena_str(a, buf_str(&yaml)).p);
    for (struct node *n = back->child; n; n = n->next)
        if (n->kind == NODE_SCALAR && yaml_meaning(n) == YAML_IS_STRING) n->quoted = true;
    node_json(&again, back, false);
    assert_string_equal(arena_str(a, buf_str(&json)).p, arena_str(a, buf_str(&again)).p);
    buf_fini(&json), buf_fini(&yaml), buf_fini(&again);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(prints_json), cmocka_unit_test(yaml_reads_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
