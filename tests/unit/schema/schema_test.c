/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/schema.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "schema/breach.h"
#include "text/yaml.h"

/* One of each type. */
struct part {
    str name;
    int64_t port;
};
struct whole {
    str text, hidden, secret, bytes;
    bool flag;
    int64_t number, weight;
    struct opt_int maybe, wait;
    struct opt_bool perhaps;
    uint8_t color, state;
    int64_t when;
    struct str_map labels, data;
    struct int_or_str target;
    struct part inner;
    struct part *outer;
    LIST_OF(struct part) parts;
    LIST_OF(struct part) always;
    LIST_OF(str) words;
    LIST_OF(uint8_t) colors;
    LIST_OF(int64_t) codes;
};

static bool lower_holds(str s) {
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 'a' || s.p[i] > 'z') return false;
    return true;
}
static const struct pattern lower = {"^[a-z]*$", lower_holds, "must be lower case"};
static const char *const colors[] = {"red", "green", NULL};
static const char *const states[] = {"True", "False", NULL};
static const char *const codes[] = {"1", "2", NULL};

static void part_rules(struct schema_check *c, const void *obj) {
    const struct part *p = obj;
    if (p->port == 13) breach(c, S("port"), S("take 14"), "brings bad luck");
}
static const struct field part_fields[] = {
    {"name", FIELD_STR, AT(part, name), .flags = FIELD_REQUIRED, .min = 1, .max = 5, .pattern = &lower},
    {"port", FIELD_INT, AT(part, port), .initial = "80", .min = 1, .max = 100},
};
static const struct schema part_schema = SCHEMA(part, part_fields, part_rules);

static void whole_rules(struct schema_check *c, const void *obj) {
    const struct whole *w = obj;
    for (uint32_t i = 0; i < w->words.n; i++)
        if (str_eq(w->words.p[i], S("bad")))
            breach(c, breach_at(c, "words[%u]", i), (str){0}, "is a bad word");
    if (w->number == 13) breach(c, S("inner.port"), (str){0}, "is not there");
}
static const struct field whole_fields[] = {
    {"text", FIELD_STR, AT(whole, text), .max = 4},
    {NULL, FIELD_STR, AT(whole, hidden)},
    {"secret", FIELD_STR, AT(whole, secret), .flags = FIELD_SECRET},
    {"bytes", FIELD_BYTES, AT(whole, bytes), .max = 6},
    {"flag", FIELD_BOOL, AT(whole, flag)},
    {"number", FIELD_INT, AT(whole, number), .values = codes},
    {"weight", FIELD_INT, AT(whole, weight), .initial = "1", .max = 10},
    {"maybe", FIELD_OPT_INT, AT(whole, maybe), .min = -2},
    {"wait", FIELD_DURATION, AT(whole, wait), .initial = "5s"},
    {"perhaps", FIELD_OPT_BOOL, AT(whole, perhaps)},
    {"color", FIELD_ENUM, AT(whole, color), .values = colors, .initial = "green"},
    {"state", FIELD_ENUM, AT(whole, state), .flags = FIELD_REQUIRED, .values = states, .initial = "Unknown"},
    {"when", FIELD_TIME, AT(whole, when)},
    {"labels", FIELD_STR_MAP, AT(whole, labels), .max = 2, .item_max = 3, .pattern = &lower,
     .key_pattern = &lower},
    {"data", FIELD_BYTES_MAP, AT(whole, data), .flags = FIELD_SECRET},
    {"target", FIELD_INT_OR_STR, AT(whole, target), .min = 1, .max = 9, .pattern = &lower},
    {"inner", FIELD_STRUCT, AT(whole, inner), .of = &part_schema},
    {"outer", FIELD_OPT_STRUCT, AT(whole, outer), .of = &part_schema},
    {"parts", FIELD_LIST, AT(whole, parts), .of = &part_schema, .max = 3, .keys = "name,port"},
    {"always", FIELD_LIST, AT(whole, always), .flags = FIELD_KEEP_EMPTY, .of = &part_schema},
    {"words", FIELD_STR_LIST, AT(whole, words), .flags = FIELD_UNIQUE, .min = 1, .item_max = 4},
    {"colors", FIELD_ENUM_LIST, AT(whole, colors), .values = colors},
    {"codes", FIELD_INT_LIST, AT(whole, codes), .flags = FIELD_UNIQUE, .item_min = 400, .item_max = 599},
    {"ignored", FIELD_IGNORED, 0},
};
static const struct schema whole_schema = SCHEMA(whole, whole_fields, whole_rules);

