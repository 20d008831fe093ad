/* SPDX-License-Identifier: Apache-2.0 */
#include "decode.h"

#include <dirent.h>

#include "api/parcel.h"

/* Every good object of every golden's input, so each kind with whatever it can hold. */
struct count {
    uint32_t objects, of_kind[KIND_COUNT];
};

static void check_object(struct object *o, struct count *count) {
    OWNED(arena) a = arena_new();
    const struct schema *s = api_type_of(o->kind)->schema;
    o->meta.generation = 7;
    struct parcel *p = parcel_new(o, NULL), *q = parcel_new(o, p->source);
    const struct object *back = parcel_open(a, p);
    if (!schema_equal(s, o, back)) fail_msg("%.*s %.*s", STR_ARG(o->kind_name), STR_ARG(o->meta.name));
    assert_true(api_hash(o) == api_hash(back) && api_hash_spec(o) == api_hash_spec(back));
    assert_true(back->kind == o->kind && back->line == o->line && str_eq(back->source, o->source));
    assert_true(str_eq(back->api_version, o->api_version) && str_eq(back->kind_name, o->kind_name));
    assert_true(back->meta.generation == 7 && str_eq(back->meta.uid, o->meta.uid));
    assert_true(parcel_is_same(p, q) && parcel_is_same_spec(p, q));
    count->objects++;
    count->of_kind[o->kind]++;
    parcel_free(p);
    parcel_free(q);
}

static void check_file(const char *path, struct count *count) {
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    static char bytes[4 << 20];
    str text = {bytes, fread(bytes, 1, sizeof bytes, f)}, document;
    fclose(f);
    uint32_t line = 1, at = 0;
    while (yaml_next_document(&text, &line, &document, &at)) {
        OWNED(arena) a = arena_new();
        struct node *n = NULL;
        str message;
        uint32_t bad_line, column;
        struct findings found;
        struct object *o = NULL;
        finding_init(&found, a);
        if (yaml_parse(a, document, at, &n, &message, &bad_line, &column) != OK || !n) continue;
        if (api_decode(a, n, S("some.yaml"), &found, &o) != OK) continue;
        check_object(o, count);
        api_free(o);
    }
}

static void check_folder(const char *path, struct count *count) {
    DIR *d = opendir(path);
    assert_non_null(d);
    for (const struct dirent *e; (e = readdir(d));) {
        char below[4096];
        snprintf(below, sizeof below, "%s/%s", path, e->d_name);
        if (e->d_type == DT_DIR && e->d_name[0] != '.') check_folder(below, count);
        if (e->d_type == DT_REG && str_ends(str_of(e->d_name), S(".yaml"))) check_file(below, count);
    }
    closedir(d);
}

static void every_object_comes_back(void **state) {
    (void)state;
    struct count count = {0};
    check_folder(TESTS_DIR "/golden", &count);
    assert_true(count.objects > 500);
    for (enum api_kind k = KIND_GATEWAY_CLASS; k < KIND_COUNT; k++)
        if (!count.of_kind[k] && k != KIND_CLUSTER_TRUST_BUNDLE)
            fail_msg("no golden has a %s", api_type_of(k)->name);
}

#define TEXT(version, name, extra, port)                                                                     \
    S("apiVersion: gateway.networking.k8s.io/" version "\nkind: HTTPRoute\nmetadata: {name: " name           \
      ", namespace: app" extra "}\nspec: {rules: [{backendRefs: [{name: s, port: " port "}]}]}\n")

static void what_counts_as_the_same(void **state) {
    (void)state;
    static const struct {
        str text;
        bool same, same_spec;
    } cases[] = {
        {TEXT("v1", "r", "", "80"), true, true},
        {TEXT("v1beta1", "r", ", uid: u, resourceVersion: '9', generation: 4", "80"), true, true},
        {TEXT("v1", "r", ", labels: {a: b}", "80"), false, true},
        {TEXT("v1", "q", "", "80"), false, true},
        {TEXT("v1", "r", "", "81"), false, false},
    };
    struct object *o = decode_good(cases[0].text);
    struct parcel *p = parcel_new(o, NULL);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct object *other = decode_good(cases[i].text);
        struct parcel *q = parcel_new(other, NULL);
        assert_int_equal(parcel_is_same(p, q), cases[i].same);
        assert_int_equal(parcel_is_same_spec(p, q), cases[i].same_spec);
        assert_int_equal(cases[i].same, api_hash(o) == api_hash(other));
        parcel_free(q);
        api_free(other);
    }
    parcel_free(p);
    api_free(o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_object_comes_back),
        cmocka_unit_test(what_counts_as_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
