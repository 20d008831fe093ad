/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kube_decode.h"

#include "../unit.h"
#include "api/core.h"
#include "api/http_route.h"

struct decoded {
    struct arena *a;
    struct findings f;
    struct object *o;
};

static struct decoded decode(enum api_kind kind, const char *group_version, const char *text) {
    struct decoded d = {.a = arena_new()};
    struct kube_item i = {.ns = S("n"), .name = S("x"), .object = str_of(text)};
    finding_init(&d.f, d.a);
    OWNED(arena) scratch = arena_new();
    kube_decode(scratch, kind, str_of(group_version), &i, &d.f, &d.o);
    return d;
}

static void drop(struct decoded *d) {
    api_free(d->o);
    arena_free(d->a);
}

#define GW "gateway.networking.k8s.io/v1"
#define META                                                                                                 \
    "\"metadata\":{\"name\":\"x\",\"namespace\":\"n\",\"uid\":\"u\",\"resourceVersion\":\"5\","              \
    "\"generation\":3,\"newField\":1,\"creationTimestamp\":\"2026-01-01T00:00:00Z\""

/* As a list of Kubernetes' own kinds has it, without kind and apiVersion, and with a field of a later version. */
static void of_kubernetes_itself(void **state) {
    (void)state;
    struct decoded d = decode(KIND_SERVICE, "v1",
                              "{" META "},\"spec\":{\"ports\":[{\"port\":80,\"later\":1}],\"later\":{}}}");
    assert_int_equal(d.f.n, 0);
    assert_non_null(d.o);
    assert_str(d.o->api_version, "v1");
    assert_str(d.o->meta.uid, "u");
    assert_str(d.o->meta.resource_version, "5");
    assert_int_equal(d.o->meta.generation, 3);
    assert_int_equal(((struct service *)d.o)->spec.ports.n, 1);
    drop(&d);
}

static void a_later_field_is_passed_over_and_told(void **state) {
    (void)state;
    struct decoded d =
        decode(KIND_HTTP_ROUTE, GW,
               "{\"apiVersion\":\"" GW "\",\"kind\":\"HTTPRoute\"," META
               ",\"annotations\":{\"a\":\"b\",\"kubectl.kubernetes.io/last-applied-configuration\":\"{}\"}},"
               "\"spec\":{\"rules\":[{\"later\":{\"a\":1}}]}}");
    assert_non_null(d.o);
    assert_int_equal(d.f.n, 1);
    assert_str(d.f.first->path, "spec.rules[0].later");
    assert_str(d.f.first->kind, "HTTPRoute");
    assert_int_equal(d.o->meta.annotations.n, 1);
    drop(&d);
}

static void what_would_let_more_through_is_refused(void **state) {
    (void)state;
    static const struct {
        enum api_kind kind;
        const char *version, *text, *path;
    } cases[] = {
        {KIND_HTTP_ROUTE, GW, "{" META "},\"spec\":{\"rules\":[{\"matches\":[{\"cookies\":[]}]}]}}",
         "spec.rules[0].matches[0].cookies"},
        {KIND_HTTP_ROUTE, GW, "{" META "},\"spec\":{\"rules\":[{\"filters\":[{\"type\":\"Later\"}]}]}}",
         "spec.rules[0].filters[0].type"},
        {KIND_REFERENCE_GRANT, GW,
         "{" META "},\"spec\":{\"from\":[{\"group\":\"\",\"kind\":\"A\",\"namespace\":\"b\",\"name\":\"c\"}],"
         "\"to\":[{\"group\":\"\",\"kind\":\"Service\"}]}}",
         "spec.from[0].name"},
        {KIND_HTTP_ROUTE, GW, "", ""},
        {KIND_HTTP_ROUTE, GW, "{\"kind\":\"Gateway\"," META "},\"spec\":{}}", "kind"},
        {KIND_HTTP_ROUTE, GW, "{\"apiVersion\":\"x/v1\"," META "},\"spec\":{}}", "kind"},
        {KIND_HTTP_ROUTE, GW, "{" META "},\"spec\":{\"hostnames\":[\"a\",]}}", ""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct decoded d = decode(cases[i].kind, cases[i].version, cases[i].text);
        assert_null(d.o);
        assert_true(d.f.n > 0);
        assert_str(d.f.first->path, cases[i].path);
        assert_str(d.f.first->name, "x");
        drop(&d);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_kubernetes_itself),
        cmocka_unit_test(a_later_field_is_passed_over_and_told),
        cmocka_unit_test(what_would_let_more_through_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