static const char good[] =
    "text: abcd\nsecret: hush\nbytes: Zm9vYmFy\nflag: yes\nnumber: 2\nweight: 0\nmaybe: -2\nwait: 1m\n"
    "perhaps: false\ncolor: red\nstate: 'False'\nwhen: 2026-01-01T00:00:00Z\nlabels: {b: x, a: ''}\n"
    "data: {k: Zm9v}\ntarget: http\ninner: {name: in}\nouter: {name: out, port: 7}\n"
    "parts: [{name: a}, {name: a, port: 1}]\nwords: [x, yy]\ncolors: [green, red]\ncodes: [500, 503]\n"
    "ignored: {what: ever}\n";

static struct node *parse(struct arena *a, str text) {
    struct node *root = NULL;
    str message = {0};
    uint32_t line, column;
    if (yaml_parse(a, text, 1, &root, &message, &line, &column) != OK) fail_msg("%.*s", STR_ARG(message));
    return root;
}

static struct whole *decode(struct arena *a, str text) {
    struct findings f;
    finding_init(&f, a);
    struct whole *w = arena_make(a, struct whole);
    if (schema_decode(a, &whole_schema, parse(a, text), S(""), &f, w) != OK)
        fail_msg("%.*s: %.*s", STR_ARG(f.first->path), STR_ARG(f.first->message));
    return w;
}

static void decodes_each_type(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    const struct whole *w = decode(a, str_of(good));
    assert_true(str_eq(w->text, S("abcd")) && str_eq(w->bytes, S("foobar")));
    assert_true(w->flag && w->number == 2 && w->weight == 0);
    assert_true(w->maybe.set && w->maybe.v == -2 && w->wait.v == 60000000);
    assert_true(w->perhaps.set && !w->perhaps.v);
    assert_int_equal(w->color, 1);
    assert_int_equal(w->state, 2);
    assert_true(w->when == 1767225600);
    assert_true(str_eq(w->labels.p[0].key, S("a")) && str_eq(schema_map_get(&w->labels, S("b")), S("x")));
    assert_null(schema_map_get(&w->labels, S("c")).p);
    assert_true(str_eq(schema_map_get(&w->data, S("k")), S("foo")));
    assert_true(w->target.set && str_eq(w->target.s, S("http")));
    assert_true(w->inner.port == 80 && w->outer->port == 7 && w->parts.p[1].port == 1);
    assert_true(w->words.n == 2 && w->colors.p[0] == 2 && w->codes.p[1] == 503);
}

static void fills_defaults(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    const struct whole *w = decode(a, S("text: null\nstate: Unknown\n"));
    assert_null(w->text.p);
    assert_true(w->weight == 1 && w->wait.set && w->wait.v == 5000000);
    assert_int_equal(w->color, 2);
    assert_int_equal(w->state, 0);
    assert_false(w->maybe.set || w->perhaps.set || w->target.set);
    assert_null(w->outer);
}

