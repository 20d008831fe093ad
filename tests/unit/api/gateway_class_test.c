/* SPDX-License-Identifier: Apache-2.0 */
#include "api/gateway_class.h"

#include "decode.h"

static str with_spec(struct arena *a, const char *spec) {
    return arena_printf(
        a, "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: c}\nspec: {%s}\n",
        spec);
}

static void reads_one(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct object *o =
        decode_good(with_spec(a, "controllerName: example.com/gateway, description: d, parametersRef: "
                                 "{group: '', kind: ConfigMap, name: x, namespace: m}"));
    const struct gateway_class *c = (const struct gateway_class *)o;
    assert_true(o->meta.ns.n == 0 && decode_is(c->spec.controller_name, "example.com/gateway"));
    assert_true(c->spec.parameters_ref && c->spec.parameters_ref->group.p &&
                decode_is(c->spec.parameters_ref->ns, "m"));
    decode_round_trip(o);
    api_free(o);
    /* 64 characters, not bytes */
    o = decode_good(with_spec(a, "controllerName: e.com/x, description: "
                                 "ääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääää"));
    api_free(o);
}

static void refuses(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    decode_refused(with_spec(a, ""), "spec.controllerName", "is required");
    decode_refused(with_spec(a, "controllerName: x"), "spec.controllerName",
                   "invalid value \"x\": must be a domain and a path, as example.com/gateway-controller");
    decode_refused(with_spec(a, "controllerName: e.com/x, parametersRef: {kind: A, name: b}"),
                   "spec.parametersRef.group", "is required");
    decode_refused(S("apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: c}\n"),
                   "spec", "is required");
    decode_refused(
        S("apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: c, namespace: d}\n"
          "spec: {controllerName: e.com/x}\n"),
        "metadata.namespace", "must not be given: GatewayClass is cluster-scoped");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_one), cmocka_unit_test(refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
