/* SPDX-License-Identifier: Apache-2.0 */
#include "api/backend_tls_policy.h"

#include "decode.h"

static str with_spec(struct arena *a, const char *kind, const char *spec) {
    return arena_printf(
        a, "apiVersion: gateway.networking.k8s.io/v1\nkind: %s\nmetadata: {name: x}\nspec: {%s}\n", kind,
        spec);
}

static void reads_and_prints_what_it_read(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    {
        struct object *o =
            decode_good(with_spec(a, "BackendTLSPolicy",
                                  "targetRefs: [{group: '', kind: Service, name: s}], validation: {hostname: "
                                  "h, wellKnownCACertificates: System}"));
        const struct backend_tls_policy *x = (const struct backend_tls_policy *)(const void *)o;
        assert_true(x->spec.validation.ca_certificate_refs.n == 0);
        assert_true(!x->spec.target_refs.p[0].section_name.p);
        decode_round_trip(o);
        api_free(o);
    }
}

static void refuses(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    decode_refused(with_spec(a, "BackendTLSPolicy",
                             "targetRefs: [{group: '', kind: Service, name: s}], validation: {hostname: h}"),
                   "spec.validation", "needs caCertificateRefs or wellKnownCACertificates");
    decode_refused(
        with_spec(
            a, "BackendTLSPolicy",
            "targetRefs: [{group: '', kind: Service, name: s}], validation: {hostname: h, "
            "wellKnownCACertificates: System, caCertificateRefs: [{group: '', kind: ConfigMap, name: c}]}"),
        "spec.validation.wellKnownCACertificates",
        "caCertificateRefs and wellKnownCACertificates exclude each other");
    decode_refused(with_spec(a, "BackendTLSPolicy",
                             "targetRefs: [{group: '', kind: Service, name: s}, {group: '', kind: Service, "
                             "name: s}], validation: {hostname: h, wellKnownCACertificates: System}"),
                   "spec.targetRefs[1]", "the same target as in targetRefs[0]");
    decode_refused(
        with_spec(
            a, "BackendTLSPolicy",
            "targetRefs: [{group: '', kind: Service, name: s}], validation: {hostname: h, "
            "wellKnownCACertificates: System, subjectAltNames: [{type: URI, hostname: a, uri: 'a://b'}]}"),
        "spec.validation.subjectAltNames[0].hostname", "is only for type Hostname");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_and_prints_what_it_read),
                                       cmocka_unit_test(refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