static void expect_breach(const char *text, uint32_t line, uint32_t column, const char *path,
                          const char *words) {
    OWNED(arena) a = arena_new();
    struct findings f;
    finding_init(&f, a);
    struct whole *w = arena_make(a, struct whole);
    err e = schema_decode(a, &whole_schema, parse(a, str_of(text)), S("at"), &f, w);
    if (e != ERR_PROTO || f.n != 1) fail_msg("%s: %u findings", text, f.n);
    struct buf b;
    buf_init(&b, 1000);
    buf_add(&b, f.first->message);
    if (f.first->remedy.n) buf_printf(&b, "; " STR_FMT, STR_ARG(f.first->remedy));
    bool same = f.first->line == line && f.first->column == column && str_eq(f.first->path, str_of(path));
    if (!same || !str_eq(buf_str(&b), str_of(words)))
        fail_msg("%s -> %u:%u %.*s: %.*s", text, f.first->line, f.first->column, STR_ARG(f.first->path),
                 STR_ARG(buf_str(&b)));
    buf_fini(&b);
}

static void tells_each_wrong_type(void **state) {
    (void)state;
    expect_breach("text: 5", 1, 7, "at.text", "expected string, got number; put it in quotes: \"5\"");
    expect_breach("text: yes", 1, 7, "at.text", "expected string, got boolean; put it in quotes: \"yes\"");
    expect_breach("text: [a]", 1, 7, "at.text", "expected string, got array");
    expect_breach("flag: 'true'", 1, 7, "at.flag", "expected boolean, got string");
    expect_breach("perhaps: 1", 1, 10, "at.perhaps", "expected boolean, got number");
    expect_breach("number: '2'", 1, 9, "at.number", "expected integer, got string");
    expect_breach("maybe: 1.5", 1, 8, "at.maybe", "expected integer, got number");
    expect_breach("color: {}", 1, 8, "at.color", "expected string, got object");
    expect_breach("wait: 5", 1, 7, "at.wait", "expected string, got number; put it in quotes: \"5\"");
    expect_breach("labels: []", 1, 9, "at.labels", "expected object, got array");
    expect_breach("labels: {a: 1}", 1, 13, "at.labels.a",
                  "expected string, got number; put it in quotes: \"1\"");
    expect_breach("target: true", 1, 9, "at.target", "expected integer or string, got boolean");
    expect_breach("inner: x", 1, 8, "at.inner", "expected object, got string");
    expect_breach("outer: [x]", 1, 8, "at.outer", "expected object, got array");
    expect_breach("parts: {}", 1, 8, "at.parts", "expected array, got object");
    expect_breach("parts: [~]", 1, 9, "at.parts[0]", "expected object, got null");
    expect_breach("words: a", 1, 8, "at.words", "expected array, got string");
    expect_breach("words: [1]", 1, 9, "at.words[0]", "expected string, got number; put it in quotes: \"1\"");
    expect_breach("codes: [x]", 1, 9, "at.codes[0]", "expected integer, got string");
    expect_breach("[a]", 1, 1, "at", "expected object, got array");
}

