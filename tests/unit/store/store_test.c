/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest.h"

struct world {
    struct store *store;
    struct arena *a;
};

static int set_up(void **state) {
    struct world *w = base_zalloc(sizeof *w);
    w->store = store_new();
    w->a = arena_new();
    *state = w;
    return 0;
}

static int tear_down(void **state) {
    struct world *w = *state;
    store_free(w->store);
    arena_free(w->a);
    free(w);
    return 0;
}

static void test_put_get_remove(void **state) {
    struct world *w = *state;
    assert_true(manifest_put(w->store, MANIFEST_SERVICE, "web", "default", 80));
    const struct object *o = store_get(w->store, w->a, KIND_SERVICE, S("default"), S("web"));
    assert_non_null(o);
    assert_str(o->meta.name, "web");
    assert_int_equal(store_count(w->store, KIND_SERVICE), 1);
    assert_false(store_has(w->store, KIND_SERVICE, S("other"), S("web")));
    assert_false(store_has(w->store, KIND_HTTP_ROUTE, S("default"), S("web")));
    assert_true(store_remove(w->store, KIND_SERVICE, S("default"), S("web")));
    assert_false(store_remove(w->store, KIND_SERVICE, S("default"), S("web")));
    assert_false(store_has(w->store, KIND_SERVICE, S("default"), S("web")));
    assert_int_equal(store_count(w->store, KIND_SERVICE), 0);
}

static void test_generation_follows_the_spec(void **state) {
    struct world *w = *state;
    manifest_put(w->store, MANIFEST_SERVICE, "web", "default", 80);
    assert_int_equal(store_get(w->store, w->a, KIND_SERVICE, S("default"), S("web"))->meta.generation, 1);
    assert_false(manifest_put(w->store, MANIFEST_SERVICE, "web", "default", 80));
    assert_int_equal(store_get(w->store, w->a, KIND_SERVICE, S("default"), S("web"))->meta.generation, 1);
    assert_true(manifest_put(
        w->store, "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: default, labels: {a: b}}\n"
                  "spec: {ports: [{port: 80}]}"));
    assert_int_equal(store_get(w->store, w->a, KIND_SERVICE, S("default"), S("web"))->meta.generation, 1);
    assert_true(manifest_put(w->store, MANIFEST_SERVICE, "web", "default", 81));
    assert_int_equal(store_get(w->store, w->a, KIND_SERVICE, S("default"), S("web"))->meta.generation, 2);
    assert_true(manifest_put(
        w->store, "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: default, generation: 41}\n"
                  "spec: {ports: [{port: 82}]}"));
    assert_int_equal(store_get(w->store, w->a, KIND_SERVICE, S("default"), S("web"))->meta.generation, 41);
}

static void test_changes_tell_each_key_once(void **state) {
    struct world *w = *state;
    size_t n;
    manifest_put(w->store, MANIFEST_ROUTE, "r", "default", "a.test", "web", "default");
    manifest_put(w->store, MANIFEST_SERVICE, "web", "default", 80);
    manifest_put(w->store, MANIFEST_SERVICE, "web", "default", 81);
    struct store_change *c = store_changes(w->store, w->a, &n);
    assert_int_equal(n, 2);
    assert_int_equal(c[0].kind, KIND_HTTP_ROUTE); /* in order of kinds */
    assert_int_equal(c[1].kind, KIND_SERVICE);
    assert_str(c[1].ns, "default");
    assert_str(c[1].name, "web");
    assert_true(c[1].spec_changed);
    store_changes(w->store, w->a, &n);
    assert_int_equal(n, 0);
    manifest_put(
        w->store,
        "apiVersion: v1\nkind: Service\nmetadata: {name: web, labels: {a: b}}\nspec: {ports: [{port: 81}]}");
    c = store_changes(w->store, w->a, &n);
    assert_int_equal(n, 1);
    assert_false(c[0].spec_changed);
    manifest_put(
        w->store,
        "apiVersion: v1\nkind: Service\nmetadata: {name: web, labels: {a: b}}\nspec: {ports: [{port: 81}]}");
    store_changes(w->store, w->a, &n);
    assert_int_equal(n, 0); /* an equal one is no change */
}

static void test_a_removal_is_told_after_the_object_is_gone(void **state) {
    struct world *w = *state;
    size_t n;
    manifest_put(w->store, MANIFEST_SERVICE, "web", "default", 80);
    store_changes(w->store, w->a, &n);
    store_remove(w->store, KIND_SERVICE, S("default"), S("web"));
    struct store_change *c = store_changes(w->store, w->a, &n);
    assert_int_equal(n, 1);
    assert_str(c[0].name, "web");
    assert_false(store_has(w->store, KIND_SERVICE, S("default"), S("web")));
    manifest_put(w->store, MANIFEST_SERVICE, "web", "default", 80);
    store_remove(w->store, KIND_SERVICE, S("default"), S("web"));
    manifest_put(w->store, MANIFEST_SERVICE, "web", "default", 80);
    store_changes(w->store, w->a, &n);
    assert_int_equal(n, 1);
    assert_true(store_has(w->store, KIND_SERVICE, S("default"), S("web")));
}

static void test_a_slice_remembers_the_service_before(void **state) {
    struct world *w = *state;
    size_t n;
    manifest_put(w->store, MANIFEST_SLICE, "s", "default", "one", "10.0.0.1");
    struct store_change *c = store_changes(w->store, w->a, &n);
    assert_null(c[0].service_before.p);
    manifest_put(w->store, MANIFEST_SLICE, "s", "default", "two", "10.0.0.1");
    manifest_put(w->store, MANIFEST_SLICE, "s", "default", "three", "10.0.0.1");
    c = store_changes(w->store, w->a, &n);
    assert_int_equal(n, 1);
    assert_str(c[0].service_before, "one");
    store_remove(w->store, KIND_ENDPOINT_SLICE, S("default"), S("s"));
    c = store_changes(w->store, w->a, &n);
    assert_str(c[0].service_before, "three");
}

static void test_list_is_ordered(void **state) {
    struct world *w = *state;
    size_t n;
    manifest_put(w->store, MANIFEST_SERVICE, "b", "two", 80);
    manifest_put(w->store, MANIFEST_SERVICE, "z", "one", 80);
    manifest_put(w->store, MANIFEST_SERVICE, "a", "two", 80);
    manifest_put(w->store, MANIFEST_SERVICE, "gone", "two", 80);
    store_remove(w->store, KIND_SERVICE, S("two"), S("gone"));
    const struct object **all = store_list(w->store, w->a, KIND_SERVICE, &n);
    assert_int_equal(n, 3);
    assert_str(all[0]->meta.name, "z");
    assert_str(all[1]->meta.name, "a");
    assert_str(all[2]->meta.name, "b");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_put_get_remove, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_generation_follows_the_spec, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_changes_tell_each_key_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_removal_is_told_after_the_object_is_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_slice_remembers_the_service_before, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_list_is_ordered, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
