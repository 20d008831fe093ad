/* SPDX-License-Identifier: Apache-2.0 */
#include "text/json.h"

#include "../unit.h"
#include "text/yaml.h"

static void prints_what_it_read(void **state) {
    (void)state;
    static const char *const texts[] = {
        "{\"a\":[1,-2,true,false,null,\"true\",\"\\u00e9\\n\"],\"b\":{}}",
        "[]",
        "\"x\"",
        "12345678901234567",
        "{\"z\":1,\"a\":2}",
    };
    OWNED(arena) a = arena_new();
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct node *n = NULL;
        str why;
        assert_ok(json_parse(a, str_of(texts[i]), &n, &why));
        struct buf b;
        buf_init(&b, 4096);
        node_json(&b, n, false);
        struct node *again = NULL;
        assert_ok(json_parse(a, buf_str(&b), &again, &why));
        if (i != 0) assert_str(buf_str(&b), texts[i]);
        assert_int_equal(n->kind, again->kind);
        assert_int_equal(n->n, again->n);
        buf_fini(&b);
    }
}

static void strings_stay_strings(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct node *n = NULL;
    str why;
    assert_ok(json_parse(a, S("{\"s\":\"true\",\"b\":true,\"i\":80,\"f\":1.5,\"n\":null}"), &n, &why));
    assert_int_equal(yaml_meaning(node_get(n, S("s"))), YAML_IS_STRING);
    assert_int_equal(yaml_meaning(node_get(n, S("b"))), YAML_IS_BOOL);
    assert_int_equal(yaml_meaning(node_get(n, S("i"))), YAML_IS_INT);
    assert_int_equal(yaml_meaning(node_get(n, S("f"))), YAML_IS_FLOAT);
    assert_int_equal(node_get(n, S("n"))->kind, NODE_NULL);
}

static void refuses(void **state) {
    (void)state;
    static const struct {
        const char *text;
        err wanted;
    } cases[] = {
        {"", ERR_PROTO},         {"{", ERR_PROTO},     {"{\"a\":1,\"a\":2}", ERR_PROTO},
        {"[1,]", ERR_PROTO},     {"{} {}", ERR_PROTO}, {"\"\\u0000\"", ERR_PROTO},
        {"\"\xff\"", ERR_PROTO}, {"nul", ERR_PROTO},   {"99999999999999999999", ERR_PROTO},
        {"{'a':1}", ERR_PROTO},  {"01", ERR_PROTO},    {"\"a\nb\"", ERR_PROTO},
    };
    OWNED(arena) a = arena_new();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct node *n = NULL;
        str why = {0};
        if (json_parse(a, str_of(cases[i].text), &n, &why) != cases[i].wanted) fail_msg("%s", cases[i].text);
        assert_null(n);
        assert_true(why.n > 0);
    }
}

static void bounds_depth(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    char text[8192];
    for (size_t depth = 1; depth < sizeof text / 2; depth *= 2) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        struct node *n = NULL;
        str why;
        err e = json_parse(a, (str){text, 2 * depth}, &n, &why);
        assert_int_equal(e, depth <= JSON_DEPTH_MAX ? OK : ERR_LIMIT);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_what_it_read),
        cmocka_unit_test(strings_stay_strings),
        cmocka_unit_test(refuses),
        cmocka_unit_test(bounds_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