static void tells_each_broken_bound(void **state) {
    (void)state;
    expect_breach("text: abcde", 1, 7, "at.text", "has 5 characters; at most 4 are allowed");
    expect_breach("bytes: Zm9vYmFyeA==", 1, 8, "at.bytes", "has 7 bytes; at most 6 are allowed");
    expect_breach("bytes: Zm9", 1, 8, "at.bytes", "is no base64");
    expect_breach("data: {k: '?'}", 1, 11, "at.data.k", "is no base64");
    expect_breach("number: 3", 1, 9, "at.number", "unsupported value \"3\"; supported: 1, 2");
    expect_breach("weight: 11", 1, 9, "at.weight", "11 is out of range: must be from 0 to 10");
    expect_breach("maybe: -3", 1, 8, "at.maybe", "-3 is out of range: must be at least -2");
    expect_breach("color: blue", 1, 8, "at.color", "unsupported value \"blue\"; supported: red, green");
    expect_breach("colors: [red, blue]", 1, 15, "at.colors[1]",
                  "unsupported value \"blue\"; supported: red, green");
    expect_breach("wait: 5d", 1, 7, "at.wait",
                  "invalid duration \"5d\": up to four whole numbers with h, m, s or ms, as 1m30s");
    expect_breach("when: now", 1, 7, "at.when", "invalid time \"now\": must be as 2026-01-31T12:00:00Z");
    expect_breach("labels: {a: x, b: x, c: x}", 1, 9, "at.labels", "has 3 entries; at most 2 are allowed");
    expect_breach("labels: {a: xxxx}", 1, 13, "at.labels.a", "has 4 characters; at most 3 are allowed");
    expect_breach("labels: {a: X}", 1, 13, "at.labels.a", "invalid value \"X\": must be lower case");
    expect_breach("labels: {A: x}", 1, 13, "at.labels.A", "invalid value \"A\": must be lower case");
    expect_breach("labels: {a: x, a: z}", 1, 19, "at.labels.a", "duplicate key; remove one of them");
    expect_breach("target: 10", 1, 9, "at.target", "10 is out of range: must be from 1 to 9");
    expect_breach("target: X", 1, 9, "at.target", "invalid value \"X\": must be lower case");
    expect_breach("inner: {name: ''}", 1, 15, "at.inner.name", "must not be empty");
    expect_breach("words: []", 1, 8, "at.words", "must not be empty");
    expect_breach("words: [a, a]", 1, 12, "at.words[1]", "duplicate value \"a\"");
    expect_breach("words: [abcde]", 1, 9, "at.words[0]", "has 5 characters; at most 4 are allowed");
    expect_breach("codes: [399]", 1, 9, "at.codes[0]", "399 is out of range: must be from 400 to 599");
    expect_breach("codes: [400, 400]", 1, 14, "at.codes[1]", "duplicate value 400");
    expect_breach("parts: [{name: a}, {name: b}, {name: c}, {name: d}]", 1, 8, "at.parts",
                  "has 4 items; at most 3 are allowed");
    expect_breach("parts:\n- name: a\n- {name: a, port: 80}\n", 3, 3, "at.parts[1]",
                  "the same name,port as in [0]; items must differ in it");
}

static void tells_unknown_missing_and_duplicate_fields(void **state) {
    (void)state;
    expect_breach("flag: true\nwrods: [a]", 2, 1, "at.wrods",
                  "unknown field \"wrods\"; did you mean \"words\"?");
    expect_breach("nothingnear: 1", 1, 1, "at.nothingnear", "unknown field \"nothingnear\"");
    expect_breach("x: 1", 1, 1, "at.x", "unknown field \"x\"");
    expect_breach("flag: true\ntext: a\nflag: true", 3, 1, "at.flag",
                  "duplicate field; it was given on line 1; remove one of them");
    expect_breach("flag: ~\nflag: true", 2, 1, "at.flag",
                  "duplicate field; it was given on line 1; remove one of them");
    expect_breach("parts:\n- port: 5", 2, 3, "at.parts[0].name", "is required");
}

static void rules_report_below_their_struct(void **state) {
    (void)state;
    expect_breach("words: [a, bad]", 1, 12, "at.words[1]", "is a bad word");
    expect_breach("parts:\n- name: a\n- {name: b, port: 13}", 3, 19, "at.parts[1].port",
                  "brings bad luck; take 14");
    /* where the field is not given, its struct's place stands */
    expect_breach("flag: true\ninner: {name: a, port: 13}", 2, 24, "at.inner.port",
                  "brings bad luck; take 14");
}

static void all_breaches_are_told(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct findings f;
    finding_init(&f, a);
    struct whole w = {0};
    assert_int_equal(schema_decode(a, &whole_schema,
                                   parse(a, S("text: 1\nflag: 2\nparts: [{port: 0}, {}]\nfoo: 1\n")), S(""),
                                   &f, &w),
                     ERR_PROTO);
    assert_int_equal(f.n, 6);
}

