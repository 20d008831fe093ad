/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "base/rng.h"
#include "schema/schema.h"

/* One of each type, with and without a default. */
struct part {
    str name;
    int64_t port;
    uint8_t color;
};
struct whole {
    str plain, usual, bytes, hidden;
    bool flag;
    int64_t number, weight, when;
    struct opt_int maybe, wait;
    struct opt_bool perhaps;
    uint8_t color, shade;
    struct str_map labels, data;
    struct int_or_str target;
    struct part inner, defaults;
    struct part *outer;
    LIST_OF(struct part) parts;
    LIST_OF(str) words;
    LIST_OF(uint8_t) colors;
    LIST_OF(int64_t) codes;
};

static const char *const colors[] = {"red", "green", "blue", NULL};
static const struct field part_fields[] = {
    {"name", FIELD_STR, AT(part, name)},
    {"port", FIELD_INT, AT(part, port), .initial = "80"},
    {"color", FIELD_ENUM, AT(part, color), .values = colors, .initial = "green"},
};
static const struct schema part_schema = SCHEMA(part, part_fields, NULL);
static const struct field whole_fields[] = {
    {"plain", FIELD_STR, AT(whole, plain)},
    {"usual", FIELD_STR, AT(whole, usual), .initial = "Service"},
    {"bytes", FIELD_BYTES, AT(whole, bytes)},
    {NULL, FIELD_STR, AT(whole, hidden)},
    {"flag", FIELD_BOOL, AT(whole, flag), .initial = "true"},
    {"ignored", FIELD_IGNORED, 0},
    {"number", FIELD_INT, AT(whole, number)},
    {"weight", FIELD_INT, AT(whole, weight), .initial = "1"},
    {"when", FIELD_TIME, AT(whole, when)},
    {"maybe", FIELD_OPT_INT, AT(whole, maybe)},
    {"wait", FIELD_DURATION, AT(whole, wait), .initial = "5s"},
    {"perhaps", FIELD_OPT_BOOL, AT(whole, perhaps)},
    {"color", FIELD_ENUM, AT(whole, color), .values = colors},
    {"shade", FIELD_ENUM, AT(whole, shade), .values = colors, .initial = "blue"},
    {"labels", FIELD_STR_MAP, AT(whole, labels)},
    {"data", FIELD_BYTES_MAP, AT(whole, data)},
    {"target", FIELD_INT_OR_STR, AT(whole, target)},
    {"inner", FIELD_STRUCT, AT(whole, inner), .of = &part_schema},
    {"defaults", FIELD_STRUCT, AT(whole, defaults), .of = &part_schema, .initial = "{}"},
    {"outer", FIELD_OPT_STRUCT, AT(whole, outer), .of = &part_schema},
    {"parts", FIELD_LIST, AT(whole, parts), .of = &part_schema},
    {"words", FIELD_STR_LIST, AT(whole, words)},
    {"colors", FIELD_ENUM_LIST, AT(whole, colors), .values = colors},
    {"codes", FIELD_INT_LIST, AT(whole, codes)},
};
static const struct schema whole_schema = SCHEMA(whole, whole_fields, NULL);

static const void *again(struct arena *a, const struct schema *s, const void *obj, size_t *ret_bytes) {
    struct buf b;
    buf_init(&b, 1 << 20);
    schema_bytes_put(&b, s, obj);
    str kept = arena_str(a, buf_str(&b));
    buf_fini(&b);
    void *to = arena_bytes(a, s->size);
    assert_ptr_equal(schema_bytes_get(a, s, kept.p, to), kept.p + kept.n);
    *ret_bytes = kept.n;
    return to;
}

/* Values that matter: none, empty, the default, others. */
static str some_str(struct rng *r) {
    static const char *const all[] = {"", "Service", "a", "\0b", "green"};
    uint32_t i = rng_below(r, 7);
    if (i == 5) return (str){0};
    static const char much[300] = {'x'};
    return i == 6 ? (str){much, rng_below(r, 300) + 1} : str_of(all[i]);
}

static int64_t some_number(struct rng *r) {
    static const int64_t all[] = {0, 1, -1, 80, 127, 128, INT64_MAX, INT64_MIN};
    return all[rng_below(r, COUNT_OF(all))];
}

