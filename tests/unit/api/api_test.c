/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api.h"

#include "decode.h"

static void kinds_are_found(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    for (enum api_kind k = KIND_NONE + 1; k < KIND_COUNT; k++) {
        const struct api_type *t = api_type_of(k);
        assert_int_equal(t->kind, k);
        assert_ptr_equal(api_type_find(str_of(t->group), str_of(t->name)), t);
        assert_non_null(t->versions[0]);
    }
    assert_null(api_type_find(S("apps"), S("Deployment")));
    assert_null(api_type_find(S("extensions"), S("Service")));
    assert_true(decode_is(api_key(a, KIND_HTTP_ROUTE, S("n"), S("r")), "HTTPRoute/n/r"));
    assert_true(decode_is(api_key(a, KIND_GATEWAY_CLASS, S(""), S("c")), "GatewayClass/c"));
}

/* The finding of a document that is not read, or NULL. */
static str absent(struct arena *a, const char *text, err expected) {
    struct findings f;
    struct object *o = NULL;
    finding_init(&f, a);
    assert_int_equal(api_decode(a, decode_parse(a, str_of(text)), S("x.yaml"), &f, &o), expected);
    assert_null(o);
    assert_true(f.n <= 1);
    if (!f.first) return (str){0};
    struct buf b;
    buf_init(&b, 1000);
    finding_print(&b, f.first);
    str s = arena_str(a, buf_str(&b));
    buf_fini(&b);
    return s;
}

static void other_kinds_are_told_apart(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    assert_null(
        absent(a, "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\nspec: {}", ERR_ABSENT).p);
    assert_null(absent(a, "apiVersion: v1\nkind: Pod\nspec: [what, ever]", ERR_ABSENT).p);
    assert_null(absent(a, "apiVersion: v1\nkind: List\nitems: []", ERR_ABSENT).p);
    assert_string_equal(
        absent(a, "apiVersion: gateway.networking.x-k8s.io/v1alpha1\nkind: XListenerSet", ERR_ABSENT).p,
        "x.yaml:2:7: XListenerSet: kind: unknown kind \"XListenerSet\" in gateway.networking.x-k8s.io; did "
        "you "
        "mean \"ListenerSet\" of gateway.networking.k8s.io/v1?");
    assert_string_equal(absent(a, "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRout", ERR_ABSENT).p,
                        "x.yaml:2:7: HTTPRout: kind: unknown kind \"HTTPRout\" in gateway.networking.k8s.io; "
                        "did you mean \"HTTPRoute\"?");
    assert_string_equal(
        absent(a, "apiVersion: gateway.networking.k8s.io/v1alpha2\nkind: HTTPRoute", ERR_ABSENT).p,
        "x.yaml:1:13: HTTPRoute: apiVersion: version \"v1alpha2\" of HTTPRoute is not served; use "
        "gateway.networking.k8s.io/v1");
    assert_string_equal(absent(a, "kind: Service\napiVersion: v2", ERR_ABSENT).p,
                        "x.yaml:2:13: Service: apiVersion: version \"v2\" of Service is not served; use v1");
}

static void what_is_no_object_is_refused(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    assert_true(str_starts(absent(a, "- a", ERR_PROTO), S("x.yaml:1:1: expected an object")));
    assert_true(str_starts(absent(a, "a", ERR_PROTO), S("x.yaml:1:1: expected an object")));
    assert_true(str_starts(absent(a, "apiVersion: v1", ERR_PROTO), S("x.yaml:1:1: kind: is required")));
    assert_true(str_starts(absent(a, "kind: Service\napiVersion: {}", ERR_PROTO),
                           S("x.yaml:2:13: Service: apiVersion: is required")));
}

static const char service[] =
    "apiVersion: v1\nkind: Service\nmetadata:\n  name: s\n%sspec:\n  ports: [{port: %d}]\n";

static struct object *make(struct arena *a, const char *meta, int port) {
    return decode_good(arena_printf(a, service, meta, port));
}

static void places_are_kept(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct object *o = make(a, "", 80);
    assert_int_equal(o->kind, KIND_SERVICE);
    assert_int_equal(o->line, 1);
    assert_true(decode_is(o->source, "good.yaml") && decode_is(o->kind_name, "Service"));
    assert_true(decode_is(o->meta.ns, "default"));
    api_free(o);
    api_free(NULL);
}

/* What the API server writes is no change; labels are one, but not of the specification. */
static void hashes(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct object *all[] = {make(a, "", 80),
                            make(a,
                                 "  uid: x\n  resourceVersion: '5'\n  generation: 7\n  managedFields: "
                                 "[{manager: me}]\n  selfLink: /x\n",
                                 80),
                            make(a, "  labels: {a: b}\n", 80), make(a, "", 81)};
    assert_true(api_hash(all[0]) == api_hash(all[1]));
    assert_int_equal(all[1]->meta.generation, 7);
    assert_true(api_hash(all[0]) != api_hash(all[2]) && api_hash_spec(all[0]) == api_hash_spec(all[2]));
    assert_true(api_hash(all[0]) != api_hash(all[3]) && api_hash_spec(all[0]) != api_hash_spec(all[3]));
    for (size_t i = 0; i < COUNT_OF(all); i++) api_free(all[i]);
}

static void findings_name_the_object_and_the_caller_keeps_his(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct findings f;
    struct object *o = NULL;
    finding_init(&f, a);
    f.file = S("before");
    str text = S("apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 0}, {port: "
                 "x}]}\nfoo: 1\n");
    assert_int_equal(api_decode(a, decode_parse(a, text), S("f.yaml"), &f, &o), ERR_PROTO);
    assert_int_equal(f.n, 3);
    for (const struct finding *one = f.first; one; one = one->next)
        assert_true(decode_is(one->file, "f.yaml") && decode_is(one->kind, "Service") &&
                    decode_is(one->ns, "default") && decode_is(one->name, "s") &&
                    one->class == FINDING_SCHEMA);
    assert_true(decode_is(f.file, "before") && f.kind.n == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(kinds_are_found),
                                       cmocka_unit_test(other_kinds_are_told_apart),
                                       cmocka_unit_test(what_is_no_object_is_refused),
                                       cmocka_unit_test(places_are_kept),
                                       cmocka_unit_test(hashes),
                                       cmocka_unit_test(findings_name_the_object_and_the_caller_keeps_his)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