/* A hostile document costs no more than its length: what is wrong past the maximum is counted. */
static void breaches_are_bounded(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct buf b;
    buf_init(&b, 1 << 21);
    buf_add(&b, S("labels: {"));
    for (int i = 0; i < 10000; i++) buf_printf(&b, "k%d: x,k%d: x,", i, i);
    buf_add(&b, S("}\n"));
    for (int i = 0; i < 10000; i++) buf_printf(&b, "unknown-field-of-this-schema-%d: x\n", i);
    struct findings f;
    struct whole w = {0};
    finding_init(&f, a);
    assert_int_equal(schema_decode(a, &whole_schema, parse(a, buf_str(&b)), S(""), &f, &w), ERR_PROTO);
    assert_true(f.n >= 20000);
    uint32_t kept = 0;
    for (const struct finding *one = f.first; one; one = one->next) kept++;
    assert_int_equal(kept, f.n_max);
    buf_clear(&b);
    buf_add(&b, S("codes: ["));
    for (int i = 0; i <= SCHEMA_ITEMS_MAX; i++) buf_add(&b, S("500,"));
    buf_add(&b, S("]"));
    finding_init(&f, a);
    assert_int_equal(schema_decode(a, &whole_schema, parse(a, buf_str(&b)), S(""), &f, &w), ERR_PROTO);
    assert_int_equal(f.n, 1);
    buf_fini(&b);
}

static str json(struct arena *a, const struct whole *w, bool reveal) {
    struct buf b;
    buf_init(&b, 1 << 16);
    schema_json(&b, &whole_schema, w, false, reveal);
    str s = arena_str(a, buf_str(&b));
    buf_fini(&b);
    return s;
}

static void encodes_what_was_given(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    const struct whole *w = decode(a, str_of(good));
    assert_string_equal(json(a, w, true).p,
                        "{\"text\":\"abcd\",\"secret\":\"hush\",\"bytes\":\"Zm9vYmFy\",\"flag\":true,"
                        "\"number\":2,\"weight\":0,\"maybe\":-2,"
                        "\"wait\":\"1m\",\"perhaps\":false,\"color\":\"red\",\"state\":\"False\",\"when\":"
                        "\"2026-01-01T00:00:00Z\","
                        "\"labels\":{\"a\":\"\",\"b\":\"x\"},\"data\":{\"k\":\"Zm9v\"},\"target\":\"http\","
                        "\"inner\":{\"name\":\"in\"},"
                        "\"outer\":{\"name\":\"out\",\"port\":7},\"parts\":[{\"name\":\"a\"},{\"name\":\"a\","
                        "\"port\":1}],\"always\":[],"
                        "\"words\":[\"x\",\"yy\"],\"colors\":[\"green\",\"red\"],\"codes\":[500,503]}");
    assert_string_equal(json(a, decode(a, S("{}")), true).p, "{\"state\":\"Unknown\",\"always\":[]}");
}

static void secrets_are_printed_as_hashes(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    str s = json(a, decode(a, S("secret: abc\ndata: {k: YWJj}")), false);
    assert_string_equal(s.p,
                        "{\"secret\":\"sha256:ba7816bf8f01\",\"state\":\"Unknown\",\"data\":{\"k\":\"sha256:"
                        "ba7816bf8f01\"},\"always\":[]}");
}

static void json_and_yaml_read_back_as_the_same(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    const struct whole *w = decode(a, str_of(good));
    const struct whole *again = decode(a, json(a, w, true));
    assert_true(schema_equal(&whole_schema, w, again));
    assert_true(schema_hash(&whole_schema, w) == schema_hash(&whole_schema, again));
    struct buf b;
    buf_init(&b, 1 << 16);
    const struct whole *open =
        decode(a, S("text: a b\nwords: ['no', '1', x]\nparts: [{name: a}]\ninner: {name: b}\n"));
    schema_yaml(&b, &whole_schema, open, 0);
    assert_true(str_eq(buf_str(&b),
                       S("text: \"a b\"\nstate: Unknown\ninner:\n  name: b\nparts:\n- name: a\nalways: []\n"
                         "words:\n- \"no\"\n- \"1\"\n- x\n")));
    assert_true(schema_equal(&whole_schema, open, decode(a, buf_str(&b))));
    buf_fini(&b);
}