static uint8_t some_color(struct rng *r) { return (uint8_t)rng_below(r, COUNT_OF(colors)); }

static struct part some_part(struct rng *r) {
    return (struct part){some_str(r), some_number(r), some_color(r)};
}

static struct str_map some_map(struct arena *a, struct rng *r) {
    struct str_map m = {.n = rng_below(r, 3)};
    m.p = arena_array(a, struct str_pair, m.n);
    for (uint32_t i = 0; i < m.n; i++) m.p[i] = (struct str_pair){some_str(r), some_str(r)};
    return m;
}

static void some_lists(struct arena *a, struct rng *r, struct whole *w) {
    w->parts.n = rng_below(r, 4), w->words.n = rng_below(r, 4);
    w->colors.n = rng_below(r, 4), w->codes.n = rng_below(r, 4);
    w->parts.p = arena_array(a, struct part, w->parts.n);
    w->words.p = arena_array(a, str, w->words.n);
    w->colors.p = arena_array(a, uint8_t, w->colors.n);
    w->codes.p = arena_array(a, int64_t, w->codes.n);
    for (uint32_t i = 0; i < w->parts.n; i++) w->parts.p[i] = some_part(r);
    for (uint32_t i = 0; i < w->words.n; i++) w->words.p[i] = some_str(r);
    for (uint32_t i = 0; i < w->colors.n; i++) w->colors.p[i] = some_color(r);
    for (uint32_t i = 0; i < w->codes.n; i++) w->codes.p[i] = some_number(r);
}

static struct whole *some_whole(struct arena *a, struct rng *r) {
    struct whole *w = arena_make(a, struct whole);
    w->plain = some_str(r), w->usual = some_str(r), w->bytes = some_str(r), w->hidden = some_str(r);
    w->flag = rng_below(r, 2);
    w->number = some_number(r), w->weight = some_number(r), w->when = some_number(r);
    w->maybe = (struct opt_int){some_number(r), rng_below(r, 2)};
    w->wait = (struct opt_int){some_number(r), rng_below(r, 2)};
    w->perhaps = (struct opt_bool){rng_below(r, 2), rng_below(r, 2)};
    w->color = some_color(r), w->shade = some_color(r);
    w->labels = some_map(a, r), w->data = some_map(a, r);
    if (rng_below(r, 2)) w->target = (struct int_or_str){some_number(r), some_str(r), true};
    if (w->target.s.p) w->target.i = 0;
    w->inner = some_part(r), w->defaults = some_part(r);
    if (rng_below(r, 2)) {
        w->outer = arena_make(a, struct part);
        *w->outer = some_part(r);
    }
    some_lists(a, r, w);
    return w;
}

static void any_struct_comes_back(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 5000; seed++) {
        OWNED(arena) a = arena_new();
        struct rng r = {.state = seed};
        const struct whole *w = some_whole(a, &r);
        size_t bytes;
        const struct whole *back = again(a, &whole_schema, w, &bytes);
        if (!schema_equal(&whole_schema, w, back)) fail_msg("seed %llu", (unsigned long long)seed);
        assert_true(schema_hash(&whole_schema, w) == schema_hash(&whole_schema, back));
        assert_true(!w->hidden.p == !back->hidden.p && str_eq(w->hidden, back->hidden));
    }
}

static void what_is_usual_takes_no_room(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct part usual = {.port = 80, .color = 2};
    struct whole w = {.usual = S("Service"), .weight = 1, .shade = 3, .inner = usual, .defaults = usual};
    size_t bytes;
    again(a, &whole_schema, &w, &bytes);
    assert_int_equal(bytes, 1); /* its end */
    w.plain = S("abc");
    w.weight = 0;
    again(a, &whole_schema, &w, &bytes);
    assert_int_equal(bytes, 1 + 5 + 1);
}

static void strings_stay_where_they_are(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct whole w = {.plain = S("abc")}, back = {0};
    struct buf b;
    buf_init(&b, 1 << 10);
    schema_bytes_put(&b, &whole_schema, &w);
    schema_bytes_get(a, &whole_schema, b.p, &back);
    assert_true(back.plain.p > b.p && back.plain.p < b.p + b.n);
    buf_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_struct_comes_back),
        cmocka_unit_test(what_is_usual_takes_no_room),
        cmocka_unit_test(strings_stay_where_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
