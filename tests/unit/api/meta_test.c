/* SPDX-License-Identifier: Apache-2.0 */
#include "decode.h"

static str with_meta(struct arena *a, const char *meta) {
    return arena_printf(a, "apiVersion: v1\nkind: Secret\nmetadata: {%s}\n", meta);
}

static void reads_all_that_the_api_server_prints(void **state) {
    (void)state;
    struct object *o = decode_good(
        S("apiVersion: v1\nkind: Secret\nmetadata:\n  name: a.b\n  namespace: nn\n  generateName: a.\n"
          "  creationTimestamp: '2026-01-01T00:00:00Z'\n  deletionTimestamp: '2026-01-02T00:00:00Z'\n"
          "  deletionGracePeriodSeconds: 30\n  uid: u\n  resourceVersion: '1'\n  generation: 3\n"
          "  labels: {app: x, example.com/tier: ''}\n  annotations: {Example.com/Note: 'any text: 1'}\n"
          "  finalizers: [example.com/f]\n"
          "  ownerReferences: [{apiVersion: v1, kind: Pod, name: p, uid: x, controller: true}]\n"
          "  managedFields: [{manager: kubectl}]\n  selfLink: /api\n"));
    assert_true(decode_is(o->meta.ns, "nn") && o->meta.created_s == 1767225600 &&
                o->meta.deleted_s == 1767312000);
    assert_true(o->meta.deletion_grace_s.v == 30 && o->meta.generation == 3 && o->meta.labels.n == 2);
    assert_true(o->meta.owner_references.p[0].controller.v && o->meta.finalizers.n == 1);
    decode_round_trip(o);
    api_free(o);
    o = decode_good(S("apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: '', creationTimestamp: "
                      "null, labels: null}\n"));
    assert_true(decode_is(o->meta.ns, "default") && o->meta.created_s == 0);
    api_free(o);
}

static void refuses_bad_names(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    decode_refused(S("apiVersion: v1\nkind: Secret\n"), "metadata", "is required");
    decode_refused(with_meta(a, "namespace: x"), "metadata.name", "is required");
    decode_refused(with_meta(a, "generateName: x-"), "metadata.name",
                   "generateName needs an API server that makes a name of it");
    decode_refused(with_meta(a, "name: ''"), "metadata.name", "must not be empty");
    decode_refused(
        with_meta(a, "name: A_b"), "metadata.name",
        "invalid value \"A_b\": must be lower-case letters, digits, '-' and '.', as my-name or example.com");
    char name[400] = "name: ";
    memset(name + 6, 'a', 254);
    decode_refused(with_meta(a, name), "metadata.name", "has 254 characters; at most 253 are allowed");
    decode_refused(with_meta(a, "name: a, namespace: a.b"), "metadata.namespace",
                   "invalid value \"a.b\": must be lower-case letters, digits and '-', as my-name");
    decode_refused(with_meta(a, "name: a, nmae: b"), "metadata.nmae", "unknown field \"nmae\"");
}

static void refuses_bad_labels_and_annotations(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    decode_refused(with_meta(a, "name: a, labels: {app: -x}"), "metadata.labels.app",
                   "invalid value \"-x\": must be letters, digits, '-', '_' and '.', beginning and ending "
                   "with a letter or digit");
    decode_refused(with_meta(a, "name: a, labels: {a/b/c: x}"), "metadata.labels.a/b/c",
                   "invalid value \"a/b/c\": must be a name of up to 63 letters, digits, '-', '_' and '.', "
                   "after an optional "
                   "domain, as example.com/name");
    decode_refused(with_meta(a, "name: a, labels: {app: 1}"), "metadata.labels.app",
                   "expected string, got number");
    decode_refused(with_meta(a, "name: a, annotations: {'a b': x}"), "metadata.annotations",
                   "invalid key \"a b\": must be a name of up to 63 letters, digits, '-', '_' and '.', after "
                   "an optional domain, "
                   "as example.com/name");
    str large = {arena_bytes(a, 256 << 10), 256 << 10};
    memset((char *)large.p, 'x', large.n);
    decode_refused(with_meta(a, arena_printf(a, "name: a, annotations: {k: " STR_FMT "}", STR_ARG(large)).p),
                   "metadata.annotations", "more than 256 KiB in all");
    decode_refused(with_meta(a, "name: a, creationTimestamp: yesterday"), "metadata.creationTimestamp",
                   "invalid time \"yesterday\": must be as 2026-01-31T12:00:00Z");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_all_that_the_api_server_prints),
                                       cmocka_unit_test(refuses_bad_names),
                                       cmocka_unit_test(refuses_bad_labels_and_annotations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