static void packs_into_one_block(void **state) {
    (void)state;
    struct arena *a = arena_new();
    struct whole *w = decode(a, str_of(good));
    w->hidden = arena_str(a, S("place"));
    size_t bytes = 0;
    char *block = schema_pack(&whole_schema, w, 32, &bytes);
    uint64_t hash = schema_hash(&whole_schema, w);
    assert_true(bytes > 32 + sizeof *w);
    for (int i = 0; i < 32; i++) assert_int_equal(block[i], 0);
    struct whole *copy = (struct whole *)(void *)(block + 32);
    assert_true(schema_equal(&whole_schema, w, copy));
    w->text = S("else"); /* the copy has its own */
    memset((char *)w->words.p[1].p, 'z', 2);
    arena_free(a);
    assert_true(str_eq(copy->text, S("abcd")) && str_eq(copy->words.p[1], S("yy")) &&
                str_eq(copy->hidden, S("place")));
    assert_true(schema_hash(&whole_schema, copy) == hash);
    assert_true((char *)copy->outer > block && (char *)copy->outer < block + bytes);
    assert_true(copy->labels.p[0].value.p && copy->labels.p[0].value.n == 0);
    free(block);
}

/* A change of any one field is a difference to both equal and hash. */
static void each_field_counts(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    static const char *const changes[] = {"text: x",
                                          "secret: x",
                                          "bytes: Zg==",
                                          "flag: true",
                                          "number: 1",
                                          "weight: 2",
                                          "maybe: 0",
                                          "wait: 0s",
                                          "perhaps: true",
                                          "perhaps: false",
                                          "color: red",
                                          "state: 'True'",
                                          "labels: {}",
                                          "labels: {a: x}",
                                          "data: {a: ''}",
                                          "target: 1",
                                          "target: a",
                                          "target: 2",
                                          "inner: {name: a}",
                                          "outer: {name: a}",
                                          "outer: {name: b}",
                                          "parts: [{name: a}]",
                                          "words: [a]",
                                          "words: [b]",
                                          "colors: [red]",
                                          "codes: [400]",
                                          "when: 2026-01-01T00:00:00Z",
                                          "text: ''",
                                          "codes: [401]",
                                          "{}"};
    struct whole *all[COUNT_OF(changes)];
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        all[i] = decode(a, str_of(changes[i]));
        for (size_t k = 0; k < i; k++) {
            bool empty = i == COUNT_OF(changes) - 1 && k == 12; /* an empty map is a map that is not given */
            if (schema_equal(&whole_schema, all[i], all[k]) != empty)
                fail_msg("%s, %s", changes[i], changes[k]);
            if ((schema_hash(&whole_schema, all[i]) == schema_hash(&whole_schema, all[k])) != empty)
                fail_msg("hash: %s, %s", changes[i], changes[k]);
        }
        assert_true(schema_equal(&whole_schema, all[i], decode(a, str_of(changes[i]))));
    }
    all[0]->hidden = S("elsewhere"); /* a place is no meaning */
    assert_true(schema_equal(&whole_schema, all[0], decode(a, str_of(changes[0]))));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_each_type),
        cmocka_unit_test(fills_defaults),
        cmocka_unit_test(tells_each_wrong_type),
        cmocka_unit_test(tells_each_broken_bound),
        cmocka_unit_test(tells_unknown_missing_and_duplicate_fields),
        cmocka_unit_test(rules_report_below_their_struct),
        cmocka_unit_test(all_breaches_are_told),
        cmocka_unit_test(breaches_are_bounded),
        cmocka_unit_test(encodes_what_was_given),
        cmocka_unit_test(secrets_are_printed_as_hashes),
        cmocka_unit_test(json_and_yaml_read_back_as_the_same),
        cmocka_unit_test(packs_into_one_block),
        cmocka_unit_test(each_field_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
